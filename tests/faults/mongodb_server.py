"""A server that speaks MongoDB's protocol, for tests that stop, kill and slow it down."""

import contextlib
import socket
import subprocess
import sys
from pathlib import Path

from tests.conftest import HeldPort, until

CONFIG = """\
store: {url}/labmon?directConnection=true
devices:
  many: {{driver: "tests.faults.odd_drivers:Many", period_s: 0.05}}
"""


class Database:
    """A server that speaks MongoDB's protocol, with its data in a folder."""

    def __init__(self, folder):
        self._folder = folder
        self.held_port = HeldPort()
        self.port = self.held_port.number
        self.url = f"mongodb://127.0.0.1:{self.port}"
        self._log = folder / "log"
        self._process = None

    @classmethod
    @contextlib.contextmanager
    def running(cls, folder):
        folder.mkdir()
        database = cls(folder)
        try:
            database.start()
            yield database
        finally:
            database.kill()
            database.held_port.close()

    def start(self):
        with self._log.open("w") as log:
            self._process = subprocess.Popen(
                [
                    *(Path(sys.executable).with_name("secantusd-py"), "--port", str(self.port)),
                    *("--storage-path", self._folder / "data", "--sync-on-commit"),
                    *("--log-level", "ERROR"),
                ],
                cwd=self._folder,
                stdout=log,
                stderr=subprocess.STDOUT,
            )
        until(self._answers, 30, "the MongoDB server")

    def _answers(self):
        assert self._process is not None
        assert self._process.poll() is None, self._log.read_text()
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", self.port), 1):
            return True
        return False

    def send(self, number):
        assert self._process is not None
        self._process.send_signal(number)

    def kill(self):
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None
