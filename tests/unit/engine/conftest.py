"""An engine in memory with a clock that stands still, and a store that can be made to fail."""

import asyncio

import pytest

from labmon import datastream
from labmon.datastream import aggregate, sealing
from labmon.datastream.backends.memory import MemoryBackend
from labmon.datastream.exceptions import StoreUnavailable
from tests.stepped_clock import SteppedClock
from tests.unit.engine.retention_lab import Lab


@pytest.fixture(autouse=True, scope="module")
def levels_that_pay_early():
    """Few datapoints are enough for rollups, so that small tests store and use them."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sealing, "PAYS_FROM", 8)
        patch.setattr(aggregate, "FEW", 8)
        yield


class FailingBackend(MemoryBackend):
    """A store in memory that refuses writes while `refuse` is set, and keeps what it was asked."""

    def __init__(self):
        super().__init__()
        self.refuse = False
        self.asked = []

    async def apply(self, change):
        self.asked.append(change)
        if self.refuse:
            raise StoreUnavailable("disk is full")
        await super().apply(change)


@pytest.fixture
def clock():
    return SteppedClock()


@pytest.fixture
def backend():
    return FailingBackend()


@pytest.fixture
async def streams(backend, clock):
    async with datastream.open(backend, clock=clock, seal_datapoints=64) as opened:
        yield opened
        backend.refuse = False


@pytest.fixture
def until():
    """Wait for a condition while the loop goes on."""

    async def wait(condition, timeout_s=30.0):
        async with asyncio.timeout(timeout_s):
            while not condition():  # noqa: ASYNC110 - nothing tells when it comes true
                await asyncio.sleep(0.005)

    return wait


@pytest.fixture
async def lab():
    made = Lab()
    yield made
    if made.streams is not None:
        await made.streams.close()
