"""The ring: many sends in one call to the kernel, whatever becomes of each, and systems without."""

import errno
import resource
import socket

import numpy as np
import pytest

from labmon.web.ring import ENTRIES, FRAME_BYTES, LazyRing, open_ring


@pytest.fixture
def ring():
    made = open_ring()
    if made is None:
        pytest.skip("this system has no io_uring, or does not let us")
    yield made
    made.close()


@pytest.fixture
def pair():
    made = socket.socketpair()
    for each in made:
        each.setblocking(False)
    yield made
    for each in made:
        each.close()


def received(sock):
    data = b""
    while True:
        try:
            data += sock.recv(1 << 16)
        except BlockingIOError:
            return data


@pytest.mark.parametrize("count", [1, 700, ENTRIES, ENTRIES + 1, 3 * ENTRIES])
def test_each_of_a_crowd_gets_its_own_answer(ring, pair, count):
    ours, theirs = pair
    descriptors = np.full(count, -1, np.int32)
    places = sorted({0, count // 3, count - 1})
    descriptors[places] = ours.fileno()
    for turn in (b"a", b"bc", b"def"):  # the rings go round
        others = dict.fromkeys(set(range(count)).difference(places), -errno.EBADF)
        assert ring.send(descriptors, turn) == others
        assert received(theirs) == turn * len(places)


def test_a_crowd_that_takes_all_has_no_answers(ring, pair):
    ours, theirs = pair
    for count in (1, 100, 150):
        for turn in range(2 * ENTRIES // count):
            assert ring.send(np.full(count, ours.fileno(), np.int32), b"x") == {}
            assert received(theirs) == b"x" * count, turn


def test_requests_that_lie_there_from_before_are_only_for_the_same_crowd(ring, pair):
    ours, theirs = pair
    other, peer = socket.socketpair()
    with other, peer:
        peer.setblocking(False)
        both = np.array([ours.fileno(), other.fileno()], np.int32)
        one = np.array([other.fileno()], np.int32)
        frames = (b"a", b"bc", b"de", bytes(FRAME_BYTES), bytes(FRAME_BYTES + 1), b"", b"f")
        for crowd in (both, both, one, one, both, one, both):
            for frame in frames:
                assert ring.send(crowd, frame) == {}
                assert received(theirs) == (frame if crowd is both else b"")
                assert received(peer) == frame


def test_what_the_kernel_has_no_room_for_is_told(ring, pair):
    ours, theirs = pair
    frame = bytes(range(256)) * 8192
    short = ring.send(np.array([ours.fileno()] * 2, np.int32), frame)
    assert 0 < short[0] < len(frame)
    assert short[1] == -errno.EAGAIN
    assert received(theirs) == frame[: short[0]]


def test_a_peer_that_is_gone_is_told_without_a_signal(ring, pair):
    ours, theirs = pair
    theirs.close()
    assert ring.send(np.array([ours.fileno()], np.int32), b"x") == {0: -errno.EPIPE}


def test_a_ring_that_fails_leaves_everything_to_be_sent(ring, pair):
    ours, theirs = pair
    descriptors = np.array([ours.fileno()] * 3, np.int32)
    ring._descriptor, kept = -1, ring._descriptor
    assert ring.send(descriptors, b"x") == dict.fromkeys(range(3), -errno.EAGAIN)
    assert ring.is_broken
    ring._descriptor = kept
    assert ring.send(descriptors, b"x") == dict.fromkeys(range(3), -errno.EAGAIN)
    assert received(theirs) == b""


@pytest.mark.parametrize("left", [0, 1, 3, 4, 5, 6])
def test_a_system_without_a_ring_is_no_error(caplog, left):
    """Here it has too few descriptors for it, or for trying it; elsewhere it is forbidden."""
    caplog.set_level("INFO")
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    with socket.socket() as last:
        resource.setrlimit(resource.RLIMIT_NOFILE, (last.fileno() + 1 + left, before[1]))
        try:
            assert open_ring() is None
        finally:
            resource.setrlimit(resource.RLIMIT_NOFILE, before)
    assert "each viewer is sent to by itself" in caplog.text


def test_a_server_opens_one_when_it_is_first_asked_for():
    lazy = LazyRing()
    ring = lazy()
    assert lazy() is ring
    lazy.close()
    assert lazy() is None
    assert LazyRing(is_wanted=False)() is None
