"""`annotations`: what people wrote on graphs; written by RPC, and live as readings are."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from labmon.control.annotations import PATH
from labmon.timestamps import MAX_NS
from labmon.web.answer_schemas import ANNOTATIONS
from labmon.web.cursor import Cursor
from labmon.web.handler import ApiHandler
from labmon.web.operation import TEXT, TIME, Operation, Parameter

if TYPE_CHECKING:
    from collections.abc import Mapping


class AnnotationsHandler(ApiHandler):
    """Those of a range of time."""

    operations: ClassVar[Mapping[str, Operation]] = {
        "GET": Operation(
            "What people wrote on graphs, and the cursor from which live goes on with more.",
            (
                Parameter("start", "Begin of the range; the oldest if absent.", TIME),
                Parameter("end", "End of the range; the newest if absent.", TIME),
                Parameter(
                    "stream",
                    "Paths of streams: what is about none of them is left out; all if absent.",
                    TEXT,
                    is_list=True,
                ),
            ),
            answer=ANNOTATIONS,
        )
    }

    async def get(self) -> None:
        """All that lie at least partly in the range, by time."""
        services = self.services
        start_ns, end_ns, streams = (self.query[name] for name in ("start", "end", "stream"))
        found = services.annotations.between(
            0 if start_ns is None else start_ns, MAX_NS if end_ns is None else end_ns, streams
        )
        now_ns = services.clock.now_ns()
        cursor = Cursor(services.hub.start_id, services.hub.epoch, services.seen_seq, now_ns)
        self.reply(
            {
                "stream": PATH,
                "cursor": str(cursor),
                "annotations": [one.description() for one in found],
            }
        )
