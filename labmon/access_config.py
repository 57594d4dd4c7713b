"""Who reaches the server, as the section `server` says it: addresses, host names, proxies.

The trap: a host name with a scheme or a port in it is like no name that a browser sends, so the
server would refuse everybody who uses it, without a word at the start.
"""

from __future__ import annotations

import ipaddress
import re
from typing import TYPE_CHECKING, Any, Final

from labmon.schema_words import shown

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from labmon.yaml_marks import Path

    Report = Callable[[Path, str], None]

_NAME: Final = re.compile(r"[\w\-]{1,63}(?:\.[\w\-]{1,63})*\.?", re.ASCII)
NO_PORT: Final = "without scheme and port"


def check(server: Any, problem: Report) -> None:
    """Give to `problem` what is wrong in the section, beyond the types of its keys."""
    if not isinstance(server, dict):
        return
    host = server.get("host")
    if isinstance(host, str) and host and not _is_host(host):
        text = f"found {shown(host)}, allowed: an address or a name of this machine, {NO_PORT}"
        problem(("server", "host"), f"server.host: {text}")
    elif isinstance(host, str) and host and _is_open(host, server.get("anonymous", "none")):
        problem(
            ("server", "host"),
            f"server.host: {host} is reachable from other machines, and nobody has to log in:"
            " listen on 127.0.0.1, or write anonymous: viewer to let everybody watch",
        )
    for place, text in _texts(server, "allowed_hosts"):
        if not _is_host(text.removeprefix("[").removesuffix("]")):
            allowed = f"a name such as lab3 or lab.example, {NO_PORT}"
            problem(place, f"{_key(place)}: found {shown(text)}, allowed: {allowed}")
    for place, text in _texts(server, "trusted_proxies"):
        if not _is_network(text):
            allowed = "an address such as 10.1.2.3, or a network such as 10.1.2.0/24"
            problem(place, f"{_key(place)}: found {shown(text)}, allowed: {allowed}")


def _texts(server: dict[str, Any], key: str) -> Iterator[tuple[Path, str]]:
    """The texts of a list, each with its place."""
    values = server.get(key)
    for i, value in enumerate(values if isinstance(values, list) else ()):
        if isinstance(value, str):
            yield ("server", key, i), value


def _key(place: Path) -> str:
    return ".".join(map(str, place))


def _is_host(text: str) -> bool:
    return _is_address(text) or _NAME.fullmatch(text) is not None


def _is_open(host: str, anonymous: Any) -> bool:
    """Whether other machines can reach an address, and the configuration does not say so."""
    if _is_address(host):
        return anonymous == "none" and not ipaddress.ip_address(host).is_loopback
    return anonymous == "none" and host != "localhost"


def _is_address(text: str) -> bool:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True


def _is_network(text: str) -> bool:
    try:
        ipaddress.ip_network(text, strict=False)
    except ValueError:
        return False
    return True
