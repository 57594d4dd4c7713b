"""`toptica`: expressions, prompts without line ends, and parameters that a model lacks."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from labmon.device import InstrumentError, Value
from labmon_drivers.protocols.decof import Replies, assignment, parse, reference, written
from labmon_drivers.simulators.decof import Decof
from labmon_drivers.toptica import Toptica, TopticaChannel, TopticaParameter
from tests.drivers.patience import PATIENT

VALUES = st.recursive(
    st.booleans()
    | st.integers(-(10**9), 10**9)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=10),
    lambda inner: st.lists(inner, max_size=4),
    max_leaves=8,
)


def shown(value):
    return f"({' '.join(map(shown, value))})" if isinstance(value, list) else written(value)


def connected(bench, simulator, **settings):
    driver = bench.use(Toptica(bench.serve("tcp", simulator).port, **PATIENT, **settings))
    driver.connect()
    return driver


@given(VALUES)
def test_every_value_is_read_as_it_was_written(value):
    assert parse(shown(value)) == value


@given(st.text(max_size=60))
def test_anything_else_is_an_instrument_error(text):
    try:
        parse(text)
    except InstrumentError:
        return


@pytest.mark.parametrize(
    "text", ["", "(", "(1", "1 2", ")", '"', "Error: -3 no", "(" * 50 + ")" * 50]
)
def test_what_is_cut_off_or_an_error_is_no_value(text):
    with pytest.raises(InstrumentError):
        parse(text)


@given(st.lists(st.sampled_from(["0", "#t", '"a b"', "(1 2)"]), max_size=8), st.data())
def test_answers_are_the_same_however_the_bytes_are_cut(answers, data):
    stream = "".join(f"{answer}\r\n> " for answer in answers).encode()
    replies, found = Replies(), []
    while stream:
        size = data.draw(st.integers(1, len(stream)))
        found += replies.feed(stream[:size])
        stream = stream[size:]
    assert found == answers


def test_an_answer_that_does_not_end_is_dropped():
    replies = Replies()
    with pytest.raises(InstrumentError, match="bytes"):
        replies.feed(b"x" * 70_000)
    assert replies.feed(b"1\n> ") == ["1"]


def test_expressions():
    assert reference(["a:b", "c-d"]) == "`(,(param-ref 'a:b) ,(param-ref 'c-d))"
    assert assignment("a", True) == "(param-set! 'a #t)"
    assert assignment("a", 'say "x"') == '(param-set! \'a "say \\"x\\"")'
    with pytest.raises(ValueError, match="no name"):
        reference(["a) (exec 'b"])


def test_all_parameters_come_in_one_poll(bench):
    more = {
        "emission": TopticaChannel(parameter="laser1:emission", kind="nominal"),
        "label": TopticaChannel(parameter="laser1:label", kind="nominal"),
    }
    driver = connected(bench, Decof(noise=0.0), channels=more)
    assert driver.poll() == {
        "current": Value(120.5),
        "temperature": Value(21.347),
        "piezo": Value(55.1),
        "wavelength": Value(780.2412),
        "emission": Value(True),
        "label": Value("Rb cooling"),
    }
    assert driver.identify() == "DLCpro DLC PRO_012345"


def test_a_greeting_that_comes_late_is_not_taken_for_an_answer(bench):
    class Slow(Decof):
        def feed(self, data: bytes) -> bytes:
            return super().tick(0) + super().feed(data)

        def tick(self, now_s: float) -> bytes:
            return b""

    driver = connected(bench, Slow(noise=0.0))
    assert driver.poll()["current"] == Value(120.5)
    assert driver.poll()["piezo"] == Value(55.1)


def test_garbage_does_not_say_that_a_model_lacks_something(bench):
    class Noisy(Decof):
        def feed(self, data: bytes) -> bytes:
            answer = super().feed(data)
            return b"(\xf8\x80)\n> " if b"temp-act" in data else answer

    with pytest.raises(InstrumentError, match="no value"):
        connected(bench, Noisy())


def test_what_a_model_lacks_is_left_out(bench):
    driver = connected(bench, Decof(has_wavelength=False))
    assert "wavelength" not in driver.poll()
    with pytest.raises(InstrumentError, match="none of the parameters"):
        connected(bench, Decof(), lasers=0, channels={"x": TopticaChannel(parameter="no:such")})


def test_parameters_are_set_and_read_back(bench):
    settable = {
        "piezo_volts": TopticaParameter(
            parameter="laser1:dl:pc:voltage-set", unit="V", limits=(0, 140)
        ),
        "emission": TopticaParameter(parameter="laser1:emission", type="boolean"),
    }
    driver = connected(bench, Decof(noise=0.0), settable=settable)
    piezo = driver.parameters["piezo_volts"]
    piezo.write(driver, 60)
    assert piezo.read(driver) == 60.0
    assert driver.poll()["piezo"] == Value(60.0)
    driver.parameters["emission"].write(driver, False)
    assert driver.parameters["emission"].read(driver) is False
    with pytest.raises(InstrumentError, match="read-only"):
        driver.set_parameter("uptime", 1.0)
