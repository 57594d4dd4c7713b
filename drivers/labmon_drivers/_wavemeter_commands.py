"""What can be asked of a wavemeter by HighFinesse: exposures, switch, measurement, regulation.

Part of `highfinesse`, on the device's thread. The trap: others use the wavemeter too; what a
command changes it changes for everybody, and the outputs are theirs while the regulation is on.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

from pydantic import Field

from labmon.device import Driver, Limits, command
from labmon.errors import OutOfLimitsError
from labmon_drivers._exposure import Mode
from labmon_drivers._regulation import MAX_PORTS, Regulation
from labmon_drivers._wavemeter import MAX_INPUTS
from labmon_drivers.protocols import wlmdata

if TYPE_CHECKING:
    from labmon_drivers._wavemeter import Input
    from labmon_drivers.protocols.wlmdata import WlmLibrary

NUMBER = Annotated[int, Limits(1, MAX_INPUTS)]
GAIN = Annotated[float, Limits(-1e6, 1e6)]
PORT = Annotated[int, Limits(1, MAX_PORTS)]


class WavemeterCommands(Driver):
    """The commands; `HighFinesse` has what they need."""

    _inputs: dict[int, Input]
    _readbacks_due_s: float
    _regulation: Regulation

    @property
    def library(self) -> WlmLibrary:
        """The library while connected."""
        raise NotImplementedError

    @command
    def set_exposure(
        self,
        channel: NUMBER,
        milliseconds: Annotated[int, Limits(0, 100_000, unit="ms")],
        camera: Annotated[int, Limits(1, 2)] = 1,
    ) -> float:
        """Set how long the light of an input is collected; its automatic exposure is turned off.

        Args:
            channel: input of the wavemeter.
            milliseconds: exposure time.
            camera: 1, or 2 where the instrument has two interferometers of different resolution.

        Returns:
            the exposure as read back, in ms.
        """
        each = self._input(channel)
        if camera > len(each.ranges_ms):
            raise OutOfLimitsError(f"the wavemeter has {len(each.ranges_ms)} camera only")
        low, high = each.ranges_ms[camera - 1]
        if not low <= milliseconds <= high:
            raise OutOfLimitsError(f"camera {camera} takes {low} ms to {high} ms")
        each.set_auto_exposure("off")
        each.set_exposure(camera, milliseconds)
        self._readbacks_due_s = 0.0
        return float(each.exposure_ms(camera))

    @command
    def set_auto_exposure(self, channel: NUMBER, mode: Mode) -> str:
        """Let labmon find the exposure of an input: half of what the camera can take.

        The wavemeter's own regulation of this input is turned off.

        Args:
            channel: input of the wavemeter.
            mode: `once` searches and stops; without light it stops too.

        Returns:
            its state.
        """
        each = self._input(channel)
        each.set_auto_exposure(mode)
        self._readbacks_due_s = 0.0
        return each.auto_state

    @command(confirm="Other programs may use this channel, or be disturbed by one more.")
    def set_switcher(self, channel: NUMBER, active: bool) -> bool:
        """Include an input in the measurement, or leave it out; in switch mode.

        Args:
            channel: input of the wavemeter.
            active: whether it is measured.

        Returns:
            whether it is measured, as read back.
        """
        self._input(channel)
        call = self.library.call
        wlmdata.check(call.SetSwitcherSignalStates(channel, active, active), "the switch")
        self._readbacks_due_s = 0.0
        return bool(self.library.switch_state(channel))

    @command(confirm="Other programs may rely on the input that is selected.")
    def select_channel(self, channel: NUMBER) -> None:
        """Measure one input from now on; where switch mode is off.

        Args:
            channel: input of the wavemeter.
        """
        each = self._input(channel)
        wlmdata.check(self.library.call.SetSwitcherChannel(channel), "the switch")
        each.expect_stale()
        self._readbacks_due_s = 0.0

    @command(confirm="This changes what all programs get from the wavemeter.")
    def set_switch_mode(self, active: bool) -> None:
        """Measure all inputs that are switched on in turn, or only the selected one.

        Args:
            active: whether the switch goes from input to input.
        """
        wlmdata.check(self.library.call.SetSwitcherMode(int(active)), "the switch")
        self._readbacks_due_s = 0.0

    @command
    def start_measurement(self) -> None:
        """Start measuring; only the wavemeter's own program stops it."""
        wlmdata.check(self.library.call.Operation(wlmdata.START_MEASUREMENT), "the measurement")
        self._readbacks_due_s = 0.0

    @command(confirm="The wavemeter then drives whatever hangs on its outputs.")
    def set_regulation(self, active: bool) -> bool:
        """Switch the wavemeter's own regulation of lasers on or off, for all ports.

        Args:
            active: whether it regulates.

        Returns:
            whether it does, as read back.
        """
        self._readbacks_due_s = 0.0
        return self._regulation.switch(self.library, active)

    @command(confirm="This moves the laser if it is regulated.")
    def set_pid_course(
        self, port: PORT, course: Annotated[str, Field(min_length=1, max_length=1000)]
    ) -> str:
        """Set what a port is regulated to: a value, or an expression of the time.

        Args:
            port: output of the wavemeter.
            course: such as `384.2304844`, in the unit that is set in the wavemeter's program.

        Returns:
            the course as read back.
        """
        self._readbacks_due_s = 0.0
        return self._regulation.set_course(self.library, port, course)

    @command(role="viewer")
    def get_pid(self, port: PORT) -> dict[str, float]:
        """Ask how a port regulates.

        Args:
            port: output of the wavemeter.

        Returns:
            `p`, `i`, `d`, and the time constants `t` and `dt`.
        """
        return self._regulation.pid(self.library, port)

    @command(confirm="Change how the wavemeter regulates?")
    def set_pid(self, port: PORT, p: GAIN, i: GAIN, d: GAIN) -> dict[str, float]:
        """Set how a port regulates.

        Args:
            port: output of the wavemeter.
            p: proportional gain.
            i: integral gain.
            d: derivative gain.

        Returns:
            all settings as read back.
        """
        return self._regulation.set_pid(self.library, port, {"p": p, "i": i, "d": d})

    @command
    def set_deviation_signal(self, port: PORT, millivolts: float) -> float:
        """Set the voltage of an output, for a regulation of one's own; not while it regulates.

        Args:
            port: output of the wavemeter.
            millivolts: within `dac_limits_mv` of the configuration.

        Returns:
            the voltage as read back, in mV.
        """
        self._readbacks_due_s = 0.0
        return self._regulation.set_signal(self.library, port, millivolts)

    def _input(self, number: int) -> Input:
        if number not in self._inputs:
            there = ", ".join(map(str, self._inputs))
            raise OutOfLimitsError(f"there is no input {number}; there are {there}")
        return self._inputs[number]
