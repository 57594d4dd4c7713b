"""Tornado and a thread, nothing else: what a reading and a command cost at the very least.

One thread reads the clock every PERIOD_S and the loop writes it to every WebSocket; a command is a
JSON-RPC request that the same thread answers. Nothing is checked, numbered, recorded or shared.
"""

import asyncio
import json
import sys
import time
from concurrent.futures import ThreadPoolExecutor

from tornado.httpserver import HTTPServer
from tornado.netutil import bind_sockets
from tornado.web import Application, RequestHandler
from tornado.websocket import WebSocketHandler

thread = ThreadPoolExecutor(max_workers=1)
viewers = set()


async def call(text):
    """The reply to a request, as text."""
    request = json.loads(text)
    loop = asyncio.get_running_loop()
    result = await loop.run_in_executor(thread, lambda: request["params"]["seconds"])
    return json.dumps({"jsonrpc": "2.0", "id": request["id"], "result": result})


class Socket(WebSocketHandler):
    def open(self):
        self.set_nodelay(True)
        viewers.add(self)

    async def on_message(self, message):
        if "jsonrpc" in message:
            self.write_message(await call(message))

    def on_close(self):
        viewers.discard(self)


class Rpc(RequestHandler):
    async def post(self):
        self.finish(await call(self.request.body))


async def poll(period_s):
    loop = asyncio.get_running_loop()
    while True:
        await asyncio.sleep(period_s)
        at = await loop.run_in_executor(thread, time.monotonic)
        rows = [["stopwatch/at", time.time(), at, 0]]
        text = json.dumps({"type": "readings", "readings": rows})
        for viewer in viewers:
            viewer.write_message(text)


async def main():
    sockets = bind_sockets(0, "127.0.0.1")
    routes = [("/api/v1/ws", Socket), ("/rpc", Rpc)]
    HTTPServer(Application(routes, log_function=lambda _: None)).add_sockets(sockets)
    print(sockets[0].getsockname()[1], flush=True)
    await poll(float(sys.argv[1]))


if __name__ == "__main__":
    asyncio.run(main())
