"""`epics`: records of EPICS servers (IOCs), over Channel Access.

Needs the extra `epics`: `pip install labmon-server[epics]`. The trap: a record says something
only when it changes; as long as it is connected its last value holds, and is repeated, so that
silence and loss can be told apart.

## Wiring

None. Servers are searched by datagrams in the local network; those behind a router, or on ports of
their own, are named in `addresses`.

## Configuration

```yaml
devices:
  furnace:
    driver: epics
    title: Furnace
    prefix: "LAB3:FURNACE:"
    addresses: [192.168.1.30]
    channels:
      temperature: {record: TEMP, label: Temperature}
      target: {record: TEMP:SP, writable: true, limits: [0, 250]}
      mode: {record: MODE, type: text}
      third_detector: {record: DETECTORS, element: 2, unit: V}
```

A `record` may be a field too: `TEMP.HIHI`.

## Channels

Those of the configuration; unit and digits are the record's own where they are left out. The
severity of the record's alarm becomes the quality: *minor* and *major* are *limit*, the value
stays; *invalid* is a *fault* without a value. A record whose server is lost has one reading
without a value (*no signal*), and comes back by itself. With all of them lost the device is
offline.

## Commands

`set_NAME` for each channel that is `writable`. It returns when the record was processed. What lies
outside of the record's own limits, or is none of its words, is refused before it is sent, and so
is what Channel Access does not allow from here.

## Quirks

- A record says something only when it changes. Its last value is recorded again every `repeat_s`
  while the connection stands; a server that hangs is noticed after half a minute.
- The time of a reading is the record's own. That of the first one after connecting, and of one
  whose clock is not set or lies more than a minute off, is when it arrived.
- Records that are not found at first are searched on; the device is online as soon as one is found.
  It connects anew for one that is found later and whose unit only the record knows.

## Without hardware

A furnace with the records TEMP, TARGET, MODE and NOTE, served by caproto in this process; other
programs do not find it. caproto's own examples are servers for everybody, such as
`python -m caproto.ioc_examples.simple --list-pvs`.

```yaml
devices:
  furnace:
    driver: epics
    addresses: [sim://epics]
    channels:
      temperature: {record: TEMP}
      target: {record: TARGET, writable: true}
      mode: {record: MODE, type: text, writable: true}
```

## Manual

EPICS, "Channel Access Reference Manual", docs.epics-controls.org. Tested with a server by
caproto; not yet with one of EPICS Base.
"""

from __future__ import annotations

import math
import time
from typing import TYPE_CHECKING, Annotated, Any, Final, Literal

from pydantic import Field

from labmon.device import (
    Driver,
    InstrumentError,
    Limits,
    OfflineError,
    Parameter,
    Quality,
    Timed,
    Value,
)
from labmon.errors import BadRequestError, OutOfLimitsError
from labmon_drivers._channels import ChannelSettings
from labmon_drivers.protocols.channel_access import (
    Facts,
    Records,
    Update,
    parse_address,
    text,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

    from labmon.device import Channel, Polled
    from labmon_drivers.simulators.epics_ioc import EpicsIoc

SIMULATOR: Final = "sim://epics"
LISTEN_S: Final = 0.5
INVALID: Final = 3
OLDEST_NS: Final = 60_000_000_000
"""A record's own time is used where it lies so near to ours; else its clock is not set."""
KINDS: Final[dict[str, Any]] = {"number": float, "boolean": bool, "text": str}


class RecordChannel(ChannelSettings):
    """A record, or one element of its array."""

    record: str = Field(min_length=1, description="Its name, after the prefix.")
    type: Literal["number", "boolean", "text"] = Field(
        default="number", description="text: words of an enumeration, or a string."
    )
    element: Annotated[int, Field(ge=0)] = Field(default=0, description="Of an array.")
    writable: bool = Field(default=False, description="Whether it can be set.")
    confirm: str = Field(default="", description="A question that the browser asks before.")

    @property
    def has_unit(self) -> bool:
        """Whether its unit is known without the record: from the configuration, or it has none."""
        return "unit" in self.model_fields_set or self.type != "number"

    def described(self, facts: Facts) -> Channel:
        """The channel; the configuration is right where the record says something else."""
        digits = facts.digits
        known: dict[str, Any] = {"kind": "nominal" if self.type == "text" else self.kind}
        if "unit" not in self.model_fields_set and self.type == "number":
            known["unit"] = facts.unit
        if "digits" not in self.model_fields_set and digits is not None and 0 <= digits <= 15:
            known["digits"] = digits
        return self.channel().described(**known)

    def reading(self, update: Update, words: tuple[str, ...]) -> Value:
        """What a record said; without a value where its alarm says that it has none."""
        if update.data is None:
            return Value(None, Quality.NO_SIGNAL)
        if update.severity >= INVALID:
            return Value(None, Quality.FAULT)
        quality = Quality.LIMIT if update.severity else Quality.OK
        try:
            raw = self._raw(update.data, words)
        except (IndexError, ValueError, TypeError):
            return Value(None, Quality.FAULT)
        if self.type == "text":
            return Value(raw, quality)
        value = self.value(raw)
        return Value(value.value, value.quality or quality)

    def _raw(self, data: Any, words: tuple[str, ...]) -> Any:
        if isinstance(data, bytes):
            return text(data) if self.type == "text" else float(text(data))
        element = data[self.element]
        if isinstance(element, bytes | str):
            return text(element) if self.type == "text" else float(text(element))
        if self.type != "text":
            return float(element)
        return words[int(element)] if words else text(bytes(int(each) & 0xFF for each in data))


class Epics(Driver):
    """Records of EPICS servers, over Channel Access.

    Args:
        channels: by name: `record`, `type`; unit and digits are the record's own where they are
            left out; `writable: true` where it can be set.
        prefix: before each record's name.
        addresses: where to search, HOST or HOST:PORT; else as the environment's
            EPICS_CA_ADDR_LIST says, else everywhere in the local network. `[sim://epics]` is a
            simulated furnace.
        repeat_s: a record that does not change is recorded again after so long.
        reply_timeout_s: for finding the records, and for each answer.
        model: what stands in the head of the card.
    """

    model = "EPICS"
    connect_timeout_s = 60.0

    def __init__(
        self,
        channels: dict[str, RecordChannel],
        prefix: str = "",
        addresses: list[str] | None = None,
        repeat_s: Annotated[float, Limits(0.1, 3600, unit="s")] = 10.0,
        reply_timeout_s: Annotated[float, Limits(0.1, 30, unit="s")] = 5.0,
        model: str = "",
    ) -> None:
        if not channels:
            raise ValueError("channels: name at least one record")
        self.simulated = addresses == [SIMULATOR]
        for address in addresses or [] if not self.simulated else []:
            parse_address(address)
        self.model = model or type(self).model
        self._described = channels
        self._prefix = prefix
        self._addresses = addresses or []
        self._repeat_s = repeat_s
        self._timeout_s = reply_timeout_s
        self._records: Records | None = None
        self._simulator: EpicsIoc | None = None
        self._is_aborted = False
        self._facts: dict[str, Facts] = {}
        self._last: dict[str, Value] = {}
        self._stamps_ns: dict[str, int] = {}
        self._by_record: dict[str, list[str]] = {}
        for name, channel in channels.items():
            self._by_record.setdefault(prefix + channel.record, []).append(name)
        self.channels = self._channels()
        self.parameters = {
            name: self._parameter(name, each) for name, each in channels.items() if each.writable
        }

    @property
    def records(self) -> Records:
        """The records.

        Raises:
            OfflineError: there is no connection.
        """
        if self._records is None:
            raise OfflineError("the records are not connected")
        return self._records

    def connect(self) -> None:
        """Find the records, ask what they are, and listen to them."""
        self.disconnect()
        self._is_aborted = False
        self._last = {}
        if self.simulated:
            from labmon_drivers.simulators.epics_ioc import (
                EpicsIoc,
            )  # caproto's server, else unused

            self._simulator = EpicsIoc(self._prefix).start()
            self._addresses = [self._simulator.address]
        records = Records(list(self._by_record), self._addresses, self._timeout_s)
        self._records = records
        self._facts = {name: records.facts(name) for name in records.connected}
        self.channels = self._channels()
        records.listen()

    def _channels(self) -> dict[str, Channel]:
        """Those whose unit is known: a history that began without one cannot go on with one."""
        found: dict[str, Channel] = {}
        for name, each in self._described.items():
            facts = self._facts.get(self._prefix + each.record)
            if facts is not None or each.has_unit:
                channel = each.described(facts or Facts())
                found[name] = channel.described(every_s=self._repeat_s)
        return found

    def disconnect(self) -> None:
        """Leave the records."""
        records, self._records = self._records, None
        if records is not None:
            records.close()
        simulator, self._simulator = self._simulator, None
        if simulator is not None:
            simulator.close()

    def abort(self) -> None:
        """End the stream; from another thread."""
        self._is_aborted = True
        if (records := self._records) is not None:
            records.wake()

    def stream(self) -> Iterator[Polled | None]:
        """Each change when the record says it; now and then all that did not change.

        Raises:
            OfflineError: no record is connected any more.
        """
        repeat_due_s = time.monotonic() + self._repeat_s
        while not self._is_aborted:
            for update in self.records.updates(min(LISTEN_S, self._repeat_s)):
                yield self._heard(update)
            if not self.records.connected:
                raise OfflineError(f"all records are lost: {', '.join(self._by_record)[:200]}")
            if time.monotonic() >= repeat_due_s:
                repeat_due_s = time.monotonic() + self._repeat_s
                yield dict(self._last) or None
            else:
                yield None

    def _heard(self, update: Update) -> Polled:
        names = self._by_record[update.record]
        if update.data is not None and update.record not in self._facts:  # found only now
            self._facts[update.record] = self.records.facts(update.record)
            if not self.channels.keys() >= set(names):
                raise OfflineError(f"{update.record} was found; connecting anew, to record it")
        words = self._facts.get(update.record, Facts()).words
        is_first = not any(name in self._last for name in names)  # it may be as old as the hills
        if is_first:
            self._stamps_ns[update.record] = update.stamp_ns
        readings = {name: self._described[name].reading(update, words) for name in names}
        if update.data is None:
            self._facts.pop(update.record, None)  # it may come back as another
            for name in names:
                self._last.pop(name, None)
            return Timed(update.arrival_ns, readings)
        self._last |= readings
        return Timed(update.arrival_ns if is_first else self._time_ns(update), readings)

    def _time_ns(self, update: Update) -> int:
        """The record's own time, if its clock is set and it is another than that before."""
        is_near = 0 <= update.arrival_ns - update.stamp_ns <= OLDEST_NS
        is_news = update.stamp_ns > self._stamps_ns.get(update.record, 0)
        self._stamps_ns[update.record] = update.stamp_ns
        return update.stamp_ns if is_near and is_news else update.arrival_ns

    def put(self, name: str, value: Any) -> None:
        """Set the record of a channel.

        Raises:
            OutOfLimitsError: the record does not take so much.
            BadRequestError: none of its words.
            InstrumentError: it refused.
        """
        channel = self._described[name]
        record = self._prefix + channel.record
        facts = self._facts.get(record, Facts())
        if channel.type == "text":
            if facts.words and value not in facts.words:
                raise BadRequestError(f"{value!r} is none of {', '.join(facts.words)}")
            self.records.put(record, facts.words.index(value) if facts.words else value)
            return
        raw = int(value) if channel.type == "boolean" else (value - channel.offset) / channel.scale
        low, high = facts.limits
        if low < high and not low <= raw <= high:
            raise OutOfLimitsError(f"{record} takes {low:g} to {high:g}, not {raw:g}")
        if not math.isfinite(raw):
            raise InstrumentError(f"{record}: {raw} is no value")
        self.records.put(record, raw)

    def _parameter(self, name: str, channel: RecordChannel) -> Parameter[Any]:
        def write(driver: Epics, value: Any) -> None:
            driver.put(name, value)

        return Parameter(
            unit=channel.unit,
            limits=channel.limits,
            channel=channel.channel(),
            confirm=channel.confirm,
            write=write,
            kind=KINDS[channel.type],
        )
