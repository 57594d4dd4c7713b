"""Arrays of samples from a driver: checked as a whole, cut into pieces, published as columns."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from labmon.device import Channel, Driver, Samples, Value
from labmon.device.intake import Intake
from labmon.device.samples import PIECE, arrays
from labmon.reading import ArrayBatch, Quality

if TYPE_CHECKING:
    from collections.abc import Iterator


START_NS = 1_700_000_000_000_000_000


@pytest.fixture
def intake() -> Intake:
    channels = {"in": Channel(unit="V"), "t": Channel(unit="K"), "mode": Channel(kind="nominal")}
    return Intake("adc", channels, Quality.SIMULATED)


def test_samples_at_equal_distances_have_times_that_do_not_drift() -> None:
    samples = Samples.spaced(np.zeros(44_101), START_NS, 1e9 / 44_100)
    times_ns = np.asarray(samples.times_ns)
    assert times_ns[0] == START_NS
    assert times_ns[-1] == START_NS + 10**9


def test_a_poll_gives_an_array_for_each_fast_channel_and_one_batch_of_the_others(
    intake: Intake,
) -> None:
    samples = Samples.spaced([1.0, 2.0, 3.0], START_NS, 100)
    array, batch = intake.batches(7, {"in": samples, "t": 4.2, "mode": "run"})
    assert isinstance(array, ArrayBatch)
    assert array.paths == ("adc/in",)
    assert array.times_ns.tolist() == [START_NS, START_NS + 100, START_NS + 200]
    assert array.values.tolist() == [1.0, 2.0, 3.0]
    assert array.qualities is not None
    assert array.qualities.tolist() == [Quality.SIMULATED] * 3
    assert batch.paths == ("adc/t", "adc/mode")
    assert intake.batches(8, {"in": samples})[0].paths is array.paths


def test_one_quality_stands_for_all_samples_or_one_for_each() -> None:
    times_ns = [START_NS, START_NS + 1]
    (every,) = arrays("adc", ("adc/in",), Samples([1, 2], times_ns, Quality.FAULT), 0)
    (each,) = arrays("adc", ("adc/in",), Samples([1, 2], times_ns, [0, Quality.LIMIT]), 0)
    (good,) = arrays("adc", ("adc/in",), Samples([1, 2], times_ns), 0)
    assert every.qualities is not None
    assert every.qualities.tolist() == [Quality.FAULT, Quality.FAULT]
    assert every.band == (None, None, None)
    assert each.qualities is not None
    assert each.qualities.tolist() == [0, Quality.LIMIT]
    assert good.qualities is None
    assert good.band == (1, 2, 1.5)


def test_long_arrays_travel_in_pieces_and_the_buffer_may_be_filled_again() -> None:
    buffer = np.arange(2 * PIECE + 5, dtype=np.int16)
    samples = Samples.spaced(buffer, START_NS, 10)
    pieces = list(arrays("adc", ("adc/in",), samples, 0))
    buffer[:] = 0
    assert [len(piece) for piece in pieces] == [PIECE, PIECE, 5]
    assert pieces[1].values[0] == PIECE
    assert pieces[1].values.dtype == np.int64


@pytest.mark.parametrize("dtype", [np.float64, np.int32])
def test_what_numpy_has_masked_is_no_value(dtype: type) -> None:
    values = np.ma.array([1, 2, 3], dtype, mask=[False, True, False])
    (piece,) = arrays("adc", ("adc/in",), Samples.spaced(values, START_NS, 10), 0)
    assert np.array_equal(piece.values, [1.0, np.nan, 3.0], equal_nan=True)
    (piece,) = arrays("adc", ("adc/in",), Samples.spaced(np.ma.array([4]), START_NS, 10), 0)
    assert piece.values.tolist() == [4]


@pytest.mark.parametrize(
    "given",
    [
        Samples([1.0, 2.0], [START_NS]),
        Samples([1.0, 2.0], [START_NS, START_NS - 1]),
        Samples([1.0, 2.0], [1.5, 2.5]),
        Samples([[1.0], [2.0]], [START_NS, START_NS]),
        Samples(["a", "b"], [START_NS, START_NS]),
        Samples([1j, 2j], [START_NS, START_NS]),
        Samples([1.0, 2.0], [-5, 3]),
        Samples([1.0, 2.0], [START_NS, START_NS], 256),
        Samples([1.0, 2.0], [START_NS, START_NS], [0]),
        np.array([1.0, 2.0]),
    ],
)
def test_what_is_no_array_of_samples_is_refused_and_the_rest_goes_its_way(
    intake: Intake, given: Any
) -> None:
    (batch,) = intake.batches(7, {"in": given, "t": 4.2})
    assert batch.paths == ("adc/t",)
    assert intake.refused >= 1


def test_samples_of_words_are_refused_and_no_samples_are_no_reading(intake: Intake) -> None:
    assert intake.batches(7, {"mode": Samples([1.0], [START_NS])}) == []
    assert intake.refused == 1
    assert intake.batches(7, {"in": Samples([], [])}) == []
    assert intake.refused == 1


class Digitiser(Driver):
    """Pushes a hundred samples at a time."""

    signal = Channel(unit="V")
    range = Channel(unit="V")
    pause = threading.Event()

    def stream(self) -> Iterator[Any]:
        at_ns = time.time_ns()
        while True:
            yield {
                "signal": Samples.spaced(np.arange(100.0), at_ns, 1000),
                "range": Value(5.0),
            }
            at_ns += 100_000
            self.pause.wait(0.001)


async def test_a_device_publishes_the_arrays_of_its_driver_in_order(bench: Any) -> None:
    device = await bench.started(Digitiser(), "adc")
    await bench.until(lambda: len(bench.arrays) > 5)
    times_ns = np.concatenate([each.times_ns for each in bench.arrays])
    assert (np.diff(times_ns) == 1000).all()
    assert device.status()["polls"] == len(bench.arrays)  # pushes, neither samples nor batches
