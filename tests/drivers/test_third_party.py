"""What others wrote agrees: their clients read our simulators, our drivers read their simulators.

Clients: the makers' toptica-lasersdk and lakeshore, pfeiffer-vacuum-protocol, pymeasure.
Simulators: those of lewis, each a process of its own. For pymodbus, mosquitto, caproto and
pyvisa-sim there are files of their own beside this one.
"""

from __future__ import annotations

import subprocess
import sys
import time
from contextlib import closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pfeiffer_vacuum_protocol
import pytest
import serial
import yaml
from lakeshore import Model336
from pymeasure.instruments.keithley import Keithley2000
from pymeasure.instruments.lakeshore import LakeShore331
from pymeasure.instruments.mksinst.mks937b import MKS937B
from pymeasure.instruments.thorlabs import ThorlabsPM100USB
from toptica.lasersdk.client import Client, DecopError, NetworkConnection

from labmon.config import load
from labmon.device import InstrumentError
from labmon.device.registry import build
from labmon.device.simulator import make_simulator
from labmon_drivers._registers import RegisterChannel
from labmon_drivers.lakeshore import LakeShore
from labmon_drivers.mks import Mks
from labmon_drivers.modbus import Modbus
from labmon_drivers.pfeiffer_rs485 import PfeifferRs485
from labmon_drivers.scpi import Scpi, ScpiChannel
from labmon_drivers.thorlabs import Thorlabs
from labmon_drivers.toptica import Toptica
from tests.conftest import HeldPort
from tests.drivers.patience import PATIENT, change

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.filterwarnings("ignore")  # what these packages warn of is not ours
VISA = {"visa_library": "@py", "timeout": 30_000}
EXAMPLES = Path(__file__).parents[2] / "examples"


def served(bench, url: str) -> tuple[Any, int]:
    """A simulator, and its TCP port."""
    simulator = make_simulator(url)
    return simulator, int(bench.serve("tcp", simulator).port.rpartition(":")[2])


def visa(port: int) -> str:
    return f"TCPIP0::127.0.0.1::{port}::SOCKET"


def polled(bench, driver: Any) -> dict[str, Any]:
    driver = bench.use(driver)
    driver.connect()
    return {name: each.value for name, each in driver.poll().items()}


def read_back(driver: Any, name: str) -> Any:
    return driver.parameters[name].read(driver)


def test_topticas_own_client_says_the_same_as_the_driver(bench):
    _, port = served(bench, "sim://toptica?noise=0")
    connection = NetworkConnection(
        "127.0.0.1", command_line_port=port, monitoring_line_port=port, timeout=30
    )
    with Client(connection) as client:
        current = client.get("laser1:dl:cc:current-act", float)
        assert client.get("laser1:emission", bool) is True
        assert client.get("laser1:label", str) == "Rb cooling"
        client.set("laser1:dl:pc:voltage-set", 60.5)
        with pytest.raises(DecopError, match="unknown parameter"):
            client.get("nonsense", int)
        with pytest.raises(DecopError, match="read-only"):
            client.set("uptime", 5)
    values = polled(bench, Toptica(f"tcp://127.0.0.1:{port}", **PATIENT))
    assert (values["current"], values["piezo"]) == (current, 60.5)


def test_lake_shores_own_client_says_the_same_as_the_driver(bench):
    _, port = served(bench, "sim://lakeshore?noise=0")
    client = Model336(ip_address="127.0.0.1", tcp_port=port, timeout=30.0)
    try:
        kelvins = client.get_all_kelvin_reading()
        client.set_control_setpoint(1, 4.5)
        assert client.get_control_setpoint(1) == 4.5
        assert client.get_sensor_name("B").strip() == "Stage B"
        assert client.get_input_reading_status("A").to_integer() == 0
        heater = client.get_heater_output(1)
        with pytest.raises(Exception, match="Command Error"):
            client.query("NONSENSE?")
    finally:
        client.disconnect_tcp()
    driver = LakeShore(f"tcp://127.0.0.1:{port}", gap_s=0.0, **PATIENT)
    values = polled(bench, driver)
    assert [values[f"temperature_{name}"] for name in "abcd"] == kelvins
    assert values["heater_1"] == heater
    assert read_back(driver, "setpoint_1") == 4.5


def test_the_telegrams_of_gauges_are_those_of_pfeiffer_vacuum_protocol(bench):
    port = bench.serve(
        "pty", make_simulator("sim://pfeiffer_rs485?instrument=gauge&address=2")
    ).port
    with serial.Serial(port, timeout=30) as line:
        bars = pfeiffer_vacuum_protocol.read_pressure(line, 2)
        assert pfeiffer_vacuum_protocol.read_gauge_type(line, 2) == "RPT 100"
        assert pfeiffer_vacuum_protocol.read_software_version(line, 2) == (1, 1, 0)
        assert pfeiffer_vacuum_protocol.read_error_code(line, 2).name == "NO_ERROR"
    values = polled(bench, PfeifferRs485(port, address=2, instrument="gauge", **PATIENT))
    assert values["pressure"] == pytest.approx(bars * 1000)


@contextmanager
def instrument(made: Any) -> Iterator[Any]:
    """An instrument of pymeasure, closed in the end."""
    with closing(made.adapter):
        yield made


def test_pymeasure_reads_a_multimeter_and_a_power_meter(bench):
    _, port = served(bench, "sim://keithley?noise=0")
    keys = VISA | {"read_termination": "\n", "write_termination": "\n"}
    with instrument(Keithley2000(visa(port), **keys)) as meter:
        assert meter.voltage == 1.234567
    _, port = served(bench, "sim://thorlabs")
    with instrument(ThorlabsPM100USB(visa(port), **keys)) as meter:
        power = meter.power
        meter.wavelength = 780
        assert meter.wavelength == 780
        meter.wavelength = 5000  # as far as the sensor goes
        assert meter.wavelength == 1100
    values = polled(bench, Thorlabs(f"tcp://127.0.0.1:{port}", **PATIENT))
    assert values["power"] == power


def test_pymeasure_reads_a_temperature_controller(bench):
    _, port = served(bench, "sim://lakeshore?model=331&noise=0")
    keys = VISA | {"read_termination": "\r\n", "write_termination": "\r\n"}
    with instrument(LakeShore331(visa(port), **keys)) as controller:
        kelvin = controller.input_A.kelvin
        setpoint = controller.output_1.setpoint
    driver = LakeShore(f"tcp://127.0.0.1:{port}", "331", gap_s=0.0, **PATIENT)
    assert polled(bench, driver)["temperature_a"] == kelvin
    assert read_back(driver, "setpoint_1") == setpoint


def test_pymeasure_reads_a_gauge_controller(bench):
    _, port = served(bench, "sim://mks?address=253")
    with instrument(MKS937B(visa(port), address=253, **VISA)) as controller:
        assert controller.unit == "mBAR"
        pressures = [controller.ch_1.pressure, controller.ch_2.pressure]
    values = polled(bench, Mks(f"tcp://127.0.0.1:{port}", address=253, **PATIENT))
    assert [values["pressure_1"], values["pressure_2"]] == pressures


@pytest.fixture
def free_port() -> Iterator[int]:
    with closing(HeldPort()) as held:
        yield held.number


@contextmanager
def lewis(tmp_path: Path, free_port: int, *arguments: str) -> Iterator[str]:
    """A simulator of lewis; what it serves is waited for."""
    program = Path(sys.executable).with_name("lewis")
    with (tmp_path / "lewis.log").open("wb") as log:
        process = subprocess.Popen([program, *arguments], stdout=log, stderr=log)
        try:
            yield f"tcp://127.0.0.1:{free_port}"
        finally:
            process.kill()
            process.wait()


def connected(bench, driver: Any) -> Any:
    """The driver, once its simulator is up: at first some say nothing of their state."""
    deadline_s = time.monotonic() + 30
    while True:
        try:
            driver.connect()
            driver.poll()
        except InstrumentError:
            assert time.monotonic() < deadline_s
        else:
            change(driver, **PATIENT)
            return bench.use(driver)


def test_a_circulator_of_lewis_is_read_and_set_by_the_example(bench, tmp_path, free_port):
    options = f"julabo-version-1: {{bind_address: 127.0.0.1, port: {free_port}}}"
    with lewis(tmp_path, free_port, "-p", options, "julabo") as port:
        document = yaml.safe_load((EXAMPLES / "julabo_fp50.yaml").read_text("utf-8"))
        document["devices"]["circulator"] |= {"port": port, "gap_s": 0.0}
        path = tmp_path / "config.yaml"
        path.write_text(yaml.safe_dump(document), "utf-8")
        driver: Any = connected(bench, build(load(path).devices[0]))
        assert driver.identify() == "JULABO FP50_MH Simulator ISIS"
        values = {name: each.value for name, each in driver.poll().items()}
        assert values["bath"] == 24.0
        assert (values["external"], values["power"]) == (26.0, 5.0)
        target = driver.parameters["target"]
        assert target.read(driver) == 24.0
        target.write(driver, 30.5)
        assert target.read(driver) == 30.5
        assert read_back(driver, "circulation") is False


def test_a_motor_of_lewis_is_read_by_scpi(bench, tmp_path, free_port):
    options = f"stream: {{bind_address: 127.0.0.1, port: {free_port}}}"
    arguments = ("-k", "lewis.examples", "-p", options, "example_motor")
    with lewis(tmp_path, free_port, *arguments) as port:
        channels = {
            "position": ScpiChannel(query="P?", unit="mm"),
            "state": ScpiChannel(query="S?", kind="nominal"),
        }
        driver = connected(bench, Scpi(port, channels, idn_query="", terminator="\r\n"))
        polled_values = driver.poll()
        assert (polled_values["position"].value, polled_values["state"].value) == (0.0, "idle")


@pytest.mark.parametrize("order", ["ABCD", "CDAB", "BADC", "DCBA"])
def test_registers_of_lewis_are_written_and_read_back(bench, tmp_path, free_port, order):
    options = f"modbus: {{bind_address: 127.0.0.1, port: {free_port}}}"
    arguments = ("-k", "lewis.examples", "-p", options, "modbus_device")
    with lewis(tmp_path, free_port, *arguments) as port:
        channels = {
            "a": RegisterChannel(address=100, type="float32", writable=True),
            "b": RegisterChannel(address=110, type="int16", writable=True),
            "c": RegisterChannel(address=3, function=1, type="bool", writable=True),
        }
        driver = connected(bench, Modbus(port, channels, word_order=order, framing="tcp"))
        for name, value in (("a", 412.5), ("b", -7), ("c", True)):
            driver.parameters[name].write(driver, value)
            assert driver.parameters[name].read(driver) == value
