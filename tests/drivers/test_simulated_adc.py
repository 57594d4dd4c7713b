"""`simulated_adc`: a digitiser whose samples join without a gap, and say what is out of range."""

import numpy as np
import pytest

from labmon.reading import Quality
from labmon_drivers import simulated_adc
from labmon_drivers.simulated_adc import SimulatedAdc

START_NS = 1_700_000_000_000_000_000


class Clock:
    """Stands still until it is set."""

    def __init__(self):
        self.now_ns = START_NS

    def time_ns(self):
        return self.now_ns


@pytest.fixture
def clock(monkeypatch):
    clock = Clock()
    monkeypatch.setattr(simulated_adc, "time", clock)
    return clock


def polls(driver, clock, steps_s):
    for step_s in steps_s:
        clock.now_ns += round(step_s * 1e9)
        yield driver.poll()


def test_the_samples_of_polls_join_without_gap_and_overlap(clock):
    driver = SimulatedAdc()
    driver.connect()
    given = [poll["light"] for poll in polls(driver, clock, [0.1, 0.1003, 0.0, 0.37])]
    times_ns = np.concatenate([each.times_ns for each in given])
    assert (np.diff(times_ns) == 100_000).all()
    assert len(times_ns) == 5703
    assert [len(each.values) for each in given] == [1000, 1003, 0, 3700]


def test_what_was_not_fetched_for_long_is_lost(clock):
    driver = SimulatedAdc(rate_hz=1000)
    driver.connect()
    (poll,) = polls(driver, clock, [60])
    assert len(poll["light"].values) == 2000
    assert poll["light"].times_ns[-1] == START_NS + 60 * 10**9 - 10**6


def test_the_light_drops_out_and_the_current_leaves_the_range(clock):
    driver = SimulatedAdc()
    driver.connect()
    given = list(polls(driver, clock, [1.0] * 12))
    light = np.concatenate([poll["light"].values for poll in given])
    quality = np.concatenate([poll["current"].quality for poll in given])
    assert light.min() < 0.1
    assert light.mean() == pytest.approx(2.0, abs=0.01)
    assert 0 < (quality == Quality.OVER_RANGE).sum() < 200
    assert np.concatenate([poll["current"].values for poll in given]).max() == 5.0


def test_the_same_seed_gives_the_same_samples(clock):
    one, two = SimulatedAdc(seed=5), SimulatedAdc(seed=5)
    for driver in (one, two):
        driver.connect()
    clock.now_ns += 10**9
    assert np.array_equal(one.poll()["light"].values, two.poll()["light"].values)
