"""`make_app`: every URL with what it needs, and the few things that requests share."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from tornado.web import Application

from labmon.web.append_api import Retries
from labmon.web.assets import static_dir
from labmon.web.gate import Gate
from labmon.web.handler import NotFoundHandler
from labmon.web.live import Live
from labmon.web.routes import API, FILES, SOCKETS
from labmon.web.security import Gatekeeper

if TYPE_CHECKING:
    from tornado.web import RequestHandler

    from labmon.web.services import Services

log = logging.getLogger(__name__)


class LabmonApplication(Application):
    """The web application; `live` is started and stopped by the server.

    Attributes:
        gatekeeper: who may come in.
        gate: for heavy queries.
        retries: what was appended under which key.
        live: the live connections.
    """

    def __init__(self, services: Services) -> None:
        self.services = services
        self.gatekeeper = Gatekeeper(services.config.server)
        self.gate = Gate(services.limits.queries, services.limits.waiting_queries)
        self.retries = Retries(services.limits.keys)
        self.live = Live(services)
        files = {"path": str(static_dir())}
        super().__init__(
            [
                *API,
                *SOCKETS,
                *((pattern, handler, files) for pattern, handler in FILES),
            ],
            default_handler_class=NotFoundHandler,
            log_function=_log_request,
            compress_response=False,
        )


def make_app(services: Services) -> LabmonApplication:
    """The application of these services; must be made on the event loop."""
    return LabmonApplication(services)


def _log_request(handler: RequestHandler) -> None:
    """One line for debugging: the address without its query, which may hold what is private."""
    request = handler.request
    log.debug(
        "%d %s %s %.1f ms",
        handler.get_status(),
        request.method,
        request.path,
        1000 * request.request_time(),
    )
