"""A week of fifty streams in minutes, while viewers come and go: nothing grows, nothing is lost."""

import pytest

from benchmarks import week
from benchmarks.serving import LoopLag

pytestmark = [pytest.mark.alone, pytest.mark.long]
DAYS = 7.0


def test_a_server_stays_what_it_is(tmp_path):
    samples, visits = week.run(DAYS, tmp_path, LoopLag())
    growth = {name: week.slope(samples, place) for place, name in enumerate(week.NAMES)}
    print(f"{growth} a day, {visits} visits, at the end {samples[-1]}")
    assert samples[-1].dropped == 0
    assert visits > week.VIEWERS
    assert max(sample.values[0] for sample in samples) < 300
    assert growth["resident size, MB"] < 2  # goal: 1; a cache that fills is 0.7 of it
    assert abs(growth["file descriptors"]) < 1
    assert abs(growth["threads"]) < 0.1
    assert abs(growth["tasks"]) < 3
