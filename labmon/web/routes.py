"""The one list of URLs. The API is described to the outside by `/openapi.json`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from labmon.web.annotations_api import AnnotationsHandler
from labmon.web.append_api import AppendHandler
from labmon.web.assets import AssetHandler, PageHandler
from labmon.web.data_api import DataHandler
from labmon.web.devices_api import ACTIONS, DeviceActionHandler, DeviceHandler, DevicesHandler
from labmon.web.health_api import HealthHandler, ReadyHandler
from labmon.web.live_sse import LiveEventsHandler
from labmon.web.live_ws import LiveSocketHandler
from labmon.web.openapi import OpenApiHandler
from labmon.web.rpc_api import RpcHandler
from labmon.web.streams_api import LatestHandler, StreamHandler, StreamsHandler
from labmon.web.telemetry_api import MetricsHandler

if TYPE_CHECKING:
    from tornado.web import RequestHandler

    from labmon.web.handler import ApiHandler

V1: Final = "/api/v1"

API: Final[tuple[tuple[str, type[ApiHandler]], ...]] = (
    (f"{V1}/streams", StreamsHandler),
    (f"{V1}/streams/(?P<name>.+)", StreamHandler),
    (f"{V1}/data", DataHandler),
    (f"{V1}/latest", LatestHandler),
    (f"{V1}/append", AppendHandler),
    (f"{V1}/annotations", AnnotationsHandler),
    (f"{V1}/devices", DevicesHandler),
    (f"{V1}/devices/(?P<name>[^/]+)", DeviceHandler),
    (f"{V1}/devices/(?P<name>[^/]+)/(?P<action>{'|'.join(ACTIONS)})", DeviceActionHandler),
    (f"{V1}/live", LiveEventsHandler),
    ("/rpc", RpcHandler),
    ("/healthz", HealthHandler),
    ("/readyz", ReadyHandler),
    ("/metrics", MetricsHandler),
    ("/openapi.json", OpenApiHandler),
)
SOCKETS: Final[tuple[tuple[str, type[RequestHandler]], ...]] = ((f"{V1}/ws", LiveSocketHandler),)
FILES: Final[tuple[tuple[str, type[AssetHandler]], ...]] = (
    ("/static/(.*)", AssetHandler),
    ("/(favicon.ico)", AssetHandler),
    ("/()", PageHandler),
    ("/(graph|devices|streams|status)/?", PageHandler),
    ("/devices/([^/]+)/?", PageHandler),
)
