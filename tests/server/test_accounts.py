"""Every message's cursor stands behind exactly what was told: as readings, in bands, or as skipped.

Subscriptions of all kinds overlap on connections that are slow, cut, and resumed; each keeps an
account of every stream, which must be right whenever a cursor comes. Each seed is another history.
"""

import asyncio
import bisect
import json
import os
import random
import socket as sockets
import struct
from collections import Counter
from contextlib import suppress

import numpy as np
import pytest

from labmon import hub as hub_module
from labmon.paths import Selection
from labmon.reading import ArrayBatch
from labmon.web import replay as replay_module
from labmon.web.cursor import Cursor
from tests.server.connections import HANDSHAKE

PATHS = ("lab/a", "lab/b", "lab/text", "lab/deep/c", "lab/adc", "other/x")
GLOBS = ("lab/*", "lab/**", "**", "lab/a", "other/*", "lab/adc", "lab/text")
RATES = (None, None, 3, 10, 40)
GONE = (OSError, EOFError, asyncio.IncompleteReadError)


class Source:
    """Publishes, and knows the numbers of the readings of each path."""

    def __init__(self, node, rng):
        self.node, self.rng = node, rng
        self.numbers = {path: [] for path in PATHS}

    def burst(self):
        for _ in range(self.rng.randrange(1, 8)):
            if self.rng.random() < 0.1:
                times_ns = self.node.clock.now_ns() + np.arange(self.rng.randrange(1, 40))
                batch = ArrayBatch("lab", ("lab/adc",), times_ns, np.ones(len(times_ns)))
                batch = self.node.hub.publish(batch)
                self.numbers["lab/adc"] += range(batch.seq, batch.seq + len(batch))
                continue
            paths = self.rng.sample(("lab/a", "lab/b", "lab/text", "lab/deep/c", "other/x"), 3)
            batch = self.node.publish(*((p, "x" * 900 if "text" in p else 1.5) for p in paths))
            for seq, path in enumerate(paths, batch.seq):
                self.numbers[path].append(seq)

    def count(self, path, after, until):
        numbers = self.numbers[path]
        return bisect.bisect_right(numbers, until) - bisect.bisect_right(numbers, after)


class Account:
    """One subscription: what it was told of each stream since its cursor."""

    def __init__(self, source, glob, rate, cursor):
        self.source, self.glob, self.rate = source, glob, rate
        self.selection = Selection((glob,))
        self.cursor = cursor
        self.seq = Cursor.parse(cursor).seq
        self.told = Counter()
        self.messages = 0

    def request(self, id_):
        fields = {"type": "subscribe", "id": id_, "streams": [self.glob], "after": self.cursor}
        return fields | ({} if self.rate is None else {"max_rate": self.rate})

    def take(self, message):
        if message["type"] == "skipped":
            self.told.update(message["streams"])
            return
        assert message["type"] == "readings", message
        for row in message["readings"]:
            assert row[0] in self.selection
            self.told[row[0]] += row[6] if len(row) > 4 else 1
        self.cursor, self.messages = message["cursor"], self.messages + 1
        seq = Cursor.parse(self.cursor).seq
        assert seq >= self.seq
        for path in PATHS:
            if path in self.selection:
                told = self.told.pop(path, 0)
                right = self.source.count(path, self.seq, seq)
                assert told == right, (self.glob, self.rate, path, self.seq, seq)
        assert not self.told
        self.seq = seq


class Client:
    """A connection that reads slowly, with several subscriptions; it comes back after each cut."""

    def __init__(self, source, rng):
        self.source, self.rng = source, rng
        self.accounts = {}
        self.retired = []
        self.cuts = 0
        self.next_id = 0

    async def live(self, stop):
        while not stop.is_set():
            await self.connect()
            try:
                with suppress(*GONE):
                    for _ in range(self.rng.randrange(1, 30)):
                        if stop.is_set():
                            break
                        await self.act()
            finally:
                self.cuts += 1
                self.writer.transport.abort()

    async def end(self):
        """Everything that is left comes to each."""
        await self.connect()
        last = self.source.node.hub.last_seq
        try:
            # hundreds of messages, each through a buffer of 4 KiB, where TCP may pause for seconds
            async with asyncio.timeout(120):
                while any(account.seq < last for account in self.accounts.values()):
                    await self.read()
        finally:
            self.writer.transport.abort()

    async def connect(self):
        sock = sockets.socket()
        sock.setsockopt(sockets.SOL_SOCKET, sockets.SO_RCVBUF, 4096)
        sock.setblocking(False)
        await asyncio.get_running_loop().sock_connect(sock, ("127.0.0.1", self.source.node.port))
        self.reader, self.writer = await asyncio.open_connection(sock=sock, limit=4096)
        self.writer.write(HANDSHAKE)
        await self.reader.readuntil(b"\r\n\r\n")
        for id_, account in self.accounts.items():
            account.told.clear()  # what came behind the cursor comes again
            self.send(account.request(id_))

    async def act(self):
        choice = self.rng.random()
        if choice < 0.1 and len(self.accounts) < 6:
            self.subscribe()
        elif choice < 0.15 and self.accounts:
            id_ = self.rng.choice(list(self.accounts))
            del self.accounts[id_]
            self.send({"type": "unsubscribe", "id": id_})
        elif choice < 0.2:
            await asyncio.sleep(self.rng.choice([0.01, 0.1, 0.3]))
        elif self.accounts:
            with suppress(TimeoutError):
                async with asyncio.timeout(0.3):
                    await self.peek()
                await self.read()

    async def peek(self):
        """Wait until something has come; what was begun is read to its end."""
        first = await self.reader.readexactly(1)
        self.reader._buffer[:0] = first

    def subscribe(self):
        """Go on from now, or from where another subscription is."""
        cursor = str(self.source.node.live.cursor())
        if self.accounts and self.rng.random() < 0.5:
            cursor = self.rng.choice(list(self.accounts.values())).cursor
        self.next_id += 1
        account = Account(self.source, self.rng.choice(GLOBS), self.rng.choice(RATES), cursor)
        self.accounts[self.next_id] = account
        self.send(account.request(self.next_id))

    def send(self, message):
        data = json.dumps(message).encode()
        head = struct.pack("!BBH4x", 0x81, 0x80 | 126, len(data))
        self.writer.write(head + data)

    async def read(self):
        opcode, length = await self.reader.readexactly(2)
        if length == 126:
            (length,) = struct.unpack("!H", await self.reader.readexactly(2))
        elif length == 127:
            (length,) = struct.unpack("!Q", await self.reader.readexactly(8))
        payload = await self.reader.readexactly(length)
        if opcode != 0x81:
            return
        message = json.loads(payload)
        if message["type"] in {"readings", "skipped"} and message["id"] in self.accounts:
            self.accounts[message["id"]].take(message)
        else:
            assert message["type"] in {"hello", "device", "readings", "skipped"}, message


async def accounts_are_right(make_node, monkeypatch, seed, time_s, clients):
    rng = random.Random(seed)
    monkeypatch.setattr(hub_module, "RECENT_READINGS", rng.choice([40, 400, 20_000]))
    monkeypatch.setattr(replay_module, "TAIL_READINGS", rng.choice([40, 20_000]))
    limits = {
        "send_buffer_bytes": 8192,
        "interval_s": rng.choice([0.001, 0.02]),
        "replay_readings": rng.choice([10, 100, 2000]),
        "comment_s": rng.choice([0.1, 15]),
    }
    node = await make_node(max_mailbox_bytes=rng.choice([8 << 10, 64 << 10]), limits=limits)
    source, stop = Source(node, rng), asyncio.Event()
    source.burst()
    viewers = [Client(source, rng) for _ in range(clients)]
    for viewer in viewers:
        first = Account(source, "**", rng.choice(RATES), str(node.live.cursor()))
        viewer.accounts[0] = first
    tasks = [asyncio.create_task(viewer.live(stop)) for viewer in viewers]
    ends = asyncio.get_running_loop().time() + time_s
    while asyncio.get_running_loop().time() < ends and not any(task.done() for task in tasks):
        source.burst()
        await asyncio.sleep(rng.choice([0, 0.001, 0.01]))
    stop.set()
    await asyncio.gather(*tasks)
    for path in PATHS:
        if path != "lab/adc":
            node.publish((path, 1.5 if "text" not in path else "x"))
            source.numbers[path].append(node.hub.last_seq)
    node.hub.publish(ArrayBatch("lab", ("lab/adc",), np.array([node.clock.now_ns()]), np.ones(1)))
    source.numbers["lab/adc"].append(node.hub.last_seq)
    await asyncio.gather(*(viewer.end() for viewer in viewers))
    told = sum(a.messages for viewer in viewers for a in viewer.accounts.values())
    print(seed, node.hub.last_seq, [v.cuts for v in viewers], told, node.live.skipped_readings)


@pytest.mark.parametrize("seed", [1])
async def test_accounts_are_right(make_node, monkeypatch, seed):
    await accounts_are_right(make_node, monkeypatch, seed, 0.5, 3)


@pytest.mark.long
@pytest.mark.parametrize("number", range(10))
async def test_accounts_are_right_for_long(make_node, monkeypatch, number):
    seed = int(os.environ.get("LABMON_SEED", random.randrange(2**32)))
    print(f"seed {seed}")
    await accounts_are_right(make_node, monkeypatch, seed, 6, 4)
