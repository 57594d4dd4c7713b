"""Removing streams, on every backend: all of the selected ones or none, and for good."""

import asyncio

import pytest

from labmon import datastream
from labmon.datastream import exceptions
from labmon.datastream.backends.mongodb import MongodbBackend
from labmon.reading import Batch

PATHS = ("w/a", "w/b", "x/c")


async def filled(opened, clock, count=100):
    streams = await opened()
    for path in PATHS:
        await streams.ensure_stream({"path": path}, {"device": path[0]}, ["mean"], "raw")
    for _ in range(count):
        await streams.append_batch(Batch("w", clock.step(1), PATHS, (1.0, 2.0, 3.0), bytes(3)))
    await streams.commit()
    await streams._engine.sealer.idle()
    return streams


async def paths(streams):
    return [one["path"] async for one in await streams.find_streams()]


async def test_selected_streams_go_with_their_datapoints(opened, clock):
    streams = await filled(opened, clock)
    gone, kept = streams.stream_id("w/a"), streams.stream_id("x/c")
    await streams.delete_streams({"device": "w"})
    assert await paths(streams) == ["x/c"]
    with pytest.raises(exceptions.StreamNotFound):
        await streams.append(gone, 1.0)
    backend = streams._engine.backend
    assert await backend.read_outlines(1, "r") == []
    assert await backend.read_outlines(3, "r") != []
    for _ in range(2):
        assert len((await streams.get_arrays(kept, "raw", 0, 2**62))["t"]) == 100
        streams = await opened()
        assert await paths(streams) == ["x/c"]


async def test_a_new_stream_of_the_same_path_is_empty(opened, clock):
    streams = await filled(opened, clock, 10)
    old = streams.stream_id("x/c")
    await streams.delete_streams({"path": "x/c"})
    new = await streams.ensure_stream({"path": "x/c"}, {}, ["mean"], "raw")
    assert new != old
    await streams.append(new, 7.0, 5)
    await streams.commit()
    await opened.kill()
    streams = await opened()  # the journal still tells of the old one
    found = await streams.get_arrays(new, "raw", 0, 2**62)
    assert found["v"].tolist() == [7.0]
    assert streams._engine.journal.entries


@pytest.mark.parametrize("query", [None, {}])
async def test_all_streams_can_be_removed(opened, clock, query):
    streams = await filled(opened, clock, 5)
    await streams.delete_streams(query)
    assert await paths(streams) == []
    streams = await opened()
    assert await paths(streams) == []


async def test_streams_that_others_are_derived_from_stay(opened, clock):
    streams = await filled(opened, clock, 5)
    catalogue = streams._engine.catalogue
    catalogue.at("w/a").depends.add(catalogue.at("x/c").number)
    with pytest.raises(exceptions.OutstandingDependenciesError, match="x/c"):
        await streams.delete_streams({"device": "w"})
    assert await paths(streams) == list(PATHS)
    await streams.delete_streams({})
    assert await paths(streams) == []


async def test_a_stream_may_be_removed_while_it_is_sealed(opened, clock):
    streams = await filled(opened, clock, 63)
    engine = streams._engine
    await streams.append_batch(Batch("w", clock.step(1), PATHS, (1.0, 2.0, 3.0), bytes(3)))
    sealing = engine.sealer
    for stream in engine.catalogue:
        sealing.want(stream)
    await streams.delete_streams({"path": "w/a"})
    await sealing.idle()
    await streams.commit()
    assert await engine.backend.read_outlines(1, "r") == []
    assert [o.length for o in await engine.backend.read_outlines(2, "r")] == [64]
    streams = await opened()
    assert await paths(streams) == ["w/b", "x/c"]


async def test_none_removes_checkpoints_too_and_an_empty_query_leaves_them(streams, clock):
    stream = await streams.ensure_stream({"path": "w/a"}, {}, [], "raw")
    await streams.append(stream, 1.0)
    told = streams.follow([stream], 0)
    cursor = (await anext(told)).cursor
    await told.aclose()
    await streams.set_checkpoint("me", cursor)
    await streams.delete_streams({})
    assert await (await streams.find_streams()).count() == 0
    assert await streams.get_checkpoint("me") == cursor
    await streams.delete_streams()
    assert await streams.get_checkpoint("me") is None
    other = await streams.ensure_stream({"path": "w/b"}, {}, [], "raw")
    await streams.append(other, 2.0)
    told = streams.follow([other], cursor)  # of streams that are gone it means nothing any more
    assert (await anext(told)).columns[other].python_values() == [2.0]
    await told.aclose()


@pytest.mark.parametrize("writes", range(8))
async def test_a_removal_that_is_cut_off_has_removed_all_or_nothing(opened, clock, writes):
    """Of the engines that write a change in several steps; the others have one step."""
    streams = await filled(opened, clock)
    backend = streams._engine.backend
    if not isinstance(backend, MongodbBackend):
        pytest.skip("its changes are transactions")
    write, left = backend._write, [writes]

    async def write_some(*args):
        left[0] -= 1
        if left[0] < 0:
            raise exceptions.StoreUnavailable("the power went")
        await write(*args)

    backend._write = write_some
    removing = asyncio.create_task(streams.delete_streams({"device": "w"}))
    await asyncio.wait([removing], timeout=0.2)
    removing.cancel()
    await asyncio.gather(removing, return_exceptions=True)
    await opened.kill()
    async with datastream.open(MongodbBackend(backend._url), read_only=True) as reader:
        beside = await paths(reader)
    streams = await opened()
    found = await paths(streams)
    assert found == beside
    assert found in (list(PATHS), ["x/c"])
    for path in found:
        ids = streams.stream_id(path)
        assert len((await streams.get_arrays(ids, "raw", 0, 2**62))["t"]) == 100
    if found == ["x/c"]:
        backend = streams._engine.backend
        assert await backend.read_outlines(1, "r") == await backend.read_outlines(2, "r") == []
        assert await backend._removed_streams() == []
