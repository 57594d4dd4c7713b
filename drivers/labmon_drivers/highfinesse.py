"""`highfinesse`: wavelength meters WS6, WS7, WS8 and their kin, by HighFinesse.

With or without a fibre switch, through the maker's library. The trap: the first two results after
the exposure was changed, or another input selected, are of the time before; they are dropped.
Others use the wavemeter too: labmon never stops the measurement, and leaves every setting as it
is that nobody asked it to change.

## Wiring

The wavemeter hangs on a USB port of a computer on which the maker's program runs. labmon talks to
that program through the maker's library, `wlmData.dll` on Windows and `libwlmData.so` on Linux
(x86-64), which comes with it.

- *labmon on the same computer*: nothing to set up; the library finds the program.
- *labmon on another computer*: install the maker's network version of the library there, and put
  the address of the wavemeter's computer into its `wlmData.ini`. The library looks for that file
  beside itself and in the folder from which labmon is started.

The library knows one receiver of events in a process: one labmon server has one wavemeter.

## Configuration

```yaml
devices:
  wavemeter:
    driver: highfinesse
    title: Wavemeter
    library: /usr/lib/libwlmData.so     # wlmData.dll is found by itself
    lasers:
      ch1: {label: Rb cooling}
      ch2: {label: Rb repump, auto_exposure: true}
      ch4: {label: Sr blue}
    inputs: [1, 2, 4]                   # else all that the instrument has
    power: true
    dac_ports: [1]
    dac_limits_mv: [0, 4000]
```

With `events: true` the time of a reading is that of the interferometer, from the wavemeter's own
stamp. The maker's library has events for the first 17 inputs; use `events: false` for more.

## Channels

No light is *no signal*, too little *under range*, too much *over range*; a pattern that cannot be
evaluated (several modes, a pulse too short) is a *fault*. An input that is not measured any more
gets one reading without a value. About 3500 is the full scale of an amplitude. `auto_exposure/ch1`
says `off`, `searching`, `good`, `no light`, `at limit` or `by the wavemeter`, `operation` says
`measuring`, `stopped` or `adjusting`.

An instrument with two cameras has `exposure2/ch1` and `amplitude2/ch1` too; `power`, `linewidth`
and `dac_ports` add channels of their names, `regulation`, `deviation/port1` (mV) and
`course/port1`.

## Commands

There is none that stops the measurement. `set_auto_exposure` with `on` keeps the brightest pixel at
40% to 60% of full scale, with `once` it searches and stops. Below 5% it takes the laser to be off,
and leaves the exposure alone.

`set_deviation_signal` is for a regulation of one's own: only within `dac_limits_mv`, and not
while the wavemeter itself regulates. The course of its own regulation may be moved at any time.

## Quirks

- Results lag behind the settings: the first two after the exposure was changed, or another input
  selected, were measured before. They are dropped, also where somebody else made the change. In
  switch mode the instrument itself sees to that, and nothing is dropped.
- Error -1 is *no signal* where something was asked, and *wavemeter missing* where something was
  set; the driver keeps the two tables apart.
- Other programs use the same wavemeter, the maker's own lock among them. When labmon connects,
  disconnects or ends, it changes no setting, stops no measurement and takes no input out of the
  switch. What a command changes, it changes for everybody.
- The course is written with a decimal comma, whatever the computer's language; labmon takes and
  gives points.
- A call of the library that hangs cannot be ended from outside: the device is then *stuck*, and
  goes on when the call returns.

## Without hardware

`sim://ws8`, `sim://ws7` and `sim://ws6` are libraries in Python with the same functions, and the
lasers of `simulated_wavemeter`; `sim://ws8?second` is another one of its kind.

```yaml
devices:
  wavemeter:
    driver: highfinesse
    library: sim://ws8
```

## Manual

HighFinesse, "Wavelength Meter", chapter on `wlmData.dll`, and the header `wlmData.h` beside it.
Tested against a library with the same functions, made for its tests; not yet with an instrument.
"""

from __future__ import annotations

import sys
import time
from typing import TYPE_CHECKING, Annotated, Any, Final

from labmon.device import (
    Driver,
    InstrumentError,
    Limits,
    OfflineError,
    Quality,
    Readings,
    Timed,
    Value,
)
from labmon.device.simulator import SCHEME
from labmon_drivers._event_times import EventTimes
from labmon_drivers._regulation import MAX_PORTS, Regulation
from labmon_drivers._wavemeter import (
    MAX_INPUTS,
    Input,
    InputSettings,
    Parts,
    channel_number,
    describe,
)
from labmon_drivers._wavemeter_commands import WavemeterCommands
from labmon_drivers.protocols import wlmdata
from labmon_drivers.protocols.wlmdata import Event, WlmLibrary

if TYPE_CHECKING:
    from collections.abc import Iterator

    from labmon.device import Channel, Polled

LIBRARY: Final = {"win32": "wlmData.dll", "darwin": "libwlmData.dylib"}.get(
    sys.platform, "libwlmData.so"
)
START_TIMEOUT_MS: Final = 10_000
LISTEN_S: Final = 0.5
INPUTS: Final = 8


class HighFinesse(WavemeterCommands):
    """A wavelength meter WS6, WS7 or WS8 by HighFinesse, with or without a fibre switch.

    Args:
        library: the maker's library: its file, or a name that the system finds. `sim://ws8` and
            `sim://ws6` are simulated ones.
        lasers: by channel (`ch1`, `ch2`, ...): `label`, and `auto_exposure: true` where labmon
            shall regulate the exposure.
        inputs: those that are reported, by number; all where it is left out.
        power: report the power at each input, in µW, where the instrument measures it.
        linewidth: report the linewidth at each input, in THz, where the instrument measures it.
        events: whether the wavemeter tells each result when it has it; else it is asked every
            `period_s`, and only the newest result is seen.
        start_server: start the maker's program on this machine where it does not run.
        start_measurement: start measuring after connecting where it does not measure.
        dac_ports: outputs whose voltage, and course of the regulation, are reported.
        dac_limits_mv: least and greatest voltage of an output that may be asked for; none may where
            it is left out.
        readbacks_s: how often exposures, switch, temperature and pressure are asked for.
    """

    model = "HighFinesse wavelength meter"
    connect_timeout_s = 20.0

    def __new__(cls, *_args: Any, events: bool = True, **_settings: Any) -> HighFinesse:
        """One that is asked is another class: it has `poll()` instead of `stream()`."""
        chosen: type[HighFinesse] = _Polled if cls is HighFinesse and not events else cls
        return object.__new__(chosen)

    def __init__(
        self,
        library: str = LIBRARY,
        lasers: dict[str, InputSettings] | None = None,
        inputs: list[int] | None = None,
        power: bool = False,
        linewidth: bool = False,
        events: bool = True,
        start_server: bool = False,
        start_measurement: bool = False,
        dac_ports: list[Annotated[int, Limits(1, MAX_PORTS)]] | None = None,
        dac_limits_mv: tuple[float, float] | None = None,
        readbacks_s: Annotated[float, Limits(0.1, 3600, unit="s")] = 1.0,
    ) -> None:
        del events  # it chose the class
        self._path = library
        self.simulated = library.startswith(SCHEME)
        self._regulation = Regulation(dac_ports or [], dac_limits_mv)
        self._described = {channel_number(name): each for name, each in (lasers or {}).items()}
        self._wanted = inputs
        self._parts = Parts(power=power, linewidth=linewidth)
        self._starts_server = start_server
        self._starts_measurement = start_measurement
        self._readbacks_s = readbacks_s
        self._readbacks_due_s = 0.0
        self._library: WlmLibrary | None = None
        self._is_aborted = False
        self._inputs: dict[int, Input] = {}
        self._active: set[int] = set()
        self._times = EventTimes()
        labels = self._labels(MAX_INPUTS if inputs else INPUTS)
        self.channels = self._describe(labels)

    @property
    def library(self) -> WlmLibrary:
        """The library while connected.

        Raises:
            OfflineError: it is not.
        """
        if self._library is None:
            raise OfflineError("the wavemeter is not connected")
        return self._library

    def connect(self) -> None:
        """Load the library, find the maker's program, learn what the instrument has."""
        self.disconnect()
        self._is_aborted = False
        library = wlmdata.load(self._path)
        if not library.owner.acquire(blocking=False):
            raise InstrumentError(f"another device uses {self._path} already")
        self._library = library
        if self._starts_server and not library.is_present():
            library.call.ControlWLMEx(wlmdata.SHOW | wlmdata.WAIT, None, 0, START_TIMEOUT_MS, 1)
        if not library.is_present():
            raise wlmdata.missing()
        self._learn(library)
        if self._starts_measurement and library.call.GetOperationState(0) == 0:
            self.start_measurement()
        self._times = EventTimes()
        self._readbacks_due_s = 0.0
        self._begin(library)

    def _begin(self, library: WlmLibrary) -> None:
        library.listen()

    def _end(self, library: WlmLibrary) -> None:
        library.stop_listening()

    def _learn(self, library: WlmLibrary) -> None:
        """Which inputs there are, and what each of them can say."""
        call = library.call
        labels = self._labels(max(1, call.GetChannelsCount(0)))
        if not labels:
            raise InstrumentError(f"the wavemeter has {call.GetChannelsCount(0)} inputs only")
        first = next(iter(labels))
        self._parts.learn(library, first)
        self.channels = self._describe(labels)
        ranges = [library.exposure_range(ccd) for ccd in self._parts.cameras]
        self._inputs = {}
        for number in labels:
            settings = self._described.get(number, InputSettings())
            each = self._inputs[number] = Input(library, number, ranges)
            if settings.auto_exposure:
                each.set_auto_exposure("on")
        self._active = set()

    def _describe(self, labels: dict[int, str]) -> dict[str, Channel]:
        outputs = self._regulation.channels()
        return describe(labels, self._parts, self._readbacks_s) | {
            name: each.described(every_s=self._readbacks_s) for name, each in outputs.items()
        }

    def _labels(self, count: int) -> dict[int, str]:
        numbers = range(1, count + 1) if self._wanted is None else self._wanted
        return {
            number: self._described.get(number, InputSettings()).label
            for number in numbers
            if 1 <= number <= count
        }

    def identify(self) -> str:
        """Type and version, from the instrument."""
        kind, number, revision, build = (self.library.call.GetWLMVersion(i) for i in range(4))
        name = "LSA" if kind == wlmdata.SPECTRUM_ANALYSER else f"WS{kind}"
        return f"HighFinesse {name} {number}, version {revision}.{build}"

    def disconnect(self) -> None:
        """Let the library go; the wavemeter goes on measuring."""
        library, self._library = self._library, None
        if library is not None:
            try:
                self._end(library)
            finally:
                library.owner.release()

    def abort(self) -> None:
        """End the stream; a call of the library itself cannot be ended."""
        self._is_aborted = True
        if (library := self._library) is not None:
            library.wake()

    def stream(self) -> Iterator[Polled | None]:
        """Each result when the wavemeter has it, with its time; now and then the readbacks."""
        while not self._is_aborted:
            for event in self.library.events(min(LISTEN_S, self._readbacks_s)):
                heard = self._heard(event)
                if heard is not None:
                    yield heard
            yield self._readbacks_if_due() or None

    def _heard(self, event: Event) -> Timed | None:
        """What an event says; an exposure or input that somebody else changed is looked at."""
        if (number := wlmdata.RESULT_EVENTS.get(event.mode)) is not None:
            value = wlmdata.wavelength_result(event.value)
            readings = self._result(number, value, event.arrival_s)
            time_ns = self._times.at(event.stamp_ms, event.arrival_ns)
            return Timed(time_ns, readings) if readings else None
        if event.mode in wlmdata.ENVIRONMENT_EVENTS:
            name = wlmdata.ENVIRONMENT_EVENTS[event.mode]
            value = wlmdata.environment(event.value)
            known = value is not None and name in self.channels
            return Timed(event.arrival_ns, {name: value}) if known else None
        if (number := wlmdata.EXPOSURE_EVENTS.get(event.mode)) in self._inputs:
            self._inputs[number].look_at_exposures(event.arrival_s)
        elif event.mode == wlmdata.SELECTED_EVENT:
            self._look_at_switch(event.arrival_s)
        if event.mode in wlmdata.SETTING_EVENTS:
            self._readbacks_due_s = 0.0
        return None

    def _result(self, number: int, value: Value | None, arrival_s: float) -> dict[str, Any]:
        """The readings that belong to a result of an input; empty where it is not to be used."""
        each = self._inputs.get(number)
        if each is None or value is None or each.drops_stale(arrival_s):
            return {}
        readings: dict[str, Any] = {f"ch{number}": value}
        if value.value is not None:
            readings |= each.beside(self._parts)
        if each.regulate(value.quality == Quality.OVER_RANGE):
            self._readbacks_due_s = 0.0
        return readings

    def _readbacks_if_due(self) -> dict[str, Any]:
        """Everything beside the results, if it is time.

        Raises:
            OfflineError: the maker's program is gone.
        """
        now_s = time.monotonic()
        if now_s < self._readbacks_due_s:
            return {}
        self._readbacks_due_s = now_s + self._readbacks_s
        if not self.library.is_present():
            raise wlmdata.missing()
        readings = self._parts.readbacks(self.library)
        readings |= self._look_at_switch()
        readings |= self._regulation.readbacks(self.library)
        for each in self._inputs.values():
            readings |= each.readbacks()
        return {name: value for name, value in readings.items() if name in self.channels}

    def _look_at_switch(self, changed_s: float | None = None) -> dict[str, Any]:
        """Which inputs are measured; one that no more is gets no value, lest its last looks new."""
        library, parts = self.library, self._parts
        readings: dict[str, Any] = {}
        if parts.has_switch and library.call.GetSwitcherMode(0) == 1:
            used = {number for number in self._inputs if library.switch_state(number)}
        else:
            selected = library.call.GetSwitcherChannel(0) if parts.has_switch else 1
            used = {selected} & set(self._inputs)
            for number in used - self._active if self._active else ():
                self._inputs[number].expect_stale(changed_s)
        readings |= {f"switcher/ch{number}": float(number in used) for number in self._inputs}
        if library.call.GetOperationState(0) != wlmdata.MEASURING:
            used = set()
        readings |= {f"ch{n}": Value(None, Quality.NO_SIGNAL) for n in self._active - used}
        self._active = used
        return readings


class _Polled(HighFinesse):
    """A wavemeter that is asked for its newest results."""

    stream = Driver.stream

    def _begin(self, library: WlmLibrary) -> None:
        """A result that was read already is not given again: nothing is counted twice."""
        library.call.Instantiate(wlmdata.RETURN_MODE, 1, None, 0)

    def _end(self, library: WlmLibrary) -> None:
        library.call.Instantiate(wlmdata.RETURN_MODE, 0, None, 0)

    def poll(self) -> Readings:
        """The newest result of each input that is measured; one without a new one is left out."""
        readings = self._readbacks_if_due()
        for number in sorted(self._active):
            raw = self.library.call.GetFrequencyNum(number, 0.0)
            readings |= self._result(number, wlmdata.result(raw), time.monotonic())
        return readings
