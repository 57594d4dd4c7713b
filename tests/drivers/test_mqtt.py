"""`mqtt` against Debian's mosquitto, with devices that behave as Tasmota and ESPHome do."""

from __future__ import annotations

import asyncio
import contextlib
import shutil
import socket
import subprocess
import threading
import time
from typing import TYPE_CHECKING, Any

import pytest

from labmon.config import DeviceConfig
from labmon.device import InstrumentError, OfflineError, Quality, Timed, Value
from labmon.device.channels import all_channels
from labmon.device.device import Device
from labmon.timestamps import Clock
from labmon_drivers import mqtt
from labmon_drivers._topics import TopicChannel
from labmon_drivers.mqtt import Mqtt

if TYPE_CHECKING:
    from collections.abc import Iterator

    from labmon.reading import Batch
from tests.conftest import HeldPort
from tests.drivers.mosquitto import ROOT, SENSORS, Mosquitto, Peer, Plug, find_mosquitto


@pytest.fixture(scope="session")
def mosquitto() -> str:
    if find_mosquitto() is None:
        script = ROOT / "script" / "ensure-package"
        run = subprocess.run(
            [script, "mosquitto", "the MQTT tests"], capture_output=True, timeout=300, check=False
        )
        if find_mosquitto() is None:
            said = run.stderr.decode(errors="replace").strip().splitlines()
            pytest.skip(f"there is no broker mosquitto: {said[-1] if said else 'not installed'}")
    program = find_mosquitto()
    assert program
    return program


@pytest.fixture(scope="module")
def running(mosquitto, tmp_path_factory) -> Iterator[Mosquitto]:
    server = Mosquitto(mosquitto, tmp_path_factory.mktemp("mosquitto"))
    server.start()
    yield server
    server.stop()
    server.held_port.close()


@pytest.fixture
def broker(mosquitto, tmp_path) -> Iterator[Mosquitto]:
    """A broker of one's own, to be restarted."""
    server = Mosquitto(mosquitto, tmp_path)
    server.start()
    yield server
    server.stop()
    server.held_port.close()


@pytest.fixture
def peers() -> Iterator[list[Peer]]:
    made: list[Peer] = []
    yield made
    for peer in made:
        peer.close()


@pytest.fixture(autouse=True)
def _listens_briefly(monkeypatch):
    monkeypatch.setattr(mqtt, "LISTEN_S", 0.05)


class Following:
    """A connected driver, and everything that it said."""

    def __init__(self, driver: Mqtt) -> None:
        self.driver = driver
        driver.connect()
        self.stream = driver.stream()
        self.readings: list[dict[str, Any]] = []

    def until(self, name: str, count: int = 1) -> list[Any]:
        """The first values of a channel."""
        deadline_s = time.monotonic() + 30
        while len(values := [each[name] for each in self.readings if name in each]) < count:
            assert time.monotonic() < deadline_s, f"{name}: {self.readings}"
            if isinstance(polled := next(self.stream), Timed):
                assert abs(polled.time_ns - time.time_ns()) < 60e9
                self.readings.append(dict(polled.readings))
        return values


def is_refused(driver: Mqtt, said: str) -> None:
    """Connecting fails so; with a short time for answers, first of all because a stall took it."""
    deadline_s = time.monotonic() + 30
    while True:
        with pytest.raises(InstrumentError) as refusal:
            driver.connect()
        if said in str(refusal.value):
            return
        assert time.monotonic() < deadline_s, refusal.value


@pytest.fixture
def follow() -> Iterator[Any]:
    drivers: list[Mqtt] = []

    def make(broker: Mosquitto, **settings: Any) -> Following:
        drivers.append(Mqtt(broker.address, **settings))
        return Following(drivers[-1])

    yield make
    for driver in drivers:
        driver.disconnect()


def test_tasmota_says_what_it_has_and_what_it_measures(running, peers, follow):
    plug = Plug(running, "plug1")
    peers.append(plug)
    following = follow(running, tasmota="plug1", relays=1, tele_period_s=10)
    driver = following.driver
    assert {name: each.unit for name, each in driver.channels.items()} == {
        "bme280/temperature": "°C",
        "bme280/humidity": "%",
        "energy/power": "W",
        "energy/current/1": "A",
        "energy/current/2": "A",
        "power": "",
    }
    assert following.until("bme280/temperature") == [Value(21.3)]  # not after five minutes
    assert following.until("power") == [Value(0.0)]
    plug.say("tele/plug1/SENSOR", {**SENSORS, "BME280": {"Temperature": 22.0}})
    assert following.until("bme280/temperature", 2)[1] == Value(22.0)
    assert ("cmnd/plug1/TelePeriod", "10") in plug.heard
    assert "power_setpoint" in all_channels("plug", driver)
    driver.parameters["power"].write(driver, True)
    assert following.until("power", 2)[1] == Value(1.0)
    assert plug.power == "ON"


def test_the_last_will_takes_the_device_offline(running, peers, follow):
    plug = Plug(running, "plug2")
    peers.append(plug)
    following = follow(running, tasmota="plug2")
    following.until("energy/power")
    plug.die()
    with pytest.raises(OfflineError, match="tele/plug2/LWT says Offline"):
        following.until("energy/power", 2)
    following.driver._timeout_s = 0.3
    is_refused(following.driver, "says Offline")
    peers.append(Plug(running, "plug2"))
    following.driver._timeout_s = 30.0
    following.driver.connect()


def test_esphome_is_known_by_its_announcements(running, peers, follow, monkeypatch):
    monkeypatch.setattr(mqtt, "QUIET_S", 1.0)
    node = Peer(running, ("dew/status", "offline"))
    peers.append(node)
    node.say("dew/status", "online", retain=True)
    node.say(
        "homeassistant/sensor/dew/dew_point/config",
        {"name": "Dew point", "unit_of_meas": "°C", "stat_t": "dew/sensor/dew_point/state"},
        retain=True,
    )
    node.say(
        "homeassistant/binary_sensor/dew/door/config",
        {"~": "dew/binary_sensor/door", "name": "Door", "state_topic": "~/state"},
        retain=True,
    )
    node.say("homeassistant/light/dew/lamp/config", {"schema": "json"}, retain=True)
    node.say("dew/sensor/dew_point/state", "9.9", retain=True)  # from before we came
    following = follow(running, esphome="dew")
    assert {n: (c.label, c.unit) for n, c in following.driver.channels.items()} == {
        "dew_point": ("Dew point", "°C"),
        "door": ("Door", ""),
    }
    node.say("dew/sensor/dew_point/state", "11.25", retain=True)
    node.say("dew/binary_sensor/door/state", "ON")
    node.say("dew/sensor/dew_point/state", "nan")
    node.say("dew/sensor/dew_point/state", "hot")
    assert following.until("dew_point", 3) == [
        Value(11.25),
        Value(None, Quality.NO_SIGNAL),
        Value(None, Quality.FAULT),
    ]
    assert following.until("door") == [Value(1.0)]
    node.die()
    with pytest.raises(OfflineError, match="dew/status says offline"):
        following.until("door", 2)


def test_plain_topics_are_read_and_set(running, peers, follow):
    peer = Peer(running)
    peers.append(peer)
    peer.listen("lab/valve/set")
    peer.say("lab/kept", "1.5", retain=True)
    channels = {
        "flow": TopicChannel(topic="lab/flow", unit="l/min", scale=0.1),
        "inner": TopicChannel(topic="lab/json", pointer="/a~1b/1"),
        "kept": TopicChannel(topic="lab/kept", retained=True),
        "mode": TopicChannel(topic="lab/mode", type="text"),
        "valve": TopicChannel(
            set_topic="lab/valve/set", set_payload='{"to": {value:.1f}}', limits=(0, 100)
        ),
    }
    following = follow(running, channels=channels, silence_s=60)
    assert following.until("kept") == [Value(1.5)]
    peer.say("lab/json", {"a/b": [1, 2.5]})
    peer.say("lab/json", "{not json")
    peer.say("lab/flow", " 120 ")
    peer.say("lab/mode", "cooling")
    assert following.until("inner") == [Value(2.5)]
    assert following.until("flow") == [Value(12.0)]
    assert following.until("mode") == [Value("cooling")]
    assert following.driver.channels["mode"].kind == "nominal"
    following.driver.parameters["valve"].write(following.driver, 55.0)
    deadline_s = time.monotonic() + 30
    while not peer.heard:
        assert time.monotonic() < deadline_s
    assert peer.heard == [("lab/valve/set", '{"to": 55.0}')]
    following.driver._silence_s = 0.5
    with pytest.raises(InstrumentError, match=r"nothing was published for 0\.5 s"):
        following.until("flow", 2)


def test_a_login_that_is_wrong_is_said(broker):
    broker.stop()
    broker.start(anonymous=False)
    channels = {"x": TopicChannel(topic="x")}
    for keys in ({}, {"username": "lab", "password": "wrong"}):
        with pytest.raises(InstrumentError, match="Not authorized"):
            Mqtt(broker.address, channels=channels, **keys).connect()
    driver = Mqtt(broker.address, channels=channels, username="lab", password="secret")
    driver.connect()
    driver.disconnect()
    driver.disconnect()


@pytest.mark.skipif(shutil.which("openssl") is None, reason="there is no openssl")
def test_encrypted_and_only_with_a_broker_that_is_trusted(broker, tmp_path, peers):
    key, certificate = tmp_path / "key.pem", tmp_path / "certificate.pem"
    command = "openssl req -x509 -nodes -days 2 -subj /CN=lab -addext subjectAltName=IP:127.0.0.1"
    kind = "-newkey ec -pkeyopt ec_paramgen_curve:prime256v1"
    files = ["-keyout", key, "-out", certificate]
    subprocess.run([*f"{command} {kind}".split(), *files], check=True, capture_output=True)
    broker.stop()
    plain = broker.port
    another = HeldPort()
    broker.port = another.number
    tls = f"listener {plain} 127.0.0.1\ncertfile {certificate}\nkeyfile {key}\n"
    broker.start(more=tls)
    channels = {f"x{i}": TopicChannel(topic=f"lab/x{i}", retained=True) for i in range(50)}
    address = f"mqtts://127.0.0.1:{plain}"
    with pytest.raises(OfflineError, match="certificate"):
        Mqtt(address, channels=channels).connect()
    peers.append(Peer(broker))
    for i in range(50):
        peers[-1].say(f"lab/x{i}", str(i), retain=True)
    driver = Mqtt(address, channels=channels, ca_file=str(certificate))
    driver.connect()
    came: dict[str, Any] = {}
    for polled in driver.stream():
        if isinstance(polled, Timed):
            came |= polled.readings
        if len(came) == 50:
            break
    assert came == {f"x{i}": Value(float(i)) for i in range(50)}
    driver.disconnect()
    another.close()


def test_nobody_there_is_offline(broker):
    driver = Mqtt(broker.address, channels={"x": TopicChannel(topic="x")}, tasmota="nobody")
    driver.connect()  # it may sleep
    driver.disconnect()
    driver = Mqtt(broker.address, tasmota="nobody", reply_timeout_s=0.4)
    is_refused(driver, "the device does not answer")
    driver.disconnect()
    driver = Mqtt(broker.address, esphome="nobody", reply_timeout_s=0.4)
    is_refused(driver, "nothing is announced")
    driver.disconnect()
    broker.stop()
    with pytest.raises(OfflineError, match="cannot reach the broker"):
        driver.connect()


def test_a_broker_that_says_nothing_is_given_up():
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        driver = Mqtt(f"127.0.0.1:{port}", tasmota="t", reply_timeout_s=0.3)
        with pytest.raises(InstrumentError, match="the login in time"):
            driver.connect()


def test_abort_ends_a_stream_that_waits(running, monkeypatch, follow):
    monkeypatch.setattr(mqtt, "LISTEN_S", 60.0)
    following = follow(running, channels={"x": TopicChannel(topic="x")})
    assert next(following.stream) == {}
    assert next(following.stream) is None
    timer = threading.Timer(0.05, following.driver.abort)
    timer.start()
    with contextlib.suppress(OfflineError):
        assert list(following.stream) == [None]
    timer.join()


async def test_a_device_comes_back_with_its_broker(broker, peers):
    batches: list[Batch] = []
    config = DeviceConfig(name="lab", driver="mqtt", period_s=0.1)
    driver = Mqtt(broker.address, channels={"x": TopicChannel(topic="lab/x")})
    device = Device(config, driver, clock=Clock(), publish=batches.append, changed=lambda _: None)

    def values() -> list[Any]:
        return [r.value for b in batches for r in b.readings() if r.path == "lab/x" and r.value]

    async def until(condition: Any) -> None:
        async with asyncio.timeout(30):
            while not condition():  # noqa: ASYNC110  the broker tells no loop
                await asyncio.sleep(0.01)

    await device.start()
    await until(lambda: device.state == "online")
    peers.append(Peer(broker))
    peers[-1].say("lab/x", "1")
    await until(lambda: values() == [1.0])
    broker.stop()
    await until(lambda: device.state == "offline")
    broker.start()
    await until(lambda: device.state == "online")
    peers.append(Peer(broker))
    peers[-1].say("lab/x", "2")
    await until(lambda: values() == [1.0, 2.0])
    await device.stop()
