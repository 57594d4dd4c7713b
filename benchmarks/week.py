"""Whether a server stays what it is: a week of readings in minutes, while viewers come and go."""

import contextlib
import http.client
import itertools
import json
import tempfile
import threading
import time
from dataclasses import dataclass

import numpy as np

from benchmarks.rounds import arguments, number, report, table
from benchmarks.serving import LoopLag, Serving, get

METHOD = """\
`labmon serve` on SQLite in a process of its own records {channels} channels at 1 Hz over {days:g}
days ({readings:.1f} million readings) as fast as it takes them: an instrument tells its past.
{viewers} viewers come and go all the time: each watches by server-sent events for a second, asks
for a graph, and leaves. Sampled from `/metrics` once a second; the slope is that of a straight line
through the last 60% of the samples. Goals: 300 MB, less than 1 MB a simulated day, and nothing
else that grows."""
CHANNELS = 50
VIEWERS = 20
WATCH_S = 1.0
SAMPLE_S = 1.0
STALLED_S = 60
DAY_S = 86_400
NAMES = {
    "resident size, MB": "process_resident_memory_bytes",
    "file descriptors": "process_open_fds",
    "threads": "labmon_threads",
    "tasks": "labmon_asyncio_tasks",
}


@dataclass
class Sample:
    """What a server said of itself.

    Attributes:
        day: simulated days that it has recorded.
        values: of `NAMES`, in that order.
        dropped: readings that were lost.
    """

    day: float
    values: list[float]
    dropped: float


def sampled(port):
    """Ask a server."""
    lines = get(port, "/metrics")[1].splitlines()
    told = dict(line.rsplit(" ", 1) for line in lines if line and line[0] != "#")
    values = [float(told[name]) for name in NAMES.values()]
    values[0] /= 1e6
    dropped = float(told['labmon_device_dropped_total{device="past"}'])
    dropped += float(told["labmon_dropped_readings_total"])
    return Sample(float(told["labmon_readings_total"]) / CHANNELS / DAY_S, values, dropped)


class Viewer(threading.Thread):
    """Comes and goes until it is told to stop."""

    def __init__(self, port, stopping):
        super().__init__(daemon=True)
        self._port, self._stopping = port, stopping
        self.visits = 0

    def run(self):
        for channel in itertools.cycle(range(1, CHANNELS + 1)):
            if self._stopping.is_set():
                return
            with contextlib.suppress(OSError, http.client.HTTPException):
                self._watch(channel)
                status, _ = get(self._port, f"/api/v1/data?stream=past/ch{channel}&start=-7d")
                self.visits += status == 200

    def _watch(self, channel):
        connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=10)
        try:
            connection.request("GET", f"/api/v1/live?stream=past/ch{channel}&max_rate=5")
            with connection.getresponse() as answer:
                end_s = time.monotonic() + WATCH_S
                while time.monotonic() < end_s and not self._stopping.is_set():
                    if not answer.readline():
                        return
        finally:
            connection.close()


def run(days, folder, lag):
    """A whole run.

    Returns:
        (samples, visits of viewers).
    """
    device = f"driver: benchmarks.past_driver:Past, days: {days}, channels: {CHANNELS}"
    stopping = threading.Event()
    with Serving(folder, f"devices:\n  past: {{{device}}}\n") as server, lag.watched(server.port):
        viewers = [Viewer(server.port, stopping) for _ in range(VIEWERS)]
        for viewer in viewers:
            viewer.start()
        samples = list(until_recorded(server.port, days))
        stopping.set()
        for viewer in viewers:
            viewer.join()
        check(server.port, days)
    return samples, sum(viewer.visits for viewer in viewers)


def until_recorded(port, days):
    """A sample a second until the last day is in."""
    came_at, day = time.monotonic(), -1.0
    while True:
        sample = sampled(port)
        yield sample
        if sample.day + sample.dropped / CHANNELS / DAY_S >= int(days * DAY_S) / DAY_S:
            return
        if sample.day > day:
            came_at, day = time.monotonic(), sample.day
        assert time.monotonic() < came_at + STALLED_S, f"nothing comes any more: {sample}"
        time.sleep(SAMPLE_S)  # noqa: TID251 - a sample is taken at a time


def check(port, days):
    """Nothing is missing: each stream has a datapoint for each second, and one for the end."""
    streams = json.loads(get(port, "/api/v1/streams?path=past/ch*")[1])["streams"]
    assert len(streams) == CHANNELS
    assert {stream["count"] - int(days * DAY_S) for stream in streams} <= {0, 1}, streams


def slope(samples, place):
    """Growth a simulated day of the last 60% of the samples."""
    late = samples[int(0.4 * len(samples)) :]
    return np.polyfit([s.day for s in late], [s.values[place] for s in late], 1)[0]


def row_of(samples, name, place):
    values = [sample.values[place] for sample in samples]
    growth = f"{slope(samples, place):+.2f}"
    return [name, number(min(values)), number(max(values)), growth]


def main():
    chosen = arguments(__doc__, days=(7, 0.05))
    chosen.rounds = 1  # it takes minutes, and has nobody to be compared with
    lag = LoopLag()
    with tempfile.TemporaryDirectory(dir=chosen.folder) as folder:
        samples, visits = run(chosen.days, folder, lag)
    rows = [row_of(samples, name, place) for place, name in enumerate(NAMES)]
    method = METHOD.format(
        channels=CHANNELS,
        days=chosen.days,
        readings=chosen.days * DAY_S * CHANNELS / 1e6,
        viewers=VIEWERS,
    )
    head = ["what", "least", "most", "more in a day"]
    dropped = f"{samples[-1].dropped:g} readings were dropped"
    words = f"{table(head, rows)}\n\n{visits:,} visits; {dropped}. {lag}"
    report("week", method, words, chosen, "tornado")


if __name__ == "__main__":
    main()
