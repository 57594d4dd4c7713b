import logging

import pytest

from labmon import datastream
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


async def test_what_memory_cannot_hold_is_dropped_oldest_first_and_counted(store):
    recorder = Recorder(store, spool_bytes=64 * 4)  # not started: nothing is taken away
    for i in range(6):
        recorder.record(batch(i, a=1.0, b=1.0).numbered(2 * i + 1))
    assert recorder.waiting_readings == 4
    assert recorder.dropped_readings == 8
    recorder.start()
    await recorder.stop()
    assert await values(store, "gauge/a") == [1.0, 1.0]
