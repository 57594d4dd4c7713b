"""`library: sim://ws8`: HighFinesse's library without the instrument; functions as `wlmData.h` has.

The lasers are those of `simulated_wavemeter`. The trap, as with the real one: the first two results
after a change of exposure or input are of the time before, and events come on a thread of its own.
"""

from __future__ import annotations

import math
import random
import threading
import time
from collections import deque
from typing import Any, Final

from labmon.device import OfflineError
from labmon_drivers.protocols import wlmdata
from labmon_drivers.protocols.wlmdata import callback_at
from labmon_drivers.simulated_wavemeter import LASERS

KINDS: Final = {"ws6": (6, 1), "ws7": (7, 8), "ws8": (8, 8)}
"""Type and number of inputs."""
DEAD_MS: Final = 12
IDLE_S: Final = 0.1
WATCHED_S: Final = 2.0
"""After the last question it goes on to measure for so long."""
LIGHT: Final = 350.0
"""Amplitude for each ms of exposure."""
LEAST_MS, MOST_MS = 1, 999
LATE_RESULTS: Final = 2
UNKNOWN, OUT_OF_RANGE, NO_CHANNEL, ONLY_SELECTED, ONLY_SWITCHING = -6, -3, -10, -24, -25
MEASURING: Final = 2
RESULT_MODES: Final = {number: mode for mode, number in wlmdata.RESULT_EVENTS.items()}
CAMERA_1_MODES: Final = (7, *range(125, 132))


def simulated_library(name: str) -> SimulatedLibrary:
    """The library of `sim://NAME`; what follows `?` tells one instrument from another.

    Raises:
        OfflineError: there is no such instrument.
    """
    kind = name.partition("?")[0].lower()
    if kind not in KINDS:
        raise OfflineError(
            f"there is no simulated wavemeter {kind!r}; there are {', '.join(KINDS)}"
        )
    return SimulatedLibrary(*KINDS[kind])


class SimulatedLibrary:
    """A wavemeter of a type with so many inputs; one camera, a switch where there are several."""

    def __init__(self, kind: int, inputs: int) -> None:
        self._kind = kind
        self._inputs = inputs
        self._random = random.Random(1)
        self._operation = MEASURING
        self._is_switching = inputs > 1
        self._selected = 1
        self._used = {number: number <= 8 for number in range(1, inputs + 1)}
        self._exposures_ms = dict.fromkeys(self._used, 5)
        self._automatic = dict.fromkeys(self._used, False)
        self._past_ms = {number: _past(5) for number in self._used}
        self._past_selected = _past(1)
        self._results: dict[int, float] = {}
        self._amplitudes: dict[int, int] = {}
        self._gives_once = False
        self._is_regulating = False
        self._signals_mv: dict[int, float] = {}
        self._courses: dict[int, bytes] = {}
        self._pids: dict[tuple[int, int], float] = {}
        self._callback: Any = None
        self._changed = threading.Condition()
        self._asked_s = 0.0
        self._thread = threading.Thread(target=self._run, name="wavemeter", daemon=True)
        self._thread.start()

    def _run(self) -> None:
        """Measure, as long as somebody looks."""
        while True:
            with self._changed:
                is_watched = self._callback or time.monotonic() - self._asked_s < WATCHED_S
                if not is_watched or self._operation != MEASURING:
                    self._changed.wait(1.0)
                    continue
            self._measure()

    def _measure(self) -> None:
        """One cycle."""
        used = [number for number, is_used in self._used.items() if is_used]
        measured = used if self._is_switching else [self._selected]
        if not measured:
            with self._changed:
                self._changed.wait(IDLE_S)
        for number in measured:
            with self._changed:  # a change comes before this result, or after it
                self._changed.wait((self._exposures_ms[number] + DEAD_MS) / 1000)
                self._take(number)
        self._say(14, 0, self.GetTemperature(0.0))

    def _take(self, number: int) -> None:
        """The result of an input, with the settings of two results before."""
        self._past_ms[number].append(self._exposures_ms[number])
        self._past_selected.append(self._selected)
        source = number if self._is_switching else self._past_selected[0]
        self._results[number] = thz = self._result(number, source)
        wavelength_nm = wlmdata.LIGHT_NM_THZ / thz if thz > 0 else thz
        self._say(RESULT_MODES[number], int(time.monotonic() * 1000), wavelength_nm)

    def _result(self, number: int, source: int) -> float:
        laser, exposure_ms = LASERS[source - 1], self._past_ms[number][0]
        amplitude = LIGHT * exposure_ms if laser.has_light else 0.0
        self._amplitudes[number] = min(4095, round(amplitude))
        if not laser.has_light:
            return -1.0
        if amplitude > wlmdata.FULL_SCALE:
            return -4.0
        off_mhz = laser.off_mhz(time.time(), source) + self._random.gauss(0, laser.noise_mhz)
        return laser.frequency_thz + off_mhz * 1e-6

    def _say(self, mode: int, whole: int, value: float) -> None:
        callback = self._callback
        if callback is not None:
            callback(self._kind, mode, whole, value, 0)

    def Instantiate(self, reason: int, mode: int, pointer: Any, _priority: int) -> int:  # noqa: N802
        """Presence, return mode, callbacks."""
        if reason == wlmdata.RETURN_MODE:
            self._gives_once = mode == 1
        if reason == wlmdata.NOTIFICATION:
            callback = callback_at(pointer) if mode == wlmdata.INSTALL_CALLBACK else None
            with self._changed:
                self._callback = callback
                self._changed.notify_all()
        return 1

    def ControlWLMEx(self, *_arguments: Any) -> int:  # noqa: N802
        """It runs already."""
        return 1

    def GetWLMVersion(self, which: int) -> int:  # noqa: N802
        """Type, number, revision, build."""
        return (self._kind, 4711, 6, 1234)[which]

    def GetChannelsCount(self, _zero: int) -> int:  # noqa: N802
        """How many inputs it has."""
        return self._inputs

    def GetOperationState(self, _zero: int) -> int:  # noqa: N802
        """Whether it measures."""
        return self._operation

    def Operation(self, operation: int) -> int:  # noqa: N802
        """Start or stop."""
        with self._changed:
            self._operation = operation
            self._changed.notify_all()
        return 0

    def GetFrequencyNum(self, number: int, _zero: float) -> float:  # noqa: N802
        """The newest result in THz, or an error."""
        with self._changed:
            before_s, self._asked_s = self._asked_s, time.monotonic()
            if self._asked_s - before_s > WATCHED_S:
                self._changed.notify_all()
        if number not in self._used:
            return float(NO_CHANNEL)
        return (
            self._results.pop(number, 0.0) if self._gives_once else self._results.get(number, 0.0)
        )

    def GetPowerNum(self, number: int, _zero: float) -> float:  # noqa: N802
        """In µW."""
        return 35.0 if LASERS[number - 1].has_light else -1.0

    def GetLinewidthNum(self, _number: int, _zero: float) -> float:  # noqa: N802
        """Not measured."""
        return float(UNKNOWN)

    def GetTemperature(self, _zero: float) -> float:  # noqa: N802
        """In °C."""
        return round(23.5 + 0.2 * math.sin(time.time() / 600), 2)

    def GetPressure(self, _zero: float) -> float:  # noqa: N802
        """In mbar; the small one does not measure it."""
        return 967.5 if self._inputs > 1 else -1006.0

    def GetAmplitudeNum(self, number: int, index: int, _zero: int) -> int:  # noqa: N802
        """Brightest pixel."""
        return self._amplitudes.get(number, 0) if index == wlmdata.MAX_1 else UNKNOWN

    def GetExposureNum(self, number: int, camera: int, _zero: int) -> int:  # noqa: N802
        """In ms."""
        return self._exposures_ms.get(number, NO_CHANNEL) if camera == 1 else UNKNOWN

    def SetExposureNum(self, number: int, camera: int, milliseconds: int) -> int:  # noqa: N802
        """In ms."""
        if number not in self._used or camera != 1:
            return NO_CHANNEL
        if not LEAST_MS <= milliseconds <= MOST_MS:
            return OUT_OF_RANGE
        with self._changed:
            self._exposures_ms[number] = milliseconds
        self._say(CAMERA_1_MODES[number - 1], milliseconds, float(milliseconds))
        return 0

    def GetExposureRange(self, which: int) -> int:  # noqa: N802
        """Least and most in ms."""
        return (LEAST_MS, MOST_MS)[which % 2]

    def GetExposureModeNum(self, number: int, _zero: bool) -> int:  # noqa: N802
        """Whether it regulates the exposure itself."""
        return int(self._automatic.get(number, False))

    def SetExposureModeNum(self, number: int, active: bool) -> int:  # noqa: N802
        """Let it."""
        self._automatic[number] = active
        return 0

    def GetSwitcherMode(self, _zero: int) -> int:  # noqa: N802
        """Whether it goes from input to input."""
        return int(self._is_switching) if self._inputs > 1 else UNKNOWN

    def SetSwitcherMode(self, active: int) -> int:  # noqa: N802
        """Let it."""
        if self._inputs == 1:
            return UNKNOWN
        self._is_switching = bool(active)
        return 0

    def GetSwitcherChannel(self, _zero: int) -> int:  # noqa: N802
        """Which input is selected."""
        return self._selected

    def SetSwitcherChannel(self, number: int) -> int:  # noqa: N802
        """Select one."""
        if self._is_switching:
            return ONLY_SELECTED
        if number not in self._used:
            return NO_CHANNEL
        with self._changed:
            self._selected = number
        self._say(wlmdata.SELECTED_EVENT, number, 0.0)
        return 0

    def GetSwitcherSignalStates(self, number: int, used: Any, shown: Any) -> int:  # noqa: N802
        """Whether an input is measured."""
        if self._inputs == 1:
            return UNKNOWN
        used._obj.value = shown._obj.value = int(self._used.get(number, False))  # noqa: SLF001
        return 0

    def SetSwitcherSignalStates(self, number: int, used: int, _shown: int) -> int:  # noqa: N802
        """Measure it, or not."""
        if not self._is_switching:
            return ONLY_SWITCHING
        if number not in self._used:
            return NO_CHANNEL
        self._used[number] = bool(used)
        return 0

    def GetDeviationMode(self, _zero: bool) -> int:  # noqa: N802
        """Whether it regulates lasers."""
        return int(self._is_regulating)

    def SetDeviationMode(self, active: bool) -> int:  # noqa: N802
        """Let it."""
        self._is_regulating = active
        return 0

    def GetDeviationSignalNum(self, port: int, _zero: float) -> float:  # noqa: N802
        """In mV."""
        return self._signals_mv.get(port, 0.0)

    def SetDeviationSignalNum(self, port: int, millivolts: float) -> int:  # noqa: N802
        """In mV."""
        self._signals_mv[port] = millivolts
        return 0

    def GetPIDSetting(self, setting: int, port: int, whole: Any, value: Any) -> int:  # noqa: N802
        """1 where it succeeds."""
        whole._obj.value = 0  # noqa: SLF001
        value._obj.value = self._pids.get((port, setting), 1.0)  # noqa: SLF001
        return 1

    def SetPIDSetting(self, setting: int, port: int, _whole: int, value: float) -> int:  # noqa: N802
        """A gain or time constant."""
        self._pids[port, setting] = value
        return 0

    def GetPIDCourseNum(self, port: int, text: Any) -> int:  # noqa: N802
        """With a decimal comma, and `= ` before it."""
        text.value = b"= " + self._courses.get(port, b"0")
        return 0

    def SetPIDCourseNum(self, port: int, text: Any) -> int:  # noqa: N802
        """With a decimal comma."""
        self._courses[port] = text.value
        return 0


def _past(value: int) -> deque[int]:
    """What a setting was at the last measurements; the oldest is what the next result shows."""
    return deque([value] * (LATE_RESULTS + 1), maxlen=LATE_RESULTS + 1)
