"""Derived streams on every backend: history, live, chains, late data, kills, and who may go."""

import asyncio

import pytest

from labmon import datastream
from labmon.datastream import exceptions
from labmon.datastream.upkeep import upkeep
from labmon.reading import Batch

SECOND = 1_000_000_000


async def make(streams, path, **options):
    return await streams.ensure_stream({"path": path}, {}, ["mean"], "raw", **options)


async def derive(streams, path, sources, op, args=None, **options):
    return await make(streams, path, derive_from=sources, derive_op=op, derive_args=args, **options)


async def polls(streams, clock, first, last):
    for i in range(first, last):
        batch = Batch("w", clock.step(1), ("w/a", "w/b"), (float(i), 2.0 * i), bytes(2))
        await streams.append_batch(batch)


async def values(streams, stream):
    await asyncio.wait_for(streams.backprocess_streams(), 30)
    return (await streams.get_arrays(stream, "raw", 0, 2**62))["v"].tolist()


async def chain(streams):
    a, b = await make(streams, "w/a"), await make(streams, "w/b")
    total = await derive(streams, "d/sum", [a, b], "sum")
    return total, await derive(streams, "d/slope", [total], "derivative")


async def test_history_is_derived_in_the_background_and_then_what_arrives(opened, clock):
    streams = await opened()
    a, b = await make(streams, "w/a"), await make(streams, "w/b")
    await polls(streams, clock, 0, 300)
    await streams.commit()
    await streams._engine.sealer.idle()
    total = await derive(streams, "d/sum", [a, b], "sum")
    told = streams.describe(total)
    assert told["pending_backprocess"]
    assert told["derived_from"] == [{"stream": a}, {"stream": b}]
    assert streams.describe(a)["contributes_to"] == [total]
    assert await values(streams, total) == [3.0 * i for i in range(300)]
    assert not streams.describe(total)["pending_backprocess"]
    await polls(streams, clock, 300, 310)
    assert await values(streams, total) == [3.0 * i for i in range(310)]
    minutes = await streams.get_arrays(total, "minutes", 0, 2**62, ["count"])
    assert minutes["count"].sum() == 310


async def test_without_backprocessing_it_starts_now(opened, clock):
    streams = await opened()
    a, b = await make(streams, "w/a"), await make(streams, "w/b")
    await polls(streams, clock, 0, 100)
    total = await derive(streams, "d/sum", [a, b], "sum", derive_backprocess=False)
    assert not streams.describe(total)["pending_backprocess"]
    await polls(streams, clock, 100, 103)
    await streams.append_batch(
        Batch("w", clock.now_ns - 60 * SECOND, ("w/a", "w/b"), (9.0, 9.0), bytes(2))
    )
    assert await values(streams, total) == [300.0, 303.0, 306.0]
    streams = await opened()
    assert await values(streams, total) == [300.0, 303.0, 306.0]


async def test_after_a_kill_nothing_is_missing_and_nothing_doubled(opened, clock):
    streams = await opened()
    total, slope = await chain(streams)
    for round_ in range(6):
        await polls(streams, clock, round_ * 45, round_ * 45 + 45)
        await streams.commit()
        if round_ % 2:
            await streams.backprocess_streams()
        if round_ == 3:
            await streams._engine.sealer.idle()
            await upkeep(streams._engine, keep_ns=0)
        await opened.kill()
        streams = await opened()
        count = round_ * 45 + 45
        assert await values(streams, total) == [3.0 * i for i in range(count)]
        assert await values(streams, slope) == [3.0] * (count - 1)


async def test_late_data_is_worked_in_also_behind_what_is_sealed(opened, clock):
    streams = await opened()
    total, slope = await chain(streams)
    await polls(streams, clock, 0, 400)
    await values(streams, slope)
    await streams.commit()
    await streams._engine.sealer.idle()
    for count, seconds in enumerate((2, 90, 390), start=1):
        at = clock.now_ns - seconds * SECOND - SECOND // 2
        await streams.append_batch(Batch("w", at, ("w/a", "w/b"), (1.0, 1.0), bytes(2)))
        expected = await values(streams, total)
        assert expected.count(2.0) == count
    assert len(expected) == 403
    slopes = await values(streams, slope)
    assert len(slopes) == 402
    assert slopes.count(3.0) == 402 - 6
    streams = await opened()
    assert await values(streams, total) == expected
    assert await values(streams, slope) == slopes


async def test_late_data_that_comes_just_before_a_kill_is_worked_in(opened, clock):
    streams = await opened()
    total, slope = await chain(streams)
    await polls(streams, clock, 0, 300)
    await values(streams, slope)
    await streams._engine.sealer.idle()
    await upkeep(streams._engine)
    streams._engine.deriver._task.cancel()
    await asyncio.gather(streams._engine.deriver._task, return_exceptions=True)
    at = clock.now_ns - 200 * SECOND - 1
    await streams.append_batch(Batch("w", at, ("w/a", "w/b"), (1.0, 1.0), bytes(2)))
    await streams.commit()
    await opened.kill()
    streams = await opened()
    assert len(await values(streams, total)) == 301
    assert len(await values(streams, slope)) == 300


async def test_a_second_datapoint_of_one_time_that_comes_just_before_a_kill_is_worked_in(
    opened, clock
):
    """It is not late, so nothing but its number tells of it."""
    streams = await opened()
    a = await make(streams, "w/a")
    twice = await derive(streams, "d/twice", [a], "scale", {"a": 2})
    for i in range(100):
        await streams.append(a, float(i), clock.step(1))
    await values(streams, twice)
    await upkeep(streams._engine)
    streams._engine.deriver._task.cancel()
    await asyncio.gather(streams._engine.deriver._task, return_exceptions=True)
    told = await streams.append(a, 7.5, clock())
    assert "quality" not in told["datapoint"]
    await streams.commit()
    await opened.kill()
    streams = await opened()
    assert (await values(streams, twice))[-2:] == [198.0, 15.0]


async def test_readers_beside_a_writer_see_what_is_derived(opened, clock, store):
    streams = await opened()
    total, _ = await chain(streams)
    await polls(streams, clock, 0, 200)
    expected = await values(streams, total)
    await streams.commit()
    if type(store.backend()).__name__ == "MemoryBackend":
        pytest.skip("a store in memory has one process only")
    async with datastream.open(store.backend(), read_only=True, clock=clock) as reader:
        found = await reader.get_arrays(total, "raw", 0, 2**62)
        assert found["v"].tolist() == expected


async def test_a_source_that_has_died_stops_nothing(opened, clock):
    streams = await opened()
    a, c = await make(streams, "w/a"), await make(streams, "x/c")
    held = await derive(streams, "d/held", [a, c], "sum", {"align": {"hold_s": 5}})
    slow = await derive(streams, "d/mean", [held], "moving_average", {"window_s": 10})
    await streams.append(c, 1.0, clock.step(1))
    for i in range(30):
        await streams.append(a, float(i), clock.step(1))
    found = await values(streams, held)
    assert found[:5] == [1.0, 2.0, 3.0, 4.0, 5.0]
    assert found[5] != found[5]  # the gap begins
    assert len(await values(streams, slow)) == 6
    await streams.append(c, 100.0, clock.step(1))
    await streams.append(a, 30.0, clock.now_ns)
    assert (await values(streams, held))[-1] == 130.0


async def test_sources_stay_while_something_is_derived_from_them(opened, clock):
    streams = await opened()
    _, slope = await chain(streams)
    await polls(streams, clock, 0, 100)
    await values(streams, slope)
    streams = await opened()
    with pytest.raises(exceptions.OutstandingDependenciesError, match="d/sum"):
        await streams.delete_streams({"path": "w/a"})
    with pytest.raises(exceptions.OutstandingDependenciesError, match="d/slope"):
        await streams.delete_streams({"path": "d/sum"})
    await streams.delete_streams({"path": "d/slope"})
    await streams.delete_streams({"path": "d/sum"})
    assert await streams._engine.backend.read_cursors("derived/") == {}
    await streams.delete_streams({"path": "w/a"})
    streams = await opened()
    assert sorted(streams.paths()) == ["w/b"]


async def test_followers_of_a_derived_stream_are_told_what_was_revised(opened, clock):
    streams = await opened()
    total, _ = await chain(streams)
    await polls(streams, clock, 0, 100)
    await values(streams, total)
    told = streams.follow([total], 0)
    first = await anext(told)
    while len(first.columns[total]) < 100:
        first = await anext(told)
    at = clock.now_ns - 10 * SECOND - 1
    await streams.append_batch(Batch("w", at, ("w/a", "w/b"), (1.0, 1.0), bytes(2)))
    revised = await asyncio.wait_for(anext(told), 30)
    assert [one.stream for one in revised.revised] == [total]
    assert revised.revised[0].start_ns <= at
    found = revised
    while total not in found.columns:
        found = await asyncio.wait_for(anext(told), 30)
    assert 2.0 in found.columns[total].python_values()
    await told.aclose()
