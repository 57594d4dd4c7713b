"""What a wavemeter by HighFinesse has: its inputs with their exposures, and what it says of itself.

Used by `highfinesse` on the device's thread. The trap: what one instrument measures another does
not; what is not there is found out after connecting and gets no channel.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any, Final

from pydantic import BaseModel, ConfigDict, Field

from labmon.device import Channel, Value
from labmon_drivers._exposure import AutoExposure, Mode
from labmon_drivers.protocols import wlmdata
from labmon_drivers.protocols.wlmdata import WlmLibrary

if TYPE_CHECKING:
    from collections.abc import Mapping

MAX_INPUTS: Final = 64
STALE_RESULTS: Final = 2
"""Results that come after a change, and were measured before it."""
AMPLITUDES: Final = {1: wlmdata.MAX_1, 2: wlmdata.MAX_2}
EXPOSURE: Final = {1: "exposure", 2: "exposure2"}
AMPLITUDE: Final = {1: "amplitude", 2: "amplitude2"}


class InputSettings(BaseModel):
    """What the configuration may say of one input."""

    model_config = ConfigDict(strict=True, extra="forbid", frozen=True, allow_inf_nan=False)

    label: str = Field(default="", description="What stands on its tile.")
    auto_exposure: bool = Field(default=False, description="labmon regulates its exposure.")


def channel_number(name: str) -> int:
    """The number of the input behind a channel `ch3`.

    Raises:
        ValueError: no input has such a channel.
    """
    digits = name.removeprefix("ch")
    if (
        not name.startswith("ch")
        or not (digits.isascii() and digits.isdecimal())
        or not 1 <= int(digits) <= MAX_INPUTS
    ):
        raise ValueError(f"lasers: there is no channel {name[:20]!r}; there are ch1, ch2, ...")
    return int(digits)


class Parts:
    """What the instrument has beside frequencies.

    Args:
        power: whether the power is wanted.
        linewidth: whether the linewidth is wanted.

    Attributes:
        cameras: their numbers: 1, or 1 and 2.
        has_switch: whether it has a fibre switch.
    """

    def __init__(self, *, power: bool, linewidth: bool) -> None:
        self.power = power
        self.linewidth = linewidth
        self.cameras: tuple[int, ...] = (1, 2)
        self.has_switch = True
        self.has_temperature = True
        self.has_pressure = True

    def learn(self, library: WlmLibrary, number: int) -> None:
        """Find out, at one of the inputs."""
        call = library.call
        found = (wlmdata.whole(call.GetExposureNum(number, ccd, 0)) for ccd in (1, 2))
        self.cameras = tuple(ccd for ccd, there in enumerate(found, 1) if there is not None)
        self.has_switch = call.GetSwitcherMode(0) >= 0 and library.switch_state(1) is not None
        self.has_temperature = wlmdata.environment(call.GetTemperature(0.0)) is not None
        self.has_pressure = wlmdata.environment(call.GetPressure(0.0)) is not None

    def readbacks(self, library: WlmLibrary) -> dict[str, Any]:
        """What it says of itself now."""
        call = library.call
        state = call.GetOperationState(0)
        readings: dict[str, Any] = {"operation": wlmdata.OPERATIONS.get(state, str(state))}
        for name, is_there, ask in (
            ("temperature", self.has_temperature, call.GetTemperature),
            ("pressure", self.has_pressure, call.GetPressure),
        ):
            if is_there and (value := wlmdata.environment(ask(0.0))) is not None:
                readings[name] = value
        return readings


class Input:
    """One input of the wavemeter: its exposures, and how many of its next results are stale.

    Args:
        library: connected.
        number: from 1.
        ranges_ms: least and greatest exposure of each camera.
    """

    def __init__(self, library: WlmLibrary, number: int, ranges_ms: list[tuple[int, int]]) -> None:
        self._library = library
        self._number = number
        self.ranges_ms = ranges_ms
        self._stale = 0
        self._changed_s = -float("inf")
        self._auto = [AutoExposure() for _ in ranges_ms]
        self._exposures_ms: list[int] = []
        self.look_at_exposures()
        self._stale, self._changed_s = 0, -float("inf")

    @property
    def auto_state(self) -> str:
        """Of the automatic exposure, in words; of two cameras the one that is not well."""
        if self._library.call.GetExposureModeNum(self._number, False) == 1:
            return "by the wavemeter"
        states = [each.state for each in self._auto] or ["off"]
        return next((state for state in states if state not in {"off", "good"}), states[0])

    def expect_stale(self, changed_s: float | None = None) -> None:
        """The next results were measured before something was changed.

        Args:
            changed_s: when, by the monotonic clock; now where None.
        """
        self._stale = STALE_RESULTS
        self._changed_s = time.monotonic() if changed_s is None else changed_s

    def drops_stale(self, arrival_s: float) -> bool:
        """Whether the result that arrived then is such a one; each is asked for once."""
        if arrival_s <= self._changed_s:  # it waited to be looked at while the change was made
            return True
        is_stale = self._stale > 0
        self._stale -= is_stale
        return is_stale

    def exposure_ms(self, camera: int) -> int:
        """As the instrument says; 0 where it does not."""
        raw = self._library.call.GetExposureNum(self._number, camera, 0)
        return wlmdata.whole(raw) or 0

    def look_at_exposures(self, changed_s: float | None = None) -> None:
        """Notice a change, whoever made it; `changed_s` as for `expect_stale`."""
        exposures_ms = [self.exposure_ms(camera) for camera in self._cameras()]
        if exposures_ms != self._exposures_ms:
            self._exposures_ms = exposures_ms
            self.expect_stale(changed_s)

    def set_exposure(self, camera: int, milliseconds: int) -> None:
        """Set it.

        Raises:
            InstrumentError: the instrument refused.
        """
        code = self._library.call.SetExposureNum(self._number, camera, milliseconds)
        wlmdata.check(code, f"exposure of input {self._number}")
        self.look_at_exposures()
        self.expect_stale()

    def set_auto_exposure(self, mode: Mode) -> None:
        """Turn labmon's regulation on or off; the wavemeter's own would work against it."""
        call = self._library.call
        if call.GetExposureModeNum(self._number, False) == 1:
            wlmdata.check(call.SetExposureModeNum(self._number, False), "automatic exposure")
        for each in self._auto:
            each.switch(mode)

    def regulate(self, is_over: bool) -> bool:
        """After a fresh result: change exposures that are not right; returns whether one was."""
        if all(each.mode == "off" for each in self._auto):
            return False
        fractions = [self._amplitude(camera) / wlmdata.FULL_SCALE for camera in self._cameras()]
        is_changed = False
        for camera, (auto, fraction) in enumerate(zip(self._auto, fractions, strict=True), 1):
            # the instrument does not say which camera it was: the brightest
            is_over_here = is_over and fraction == max(fractions)
            now_ms = self.exposure_ms(camera)
            wanted = auto.next_ms(now_ms, fraction, self.ranges_ms[camera - 1], is_over_here)
            if wanted is not None:
                self.set_exposure(camera, wanted)
                is_changed = True
        return is_changed

    def beside(self, parts: Parts) -> dict[str, Any]:
        """Power and linewidth of the present result, where they are wanted and there."""
        call, readings = self._library.call, {}
        for name, is_wanted, ask in (
            ("power", parts.power, call.GetPowerNum),
            ("linewidth", parts.linewidth, call.GetLinewidthNum),
        ):
            if is_wanted and (value := wlmdata.result(ask(self._number, 0.0))) is not None:
                readings[f"{name}/ch{self._number}"] = value
        return readings

    def readbacks(self) -> dict[str, Any]:
        """Exposures, amplitudes and the state of the regulation."""
        self.look_at_exposures()
        readings: dict[str, Any] = {f"auto_exposure/ch{self._number}": self.auto_state}
        for camera, exposure_ms in zip(self._cameras(), self._exposures_ms, strict=True):
            readings[f"{EXPOSURE[camera]}/ch{self._number}"] = Value(float(exposure_ms))
            amplitude = float(self._amplitude(camera))
            readings[f"{AMPLITUDE[camera]}/ch{self._number}"] = Value(amplitude)
        return readings

    def _amplitude(self, camera: int) -> int:
        raw = self._library.call.GetAmplitudeNum(self._number, AMPLITUDES[camera], 0)
        return wlmdata.whole(raw) or 0

    def _cameras(self) -> range:
        return range(1, len(self.ranges_ms) + 1)


def describe(labels: Mapping[int, str], parts: Parts, readbacks_s: float) -> dict[str, Channel]:
    """The channels of a wavemeter.

    Args:
        labels: of the lasers, by input; empty for none.
        parts: what it has.
        readbacks_s: how often all but the results is asked for.
    """
    readbacks = _environment(parts)
    for n in labels:
        readbacks |= _settings_of(n, parts)
    return _results(labels, parts) | {
        name: each.described(every_s=readbacks_s) for name, each in readbacks.items()
    }


def _results(labels: Mapping[int, str], parts: Parts) -> dict[str, Channel]:
    channels = {
        f"ch{n}": Channel("THz", f"optical frequency at input {n}", f"{n} {label}".strip(), 7)
        for n, label in labels.items()
    }
    for n in labels:
        if parts.power:
            channels[f"power/ch{n}"] = Channel("µW", f"power at input {n}", f"Power {n}", 1)
        if parts.linewidth:
            text = f"linewidth at input {n}"
            channels[f"linewidth/ch{n}"] = Channel("THz", text, f"Linewidth {n}", 6)
    return channels


def _environment(parts: Parts) -> dict[str, Channel]:
    channels: dict[str, Channel] = {}
    if parts.has_temperature:
        channels["temperature"] = Channel("°C", "inside the wavemeter", "Temperature", 2)
    if parts.has_pressure:
        channels["pressure"] = Channel("mbar", "inside the wavemeter", "Pressure", 1)
    channels["operation"] = Channel(
        description="whether it measures", label="Operation", kind="nominal", tile=False
    )
    return channels


def _settings_of(n: int, parts: Parts) -> dict[str, Channel]:
    channels: dict[str, Channel] = {}
    for camera in parts.cameras:
        of = f"of input {n}, camera {camera}"
        name = f"{n}" if camera == 1 else f"{n}, camera 2"
        exposure = Channel("ms", f"exposure {of}", f"Exposure {name}", 0, tile=False)
        amplitude = Channel("", f"brightest pixel {of}", f"Amplitude {name}", 0, tile=False)
        channels[f"{EXPOSURE[camera]}/ch{n}"] = exposure
        channels[f"{AMPLITUDE[camera]}/ch{n}"] = amplitude
    channels[f"auto_exposure/ch{n}"] = Channel(
        description=f"whether the exposure of input {n} is regulated, and how that goes",
        label=f"Regulation {n}",
        kind="nominal",
        tile=False,
    )
    if parts.has_switch:
        text = f"whether input {n} is measured"
        channels[f"switcher/ch{n}"] = Channel("", text, f"Switch {n}", 0, tile=False)
    return channels
