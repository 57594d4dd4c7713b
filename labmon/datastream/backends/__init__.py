"""Where the engine keeps its bytes, `open_backend`: one interface, one implementation per store."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path

from labmon.datastream.backends.base import Backend
from labmon.datastream.backends.memory import MemoryBackend
from labmon.datastream.backends.sqlite import SqliteBackend

__all__ = ["open_backend"]


def open_backend(url: str | Backend, *, durability: str = "full") -> Backend:
    """The backend of a store's address, or the one that is given; nothing is opened yet.

    `sqlite:///data/labmon.db` is relative to the working folder, `sqlite:////var/lib/labmon.db`
    absolute, as in SQLAlchemy.

    Raises:
        ValueError: the address or the durability is none that is known.
    """
    if durability not in {"full", "relaxed"}:
        raise ValueError(f"durability is 'full' or 'relaxed', not {durability!r}")
    if isinstance(url, Backend):
        return url
    scheme, _, rest = url.partition(":") if isinstance(url, str) else ("", "", "")
    if scheme == "memory":
        return MemoryBackend()
    if scheme == "sqlite" and rest.startswith("///") and rest[3:]:
        return SqliteBackend(Path(rest[3:]), is_relaxed=durability == "relaxed")
    if scheme in {"mongodb", "mongodb+srv"}:
        # only here: importing Motor costs more time and memory than all of the engine
        mongodb = import_module("labmon.datastream.backends.mongodb")
        return mongodb.MongodbBackend(url)
    raise ValueError(
        f"{url!r} is no store: use sqlite:///data/labmon.db, sqlite:////absolute/path.db,"
        " mongodb://HOST/DATABASE or memory:"
    )
