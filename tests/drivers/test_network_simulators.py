"""Simulators behind a network protocol: MQTT brokers, a web server, EPICS; for others too."""

from __future__ import annotations

import asyncio
import json
import threading
import time
import urllib.request
from typing import TYPE_CHECKING, Any

import paho.mqtt.client as paho
import pytest
from hypothesis import given
from hypothesis import strategies as st
from paho.mqtt.enums import CallbackAPIVersion

from labmon.config import DeviceConfig
from labmon.device import InstrumentError, InstrumentTimeoutError, OfflineError, Timed
from labmon.device.device import Device
from labmon.device.simulator import make_simulator
from labmon.timestamps import Clock
from labmon_drivers.epics import Epics, RecordChannel
from labmon_drivers.http_json import HttpJson, JsonChannel
from labmon_drivers.mqtt import Mqtt
from labmon_drivers.simulators.mqtt_broker import Packet, matches

if TYPE_CHECKING:
    from labmon.reading import Batch


def heard(driver: Any, *names: str, timeout_s: float = 30.0) -> dict[str, Any]:
    """Values of the stream until each of the names had one."""
    seen: dict[str, Any] = {}
    deadline_s = time.monotonic() + timeout_s
    for polled in driver.stream():
        if isinstance(polled, Timed):
            seen |= {name: each.value for name, each in polled.readings.items()}
        if set(names) <= set(seen):
            return seen
        assert time.monotonic() < deadline_s, seen
    return seen


def test_a_simulated_plug_is_found_read_and_switched(bench):
    driver = bench.use(Mqtt("sim://tasmota?period_s=0.2", tasmota="plug", relays=1))
    assert driver.simulated
    driver.connect()
    assert set(driver.channels) >= {"energy/power", "ds18b20/temperature", "power"}
    seen = heard(driver, "energy/power", "power")
    assert seen["energy/power"] == pytest.approx(412.5, abs=20)
    assert seen["power"] == 1.0
    driver.parameters["power"].write(driver, False)
    assert heard(driver, "power")["power"] == 0.0
    driver.disconnect()
    with pytest.raises(OfflineError):
        driver.parameters["power"].write(driver, True)
    driver.connect()


def test_a_simulated_node_is_known_by_its_announcements(bench):
    driver = bench.use(Mqtt("sim://esphome?node=lab&period_s=0.2", esphome="lab"))
    driver.connect()
    assert driver.channels["temperature"].unit == "°C"
    seen = heard(driver, "temperature", "humidity", "door")
    assert seen["temperature"] == pytest.approx(20.8, abs=1)
    assert seen["door"] == 0.0


def test_a_simulated_broker_can_be_silent(bench):
    driver = bench.use(Mqtt("sim://tasmota?fault=silence", tasmota="plug", reply_timeout_s=0.2))
    with pytest.raises(InstrumentTimeoutError):
        driver.connect()


def test_any_client_of_mqtt_talks_to_it(bench, wait_until):
    port = bench.serve("tcp", make_simulator("sim://tasmota")).port
    host, tcp_port = port.removeprefix("tcp://").split(":")
    client, messages, is_up = paho.Client(CallbackAPIVersion.VERSION2), [], threading.Event()
    client.on_message = lambda _c, _u, message: messages.append((message.topic, message.payload))
    client.on_subscribe = lambda *_: is_up.set()
    client.connect(host, int(tcp_port))
    client.loop_start()
    client.subscribe([("tele/+/LWT", 1), ("stat/#", 1)])
    assert is_up.wait(30)
    client.publish("cmnd/plug/POWER", "OFF", qos=1).wait_for_publish(5)
    wait_until(lambda: len(messages) == 2)
    client.disconnect()
    client.loop_stop()
    assert messages[0] == ("tele/plug/LWT", b"Online")
    assert (messages[1][0], json.loads(messages[1][1])) == ("stat/plug/RESULT", {"POWER": "OFF"})


CHANNELS = {
    "power": JsonChannel(key="emeters.0.power", unit="W"),
    "temperature": JsonChannel(key="temperature.tC", unit="°C"),
    "relay": JsonChannel(kind="nominal"),
}


def test_a_simulated_web_server_is_read(bench):
    driver = bench.use(HttpJson("sim://http_json?power=100", CHANNELS))
    with pytest.raises(OfflineError, match="is not open"):
        driver.poll()
    driver.connect()
    for _ in range(3):
        polled = driver.poll()
        assert polled["power"].value == pytest.approx(100, abs=5)
        assert (polled["temperature"].value, polled["relay"].value) == (31.2, "closed")


@pytest.mark.parametrize("option", ["status=500", "fault=silence", "fault=half", "fault=unplug"])
def test_a_web_server_that_does_not_work_is_an_instrument_error(bench, option):
    driver = bench.use(HttpJson(f"sim://http_json?{option}", CHANNELS, reply_timeout_s=0.2))
    driver.connect()
    with pytest.raises(InstrumentError):
        driver.poll()


def test_a_browser_gets_its_json_too(bench):
    port = bench.serve("tcp", make_simulator("sim://http_json")).port
    with urllib.request.urlopen(port.replace("tcp", "http") + "/any/path", timeout=30) as response:
        assert json.load(response)["relay"] == "closed"


@given(st.lists(st.binary(max_size=40), max_size=20))
def test_any_bytes_are_borne(pieces):
    for name in ("tasmota", "esphome", "http_json"):
        simulator = make_simulator(f"sim://{name}")
        for piece in pieces:
            assert isinstance(simulator.feed(piece), bytes)


@given(st.integers(0, 200_000))
def test_the_length_of_a_packet_is_one_to_four_bytes(size):
    data = Packet(3, 0, bytes(size)).encode()
    assert len(data) - size == 2 + (size > 127) + (size > 16383)


@pytest.mark.parametrize(
    ("wanted", "topic", "is_one"),
    [
        ("a/b", "a/b", True),
        ("a/+", "a/b", True),
        ("a/+", "a/b/c", False),
        ("a/#", "a/b/c", True),
        ("a/#", "a", True),
        ("#", "a/b", True),
        ("+/b", "a/c", False),
    ],
)
def test_topics_match_their_filters(wanted, topic, is_one):
    assert matches(wanted, topic) is is_one


def test_a_simulated_furnace_is_found_read_and_set(bench):
    channels = {
        "temperature": RecordChannel(record="TEMP"),
        "target": RecordChannel(record="TARGET", writable=True),
        "mode": RecordChannel(record="MODE", type="text", writable=True),
    }
    driver = bench.use(Epics(channels, prefix="lab:", addresses=["sim://epics"]))
    assert driver.simulated
    for _ in range(2):  # and again after a reconnect
        driver.connect()
        assert driver.channels["temperature"].unit == "degC"
        seen = heard(driver, "temperature", "target", "mode")
        assert seen["target"] == 150.0
        assert 21.0 < seen["temperature"] < 150.0
        driver.put("target", 100.0)
        assert heard(driver, "target")["target"] == 100.0
        driver.disconnect()


@pytest.mark.parametrize(
    ("driver_of", "channel"),
    [
        (lambda fault: HttpJson(f"sim://http_json?{fault}", CHANNELS), "power"),
        (lambda fault: Mqtt(f"sim://tasmota?period_s=0.1&{fault}", tasmota="plug"), "energy/power"),
    ],
    ids=["http_json", "mqtt"],
)
async def test_a_device_comes_back_when_its_network_does(driver_of, channel):
    times = "fault_after_s=1&fault_for_s=1&fault_every_s=4"  # again: it may be late for the first
    fault = f"fault=unplug&{times}&seed={time.time_ns() % 10_000}"
    batches: list[Batch] = []
    config = DeviceConfig(name="device", driver="of:Test", period_s=0.05)
    device = Device(
        config, driver_of(fault), clock=Clock(), publish=batches.append, changed=lambda _: None
    )

    def values() -> list[Any]:
        path = f"device/{channel}"
        return [each.value for batch in batches for each in batch.readings() if each.path == path]

    async def reached(condition: Any) -> None:
        async with asyncio.timeout(30):
            while not condition():  # noqa: ASYNC110  the simulator tells no loop
                await asyncio.sleep(0.01)

    await device.start()
    await reached(lambda: device.state == "online" and any(values()))
    await reached(lambda: device.state == "offline")
    await reached(lambda: device.state == "online")
    seen = len(values())
    await reached(lambda: any(values()[seen:]))
    await device.stop()
    assert device.is_simulated
    assert all(value is None or 350 < value < 480 for value in values())
