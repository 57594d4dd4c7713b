"""`simulated_wavemeter`: eight lasers that behave, and misbehave, as real ones."""

from __future__ import annotations

import statistics
from itertools import pairwise

import pytest

from labmon.device import Quality, Value
from labmon.paths import check_name
from labmon_drivers import simulated_wavemeter
from labmon_drivers.simulated_wavemeter import LASERS, LaserSettings, SimulatedWavemeter


@pytest.fixture
def clock(monkeypatch):
    class Clock:
        now_s = 1.7e9

        def time(self):
            return self.now_s

    clock = Clock()
    monkeypatch.setattr(simulated_wavemeter, "time", clock)
    return clock


@pytest.fixture
def wavemeter(clock):
    driver = SimulatedWavemeter()
    driver.connect()
    return driver


def polls(driver, clock, count, step_s=0.1):
    for _ in range(count):
        clock.now_s += step_s
        yield driver.poll()


def test_eight_channels_near_their_frequencies(wavemeter):
    readings = wavemeter.poll()
    for i, laser in enumerate(LASERS, 1):
        value, quality = readings[f"ch{i}"]
        if laser.has_light:
            assert value == pytest.approx(laser.frequency_thz, abs=50e-6)
        else:
            assert (value, quality) == (None, Quality.NO_SIGNAL)
    assert [n for n, r in readings.items() if r == Value(None, Quality.NO_SIGNAL)] == ["ch7"]
    assert wavemeter.simulated
    assert wavemeter.channels["ch1"].digits == 9
    assert all(check_name(f"wavemeter/{name}") for name in wavemeter.channels)


def test_the_same_seed_gives_the_same_readings(clock):
    twins = [SimulatedWavemeter(seed=5), SimulatedWavemeter(seed=5), SimulatedWavemeter(seed=6)]
    first, second, other = ([d.poll() for _ in range(5)] for d in twins)
    assert first == second
    assert first != other


def test_exposure_is_read_back_and_lessens_the_noise(wavemeter, clock):
    def noise():
        return statistics.stdev(r["ch8"].value for r in polls(wavemeter, clock, 200, step_s=1e-6))

    short = noise()
    assert wavemeter.set_exposure(8, 320) == 320
    assert wavemeter.poll()["exposure/ch8"] == 320
    assert noise() == pytest.approx(short / 8, rel=0.4)
    wavemeter.set_exposure(8, 2000)
    assert wavemeter.poll()["ch8"] == Value(None, Quality.OVER_RANGE)


def test_a_switched_off_channel_ends_with_no_value_and_is_left_out_then(wavemeter):
    assert wavemeter.set_switcher(3, False) is False
    readings = wavemeter.poll()
    assert readings["ch3"] == Value(None, Quality.NO_SIGNAL)
    assert readings["switcher/ch3"] == 0
    assert "ch3" not in wavemeter.poll()
    assert wavemeter.set_switcher(3, True) is True
    assert wavemeter.poll()["ch3"].quality == Quality.OK


def test_readbacks_come_once_a_second_and_after_a_change(wavemeter, clock):
    def with_readbacks(count):
        return sum("exposure/ch1" in readings for readings in polls(wavemeter, clock, count))

    assert "exposure/ch1" in wavemeter.poll()
    assert 1 <= with_readbacks(15) <= 2
    wavemeter.set_exposure(1, 7)
    assert with_readbacks(1) == 1


def test_a_laser_hops_between_modes_now_and_then(wavemeter, clock):
    frequencies = [r["ch2"].value for r in polls(wavemeter, clock, 2000, step_s=5)]
    steps = [abs(b - a) * 1e6 for a, b in pairwise(frequencies)]
    assert 5 < sum(step > 15 for step in steps) < 200


def test_lasers_of_your_own(clock):
    lasers = {
        "ch1": LaserSettings(label="Cs D2"),
        "ch7": LaserSettings(label="Mine", frequency_thz=351.7, noise_mhz=0.0),
    }
    driver = SimulatedWavemeter(lasers=lasers)
    assert driver.channels["ch1"].label == "1 Cs D2"
    assert driver.channels["ch7"].label == "7 Mine"
    assert driver.poll()["ch7"] == (pytest.approx(351.7, abs=2e-6), Quality.OK)
    with pytest.raises(ValueError, match="ch1 to ch8"):
        SimulatedWavemeter(lasers={"ch9": LaserSettings()})
