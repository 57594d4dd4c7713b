"""Instruments from the other side, byte by byte: what answers behind `port: sim://NAME`.

Importing this package registers them; their modules are imported when they are used.
"""

from typing import Final

from labmon.device.simulator import register_simulator

SIMULATORS: Final = {
    "agilent_pump": "labmon_drivers.simulators.agilent_window:AgilentWindow",
    "agilent_xgs600": "labmon_drivers.simulators.xgs600:Xgs600",
    "esphome": "labmon_drivers.simulators.smart_devices:EspHome",
    "gamma": "labmon_drivers.simulators.gamma:Gamma",
    "gauge": "labmon_drivers.simulators.gauge:Gauge",
    "http_json": "labmon_drivers.simulators.web_server:WebServer",
    "keithley": "labmon_drivers.simulators.meters:Multimeter",
    "lakeshore": "labmon_drivers.simulators.lakeshore:LakeShore",
    "leoni": "labmon_drivers.simulators.leoni:Leoni",
    "mks": "labmon_drivers.simulators.mks:Mks",
    "modbus": "labmon_drivers.simulators.modbus:Modbus",
    "omega": "labmon_drivers.simulators.omega:Omega",
    "omega_cn7800": "labmon_drivers.simulators.omega_cn7800:OmegaCn7800",
    "pfeiffer": "labmon_drivers.simulators.pfeiffer_tpg:PfeifferTpg",
    "pfeiffer_rs485": "labmon_drivers.simulators.pfeiffer_telegram:PfeifferTelegram",
    "scpi": "labmon_drivers.simulators.scpi:Scpi",
    "srs": "labmon_drivers.simulators.srs:Srs",
    "tasmota": "labmon_drivers.simulators.smart_devices:Tasmota",
    "thorlabs": "labmon_drivers.simulators.meters:PowerMeter",
    "toptica": "labmon_drivers.simulators.decof:Decof",
}

for _name, _where in SIMULATORS.items():
    register_simulator(_name, _where)
