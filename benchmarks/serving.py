"""`labmon serve` in a process of its own, asked from outside, as its users have it.

The trap: every command is a line in the log, and a pipe that nobody reads stops the whole server;
so the log goes to a file.
"""

import http.client
import re
import subprocess
import sys
import time
from contextlib import contextmanager
from pathlib import Path

import psutil

ROOT = Path(__file__).resolve().parent.parent
PATIENCE_S = 60
_BUCKET = re.compile(r'^labmon_loop_lag_seconds_bucket\{le="([^"]+)"\} (\d+)$', re.MULTILINE)


class Serving:
    """A server of the configuration in a folder; a `with` block ends it.

    Attributes:
        port: where it answers.
        ready_s: from the start of the process until `/readyz` said yes.
    """

    def __init__(self, folder, devices="devices: {}\n"):
        self.folder = Path(folder)
        config = self.folder / "config.yaml"
        config.write_text(f"{devices}store: sqlite:///labmon.db\n")
        begin = time.monotonic()
        self._log = self.folder / "log"
        with self._log.open("w") as log:
            self._process = subprocess.Popen(
                [
                    *(sys.executable, "-m", "labmon", "serve", "--config", str(config)),
                    *("--data", str(self.folder / "labmon"), "--port", "0"),
                ],
                cwd=ROOT,
                stdout=log,
                stderr=subprocess.STDOUT,
            )
        self.port = self._address()
        while self.get("/readyz")[0] != 200:
            assert time.monotonic() < begin + PATIENCE_S, "it does not become ready"
        self.ready_s = time.monotonic() - begin

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stop()

    def _address(self):
        while not (found := re.search(r"http://127\.0\.0\.1:(\d+)", self._log.read_text())):
            if self._process.poll() is not None:
                raise SystemExit(f"labmon ended: {self._log.read_text()}")
            time.sleep(0.005)  # noqa: TID251 - a process has no other way to say so
        return int(found[1])

    @property
    def resident_mb(self):
        return psutil.Process(self._process.pid).memory_info().rss / 1e6

    def get(self, path):
        return get(self.port, path)

    def stop(self):
        """End it as a service manager does."""
        self._process.terminate()
        self._process.wait()

    def kill(self):
        """End it as a crash does."""
        self._process.kill()
        self._process.wait()


def get(port, path):
    """(status, body) of an answer."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=PATIENCE_S)
    connection.request("GET", path)
    answer = connection.getresponse()
    body = answer.read().decode()
    connection.close()
    return answer.status, body


class LoopLag:
    """How late the event loop of servers was between `begin` and `end`, as often as that was done.

    The server measures it itself, four times a second; counts by upper bound in seconds.
    """

    def __init__(self):
        self.counts = {}
        self._before = {}

    def begin(self, port):
        self._before = self._read(port)

    def end(self, port):
        for bound_s, count in self._read(port).items():
            self.counts[bound_s] = self.counts.get(bound_s, 0) + count - self._before[bound_s]

    @contextmanager
    def watched(self, port):
        """Measure while a `with` block runs."""
        self.begin(port)
        yield
        self.end(port)

    def _read(self, port):
        return {
            float(bound_s): int(count)
            for bound_s, count in _BUCKET.findall(get(port, "/metrics")[1])
        }

    @property
    def total(self):
        """How many measurements there are."""
        return max(self.counts.values(), default=0)

    def bound_ms(self, share=0.99):
        """Such a share was at most so many ms late: a bound of the histogram."""
        enough = [bound for bound, count in self.counts.items() if count >= share * self.total]
        return 1000 * min(enough, default=float("inf"))

    def __str__(self):
        """What stands below a table."""
        return (
            f"The event loop was late by at most {self.bound_ms():g} ms in 99% of {self.total}"
            " measurements. Goal: 20 ms."
        )
