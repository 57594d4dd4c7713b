"""What only MongoDB promises: what a write waits for, how long, and how many at once."""

import asyncio
import uuid
from contextlib import asynccontextmanager

import pytest
from motor.motor_asyncio import AsyncIOMotorCollection
from pymongo.errors import AutoReconnect

from labmon import datastream
from labmon.datastream.backends import mongodb
from labmon.datastream.backends.base import SCHEMA_VERSION, Change
from labmon.datastream.backends.mongodb import MongodbBackend
from labmon.datastream.exceptions import NewerSchema, StoreLocked, StoreUnavailable


async def test_writes_wait_for_the_majority_and_its_journal_and_not_for_ever(mongodb_server):
    backend = MongodbBackend(f"{mongodb_server}/test_{uuid.uuid4().hex}")
    async with datastream.open(backend):
        assert backend._client.write_concern.document == {"w": "majority", "j": True}
        assert backend._client.delegate.options.timeout == mongodb.TIMEOUT_MS / 1000


async def test_a_database_of_schema_version_1_becomes_one_of_this_and_a_newer_one_is_refused(
    mongodb_server,
):
    url = f"{mongodb_server}/test_{uuid.uuid4().hex}"

    async def versions(found):
        """What the schema version is after a start, where it was `found` before."""
        backend = MongodbBackend(url)
        async with datastream.open(backend):
            properties = backend._database.properties
            before = await properties.find_one({"_id": "labmon"})
            await properties.update_one({"_id": "labmon"}, {"$set": {"schema": found}})
        return before["schema"]

    assert await versions(1) == SCHEMA_VERSION
    async with datastream.open(MongodbBackend(url), read_only=True):
        pass
    assert await versions(SCHEMA_VERSION + 1) == SCHEMA_VERSION
    for read_only in (True, False):
        with pytest.raises(NewerSchema):
            await datastream.open(MongodbBackend(url), read_only=read_only).start()


async def test_a_crowd_of_questions_has_at_most_eight_operations_under_way(
    mongodb_server, monkeypatch
):
    backend = MongodbBackend(f"{mongodb_server}/test_{uuid.uuid4().hex}")
    under_way, most = 0, 0
    operation = backend._operation

    @asynccontextmanager
    async def counted():
        nonlocal under_way, most
        async with operation():
            under_way += 1
            most = max(most, under_way)
            yield
            under_way -= 1

    monkeypatch.setattr(backend, "_operation", counted)
    async with datastream.open(backend, seal_datapoints=16) as streams:
        made = [
            await streams.ensure_stream({"path": f"w/{i}"}, {}, ["mean"], "raw") for i in range(30)
        ]
        for stream in made:
            await streams.append_array(stream, range(16), [float(i) for i in range(16)])
    backend = MongodbBackend(backend._url)
    monkeypatch.setattr(backend, "_operation", counted)
    operation = MongodbBackend._operation.__get__(backend)
    async with datastream.open(backend) as streams:  # nothing is in a cache
        most = 0
        found = await asyncio.gather(*(streams.get_arrays(one, "raw", 0, 99) for one in made))
        assert all(len(one["t"]) == 16 for one in found)
        assert most == mongodb.IN_FLIGHT == 8


async def test_what_a_timeout_may_have_written_is_written_again_and_is_there_once(
    mongodb_server, monkeypatch
):
    """An insert that timed out may still have landed: each row has an identity of its own."""
    backend = MongodbBackend(f"{mongodb_server}/test_{uuid.uuid4().hex}")
    async with datastream.open(backend, commit_interval_s=0, seal_datapoints=16) as streams:
        stream = await streams.ensure_stream({"path": "w/a"}, {}, ["mean"], "raw")
        await streams.commit()
        apply, twice = backend.apply, []

        async def landed_but_not_told(change):
            await apply(change)
            if len(twice) < 3:
                twice.append(change)
                raise mongodb.StoreUnavailable("timed out")

        monkeypatch.setattr(backend, "apply", landed_but_not_told)
        for i in range(40):
            await streams.append(stream, float(i), i)
        await asyncio.wait_for(streams.commit(), 30)
        assert twice
    async with datastream.open(MongodbBackend(backend._url)) as again:
        assert (await again.get_arrays(stream, "raw", 0, 99))["v"].tolist() == list(range(40))


async def test_a_write_that_is_under_way_at_the_end_has_landed_before_anybody_else_may_look(
    mongodb_server, monkeypatch
):
    """The server carries out what it was sent, whoever was cancelled meanwhile."""
    url = f"{mongodb_server}/test_{uuid.uuid4().hex}"
    backend, other = MongodbBackend(url), MongodbBackend(url)
    await backend.open()
    sent, may_land = asyncio.Event(), asyncio.Event()
    bulk_write = AsyncIOMotorCollection.bulk_write

    async def late(*args, **kwargs):
        sent.set()
        await may_land.wait()
        return await bulk_write(*args, **kwargs)

    def on_its_way(*args, **kwargs):  # as Motor's: on a thread, which nobody can cancel
        return asyncio.shield(asyncio.ensure_future(late(*args, **kwargs)))

    monkeypatch.setattr(AsyncIOMotorCollection, "bulk_write", on_its_way)
    writing = asyncio.create_task(backend.apply(Change(cursors={"a": b"1"})))
    await sent.wait()
    writing.cancel()
    await asyncio.wait([writing])
    closing = asyncio.create_task(backend.close())
    with pytest.raises(StoreLocked):
        await other.open()
    may_land.set()
    await closing
    monkeypatch.undo()
    await other.open()
    assert await other.read_cursors() == {"a": b"1"}
    await other.close()


async def test_a_store_that_could_not_give_its_lock_back_is_opened_again_by_the_same_process(
    mongodb_server, monkeypatch
):
    url = f"{mongodb_server}/test_{uuid.uuid4().hex}"
    backend, meanwhile = MongodbBackend(url), MongodbBackend(url)
    await backend.open()

    async def no_answer(*args, **kwargs):
        await asyncio.Event().wait()

    with monkeypatch.context() as patch:
        patch.setattr(AsyncIOMotorCollection, "delete_one", no_answer)
        patch.setattr(mongodb, "RELEASE_S", 0.01)
        await backend.close()
    await meanwhile.open()
    with pytest.raises(StoreLocked):
        await MongodbBackend(url).open()
    await meanwhile.close()


async def test_a_lock_that_was_taken_without_a_word_is_given_back(mongodb_server, monkeypatch):
    url = f"{mongodb_server}/test_{uuid.uuid4().hex}"
    replace_one = AsyncIOMotorCollection.replace_one

    async def landed_but_not_told(*args, **kwargs):
        await replace_one(*args, **kwargs)
        raise AutoReconnect("timed out")

    with monkeypatch.context() as patch:
        patch.setattr(AsyncIOMotorCollection, "replace_one", landed_but_not_told)
        with pytest.raises(StoreUnavailable):
            await MongodbBackend(url).open()
    backend = MongodbBackend(url)
    await backend.open()
    await backend.close()
