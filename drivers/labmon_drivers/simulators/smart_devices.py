"""`sim://tasmota` and `sim://esphome`: devices that publish through a broker of their own."""

from __future__ import annotations

import json
import random
from typing import Final

from labmon_drivers.simulators.mqtt_broker import MqttBroker

TIME: Final = "2026-01-01T12:00:00"
"""As a device that was never told the time says it."""


class Tasmota(MqttBroker):
    """A plug with Tasmota's firmware that measures power and temperature, behind a broker.

    Args:
        topic: its name in the topics.
        period_s: how often it publishes by itself.
        is_on: whether its relay is on.
    """

    def __init__(
        self, topic: str = "plug", period_s: float = 2.0, is_on: bool = True, seed: int = 1
    ) -> None:
        super().__init__(period_s)
        self._topic = topic
        self.is_on = is_on
        self._random = random.Random(seed)
        self.retained = {f"tele/{topic}/LWT": "Online"}

    def heard(self, topic: str, payload: str) -> dict[str, str]:
        """Carry out a command."""
        command = topic.removeprefix(f"cmnd/{self._topic}/").upper()
        if command == "STATUS" and payload == "8":
            return {f"stat/{self._topic}/STATUS8": json.dumps({"StatusSNS": self._sensors()})}
        if command == "STATUS" and payload == "11":
            return {f"stat/{self._topic}/STATUS11": json.dumps({"StatusSTS": self._state()})}
        if command in {"POWER", "POWER1"} and payload.upper() in {"ON", "OFF", "1", "0", "TOGGLE"}:
            self.is_on = not self.is_on if payload.upper() == "TOGGLE" else payload in {"ON", "1"}
            return {f"stat/{self._topic}/RESULT": json.dumps({"POWER": self._word()})}
        if command == "TELEPERIOD" and payload.isdecimal():
            self.period_s = float(payload)
            return {f"stat/{self._topic}/RESULT": json.dumps({"TelePeriod": int(payload)})}
        return {}

    def said(self) -> dict[str, str]:
        """Sensors and state."""
        return {
            f"tele/{self._topic}/STATE": json.dumps(self._state()),
            f"tele/{self._topic}/SENSOR": json.dumps(self._sensors()),
        }

    def _word(self) -> str:
        return "ON" if self.is_on else "OFF"

    def _state(self) -> dict[str, object]:
        return {"Time": TIME, "Uptime": "0T01:00:00", "POWER": self._word()}

    def _sensors(self) -> dict[str, object]:
        watts = round(self._random.gauss(412.5, 2.0), 1) if self.is_on else 0.0
        energy = {"Total": 3.185, "Power": watts, "Voltage": 230, "Current": round(watts / 230, 3)}
        celsius = round(self._random.gauss(21.3, 0.1), 1)
        sensors = {"ENERGY": energy, "DS18B20": {"Temperature": celsius}}
        return {"Time": TIME, **sensors, "TempUnit": "C"}


class EspHome(MqttBroker):
    """A node with ESPHome's firmware, a thermometer and a door contact, behind a broker.

    Args:
        node: its name.
        period_s: how often it publishes by itself.
    """

    def __init__(self, node: str = "node", period_s: float = 2.0, seed: int = 1) -> None:
        super().__init__(period_s)
        self._node = node
        self._random = random.Random(seed)
        self.retained = {f"{node}/status": "online"}
        self._announce("sensor", "temperature", "Temperature", unit="°C")
        self._announce("sensor", "humidity", "Humidity", unit="%")
        self._announce("binary_sensor", "door", "Door")
        self.retained[f"{node}/binary_sensor/door/state"] = "OFF"

    def said(self) -> dict[str, str]:
        """Each sensor on a topic of its own."""
        return {
            f"{self._node}/sensor/temperature/state": f"{self._random.gauss(20.8, 0.05):.2f}",
            f"{self._node}/sensor/humidity/state": f"{self._random.gauss(41.0, 0.3):.1f}",
            f"{self._node}/binary_sensor/door/state": "OFF",
        }

    def _announce(self, component: str, name: str, label: str, unit: str = "") -> None:
        document = {"name": label, "stat_t": f"{self._node}/{component}/{name}/state"}
        if unit:
            document["unit_of_meas"] = unit
        topic = f"homeassistant/{component}/{self._node}/{name}/config"
        self.retained[topic] = json.dumps(document)
