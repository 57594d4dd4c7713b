"""Arrays of samples live and in history: one band for each, whole, exactly once, without a seam."""

import numpy as np
import pytest

from labmon import hub as hub_module
from labmon.reading import ArrayBatch, Quality
from labmon.web.cursor import Cursor

PATH = ("adc/in",)
STEP_NS = 100_000


class Source:
    """Publishes arrays of a digitiser that counts its samples."""

    def __init__(self, node):
        self._node = node
        self._start_ns = node.clock.now_ns() - 60 * 10**9
        self.sent = 0

    def push(self, count=500, qualities=None):
        numbers = np.arange(self.sent, self.sent + count)
        self.sent += count
        times_ns = self._start_ns + numbers * STEP_NS
        values = numbers.astype(np.float64)
        return self._node.hub.publish(ArrayBatch("adc", PATH, times_ns, values, qualities))


@pytest.fixture
async def node(make_node, tmp_path):
    node = await make_node(f"sqlite:///{tmp_path}/labmon.db")
    node.adc = Source(node)
    return node


async def bands(socket, last):
    """What came until the value of the newest sample of an array; and the newest cursor."""
    rows, cursor = [], None
    while not rows or rows[-1][2] != last:
        message = await socket.next("readings")
        rows += [row for row in message["readings"] if row[0] == "adc/in"]
        cursor = message["cursor"]
    return rows, cursor


@pytest.mark.parametrize("protocol", ["labmon.v1.json", "labmon.v1.msgpack"])
async def test_an_array_is_one_row_with_its_band(node, protocol, eventually):
    socket = await node.socket(protocol)
    await socket.subscribe("adc/*")
    await eventually(lambda: node.live.topics)
    batch = node.adc.push(500)
    ((path, time, value, quality, low, high, count, mean),) = (await bands(socket, 499))[0]
    newest_ns = int(batch.times_ns[-1])
    assert time == (newest_ns if protocol.endswith("msgpack") else float(newest_ns) / 1e9)
    assert (path, value, quality) == ("adc/in", 499, 0)
    assert (low, high, count, mean) == (0, 499, 500, 249.5)
    socket.close()


async def test_one_poll_of_many_fast_channels_comes_whole(node, eventually):
    socket = await node.socket()
    await socket.subscribe("adc/*")
    await eventually(lambda: node.live.topics)
    times_ns = node.clock.now_ns() + np.arange(10_000) * STEP_NS
    paths = [f"adc/ch{number}" for number in range(16)]
    for path in paths:
        node.hub.publish(ArrayBatch("adc", (path,), times_ns, np.arange(10_000.0)))
    message = await socket.receive()
    assert message["type"] == "readings"
    assert [(row[0], row[6]) for row in message["readings"]] == [(path, 10_000) for path in paths]
    socket.close()


async def test_bad_samples_take_no_part_in_the_band(node, eventually):
    events = await node.events("stream=adc/*")
    await eventually(lambda: node.live.topics)
    qualities = np.zeros(10, np.uint8)
    qualities[5:] = Quality.OVER_RANGE
    node.adc.push(10, qualities)
    ((_, _, value, quality, *band),) = (await events.next("readings"))["data"]["readings"]
    assert (value, quality) == (9, Quality.OVER_RANGE)
    assert band == [0, 4, 10, 2]
    await events.close()


async def test_max_rate_makes_one_band_of_many(node, eventually):
    socket = await node.socket()
    await socket.subscribe("adc/*", max_rate=5)
    await eventually(lambda: node.live.topics)
    for _ in range(10):
        node.adc.push(100)
    rows, _ = await bands(socket, 999)
    assert sum(row[6] for row in rows) == 1000
    assert min(row[4] for row in rows) == 0
    assert max(row[5] for row in rows) == 999
    assert sum(row[6] * row[7] for row in rows) == pytest.approx(1000 * 499.5)
    assert len(rows) < 10
    socket.close()


@pytest.mark.parametrize("memory", [1, 20_000])
async def test_resumes_from_memory_and_from_the_journal_each_array_once(node, memory, monkeypatch):
    monkeypatch.setattr(hub_module, "RECENT_READINGS", memory)
    node.adc.push(1)
    cursor = str(Cursor(node.hub.start_id, node.hub.epoch, 0, 0))
    got = []
    for _ in range(5):
        for _ in range(7):
            node.adc.push(300)
            node.publish(("lab/a", 1.0))
        await node.recorder.flush()
        socket = await node.socket()
        await socket.subscribe("adc/*", after=cursor)
        rows, cursor = await bands(socket, node.adc.sent - 1)
        got += rows
        socket.close()
    assert [row[6] for row in got] == [1] + 35 * [300]
    assert [row[4] for row in got] == [0, *range(1, node.adc.sent, 300)]


async def test_after_a_restart_the_journal_tells_whole_arrays(node):
    cursor = str(node.live.cursor())
    for _ in range(3):
        node.adc.push(400)
    await node.restart()
    socket = await node.socket()
    await socket.subscribe("adc/*", after=cursor)
    rows, _ = await bands(socket, 1199)
    assert [tuple(row[4:]) for row in rows] == [
        (0, 399, 400, 199.5),
        (400, 799, 400, 599.5),
        (800, 1199, 400, 999.5),
    ]
    socket.close()


async def test_history_goes_on_into_live_without_a_seam(node):
    """Arrays are published all the while; history and live together are each sample once."""
    for _ in range(10):
        node.adc.push(200)
        answer = await node.get("/api/v1/data?stream=adc/in&points=10000&start=-1h&end=now")
        values = answer["streams"][0]["v"] if answer["streams"] else []
        socket = await node.socket()
        node.adc.push(200)
        await socket.subscribe("adc/*", after=answer["cursor"])
        rows, _ = await bands(socket, node.adc.sent - 1)
        assert values == list(range(len(values)))
        assert len(values) + sum(row[6] for row in rows) == node.adc.sent
        assert rows[0][4] == len(values)
        socket.close()
