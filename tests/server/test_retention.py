"""Over HTTP: the level that is left answers for what retention has removed, and says so."""

import json

import numpy as np
import pytest

from labmon.datastream import Retention

DAY = 86_400
START = 19_700 * DAY
T = START + np.arange(10 * 144) * 600
KEPT = START + 8 * DAY
GONE = ("raw", "seconds", "seconds10", "minutes", "minutes10")


@pytest.fixture
async def shortened(node):
    """Ten days at six values an hour, of which all but the last two are hours only."""
    streams = node.datastream
    retainer = streams._engine.retainer
    retainer.retention = (Retention({"raw": "1d", "hours": "forever"}, "lab/*"),)
    one = await streams.ensure_stream(
        {"path": "lab/a"}, {"unit": "K", "period_s": 600.0}, ["mean", "min", "max"], "raw"
    )
    await streams.append_array(one, T * 10**9, np.sin(np.arange(len(T))))
    for _ in range(3):
        await retainer.run()
    assert streams.describe(one)["removed_until"]["Raw"] == KEPT * 10**9
    return node


def query(start, end=START + 11 * DAY, **params):
    span = {"stream": "lab/a", "start": start, "end": end}
    return "/api/v1/data?" + "&".join(f"{k}={v}" for k, v in (span | params).items())


@pytest.mark.parametrize("params", [{}, {"granularity": "raw"}, {"granularity": "minutes"}])
async def test_columns_say_which_level_they_are_of(shortened, params):
    (curve,) = (await shortened.get(query(START, START + 2 * DAY, **params)))["streams"]
    assert (curve["granularity"], curve["bucket_s"]) == ("hours", 3600)
    assert curve["t"] == [START + 3600 * hour for hour in range(48)]
    means = np.sin(np.arange(2 * 144)).reshape(-1, 6).mean(axis=1)
    np.testing.assert_allclose(curve["mean"], means, rtol=1e-12)


async def test_a_range_that_reaches_over_the_limit_is_of_one_level(shortened):
    (curve,) = (await shortened.get(query(KEPT - 3600, granularity="raw")))["streams"]
    assert (curve["granularity"], len(curve["t"])) == ("hours", 49)
    (curve,) = (await shortened.get(query(KEPT, granularity="raw")))["streams"]
    assert (curve["granularity"], len(curve["t"])) == ("raw", 288)


async def test_tables_do_not_fail(shortened):
    for start in (START, KEPT - 3600, KEPT):
        for params in ({"granularity": "raw"}, {}):
            for shape in ("csv", "records", "flot"):
                response = await shortened.fetch(query(start, format=shape, **params))
                assert response.code == 200
                assert len(response.body) > 100


async def test_a_stream_tells_what_is_left_of_it(shortened):
    (told,) = (await shortened.get("/api/v1/streams?path=lab/a"))["streams"]
    assert told["count"] == 288
    assert told["earliest"] == START
    assert told["removed_until"] == dict.fromkeys(GONE, KEPT)


async def test_metrics_count_what_was_removed(shortened):
    lines = (await shortened.fetch("/metrics")).body.decode().splitlines()
    told = dict(line.rsplit(" ", 1) for line in lines if line.startswith("labmon_retention_"))
    assert told['labmon_retention_removed_datapoints_total{level="raw"}'] == str(8 * 144)
    assert told['labmon_retention_removed_datapoints_total{level="hours"}'] == "0"
    for what in ("blocks", "bytes"):  # of which there is one yet, that reaches over the limit
        assert told[f'labmon_retention_removed_{what}_total{{level="raw"}}'] == "0"
    assert told["labmon_retention_behind_seconds"] == "0.0"
    now_s = shortened.services.clock.now_ns() / 1e9
    assert 0 <= now_s - float(told["labmon_retention_last_run_timestamp_seconds"]) < 60


async def test_what_comes_too_late_is_refused_with_a_reason(shortened):
    body = [{"stream": "lab/a", "time": KEPT - 1, "value": 1.0}]
    response = await shortened.fetch("/api/v1/append", "POST", body)
    assert response.code == 400
    assert "retention has removed" in json.loads(response.body)["error"]["message"]
