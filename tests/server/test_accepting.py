"""Connections are accepted a few at a time, and not at all while there is no descriptor."""

import asyncio
import os
import resource
import socket

import pytest

from labmon.web import accepting
from labmon.web.accepting import AT_ONCE, Acceptor


class Door:
    """An acceptor on a free port, and who came in."""

    def __init__(self):
        self.listener = socket.create_server(("127.0.0.1", 0), backlog=256)
        self.listener.setblocking(False)
        self.came = []
        self.acceptor = Acceptor(self.listener, lambda one, _address: self.came.append(one))

    def knock(self, knocking):
        knocking.connect(self.listener.getsockname())


@pytest.fixture
async def door():
    made = Door()
    made.acceptor.start()
    yield made
    made.acceptor.stop()
    assert made.listener.fileno() == -1
    for one in made.came:
        one.close()


@pytest.fixture
def knocking():
    """Sockets that can connect."""
    made = [socket.socket() for _ in range(5 * AT_ONCE)]
    yield made
    for one in made:
        one.close()


async def test_a_crowd_comes_in_a_few_at_a_time(door, knocking):
    for one in knocking:
        door.knock(one)
    before = 0
    while len(door.came) < len(knocking):
        await asyncio.sleep(0)
        assert len(door.came) - before <= AT_ONCE
        before = len(door.came)


@pytest.fixture
def no_descriptors():
    """Take and give back what descriptors this process may have."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    taken = []

    def take():
        resource.setrlimit(resource.RLIMIT_NOFILE, (256, hard))
        try:
            while True:
                taken.append(os.dup(0))
        except OSError:
            return

    def give_back():
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
        while taken:
            os.close(taken.pop())

    yield take, give_back
    give_back()


async def test_without_descriptors_it_pauses_says_so_and_goes_on(
    door, knocking, no_descriptors, monkeypatch, complaints, eventually
):
    monkeypatch.setattr(accepting, "PAUSE_S", 0.05)
    take, give_back = no_descriptors
    take()
    door.knock(knocking[0])
    await eventually(complaints)
    give_back()
    assert "no connection can be accepted" in complaints()[0]
    assert not door.came
    await eventually(lambda: len(door.came) == 1)


async def test_it_may_stop_in_a_pause(knocking, no_descriptors, complaints, eventually):
    door = Door()
    door.acceptor.start()
    take, give_back = no_descriptors
    take()
    door.knock(knocking[0])
    await eventually(complaints)
    for _ in range(20):  # turns of the loop, in which it must not be tried again and again
        await asyncio.sleep(0)
    assert len(complaints()) == 1
    give_back()
    door.acceptor.stop()
    assert door.listener.fileno() == -1
    assert not door.came
