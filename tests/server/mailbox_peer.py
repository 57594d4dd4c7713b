"""A mailbox on one end of a real pair of sockets, and whoever reads at the other."""

import asyncio
import socket

from tornado.iostream import IOStream

from labmon.web.mailbox import Mailbox
from tests.conftest import PATIENCE_S

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
            receiving = loop.sock_recv(self.sock, count - len(data))
            data += await asyncio.wait_for(receiving, PATIENCE_S)
        return data

    def close(self):
        self.mailbox.close()
        self.sock.close()


def frame(number, size=1000):
    return b"%06d" % number + b"." * (size - 6)


def fill(mailbox):
    """Offer frames until something waits; returns how many."""
    count = 0
    while mailbox.blocked_since is None:
        assert mailbox.offer(frame(count))
        count += 1
    return count
