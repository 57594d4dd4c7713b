import pytest
from hypothesis import given
from hypothesis import strategies as st

from labmon import timestamps
from labmon.timestamps import SECOND_NS, Clock, floor, from_seconds, parse, to_iso, to_seconds

NOW = 1_795_000_000 * SECOND_NS


@pytest.mark.parametrize(
    ("text", "time_ns"),
    [
        ("now", NOW),
        ("-6h", NOW - 6 * 3600 * SECOND_NS),
        ("now-1.5d", NOW - 129600 * SECOND_NS),
        ("+10s", NOW + 10 * SECOND_NS),
        (" -30d ", NOW - 30 * 86400 * SECOND_NS),
        ("1764244800.5", 1764244800_500_000_000),
        ("1764244800.123456789", 1764244800_123_456_789),
        ("1764244800.12345678", 1764244800_123_456_780),
        ("9223372036.854775807", timestamps.MAX_NS),
        ("0", 0),
        ("2025-11-27T12:00:00Z", 1764244800 * SECOND_NS),
        ("2025-11-27 12:00", 1764244800 * SECOND_NS),
        ("2025-11-27T13:00:00.123456789+01:00", 1764244800_123_456_789),
        ("2025-11-27", 1764201600 * SECOND_NS),
    ],
)
def test_people_and_programs_write_times_in_many_ways(text, time_ns):
    assert parse(text, NOW) == time_ns


@pytest.mark.parametrize(
    "text",
    [
        "",
        "yesterday",
        "-6",
        "6h",
        "2025-13-01",
        "1e30",
        "-1",
        "nan",
        "inf",
        "2300-01-01",
        "٣",
        "9223372036.854775808",
    ],
)
def test_what_is_no_time_is_refused_with_what_is(text):
    with pytest.raises(ValueError, match=r"time|years"):
        parse(text, NOW)


@given(st.integers(0, timestamps.MAX_NS))
def test_iso_keeps_every_nanosecond(time_ns):
    assert parse(to_iso(time_ns), NOW) == time_ns


@given(st.floats(1e9, 9e9))
def test_a_float_that_is_written_out_is_the_same_time(seconds):
    assert parse(repr(seconds), NOW) == from_seconds(seconds)


@given(st.integers(0, 4_000_000_000 * 1000))
def test_milliseconds_survive_a_float(milliseconds):
    assert from_seconds(to_seconds(milliseconds * 1_000_000)) // 1000 * 1000 == pytest.approx(
        milliseconds * 1_000_000, abs=1000
    )


@pytest.mark.parametrize("seconds", [float("nan"), float("inf"), -1, 1e30, 9.3e9])
def test_seconds_outside_the_years_are_refused(seconds):
    with pytest.raises(ValueError, match=r"Unix time|years"):
        from_seconds(seconds)


def test_buckets_are_aligned_to_utc():
    assert floor(NOW + 1, 10 * SECOND_NS) == NOW
    assert floor(86400 * SECOND_NS - 1, 86400 * SECOND_NS) == 0


class Times:
    """A wall clock and a monotonic clock to set by hand."""

    def __init__(self):
        self.wall = NOW
        self.mono = 0

    def clock(self):
        return Clock(lambda: self.wall, lambda: self.mono)

    def pass_(self, ns, wall_ns=None):
        self.mono += ns
        self.wall += ns if wall_ns is None else wall_ns


def test_the_clock_follows_the_wall():
    times = Times()
    clock = times.clock()
    times.pass_(5 * SECOND_NS)
    assert clock.now_ns() == NOW + 5 * SECOND_NS


def test_a_small_step_back_of_the_system_is_slewed_and_never_seen():
    times = Times()
    clock = times.clock()
    times.pass_(SECOND_NS, wall_ns=-2 * SECOND_NS)
    last = 0
    for _ in range(20_000):
        times.pass_(SECOND_NS // 3)
        now = clock.now_ns()
        assert now > last
        last = now
    assert abs(last - times.wall) < SECOND_NS // 100
    assert clock.steps == 0


@pytest.mark.parametrize("step_ns", [-3600 * SECOND_NS, 365 * 86400 * SECOND_NS])
def test_a_large_step_is_taken_over_and_counted_once(step_ns):
    times = Times()
    clock = times.clock()
    times.pass_(SECOND_NS, wall_ns=step_ns)
    assert clock.now_ns() == times.wall
    assert clock.now_ns() == times.wall
    assert clock.steps == 1
