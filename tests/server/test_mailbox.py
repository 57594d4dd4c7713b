"""The mailbox of one client, on a real pair of sockets: frames arrive whole, in order, bounded."""

import socket
import ssl

import pytest
from tornado.iostream import SSLIOStream

from labmon.web.mailbox import Mailbox
from tests.server.mailbox_peer import LIMIT, Peer, fill, frame


@pytest.fixture
async def peer():
    made = Peer()
    yield made
    made.close()


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


async def test_nothing_goes_directly_over_tls():
    ours, theirs = socket.socketpair()
    context = ssl.create_default_context()
    wrapped = context.wrap_socket(ours, server_hostname="lab", do_handshake_on_connect=False)
    stream = SSLIOStream(wrapped)
    mailbox = Mailbox(stream, LIMIT, lambda: None, set())
    assert not mailbox.is_direct
    mailbox.close()
    theirs.close()


async def test_it_holds_so_many_bytes_and_what_must_arrive_twice_as_many(peer):
    fill(peer.mailbox)
    while peer.mailbox.offer(frame(0)):
        pass
    assert LIMIT - 1000 < peer.mailbox.queued_bytes <= LIMIT
    while not peer.stream.closed():
        peer.mailbox.put(frame(0))
        assert peer.mailbox.queued_bytes <= 2 * LIMIT
    assert peer.mailbox.queued_bytes == 0


async def test_frames_that_have_left_make_room_for_others(peer, eventually):
    for number in range(3):
        count = fill(peer.mailbox)
        while peer.mailbox.offer(frame(count)):
            count += 1
        assert await peer.read(count * 1000)
        await eventually(lambda number=number: peer.rooms == number + 1)
        assert peer.mailbox.queued_bytes == 0
