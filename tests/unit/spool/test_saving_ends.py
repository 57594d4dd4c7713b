"""The task that saves readings ends when it is told to, whatever else it is told in that moment."""

import asyncio

import pytest

from labmon import spooling
from tests.unit.spool.recording import AwayBackend, Server


@pytest.mark.parametrize("turns", range(4))
async def test_it_ends_though_memory_grows_in_the_same_moment(tmp_path, monkeypatch, turns):
    """Or whoever stops the recorder would wait for it in vain, and save nothing."""
    monkeypatch.setattr(spooling, "LOOK_S", 30)
    server = await Server(AwayBackend(), tmp_path / "spool").start()
    await server.publish(1, 3)
    await server.recorder.flush()
    saving = server.recorder._saving
    server.recorder.spooling._due.set()
    for _ in range(turns):
        await asyncio.sleep(0)
    saving.cancel()
    done, _ = await asyncio.wait([saving], timeout=20)
    assert done
    await server.stop()
