"""`Several`: datapoints of several streams, as `append_multiple` gets them, made columns at once.

What most callers give, floats and integer times, is looked at as a whole; anything else one by one.
The trap: all of it is taken or nothing, so everything is checked here, before a head is touched.
"""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import numpy as np

from labmon.datastream.appending import check_order, check_source
from labmon.datastream.columns import Columns
from labmon.datastream.exceptions import StreamNotFound
from labmon.datastream.journal_values import JournalValues
from labmon.datastream.times import LAST_NS, datapoint_ns
from labmon.datastream.values import check_quality, weight

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from labmon.datastream.catalogue import Catalogue
    from labmon.datastream.stream import Stream

_NEEDED: Final = frozenset({"stream_id", "value"})
_KNOWN: Final = _NEEDED | {"timestamp", "quality"}
_FLOATS: Final = frozenset({float, type(None)})


class Several(NamedTuple):
    """Checked datapoints, one at least.

    Attributes:
        parts: the datapoints of each stream.
        streams, t, values, quality: of all, in the order in which they were given.
        heavy: what the values take in memory beyond what numbers do.
    """

    parts: list[tuple[Stream, Columns]]
    streams: NDArray[np.uint32]
    t: NDArray[np.int64]
    values: JournalValues
    quality: NDArray[np.uint8] | None
    heavy: int


def several(catalogue: Catalogue, datapoints: Sequence[Mapping[str, Any]], now_ns: int) -> Several:
    """The datapoints of `append_multiple`, checked.

    Raises:
        As `append_multiple` does.
    """
    keys = _keys(datapoints)
    ids = [datapoint["stream_id"] for datapoint in datapoints]
    found = _streams(catalogue, ids)
    values: list[Any] = [datapoint["value"] for datapoint in datapoints]
    t = _times(datapoints, now_ns) if "timestamp" in keys else np.full(len(ids), now_ns)
    quality = _qualities(datapoints) if "quality" in keys else None
    are_floats = _FLOATS.issuperset(map(type, values))
    heavy = 0
    if not are_floats or not all(stream.takes_floats for stream in found.values()):
        values = [found[id_].check(value) for id_, value in zip(ids, values, strict=True)]
        heavy = sum(map(weight, values))
    packed = JournalValues.pack(values)
    numbers = {id_: stream.number for id_, stream in found.items()}
    streams = np.fromiter(map(numbers.__getitem__, ids), np.uint32, len(ids))
    parts = _parts(catalogue, streams, t, packed.v if packed.kinds is None else values, quality)
    return Several(parts, streams, t, packed, quality, heavy)


def _keys(datapoints: Sequence[Mapping[str, Any]]) -> set[str]:
    """The keys that there are.

    Raises:
        ValueError: a datapoint lacks one, or has another.
    """
    kinds = set(map(tuple, datapoints))
    for keys in kinds:
        if not set(keys) >= _NEEDED or not set(keys) <= _KNOWN:
            raise ValueError(
                'a datapoint is {"stream_id", "value", "timestamp", "quality"}, the last two'
                f" optional, not {', '.join(map(repr, keys))}"
            )
    return set().union(*kinds)


def _streams(catalogue: Catalogue, ids: list[Any]) -> dict[str, Stream]:
    """The streams of some ids, none of them derived."""
    try:
        found = {stream_id: catalogue.get(stream_id) for stream_id in set(ids)}
    except TypeError:  # one that cannot be in a set
        raise StreamNotFound("the id of a stream is a text") from None
    for stream in found.values():
        check_source(stream)
    return found


def _times(datapoints: Sequence[Mapping[str, Any]], now_ns: int) -> NDArray[np.int64]:
    """The times, now for None."""
    given: list[Any] = [datapoint.get("timestamp") for datapoint in datapoints]
    if set(map(type, given)) == {int} and min(given) >= 0 and max(given) <= LAST_NS:
        return np.array(given, np.int64)
    return np.array([now_ns if time is None else datapoint_ns(time) for time in given], np.int64)


def _qualities(datapoints: Sequence[Mapping[str, Any]]) -> NDArray[np.uint8]:
    given = [datapoint.get("quality") for datapoint in datapoints]
    return np.array(
        [0 if quality is None else check_quality(quality) for quality in given], np.uint8
    )


def _parts(
    catalogue: Catalogue,
    streams: NDArray[np.uint32],
    t: NDArray[np.int64],
    values: NDArray[np.float64] | list[Any],
    quality: NDArray[np.uint8] | None,
) -> list[tuple[Stream, Columns]]:
    """The datapoints of each stream, in the order in which they were given.

    Raises:
        InvalidTimestamp: which is not the order of time.
    """
    order = np.argsort(streams, kind="stable")
    streams, t = streams[order], t[order]
    values = [values[i] for i in order.tolist()] if isinstance(values, list) else values[order]
    quality = None if quality is None else quality[order]
    starts = np.flatnonzero(np.diff(streams, prepend=0)).tolist()
    falls = np.flatnonzero(t[1:] < t[:-1]) + 1
    are_in_order = set(starts).issuperset(falls.tolist())
    parts: list[tuple[Stream, Columns]] = []
    for first, end in pairwise([*starts, len(t)]):
        stream = catalogue.number(int(streams[first]))
        assert stream is not None
        part = slice(first, end)
        columns = _columns(t[part], values[part], None if quality is None else quality[part])
        if not are_in_order or columns.t[0] < stream.latest_ns:
            check_order(stream, columns)
        parts.append((stream, columns))
    return parts


def _columns(
    t: NDArray[np.int64],
    values: NDArray[np.float64] | list[Any],
    quality: NDArray[np.uint8] | None,
) -> Columns:
    if isinstance(values, list):
        return Columns.from_values(t, values, quality)
    return Columns(t, values, None, quality if quality is not None and quality.any() else None)
