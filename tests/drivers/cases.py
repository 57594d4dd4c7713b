"""Every driver with a port: how it is set up here, its simulator, and what it must read.

A driver joins all tests of drivers by its row in `CASES`, and by those in `wrong_answers`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import pytest

from labmon.device import LinkDriver, Value
from labmon_drivers._registers import RegisterChannel
from labmon_drivers.agilent_pump import AgilentPump
from labmon_drivers.agilent_xgs600 import AgilentXgs600
from labmon_drivers.gamma import Gamma
from labmon_drivers.keithley import Keithley
from labmon_drivers.lakeshore import LakeShore
from labmon_drivers.leoni import Leoni
from labmon_drivers.mks import Mks
from labmon_drivers.modbus import Modbus
from labmon_drivers.omega import Omega
from labmon_drivers.omega_cn7800 import OmegaCn7800
from labmon_drivers.pfeiffer import Pfeiffer
from labmon_drivers.pfeiffer_rs485 import PfeifferRs485
from labmon_drivers.scpi import Scpi, ScpiChannel
from labmon_drivers.serial_line import LineChannel, SerialLine
from labmon_drivers.srs import Srs
from labmon_drivers.thorlabs import Thorlabs
from labmon_drivers.toptica import Toptica
from tests.drivers.patience import PATIENT


@dataclass
class Case:
    """A driver, its simulator, and what it must read.

    Attributes:
        expected: value by channel; None: no value. Channels that are missing are not looked at.
        tolerance: relative.
    """

    make: Callable[..., LinkDriver]
    url: str
    expected: Mapping[str, float | str | None]
    tolerance: float = 0.1
    settings: dict[str, Any] = field(default_factory=dict)

    def driver(self, port: str) -> LinkDriver:
        return self.make(port, **PATIENT | self.settings)

    def check(self, readings: Any, *, complete: bool = True) -> None:
        assert not complete or set(self.expected) <= set(readings)
        for name, reading in readings.items():
            value = reading.value if isinstance(reading, Value) else reading
            expected = self.expected.get(name, value)
            if isinstance(expected, float):
                assert value == pytest.approx(expected, rel=self.tolerance), name
            else:
                assert value == expected, name


CASES = {
    "serial_line": Case(
        SerialLine,
        "sim://gauge",
        {"foreline": 4.7e-3},
        tolerance=0.2,
        settings={"request": r"PR?\r\n", "channels": {"foreline": LineChannel(unit="mbar")}},
    ),
    "pfeiffer": Case(Pfeiffer, "sim://pfeiffer", {"pressure1": 2.31e-9, "pressure2": 4.7e-3}),
    "pfeiffer MaxiGauge": Case(
        Pfeiffer,
        "sim://pfeiffer?model=TPG 256&status=015204",
        {"pressure1": 2.31e-9, "pressure2": None, "pressure4": None, "pressure6": None},
    ),
    "pfeiffer_rs485": Case(
        PfeifferRs485, "sim://pfeiffer_rs485", {"speed": 1000.0, "current": 0.34, "error": ""}
    ),
    "scpi": Case(
        Scpi,
        "sim://scpi",
        {"voltage": 5.0, "current": 0.4, "power": 2.0},
        settings={
            "error_query": "SYST:ERR?",
            "channels": {
                "voltage": ScpiChannel(query="MEAS:ALL?", column=1),
                "current": ScpiChannel(query="MEAS:CURR?"),
                "power": ScpiChannel(query="MEAS:ALL?", column=3),
            },
        },
    ),
    "lakeshore": Case(
        LakeShore,
        "sim://lakeshore?status=0,0,1,0",
        {"temperature_a": 4.213, "temperature_b": 77.352, "temperature_c": None},
        settings={"gap_s": 0.0},
    ),
    "toptica": Case(
        Toptica,
        "sim://toptica",
        {"current": 120.5, "temperature": 21.347, "piezo": 55.1, "wavelength": 780.2412},
    ),
    "gamma": Case(
        Gamma,
        "sim://gamma",
        {"pressure": 1.733e-9, "current": 2.6e-7, "voltage": 6950.0, "status": "RUNNING"},
        tolerance=1e-3,
        settings={"gap_s": 0.0},
    ),
    "agilent_pump": Case(
        AgilentPump,
        "sim://agilent_pump",
        {"pressure_1": 2.4e-9, "current_1": 2.6e-7, "voltage_1": 7000.0},
        tolerance=1e-6,
    ),
    "mks": Case(
        Mks,
        "sim://mks",
        {"pressure_1": 2.3e-9, "pressure_2": 4.7e-3, "pressure_3": None},
        tolerance=1e-6,
        settings={"address": 1},
    ),
    "mks 937A": Case(
        Mks,
        "sim://mks?model=937A",
        {"pressure_1": 2.3e-9, "pressure_2": 4.7e-3, "pressure_3": None},
        tolerance=1e-6,
        settings={"model": "937A"},
    ),
    "agilent_xgs600": Case(
        AgilentXgs600,
        "sim://agilent_xgs600",
        {"pressure_1": 1.5e-9, "pressure_2": None, "pressure_3": 4.2e-3, "pressure_4": None},
        tolerance=1e-6,
    ),
    "omega": Case(Omega, "sim://omega", {"value": 23.4}, tolerance=1e-6),
    "omega RS-485": Case(
        Omega, "sim://omega?address=1", {"value": 23.4}, tolerance=1e-6, settings={"address": 1}
    ),
    "omega_cn7800": Case(
        OmegaCn7800,
        "sim://omega_cn7800",
        {"temperature": 23.4},
        tolerance=1e-6,
    ),
    "srs": Case(Srs, "sim://srs", {"heater": 12.5, "in_3a": 25.013, "in_3b": None}, tolerance=1e-6),
    "leoni": Case(Leoni, "sim://leoni", {"output": 3.0}),
    "modbus": Case(
        Modbus,
        "sim://modbus",
        {"temperature": 123.4, "power": 412.5},
        tolerance=1e-6,
        settings={
            "framing": "rtu",
            "channels": {
                "temperature": RegisterChannel(address=0, type="int16", scale=0.1),
                "power": RegisterChannel(address=10, type="float32"),
            },
        },
    ),
    "modbus TCP": Case(
        Modbus,
        "sim://modbus?framing=tcp",
        {"temperature": 123.4, "power": 412.5},
        tolerance=1e-6,
        settings={
            "framing": "tcp",
            "channels": {
                "temperature": RegisterChannel(address=0, type="int16", scale=0.1),
                "power": RegisterChannel(address=10, type="float32"),
            },
        },
    ),
    "keithley": Case(Keithley, "sim://keithley", {"voltage_dc": 1.234567}, tolerance=1e-4),
    "thorlabs": Case(
        Thorlabs, "sim://thorlabs", {"power": 1.824e-3, "sensor_temperature": 23.5}, tolerance=1e-6
    ),
    "thorlabs TSP01": Case(
        Thorlabs,
        "sim://thorlabs",
        {"temperature": 22.13, "humidity": 41.2, "probe_2": None},
        tolerance=1e-6,
        settings={"instrument": "tsp01"},
    ),
}
