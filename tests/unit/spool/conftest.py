"""A server with a spool, whose pauses are short, and which has time to end."""

import pytest

from labmon import recorder, spooling
from tests.unit.spool.recording import AwayBackend, Server


@pytest.fixture(autouse=True)
def hurry(monkeypatch):
    for name in ("LOOK_S", "SAVE_S", "RETRY_S"):
        monkeypatch.setattr(spooling, name, 0.01)
    monkeypatch.setattr(recorder, "SAVE_S", 30)  # a disk that is slow takes all of it


@pytest.fixture
async def server(tmp_path):
    server = await Server(AwayBackend(), tmp_path / "spool").start()
    await server.publish(1, 3)
    await server.recorder.flush()
    return server
