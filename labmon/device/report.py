"""`Report`: what the world learns of one device: readings, state, gaps, counters and log lines.

Called by the device's poller on the event loop. The trap: an outage is said once in the log and
once when it is over, however often it is tried in between, and a flapping device not even that.
"""

from __future__ import annotations

import logging
import time
import traceback
from typing import TYPE_CHECKING, Final

from labmon.device.counters import Counters
from labmon.device.health import Health
from labmon.device.intake import Intake
from labmon.device.state import Lifecycle, State
from labmon.device.worker import DriverBugError, HungError
from labmon.reading import Batch, Channel, Quality

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from labmon.device.source import Answer
    from labmon.reading import AnyBatch
    from labmon.timestamps import Clock

log = logging.getLogger(__name__)

BURST: Final = 5
"""Outages of one device in a row that are logged; after them one a minute."""
REFILL_S: Final = 60.0
MAX_PLACES: Final = 100


class Report:
    """The voice of one device.

    Args:
        name: the device.
        clock: where times come from.
        flags: quality flags of every reading.
        asked_hz: how often it shall be polled; None: it pushes.
        publish: takes every batch.
        changed: told when the state, its reason or the channels changed.
    """

    def __init__(
        self,
        name: str,
        clock: Clock,
        flags: int,
        asked_hz: float | None,
        publish: Callable[[AnyBatch], object],
        changed: Callable[[], None],
    ) -> None:
        self.name = name
        self.clock = clock
        self.counters = Counters()
        self._health = Health(name, self.counters, asked_hz)
        self.lifecycle = Lifecycle("offline", "not started", clock.now_ns())
        self.channels: Mapping[str, Channel] = {}
        self._flags = flags
        self._intake = Intake(name, {}, flags)
        self._refused = 0
        self._publish = publish
        self._changed = changed
        self._state_path = (f"{name}/_state",)
        self._bugs: set[tuple[str, int]] = set()
        self._outages = _Bucket()
        self._was_online = False
        self._is_said = False
        self._moved_s = time.monotonic()

    @property
    def intake(self) -> Intake:
        """What makes batches of the channels as they are now."""
        return self._intake

    def adopt(self, channels: Mapping[str, Channel]) -> None:
        """The device has these channels from now on."""
        if channels != self.channels:
            self.channels = dict(channels)
            self._intake = Intake(self.name, self.channels, self._flags)
            self._refused = 0
            self._changed()

    def started(self) -> None:
        """Say that nothing is known yet."""
        self._publish_gap()

    def connecting(self) -> None:
        """The first attempt of a row."""
        self._gap_after_readings()
        self.counters.pause()
        self._move("connecting", "")

    def online(self) -> None:
        """The first poll succeeded."""
        down_s = time.monotonic() - self._moved_s  # the wall clock may have been set meanwhile
        if self._was_online:
            self.counters.reconnects += 1
        if self._is_said:
            log.info("%s is online again after %.1f s", self.name, down_s)
        elif not self._was_online:
            log.info("%s is online", self.name)
        self._was_online = True
        self._is_said = False
        self._move("online", "")

    def took(self, answer: Answer, due_s: float) -> None:
        """A poll succeeded, which was due at a monotonic time."""
        self.counters.polled(answer.start_s, answer.duration_s)
        self._health.polled(max(0.0, answer.start_s - due_s), answer.duration_s)
        for batch in answer.batches:
            self._publish(batch)
        self._count_refused()
        self._publish_health()

    def pushed(self, batches: list[AnyBatch]) -> None:
        """The instrument pushed readings."""
        self.counters.polled(time.monotonic(), 0.0)
        for batch in batches:
            self._publish(batch)
        self._count_refused()
        self._publish_health()

    def _count_refused(self) -> None:
        """A driver that gives what cannot be used is not well, however fast it is polled."""
        if (refused := self._intake.refused) != self._refused:
            self._refused = refused
            self.counters.failed(self._intake.refusal, self.clock.now_ns())

    def dropped(self, readings: int) -> None:
        """So many readings of a stream were lost, as the server did not keep up."""
        if readings:
            is_first = not self.counters.dropped
            self.counters.dropped += readings
            if is_first:
                log.warning("%s pushes faster than readings are taken; some are lost", self.name)

    def failed(self, error: Exception) -> None:
        """The device cannot be read now."""
        reason = str(error) or type(error).__name__
        self.counters.failed(reason, self.clock.now_ns())
        self._lose("offline", reason, error)

    def stuck(self, error: HungError) -> None:
        """A call of this device hangs, and nothing can be asked until it returns."""
        self.counters.failed(error.hung, self.clock.now_ns())
        self._lose("stuck", error.hung, error)

    def freed(self) -> None:
        """The call that hung, of this device or of one on the same bus, has returned."""
        self._move("offline", self.lifecycle.reason)

    def disabled(self) -> None:
        """Somebody switched the device off."""
        self._gap_after_readings()
        self._is_said = False
        self._move("disabled", "switched off")

    def stopped(self) -> None:
        """The server stops."""
        self._gap_after_readings()
        if self.lifecycle.state != "disabled":
            self._move("offline", "labmon was stopped")

    def bug(self, error: DriverBugError, what: str) -> None:
        """Log the traceback of what a driver raised, once for each place."""
        if self._is_new(error):
            log.error("%s: %s failed: %s", self.name, what, error, exc_info=error.__cause__)

    def _lose(self, state: State, reason: str, error: Exception) -> None:
        self._gap_after_readings()
        self.counters.pause()
        self._publish_health()
        is_first = self.lifecycle.state not in {"offline", "stuck"}
        self._move(state, reason)
        cause = error.__cause__ if self._is_new(error) else None
        if (is_first and self._outages.take(time.monotonic())) or cause is not None:
            extra = self._outages.skipped()
            log.warning("%s is %s: %s%s", self.name, state, reason, extra, exc_info=cause)
            self._is_said = True

    def _is_new(self, error: Exception) -> bool:
        """Whether this is a bug of the driver that was not logged with its traceback."""
        if not isinstance(error, DriverBugError) or error.__cause__ is None:
            return False
        frames = traceback.extract_tb(error.__cause__.__traceback__)
        place = (frames[-1].filename, frames[-1].lineno or 0) if frames else ("", 0)
        if place in self._bugs or len(self._bugs) >= MAX_PLACES:
            return False
        self._bugs.add(place)
        return True

    def _move(self, state: State, reason: str) -> None:
        before = self.lifecycle.reason
        if self.lifecycle.move(state, reason, self.clock.now_ns()):
            self._moved_s = time.monotonic()
            self._publish_state()
            self._changed()
        elif reason != before:
            self._changed()

    def _gap_after_readings(self) -> None:
        if self.lifecycle.state == "online":
            self._publish_gap()

    def _publish_gap(self) -> None:
        if (batch := self._intake.gap(self.clock.now_ns())) is not None:
            self._publish(batch)

    def _publish_health(self) -> None:
        summary = self._health.summary(time.monotonic(), self.clock.now_ns())
        if summary is not None:
            self._publish(summary)

    def _publish_state(self) -> None:
        state = self.lifecycle.state
        now_ns = self.clock.now_ns()
        self._publish(Batch(self.name, now_ns, self._state_path, (state,), bytes([Quality.OK])))


class _Bucket:
    """Lets a few log lines through, then one a minute, and counts the others."""

    def __init__(self) -> None:
        self._tokens = float(BURST)
        self._at_s = 0.0
        self._skipped = 0

    def take(self, now_s: float) -> bool:
        """Whether one more line may be logged; monotonic seconds."""
        self._tokens = min(BURST, self._tokens + (now_s - self._at_s) / REFILL_S)
        self._at_s = now_s
        if self._tokens < 1:
            self._skipped += 1
            return False
        self._tokens -= 1
        return True

    def skipped(self) -> str:
        """In words, how many lines were not logged since the last one."""
        skipped, self._skipped = self._skipped, 0
        return f" ({skipped} outages since the last line were not logged)" if skipped else ""
