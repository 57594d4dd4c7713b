from __future__ import annotations

import re

from labmon.device.report import Report
from labmon.errors import OfflineError
from labmon.timestamps import Clock


def test_a_pause_in_which_nothing_was_polled_is_none_of_the_rate():
    report = Report("gauge", Clock(), 0, 10.0, lambda _: None, lambda: None)
    for start_s in (0.0, 0.1, 0.2):
        report.counters.polled(start_s, 0.001)
    assert round(report.counters.rate_hz(0.2)) == 10
    report.disabled()
    report.connecting()
    assert report.counters.rate_hz(60.0) == 0
    for start_s in (60.0, 60.1):
        report.counters.polled(start_s, 0.001)
    assert round(report.counters.rate_hz(60.1)) == 10


def test_how_long_an_outage_was_does_not_depend_on_the_clock_on_the_wall(caplog):
    caplog.set_level("INFO")
    wall_ns = [1_700_000_000 * 10**9]
    report = Report("gauge", Clock(lambda: wall_ns[0]), 0, 10.0, lambda _: None, lambda: None)
    report.connecting()
    report.online()
    report.failed(OfflineError("unplugged"))
    wall_ns[0] -= 3600 * 10**9
    report.online()
    assert re.fullmatch(r"gauge is online again after \d\d?\.\d s", caplog.messages[-1])


def test_a_clock_that_is_set_a_year_ahead_lets_no_more_lines_into_the_log(caplog):
    wall_ns = [1_700_000_000 * 10**9]
    report = Report("gauge", Clock(lambda: wall_ns[0]), 0, 10.0, lambda _: None, lambda: None)
    report.connecting()
    for _ in range(20):
        report.online()
        report.failed(OfflineError("unplugged"))
        wall_ns[0] += 365 * 86400 * 10**9 // 20
    assert len(caplog.records) == 5
