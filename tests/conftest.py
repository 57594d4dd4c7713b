"""Fixtures for every folder: a real server process on a free port, configured by each test."""

import contextlib
import json
import os
import queue
import re
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

ROOT = Path(__file__).resolve().parent.parent
PATIENCE_S = 30.0
"""What comes at last on a slow and busy machine; where all is well, nobody waits for it."""
ADDRESS = re.compile(r"http://127\.0\.0\.1:\d+")


def pytest_configure(config):
    """Properties: the same examples in each quick run, new ones in a long one; slow is no fault.

    Signals: where `nohup` had SIGHUP ignored, it is not, since some tests close terminals.
    """
    if sys.platform != "win32" and signal.getsignal(signal.SIGHUP) is signal.SIG_IGN:
        signal.signal(signal.SIGHUP, signal.SIG_DFL)
    settings.register_profile(
        "labmon",
        deadline=None,
        derandomize=bool(config.option.markexpr),
        max_examples=60,
        suppress_health_check=[HealthCheck.too_slow],
    )
    settings.load_profile("labmon")


def until(condition, timeout_s=PATIENCE_S, what="the condition"):
    """Wait until `condition()` is true, and return what it gave."""
    deadline = time.monotonic() + timeout_s
    pause = threading.Event()
    while True:
        if result := condition():
            return result
        assert time.monotonic() < deadline, f"{what} did not come within {timeout_s:g} s"
        pause.wait(0.02)


@pytest.fixture(name="until")
def until_fixture():
    return until


class HeldPort:
    """A port for a server of the tests, which the system gives to nobody else until it is closed.

    It is bound but nobody listens, so a server may bind it too where both set SO_REUSEADDR. Only
    Linux has it so; elsewhere the port is let go at once, and somebody else may be quicker.
    """

    def __init__(self):
        self._socket = socket.socket()
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self._socket.bind(("127.0.0.1", 0))
        self.number = self._socket.getsockname()[1]
        if sys.platform != "linux":
            self.close()

    def close(self):
        self._socket.close()


class ServerProcess:
    """`labmon serve` in a process of its own, on a port that stays the same over restarts."""

    def __init__(self, folder, config, environment=None):
        self.folder = Path(folder)
        self.config = self.folder / "config.yaml"
        self.config.write_text(config)
        self.data = self.folder / "data"
        self._held_port = HeldPort()
        self.port = self._held_port.number
        self.address = f"http://127.0.0.1:{self.port}"
        self.process = None
        self.lines = []
        self.environment = environment or {}

    def start(self, timeout_s=60.0):
        """Start, and wait until it says its address; returns the seconds until it was ready."""
        began = time.monotonic()
        self.process = subprocess.Popen(
            [
                *(sys.executable, "-X", "dev", "-m", "labmon", "serve"),
                *("--config", self.config, "--port", str(self.port), "--data", self.data),
            ],
            cwd=ROOT,
            env={
                **os.environ,
                "PYTHONPATH": f"{ROOT}{os.pathsep}{ROOT / 'drivers'}",
                "NO_COLOR": "1",
                **self.environment,
            },
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        lines = queue.Queue()
        self._reader = threading.Thread(target=self._read, args=(self.process.stdout, lines))
        self._reader.start()
        deadline = time.monotonic() + timeout_s
        while True:
            try:
                line = lines.get(timeout=max(0.01, deadline - time.monotonic()))
            except queue.Empty:
                raise AssertionError(f"not ready in {timeout_s:g} s:\n{self.output}") from None
            assert line is not None, f"it ended with {self.process.wait()}:\n{self.output}"
            if ADDRESS.search(line):
                return time.monotonic() - began

    def _read(self, stream, lines):
        with stream:
            for line in stream:
                self.lines.append(line)
                lines.put(line)
        lines.put(None)

    @property
    def output(self):
        return "".join(self.lines)

    def get(self, path, timeout_s=PATIENCE_S):
        with urllib.request.urlopen(self.address + path, timeout=timeout_s) as reply:
            return json.load(reply)

    def post(self, path, body, headers=None, timeout_s=PATIENCE_S):
        request = urllib.request.Request(
            self.address + path,
            json.dumps(body).encode(),
            {"Content-Type": "application/json", **(headers or {})},
        )
        with urllib.request.urlopen(request, timeout=timeout_s) as reply:
            return json.load(reply)

    def call(self, method, **params):
        reply = self.post("/rpc", {"jsonrpc": "2.0", "id": 1, "method": method, "params": params})
        assert "error" not in reply, reply
        return reply["result"]

    def is_ready(self):
        with contextlib.suppress(urllib.error.URLError, ConnectionError):
            self.get("/readyz")
            return True
        return False

    def end(self, number=signal.SIGTERM, timeout_s=PATIENCE_S):
        """Send a signal, wait, and return (exit code, seconds it took)."""
        assert self.process is not None, "it was never started"
        began = time.monotonic()
        self.process.send_signal(number)
        code = self.process.wait(timeout_s)
        took_s = time.monotonic() - began
        self._reader.join()
        return code, took_s

    def close(self):
        if self.process is not None and self.process.poll() is None:
            self.end(signal.SIGKILL)
        self._held_port.close()


@pytest.fixture(scope="session")
def mongodb_server(tmp_path_factory):
    """The address of a server that speaks MongoDB's protocol, over a real socket."""
    if url := os.environ.get("LABMON_TEST_MONGO_URI"):
        yield url.rstrip("/")
        return
    held_port = HeldPort()
    port = held_port.number
    process = subprocess.Popen(
        [
            *(Path(sys.executable).with_name("secantusd-py"), "--port", str(port)),
            *("--storage-path", ":memory:", "--log-level", "WARNING"),
        ],
        cwd=tmp_path_factory.mktemp("mongodb"),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )

    def answers():
        assert process.poll() is None, "the MongoDB server ended"
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
            return True
        return False

    try:
        until(answers, 60, "the MongoDB server")
        yield f"mongodb://127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait()
        held_port.close()


@pytest.fixture
def server_process(tmp_path):
    """A factory: `server_process(config_text)` gives a `ServerProcess` that is ended at the end."""
    made = []

    def make(config, **kwargs):
        folder = tmp_path / f"server{len(made)}"
        folder.mkdir()
        made.append(ServerProcess(folder, config, **kwargs))
        return made[-1]

    yield make
    for process in made:
        process.close()
