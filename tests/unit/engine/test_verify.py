"""Verifying finds nothing in a sound store, and every block that was tampered with."""

import numpy as np
import pytest

from labmon import datastream
from labmon.datastream import Granularity
from labmon.datastream.codec import decode_rollups, encode_block
from labmon.datastream.exceptions import InternalInconsistencyWarning
from labmon.reading import Quality
from labmon.upkeep.verifying import verify

SECOND = 1_000_000_000


async def fill(streams, clock):
    stream = await streams.ensure_stream({"path": "w/a"}, {}, ["mean", "std_dev"], "raw")
    values = np.random.default_rng(1).normal(20, 3, 6000)
    for first in range(0, 6000, 600):
        t = clock() + np.arange(first, first + 600) * SECOND // 10
        await streams.append_array(stream, t, values[first : first + 600])
    await streams.append(stream, 99.0, clock() + 5 * SECOND, check_timestamp=False)
    await streams.append_array(stream, clock() + np.arange(600, 700) * SECOND, np.zeros(100))
    await streams.commit()
    await streams._engine.sealer.idle()
    return stream


async def test_a_sound_store_has_no_problems(streams, backend, clock):
    await fill(streams, clock)
    words = await streams.ensure_stream({"path": "n"}, {}, ["count"], "raw", value_type="nominal")
    for _ in range(700):
        await streams.append(words, "on", clock.step(0.1))
    await streams.commit()
    await streams._engine.sealer.idle()
    found = await verify(backend)
    assert found.findings == []
    assert found.datapoints == 6101 + 700
    assert found.buckets > 500


async def test_a_rollup_that_lies_is_found(streams, backend, clock):
    await fill(streams, clock)
    rows = backend._blocks[(1, "s")]
    key = next(iter(rows))
    table = decode_rollups(rows[key].body)
    table.columns["max"][3] += 1
    rows[key] = rows[key]._replace(body=encode_block(table, Granularity.Seconds))
    with pytest.warns(InternalInconsistencyWarning, match="^1 blocks of rollups"):
        (finding,) = (await verify(backend)).findings
    assert "1/s/" in finding.what
    assert "max" in finding.text


async def test_a_damaged_block_is_named(streams, backend, clock):
    await fill(streams, clock)
    rows = backend._blocks[(1, "r")]
    key = sorted(rows)[1]
    body = bytearray(rows[key].body)
    body[-1] ^= 1
    rows[key] = rows[key]._replace(body=bytes(body))
    async with datastream.open(backend, clock=clock, seal_datapoints=64) as again:
        found = await verify(backend)
        assert any(f"1/r/{key.ordinal}" in finding.what for finding in found.findings)
        raw = await again.get_arrays(again.stream_id("w/a"), "raw", 0, 2**62)
        assert len(raw["t"]) == 6101 - rows[key].outline.length
        assert np.count_nonzero(raw["quality"] & Quality.LATE) == 1
