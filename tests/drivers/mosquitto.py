"""Debian's broker mosquitto, and other clients of it: one that listens, one as Tasmota is."""

from __future__ import annotations

import getpass
import json
import shutil
import socket
import subprocess
import threading
import time
from pathlib import Path
from typing import Any

import paho.mqtt.client as paho
from paho.mqtt.enums import CallbackAPIVersion

from tests.conftest import HeldPort

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
