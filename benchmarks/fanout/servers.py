"""The contenders of the live benchmark that are written in Python, each a process of its own.

`python -m benchmarks.fanout.servers NAME BYTES` says its port, then obeys lines on its standard
input: `publish COUNT EVERY_NS` sends COUNT messages to every client, one each EVERY_NS (0: as fast
as it goes), and says `done`. The trap: TCP_NODELAY must be the same for all, or frames merge.
"""

import asyncio
import json
import resource
import socket
import sys
import time
from pathlib import Path

PATHS = ("lab/mark", *(f"lab/laser{n}" for n in range(4)))
"""Of the readings of labmon; the first tells the viewers when it was published."""


def mark():
    """What the viewers of the others look for: when it was published."""
    return f"T={time.monotonic_ns():019}"


def readings(size):
    """A message of JSON as one would write it by hand: the newest readings, and when."""
    rows = [[f"lab/ch{n}", time.time(), 384.2278115 + n, 0] for n in range(4)]
    return json.dumps({"mark": mark(), "readings": rows}).ljust(size)


class Labmon:
    """labmon as it is: hub, recorder, store in memory, web server."""

    async def start(self):
        from labmon import collector, datastream
        from labmon.config import Config, ServerConfig
        from labmon.control.annotations import Annotations
        from labmon.control.audit import Audit
        from labmon.control.rpc import Rpc
        from labmon.hub import Hub
        from labmon.reading import Batch
        from labmon.recorder import Recorder
        from labmon.timestamps import Clock
        from labmon.web.limits import Limits
        from labmon.web.server import Server
        from labmon.web.services import Services

        clock = Clock()
        config = Config(path=Path("config.yaml"), server=ServerConfig(port=0))
        store = datastream.open("memory:", clock=clock.now_ns)
        await store.start()
        recorder = Recorder(store)
        self.hub = Hub(store.node, store.epoch, recorder.record)
        recorder.start()
        rpc = Rpc({}, Audit(lambda *_: None))
        limits = Limits(interval_s=0.0)  # each message by itself, as the others send it
        annotations = Annotations(lambda *_: None, store, clock.now_ns)
        services = Services(config, self.hub, store, {}, rpc, recorder, clock, annotations, limits)
        self.server = Server(services)
        self.batch = lambda values: Batch("lab", clock.now_ns(), PATHS, values, bytes(5))
        port = await self.server.start("127.0.0.1", 0)
        collector.calm()
        return port

    def publish(self):
        self.hub.publish(self.batch((time.monotonic(), *(384.2278115 + n for n in range(4)))))


class TornadoServer:
    """What the contenders on Tornado share."""

    def __init__(self, size):
        self.size = size

    def routes(self):
        raise NotImplementedError

    async def start(self):
        from tornado.httpserver import HTTPServer
        from tornado.netutil import bind_sockets
        from tornado.web import Application

        sockets = bind_sockets(0, "127.0.0.1", backlog=4096)
        HTTPServer(Application(self.routes(), log_function=lambda _: None)).add_sockets(sockets)
        return sockets[0].getsockname()[1]


class Tornadose(TornadoServer):
    """tornadose with its queue store: every message to every subscriber."""

    def routes(self):
        from tornado.ioloop import IOLoop
        from tornadose import handlers, stores

        self.store = stores.QueueStore()
        self.loop = IOLoop.current()

        class Events(handlers.EventSource):
            def prepare(self):
                super().prepare()
                self.request.connection.stream.set_nodelay(True)
                self.flush()

        class Socket(handlers.WebSocketSubscriber):
            async def open(self):
                self.set_nodelay(True)
                await super().open()

        return [("/ws", Socket, {"store": self.store}), ("/sse", Events, {"store": self.store})]

    def publish(self):
        self.loop.add_callback(self.store.submit, readings(self.size))


class WriteMessage(TornadoServer):
    """The loop that everybody writes first: one text, `write_message` for each client."""

    def routes(self):
        from tornado.web import RequestHandler
        from tornado.websocket import WebSocketHandler

        sockets, streams = self.sockets, self.streams = set(), set()

        class Socket(WebSocketHandler):
            def open(self):
                self.set_nodelay(True)
                sockets.add(self)

            def on_close(self):
                sockets.discard(self)

        class Events(RequestHandler):
            async def get(self):
                self.set_header("Content-Type", "text/event-stream")
                self.request.connection.stream.set_nodelay(True)
                await self.flush()
                streams.add(self)
                self.ended = asyncio.Event()
                await self.ended.wait()

            def on_connection_close(self):
                streams.discard(self)
                self.ended.set()

        return [("/ws", Socket), ("/sse", Events)]

    def publish(self):
        text = readings(self.size)
        for one in self.sockets:
            one.write_message(text)
        event = f"data: {text}\n\n"
        for stream in self.streams:
            stream.write(event)
            stream.flush()


class Websockets:
    """The websockets library with its `broadcast`."""

    def __init__(self, size):
        self.size = size

    async def start(self):
        from websockets.asyncio.server import broadcast, serve

        self.broadcast = broadcast
        self.server = await serve(
            lambda connection: connection.wait_closed(), "127.0.0.1", 0, backlog=4096
        )
        return self.server.sockets[0].getsockname()[1]

    def publish(self):
        self.broadcast(self.server.connections, readings(self.size))


class Sends:
    """The least that Python can do: one `send` for each client, as the loop in C does it."""

    def __init__(self, size):
        self.size = size
        self.sockets, self.streams = {}, {}

    async def start(self):
        self.server = await asyncio.start_server(self.serve, "127.0.0.1", 0, backlog=4096)
        return self.server.sockets[0].getsockname()[1]

    async def serve(self, reader, writer):
        request = await reader.readuntil(b"\r\n\r\n")
        clients = self.sockets if b"Upgrade" in request else self.streams
        head = b"101 Switching Protocols" if clients is self.sockets else b"200 OK"
        writer.write(b"HTTP/1.1 " + head + b"\r\n\r\n")
        sock = writer.get_extra_info("socket")._sock  # noqa: SLF001 - asyncio's wrapper cannot send
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        clients[writer] = sock.send
        await reader.read()
        del clients[writer]
        writer.close()

    def publish(self):
        body = mark().ljust(self.size, ".").encode()
        frames = (
            (self.sockets, b"\x81\x7e" + self.size.to_bytes(2, "big") + body),
            (self.streams, b"data: " + body + b"\n\n"),
        )
        for clients, frame in frames:
            for send in clients.values():
                send(frame)


async def obey(server):
    loop = asyncio.get_running_loop()
    commands = asyncio.StreamReader()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(commands), sys.stdin)
    while line := await commands.readline():
        _, count, every_ns = line.split()
        due_at = loop.time()
        for _ in range(int(count)):
            server.publish()
            due_at += int(every_ns) / 1e9
            await asyncio.sleep(max(0.0, due_at - loop.time()) if int(every_ns) else 0)
        print("done", flush=True)


async def main(name, size):
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    kinds = {
        "labmon": lambda _: Labmon(),
        "tornadose": Tornadose,
        "write_message": WriteMessage,
        "websockets": Websockets,
        "python": Sends,
    }
    server = kinds[name](size)
    print(await server.start(), flush=True)
    await obey(server)


def loop_of(name):
    """The event loop of a contender: labmon brings its own."""
    from labmon.turns import new_event_loop

    return new_event_loop if name == "labmon" else None


if __name__ == "__main__":
    with asyncio.Runner(loop_factory=loop_of(sys.argv[1])) as runner:
        runner.run(main(sys.argv[1], int(sys.argv[2])))
