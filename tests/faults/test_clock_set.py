"""Somebody sets the clock of the machine an hour back, and a year ahead, under a running server."""

import time
from pathlib import Path

import pytest

from tests.faults.load import Live, Watch

pytestmark = pytest.mark.alone

CONFIG = """\
devices:
  steady: {driver: "tests.faults.odd_drivers:Steady", period_s: 0.05}
"""
PERIOD_S = 0.05
HOUR_S = 3600
YEAR_S = 365 * 86400
CLOCK_STEP = 0x40
PLACES = ("/usr/lib", "/usr/lib64", "/usr/local/lib", "/opt/homebrew/lib")


class Machine:
    """A server whose wall clock, and nothing else, is set by us."""

    def __init__(self, make_server, library, folder):
        self._file = folder / "clock"
        self.set_by(0)
        self.server = make_server(
            CONFIG,
            environment={
                "LD_PRELOAD": str(library),
                "FAKETIME_TIMESTAMP_FILE": str(self._file),
                "FAKETIME_NO_CACHE": "1",
                "FAKETIME_DONT_FAKE_MONOTONIC": "1",
                "FAKETIME_FORCE_MONOTONIC_FIX": "0",  # else waits for a lock go wrong, and spin
            },
        )
        self.server.start()

    def set_by(self, seconds):
        """So far from the true time; in one piece, as the server reads it at any moment."""
        new = self._file.with_suffix(".new")
        new.write_text(f"{seconds:+d}\n")
        new.replace(self._file)

    def device(self):
        return self.server.get("/api/v1/devices/steady")

    def ahead_s(self):
        """How far the server's clock is from ours."""
        return self.server.get("/api/v1/latest")["now"] - time.time()

    def stored(self, start_s, end_s):
        query = f"stream=steady/count&start={start_s}&end={end_s}&granularity=raw"
        columns = self.server.get(f"/api/v1/data?{query}")["streams"][0]
        qualities = columns["quality"] or [0] * len(columns["t"])
        rows = zip(columns["t"], columns["v"], qualities, strict=True)
        return [row for row in rows if row[1] is not None]


@pytest.fixture
def machine(server_process, tmp_path):
    found = [
        path
        for place in PLACES
        if Path(place).is_dir()
        for pattern in ("libfaketimeMT.so.1", "*/faketime/libfaketimeMT.so.1")
        for path in Path(place).glob(pattern)
    ]
    if not found:
        pytest.skip("there is no libfaketime: script/test installs it")
    return Machine(server_process, found[0], tmp_path)


def test_the_clock_goes_back_an_hour_and_ahead_a_year(machine, until):
    server, began_s = machine.server, time.time()
    with Watch(server) as watch, Live(server, "steady/count") as live:
        until(lambda: len(live.values) > 5, what="readings")
        for offset_s in (-HOUR_S, YEAR_S):
            machine.set_by(offset_s)
            until(lambda by=offset_s: abs(machine.ahead_s() - by) < 5, what="the new time")
            rate_is_kept(machine, until)
        last = until(lambda: live.values[-1])
    watch.check()  # alive all the while
    seen = [value for value in live.values if value is not None]
    assert seen == list(range(int(seen[0]), int(seen[-1]) + 1)), "in the order of their numbers"
    until(lambda: last in newest(machine, began_s), what="the last reading in the store")
    now, back, ahead = parts(machine, began_s)
    counts = [row[1] for row in (*now, *back, *ahead)]
    assert counts == list(range(1, len(counts) + 1)), "each once, none lost"
    for part in (back, ahead):
        assert part[0][2] & CLOCK_STEP, "the first with the new time says so"
        assert not any(quality & CLOCK_STEP for _, _, quality in part[1:])
    assert not any(quality & CLOCK_STEP for _, _, quality in now)
    device = machine.device()
    assert device["state"] == "online"
    assert device["reconnects"] == device["errors"] == 0
    code, took_s = server.end()
    assert (code, took_s < 5) == (0, True)
    assert "Traceback" not in server.output


def rate_is_kept(machine, until):
    """Timers do not care for the wall clock: 20 polls in a second, before and after."""
    polls, at_s = machine.device()["polls"], time.monotonic()
    until(lambda: machine.device()["polls"] >= polls + 20, what="twenty polls")
    assert time.monotonic() - at_s < 10 * 20 * PERIOD_S  # not an hour, on a slow machine either


def parts(machine, began_s):
    """What is stored with the true time, an hour back, and a year ahead."""
    day_s = 86400
    return (
        machine.stored(began_s - 60, began_s + day_s),
        machine.stored(began_s - HOUR_S - 60, began_s - HOUR_S + 600),
        machine.stored(began_s + YEAR_S - day_s, began_s + YEAR_S + day_s),
    )


def newest(machine, began_s):
    return [row[1] for row in parts(machine, began_s)[2]]
