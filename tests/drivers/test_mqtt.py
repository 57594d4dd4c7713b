"""`mqtt` against Debian's mosquitto, with devices that behave as Tasmota and ESPHome do."""

from __future__ import annotations

import asyncio
import contextlib
import getpass
import json
import shutil
import socket
import subprocess
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import paho.mqtt.client as paho
import pytest
from hypothesis import given
from hypothesis import strategies as st
from paho.mqtt.enums import CallbackAPIVersion

from labmon.config import DeviceConfig
from labmon.device import InstrumentError, OfflineError, Quality, Timed, Value
from labmon.device.channels import all_channels
from labmon.device.device import Device
from labmon.timestamps import Clock
from labmon_drivers import mqtt
from labmon_drivers._smart_devices import EspHome, Tasmota
from labmon_drivers._topics import MISSING, Route, Routes, TopicChannel, at
from labmon_drivers.mqtt import Mqtt
from labmon_drivers.protocols.mqtt import Address, Message
from tests.conftest import HeldPort

if TYPE_CHECKING:
    from collections.abc import Iterator

    from labmon.reading import Batch

ROOT = Path(__file__).parents[2]
SENSORS = {
    "Time": "2024-05-01T12:00:00",
    "BME280": {"Temperature": 21.3, "Humidity": 41.5},
    "ENERGY": {"TotalStartTime": "2023-01-01", "Power": 12, "Current": [0.05, 0.06]},
    "TempUnit": "C",
    "PressureUnit": "hPa",
}


def find_mosquitto() -> str | None:
    return shutil.which("mosquitto") or shutil.which("mosquitto", path="/usr/sbin")


class Mosquitto:
    """A broker process on a free port, which stays the same over restarts."""

    def __init__(self, program: str, folder: Path) -> None:
        self.held_port = HeldPort()
        self.port = self.held_port.number
        self._program = program
        self._config = folder / "mosquitto.conf"
        self._passwords = folder / "passwords"
        tool = shutil.which("mosquitto_passwd", path=f"/usr/bin:{Path(program).parent}")
        assert tool
        subprocess.run([tool, "-b", "-c", self._passwords, "lab", "secret"], check=True, timeout=20)
        self.address = f"mqtt://127.0.0.1:{self.port}"
        self._process: subprocess.Popen[bytes] | None = None

    def start(self, *, anonymous: bool = True, more: str = "") -> None:
        self._config.write_text(
            f"listener {self.port} 127.0.0.1\nallow_anonymous {str(anonymous).lower()}\n"
            f"password_file {self._passwords}\npersistence false\n"
            f"user {getpass.getuser()}\n"  # root would become a user who may not read this
            f"{more}"
        )
        self._process = subprocess.Popen(
            [self._program, "-c", self._config],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        deadline_s = time.monotonic() + 30
        while time.monotonic() < deadline_s:
            try:
                socket.create_connection(("127.0.0.1", self.port), 1).close()
            except OSError:
                assert self._process.poll() is None, "mosquitto ended"
            else:
                return
        raise AssertionError("mosquitto does not listen")

    def stop(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None


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


class Peer:
    """Another client of the broker, with a thread of its own."""

    def __init__(self, broker: Mosquitto, will: tuple[str, str] | None = None) -> None:
        self.heard: list[tuple[str, str]] = []
        self._client = paho.Client(CallbackAPIVersion.VERSION2, reconnect_on_failure=False)
        self._client.on_message = self._on_message
        self._subscribed = threading.Event()
        self._client.on_subscribe = lambda *_: self._subscribed.set()
        if will:
            self._client.will_set(*will, qos=1, retain=True)
        self._client.connect("127.0.0.1", broker.port)
        self._client.loop_start()

    def listen(self, topic: str) -> None:
        self._subscribed.clear()
        self._client.subscribe(topic, 1)
        assert self._subscribed.wait(30)

    def say(self, topic: str, payload: Any, retain: bool = False) -> None:
        text = payload if isinstance(payload, str) else json.dumps(payload)
        sent = self._client.publish(topic, text, qos=1, retain=retain)
        if threading.current_thread() is threading.main_thread():
            sent.wait_for_publish(5)

    def answer(self, topic: str, payload: str) -> None:
        self.heard.append((topic, payload))

    def die(self) -> None:
        """Vanish without a word: the broker publishes the will."""
        sock = self._client.socket()
        assert isinstance(sock, socket.socket)
        sock.shutdown(socket.SHUT_RDWR)
        self._client.loop_stop()

    def close(self) -> None:
        self._client.disconnect()
        self._client.loop_stop()

    def _on_message(self, _client: Any, _data: Any, message: paho.MQTTMessage) -> None:
        self.answer(message.topic, message.payload.decode())


class Plug(Peer):
    """A device with Tasmota."""

    def __init__(self, broker: Mosquitto, name: str) -> None:
        self.name = name
        self.power = "OFF"
        super().__init__(broker, (f"tele/{name}/LWT", "Offline"))
        self.listen(f"cmnd/{name}/#")
        self.say(f"tele/{name}/LWT", "Online", retain=True)

    def answer(self, topic: str, payload: str) -> None:
        super().answer(topic, payload)
        command = topic.rsplit("/", 1)[1]
        if command == "STATUS" and payload == "8":
            self.say(f"stat/{self.name}/STATUS8", {"StatusSNS": SENSORS})
        elif command == "STATUS":
            self.say(f"stat/{self.name}/STATUS11", {"StatusSTS": {"POWER": self.power}})
        elif command == "POWER":
            self.power = payload
            self.say(f"stat/{self.name}/RESULT", {"POWER": self.power})


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
                assert abs(polled.time_ns - time.time_ns()) < 5e9
                self.readings.append(dict(polled.readings))
        return values


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
    with pytest.raises(OfflineError, match="says Offline"):
        following.driver.connect()
    peers.append(Plug(running, "plug2"))
    following.driver._timeout_s = 5.0
    following.driver.connect()


def test_esphome_is_known_by_its_announcements(running, peers, follow):
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
    following = follow(running, channels=channels, silence_s=0.5)
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
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        broker.port = sock.getsockname()[1]
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


def test_nobody_there_is_offline(broker):
    driver = Mqtt(broker.address, channels={"x": TopicChannel(topic="x")}, tasmota="nobody")
    driver.connect()  # it may sleep
    driver.disconnect()
    driver = Mqtt(broker.address, tasmota="nobody", reply_timeout_s=0.4)
    with pytest.raises(InstrumentError, match="does not answer"):
        driver.connect()
    driver.disconnect()
    driver = Mqtt(broker.address, esphome="nobody", reply_timeout_s=0.4)
    with pytest.raises(InstrumentError, match="nothing is announced"):
        driver.connect()
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


@pytest.mark.parametrize(
    ("settings", "match"),
    [
        ({"broker": "http://x", "tasmota": "t"}, "no mqtt://"),
        ({"broker": "mqtt://me:pw@x", "tasmota": "t"}, "login"),
        ({"broker": "x"}, "one of tasmota"),
        ({"broker": "x", "tasmota": "t", "esphome": "e"}, "one of tasmota"),
    ],
)
def test_settings_that_make_no_sense_are_refused(settings, match):
    with pytest.raises(ValueError, match=match):
        Mqtt(**settings)


def test_channels_that_make_no_sense_are_refused():
    for keys in ({"topic": "a/+/b"}, {"set_topic": "a/#"}, {"topic": "a", "pointer": "a"}):
        with pytest.raises(ValueError, match=r"several topics|begins with"):
            TopicChannel(**keys)
    assert Address.parse("mqtts://x").port == 8883


@given(
    st.text(max_size=40), st.recursive(st.none() | st.floats() | st.text(), st.lists, max_leaves=5)
)
def test_pointers_lead_somewhere_or_nowhere(pointer, document):
    assert at({"x": document}, "/x") == document or document != document
    at(document, pointer)
    assert at([1], "/1") is MISSING


@given(st.binary(max_size=200))
def test_any_payload_is_a_reading_or_none(payload):
    number, truth = TopicChannel(topic="t"), TopicChannel(topic="t", type="boolean", pointer="/a")
    routes = Routes([Route("t", "", "n", number), Route("t", "/a", "b", truth)], {})
    for value in routes.readings(Message(0, "t", payload, False)).values():
        assert value.value is None or isinstance(value.value, float)


@given(
    st.recursive(
        st.none() | st.booleans() | st.floats() | st.text(max_size=5),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner),
        max_leaves=20,
    )
)
def test_any_document_of_a_device_is_looked_through(document):
    Tasmota("t", 2).found(document)
    Tasmota("t", 2).found({"StatusSNS": document})
    EspHome("n").found("homeassistant/sensor/n/x/config", document)
