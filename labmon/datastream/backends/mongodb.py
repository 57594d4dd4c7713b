"""MongoDB through Motor: streams, journal, blocks and cursors as documents of one database.

Nothing is an insert: every write is an upsert under a deterministic `_id`, because one that timed
out may have landed. The trap: there is no transaction here, so the order of the writes is what
keeps a crash harmless; what is durable is what `states` and the journal say, not what lies about,
and what a crash left lying about is removed at the next start.
"""

from __future__ import annotations

import asyncio
import time
from contextlib import asynccontextmanager, suppress
from typing import TYPE_CHECKING, Any, Final

from bson import Binary, Int64
from bson.errors import BSONError
from motor.motor_asyncio import AsyncIOMotorClient
from pymongo import ASCENDING, DeleteMany, ReplaceOne
from pymongo.errors import ConfigurationError, InvalidURI, PyMongoError
from pymongo.uri_parser import parse_uri

from labmon.datastream.backends import mongodb_change
from labmon.datastream.backends import mongodb_documents as documents
from labmon.datastream.backends import mongodb_failures as failures
from labmon.datastream.backends.base import (
    ENTRIES_BYTES,
    SCHEMA_VERSION,
    Backend,
    BlockKey,
    BlockOutline,
    Change,
    Contents,
    EntryKey,
    StreamSize,
)
from labmon.datastream.backends.mongodb_lock import DatabaseLock
from labmon.datastream.exceptions import (
    NewerSchema,
    NotADatastream,
    StoreReadOnly,
    StoreUnavailable,
)

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence

TIMEOUT_MS: Final = 5000
IN_FLIGHT: Final = 8
RELEASE_S: Final = 0.3
"""So long a database that is away may hold up the end, once no write is under way."""
DEFAULT_DATABASE: Final = "labmon"
CHUNK: Final = 1000
"""Keys that are asked for, or removed, by one command."""
ENTRIES_AT_ONCE: Final = 50
"""Entries of the journal that the server sends together."""
GRACE_S: Final = 86400
"""A time column that no block refers to is kept so long: a block on its way may need it. So often
they are looked for, too."""

Documents = list[dict[str, Any]]
_OF_STREAMS: Final = (
    *(("states", "_id"), ("streams", "_id")),
    *(("blocks", "stream"), ("chunks", "stream")),
)


class MongodbBackend(Backend):
    """One database; awaited on the event loop, which Motor's threads never block.

    Every write waits for the majority and its journal (`w=majority, j=True`), every operation ends
    after 5 s at the latest (`timeoutMS`), and at most 8 are under way.

    Args:
        url: `mongodb://HOST[:PORT]/DATABASE`, the database `labmon` where none is named.

    Raises:
        ValueError: the address is none that MongoDB's drivers understand.
    """

    def __init__(self, url: str) -> None:
        try:
            self._name: str = parse_uri(url)["database"] or DEFAULT_DATABASE
        except (InvalidURI, ConfigurationError, ValueError) as error:
            text = f"no MongoDB address, such as mongodb://localhost/labmon: {error}"
            raise ValueError(text) from None  # without the address, in which a password may stand
        self._url = url
        self._place = f"the MongoDB database {self._name!r}"
        self._client: Any = None
        self._slots = asyncio.Semaphore(IN_FLIGHT)
        self._turn = asyncio.Lock()
        self._sent: asyncio.Future[Any] | None = None
        """The last write; the server carries it out, whoever does not wait for it any more."""
        self._collected_s = 0.0
        self._is_read_only = False
        self._is_whole = False
        """Whether the last change with a plan is known to have come to its end."""
        self._plan: Any = None
        """The plan of that change."""

    async def open(self, *, read_only: bool = False) -> Contents:
        """Open the database, make its indexes where they are missing, and return what is in it."""
        self._is_read_only = read_only
        self._client = AsyncIOMotorClient(
            self._url,
            w="majority",
            journal=True,
            timeoutMS=TIMEOUT_MS,
            serverSelectionTimeoutMS=TIMEOUT_MS,
            maxPoolSize=IN_FLIGHT,
            appname="labmon",
        )
        self._database: Any = self._client[self._name]
        self._lock = DatabaseLock(self._database.locks, self._place)
        try:
            async with self._operation():
                properties = await self._database.properties.find_one({"_id": "labmon"})
                self._check(properties, await self._database.list_collection_names())
            if not read_only:
                async with self._operation():
                    await self._lock.acquire()
                await self._prepare(properties)
            return await self._contents()
        except BaseException:
            await self.close()
            raise

    def _check(self, properties: dict[str, Any] | None, collections: list[str]) -> None:
        if properties is None:
            if "streams" in collections:
                raise NotADatastream(f"{self._place} has streams that labmon did not make")
            return
        if properties["schema"] > SCHEMA_VERSION:
            raise NewerSchema(
                f"{self._place} has schema version {properties['schema']}, this labmon knows"
                f" {SCHEMA_VERSION}: update labmon, or name another database"
            )

    async def _prepare(self, properties: dict[str, Any] | None) -> None:
        async with self._operation():
            if properties is None or properties["schema"] < SCHEMA_VERSION:
                # what an earlier version wrote stays as it is
                await self._database.properties.update_one(
                    {"_id": "labmon"}, {"$set": {"schema": SCHEMA_VERSION}}, upsert=True
                )
            await self._database.blocks.create_index(
                [(key, ASCENDING) for key in ("stream", "granularity", "ordinal", "generation")]
            )
            await self._database.blocks.create_index([("times", ASCENDING)])
            await self._database.chunks.create_index([("owner", ASCENDING)])
        if removed := await self._removed_streams():
            await self._remove_streams(removed)
        await self._settle()
        await self.collect_times()

    async def look_after(self) -> bool:
        """Once a day, collect the time columns that no block refers to any more."""
        if time.monotonic() - self._collected_s >= GRACE_S:
            await self.collect_times()
        return False

    async def _contents(self) -> Contents:
        properties = await self._find("properties", {"_id": "labmon"})
        removed = set(await self._removed_streams())
        streams = [documents.to_stream(one) for one in await self._find("streams")]
        return Contents(
            properties[0].get("node") if properties else None,
            [documents.to_epoch(one) for one in await self._find("epochs")],
            [row for row in streams if row.number not in removed],
            {one["_id"]: bytes(one["state"]) for one in await self._find("states")},
            [documents.to_entry(one) for one in await self._find("journal", {}, {"body": False})],
        )

    async def close(self) -> None:
        """Give the lock back and close the connections, once no write is under way any more.

        Else it could land when the next start has looked already, see decision 22.
        """
        if self._client is None:
            return
        if self._sent is not None:
            await asyncio.wait([self._sent])  # it takes no longer than `TIMEOUT_MS`
        if self._lock.is_held:
            # where it cannot be given back it expires, and this host may take it over at once
            with suppress(PyMongoError, TimeoutError):
                await asyncio.wait_for(self._lock.release(), RELEASE_S)
        self._client.close()
        self._client = None

    async def apply(self, change: Change) -> None:
        """Write a change: parts in their order, removals last."""
        if self._is_read_only:
            raise StoreReadOnly(f"{self._place} is open for reading only")
        async with self._turn:
            if change.removed_streams:  # from here on they are gone, whatever comes
                await self._write("properties", [documents.tombstone(change.removed_streams)])
            if plan := mongodb_change.plan(change):
                # one that is tried again writes the same: nothing of it is removed in between, as
                # a state that timed out may land at any time
                if not self._is_whole and plan != self._plan:
                    await self._settle()
                self._is_whole, self._plan = False, plan
                await self._write("properties", [plan])
            for collection, requests in documents.writes(change):
                for start in range(0, len(requests), CHUNK):
                    await self._write(collection, requests[start : start + CHUNK])
            if plan:
                self._is_whole = True
            if change.removed_streams:
                await self._remove_streams(change.removed_streams)

    async def _write(self, collection: str, requests: list[ReplaceOne | DeleteMany]) -> None:
        async with self._operation():
            await self._lock.check()
            sent = self._database[collection].bulk_write(requests, ordered=False)
            self._sent = sent = asyncio.ensure_future(sent)
            await asyncio.shield(sent)

    async def _settle(self) -> None:
        """Remove what the last change has left lying about, where it did not come to its end."""
        for found in await self._find("properties", {"_id": mongodb_change.PLAN}):
            numbers = [one["stream"] for one in found["streams"]]
            states = await self._find_ids("states", numbers)
            left = mongodb_change.leftovers(
                found["streams"], {one["_id"]: one["state"] for one in states}
            )
            for collection, requests in documents.removals("blocks", left):
                await self._write(collection, requests)
        self._is_whole = True

    async def _remove_streams(self, numbers: Sequence[int]) -> None:
        for name, key in _OF_STREAMS:
            await self._write(name, [DeleteMany({key: {"$in": list(numbers)}})])
        await self._write("properties", [DeleteMany({"_id": documents.TOMBSTONE})])

    async def _removed_streams(self) -> list[int]:
        """The streams that a crash has kept from being removed with all that belongs to them."""
        found = await self._find("properties", {"_id": documents.TOMBSTONE})
        return [number for one in found for number in one["streams"]]

    async def read_outlines(self, stream: int, granularity: str) -> list[BlockOutline]:
        """All blocks of one stream at one granularity, by ordinal and generation."""
        query = {"stream": stream, "granularity": granularity}
        order = [("ordinal", ASCENDING), ("generation", ASCENDING)]
        found = await self._find("blocks", query, {"body": False}, order)
        return [documents.to_outline(one) for one in found]

    async def read_blocks(self, keys: Sequence[BlockKey]) -> dict[BlockKey, bytes]:
        """The bodies of blocks; those that do not exist are left out."""
        ids = {documents.block_id(key): key for key in keys}
        found = await self._find_ids("blocks", list(ids))
        return {ids[one["_id"]]: await self._body("blocks", one) for one in found}

    async def read_times(self, addresses: Sequence[bytes]) -> dict[bytes, bytes]:
        """The bodies of time columns; those that do not exist are left out."""
        found = await self._find_ids("times", [Binary(address) for address in addresses])
        return {bytes(one["_id"]): await self._body("times", one) for one in found}

    async def read_entries(self, keys: Sequence[EntryKey]) -> list[bytes]:
        """The bodies of the first of some journal entries."""
        ids = [Int64(documents.position(key)) for key in keys]
        found: dict[int, dict[str, Any]] = {}
        room = ENTRIES_BYTES
        async with self._operation():
            cursor = self._database.journal.find({"_id": {"$in": ids}})
            async for one in cursor.sort([("_id", ASCENDING)]).batch_size(ENTRIES_AT_ONCE):
                found[one["_id"]] = one
                room -= documents.body_bytes(one)
                if room <= 0:
                    await cursor.close()
                    ids = ids[: ids.index(one["_id"]) + 1]
                    break
        return [await self._body("journal", found[at]) if at in found else b"" for at in ids]

    async def read_cursors(self, prefix: str = "") -> dict[str, bytes]:
        """The cursors whose names begin with a prefix."""
        found = await self._find("cursors")
        return {one["_id"]: bytes(one["at"]) for one in found if one["_id"].startswith(prefix)}

    async def read_sizes(self) -> dict[int, StreamSize]:
        """What each stream with blocks takes; the server sums it up."""
        found: list[Documents] = []
        for pipeline in (documents.block_sizes(), documents.time_sizes()):
            async with self._operation():
                cursor = self._database.blocks.aggregate(pipeline, allowDiskUse=True)
                found.append(await cursor.to_list(None))
        return documents.to_sizes(*found)

    async def size_bytes(self) -> int:
        """What the collections take, as the server says."""
        async with self._operation():
            return int((await self._database.command("dbstats"))["dataSize"])

    async def _find(
        self,
        collection: str,
        query: dict[str, Any] | None = None,
        fields: dict[str, bool] | None = None,
        order: list[tuple[str, int]] | None = None,
    ) -> Documents:
        async with self._operation():
            cursor = self._database[collection].find(query or {}, fields)
            return await cursor.sort(order or [("_id", ASCENDING)]).to_list(None)

    async def _find_ids(self, collection: str, ids: list[Any]) -> Documents:
        found: Documents = []
        for start in range(0, len(ids), CHUNK):
            found += await self._find(collection, {"_id": {"$in": ids[start : start + CHUNK]}})
        return found

    async def _body(self, collection: str, document: dict[str, Any]) -> bytes:
        """The bytes of a document: its own, or those of its chunks."""
        if "chunks" not in document:
            return bytes(document["body"])
        ids = documents.chunk_ids(collection, document["_id"], document["chunks"])
        chunks = {one["_id"]: one["body"] for one in await self._find_ids("chunks", ids)}
        if len(chunks) != len(ids):
            raise StoreUnavailable(f"{self._place} lost a part of {collection} {document['_id']}")
        return b"".join(chunks[one] for one in ids)

    async def collect_times(self, grace_s: float = GRACE_S) -> None:
        """Remove time columns that no block refers to, a day after they were last written."""
        self._collected_s = time.monotonic()
        old = {"touched_s": {"$lt": documents.now_s() - grace_s}}
        addresses = [one["_id"] for one in await self._find("times", old, {"_id": True})]
        for start in range(0, len(addresses), CHUNK):
            chunk = addresses[start : start + CHUNK]
            async with self._operation():
                used = await self._database.blocks.distinct("times", {"times": {"$in": chunk}})
                unused = {bytes(one) for one in chunk} - {bytes(one) for one in used}
                await self._database.times.delete_many(
                    {"_id": {"$in": [Binary(one) for one in unused]}, **old}
                )

    @asynccontextmanager
    async def _operation(self) -> AsyncIterator[None]:
        """One of the few operations under way; what MongoDB complains of is `StoreUnavailable`."""
        if self._client is None:
            raise StoreUnavailable(f"{self._place} is closed")
        async with self._slots:
            try:
                yield
            except (PyMongoError, BSONError, OverflowError) as error:
                text = f"{self._place}: {failures.said(error)}"
                raise failures.kind_of(error)(text) from error
