"""Who may speak to the server at all: the Host allow-list, the Origin check, and the Caller.

Every request passes here first, WebSocket and SSE too. The trap: a page of another site can make
the browser of somebody in the laboratory send anything to 127.0.0.1; Host and Origin tell.
"""

from __future__ import annotations

import ipaddress
import re
from functools import lru_cache
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

from labmon.control.caller import Caller
from labmon.errors import ConfigError
from labmon.web.problems import ProblemError

if TYPE_CHECKING:
    from tornado.httputil import HTTPHeaders, HTTPServerRequest

    from labmon.config import ServerConfig

LOOPBACK_NAMES: Final = frozenset({"localhost", "127.0.0.1", "[::1]"})
FORWARDING_HEADERS: Final = ("X-Forwarded-For", "X-Real-Ip", "Forwarded")
ANY_ADDRESS: Final = frozenset({"", "0.0.0.0", "::", "*"})
STATE_CHANGES: Final = frozenset({"POST", "PUT", "PATCH", "DELETE"})
HEADERS: Final = {
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
}
TRUSTWORTHY_HEADERS: Final = {"Cross-Origin-Opener-Policy": "same-origin"}
"""Where a browser trusts the way: over plain HTTP it ignores them, and complains on its console."""
_CONTROL: Final = re.compile(r"[\x00-\x1f\x7f]|%(?:[01][0-9a-f]|7f)", re.IGNORECASE)
_HOST: Final = re.compile(r"(\[[0-9a-f:.]+\]|[\w.\-]+)(?::\d{1,5})?", re.IGNORECASE | re.ASCII)


class Gatekeeper:
    """Decides from the configuration whether a request may come in, and as whom.

    Raises:
        ConfigError: a trusted proxy is no address.
    """

    def __init__(self, config: ServerConfig) -> None:
        self._config = config
        own = () if config.host in ANY_ADDRESS else (_bracketed(config.host),)
        self._hosts = {
            name.lower() for name in (*LOOPBACK_NAMES, *own, *map(_bracketed, config.allowed_hosts))
        }
        self._takes_addresses = config.host in ANY_ADDRESS
        self._proxies = [_network(text) for text in config.trusted_proxies]

    def check(self, request: HTTPServerRequest) -> None:
        """Refuse what comes from another site or to another name.

        Raises:
            ProblemError: 400, 403 or 421.
        """
        if _CONTROL.search(request.uri or ""):
            raise ProblemError(400, "the address contains control characters")
        self._check_host(request)
        self._check_origin(request.headers)

    def caller(self, request: HTTPServerRequest) -> Caller:
        """Who asks: somebody at this machine is an operator, somebody elsewhere a viewer."""
        if is_local(request):
            return Caller(who="local", role="operator", origin=self.address(request))
        if self._config.anonymous != "viewer":
            raise ProblemError(
                403, "nobody but this machine may use this server without logging in"
            )
        return Caller(who="anonymous", role="viewer", origin=self.address(request))

    def address(self, request: HTTPServerRequest) -> str:
        """Where a request comes from; behind listed proxies, the address that they name.

        Every proxy adds on the right whom it got the request from; what stands further left than
        the last listed one is only what somebody says of himself.
        """
        address = request.remote_ip or ""
        hops = request.headers.get("X-Forwarded-For", "").split(",")
        while hops and self.is_proxy(address):
            hop = hops.pop().strip()
            if _parsed(hop) is None:
                break
            address = hop
        return address

    def is_proxy(self, address: str) -> bool:
        """Whether an address is one of a listed proxy."""
        parsed = _parsed(address)
        return parsed is not None and any(parsed in network for network in self._proxies)

    def knows(self, request: HTTPServerRequest) -> bool:
        """Whether a request is addressed to one of the server's own names.

        A server that listens on every address is known under all of them, also those of a router
        before it: nobody can make a browser believe that an address is somebody else's, as can be
        done with names.
        """
        hosts = request.headers.get_list("Host")
        match = _HOST.fullmatch(hosts[0]) if len(hosts) == 1 else None
        if match is None:
            return False
        name = match[1].lower()
        return name in self._hosts or (
            self._takes_addresses and _parsed(name.strip("[]")) is not None
        )

    def _check_host(self, request: HTTPServerRequest) -> None:
        if not self.knows(request):
            raise ProblemError(
                421,
                "this server is not known under this name: add it to server.allowed_hosts"
                " in the configuration if it should be",
            )

    def _check_origin(self, headers: HTTPHeaders) -> None:
        origin = headers.get("Origin")
        if origin is not None:
            is_same = urlsplit_netloc(origin) == headers.get("Host", "").lower()
        else:
            # without an Origin: not a browser, a link, or something embedded by another site
            site = headers.get("Sec-Fetch-Site", "none")
            is_same = site in {"none", "same-origin"} or headers.get("Sec-Fetch-Mode") == "navigate"
        if not is_same:
            raise ProblemError(403, "requests of pages from another site are refused")


def urlsplit_netloc(origin: str) -> str | None:
    """Host and port of an Origin; None for `null` and nonsense."""
    try:
        parts = urlsplit(origin)
    except ValueError:
        return None
    is_plain = parts.scheme in {"http", "https"} and not (parts.path or parts.query)
    return parts.netloc.lower() if is_plain else None


def is_local(request: HTTPServerRequest) -> bool:
    """Whether a request comes from this machine itself, and not through a proxy on it."""
    if any(name in request.headers for name in FORWARDING_HEADERS):
        return False
    return is_loopback(request.remote_ip or "")


def is_trustworthy(request: HTTPServerRequest) -> bool:
    """Whether browsers trust the way to here: TLS, or this machine itself."""
    return request.protocol == "https" or is_loopback(request.host_name.strip("[]"))


def is_loopback(address: str) -> bool:
    """Whether an address, or `localhost`, can only be this machine."""
    parsed = _parsed(address)
    return address == "localhost" if parsed is None else parsed.is_loopback


def check_listening(config: ServerConfig, host: str) -> None:
    """Refuse to be reachable from elsewhere unless the configuration says so in so many words.

    Raises:
        ConfigError: says what to write.
    """
    if not is_loopback(host) and config.anonymous != "viewer":
        raise ConfigError(
            f"server.host is {host!r}: everybody who reaches this address could use labmon"
            " without logging in. Write 'anonymous: viewer' under 'server' if all of them may"
            " watch, or listen on 127.0.0.1"
        )


def content_policy(host: str) -> str:
    """The Content-Security-Policy: own files only, no inline script, framed by nobody.

    The WebSocket is named beside `'self'` for browsers that do not count it there.
    """
    sockets = f" ws://{host} wss://{host}" if host else ""
    return (
        f"default-src 'self'; connect-src 'self'{sockets};"
        " img-src 'self' data: blob:; object-src 'none'; base-uri 'none'; form-action 'self';"
        " frame-ancestors 'none'"
    )


@lru_cache(maxsize=256)
def _parsed(address: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        return ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return None


def _network(text: str) -> ipaddress.IPv4Network | ipaddress.IPv6Network:
    try:
        return ipaddress.ip_network(text, strict=False)
    except ValueError:
        raise ConfigError(
            f"server.trusted_proxies: {text!r} is no address and no network such as 10.1.2.0/24"
        ) from None


def _bracketed(host: str) -> str:
    return f"[{host}]" if ":" in host and not host.startswith("[") else host
