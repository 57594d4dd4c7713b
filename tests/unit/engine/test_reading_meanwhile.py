"""Blocks that are read while a derived stream is worked out anew: new ones have the same names."""

import asyncio

import pytest

from labmon import datastream
from labmon.datastream.backends.memory import MemoryBackend

SECOND = 1_000_000_000


class HeldBackend(MemoryBackend):
    """Holds back what one reading of blocks has found, until it is let go."""

    def __init__(self):
        super().__init__()
        self.is_held = False
        self.reached = asyncio.Event()
        self.let_go = asyncio.Event()

    async def read_blocks(self, keys):
        found = await super().read_blocks(keys)
        if self.is_held:
            self.is_held = False
            self.reached.set()
            await self.let_go.wait()
        return found


def forget_what_was_read(streams, derived):
    streams._engine.blocks.clear()
    streams._engine.levels.forget_stream(streams._engine.catalogue.get(derived).number)


async def worked_in(streams, derived):
    await streams.commit()
    await streams.backprocess_streams()
    streams._engine.sealer.want(streams._engine.catalogue.get(derived))
    await streams._engine.sealer.idle()


@pytest.mark.parametrize("granularity", ["raw", "seconds", "seconds10"])
async def test_blocks_of_before_answer_nothing_afterwards(granularity, clock):
    backend = HeldBackend()
    async with datastream.open(backend, clock=clock, seal_datapoints=8) as streams:
        source = await streams.ensure_stream({"path": "w/a"}, {}, ["mean"], "raw")
        twice = await streams.ensure_stream(
            {"path": "z"}, {}, ["mean", "max"], "raw", [source], "scale", {"a": 2}
        )
        for i in range(40):
            await streams.append(source, float(i), i * SECOND // 4)
            if i % 4 == 0:
                await worked_in(streams, twice)
        await worked_in(streams, twice)
        forget_what_was_read(streams, twice)
        backend.is_held = True
        asked = asyncio.ensure_future(streams.get_arrays(twice, granularity, 0, 2**62))
        await backend.reached.wait()
        for i in range(9):
            await streams.append(source, 1000.0 + i, SECOND // 8 + i, check_timestamp=False)
        await worked_in(streams, twice)
        backend.let_go.set()
        found = [await asked, await streams.get_arrays(twice, granularity, 0, 2**62)]
        forget_what_was_read(streams, twice)
        right = await streams.get_arrays(twice, granularity, 0, 2**62)
        for one in found:
            assert {name: part.tolist() for name, part in one.items()} == {
                name: part.tolist() for name, part in right.items()
            }
        assert streams.damage == []
