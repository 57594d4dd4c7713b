from __future__ import annotations

from labmon.device.report import Report
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
