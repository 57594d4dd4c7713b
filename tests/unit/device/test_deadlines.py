from __future__ import annotations

import random

from hypothesis import given
from hypothesis import strategies as st

from labmon.device.deadlines import Backoff, Grid


def test_deadlines_do_not_drift():
    grid = Grid(0.1, 5.0)
    for _ in range(100_000):
        grid.advance(grid.due_s + 0.03)
    assert grid.due_s == 5.0 + 100_001 * 0.1
    assert grid.missed == 0


def test_what_was_missed_is_counted_and_skipped():
    grid = Grid(1.0, 0.0)
    grid.advance(4.5)
    assert grid.due_s == 5.0
    assert grid.missed == 3


def test_a_timer_that_fires_early_does_not_get_its_deadline_twice():
    grid = Grid(1.0, 0.0)
    grid.advance(1.0 - 1e-9)
    assert grid.due_s == 2.0
    assert grid.missed == 0


def test_devices_of_the_same_period_are_not_due_in_the_same_instant():
    due = {Grid(1.0, 0.0, f"device{i}").due_s for i in range(100)}
    assert len(due) == 100
    assert all(0.5 <= each <= 1.0 for each in due)


@given(
    st.floats(0.001, 1000),
    st.lists(st.floats(0, 10_000), min_size=1, max_size=50),
)
def test_a_deadline_lies_ahead_and_none_is_lost_from_the_count(period_s, delays_s):
    grid, now_s, served = Grid(period_s, 0.0), 0.0, 0
    for delay_s in delays_s:
        now_s = max(now_s, grid.due_s) + delay_s
        grid.advance(now_s)
        served += 1
        assert grid.due_s > now_s - period_s * 1e-6
        assert grid.due_s - now_s <= period_s * (1 + 1e-6)
    assert abs((served + grid.missed + 1) * period_s - grid.due_s) <= period_s * 1e-3


def test_waits_double_up_to_eight_seconds_and_stay_there():
    backoff = Backoff(random.Random(1))
    waits = [backoff.next_s() for _ in range(10_000)]
    for wait, nominal in zip(waits, [0.5, 1, 2, 4, 8, 8, 8], strict=False):
        assert 0.75 * nominal <= wait <= nominal
    assert max(waits) <= 8


def test_an_attempt_that_took_long_is_soon_followed_by_the_next():
    backoff = Backoff(random.Random(1))
    for _ in range(6):
        backoff.next_s()
    assert backoff.next_s(5.0) <= 3
    assert 0.375 <= backoff.next_s(60.0) <= 0.5


def test_what_was_up_for_long_begins_anew_and_what_fails_at_once_does_not():
    backoff = Backoff(random.Random(1))
    for _ in range(4):
        backoff.next_s()
    backoff.was_up(1.0)
    assert backoff.next_s() > 4
    backoff.was_up(100.0)
    assert backoff.next_s() <= 0.5
