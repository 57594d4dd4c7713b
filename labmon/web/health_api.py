"""`healthz` and `readyz`: whether the process lives, and whether it can do its work.

Both say the same; they differ in the status. The trap: what restarts a server looks at `healthz`,
and a full disk or a damaged database is not put right by a restart.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from labmon import __version__
from labmon.web.answer_schemas import HEALTH, READINESS
from labmon.web.handler import ApiHandler
from labmon.web.operation import Operation

if TYPE_CHECKING:
    from collections.abc import Mapping

    from labmon.web.services import Services


class HealthHandler(ApiHandler):
    """Liveness: it answers, so it lives."""

    operations: ClassVar[Mapping[str, Operation]] = {
        "GET": Operation(
            "Whether the server lives; an answer is enough. Says what readyz says.", answer=HEALTH
        )
    }

    async def get(self) -> None:
        """Always ok."""
        body = readiness(self.services)
        self.reply({"status": "ok", "version": __version__, **body})


class ReadyHandler(ApiHandler):
    """Readiness: it records. Neither a device that is offline nor past damage is against it."""

    operations: ClassVar[Mapping[str, Operation]] = {
        "GET": Operation(
            "Whether readings are recorded, and what somebody should look at all the same.",
            answers={200: "they are", 503: "they are not: why"},
            answer=READINESS,
        )
    }

    async def get(self) -> None:
        """Ready, or the reasons why not."""
        body = readiness(self.services)
        self.reply(body, 200 if body["ready"] else 503)


def readiness(services: Services) -> dict[str, Any]:
    """Ready, or the reasons why not; degraded, and the warnings that say so."""
    datastream, recorder = services.datastream, services.recorder
    reasons: list[str] = []
    if not datastream.is_healthy:
        reasons.append(f"the store does not take readings: {datastream.last_error}")
    warnings = list(datastream.condition.warnings)
    if recorder.dropped_readings:
        warnings.append(
            f"{recorder.dropped_readings} readings are lost since the start:"
            " the store was away for longer than there was room to wait in"
        )
    warnings += recorder.warnings
    return {
        "ready": not reasons,
        "reasons": reasons,
        "degraded": bool(reasons or warnings),
        "warnings": warnings,
        "waiting_readings": recorder.waiting_readings,
        "dropped_readings": recorder.dropped_readings,
        "refused_streams": recorder.refused,
    }
