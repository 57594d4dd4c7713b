"""The event loop's turns on real sockets: short, fair, and nothing outdated."""

import asyncio
import socket
import sys

import pytest

from labmon.turns import AT_ONCE, new_event_loop

if sys.platform == "win32":
    pytest.skip("the loop of Windows has no selector", allow_module_level=True)

COUNT = 5 * AT_ONCE


@pytest.fixture
def loop():
    """A loop of our own."""
    made = new_event_loop()
    yield made
    made.close()


@pytest.fixture
def pairs():
    """Sockets that all have something to read."""
    made = [socket.socketpair() for _ in range(COUNT)]
    for _, theirs in made:
        theirs.send(b".")
    yield [ours for ours, _ in made]
    for pair in made:
        for each in pair:
            each.close()


def turns(loop, count):
    """So many turns of the loop."""
    for _ in range(count):
        loop.call_soon(loop.stop)
        loop.run_forever()


def test_a_burst_takes_many_turns_and_everybody_has_one(loop, pairs):
    served = []
    for one in pairs:
        loop.add_reader(one, lambda one=one: served.append(one.recv(1)))
    lengths = []
    while len(served) < COUNT:
        before = len(served)
        turns(loop, 1)
        lengths.append(len(served) - before)
    assert max(lengths) == AT_ONCE
    turns(loop, 5)
    assert len(served) == COUNT


def test_those_that_are_always_ready_leave_nobody_out(loop, pairs):
    served = set()
    for one in pairs:  # nobody reads what there is
        loop.add_reader(one, served.add, one)
    turns(loop, 2 * COUNT // AT_ONCE)
    assert len(served) == COUNT


def test_what_is_due_runs_between_two_portions(loop, pairs):
    served, then = [], []
    for one in pairs:
        loop.add_reader(one, lambda one=one: served.append(one.recv(1)))
    loop.call_later(0, lambda: then.append(len(served)))
    while not then:
        turns(loop, 1)
    assert then[0] <= 2 * AT_ONCE


def test_a_socket_that_is_no_longer_watched_is_not_served(loop, pairs):
    served = []
    waiting = set(pairs)

    def serve(one):
        served.append(one.recv(1))
        waiting.discard(one)
        for other in waiting:
            loop.remove_reader(other)

    for one in pairs:
        loop.add_reader(one, serve, one)
    turns(loop, COUNT)
    assert len(served) == 1


def test_a_socket_that_took_the_number_of_another_is_served_for_itself(loop, pairs):
    replaced = []

    def replace(one):
        one.recv(1)
        loop.remove_reader(one)
        for other in pairs:
            if other is not one and loop.remove_reader(other):
                number = other.fileno()
                other.close()
                ours, theirs = socket.socketpair()
                replaced.extend((ours, theirs))
                if ours.fileno() == number:
                    loop.add_reader(ours, pytest.fail, "there is nothing to read")

    for one in pairs:
        loop.add_reader(one, replace, one)
    try:
        turns(loop, COUNT)
        assert replaced
    finally:
        for each in replaced:
            loop.remove_reader(each)
            each.close()


def test_the_answer_of_a_thread_wakes_it_up(loop):
    async def ask():
        return await asyncio.to_thread(lambda: 7)

    assert loop.run_until_complete(asyncio.wait_for(ask(), 30)) == 7
    loop.run_until_complete(loop.shutdown_default_executor())
