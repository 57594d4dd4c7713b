"""Questions about a stream that is sealed again and again while they are answered."""

import asyncio
import contextlib

import numpy as np
import pytest

from labmon.datastream import sealing
from labmon.datastream.rawdata import RawData

SECOND = 10**9
START = 1_700_000_040 * SECOND
STEP = SECOND // 50
SEALED = 64


@pytest.fixture
async def store(streams, monkeypatch):
    """Whoever reads the first minute waits until more is sealed; no rollups are stored."""
    monkeypatch.setattr(sealing, "PAYS_FROM", 1 << 40)
    read = RawData.sealed

    async def wait(self, stream, start_ns, end_ns):
        version = stream.version
        while start_ns < START + 60 * SECOND and stream.version == version:  # noqa: ASYNC110
            await asyncio.sleep(0)
        return await read(self, stream, start_ns, end_ns)

    monkeypatch.setattr(RawData, "sealed", wait)
    return streams


@pytest.fixture
async def busy(store):
    """The id of a stream with two minutes, to which more comes without end."""
    stream_id = await store.ensure_stream({"path": "adc/a"}, {}, ["count", "mean"], "raw")
    length = 6000
    await store.append_array(stream_id, START + STEP * np.arange(length), np.arange(length) % 50.0)
    await store._engine.sealer.idle()

    async def pour():
        first = length
        while True:
            numbers = np.arange(first, first + SEALED)
            await store.append_array(stream_id, START + STEP * numbers, numbers % 50.0)
            await store.commit()
            await asyncio.sleep(0.01)  # ever so often
            first += SEALED

    pouring = asyncio.create_task(pour())
    yield stream_id
    pouring.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await pouring


@pytest.mark.parametrize("level", ["seconds10", "minutes"])
@pytest.mark.parametrize("until_s", [120, 10**6])
async def test_a_graph_comes_while_more_is_sealed(store, busy, level, until_s):
    async with asyncio.timeout(30):
        graph = await store.get_graph(
            busy, START, START + until_s * SECOND, 100, ["count", "mean"], level
        )
    buckets = 12 if level == "seconds10" else 2
    assert graph.columns["count"][:buckets].tolist() == [6000 // buckets] * buckets
    assert graph.columns["mean"][:buckets].tolist() == [24.5] * buckets
