"""HighFinesse's `wlmData.dll` / `libwlmData.so`: functions with their C types, events, error codes.

Manual: HighFinesse "Wavelength Meter WS/6, WS/7, WS/8", chapter "wlmData.dll", and the maker's
`wlmData.h`. The trap: two tables of errors overlap; -1 is *no signal* where something was asked,
and *wavemeter missing* where something was set.
"""

from __future__ import annotations

import ctypes
import sys
import threading
import time
from collections import deque
from functools import lru_cache
from typing import Any, Final, NamedTuple

from labmon.device import InstrumentError, OfflineError, Quality, Value
from labmon.device.simulator import SCHEME

IS_WINDOWS: Final = sys.platform == "win32"
LIGHT_NM_THZ: Final = 299_792.458
"""Wavelength in vacuum in nm times frequency in THz."""
FULL_SCALE: Final = 3500.0
"""Amplitude at which the camera is nearly saturated."""
MAX_EVENTS: Final = 10_000

CHECK_PRESENT, RETURN_MODE, NOTIFICATION = -1, 0, 1
INSTALL_CALLBACK, REMOVE_CALLBACK = 4, 1
SHOW, WAIT = 1, 0x10
START_MEASUREMENT: Final = 2
MEASURING: Final = 2
SPECTRUM_ANALYSER: Final = 5
OPERATIONS: Final = {0: "stopped", 1: "adjusting", 2: "measuring"}
MAX_1, MAX_2 = 2, 3

RESULT_EVENTS: Final = {
    42: 1,
    43: 2,
    **{90 + i: 3 + i for i in range(6)},
    1130: 9,
    **{1355 + i: 10 + i for i in range(8)},
}
"""Mode of the event to input: a wavelength was measured."""
EXPOSURE_EVENTS: Final = {
    7: 1,
    8: 1,
    **{125 + i: 2 + i for i in range(7)},
    **{132 + i: 2 + i for i in range(7)},
    1155: 9,
    1180: 9,
}
ENVIRONMENT_EVENTS: Final = {14: "temperature", 1465: "pressure"}
SELECTED_EVENT: Final = 203
SETTING_EVENTS: Final = frozenset({6, 16, 123, 124, *EXPOSURE_EVENTS})
"""Exposure modes, start and stop, what is switched, switch mode, exposures."""

MISSING: Final = -5.0
NOTHING_NEW: Final = frozenset({0.0, -7.0})
NOT_AVAILABLE: Final = frozenset({-6, -10})
RESULT_QUALITIES: Final = {
    -1.0: Quality.NO_SIGNAL,
    -3.0: Quality.UNDER_RANGE,
    -4.0: Quality.OVER_RANGE,
    -8.0: Quality.NO_SIGNAL,  # no pulse
}
ENVIRONMENT_BASE: Final = -1000.0
"""From here down temperature and pressure are errors: -1005 wavemeter missing."""
REFUSALS: Final = {
    -2: "could not set it",
    -3: "the value is out of range",
    -4: "out of resources",
    -5: "internal error",
    -6: "not available with this instrument",
    -7: "busy",
    -8: "not while it measures",
    -9: "only while it measures",
    -10: "there is no such channel",
    -11: "not available at the moment",
    -12: "this calibration is not available",
    -13: "wavelength out of range for a calibration",
    -14: "bad signal for a calibration",
    -15: "this unit is not available",
    -16: "file not found",
    -17: "the file cannot be made",
    -18: "a trigger is pending",
    -19: "waiting for a trigger",
    -20: "no permission",
    -21: "the network's password is wrong",
    -22: "not in pulse mode",
    -23: "only in pulse mode",
    -24: "not in switch mode",
    -25: "only in switch mode",
    -26: "the network failed",
}

# `long` is 32 bits wide on Windows and in the maker's present header, and was 64 bits wide in older
# libraries for Linux. Integers go and come in registers, whose lower half is right in both cases;
# what the library writes through pointers gets room for 64 bits, and the lower half is read.
LONG: Final = ctypes.c_int32
OUT: Final = ctypes.c_void_p
DOUBLE, WORD = ctypes.c_double, ctypes.c_uint16
FUNCTIONS: Final[dict[str, tuple[Any, tuple[Any, ...]]]] = {
    "Instantiate": (LONG, (LONG, LONG, ctypes.c_void_p, LONG)),
    "ControlWLMEx": (LONG, (LONG, ctypes.c_void_p, LONG, LONG, LONG)),
    "GetWLMVersion": (LONG, (LONG,)),
    "GetChannelsCount": (LONG, (LONG,)),
    "GetOperationState": (WORD, (WORD,)),
    "Operation": (LONG, (WORD,)),
    "GetFrequencyNum": (DOUBLE, (LONG, DOUBLE)),
    "GetPowerNum": (DOUBLE, (LONG, DOUBLE)),
    "GetLinewidthNum": (DOUBLE, (LONG, DOUBLE)),
    "GetTemperature": (DOUBLE, (DOUBLE,)),
    "GetPressure": (DOUBLE, (DOUBLE,)),
    "GetAmplitudeNum": (LONG, (LONG, LONG, LONG)),
    "GetExposureNum": (LONG, (LONG, LONG, LONG)),
    "SetExposureNum": (LONG, (LONG, LONG, LONG)),
    "GetExposureRange": (LONG, (LONG,)),
    "GetExposureModeNum": (ctypes.c_uint8, (LONG, ctypes.c_bool)),
    "SetExposureModeNum": (LONG, (LONG, ctypes.c_bool)),
    "GetSwitcherMode": (LONG, (LONG,)),
    "SetSwitcherMode": (LONG, (LONG,)),
    "GetSwitcherChannel": (LONG, (LONG,)),
    "SetSwitcherChannel": (LONG, (LONG,)),
    "GetSwitcherSignalStates": (LONG, (LONG, OUT, OUT)),
    "SetSwitcherSignalStates": (LONG, (LONG, LONG, LONG)),
}
OPTIONAL_FUNCTIONS: Final[dict[str, tuple[Any, tuple[Any, ...]]]] = {
    "GetDeviationMode": (ctypes.c_uint8, (ctypes.c_bool,)),
    "SetDeviationMode": (LONG, (ctypes.c_bool,)),
    "GetDeviationSignalNum": (DOUBLE, (LONG, DOUBLE)),
    "SetDeviationSignalNum": (LONG, (LONG, DOUBLE)),
    "GetPIDSetting": (LONG, (LONG, LONG, OUT, OUT)),
    "SetPIDSetting": (LONG, (LONG, LONG, LONG, DOUBLE)),
    "GetPIDCourseNum": (LONG, (LONG, ctypes.c_char_p)),
    "SetPIDCourseNum": (LONG, (LONG, ctypes.c_char_p)),
}
"""Of instruments with outputs for a regulation."""
_FUNCTION_TYPE: Final[Any] = getattr(ctypes, "WINFUNCTYPE", ctypes.CFUNCTYPE)
_CALLBACK: Final[Any] = _FUNCTION_TYPE(None, LONG, LONG, LONG, DOUBLE, LONG)


class Event(NamedTuple):
    """What the library said by itself.

    Attributes:
        arrival_ns: when it was heard, by this machine's clock.
        arrival_s: the same by its monotonic clock.
        mode: what it is about.
        stamp_ms: for measured values when, by the wavemeter's clock; for others the value.
        value: the measured value, or an error of a `Get...` function.
        extra: for a switch of the input its time.
    """

    arrival_ns: int
    arrival_s: float
    mode: int
    stamp_ms: int
    value: float
    extra: int


class WlmLibrary:
    """The maker's library, loaded once for the process; its functions by their names in `call`.

    Everything but `_happened` runs on a device's thread. `_happened` runs on a thread of the
    library, one call at a time: it copies and returns.

    Args:
        path: file, or a name that the system's loader finds; `sim://ws8`: a simulated one.

    Raises:
        OfflineError: it cannot be loaded, or is another library.
    """

    def __init__(self, path: str) -> None:
        try:
            self.call: Any = _loaded(path)
        except OSError as error:
            raise OfflineError(
                f"cannot load {path}: {error}; it comes with the wavemeter's software"
            ) from None
        except AttributeError as error:
            raise OfflineError(f"{path} is no wlmData library: {error}") from None
        self.path = path
        self.owner = threading.Lock()
        """Held by the device that uses it: events go to one receiver."""
        self._events: deque[Event] = deque(maxlen=MAX_EVENTS)
        self._news = threading.Event()
        # never released: a call may be under way when the callback is removed
        self._callback = _CALLBACK(self._happened)

    def is_present(self) -> bool:
        """Whether the wavemeter's own program runs, here or at the other end of the network."""
        is_there = self.call.Instantiate(CHECK_PRESENT, 0, None, 0) != 0
        return is_there and self.call.GetWLMVersion(0) > 0

    def listen(self) -> None:
        """Collect events from now on.

        Raises:
            InstrumentError: the library refuses.
        """
        self._events.clear()
        pointer = ctypes.cast(self._callback, ctypes.c_void_p)
        if self.call.Instantiate(NOTIFICATION, INSTALL_CALLBACK, pointer, 0) == 0:
            raise InstrumentError("the library takes no callback; use `events: false`")

    def stop_listening(self) -> None:
        """Collect no more events."""
        self.call.Instantiate(NOTIFICATION, REMOVE_CALLBACK, None, 0)
        self._events.clear()

    def events(self, timeout_s: float) -> list[Event]:
        """What happened; waits for the first."""
        if not self._events:
            self._news.wait(timeout_s)
        self._news.clear()
        return [self._events.popleft() for _ in range(len(self._events))]

    def wake(self) -> None:
        """Let `events()` return now; from any thread."""
        self._news.set()

    def switch_state(self, number: int) -> bool | None:
        """Whether an input is measured in switch mode; None where there is no switch."""
        used, shown = ctypes.c_int64(0), ctypes.c_int64(0)
        code = self.call.GetSwitcherSignalStates(number, ctypes.byref(used), ctypes.byref(shown))
        return None if code < 0 else bool(ctypes.c_int32(used.value).value)

    def exposure_range(self, ccd: int) -> tuple[int, int]:
        """Least and greatest exposure of a camera in ms."""
        least, most = (self.call.GetExposureRange(2 * (ccd - 1) + i) for i in range(2))
        return (max(0, least), most) if most > 0 else (1, 9999)

    def _happened(self, _version: int, mode: int, whole: int, value: float, extra: int) -> None:
        self._events.append(Event(time.time_ns(), time.monotonic(), mode, whole, value, extra))
        self._news.set()


def callback_at(pointer: Any) -> Any:
    """The function behind a pointer that `Instantiate` was given."""
    return _CALLBACK(pointer.value)


def _loaded(path: str) -> Any:
    """The library's functions with their types."""
    if path.startswith(SCHEME):
        from labmon_drivers.simulators.wlmdata import simulated_library

        return simulated_library(path.removeprefix(SCHEME))
    library = getattr(ctypes, "WinDLL", ctypes.CDLL)(path)
    there = {name: types for name, types in OPTIONAL_FUNCTIONS.items() if hasattr(library, name)}
    for name, (result, arguments) in {**FUNCTIONS, **there}.items():
        function = getattr(library, name)
        function.restype, function.argtypes = result, arguments
    return library


@lru_cache(maxsize=8)
def load(path: str) -> WlmLibrary:
    """The library; the same object for the same path.

    Raises:
        OfflineError: it cannot be loaded.
    """
    return WlmLibrary(path)


def result(raw: float) -> Value | None:
    """What a `Get...Num` function with a double returned; None: nothing new since last asked.

    Raises:
        OfflineError: the wavemeter is missing.
    """
    if raw > 0:
        return Value(raw)
    if raw == MISSING:
        raise missing()
    if raw in NOTHING_NEW:
        return None
    return Value(None, RESULT_QUALITIES.get(raw, Quality.FAULT))


def wavelength_result(raw_nm: float) -> Value | None:
    """The frequency in THz of an event with a wavelength in vacuum, or with an error code.

    Raises:
        OfflineError: the wavemeter is missing.
    """
    return Value(LIGHT_NM_THZ / raw_nm) if raw_nm > 0 else result(raw_nm)


def environment(raw: float) -> Value | None:
    """Temperature or pressure; None where the instrument does not measure it.

    Raises:
        OfflineError: the wavemeter is missing.
    """
    if raw > ENVIRONMENT_BASE:
        return Value(raw)
    code = round(raw - ENVIRONMENT_BASE)
    if code == MISSING:
        raise missing()
    if code in NOT_AVAILABLE:
        return None
    return Value(None, Quality.NO_SIGNAL)


def whole(raw: int) -> int | None:
    """What a `Get...` function with a long returned; None where there is no such thing.

    Raises:
        OfflineError: the wavemeter is missing.
    """
    if raw == MISSING:
        raise missing()
    return raw if raw >= 0 else None


def check(code: int, what: str) -> None:
    """What a `Set...` function returned.

    Raises:
        OfflineError: the wavemeter is missing.
        InstrumentError: it refused.
    """
    if code == -1:
        raise missing()
    if code < 0:
        raise InstrumentError(f"{what}: {REFUSALS.get(code, f'refused with {code}')}")


def missing() -> OfflineError:
    """Nobody answers the library."""
    return OfflineError("the wavemeter's program is not running, or cannot be reached")
