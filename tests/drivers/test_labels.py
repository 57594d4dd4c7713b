"""Labels stand in the order of their inputs; one too many is said, and none moves to another."""

from __future__ import annotations

import pytest

from labmon.device import InstrumentError
from labmon_drivers.agilent_xgs600 import AgilentXgs600
from labmon_drivers.lakeshore import LakeShore
from labmon_drivers.mks import Mks
from labmon_drivers.pfeiffer import Pfeiffer


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (
            lambda labels: LakeShore("sim://lakeshore", inputs=["A", "B"], labels=labels),
            r"labels: 3 for A, B",
        ),
        (lambda labels: LakeShore("sim://lakeshore", model="335", labels=labels), "3 for A, B"),
        (lambda labels: Mks("sim://mks", gauges=[1, 3], labels=labels), "labels: 3 for 1, 3"),
        (lambda labels: Pfeiffer("sim://pfeiffer", gauges=[2], labels=labels), "labels: 3 for 2"),
    ],
)
def test_more_labels_than_there_are_inputs_are_refused(make, said):
    with pytest.raises(ValueError, match=said):
        make(["Sample", "Shield", "Magnet"])


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda labels: AgilentXgs600("sim://agilent_xgs600", labels=labels), "labels: 9 for "),
        (lambda labels: Pfeiffer("sim://pfeiffer", labels=labels), "labels: 9 for 1, 2"),
    ],
)
def test_more_labels_than_the_controller_has_inputs_are_told_after_connecting(make, said):
    driver = make([str(n) for n in range(1, 10)])
    try:
        with pytest.raises(InstrumentError, match=said):
            driver.connect()
    finally:
        driver.disconnect()


def test_a_gauge_that_is_unplugged_leaves_its_label_to_no_other():
    driver = Pfeiffer("sim://pfeiffer?status=50", labels=["Main chamber", "Foreline"])
    try:
        driver.connect()
        assert {name: each.label for name, each in driver.channels.items()} == {
            "pressure2": "Foreline"
        }
    finally:
        driver.disconnect()
