"""What the engine promises on every backend: durability, order, restarts, blocks and rollups."""

import asyncio

import numpy as np
import pytest

from labmon.datastream import Granularity
from labmon.datastream.quarantine import restatement
from labmon.datastream.upkeep import trim, upkeep
from labmon.reading import Batch, Quality

SECOND = 1_000_000_000
PATHS = ("w/a", "w/b")


async def make(streams, path="w/a", downsamplers=("mean", "min", "max", "std_dev"), **options):
    return await streams.ensure_stream(
        {"path": path}, {"unit": "V"}, downsamplers, Granularity.Raw, **options
    )


async def settle(streams):
    await streams.commit()
    await streams._engine.sealer.idle()
    await streams.commit()


async def values(streams, stream):
    return (await streams.get_arrays(stream, "raw", 0, 2**62))["v"].tolist()


async def test_a_value_is_visible_at_once_and_there_after_a_restart(opened):
    streams = await opened()
    stream = await make(streams)
    await streams.append(stream, 1.5)
    assert await values(streams, stream) == [1.5]
    streams = await opened()
    assert await values(streams, stream) == [1.5]
    assert streams.latest(stream)[1] == 1.5


async def test_committed_values_survive_a_kill_and_are_not_doubled(opened, clock):
    streams = await opened()
    stream = await make(streams)
    expected = []
    for round_ in range(5):
        for i in range(50):  # crosses the size of a block now and then
            clock.step(0.1)
            expected.append(float(round_ * 100 + i))
            await streams.append(stream, expected[-1])
        await streams.commit()
        await opened.kill()
        streams = await opened()
        assert await values(streams, stream) == expected


async def test_node_stays_and_epoch_grows(opened):
    streams = await opened()
    node, epoch = streams.node, streams.epoch
    await make(streams)
    for i in range(3):
        await streams.append_batch(Batch("w", i, ("w/a",), (1.0,), bytes(1), seq=10 + i))
    await streams.commit()
    assert streams.durable_seq == 12
    assert await streams.epoch_end(epoch) == 12
    streams = await opened()
    assert (streams.node, streams.epoch) == (node, epoch + 1)
    assert await streams.epoch_end(epoch) == 12
    assert await streams.epoch_end(epoch + 1) == 0
    assert await streams.epoch_end(epoch + 7) is None


async def test_a_start_is_told_from_every_other_one_also_of_a_copy(opened):
    """Whatever is said again where the store was damaged: cursors of earlier starts stay right."""
    streams = await opened()
    epoch, first = streams.epoch, streams.start_id(streams.epoch)
    assert first is not None
    assert streams.start_id(epoch + 1) is None
    await opened.kill()
    streams = await opened()
    assert streams.start_id(epoch) == first
    assert streams.start_id(epoch + 1) not in {first, None}
    said_again = {row.epoch: row.started_ns for row in restatement(streams._engine).epochs}
    assert said_again == streams._engine.starts


async def test_full_heads_become_blocks_that_share_their_time_column(opened, clock, store):
    streams = await opened()
    ids = [await make(streams, path) for path in PATHS]
    for i in range(200):
        await streams.append_batch(
            Batch("w", clock.step(0.1), PATHS, (float(i), -float(i)), bytes(2))
        )
        if i % 64 == 63:
            await settle(streams)
    engine = streams._engine
    outlines = [await engine.backend.read_outlines(n, "r") for n in (1, 2)]
    assert [o.length for o in outlines[0]] == [64, 64, 64]
    assert [o.times for o in outlines[0]] == [o.times for o in outlines[1]]
    assert None not in [o.times for o in outlines[0]]
    assert len(engine.catalogue.get(ids[0]).head.columns()) == 8
    streams = await opened()
    assert await values(streams, ids[1]) == [-float(i) for i in range(200)]


async def test_an_idle_journal_is_trimmed_and_what_is_not_sealed_is_carried(opened, clock):
    streams = await opened()
    slow, fast = await make(streams, "w/slow"), await make(streams, "w/fast")
    await streams.append(slow, 7.0)
    for i in range(30):
        clock.step(1)
        await streams.append(fast, float(i))
        await streams.commit()
    await streams.append(slow, 8.0)
    await streams.commit()
    clock.step(3600)
    await upkeep(streams._engine)
    assert len(streams._engine.journal.entries) == 1
    await opened.kill()
    streams = await opened()
    assert await values(streams, slow) == [7.0, 8.0]
    assert await values(streams, fast) == [float(i) for i in range(30)]
    clock.step(1)
    await streams.append(slow, 9.0)  # after the carried ones, and again through a trim
    await streams.commit()
    clock.step(3600)
    await upkeep(streams._engine)
    await opened.kill()
    streams = await opened()
    assert await values(streams, slow) == [7.0, 8.0, 9.0]


async def test_the_journal_keeps_five_minutes_for_live_clients(opened, clock):
    streams = await opened()
    await make(streams)
    for seq in range(1, 11):
        clock.step(60)
        await streams.append_batch(Batch("w", clock(), ("w/a",), (1.0,), bytes(1), seq=seq))
        await streams.commit()
    await upkeep(streams._engine)
    epoch = streams.epoch
    tail = await streams.journal_since(epoch, 6)
    assert tail.complete
    assert [batch.seq for batch in tail.batches] == [7, 8, 9, 10]
    assert (await streams.journal_since(epoch, 1)).complete is False
    streams = await opened()
    tail = await streams.journal_since(epoch, 8)
    assert tail.complete
    assert [batch.seq for batch in tail.batches] == [9, 10]
    assert await streams.epoch_end(epoch) == 10
    await upkeep(streams._engine)
    assert (await streams.journal_since(epoch, 10)).complete


@pytest.mark.parametrize("moment", ["before it is read", "before the end of the trim"])
async def test_a_tail_is_not_called_complete_where_the_journal_is_trimmed_meanwhile(
    opened, clock, monkeypatch, moment
):
    streams = await opened()
    await make(streams)
    for seq in (1, 2, 3):
        await streams.append_batch(Batch("w", clock.step(60), ("w/a",), (1.0,), bytes(1), seq=seq))
        await streams.commit()
    engine = streams._engine
    read, apply = engine.backend.read_entries, engine.backend.apply
    tails = []

    async def trim_and_read(keys):
        monkeypatch.undo()
        await trim(engine, clock())
        return await read(keys)

    async def apply_and_look(change):
        monkeypatch.undo()
        await apply(change)
        tails.append(await streams.journal_since(streams.epoch, 0))

    if moment == "before it is read":
        monkeypatch.setattr(engine.backend, "read_entries", trim_and_read)
        tails.append(await streams.journal_since(streams.epoch, 0))
    else:
        monkeypatch.setattr(engine.backend, "apply", apply_and_look)
        await trim(engine, clock())
    (tail,) = tails
    assert ([batch.seq for batch in tail.batches], tail.complete) == ([3], False)
    assert tail.from_ns >= clock() - 60 * SECOND  # history is asked for up to there


async def test_what_earlier_starts_had_is_known_also_where_some_of_it_comes_later(opened, clock):
    streams = await opened()
    stream, empty = await make(streams), await make(streams, "w/b")

    def batch(seq, time_ns):
        return Batch("w", time_ns, ("w/a",), (1.0,), bytes(1), seq=seq)

    await streams.append_batch(batch(1, 10))
    await streams.commit()
    assert streams.newest_at_start(stream) is None
    epoch = streams.epoch
    streams = await opened()
    assert streams.newest_at_start(stream) == 10
    streams.append_earlier(epoch, 0, [batch(2, 20), batch(3, 15)])
    assert streams.newest_at_start(stream) == 20
    await streams.append_batch(batch(1, 30))
    assert streams.newest_at_start(stream) == 20
    assert streams.newest_at_start(empty) is None
    await streams.commit()
    assert streams.durable_seq == 1
    streams.append_earlier(epoch, 0, [batch(4, 25)])
    await streams.commit()
    assert streams.durable_seq == 1  # of this start, whatever is durable of earlier ones


async def test_the_tail_of_the_journal_tells_batches_as_they_were_published(opened, clock):
    streams = await opened(commit_interval_s=3600)
    ids = [await make(streams, "w/a"), await make(streams, "w/_state", (), value_type="nominal")]
    batches = [
        Batch("w", 10, ("w/a", "w/_state"), (1.5, {"is": "on"}), b"\x00\x10", seq=1),
        Batch("w", 20, ("w/a",), (None,), b"\x01", seq=3),
        Batch("w", 20, ("w/_state",), ("off",), b"\x00", seq=5),
    ]
    for batch in batches:
        assert await streams.append_batch(batch) == ()
    assert (await streams.journal_since(streams.epoch, 0)).batches == []  # not durable yet
    await streams.commit()
    tail = await streams.journal_since(streams.epoch, 0)
    assert tail.batches == batches
    assert (tail.epoch, tail.seq) == (streams.epoch, 5)
    assert [b.seq for b in (await streams.journal_since(streams.epoch, 1)).batches] == [2, 3, 5]
    assert (await streams.journal_since(99, 0)).complete is False
    assert ids


async def test_late_readings_are_flagged_sorted_in_and_counted_in_their_buckets(opened, clock):
    streams = await opened()
    stream = await make(streams)
    start = clock()
    for i in range(2240):
        await streams.append(stream, 1.0, clock.step(1 / 32))
        if i % 64 == 63:
            await settle(streams)
    engine = streams._engine
    assert {o.key.generation for o in await engine.backend.read_outlines(1, "s")} == {0}
    late = Batch("w", start + 15 * SECOND, ("w/a",), (61.0,), bytes(1))
    assert await streams.append_batch(late) == ()

    async def bucket():
        rows = await streams.get_arrays(
            stream, "seconds", start + 15 * SECOND, start + 16 * SECOND, ["max", "count", "flags"]
        )
        return rows["max"].tolist(), rows["count"].tolist(), rows["flags"].tolist()

    assert await bucket() == ([61.0], [33], [Quality.LATE])
    for _ in range(64):
        await streams.append(stream, 1.0, clock.step(1 / 32))
    await settle(streams)
    generations = [o.key.generation for o in await engine.backend.read_outlines(1, "s")]
    assert 1 in generations
    assert await bucket() == ([61.0], [33], [Quality.LATE])
    streams = await opened()
    assert await bucket() == ([61.0], [33], [Quality.LATE])
    raw = await streams.get_arrays(stream, "raw", start + 15 * SECOND, start + 15 * SECOND + 1)
    assert raw["quality"].tolist() == [0, Quality.LATE]


async def test_a_large_array_goes_past_the_journal_into_blocks(opened, clock):
    streams = await opened()
    stream = await make(streams)
    await streams.append(stream, -1.0, 5)
    t = np.arange(10, 10_010, dtype=np.int64) * SECOND
    await streams.append_array(stream, t, np.arange(10_000.0))
    await streams.append(stream, -2.0, 10_010 * SECOND)
    await streams.commit()
    entries = list(streams._engine.journal.entries)
    sizes = [len(row.body) async for row in streams._engine.backend.stream_entries(entries)]
    assert max(sizes) < 1000
    await opened.kill()
    streams = await opened()
    assert await values(streams, stream) == [-1.0, *np.arange(10_000.0).tolist(), -2.0]
    rows = await streams.get_arrays(stream, "minutes", 0, 2**62, ["count", "mean"])
    assert rows["count"].sum() == 10_002


async def test_an_array_that_was_not_acknowledged_leaves_the_rest_countable(opened, clock):
    streams = await opened()
    stream = await make(streams)
    await streams.append(stream, 1.0, 1)
    await streams.commit()
    engine = streams._engine
    await engine.sealer.stop()  # nothing is sealed any more: the process dies before
    array = asyncio.create_task(
        streams.append_array(stream, np.arange(2, 202), np.arange(200, dtype=np.int64))
    )
    await asyncio.sleep(0)
    assert streams.describe(stream)["count"] == 201
    await streams.append(stream, 2.0, 1000)
    await engine.journal.commit()
    array.cancel()
    await asyncio.gather(array, return_exceptions=True)
    await opened.kill()
    for _ in range(3):
        streams = await opened()
        assert await values(streams, stream) == [1.0, 2.0]
        await opened.kill()


async def test_several_are_appended_together_or_not_at_all(opened, clock):
    streams = await opened()
    one, two = await make(streams, "w/a"), await make(streams, "w/b")
    points = [{"stream_id": one, "value": 1.0}, {"stream_id": two, "value": 2, "timestamp": 7}]
    await streams.append_multiple(points)
    assert (await values(streams, one), await values(streams, two)) == ([1.0], [2])
    for wrong in (
        {"stream_id": "nobody", "value": 1},
        {"stream_id": two, "value": "text"},
        {"stream_id": two, "value": 3.0, "timestamp": 6},
    ):
        with pytest.raises(Exception, match=r"no stream|no number|before"):
            await streams.append_multiple([{"stream_id": one, "value": 9.0}, wrong])
    assert (await values(streams, one), await values(streams, two)) == ([1.0], [2])


async def test_tags_and_configuration_survive_a_restart(opened):
    streams = await opened()
    stream = await make(streams)
    await streams.update_tags(stream, {"title": "Laser", "place": {"room": 12}})
    await streams.remove_tag(stream, "unit")
    before = streams.describe(stream)
    streams = await opened()
    assert streams.describe(stream) == before
    assert streams.stream_id("w/a") == stream
    assert await make(streams, "w/other") != stream


async def test_streams_made_after_a_kill_get_new_numbers(opened):
    streams = await opened()
    await make(streams, "w/a")
    await streams.commit()
    await opened.kill()
    streams = await opened()
    other = await make(streams, "w/b")
    await streams.append(other, 1.0)
    assert await values(streams, streams.stream_id("w/a")) == []


async def test_words_and_json_survive_blocks_and_restarts(opened, clock):
    streams = await opened()
    stream = await make(streams, "w/_state", ["count", "most_often"], value_type="nominal")
    expected = []
    for i in range(150):
        expected.append({"state": "on", "n": i} if i % 3 else None)
        await streams.append(stream, expected[-1], clock.step(1))
    await settle(streams)
    streams = await opened()
    found = await (await streams.get_data(stream, "raw", 0)).fetch()
    assert [point["v"] for point in found] == expected
    rows = await (await streams.get_data(stream, "days", 0)).fetch()
    assert rows[0]["v"]["c"] == 100


async def test_numbers_come_back_bit_for_bit(opened, clock):
    streams = await opened()
    stream = await make(streams)
    numbers = [-0.0, 5e-324, 1.7976931348623157e308, 0.1, 2**63 - 1, -(2**63), 2**53 + 1, 3]
    numbers += [float("inf"), float("-inf"), None, float("nan")]
    for number in numbers * 12:
        await streams.append(stream, number, clock.step(1))
    await settle(streams)
    for _ in range(2):
        found = [p["v"] for p in await (await streams.get_data(stream, "raw", 0)).fetch()]
        expected = [*numbers[:-2], None, None] * 12
        assert found == expected
        assert [type(v) for v in found] == [type(v) for v in expected]
        assert str(found[0]) == "-0.0"
        streams = await opened()


async def test_a_snapshot_can_be_read_beside_the_writer(store, opened, clock):
    if store.backend() is store.backend():
        pytest.skip("a store in memory has one process only")
    streams = await opened()
    stream = await make(streams)
    for i in range(100):
        await streams.append(stream, float(i), clock.step(1))
    await settle(streams)
    from labmon import datastream

    async with datastream.open(store.backend(), read_only=True) as snapshot:
        await streams.append(stream, 100.0, clock.step(1))
        await streams.commit()
        assert await values(snapshot, stream) == [float(i) for i in range(100)]
        assert snapshot.node == streams.node
        with pytest.raises(datastream.exceptions.StoreReadOnly):
            await snapshot.append(stream, 1.0)
        with pytest.raises(datastream.exceptions.StoreReadOnly):
            await make(snapshot, "w/new")
    assert len(await values(streams, stream)) == 101
