"""`make_app`: every URL with what it needs, and the few things that requests share."""

from __future__ import annotations

import logging
from collections import Counter
from typing import TYPE_CHECKING

from tornado.web import Application

from labmon.web.append_api import Retries
from labmon.web.assets import NotFoundHandler, static_dir
from labmon.web.gate import Gate
from labmon.web.live import Live
from labmon.web.loop_lag import LoopLag
from labmon.web.routes import API, FILES, SOCKETS
from labmon.web.security import Gatekeeper

if TYPE_CHECKING:
    import asyncio

    from tornado.web import RequestHandler

    from labmon.web.server import BoundedServer
    from labmon.web.services import Services

log = logging.getLogger(__name__)


class LabmonApplication(Application):
    """The web application; `live` is started and stopped by the server.

    Attributes:
        gatekeeper: who may come in.
        gate: for heavy queries.
        retries: what was appended under which key.
        live: the live connections.
        lag: how late the event loop runs.
        answers: how many requests were answered, by the first digit of the status.
        http: the server once it listens, for its counters.
        pushes: the requests with readings from outside that are under way.
        is_stopping: no further ones are taken.
    """

    http: BoundedServer | None = None
    is_stopping = False

    def __init__(self, services: Services) -> None:
        self.services = services
        self.gatekeeper = Gatekeeper(services.config.server)
        self.gate = Gate(services.limits.queries, services.limits.waiting_queries)
        self.retries = Retries(services.limits.keys)
        self.live = Live(services)
        self.lag = LoopLag()
        self.answers: Counter[str] = Counter()
        self.pushes: set[asyncio.Future[None]] = set()
        files = {"path": str(static_dir())}
        super().__init__(
            [
                *API,
                *SOCKETS,
                *((pattern, handler, files) for pattern, handler in FILES),
            ],
            default_handler_class=NotFoundHandler,
            compress_response=False,
        )

    def log_request(self, handler: RequestHandler) -> None:
        """Count it; one line for debugging, without the query, which may hold what is private."""
        request, status = handler.request, handler.get_status()
        self.answers[f"{status // 100}xx"] += 1
        log.debug(
            "%d %s %s %.1f ms",
            status,
            request.method,
            request.path,
            1000 * request.request_time(),
        )


def make_app(services: Services) -> LabmonApplication:
    """The application of these services; must be made on the event loop."""
    return LabmonApplication(services)
