"""The Python client of a labmon server: `Client` waits, `AsyncClient` is for asyncio.

    client = Client("http://127.0.0.1:8765")
    client.latest("wavemeter/*")["wavemeter/ch1"].value
    client.device("wavemeter").set_exposure(channel=3, milliseconds=20)
    for reading in client.live("wavemeter/*"): ...

It needs only numpy and msgpack, and nothing of the server. The trap: a command that timed out may
have happened; give it an `idempotency_key` if it is to be sent again.
"""

from labmon.client.aio import AsyncClient
from labmon.client.blocking import Client, RemoteDevice
from labmon.client.live import Live
from labmon.client.values import (
    Band,
    ClientError,
    Columns,
    Event,
    History,
    Reading,
    RequestError,
    RpcError,
)

__all__ = [
    "AsyncClient",
    "Band",
    "Client",
    "ClientError",
    "Columns",
    "Event",
    "History",
    "Live",
    "Reading",
    "RemoteDevice",
    "RequestError",
    "RpcError",
]
