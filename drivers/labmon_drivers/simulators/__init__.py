"""Instruments from the other side, byte by byte: what answers behind `port: sim://NAME`.

Importing this package registers them; their modules are imported when they are used.
"""

from typing import Final

from labmon.device.simulator import register_simulator

SIMULATORS: Final = {
    "agilent_pump": "labmon_drivers.simulators.agilent_window:AgilentWindow",
    "gamma": "labmon_drivers.simulators.gamma:Gamma",
    "gauge": "labmon_drivers.simulators.gauge:Gauge",
    "pfeiffer": "labmon_drivers.simulators.pfeiffer_tpg:PfeifferTpg",
    "pfeiffer_rs485": "labmon_drivers.simulators.pfeiffer_telegram:PfeifferTelegram",
    "lakeshore": "labmon_drivers.simulators.lakeshore:LakeShore",
    "scpi": "labmon_drivers.simulators.scpi:Scpi",
    "toptica": "labmon_drivers.simulators.decof:Decof",
}

for _name, _where in SIMULATORS.items():
    register_simulator(_name, _where)
