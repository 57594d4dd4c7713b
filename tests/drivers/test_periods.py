"""How often a channel is said to come: what is asked for seldom is not stale in between."""

from __future__ import annotations

import pytest

from labmon_drivers._registers import RegisterChannel
from labmon_drivers._topics import TopicChannel
from labmon_drivers.epics import Epics, RecordChannel
from labmon_drivers.highfinesse import HighFinesse
from labmon_drivers.modbus import Modbus
from labmon_drivers.mqtt import Mqtt
from labmon_drivers.scpi import Scpi, ScpiChannel
from labmon_drivers.simulated_wavemeter import SimulatedWavemeter

DRIVERS = {
    "scpi": (Scpi("sim://scpi", {"a": ScpiChannel(query="A?", every_s=7)}), {"a": 7}),
    "modbus": (Modbus("sim://modbus", {"a": RegisterChannel(address=0, every_s=7)}), {"a": 7}),
    "mqtt": (
        Mqtt("host", tasmota="plug", relays=1, tele_period_s=30, channels={"a": TopicChannel()}),
        {"a": 30, "power": 30},
    ),
    "epics": (Epics({"a": RecordChannel(record="A", unit="V")}, repeat_s=20), {"a": 20}),
    "highfinesse": (HighFinesse(readbacks_s=5), {"ch1": 0.1, "exposure/ch1": 5, "temperature": 5}),
    "simulated_wavemeter": (
        SimulatedWavemeter(),
        {"ch1": 0.1, "exposure/ch1": 1, "switcher/ch8": 1},
    ),
}


@pytest.mark.parametrize("name", DRIVERS)
def test_the_channels_say_how_often_they_come(name):
    driver, periods = DRIVERS[name]
    for channel, period_s in periods.items():
        assert driver.channels[channel].period_s(0.1) == period_s
