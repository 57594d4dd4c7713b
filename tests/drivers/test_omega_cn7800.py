"""`omega_cn7800`: tenths of a degree, a sensor that is missing, a setpoint within limits."""

from __future__ import annotations

import pytest

from labmon.device import InstrumentError, Quality, Value
from labmon.device.command import Command
from labmon.device.parameter import Parameters
from labmon.device.simulator import make_simulator
from labmon.errors import OutOfLimitsError
from labmon_drivers.omega_cn7800 import OmegaCn7800
from labmon_drivers.simulators.omega_cn7800 import OmegaCn7800 as Simulated
from tests.drivers.patience import PATIENT


def command(driver: OmegaCn7800) -> Command:
    return Parameters(driver.parameters).commands()["set_target"]


def test_it_reads_over_a_wire_and_holds_what_it_is_told(bench, kind):
    port = bench.serve(kind, make_simulator("sim://omega_cn7800?temperature=-5.6")).port
    driver = bench.use(OmegaCn7800(port, highest=80.0, **PATIENT))
    driver.connect()
    assert driver.poll() == {"temperature": Value(-5.6)}
    assert driver.read_back("target") == 25.0
    target = command(driver)
    target.run(driver, target.validate({"value": 61.5}))
    assert driver.read_back("target") == 61.5
    for wrong in (80.1, -0.1):
        with pytest.raises(OutOfLimitsError):
            target.validate({"value": wrong})


def test_without_a_sensor_there_is_no_temperature(bench):
    driver = bench.use(OmegaCn7800("sim://omega_cn7800?has_sensor=0"))
    driver.connect()
    assert driver.poll() == {"temperature": Value(None, Quality.NO_SIGNAL)}


@pytest.mark.parametrize("code", [0x8002, 0x8003, 0x8004, 0x8006, 0x8007])
def test_an_error_code_is_no_temperature(bench, code):
    simulator = Simulated()
    simulator.holding[0x1000] = code
    driver = bench.use(OmegaCn7800(bench.serve("tcp", simulator).port, **PATIENT))
    driver.connect()
    assert driver.poll() == {"temperature": Value(None, Quality.NO_SIGNAL)}


def test_who_turns_it_to_fahrenheit_gets_no_wrong_temperature(bench):
    simulator = Simulated()
    driver = bench.use(OmegaCn7800(bench.serve("tcp", simulator).port, **PATIENT))
    driver.connect()
    assert driver.poll() == {"temperature": Value(23.4)}
    simulator.coils[0x0811] = 0
    for attempt in (driver.poll, driver.connect):
        with pytest.raises(InstrumentError, match="it shows °F"):
            attempt()
    fahrenheit = bench.use(OmegaCn7800("sim://omega_cn7800?is_celsius=0", temperature_unit="°F"))
    fahrenheit.connect()
    assert fahrenheit.poll() == {"temperature": Value(23.4)}


def test_a_model_that_does_not_tell_its_unit_is_believed(bench):
    simulator = Simulated()
    del simulator.coils[0x0811]
    driver = bench.use(OmegaCn7800(bench.serve("tcp", simulator).port, **PATIENT))
    driver.connect()
    assert driver.poll() == {"temperature": Value(23.4)}


def test_another_address_and_another_instrument_are_not_it(bench):
    silent = bench.use(OmegaCn7800("sim://omega_cn7800", address=2, reply_timeout_s=0.1))
    with pytest.raises(InstrumentError):
        silent.connect()
    other = bench.use(OmegaCn7800("sim://modbus"))
    with pytest.raises(InstrumentError, match="no such address"):
        other.connect()
    with pytest.raises(ValueError, match="more than highest"):
        OmegaCn7800("sim://omega_cn7800", lowest=50.0, highest=20.0)


def test_the_line_is_set_up_as_delivered():
    settings = OmegaCn7800("/dev/ttyUSB0").settings
    assert (settings.baud_rate, settings.parity, settings.data_bits) == (9600, "even", 8)
