"""What a server takes in memory: with 40 streams and 10 viewers, and for each idle viewer more."""

import tempfile
import time
from pathlib import Path

from benchmarks.lab_data import DEVICES
from benchmarks.live import Viewers, build, greeting
from benchmarks.rounds import Spread, arguments, report, table
from benchmarks.serving import LoopLag, Serving

METHOD = """\
`labmon serve` on SQLite in a process of its own, with {streams} channels of four devices and
{readings} readings a second. Resident size: once it is ready; after {seconds:g} s of recording, at
the end with 10 viewers on the WebSocket, each of which gets all readings; with {idle:,} more that
subscribed to streams of which none comes; and after those have gone. Each round is a new server.
Goals: 120 MB with 10 viewers, 45 kB for each idle one."""

ROWS = ("ready", "10 viewers", "and the idle ones", "for each idle one, kB", "after they left")
SETTLE_S = 1.0


def devices():
    """The configuration of the laboratory."""
    lines = [
        f"  {d.name}: {{driver: benchmarks.bench_driver:Crate, channels: {d.channels},"
        f" period_s: {1 / d.hertz:g}}}\n"
        for d in DEVICES
    ]
    return "devices:\n" + "".join(lines)


def measured(folder, load, seconds, idle, lag):
    """The numbers of one round."""
    with Serving(folder, devices()) as server, lag.watched(server.port):
        ready = server.resident_mb
        time.sleep(seconds * 0.8)  # noqa: TID251 - what grows, grows with time
        viewers = Viewers([load, server.port, 10, *greeting("labmon", "ws", "**")])
        time.sleep(seconds * 0.2 + SETTLE_S)  # noqa: TID251
        ten = server.resident_mb
        more = Viewers([load, server.port, idle, *greeting("labmon", "ws", "nobody/*")])
        time.sleep(SETTLE_S)  # noqa: TID251
        all_of_them = server.resident_mb
        more.close()
        time.sleep(SETTLE_S)  # noqa: TID251
        after = server.resident_mb
        viewers.close()
    return ready, ten, all_of_them, 1000 * (all_of_them - ten) / idle, after


def main():
    chosen = arguments(__doc__, seconds=(20, 1), clients=(1000, 20))
    idle, found, lag = int(chosen.clients), [], LoopLag()
    with tempfile.TemporaryDirectory(dir=chosen.folder) as folder:
        build(Path(folder))
        for number in range(chosen.rounds):
            place = Path(folder) / str(number)
            place.mkdir()
            found.append(measured(place, Path(folder) / "load", chosen.seconds, idle, lag))
    rows = [
        [name, Spread(column)] for name, column in zip(ROWS, zip(*found, strict=True), strict=True)
    ]
    method = METHOD.format(
        streams=sum(d.channels for d in DEVICES),
        readings=sum(d.channels * d.hertz for d in DEVICES),
        seconds=chosen.seconds,
        idle=idle,
    )
    report("memory", method, f"{table(['when', 'MB'], rows)}\n\n{lag}", chosen, "tornado")


if __name__ == "__main__":
    main()
