"""The outputs of a wavemeter: its own regulation of lasers (PID), and their voltages.

Manual: HighFinesse, "Laser Control". The trap: the course is text with a decimal comma, whatever
the language of the computer, and may be read back with `= ` before it.
"""

from __future__ import annotations

import ctypes
import re
from typing import TYPE_CHECKING, Any, Final

from labmon.device import Channel, InstrumentError
from labmon.errors import BadRequestError, OutOfLimitsError
from labmon_drivers.protocols import wlmdata

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from labmon_drivers.protocols.wlmdata import WlmLibrary

MAX_PORTS: Final = 8
COURSE_BYTES: Final = 1024
PID: Final = {"p": 1034, "i": 1035, "d": 1036, "t": 1033, "dt": 1060}
_POINT: Final = re.compile(r"(?<=\d)\.(?=\d)")
_COMMA: Final = re.compile(r"(?<=\d),(?=\d)")


class Regulation:
    """What the outputs do; without ports it says nothing and costs nothing.

    Args:
        ports: whose voltage and course are reported.
        limits_mv: least and greatest voltage that may be asked for; None: none may.
    """

    def __init__(self, ports: Sequence[int], limits_mv: tuple[float, float] | None) -> None:
        self._ports = ports
        self._limits_mv = limits_mv

    def channels(self) -> dict[str, Channel]:
        """Whether it regulates, and what each port does."""
        if not self._ports:
            return {}
        channels = {
            "regulation": Channel(
                "", "whether the wavemeter regulates lasers itself", "Regulation", 0, tile=False
            )
        }
        for n in self._ports:
            channels[f"deviation/port{n}"] = Channel(
                "mV", f"voltage at output {n}", f"Output {n}", 2, tile=False
            )
            channels[f"course/port{n}"] = Channel(
                description=f"what output {n} is regulated to",
                label=f"Course {n}",
                kind="nominal",
                tile=False,
            )
        return channels

    def readbacks(self, library: WlmLibrary) -> dict[str, Any]:
        """Those channels now."""
        if not self._ports:
            return {}
        readings: dict[str, Any] = {"regulation": float(is_on(library))}
        for n in self._ports:
            readings[f"deviation/port{n}"] = _signal(library, n)
            readings[f"course/port{n}"] = _course(library, n)
        return readings

    def switch(self, library: WlmLibrary, active: bool) -> bool:
        """Let it regulate, or not; returns whether it does.

        Raises:
            InstrumentError: it refused.
        """
        wlmdata.check(_function(library, "SetDeviationMode")(active), "the regulation")
        return is_on(library)

    def set_course(self, library: WlmLibrary, port: int, course: str) -> str:
        """Set what a port is regulated to; returns it as read back.

        Raises:
            BadRequestError: it is no text in one line of ASCII.
            InstrumentError: it refused.
        """
        text = _POINT.sub(",", course.strip().removeprefix("=").strip())
        if not text or not text.isascii() or not text.isprintable():
            raise BadRequestError("course: a number or an expression, in one line")
        buffer = ctypes.create_string_buffer(text.encode("ascii"), COURSE_BYTES)
        code = _function(library, "SetPIDCourseNum")(port, buffer)
        wlmdata.check(code, f"the course of port {port}")
        return _course(library, port)

    def pid(self, library: WlmLibrary, port: int) -> dict[str, float]:
        """How a port regulates: `p`, `i`, `d`, and the time constants `t` and `dt`.

        Raises:
            InstrumentError: it does not tell.
        """
        ask, found = _function(library, "GetPIDSetting"), {}
        for name, number in PID.items():
            whole, value = ctypes.c_int64(0), ctypes.c_double(0.0)
            # unlike all others it returns 1 where it succeeds
            if ask(number, port, ctypes.byref(whole), ctypes.byref(value)) != 1:
                raise InstrumentError(f"port {port} does not tell its {name}")
            found[name] = value.value
        return found

    def set_pid(
        self, library: WlmLibrary, port: int, settings: Mapping[str, float]
    ) -> dict[str, float]:
        """Set how a port regulates, those that are named; returns all as read back.

        Raises:
            InstrumentError: it refused.
        """
        for name, value in settings.items():
            code = _function(library, "SetPIDSetting")(PID[name], port, 0, value)
            wlmdata.check(code, f"{name} of port {port}")
        return self.pid(library, port)

    def set_signal(self, library: WlmLibrary, port: int, millivolts: float) -> float:
        """Set the voltage of a port; returns it as read back.

        Raises:
            OutOfLimitsError: the configuration does not allow it.
            InstrumentError: the wavemeter regulates, or refused.
        """
        if self._limits_mv is None:
            raise OutOfLimitsError("the configuration names no dac_limits_mv: no voltage is safe")
        low, high = self._limits_mv
        if not low <= millivolts <= high:
            raise OutOfLimitsError(f"millivolts: {low:g} mV to {high:g} mV, not {millivolts:g} mV")
        if is_on(library):
            raise InstrumentError("the wavemeter regulates: switch its regulation off first")
        code = _function(library, "SetDeviationSignalNum")(port, millivolts)
        wlmdata.check(code, f"the voltage of port {port}")
        return _signal(library, port)


def is_on(library: WlmLibrary) -> bool:
    """Whether the wavemeter regulates lasers itself."""
    return bool(_function(library, "GetDeviationMode")(False))


def _signal(library: WlmLibrary, port: int) -> float:
    return float(_function(library, "GetDeviationSignalNum")(port, 0.0))


def _course(library: WlmLibrary, port: int) -> str:
    buffer = ctypes.create_string_buffer(COURSE_BYTES)
    wlmdata.check(_function(library, "GetPIDCourseNum")(port, buffer), f"the course of port {port}")
    text = buffer.value.decode("ascii", "replace").strip().removeprefix("=").strip()
    return _COMMA.sub(".", text)


def _function(library: WlmLibrary, name: str) -> Any:
    function = getattr(library.call, name, None)
    if function is None:
        raise InstrumentError(f"the maker's library has no {name}: it cannot regulate")
    return function
