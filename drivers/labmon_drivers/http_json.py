"""`http_json`: instruments and gateways that answer a URL with JSON.

Shelly plugs, ESP boards with a web server, a laboratory's own gateways. The trap: a web server that
hangs keeps the connection open and says nothing; every read has a time limit and so has the whole.

## Wiring

The network. The whole document is fetched with each poll; no proxy is used, no redirection
followed.

## Configuration

```yaml
devices:
  meter:
    driver: http_json
    title: Energy meter
    url: http://192.168.1.50/status
    headers: {Authorization: "Bearer SECRET"}
    period_s: 5
    channels:
      power: {key: emeters.0.power, unit: W, digits: 1}
      temperature: {key: temperature.tC, unit: °C, digits: 1}
      relay: {kind: nominal}
```

## Quirks

- Places in the document are written with points, elements of lists by their number from 0.
- A channel that the answer does not have is left out; an answer with none of them is an error.
  `null` is no value.
- Answers may have 1 MiB.

## Without hardware

```yaml
devices:
  meter:
    driver: http_json
    url: sim://http_json
    channels:
      power: {key: emeters.0.power, unit: W, digits: 1}
      relay: {kind: nominal}
```

## Manual

That of the instrument; for Shelly shelly-api-docs.shelly.cloud.
"""

from __future__ import annotations

import time
import urllib.error
import urllib.request
from http.client import HTTPException
from typing import TYPE_CHECKING, Annotated, Any, Final
from urllib.parse import urlsplit

from pydantic import Field

from labmon.device import (
    Driver,
    InstrumentError,
    InstrumentTimeoutError,
    Limits,
    OfflineError,
    Value,
)
from labmon.device.simulator import make_simulator
from labmon.device.simulator_server import TcpSimulatorServer
from labmon_drivers._channels import ChannelSettings, StatusWords
from labmon_drivers.protocols.lines import parse_json

if TYPE_CHECKING:
    from http.client import HTTPResponse

MAX_BYTES: Final = 1 << 20
CHUNK_BYTES: Final = 1 << 14


class JsonChannel(ChannelSettings):
    """A channel of a JSON document."""

    key: str = Field(default="", description="Where it stands, such as emeters.0.power.")


class _NoRedirects(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *_args: Any, **_kwargs: Any) -> None:
        """Stay at the host that was configured."""


class HttpJson(Driver):
    """Whatever answers a URL with a JSON object.

    Args:
        url: `http://...` or `https://...`, or `sim://http_json` for a simulator.
        channels: by name: `key` (where it stands: `emeters.0.power`), `unit`, `label` and so on.
        headers: sent with each request, such as Authorization.
        reply_timeout_s: for the whole answer.
        status_words: values that are no numbers, and which quality each means.
        model: what stands in the head of the card.
    """

    def __init__(
        self,
        url: str,
        channels: dict[str, JsonChannel],
        headers: dict[str, str] | None = None,
        reply_timeout_s: Annotated[float, Limits(0.1, 60, unit="s")] = 3.0,
        status_words: StatusWords | None = None,
        model: str = "",
    ) -> None:
        parts = urlsplit(url)
        self.simulated = parts.scheme == "sim"
        if parts.scheme not in {"http", "https", "sim"} or not parts.hostname:
            raise ValueError(f"url: {url!r} is no http:// or https:// address")
        self.model = model or parts.hostname
        self._described = channels
        self.channels = {name: each.channel() for name, each in channels.items()}
        self._words = status_words or {}
        self._timeout_s = reply_timeout_s
        self._url = url
        self._headers = {"Accept": "application/json", **(headers or {})}
        self._simulator: TcpSimulatorServer | None = None
        # instruments stand in the same network: no proxy, and nothing that leads elsewhere
        self._opener = urllib.request.build_opener(urllib.request.ProxyHandler({}), _NoRedirects())

    def connect(self) -> None:
        """Nothing to open; a simulator is started."""
        self.disconnect()
        if self.simulated:
            self._simulator = TcpSimulatorServer(make_simulator(self._url)).start()

    def disconnect(self) -> None:
        """End the simulator."""
        simulator, self._simulator = self._simulator, None
        if simulator is not None:
            simulator.close()

    def poll(self) -> dict[str, Value]:
        """One request; a channel that the answer does not have is left out.

        Raises:
            InstrumentError: the answer is no JSON object, or has none of the channels.
        """
        found = parse_json(self._fetch().decode("utf-8", "replace"))
        values = {
            name: self._value(channel, found[channel.key or name])
            for name, channel in self._described.items()
            if (channel.key or name) in found
        }
        if not values:
            raise InstrumentError(f"the answer has none of {', '.join(self._described)}")
        return values

    def _value(self, channel: JsonChannel, raw: Any) -> Value:
        return Value(None) if raw is None else channel.value(raw, self._words)

    def _fetch(self) -> bytes:
        deadline_s = time.monotonic() + self._timeout_s
        url = self._url
        if self.simulated:
            if self._simulator is None:
                raise OfflineError(f"{url} is not open")
            url = self._simulator.port.replace("tcp://", "http://")
        request = urllib.request.Request(url, headers=self._headers)
        try:
            with self._opener.open(request, timeout=self._timeout_s) as response:
                return self._body(response, deadline_s)
        except urllib.error.HTTPError as error:
            error.close()
            raise InstrumentError(f"{url} answered {error.code} {error.reason}") from None
        except TimeoutError:
            raise InstrumentTimeoutError(f"{url} did not answer in {self._timeout_s:g} s") from None
        except urllib.error.URLError as error:
            if isinstance(error.reason, TimeoutError):
                raise InstrumentTimeoutError(f"{url} did not answer in time") from None
            raise OfflineError(f"{url}: {error.reason}") from None
        except (OSError, HTTPException) as error:
            raise OfflineError(f"{url}: {error!r}") from None

    def _body(self, response: HTTPResponse, deadline_s: float) -> bytes:
        body = bytearray()
        while chunk := response.read1(CHUNK_BYTES):
            body += chunk
            if len(body) > MAX_BYTES:
                raise InstrumentError(f"the answer has more than {MAX_BYTES} bytes")
            if time.monotonic() > deadline_s:
                raise InstrumentTimeoutError(f"the answer took more than {self._timeout_s:g} s")
        return bytes(body)
