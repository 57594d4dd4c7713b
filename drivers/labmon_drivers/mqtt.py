"""`mqtt`: what others publish through an MQTT broker: Tasmota, ESPHome, or any topic.

Needs the extra `mqtt`: `pip install labmon-server[mqtt]`. The trap: a broker is no instrument;
whether the instrument lives says its last will (`status_topic`).

## Wiring

Instruments and labmon all connect to a broker, such as mosquitto. Nothing is to be set up for
labmon but a login, where the broker wants one.

## Configuration

```yaml
devices:
  chiller_plug:                 # a plug with Tasmota's firmware: it is asked what it has
    driver: mqtt
    broker: mqtt://192.168.1.5
    tasmota: tasmota_A1B2C3     # its topic
    relays: 1
    tele_period_s: 10           # else it publishes every five minutes

  dew_point:                    # a node with ESPHome's firmware: its announcements are read
    driver: mqtt
    broker: mqtts://broker.lab
    username: labmon
    password: secret
    esphome: dew-point-1

  cryostat:                     # any topics
    driver: mqtt
    broker: 192.168.1.5
    status_topic: cryostat/status
    silence_s: 60
    channels:
      stage: {topic: cryostat/state, pointer: /temperatures/1, unit: K, digits: 3}
      mode: {topic: cryostat/mode, type: text, retained: true}
      target:
        topic: cryostat/target
        set_topic: cryostat/target/set
        set_payload: '{"kelvin": {value:.2f}}'
        unit: K
        limits: [4, 300]
```

## Channels

Those of the configuration; or for Tasmota `sensor/quantity` such as `bme280/temperature` or
`energy/power`, and `power` (`power1`, ...) for the relays; for ESPHome the names it announces
(`discovery: true`, as it comes). Numbers, switches and contacts are taken. What can be set has
`NAME_setpoint` beside it.

## Commands

`set_NAME` for each channel with `set_topic`, and for the relays of a device with Tasmota. It
succeeds once the broker has the message; what the instrument makes of it is seen in its channel.

## Quirks

- The time of a reading is when its message arrived. Tasmota's own time has no zone and is not used.
- What a broker keeps (*retained*) may be from last year. It is passed over, unless `retained` is
  set, but for the state of the instrument.
- With Tasmota's `STATUS 8` values come when labmon connects, not only with the next `TelePeriod`.
- The last will is published by the broker one and a half `keepalive` after the instrument vanished.
  The device goes offline then, and comes back when the instrument says that it is there.
- A value that is no number is a *fault*; `nan`, `unknown` and `unavailable` are *no signal*.
- Battery-powered devices sleep and do not answer: name their `channels`.

## Without hardware

Brokers with one device each: `sim://tasmota`, and `sim://esphome` with `esphome: node`.
`labmon simulate tasmota --tcp 1883` serves one to other programs.

```yaml
devices:
  plug:
    driver: mqtt
    broker: sim://tasmota
    tasmota: plug
    relays: 1
```

## Manual

tasmota.github.io/docs/MQTT, esphome.io/components/mqtt. Tested with mosquitto 2.0, in the clear and
encrypted, and with programs that publish as Tasmota and ESPHome do.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Annotated, Any, Final

from labmon.device import (
    Driver,
    InstrumentTimeoutError,
    Limits,
    OfflineError,
    Parameter,
    Timed,
)
from labmon.device.simulator import SCHEME, make_simulator
from labmon.device.simulator_server import TcpSimulatorServer
from labmon_drivers._channels import StatusWords
from labmon_drivers._smart_devices import EspHome, Tasmota
from labmon_drivers._topics import UNKNOWN, Route, Routes, TopicChannel, parsed
from labmon_drivers.protocols.mqtt import Address, Broker, Message

if TYPE_CHECKING:
    from collections.abc import Iterator

    from labmon.device import Polled

LISTEN_S: Final = 0.5
QUIET_S: Final = 0.3
"""Everything that a broker kept comes at once; after this silence that was all."""
KINDS: Final[dict[str, Any]] = {"number": float, "boolean": bool, "text": str}


class Mqtt(Driver):
    """An instrument that publishes what it measures through an MQTT broker.

    Args:
        broker: `mqtt://HOST`, `mqtts://HOST:PORT` or just the host; `sim://tasmota` and
            `sim://esphome` are brokers with a simulated device.
        tasmota: the topic of a device with Tasmota; without `channels` it is asked what it has.
        esphome: the name of a node with ESPHome; without `channels` its announcements are read.
        channels: by name: `topic`, `pointer` (where in the JSON), `unit`, `scale`, `type`;
            `set_topic` where it can be set.
        relays: how many relays the device with Tasmota has.
        tele_period_s: how often Tasmota shall publish; 0: it stays as it is.
        status_topic: where the instrument's state is published, its last will included.
        online_word: what it says there while it lives.
        offline_word: what its last will says.
        silence_s: it is gone after so long without a message; 0: never.
        status_words: values that are no numbers, and which quality each means.
        username: at the broker.
        password: at the broker.
        ca_file: certificates that `mqtts://` trusts; else those of the system.
        reply_timeout_s: for each answer of the broker, and of the instrument where it is asked.
        keepalive_s: a broker that says nothing for about so long is gone.
        model: what stands in the head of the card.
    """

    model = "MQTT"
    connect_timeout_s = 30.0

    def __init__(
        self,
        broker: str,
        tasmota: str = "",
        esphome: str = "",
        channels: dict[str, TopicChannel] | None = None,
        relays: Annotated[int, Limits(0, 32)] = 0,
        tele_period_s: Annotated[int, Limits(0, 3600, unit="s")] = 0,
        status_topic: str = "",
        online_word: str = "online",
        offline_word: str = "offline",
        silence_s: Annotated[float, Limits(0, 86400, unit="s")] = 0.0,
        status_words: StatusWords | None = None,
        username: str = "",
        password: str = "",
        ca_file: str = "",
        reply_timeout_s: Annotated[float, Limits(0.1, 60, unit="s")] = 5.0,
        keepalive_s: Annotated[int, Limits(5, 3600, unit="s")] = 15,
        model: str = "",
    ) -> None:
        self._login = {"username": username, "password": password, "ca_file": ca_file}
        self._url = broker
        self.simulated = broker.startswith(SCHEME)
        if not self.simulated:
            Address.parse(broker, **self._login)
        if (tasmota and esphome) or not (tasmota or esphome or channels):
            raise ValueError("one of tasmota, esphome and channels is needed")
        self._tasmota = Tasmota(tasmota, relays) if tasmota else None
        self._esphome = EspHome(esphome) if esphome else None
        self._configured = dict(channels or {})
        self._relays = self._tasmota.relays() if self._tasmota else {}
        self._tele_period_s = tele_period_s
        known = self._tasmota or self._esphome
        self._status_topic = status_topic or (known.status_topic if known else "")
        self._online = known.online if known and not status_topic else online_word
        self._offline = known.offline if known and not status_topic else offline_word
        self._silence_s = silence_s
        self._words: StatusWords = {**UNKNOWN, **(status_words or {})}
        self._timeout_s = reply_timeout_s
        self._keepalive_s = keepalive_s
        self.model = model or (type(known).__name__ if known else type(self).model)
        self._broker: Broker | None = None
        self._simulator: TcpSimulatorServer | None = None
        self._is_aborted = False
        self._fell_silent = False
        self._routes = Routes((), self._words)
        self._first: list[Message] = []
        self._adopt(self._configured)
        self.parameters = {
            name: self._parameter(channel)
            for name, channel in {**self._configured, **self._relays}.items()
            if channel.set_topic
        }

    @property
    def broker(self) -> Broker:
        """The connection.

        Raises:
            OfflineError: there is none.
        """
        if self._broker is None:
            raise OfflineError("there is no connection to the broker")
        return self._broker

    def connect(self) -> None:
        """Reach the broker, wait for the instrument, learn what it has, subscribe."""
        self.disconnect()
        self._is_aborted = False
        self._first = []
        self._broker = Broker(self._found_address(), self._timeout_s, self._keepalive_s)
        if self._status_topic:
            self._wait_for_instrument(self._broker)
        if self._tasmota is not None:
            self._ask_tasmota(self._broker, self._tasmota)
        elif self._esphome is not None and not self._configured:
            self._adopt(self._announced(self._broker, self._esphome))
        self._broker.subscribe(self._routes.topics)

    def _found_address(self) -> Address:
        if not self.simulated:
            return Address.parse(self._url, **self._login)
        self._simulator = TcpSimulatorServer(make_simulator(self._url)).start()
        return Address.parse(self._simulator.port.replace("tcp://", "mqtt://"))

    def _wait_for_instrument(self, broker: Broker) -> None:
        """The broker keeps its state; an instrument that says nothing of it is taken as it is."""
        broker.subscribe([self._status_topic])
        state = ""
        deadline_s = time.monotonic() + self._timeout_s
        quiet_s = time.monotonic() + QUIET_S
        while state != self._online and time.monotonic() < (deadline_s if state else quiet_s):
            for message in broker.messages(QUIET_S / 3):
                if message.topic == self._status_topic:
                    state = message.payload.decode("utf-8", "replace").strip()
        if state == self._offline:
            raise OfflineError(f"{self._status_topic} says {state}")

    def _ask_tasmota(self, broker: Broker, tasmota: Tasmota) -> None:
        if self._tele_period_s:
            broker.publish(tasmota.said("TelePeriod", "cmnd"), str(self._tele_period_s))
        broker.subscribe([tasmota.answer_topic, tasmota.said("STATUS11", "stat")])
        if self._relays:
            broker.publish(tasmota.said("STATUS", "cmnd"), "11")
        broker.publish(tasmota.said("STATUS", "cmnd"), "8")
        if self._configured:
            return  # it may sleep, and answer later or never
        deadline_s = time.monotonic() + self._timeout_s
        while time.monotonic() < deadline_s:
            messages = broker.messages(QUIET_S)
            self._first += messages
            for message in messages:
                if message.topic == tasmota.answer_topic and not message.retained:
                    document = parsed(message.payload.decode("utf-8", "replace"))
                    self._adopt(tasmota.found(document))
                    return
        raise InstrumentTimeoutError(f"{tasmota.answer_topic}: the device does not answer")

    def _announced(self, broker: Broker, esphome: EspHome) -> dict[str, TopicChannel]:
        broker.subscribe([esphome.discovery_topic])
        found: dict[str, TopicChannel] = {}
        deadline_s = time.monotonic() + self._timeout_s
        while time.monotonic() < deadline_s and (messages := broker.messages(QUIET_S)):
            for message in messages:
                document = parsed(message.payload.decode("utf-8", "replace"))
                found |= esphome.found(message.topic, document)
        if not found:
            raise InstrumentTimeoutError(f"{esphome.discovery_topic}: nothing is announced")
        return found

    def _adopt(self, channels: dict[str, TopicChannel]) -> None:
        """Use these channels, and the relays."""
        channels = {**channels, **self._relays}
        readable = {
            name: channel
            for name, channel in channels.items()
            if channel.topic or self._tasmota is not None or self._esphome is not None
        }
        known = self._tasmota or self._esphome
        if known is not None:
            own = {name: each for name, each in readable.items() if not each.topic}
            routes = list(known.routes(own))
        else:
            routes = []
        routes += [Route(e.topic, e.pointer, n, e) for n, e in readable.items() if e.topic]
        self._routes = Routes(routes, self._words)
        self.channels = {
            name: each.channel().described(
                kind="nominal" if each.type == "text" else each.kind, every_s=self._tele_period_s
            )
            for name, each in readable.items()
        }

    def stream(self) -> Iterator[Polled | None]:
        """What is published, when it arrives.

        Raises:
            OfflineError: the broker is gone, or the last will of the instrument came.
            InstrumentTimeoutError: no message came for too long.
        """
        messages, self._first = self._first, []
        heard_s = time.monotonic()
        if not self._fell_silent:
            yield {}  # to be let in by the broker is enough: it may be quiet for minutes
        while not self._is_aborted:
            for message in messages:
                self._notice_end(message)
                if readings := self._routes.readings(message):
                    heard_s = time.monotonic()
                    self._fell_silent = False
                    yield Timed(message.arrival_ns, readings)
            if self._silence_s and time.monotonic() - heard_s > self._silence_s:
                self._fell_silent = True
                raise InstrumentTimeoutError(f"nothing was published for {self._silence_s:g} s")
            yield None
            messages = self.broker.messages(LISTEN_S)

    def _notice_end(self, message: Message) -> None:
        if message.topic == self._status_topic:
            state = message.payload.decode("utf-8", "replace").strip()
            if state == self._offline:
                raise OfflineError(f"{self._status_topic} says {state}")

    def disconnect(self) -> None:
        """Leave the broker."""
        broker, self._broker = self._broker, None
        if broker is not None:
            broker.close()
        simulator, self._simulator = self._simulator, None
        if simulator is not None:
            simulator.close()

    def abort(self) -> None:
        """Cut the connection; from another thread."""
        self._is_aborted = True
        if (broker := self._broker) is not None:
            broker.abort()

    def _parameter(self, channel: TopicChannel) -> Parameter[Any]:
        def write(driver: Mqtt, value: Any) -> None:
            driver.broker.publish(channel.set_topic, channel.payload(value))

        return Parameter(
            unit=channel.unit,
            limits=channel.limits,
            channel=channel.channel(),
            confirm=channel.confirm,
            write=write,
            kind=KINDS[channel.type],
        )
