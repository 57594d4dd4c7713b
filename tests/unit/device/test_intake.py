from __future__ import annotations

import logging
import math
from decimal import Decimal
from fractions import Fraction
from typing import Any

import numpy as np
import pytest

from labmon.device import Channel, Value
from labmon.device.intake import Intake
from labmon.reading import Quality

CHANNELS = {"p": Channel(unit="mbar"), "t": Channel(unit="K"), "mode": Channel(kind="nominal")}


@pytest.fixture
def intake() -> Intake:
    return Intake("gauge", CHANNELS, 0)


def test_values_and_qualities_stand_in_columns(intake):
    batch = intake.batch(7, {"p": 1.5, "t": Value(None, Quality.NO_SIGNAL), "mode": "auto"})
    assert batch.paths == ("gauge/p", "gauge/t", "gauge/mode")
    assert batch.values == (1.5, None, "auto")
    assert batch.qualities == bytes([0, Quality.NO_SIGNAL, 0])
    assert (batch.source, batch.time_ns) == ("gauge", 7)


def test_no_reading_makes_no_batch(intake):
    assert intake.batch(7, {}) is None


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        (3, 3),
        (True, 1),
        (-0.0, -0.0),
        (math.inf, math.inf),
        (math.nan, None),
        (2**63, float(2**63)),
        (2**63 - 1, 2**63 - 1),
        (np.float32(0.5), 0.5),
        (np.int64(4), 4),
        (np.float64("nan"), None),
        (np.True_, 1),
    ],
)
def test_a_number_is_kept_as_python_has_it(intake, given, kept):
    batch = intake.batch(7, {"p": given})
    (value,) = batch.values
    assert value == kept
    assert type(value) is type(kept)


@pytest.mark.parametrize("given", ["1.0", b"1", 10**400, 1j, [1.0], object(), np.zeros(2)])
def test_what_is_no_number_is_refused_and_the_rest_goes_its_way(intake, given, caplog):
    batch = intake.batch(7, {"p": given, "t": 4.0})
    assert batch.paths == ("gauge/t",)
    assert batch.values == (4.0,)
    assert intake.refused == 1
    assert "a reading of 'p' is refused" in caplog.text


def test_a_channel_that_was_not_declared_is_said_once(intake, caplog):
    for _ in range(3):
        assert intake.batch(7, {"x": 1.0}) is None
    assert len(caplog.records) == 1
    assert "there is no such channel; those of the end of connect() are p, t, mode" in caplog.text
    assert intake.refused == 3


def test_a_driver_that_invents_names_fills_neither_log_nor_memory(intake, caplog):
    for i in range(1000):
        intake.batch(7, {f"x{i}": 1.0})
    assert len(caplog.records) <= 64


@pytest.mark.parametrize("quality", ["no_signal", 256, -1, None, 1.5])
def test_a_quality_that_is_no_byte_refuses_the_reading(intake, quality, caplog):
    assert intake.batch(7, {"p": Value(1.0, quality)}) is None
    assert intake.refused == 1
    assert caplog.records[0].levelno == logging.WARNING


@pytest.mark.parametrize("value", ["on", 3, True, {"a": [1, None]}, [1, 2], 1.5])
def test_a_nominal_channel_takes_plain_data(intake, value):
    assert intake.batch(7, {"mode": value}).values == (value,)


def test_numpy_inside_a_nominal_value_is_plain_data(intake):
    given = {"a": np.float32(1.5), "b": np.arange(3), "c": [np.bool_(True)]}
    assert intake.batch(7, {"mode": given}).values == ({"a": 1.5, "b": [0, 1, 2], "c": [True]},)
    assert intake.batch(7, {"mode": np.arange(2)}).values == ([0, 1],)


@pytest.mark.parametrize("value", [Decimal("0.25"), Fraction(1, 4)])
def test_exact_numbers_of_python_are_floats(intake, value):
    assert intake.batch(7, {"p": value}).values == (0.25,)
    assert intake.batch(7, {"p": Decimal("nan")}).values == (None,)


@pytest.mark.parametrize(
    ("value", "said"),
    [
        ("21.4", "'21.4' is text and no number: as_number() makes one of it"),
        (b"21.4", "as_number()"),
        ([1.0, 2.0], "a list needs times: return Samples(values, times_ns)"),
        (np.array(1.5), "an array needs times"),
    ],
)
def test_what_is_no_number_says_what_to_do(intake, value, said):
    assert intake.batch(7, {"p": value}) is None
    assert said in intake.refusal


def test_a_nominal_value_is_a_copy(intake):
    given = {"a": 1}
    batch = intake.batch(7, {"mode": given})
    given["a"] = 2
    assert batch.values == ({"a": 1},)


def _endless() -> dict[str, Any]:
    given: dict[str, Any] = {}
    given["a"] = given
    return given


@pytest.mark.parametrize("value", [b"x", {"a": b"x"}, _endless(), (1, 2), object()])
def test_a_nominal_channel_refuses_what_is_no_plain_data(intake, value, caplog):
    assert intake.batch(7, {"mode": value}) is None
    assert len(caplog.records) == 1


@pytest.mark.parametrize("returned", [None, [1.0], 3, "p"])
def test_a_poll_that_returns_no_mapping_is_a_bug(intake, returned):
    with pytest.raises(TypeError, match="not a mapping"):
        intake.batches(7, returned)


def test_flags_are_added_to_every_quality():
    intake = Intake("gauge", CHANNELS, Quality.SIMULATED)
    batch, gap = intake.batch(7, {"p": 1.0}, Quality.CLOCK_STEP), intake.gap(8)
    assert batch is not None
    assert gap is not None
    assert batch.qualities == bytes([Quality.SIMULATED | Quality.CLOCK_STEP])
    assert set(gap.qualities) == {Quality.SIMULATED}


def test_a_gap_is_none_for_the_numeric_channels_only(intake):
    gap = intake.gap(7)
    assert gap.paths == ("gauge/p", "gauge/t")
    assert gap.values == (None, None)
    assert Intake("x", {"mode": Channel(kind="nominal")}, 0).gap(7) is None


def test_the_same_channels_give_the_same_tuple_of_paths(intake):
    one, two = intake.batch(7, {"p": 1.0, "t": 2.0}), intake.batch(8, {"p": 3.0, "t": 4.0})
    other = intake.batch(9, {"t": 4.0})
    assert one.paths is two.paths
    assert other.paths is not one.paths
    assert intake.gap(7).paths is one.paths
