"""`scpi`: instruments without code, refusals that would be silent, and numbers that are none."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from labmon.config import load
from labmon.device import InstrumentError, Quality, Value
from labmon.device.registry import build
from labmon.errors import BadRequestError, ConfigError
from labmon_drivers import scpi as module
from labmon_drivers.protocols.scpi import filled, parse_error, parse_number
from labmon_drivers.protocols.scpi_answer import Answer
from labmon_drivers.scpi import Scpi, ScpiChannel, ScpiCommand, ScpiParameter
from labmon_drivers.simulators.scpi import Scpi as SimulatedSupply
from tests.drivers.patience import PATIENT

EXAMPLES = sorted((Path(__file__).parents[2] / "examples").glob("*.yaml"))
VOLTAGE = {"voltage": ScpiChannel(query="MEAS:VOLT?", unit="V")}
PARAMETERS = {
    "set_volts": ScpiParameter(query="VOLT?", write="VOLT {value:.2f}", unit="V", limits=(0, 60)),
    "output": ScpiParameter(query="OUTP?", write="OUTP {value}", type="boolean"),
    "millivolts": ScpiParameter(query="VOLT?", write="VOLT {value}", scale=1000.0, type="integer"),
}


@pytest.fixture
def supply(bench):
    simulator = SimulatedSupply(noise=0.0)
    driver = bench.use(
        Scpi(
            bench.serve("tcp", simulator).port,
            VOLTAGE,
            parameters=PARAMETERS,
            actions={"reset": ScpiCommand(send=["*CLS", "*RST"], confirm="Sure?")},
            error_query="SYST:ERR?",
            **PATIENT,
        )
    )
    driver.connect()
    return driver


def test_one_that_was_off_between_two_polls_gets_its_start_lines_again(bench):
    simulator = SimulatedSupply(noise=0.0)
    port = bench.serve("tcp", simulator).port
    driver = bench.use(Scpi(port, VOLTAGE, start=["VOLT 12"], power_on_query="*ESR?", **PATIENT))
    simulator.event_status = 128  # as after any power-up
    driver.connect()
    assert driver.poll() == {"voltage": Value(12.0)}
    simulator.settings["VOLT"], simulator.event_status = 0.0, 128
    with pytest.raises(InstrumentError, match="switched off and on"):
        driver.poll()
    driver.connect()
    assert driver.poll() == {"voltage": Value(12.0)}


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("+1.234567E-03", Value(1.234567e-3)),
        ("+1.5VDC", Value(1.5)),
        ("-2", Value(-2.0)),
        ("9.9E37", Value(None, Quality.OVER_RANGE)),
        ("-9.90000000E+37", Value(None, Quality.UNDER_RANGE)),
        ("9.91E37", Value(None, Quality.NO_SIGNAL)),
        ("+9.91000000E+37", Value(None, Quality.NO_SIGNAL)),
    ],
)
def test_numbers(text, value):
    assert parse_number(text) == value


@pytest.mark.parametrize("text", ["", "ON", "1.2.3", "1,2", "0x10", "1e", "\x00"])
def test_what_is_no_number_is_refused(text):
    with pytest.raises(InstrumentError):
        parse_number(text)


@given(st.text(max_size=60))
def test_any_answer_is_a_value_or_an_instrument_error(text):
    for read in (parse_number, parse_error):
        try:
            read(text)
        except InstrumentError:
            continue


def test_error_queues_and_error_registers():
    assert parse_error('+0,"No error"') == ""
    assert parse_error("0") == ""
    assert parse_error('-113,"Undefined header"') == "-113 Undefined header"
    assert parse_error("32") == "32"


def test_values_go_into_commands_but_no_line_ends():
    assert filled("VOLT {value:.3f}", 5.0) == "VOLT 5.000"
    assert filled("OUTP {value}", "ON") == "OUTP ON"
    assert filled("{other} {value}", 1) == "{other} 1"
    with pytest.raises(ValueError, match="end the line"):
        filled("NAME {value}", "x\n*RST")


def test_a_parameter_is_set_read_back_and_limited(supply):
    commands = supply.parameters["set_volts"]
    assert commands.read(supply) == 5.0
    commands.write(supply, 12.0)
    assert commands.read(supply) == 12.0
    with pytest.raises(InstrumentError, match="Data out of range"):
        commands.write(supply, 50.0)
    output = supply.parameters["output"]
    output.write(supply, False)
    assert output.read(supply) is False
    assert supply.poll()["voltage"] == Value(0.0)
    millivolts = supply.parameters["millivolts"]
    millivolts.write(supply, 2500)
    assert millivolts.read(supply) == 2500
    with pytest.raises(BadRequestError):
        supply.write_value(ScpiParameter(write="NAME {value}", type="text"), "a\nb")


def test_an_action_sends_its_lines(supply):
    supply.commands["reset"].run(supply, {})
    assert supply.poll()["voltage"] == Value(0.0)
    assert supply.commands["reset"].options.confirm == "Sure?"


def test_errors_from_before_us_are_not_ours(bench):
    simulator = SimulatedSupply()
    simulator.feed(b"NONSENSE\nMORE NONSENSE\n")
    port = bench.serve("tcp", simulator).port
    driver = bench.use(Scpi(port, VOLTAGE, start=["VOLT 7"], error_query="SYST:ERR?"))
    driver.connect()
    assert simulator.settings["VOLT"] == 7.0
    assert driver.identify() == "LABMON SIMULATED SUPPLY"
    wrong = bench.use(Scpi(port, VOLTAGE, start=["VOLT red"], error_query="SYST:ERR?"))
    with pytest.raises(InstrumentError, match=r"VOLT red was refused: -120 Numeric data error"):
        wrong.connect()


def test_an_empty_line_after_a_command_is_no_answer(bench):
    class Polite(SimulatedSupply):
        def feed(self, data: bytes) -> bytes:
            return b"\r\n" + super().feed(data)

    driver = bench.use(Scpi(bench.serve("tcp", Polite(noise=0.0)).port, VOLTAGE, idn_query=""))
    driver.connect()
    for _ in range(3):
        driver.send("VOLT 7")
        assert driver.poll()["voltage"] == Value(7.0)


def test_slow_channels_are_asked_seldom_and_shared_queries_once(monkeypatch, bench):
    now = [100.0]
    monkeypatch.setattr(module, "time", SimpleNamespace(monotonic=lambda: now[0]))
    asked: list[str] = []
    channels = {
        "u": ScpiChannel(query="MEAS:ALL?"),
        "p": ScpiChannel(query="MEAS:ALL?", column=3),
        "i": ScpiChannel(query="MEAS:CURR?", every_s=10),
    }
    driver = bench.use(Scpi("sim://scpi", channels))
    driver.connect()
    answer = Answer(("+1.0", "+2.0", "+3.0"))
    monkeypatch.setattr(driver, "ask", lambda query: asked.append(query) or answer)
    for now[0] in (100.0, 105.0, 110.0):
        driver.poll()
    assert driver.channels["i"].period_s(1.0) == 10.0
    assert asked == ["MEAS:ALL?", "MEAS:CURR?", "MEAS:ALL?", "MEAS:ALL?", "MEAS:CURR?"]


def test_patterns_words_and_names():
    driver = Scpi(
        "sim://scpi",
        {
            "a": ScpiChannel(query="A?", pattern=r"T=([\d.]+)"),
            "b": ScpiChannel(query="B?"),
            "c": ScpiChannel(query="C?", kind="nominal"),
        },
        status_words={"OPEN": "no_signal"},
    )
    a, b, c = driver._described.values()
    assert a.read(Answer(("ok T=3.5",)), {}) == Value(3.5)
    assert b.read(Answer(("OPEN",)), driver._words) == Value(None, Quality.NO_SIGNAL)
    assert c.read(Answer(('"CV"',)), {}) == Value("CV")
    with pytest.raises(InstrumentError, match="does not match"):
        a.read(Answer(("nothing",)), {})
    for wrong in ("(", "no group", "(a)(b)"):
        with pytest.raises(ValueError, match="pattern"):
            Scpi("sim://scpi", {"a": ScpiChannel(query="A?", pattern=wrong)})
    with pytest.raises(ValueError, match="query is missing"):
        Scpi("sim://scpi", {"a": ScpiChannel()})


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_every_example_is_valid_and_listed(path):
    (device,) = load(path).devices
    driver = build(device)
    assert driver.channels
    assert path.name in (path.parent / "README.md").read_text(encoding="utf-8")


def test_there_are_examples():
    assert len(EXAMPLES) >= 3


def test_a_mistake_in_a_channel_is_found_with_its_place(tmp_path):
    path = tmp_path / "config.yaml"
    example = next(each for each in EXAMPLES if each.stem == "keysight_34461a")
    text = example.read_text(encoding="utf-8").replace("digits: 6", "digits: many")
    path.write_text(text, encoding="utf-8")
    with pytest.raises(ConfigError, match="channels"):
        build(load(path).devices[0])
