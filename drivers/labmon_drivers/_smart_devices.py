"""What Tasmota and ESPHome publish, and how their channels are found out.

Manuals: tasmota.github.io/docs/MQTT, esphome.io/components/mqtt. The trap: Tasmota's messages carry
its local time without a zone; they are stamped when they arrive.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

from labmon_drivers._topics import Route, TopicChannel, at, escaped

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

UNITS: Final = {
    "Temperature": "°C",
    "DewPoint": "°C",
    "Humidity": "%",
    "Pressure": "hPa",
    "SeaPressure": "hPa",
    "Power": "W",
    "ApparentPower": "VA",
    "ReactivePower": "var",
    "Voltage": "V",
    "Current": "A",
    "Frequency": "Hz",
    "Total": "kWh",
    "Today": "kWh",
    "Yesterday": "kWh",
    "Illuminance": "lx",
    "CarbonDioxide": "ppm",
    "eCO2": "ppm",
    "TVOC": "ppb",
    "Distance": "cm",
}
DIGITS: Final = {"kWh": 3, "A": 3, "W": 1, "V": 1, "%": 1}
MAX_DEPTH: Final = 4
STATE_TOPICS: Final = (
    ("tele", "STATE", ""),
    ("stat", "RESULT", ""),
    ("stat", "STATUS11", "/StatusSTS"),
)
SENSOR_TOPICS: Final = (("tele", "SENSOR", ""), ("stat", "STATUS8", "/StatusSNS"))
ABBREVIATIONS: Final = {
    "unit_of_meas": "unit_of_measurement",
    "stat_t": "state_topic",
    "cmd_t": "command_topic",
    "sug_dsp_prc": "suggested_display_precision",
}
NOT_IN_NAMES: Final = re.compile(r"[^\w.-]+")


class Tasmota:
    """A device with Tasmota's firmware.

    Args:
        topic: its name in the topics, `%topic%` in Tasmota's words.
        relays: how many it has.
    """

    online, offline = "Online", "Offline"

    def __init__(self, topic: str, relays: int) -> None:
        self._topic = topic
        self._relays = relays
        self.status_topic = self.said("LWT")
        self.answer_topic = f"stat/{topic}/STATUS8"

    def said(self, word: str, prefix: str = "tele") -> str:
        """One of its topics."""
        return f"{prefix}/{self._topic}/{word}"

    def relays(self) -> dict[str, TopicChannel]:
        """The relays, which can be set."""
        names = [f"POWER{i}" for i in range(1, self._relays + 1)] if self._relays > 1 else ["POWER"]
        return {
            name.lower(): TopicChannel(
                label=name.capitalize(),
                digits=0,
                type="boolean",
                set_topic=self.said(name, "cmnd"),
                pointer=f"/{name}",
            )
            for name in names[: self._relays]
        }

    def routes(self, channels: Mapping[str, TopicChannel]) -> Iterator[Route]:
        """Where its channels are published: regularly, after a change, and when asked."""
        for name, channel in channels.items():
            is_relay = channel.type == "boolean"
            for prefix, word, root in STATE_TOPICS if is_relay else SENSOR_TOPICS:
                topic = self.said(word, prefix)
                yield Route(topic, root + (channel.pointer or f"/{name}"), name, channel)

    def found(self, document: Any) -> dict[str, TopicChannel]:
        """The channels in an answer to `STATUS 8`."""
        sensors = at(document, "/StatusSNS")
        if not isinstance(sensors, dict):
            return {}
        units = {"°C": "°F" if sensors.get("TempUnit") == "F" else "°C"}
        units["hPa"] = str(sensors.get("PressureUnit") or "hPa")
        found: dict[str, TopicChannel] = {}
        for pointer, words in _numbers(sensors, "", ()):
            unit = UNITS.get(
                next((word for word in reversed(words) if not word.isdecimal()), ""), ""
            )
            name = "/".join(NOT_IN_NAMES.sub("_", word).lower() for word in words)
            found[name] = TopicChannel(
                pointer=pointer,
                unit=units.get(unit, unit),
                label=" ".join(words),
                digits=DIGITS.get(unit, 2),
            )
        return found


class EspHome:
    """A device with ESPHome's firmware.

    Args:
        node: its name, the `topic_prefix` of its MQTT settings.
    """

    online, offline = "online", "offline"

    def __init__(self, node: str) -> None:
        self._node = node
        self.status_topic = f"{node}/status"
        self.discovery_topic = f"homeassistant/+/{node}/+/config"

    def routes(self, channels: Mapping[str, TopicChannel]) -> Iterator[Route]:
        """Where its channels are published."""
        for name, channel in channels.items():
            topic = channel.topic or f"{self._node}/sensor/{name}/state"
            yield Route(topic, channel.pointer, name, channel)

    def found(self, topic: str, document: Any) -> dict[str, TopicChannel]:
        """The channel that it announces for Home Assistant; none where it is of no use here."""
        parts = topic.split("/")
        if len(parts) != 5 or not isinstance(document, dict):
            return {}
        _, component, _, name, _ = parts
        keys = {ABBREVIATIONS.get(key, key): value for key, value in document.items()}
        base, state = str(keys.get("~", "")), keys.get("state_topic")
        if component not in {"sensor", "binary_sensor", "switch"} or not isinstance(state, str):
            return {}
        unit, digits = keys.get("unit_of_measurement"), keys.get("suggested_display_precision")
        return {
            NOT_IN_NAMES.sub("_", name): TopicChannel(
                topic=state.replace("~", base),
                unit=unit if isinstance(unit, str) else "",
                label=str(keys.get("name") or name),
                digits=digits if isinstance(digits, int) and 0 <= digits <= 9 else 2,
                type="number" if component == "sensor" else "boolean",
            )
        }


def _numbers(
    tree: Any, pointer: str, words: tuple[str, ...]
) -> Iterator[tuple[str, tuple[str, ...]]]:
    """Pointer and keys of every number in a JSON document."""
    if isinstance(tree, bool) or len(words) > MAX_DEPTH:
        return
    if isinstance(tree, int | float):
        yield pointer, words
    elif isinstance(tree, dict):
        for key, each in tree.items():
            yield from _numbers(each, f"{pointer}/{escaped(key)}", (*words, key))
    elif isinstance(tree, list):
        for i, each in enumerate(tree):
            yield from _numbers(each, f"{pointer}/{i}", (*words, str(i + 1)))
