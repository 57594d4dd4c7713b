"""`healthz` and `readyz`: whether the process lives, and whether it can do its work."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from labmon import __version__
from labmon.web.handler import ApiHandler
from labmon.web.operation import Operation

if TYPE_CHECKING:
    from collections.abc import Mapping


class HealthHandler(ApiHandler):
    """Liveness: it answers, so it lives."""

    operations: ClassVar[Mapping[str, Operation]] = {
        "GET": Operation("Whether the server lives; an answer is enough.")
    }

    async def get(self) -> None:
        """Always ok."""
        self.reply({"status": "ok", "version": __version__})


class ReadyHandler(ApiHandler):
    """Readiness: it records. A device that is offline is no reason against it."""

    operations: ClassVar[Mapping[str, Operation]] = {
        "GET": Operation(
            "Whether readings are recorded.", answers={200: "they are", 503: "they are not: why"}
        )
    }

    async def get(self) -> None:
        """Ready, or the reasons why not."""
        datastream, recorder = self.services.datastream, self.services.recorder
        reasons: list[str] = []
        if not datastream.is_healthy:
            reasons.append(f"the store does not take readings: {datastream.last_error}")
        body = {
            "ready": not reasons,
            "reasons": reasons,
            "waiting_readings": recorder.waiting_readings,
            "dropped_readings": recorder.dropped_readings,
            "refused_streams": recorder.refused,
        }
        self.reply(body, 503 if reasons else 200)
