"""Questions that need more blocks than the cache holds."""

import asyncio

import numpy as np
import pytest

from labmon import datastream
from labmon.datastream import engine

SECOND = 1_000_000_000


@pytest.mark.parametrize("askers", [1, 4])
async def test_what_is_larger_than_the_cache_is_answered_again_and_again(
    tmp_path, clock, monkeypatch, askers
):
    monkeypatch.setattr(engine, "CACHE_BYTES", 4000)
    url = f"sqlite:///{tmp_path}/labmon.db"
    async with datastream.open(url, clock=clock, seal_datapoints=16) as streams:
        stream = await streams.ensure_stream({"path": "w/a"}, {}, ["mean"], "raw")
        await streams.append_array(stream, np.arange(640) * SECOND, np.arange(640.0))

        async def ask():
            for _ in range(3):
                found = await streams.get_arrays(stream, "raw", 0, 2**62)
                assert found["v"].tolist() == list(range(640))

        async with asyncio.timeout(30):
            await asyncio.gather(*(ask() for _ in range(askers)))
