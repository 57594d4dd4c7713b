"""`JournalEntry`: one group commit as bytes, the datapoints of all streams in order of arrival.

Written ten times a second and more, so its layout is plain: columns as they lie in memory behind a
checksum (see docs/format.md). The trap: a torn entry must be told from a whole one, so decoding
answers DamagedBlock for anything but exactly what was written.
"""

from __future__ import annotations

import json
import struct
import zlib
from array import array
from dataclasses import dataclass
from itertools import chain, repeat
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import numpy as np
import orjson

from labmon.datastream.columns import Columns
from labmon.datastream.journal_values import OTHER, JournalValues
from labmon.datastream.vectors import Reader

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from numpy.typing import DTypeLike, NDArray

VERSION: Final = 1

_MAGIC: Final = b"LMJE"
# magic, version, flags, nothing, CRC32 of what follows, count, epoch, first seq, runs, length of
# the JSON of the other values, length of the JSON of the note
_HEAD: Final = struct.Struct("<4sBBHIIqqIII")
_CRC_AT: Final = 8
_CRC: Final = struct.Struct("<I")

_HAS_SEQ: Final = 1
_HAS_RUNS: Final = 2
_HAS_KINDS: Final = 4
_HAS_QUALITY: Final = 8
_WIDE_STREAMS: Final = 16
_KNOWN_FLAGS: Final = 31


@dataclass(slots=True)
class JournalEntry:
    """The columns of one group commit; all are equally long and in order of arrival.

    Attributes:
        epoch: of the start that took these datapoints.
        seq: int64 numbers of the datapoints; stored as one number where they are consecutive.
        streams: uint32 numbers of their streams, given by the engine.
        t: int64 ns; stored in runs where datapoints share theirs.
        values: their values.
        quality: one byte each; None: all ok.
        note: plain JSON data of the engine's own (blocks that were written beside, what kind of
            entry this is), or None.
    """

    epoch: int
    seq: NDArray[np.int64]
    streams: NDArray[np.uint32]
    t: NDArray[np.int64]
    values: JournalValues
    quality: NDArray[np.uint8] | None = None
    note: Any = None

    def __len__(self) -> int:
        """How many datapoints there are."""
        return len(self.t)

    def segments(self) -> Iterator[tuple[int, int, bool]]:
        """First row, end, and whether it is an array of samples: of each run, all rows in order."""
        start = 0
        for first, count in _arrays(self.note):
            if start < first:
                yield start, first, False
            yield first, first + count, True
            start = first + count
        if start < len(self):
            yield start, len(self), False

    def samples(self, first: int, end: int) -> Columns:
        """Rows of an array of samples, from `first` on."""
        quality = None if self.quality is None else self.quality[first:end]
        if quality is not None and not quality.any():
            quality = None
        return Columns(self.t[first:end], self.values.array(first, end), None, quality)


class EntryColumns(NamedTuple):
    """Readings of any streams as columns; as in `JournalEntry`."""

    seq: NDArray[np.int64]
    streams: NDArray[np.uint32]
    t: NDArray[np.int64]
    values: JournalValues
    quality: NDArray[np.uint8] | None


class Runs(NamedTuple):
    """Polls one behind the other, numbered consecutively: the columns as they stand in an entry.

    Attributes:
        count: of readings.
        first_seq: the number of the first one.
        times, lengths: of each poll: its time, as int64, and how many readings it has, as uint32.
        values: of each reading, eight bytes.
        streams: of each, as uint16, or all as uint32.
        kinds: of each, one byte; empty: all are floats.
        qualities: of each, one byte.
        others: the values that are no numbers.
    """

    count: int  # pyright: ignore[reportIncompatibleMethodOverride]
    first_seq: int
    times: array[int]
    lengths: array[int]
    values: bytes
    streams: bytes
    kinds: bytes
    qualities: bytes
    others: list[Any]


def encode_entry(entry: JournalEntry) -> bytes:
    """A group commit as bytes.

    Raises:
        TypeError, ValueError: a value or the note is not JSON.
    """
    count = len(entry)
    flags = 0
    columns: list[bytes | array[int]] = []
    first_seq = int(entry.seq[0]) if count else 0
    if count and not _is_consecutive(entry.seq):
        flags |= _HAS_SEQ
        columns.append(entry.seq.tobytes())
    starts = np.flatnonzero(entry.t[1:] != entry.t[:-1]) + 1
    runs = len(starts) + 1 if count > 2 * len(starts) + 1 else 0
    if runs:
        flags |= _HAS_RUNS
        bounds = np.concatenate(([0], starts, [count]))
        columns += [entry.t[bounds[:-1]].tobytes(), np.diff(bounds).astype(np.uint32).tobytes()]
    else:
        columns.append(entry.t.tobytes())
    columns.append(entry.values.v.tobytes())
    if count and entry.streams.max() > 0xFFFF:
        flags |= _WIDE_STREAMS
        columns.append(entry.streams.astype(np.uint32).tobytes())
    else:
        columns.append(entry.streams.astype(np.uint16).tobytes())
    if entry.values.kinds is not None:
        flags |= _HAS_KINDS
        columns.append(entry.values.kinds.tobytes())
    if entry.quality is not None and entry.quality.any():
        flags |= _HAS_QUALITY
        columns.append(entry.quality.tobytes())
    return _assembled(
        flags, (count, entry.epoch, first_seq, runs), columns, entry.values.others, entry.note
    )


def encode_runs(runs: Runs, epoch: int, note: Any) -> bytes:
    """A group commit of polls as bytes; what `encode_entry` makes of their columns, cheaper.

    Raises:
        TypeError, ValueError: a value or the note is not JSON.
    """
    flags = 0
    columns: list[bytes | array[int]] = []
    count, lengths = runs.count, runs.lengths
    if count >= 2 * len(lengths):
        flags |= _HAS_RUNS
        columns += [runs.times, lengths]
    else:
        columns.append(array("q", chain.from_iterable(map(repeat, runs.times, lengths))))
    columns += [runs.values, runs.streams]
    if len(runs.streams) == 4 * count:
        flags |= _WIDE_STREAMS
    if runs.kinds:
        flags |= _HAS_KINDS
        columns.append(runs.kinds)
    if runs.qualities != bytes(count):
        flags |= _HAS_QUALITY
        columns.append(runs.qualities)
    in_runs = len(lengths) if flags & _HAS_RUNS else 0
    return _assembled(flags, (count, epoch, runs.first_seq, in_runs), columns, runs.others, note)


def _assembled(
    flags: int,
    head: tuple[int, int, int, int],
    columns: Iterable[bytes | array[int]],
    others: list[Any],
    note: Any,
) -> bytes:
    """The bytes of an entry; `head` is count, epoch, first number and runs."""
    texts = _json(others) if others else b"", b"" if note is None else _note(note)
    start = _HEAD.pack(_MAGIC, VERSION, flags, 0, 0, *head, len(texts[0]), len(texts[1]))
    rest = b"".join((start[_CRC_AT + _CRC.size :], *columns, *texts))
    start = start[:_CRC_AT]
    return b"".join((start, _CRC.pack(zlib.crc32(rest, zlib.crc32(start))), rest))


def decode_entry(data: bytes, *, which: str = "journal entry") -> JournalEntry:
    """The group commit of bytes.

    Raises:
        DamagedBlock: the bytes are not what was written.
    """
    reader = Reader(data, which)
    magic, version, flags, _, stored, count, epoch, first_seq, runs, *texts = reader.unpack(_HEAD)
    if magic != _MAGIC:
        raise reader.damaged(f"begins with {magic!r} instead of {_MAGIC!r}")
    if version != VERSION or flags & ~_KNOWN_FLAGS:
        raise reader.damaged(f"has version {version} and flags {flags:#x}, unknown here")
    if stored != _checksum(data):
        raise reader.damaged("does not have its checksum")
    seq = _column(reader, np.int64, count) if flags & _HAS_SEQ else None
    t = _decode_runs(reader, runs, count) if flags & _HAS_RUNS else _column(reader, np.int64, count)
    v = _column(reader, np.float64, count)
    streams = _column(reader, np.uint32 if flags & _WIDE_STREAMS else np.uint16, count)
    kinds = _column(reader, np.uint8, count) if flags & _HAS_KINDS else None
    quality = _column(reader, np.uint8, count) if flags & _HAS_QUALITY else None
    others, note = (_decode_json(reader, length) for length in texts)
    reader.finish()
    others = _checked_others(reader, kinds, others)
    _check_arrays(reader, note, streams)
    return JournalEntry(
        epoch,
        np.arange(first_seq, first_seq + count) if seq is None else seq,
        streams.astype(np.uint32),
        t,
        JournalValues(v, kinds, others),
        quality,
        note,
    )


def _is_consecutive(seq: NDArray[np.int64]) -> bool:
    return int(seq[-1]) - int(seq[0]) == len(seq) - 1 and bool((seq[1:] > seq[:-1]).all())


def _note(data: Any) -> bytes:
    """Plain data as JSON, quickly: each entry has some."""
    try:
        return orjson.dumps(data)
    except TypeError:  # half a surrogate pair, and what is no JSON
        return _json(data)


def _json(data: Any) -> bytes:
    return json.dumps(data, separators=(",", ":")).encode()


def _column(reader: Reader, dtype: DTypeLike, count: int) -> NDArray[Any]:
    return np.frombuffer(reader.take(count * np.dtype(dtype).itemsize), dtype)


def _decode_runs(reader: Reader, runs: int, count: int) -> NDArray[np.int64]:
    times = _column(reader, np.int64, runs)
    lengths = _column(reader, np.uint32, runs)
    if int(lengths.sum(dtype=np.int64)) != count:
        raise reader.damaged(f"has times for another count than {count}")
    return np.repeat(times, lengths)


def _decode_json(reader: Reader, length: int) -> Any:
    if not length:
        return None
    try:
        return json.loads(bytes(reader.take(length)))
    except (ValueError, RecursionError) as error:
        raise reader.damaged(f"holds no JSON: {error}") from None


def _checked_others(reader: Reader, kinds: NDArray[np.uint8] | None, others: Any) -> list[Any]:
    others = [] if others is None else others
    expected = 0 if kinds is None else int((kinds == OTHER).sum())
    if not isinstance(others, list) or len(others) != expected:
        raise reader.damaged(f"has other values than the {expected} that it tells of")
    if kinds is not None and (kinds > OTHER).any():
        raise reader.damaged("has values of unknown types")
    return others


def _arrays(note: Any) -> Iterable[tuple[int, int]]:
    """First row and length of each array that a note tells of."""
    return note.get("arrays", ()) if isinstance(note, dict) else ()


def _check_arrays(reader: Reader, note: Any, streams: NDArray[np.unsignedinteger]) -> None:
    """Refuse a note whose arrays are no runs of one stream, one behind the other."""
    end = 0
    try:
        for first, count in _arrays(note):
            of_one = streams[first : first + count]
            is_run = end <= first and 0 < count == len(of_one) and bool((of_one == of_one[0]).all())
            if not is_run:
                raise reader.damaged(f"has no array of {count} at {first}")
            end = first + count
    except (TypeError, ValueError) as error:
        raise reader.damaged(f"has a note that says nothing of arrays: {error}") from None


def _checksum(data: bytes) -> int:
    view = memoryview(data)
    return zlib.crc32(view[_CRC_AT + _CRC.size :], zlib.crc32(view[:_CRC_AT]))
