"""The mailbox of one client, on a real pair of sockets: frames arrive whole, in order, bounded."""

import asyncio
import socket
import ssl

import pytest
from tornado.iostream import IOStream, SSLIOStream

from labmon.web.audience import Audience, Member
from labmon.web.mailbox import Mailbox

LIMIT = 64 << 10


class Peer:
    """The other side, which reads only when told."""

    def __init__(self):
        ours, self.sock = socket.socketpair()
        for each in (ours, self.sock):
            each.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)
            each.setblocking(False)
        self.rooms = 0
        self.blocked = set()
        self.stream = IOStream(ours)
        self.mailbox = Mailbox(self.stream, LIMIT, self.on_room, self.blocked)

    def on_room(self):
        self.rooms += 1

    async def read(self, count):
        loop, data = asyncio.get_running_loop(), b""
        while len(data) < count:
            data += await asyncio.wait_for(loop.sock_recv(self.sock, count - len(data)), 5)
        return data

    def close(self):
        self.mailbox.close()
        self.sock.close()


@pytest.fixture
async def peer():
    made = Peer()
    yield made
    made.close()


def frame(number, size=1000):
    return b"%06d" % number + b"." * (size - 6)


def fill(mailbox):
    """Offer frames until something waits; returns how many."""
    count = 0
    while mailbox.blocked_since is None:
        assert mailbox.offer(frame(count))
        count += 1
    return count


async def test_what_the_kernel_does_not_take_follows_in_order(peer, eventually):
    count = fill(peer.mailbox)
    assert not peer.mailbox.is_direct
    assert peer.blocked == {peer.mailbox}
    for number in range(count, count + 20):
        assert peer.mailbox.offer(frame(number))
    expected = b"".join(map(frame, range(count + 20)))
    assert await peer.read(len(expected)) == expected
    await eventually(lambda: peer.rooms == 1)
    assert peer.mailbox.is_direct
    assert not peer.blocked
    assert peer.mailbox.sent_frames == count + 20


async def test_what_tornado_could_not_write_goes_before_the_next_frame(peer, eventually):
    pong = b"pong" * 50_000
    peer.stream.write(pong)
    assert not peer.mailbox.is_direct
    assert peer.mailbox.offer(frame(1))
    assert await peer.read(len(pong) + 1000) == pong + frame(1)
    await eventually(lambda: peer.mailbox.is_direct)


async def test_a_write_of_tornado_behind_ours_closes_the_direct_way_again(peer, eventually):
    count = fill(peer.mailbox)
    pong = b"pong" * 50_000

    def answer(_future):
        peer.stream.write(pong)  # as Tornado answers the last of several pings

    peer.stream.write(b"!").add_done_callback(answer)
    head = b"".join(map(frame, range(count))) + b"!"
    assert await peer.read(len(head)) == head
    await eventually(peer.stream.writing)
    assert not peer.mailbox.is_direct
    assert peer.mailbox.offer(frame(count))
    assert await peer.read(len(pong) + 1000) == pong + frame(count)
    await eventually(lambda: peer.mailbox.is_direct)


async def test_an_audience_sends_directly_where_nothing_waits(peer, eventually):
    other = Peer()
    audience = Audience()
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


async def test_an_audience_names_those_that_have_no_room(peer):
    audience = Audience()
    member = Member(peer.mailbox, 1)
    audience.add(member)
    told = 0
    while not (full := audience.tell(frame(told))):
        told += 1
    assert full == [member]
    assert LIMIT - 1000 < peer.mailbox._queued_bytes <= LIMIT
    expected = b"".join(map(frame, range(told)))
    assert await peer.read(len(expected)) == expected


async def test_a_closed_connection_is_no_error_to_an_audience(peer):
    other = Peer()
    audience = Audience()
    for each in (peer, other):
        audience.add(Member(each.mailbox, 1))
    peer.stream.close()
    assert audience.tell(frame(1)) == []
    assert await other.read(1000) == frame(1)
    assert [len(audience._direct), len(audience._asked)] == [1, 1]
    other.close()


async def test_nothing_goes_directly_over_tls():
    ours, theirs = socket.socketpair()
    context = ssl.create_default_context()
    wrapped = context.wrap_socket(ours, server_hostname="lab", do_handshake_on_connect=False)
    stream = SSLIOStream(wrapped)
    mailbox = Mailbox(stream, LIMIT, lambda: None, set())
    audience = Audience()
    audience.add(Member(mailbox, 1))
    assert not mailbox.is_direct
    assert not audience._direct
    mailbox.close()
    theirs.close()
