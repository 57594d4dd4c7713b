from __future__ import annotations

from typing import Any

from labmon.device import InstrumentError, health
from labmon.device.counters import Counters
from labmon.device.health import Health


def test_health_is_summed_up_every_ten_seconds():
    counters = Counters()
    watch = Health("gauge", counters, 10.0)
    assert watch.summary(0.0, 0) is None
    for i in range(100):
        counters.polled(i * 0.1, 0.002)
        watch.polled(i * 1e-5, 0.002)
    assert watch.summary(9.9, 0) is None
    batch = watch.summary(10.0, 7)
    assert batch is not None
    values: dict[str, Any] = dict(zip(batch.paths, batch.values, strict=True))
    assert values["gauge/_health/rate"] == 10.0
    assert values["gauge/_health/asked_rate"] == 10.0
    assert abs(values["gauge/_health/jitter_ms"] - 0.94) < 1e-9
    assert values["gauge/_health/latency_ms"] == 2.0
    assert batch.time_ns == 7
    empty = watch.summary(20.0, 8)
    assert empty is not None
    assert empty.paths is batch.paths
    assert empty.values[:4] == (0.0, 10.0, None, None)


def test_what_is_kept_between_two_summaries_is_bounded():
    watch = Health("gauge", Counters(), None)
    for _ in range(health.MAX_POLLS + 10):
        watch.polled(0.0, 0.0)
    assert len(watch._took_s) == health.MAX_POLLS


async def test_a_device_publishes_its_health_also_while_it_fails(bench, gauge, monkeypatch):
    monkeypatch.setattr(health, "EVERY_S", 0.05)
    device = await bench.online(gauge)
    await bench.until(lambda: bool(bench.of("gauge/_health/rate")))
    assert bench.of("gauge/_health/errors")[-1] == 0

    def fail() -> None:
        raise InstrumentError("garbage")

    gauge.fault = fail
    await bench.until(lambda: bench.of("gauge/_health/errors")[-1] >= 2)
    assert device.state == "offline"
    assert set(device.own_channels) == {"_state", *health.CHANNELS}
