"""The cheapest clients there are: blocking, no checks; they say when the last byte came."""

import json
import re
import socket
import struct
import time


class Posts:
    """One HTTP connection; each request is one segment, which `http.client` would make two."""

    def __init__(self, port):
        self._sock = socket.create_connection(("127.0.0.1", port), timeout=60)
        self._sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def ask(self, path, body):
        """(monotonic time at which the last byte came, body of the answer) of a POST of JSON."""
        self._sock.sendall(
            f"POST {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n"
            f"Content-Length: {len(body)}\r\n\r\n".encode()
            + body
        )
        data = b""
        while True:
            data += self._sock.recv(65536)
            head, ends, rest = data.partition(b"\r\n\r\n")
            length = re.search(rb"(?i)content-length: (\d+)", head)
            if ends and length and len(rest) >= int(length[1]):
                return time.monotonic(), rest

    def close(self):
        self._sock.close()


class Line:
    """One WebSocket with text frames."""

    def __init__(self, port, path, protocol=""):
        self._sock = socket.create_connection(("127.0.0.1", port), timeout=60)
        self._sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._buffer = b""
        asked = f"Sec-WebSocket-Protocol: {protocol}\r\n" if protocol else ""
        self._sock.sendall(
            f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgrade: websocket\r\n"
            "Connection: Upgrade\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
            f"Sec-WebSocket-Version: 13\r\n{asked}\r\n".encode()
        )
        while b"\r\n\r\n" not in self._buffer:
            self._buffer += self._sock.recv(65536)
        self._buffer = self._buffer.partition(b"\r\n\r\n")[2]

    def send(self, message):
        """Send a value as JSON, under a mask of zeros."""
        data = json.dumps(message).encode()
        self._sock.sendall(struct.pack("!BBH4x", 0x81, 0x80 | 126, len(data)) + data)

    def receive(self):
        """(monotonic time at which the last byte came, value) of the next text frame."""
        while True:
            opcode, length = self._take(2)
            if length == 126:
                (length,) = struct.unpack("!H", self._take(2))
            elif length == 127:
                (length,) = struct.unpack("!Q", self._take(8))
            data = self._take(length)
            at = time.monotonic()
            if opcode & 0x0F == 1:
                return at, json.loads(data)

    def _take(self, count):
        while len(self._buffer) < count:
            more = self._sock.recv(65536)
            assert more, "the server hung up"
            self._buffer += more
        taken, self._buffer = self._buffer[:count], self._buffer[count:]
        return taken

    def close(self):
        self._sock.close()
