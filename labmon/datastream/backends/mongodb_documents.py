"""Rows as MongoDB documents and back: identities, order of the writes, and bodies over 16 MiB.

The trap: a document has at most 16 MiB, so a longer body goes into chunks that are written before
the document that counts them, which is the mark that all of them are there.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any, Final

from bson import Binary, Int64
from pymongo import DeleteMany, DeleteOne, ReplaceOne, UpdateOne

from labmon.datastream.backends.base import (
    RAW,
    BlockKey,
    BlockOutline,
    EntryKey,
    EntryRow,
    EpochRow,
    StreamRow,
    StreamSize,
)

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from labmon.datastream.backends.base import Change

MAX_BODY_BYTES: Final = 12 << 20
"""A document must stay under 16 MiB; the rest of it is small."""
TOMBSTONE: Final = "removed"
"""The `_id` of the one document that says which streams are gone."""

Request = Any
Document = dict[str, Any]


def now_s() -> float:
    """The time now, in seconds: when a time column was touched."""
    return time.time()


def position(key: EntryKey) -> int:
    """A key as one integer that ascends with it."""
    return key.epoch << 40 | key.number


def block_id(key: BlockKey) -> str:
    """The `_id` of a block: the same for every attempt to write it."""
    return f"{key.stream}/{key.granularity}/{key.ordinal}/{key.generation}"


def chunk_ids(collection: str, owner: Any, count: int) -> list[str]:
    """The `_id`s of the chunks of a body."""
    return [f"{_owner(collection, owner)}/{i}" for i in range(count)]


def block_sizes() -> list[Document]:
    """What to ask of `blocks`: the bytes and rows of each stream, raw and rolled up apart."""
    of = {"stream": "$stream", "is_raw": {"$eq": ["$granularity", RAW]}}
    sums = {"bytes": {"$sum": "$size"}, "rows": {"$sum": "$length"}}
    return [{"$group": {"_id": of, **sums}}]


def time_sizes() -> list[Document]:
    """What to ask of `blocks`: the share of each stream in time columns."""
    column = {"from": "times", "localField": "_id", "foreignField": "_id", "as": "column"}
    share = {"$divide": [{"$binarySize": "$column.body"}, {"$size": "$streams"}]}
    return [
        {"$match": {"times": {"$ne": None}}},
        {"$group": {"_id": "$times", "streams": {"$push": "$stream"}}},
        {"$lookup": column},
        {"$unwind": "$column"},
        {"$project": {"streams": 1, "share": share}},
        {"$unwind": "$streams"},
        {"$group": {"_id": "$streams", "bytes": {"$sum": "$share"}}},
    ]


def to_sizes(blocks: list[Document], times: list[Document]) -> dict[int, StreamSize]:
    """What each stream takes, of the answers to both."""
    shares: dict[int, float] = {one["_id"]: one["bytes"] for one in times}
    raw = {one["_id"]["stream"]: one for one in blocks if one["_id"]["is_raw"]}
    rollups = {one["_id"]["stream"]: one for one in blocks if not one["_id"]["is_raw"]}
    none = {"bytes": 0, "rows": 0}
    return {
        number: StreamSize(
            raw.get(number, none)["bytes"],
            rollups.get(number, none)["bytes"],
            shares.get(number, 0.0),
            raw.get(number, none)["rows"],
        )
        for number in {*raw, *rollups}
    }


def _owner(collection: str, owner: Any) -> str:
    return f"{collection}/{owner.hex() if isinstance(owner, bytes) else owner}"


def tombstone(numbers: Sequence[int]) -> Request:
    """What makes streams gone all at once; that which belongs to them is swept afterwards."""
    document = {"_id": TOMBSTONE, "streams": list(numbers)}
    return ReplaceOne({"_id": TOMBSTONE}, document, upsert=True)


def writes(change: Change) -> Iterator[tuple[str, list[Request]]]:
    """What to write, collection by collection in the order that a crash may interrupt."""
    if change.node is not None:
        # the schema stands there since the database was made
        node = UpdateOne({"_id": "labmon"}, {"$set": {"node": change.node}}, upsert=True)
        yield "properties", [node]
    yield from _puts("epochs", [_epoch(row) for row in change.epochs])
    yield from _puts("streams", [_stream(row) for row in change.streams])
    yield from _bodies("journal", [(_entry(row), row.body) for row in change.entries])
    yield from _bodies("times", [(_times(at), body) for at, body in change.times.items()])
    yield from _bodies("blocks", [(_outline(row.outline), row.body) for row in change.blocks])
    states = ({"_id": at, "state": Binary(state)} for at, state in change.states.items())
    yield from _puts("states", list(states))
    yield from _cursors(change.cursors)
    yield from removals("journal", [Int64(position(key)) for key in change.removed_entries])
    yield from removals("blocks", [block_id(key) for key in change.removed_blocks])


def _puts(collection: str, found: list[Document]) -> Iterator[tuple[str, list[Request]]]:
    if found:
        yield collection, [ReplaceOne({"_id": one["_id"]}, one, upsert=True) for one in found]


def _bodies(
    collection: str, found: list[tuple[Document, bytes]]
) -> Iterator[tuple[str, list[Request]]]:
    chunks: list[Document] = []
    whole: list[Document] = []
    for document, body in found:
        if len(body) <= MAX_BODY_BYTES:
            whole.append(document | {"body": Binary(body)})
            continue
        parts = [body[i : i + MAX_BODY_BYTES] for i in range(0, len(body), MAX_BODY_BYTES)]
        ids = chunk_ids(collection, document["_id"], len(parts))
        owner = {"owner": _owner(collection, document["_id"]), "stream": document.get("stream")}
        chunks += [
            {"_id": one, "body": Binary(part)} | owner for one, part in zip(ids, parts, strict=True)
        ]
        whole.append(document | {"chunks": len(parts)})
    for chunk in chunks:  # one by one: together they are over the limit of a message
        yield from _puts("chunks", [chunk])
    yield from _puts(collection, whole)


def _cursors(cursors: dict[str, bytes | None]) -> Iterator[tuple[str, list[Request]]]:
    if cursors:
        yield (
            "cursors",
            [
                DeleteOne({"_id": name})
                if at is None
                else ReplaceOne({"_id": name}, {"_id": name, "at": Binary(at)}, upsert=True)
                for name, at in cursors.items()
            ],
        )


def removals(collection: str, ids: list[Any]) -> Iterator[tuple[str, list[Request]]]:
    """What removes documents of a collection, with the chunks that belong to them."""
    for start in range(0, len(ids), 1000):
        some = ids[start : start + 1000]
        yield collection, [DeleteMany({"_id": {"$in": some}})]
        owners = [_owner(collection, one) for one in some]
        yield "chunks", [DeleteMany({"owner": {"$in": owners}})]


def _epoch(row: EpochRow) -> Document:
    return {
        "_id": row.epoch,
        "started_ns": Int64(row.started_ns),
        "last_seq": Int64(row.last_seq),
    }


def to_epoch(document: Document) -> EpochRow:
    """The row of a document."""
    return EpochRow(document["_id"], int(document["started_ns"]), int(document["last_seq"]))


def _stream(row: StreamRow) -> Document:
    return {"_id": row.number, "id": row.id, "document": Binary(row.document)}


def to_stream(document: Document) -> StreamRow:
    """The row of a document."""
    return StreamRow(document["_id"], document["id"], bytes(document["document"]))


def _entry(row: EntryRow) -> Document:
    return {
        "_id": Int64(position(row.key)),
        "kind": row.kind,
        "first_seq": Int64(row.first_seq),
        "last_seq": Int64(row.last_seq),
        "time_ns": Int64(row.time_ns),
    }


def body_bytes(document: Document) -> int:
    """How long the body of a document is, about."""
    return document["chunks"] * MAX_BODY_BYTES if "chunks" in document else len(document["body"])


def to_entry(document: Document) -> EntryRow:
    """The row of a document, without its body."""
    at = int(document["_id"])
    return EntryRow(
        EntryKey(at >> 40, at & (1 << 40) - 1),
        document["kind"],
        int(document["first_seq"]),
        int(document["last_seq"]),
        int(document["time_ns"]),
        b"",
    )


def _times(address: bytes) -> Document:
    return {"_id": Binary(address), "touched_s": now_s()}


def _outline(outline: BlockOutline) -> Document:
    key = outline.key
    return {
        "_id": block_id(key),
        "stream": key.stream,
        "granularity": key.granularity,
        "ordinal": Int64(key.ordinal),
        "generation": key.generation,
        "from_ns": Int64(outline.from_ns),
        "to_ns": Int64(outline.to_ns),
        "length": outline.length,
        "through": Int64(outline.through),
        "times": None if outline.times is None else Binary(outline.times),
        "size": outline.size,
    }


def to_outline(document: Document) -> BlockOutline:
    """The row of a document."""
    times = document["times"]
    return BlockOutline(
        BlockKey(
            document["stream"],
            document["granularity"],
            int(document["ordinal"]),
            document["generation"],
        ),
        int(document["from_ns"]),
        int(document["to_ns"]),
        document["length"],
        int(document["through"]),
        None if times is None else bytes(times),
        document["size"],
    )
