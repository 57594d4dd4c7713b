"""What the web needs of the rest, handed over by the composition root; it makes none of it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from labmon.web.limits import Limits

if TYPE_CHECKING:
    from collections.abc import Mapping

    from labmon.config import Config
    from labmon.control.annotations import Annotations
    from labmon.control.rpc import Rpc
    from labmon.datastream.api import Datastream
    from labmon.device.device import Device
    from labmon.hub import Hub
    from labmon.recorder import Recorder
    from labmon.timestamps import Clock


@dataclass(frozen=True, slots=True)
class Services:
    """The objects that requests are put to."""

    config: Config
    hub: Hub
    datastream: Datastream
    devices: Mapping[str, Device]
    rpc: Rpc
    recorder: Recorder
    clock: Clock
    annotations: Annotations
    limits: Limits = field(default_factory=Limits)

    @property
    def seen_seq(self) -> int:
        """Number of the newest reading that queries see; those after it wait for the recorder."""
        return self.hub.last_seq - self.recorder.waiting_readings
