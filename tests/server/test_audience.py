"""Who gets the same bytes, told one after the other and by a ring alike, on real sockets."""

import fcntl
import socket

import pytest
from tornado.iostream import StreamClosedError

from labmon.web import audience as audiences
from labmon.web.audience import Audience, Member
from labmon.web.ring import LazyRing
from tests.server.mailbox_peer import LIMIT, Peer, fill, frame


@pytest.fixture(params=[False, True], ids=["each", "ring"])
def ring(request, monkeypatch):
    """What tells crowds; where the system has no ring, both tests are the same."""
    monkeypatch.setattr(audiences, "CROWD", 1)
    made = LazyRing(is_wanted=request.param)
    yield made
    made.close()


@pytest.fixture
async def peer():
    made = Peer()
    yield made
    made.close()


async def test_an_audience_sends_directly_where_nothing_waits(peer, ring, eventually):
    other = Peer()
    audience = Audience(ring)
    for each in (peer, other):
        audience.add(Member(each.mailbox, 1))
    count = fill(peer.mailbox)
    assert [len(audience._direct), len(audience._asked)] == [1, 1]
    assert audience.tell(frame(count)) == []
    assert await other.read(1000) == frame(count)
    expected = b"".join(map(frame, range(count + 1)))
    assert await peer.read(len(expected)) == expected
    await eventually(lambda: len(audience._direct) == 2)
    assert audience.sent_frames == 1
    other.close()


async def test_an_audience_names_those_that_have_no_room(peer, ring):
    audience = Audience(ring)
    member = Member(peer.mailbox, 1)
    audience.add(member)
    told = 0
    while not (full := audience.tell(frame(told))):
        told += 1
    assert full == [member]
    assert LIMIT - 1000 < peer.mailbox._queued_bytes <= LIMIT
    expected = b"".join(map(frame, range(told)))
    assert await peer.read(len(expected)) == expected


async def test_a_closed_connection_is_no_error_to_an_audience(peer, ring):
    other = Peer()
    audience = Audience(ring)
    for each in (peer, other):
        audience.add(Member(each.mailbox, 1))
    peer.stream.close()
    assert audience.tell(frame(1)) == []
    assert await other.read(1000) == frame(1)
    assert [len(audience._direct), len(audience._asked)] == [1, 1]
    other.close()


async def test_who_gets_the_number_of_a_closed_socket_gets_nothing_else_of_it(peer, ring):
    """Tornado tells of a close in the next turn; a connection may be accepted before."""
    other = Peer()
    audience = Audience(ring)
    for each in (peer, other):
        audience.add(Member(each.mailbox, 1))
    assert audience.tell(frame(1)) == []
    number = peer.stream.socket.fileno()
    peer.stream.close()
    ours, theirs = socket.socketpair()
    again = socket.socket(fileno=fcntl.fcntl(ours, fcntl.F_DUPFD_CLOEXEC, number))
    assert number in {each.fileno() for each in (ours, theirs, again)}
    assert audience.tell(frame(2)) == []
    for each in (ours, theirs):
        each.setblocking(False)
        with pytest.raises(BlockingIOError):
            each.recv(1)
    for each in (ours, theirs, again):
        each.close()
    assert await other.read(2000) == frame(1) + frame(2)
    other.close()


async def test_those_that_come_and_go_between_two_frames_are_known(peer, ring):
    others = [Peer() for _ in range(3)]
    audience = Audience(ring)
    members = [Member(each.mailbox, 1) for each in (peer, *others)]
    for member in members[:3]:
        audience.add(member)
    assert audience.tell(frame(1)) == []
    audience.remove(members[0])
    audience.add(members[3])
    assert audience.tell(frame(2)) == []
    assert await peer.read(1000) == frame(1)
    assert await others[0].read(2000) == frame(1) + frame(2)
    assert await others[2].read(1000) == frame(2)
    for each in others:
        each.close()


async def test_a_peer_that_is_gone_is_left_to_its_reader(peer, ring, eventually):
    """Closing takes long; a thousand of them in one turn would hold up everybody else."""
    other = Peer()
    audience = Audience(ring)
    for each in (peer, other):
        audience.add(Member(each.mailbox, 1))
    peer.sock.close()
    for number in (1, 2):
        assert audience.tell(frame(number)) == []
        assert not peer.stream.closed()
        assert peer.blocked == {peer.mailbox}  # if nobody reads, it is cut as one that stalls
    assert peer.mailbox.queued_bytes == 0
    with pytest.raises(StreamClosedError):
        await peer.stream.read_bytes(1)
    peer.mailbox.closed()  # as its client does
    assert not peer.blocked
    assert await other.read(2000) == frame(1) + frame(2)
    other.close()
