"""What a device offers: the commands that the configured kind of instrument has, and no other."""

from __future__ import annotations

import pytest

from labmon.config import DeviceConfig
from labmon.device.device import Device
from labmon.timestamps import Clock
from labmon_drivers.lakeshore import LakeShore
from labmon_drivers.mks import Mks
from labmon_drivers.pfeiffer_rs485 import PfeifferRs485


@pytest.mark.parametrize(
    ("driver", "offered"),
    [
        (lambda: PfeifferRs485("sim://pfeiffer_rs485"), {"switch_pumping_station"}),
        (lambda: PfeifferRs485("sim://pfeiffer_rs485", instrument="gauge"), set()),
        (lambda: PfeifferRs485("sim://pfeiffer_rs485", instrument="none"), set()),
        (lambda: Mks("sim://mks"), {"switch_gauge"}),
        (lambda: Mks("sim://mks", model="937A"), set()),
        (lambda: LakeShore("sim://lakeshore", model="218"), set()),
    ],
)
async def test_a_device_offers_only_what_its_kind_of_instrument_has(driver, offered):
    config = DeviceConfig(name="x", driver="x")
    device = Device(config, driver(), clock=Clock(), publish=lambda _: None, changed=lambda _: None)
    assert set(device.commands) == offered
    assert {each["name"] for each in device.description()["commands"]} == offered


async def test_a_controller_offers_its_loops():
    device = Device(
        DeviceConfig(name="x", driver="x"),
        LakeShore("sim://lakeshore"),
        clock=Clock(),
        publish=lambda _: None,
        changed=lambda _: None,
    )
    assert {"get_pid", "set_pid", "set_setpoint_1"} <= set(device.commands)
