"""`keithley`, `thorlabs`, `http_json`: set up after each connect, overflows, servers that hang."""

from __future__ import annotations

import json
import threading
import time
from contextlib import closing
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from labmon.device import InstrumentError, InstrumentTimeoutError, OfflineError, Quality, Value
from labmon_drivers.http_json import HttpJson, JsonChannel
from labmon_drivers.keithley import Keithley, plain_function
from labmon_drivers.simulators.meters import Multimeter, PowerMeter
from labmon_drivers.thorlabs import Thorlabs
from tests.conftest import HeldPort
from tests.drivers.patience import PATIENT


def connected(bench, make, simulator, **settings):
    driver = bench.use(make(bench.serve("tcp", simulator).port, **PATIENT, **settings))
    driver.connect()
    return driver


def test_a_multimeter_is_set_up_at_each_connect(bench):
    simulator = Multimeter(noise=0.0)
    driver = connected(bench, Keithley, simulator, function="resistance_4w", nplc=5, range=1000)
    assert simulator.settings["SENS:FRES:NPLC"] == "5"
    assert simulator.settings["SENS:FRES:RANG"] == "1000"
    simulator.settings["SENS:FRES:NPLC"] = "1"  # a power cut
    driver.connect()
    assert simulator.settings["SENS:FRES:NPLC"] == "5"
    assert driver.poll() == {"resistance_4w": Value(1.234567)}
    assert driver.identify() == "KEITHLEY INSTRUMENTS INC. MODEL 2000"


def test_a_multimeter_that_was_off_between_two_polls_is_set_up_anew(bench):
    simulator = Multimeter(noise=0.0)
    server = bench.serve("tcp", simulator)
    driver = bench.use(Keithley(server.port, function="resistance", **PATIENT))
    driver.connect()
    assert driver.poll() == {"resistance": Value(1.234567)}
    server.simulator = Multimeter(value=5.0, noise=0.0)  # volts, and it does not say so
    with pytest.raises(InstrumentError, match="switched off and on"):
        driver.poll()
    driver.connect()
    assert driver.poll() == {"resistance": Value(5.0)}


def test_a_multimeter_that_somebody_switched_to_ohms_tells_no_volts(bench):
    simulator = Multimeter(noise=0.0)
    driver = connected(bench, Keithley, simulator)
    simulator.function = "RES"
    with pytest.raises(InstrumentError, match="RES"):
        driver.poll()
    driver.connect()
    assert driver.poll() == {"voltage_dc": Value(1.234567)}


@pytest.mark.parametrize(
    ("said", "meant"),
    [
        ('"VOLT"', "VOLT:DC"),
        ('"VOLTage:DC"', "VOLT:DC"),
        ('"volt:ac"', "VOLT:AC"),
        ("FRES", "FRES"),
    ],
)
def test_a_function_is_known_however_a_meter_writes_it(said, meant):
    assert plain_function(said) == plain_function(meant)


def test_an_overflow_is_no_voltage(bench):
    driver = connected(bench, Keithley, Multimeter(value=9.9e37))
    assert driver.poll() == {"voltage_dc": Value(None, Quality.OVER_RANGE)}


def test_a_meter_that_refuses_its_settings_says_so(bench):
    simulator = Multimeter()
    del simulator.settings["CONF:CURR:DC"]
    with pytest.raises(InstrumentError, match="Undefined header"):
        connected(bench, Keithley, simulator, function="current_dc")


def test_a_power_meter_tells_what_its_sensor_can(bench):
    simulator = PowerMeter()
    driver = connected(bench, Thorlabs, simulator, wavelength=780.0)
    assert simulator.settings["SENS:CORR:WAV"] == "780.00"
    assert driver.poll() == {"power": Value(1.824e-3), "sensor_temperature": Value(23.5)}
    assert "S120C" in driver.channels["power"].description
    driver.set_wavelength(461.0)
    assert driver.wavelength == 461.0
    with pytest.raises(InstrumentError, match="out of range"):
        driver.set_wavelength(1550.0)
    assert driver.identify() == "Thorlabs PM100D"


def test_power_is_in_watts_whatever_the_meter_shows(bench):
    simulator = PowerMeter(flags=33)
    driver = connected(bench, Thorlabs, simulator)
    assert driver.poll() == {"power": Value(1.824e-3)}
    simulator.settings["SENS:POW:UNIT"], simulator.answers["MEAS:POW?"] = "DBM", "2.61025E+00"
    assert driver.poll() == {}  # nobody knows which unit this number had
    assert driver.poll()["power"].value == pytest.approx(1.824e-3, rel=1e-5)
    simulator.answers["MEAS:POW?"] = "9.9E37"
    assert driver.poll() == {"power": Value(None, Quality.OVER_RANGE)}
    simulator.settings["SENS:POW:UNIT"] = "FURLONG"
    with pytest.raises(InstrumentError, match="FURLONG"):
        driver.poll()


def test_an_energy_sensor_measures_pulses(bench):
    simulator = PowerMeter(flags=2 | 256)
    driver = connected(bench, Thorlabs, simulator)
    assert driver.poll() == {"energy": Value(4.21e-6), "sensor_temperature": Value(23.5)}
    assert driver.channels["energy"].unit == "J"
    assert simulator.settings["SENS:AVER:COUN"] == "1"


def test_a_power_meter_without_sensor_or_thermometer(bench):
    with pytest.raises(InstrumentError, match="no sensor"):
        connected(bench, Thorlabs, PowerMeter(flags=0))
    driver = connected(bench, Thorlabs, PowerMeter(flags=33))
    assert driver.poll() == {"power": Value(1.824e-3)}


class Web:
    """A web server that answers as it is told."""

    def __init__(self):
        web = self
        self.status, self.body, self.headers, self.hang = 200, b"{}", {}, threading.Event()
        self.is_hanging = False
        self.seen = {}

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self):
                web.seen = dict(self.headers)
                self.send_response(web.status)
                for name, value in web.headers.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(web.body)
                self.wfile.flush()
                if web.is_hanging:
                    web.hang.wait(60)

            def log_message(self, format, *args):
                """Be quiet."""

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}/status"
        self.thread = threading.Thread(target=self.server.serve_forever, args=(0.02,))
        self.thread.start()

    def close(self):
        self.hang.set()
        self.server.shutdown()
        self.server.server_close()
        self.thread.join()


@pytest.fixture
def web():
    web = Web()
    yield web
    web.close()


CHANNELS = {
    "power": JsonChannel(key="emeters.0.power", unit="W"),
    "state": JsonChannel(key="relay", kind="nominal"),
}


def test_values_come_out_of_a_document(web):
    web.body = json.dumps({"emeters": [{"power": 12.5}], "relay": "on"}).encode()
    driver = HttpJson(web.url, CHANNELS, headers={"Authorization": "Bearer x"})
    assert driver.poll() == {"power": Value(12.5), "state": Value("on")}
    assert web.seen["Authorization"] == "Bearer x"
    web.body = b'{"relay": "off"}'
    assert driver.poll() == {"state": Value("off")}
    web.body = b'{"emeters": [{"power": null}]}'
    assert driver.poll() == {"power": Value(None)}


@pytest.mark.parametrize(
    "body", [b"", b"[]", b"<html>", b"{}", b'{"relay"', b'{"emeters": [{"power": "high"}]}']
)
def test_anything_else_is_an_instrument_error(web, body):
    web.body = body
    with pytest.raises(InstrumentError):
        HttpJson(web.url, CHANNELS).poll()


def test_refusals_redirects_and_floods_are_instrument_errors(web):
    driver = HttpJson(web.url, CHANNELS)
    web.status = 503
    with pytest.raises(InstrumentError, match="503"):
        driver.poll()
    web.status, web.headers = 302, {"Location": "http://127.0.0.1:1/elsewhere"}
    with pytest.raises(InstrumentError, match="302"):
        driver.poll()
    web.status, web.headers, web.body = 200, {}, b"x" * (2 << 20)
    with pytest.raises(InstrumentError, match="bytes"):
        driver.poll()


def test_a_server_that_hangs_is_a_timeout(web):
    web.body, web.is_hanging = b'{"relay"', True
    started = time.monotonic()
    with pytest.raises(InstrumentTimeoutError):
        HttpJson(web.url, CHANNELS, reply_timeout_s=0.2).poll()
    assert time.monotonic() - started < 30


def test_a_server_that_is_gone_is_offline():
    with closing(HeldPort()) as silent, pytest.raises(OfflineError):
        HttpJson(f"http://127.0.0.1:{silent.number}/", CHANNELS).poll()
    with pytest.raises(ValueError, match="url"):
        HttpJson("ftp://somewhere/", CHANNELS)
    with pytest.raises(ValueError, match="url"):
        HttpJson("file:///etc/passwd", CHANNELS)
