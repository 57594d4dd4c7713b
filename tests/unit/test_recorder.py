import asyncio
import logging
import re

import pytest

from labmon import datastream
from labmon.datastream.backends.memory import MemoryBackend
from labmon.datastream.exceptions import StoreUnavailable
from labmon.hub import Hub
from labmon.reading import Batch, Channel
from labmon.recorder import Recorder

MBAR = Channel(unit="mbar", digits=3, scientific=True, limits=(1e-10, None))


@pytest.fixture
async def store():
    async with datastream.open("memory:") as streams:
        yield streams


@pytest.fixture
async def recorder(store):
    recorder = Recorder(store)
    recorder.start()
    yield recorder
    await recorder.stop()


@pytest.fixture
def hub(store, recorder):
    return Hub(store.node, store.epoch, recorder.record)


def batch(time_ns, **values):
    paths = tuple(f"gauge/{name}" for name in values)
    return Batch("gauge", time_ns, paths, tuple(values.values()), bytes(len(values)))


async def values(store, path):
    columns = await store.get_arrays(store.stream_id(path), datastream.Granularity.Raw, 0, 10**9)
    return list(columns["v"])


async def test_declared_channels_become_streams_with_tags(store, recorder):
    await recorder.declare("gauge", {"pressure": MBAR}, 0.5)
    tags = store.describe(store.stream_id("gauge/pressure"))
    assert {key: tags[key] for key in ("path", "device", "channel", "unit", "period_s")} == {
        "path": "gauge/pressure",
        "device": "gauge",
        "channel": "pressure",
        "unit": "mbar",
        "period_s": 0.5,
    }
    assert tags["limits"] == [1e-10, None]
    assert tags["scientific"] is True


async def test_everything_published_is_there_after_a_flush(store, recorder, hub):
    await recorder.declare("gauge", {"pressure": MBAR})
    for i in range(100):
        hub.publish(batch(i, pressure=float(i)))
    await recorder.flush()
    assert await values(store, "gauge/pressure") == [float(i) for i in range(100)]
    assert recorder.recorded_readings == 100
    assert store.durable_seq == 100


async def test_a_stream_that_nobody_declared_is_made_from_its_first_value(store, recorder, hub):
    hub.publish(batch(1, pressure=1.0, word="pumping"))
    await recorder.flush()
    assert store.describe(store.stream_id("gauge/word"))["value_type"] == "nominal"
    assert store.describe(store.stream_id("gauge/pressure"))["value_type"] == "numeric"


async def test_a_history_in_another_unit_is_not_gone_on_with(store, recorder, hub, caplog):
    await recorder.declare("gauge", {"pressure": MBAR, "other": MBAR, "third": MBAR})
    hub.publish(batch(1, pressure=1.0, other=1.0, third=1.0))
    await recorder.flush()
    await recorder.declare("gauge", {"other": Channel(unit="Pa")})
    hub.publish(batch(2, pressure=2.0, other=200.0, third=2.0))
    hub.publish(batch(3, other=300.0))
    await recorder.flush()
    assert await values(store, "gauge/other") == [1.0]
    assert await values(store, "gauge/third") == [1.0, 2.0]
    assert "mbar" in recorder.refused["gauge/other"]
    said = [r for r in caplog.records if r.levelno >= logging.ERROR]
    assert len(said) == 1
    assert "gauge/other" in said[0].message
    await recorder.declare("gauge", {"other": MBAR})
    hub.publish(batch(4, other=4.0))
    await recorder.flush()
    assert await values(store, "gauge/other") == [1.0, 4.0]
    assert recorder.refused == {}


class AwayBackend(MemoryBackend):
    """A store that takes nothing while it is away."""

    is_away = False

    async def apply(self, change):
        if self.is_away:
            raise StoreUnavailable("it is away")
        await super().apply(change)


SPOOL = 64 * 400
"""Room for 80 readings in the datastream, more once they are encoded, and for 300 here."""


@pytest.fixture
async def away():
    """A recorder whose store is away, with the stream that it recorded until then."""
    backend = AwayBackend()
    async with datastream.open(backend, commit_interval_s=0.001) as store:
        recorder = Recorder(store, SPOOL)
        recorder.start()
        recorder.record(batch(1, a=1.0, b=1.0).numbered(1))
        await recorder.flush()
        backend.is_away = True
        yield recorder, store, backend
        backend.is_away = False
        await recorder.stop()


async def spill(recorder, first, last):
    """Record readings of two streams, whose values are their times."""
    for i in range(first, last):
        recorder.record(batch(i, a=float(i), b=float(i)).numbered(2 * i + 1))
        await asyncio.sleep(0)
    await asyncio.sleep(0.01)


async def test_what_memory_cannot_hold_is_dropped_oldest_first_counted_and_leaves_a_gap(
    away, caplog
):
    recorder, store, backend = away
    await spill(recorder, 2, 2002)
    assert recorder.waiting_bytes <= SPOOL
    assert store.pending_bytes <= SPOOL
    assert recorder.is_filling
    backend.is_away = False
    await recorder.flush()
    found = await values(store, "gauge/a")
    (gap,) = [at for at, value in enumerate(found) if value != value]
    before, after = found[:gap], found[gap + 1 :]
    assert before == [float(i) for i in range(1, len(before) + 1)]
    assert after[-1] == 2001.0, "the newest are kept"
    assert after == [float(i) for i in range(2002 - len(after), 2002)]
    assert len(after) > 100
    assert recorder.dropped_readings == 2 * (2001 - len(before) - len(after))
    columns = await store.get_arrays(store.stream_id("gauge/a"), "raw", 0, 10**9)
    assert columns["t"][gap] == len(before) + 1, "the gap begins where the first one was dropped"
    assert not columns.get("quality", bytes(1))[0], "nothing counts as late"
    assert sum("dropped from now on" in record.message for record in caplog.records) == 1
    assert not recorder.is_filling


async def test_the_end_says_how_many_readings_are_lost(away, caplog):
    recorder, store, backend = away
    await spill(recorder, 2, 402)
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(recorder.stop(), 0.05)
    await store.close(0.05)
    said = [record.message for record in caplog.records if "until the end" in record.message]
    lost = sum(int(re.search(r"(\d+)", message)[1]) for message in said)
    backend.is_away = False
    async with datastream.open(backend) as again:
        there = len(await values(again, "gauge/a"))
    assert there == 1
    assert lost + recorder.dropped_readings - recorder.waiting_readings == 800


async def test_a_batch_that_brings_out_a_bug_holds_up_nothing(store, recorder, hub, caplog):
    await recorder.declare("gauge", {"pressure": MBAR})
    hub.publish(batch(1, pressure=1.0))
    hub.publish(Batch("gauge", "soon", ("gauge/pressure",), (2.0,), bytes(1)))  # type: ignore[arg-type]
    hub.publish(batch(3, pressure=3.0))
    await recorder.flush()
    assert await values(store, "gauge/pressure") == [1.0, 3.0]
    assert recorder.dropped_readings == 1
    assert sum("a bug of labmon" in record.message for record in caplog.records) == 1


async def test_readings_of_known_streams_are_recorded_within_a_turn_of_the_loop(
    store, recorder, hub
):
    hub.publish(batch(1, a=1.0))
    await recorder.flush()
    hub.publish(batch(2, a=2.0))
    assert recorder.waiting_readings == 1
    await asyncio.sleep(0)
    assert recorder.waiting_readings == 0
    assert store.latest(store.stream_id("gauge/a")) == (2, 2.0, 0)
    assert recorder.recorded_readings == 2


async def test_gaps_that_cannot_be_marked_at_once_are_marked_later(away, monkeypatch):
    """The datastream refuses in the middle of them: it has no room."""
    recorder, store, backend = away
    await spill(recorder, 2, 2002)
    append, calls = store.append_batch, []

    async def fail_once(one):
        if one.source == "recorder" and not calls:
            calls.append(one)
            raise StoreUnavailable("no room")
        return await append(one)

    monkeypatch.setattr(store, "append_batch", fail_once)
    monkeypatch.setattr("labmon.recorder.RETRY_S", 0.01)
    backend.is_away = False
    await recorder.flush()
    assert calls
    for path in ("gauge/a", "gauge/b"):
        assert sum(value != value for value in await values(store, path)) == 1


async def test_a_gap_whose_mark_brings_out_a_bug_holds_up_nothing(away, monkeypatch, caplog):
    recorder, store, backend = away
    await spill(recorder, 2, 2002)
    append = store.append_batch

    async def fail(one):
        if one.source == "recorder" and one.paths == ("gauge/a",):
            raise RuntimeError("a bug")
        return await append(one)

    monkeypatch.setattr(store, "append_batch", fail)
    backend.is_away = False
    async with asyncio.timeout(30):
        await recorder.flush()
    assert sum(value != value for value in await values(store, "gauge/b")) == 1
    assert (await values(store, "gauge/a"))[-1] == 2001.0
    assert "a bug of labmon" in caplog.text


async def test_what_waited_is_handed_over_in_many_turns(store, recorder, hub, monkeypatch):
    """Also where many streams are new: each takes a tenth of a millisecond to make."""
    turn = handed = most = made = 0
    append, ensure = store.append_batch, store.ensure_stream

    async def counted_append(batch):
        nonlocal handed, most
        handed += len(batch)
        most = max(most, handed)
        return await append(batch)

    async def counted_ensure(*args, **options):
        nonlocal made, most
        made += 10
        most = max(most, made)
        return await ensure(*args, **options)

    monkeypatch.setattr(store, "append_batch", counted_append)
    monkeypatch.setattr(store, "ensure_stream", counted_ensure)
    for number in range(60):
        paths = tuple(f"lab/{number}-{channel}" for channel in range(50))
        hub.publish(Batch("lab", number, paths, (1.0,) * 50, bytes(50)))
    wide = tuple(f"wide/{channel}" for channel in range(1000))
    hub.publish(Batch("wide", 1, wide, (1.0,) * 1000, bytes(1000)))
    flushing = asyncio.create_task(recorder.flush())
    while not flushing.done():
        handed = made = 0
        turn += 1
        await asyncio.sleep(0)
    await flushing
    assert recorder.recorded_readings == 4000
    assert most <= 2000
    assert turn > 4
