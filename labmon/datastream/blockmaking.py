"""Datapoints to be sealed become blocks: plain arithmetic and encoding, for any thread.

Datapoints that are older than what is sealed already go into blocks of their own, so that no raw
block is ever rewritten. The trap: ordinals count arrivals, and the pieces of one sealing share
them out anew; only the pair of `first ordinal` and `through` has a meaning, not the order inside.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from labmon.datastream import codec
from labmon.datastream.backends.base import BlockKey, BlockOutline, BlockRow
from labmon.datastream.columns import Columns
from labmon.datastream.granularity import Granularity
from labmon.datastream.seal_state import Latest, LevelState, SealState

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from labmon.datastream.rollups import Rollups


@dataclass(slots=True)
class Sealing:
    """What one stream is about to seal.

    Attributes:
        number: of the stream.
        arrivals: in the order of arrival.
        state: how far it was sealed before; afterwards, how far it is then.
        has_levels: whether the stream is downsampled.
        late: those of the datapoints that lie before what was sealed, in the order of time.
        pieces: the tables of the blocks with their first ordinals.
        rows: the blocks.
    """

    number: int
    arrivals: Columns
    state: SealState
    has_levels: bool
    late: Columns = field(default_factory=Columns.empty)
    pieces: list[tuple[int, Columns]] = field(default_factory=list[tuple[int, Columns]])
    rows: list[BlockRow] = field(default_factory=list[BlockRow])


def split(sealing: Sealing, size: int) -> None:
    """Cut the datapoints of a sealing into pieces of about `size`, late ones apart."""
    ordered = Columns.empty().merged(sealing.arrivals)
    sealed_ns = sealing.state.last_ns
    at = int(np.searchsorted(ordered.t, sealed_ns)) if sealed_ns >= 0 else 0
    sealing.late, regular = ordered[:at], ordered[at:]
    ordinal = sealing.state.through
    for part in (sealing.late, regular):
        for piece in _pieces(part, size):
            sealing.pieces.append((ordinal, piece))
            ordinal += len(piece)
    _advance(sealing.state, ordered, regular)
    if sealing.has_levels:
        _count_buckets(sealing.state, regular)


def _pieces(columns: Columns, size: int) -> Iterator[Columns]:
    if not len(columns):
        return
    bounds = np.linspace(0, len(columns), max(1, round(len(columns) / size)) + 1).astype(int)
    for first, last in zip(bounds[:-1].tolist(), bounds[1:].tolist(), strict=True):
        yield columns[first:last]


def _advance(state: SealState, ordered: Columns, regular: Columns) -> None:
    state.through += len(ordered)
    first_ns = int(ordered.t[0])
    state.first_ns = first_ns if state.first_ns < 0 else min(state.first_ns, first_ns)
    if len(regular):
        last = regular[len(regular) - 1 :]
        state.last_ns = int(last.t[0])
        state.latest = Latest(state.last_ns, last.python_values()[0], int(last.qualities()[0]))


def _count_buckets(state: SealState, regular: Columns) -> None:
    """Count what the levels have to decide upon: buckets with datapoints, about."""
    starts = regular.t
    for granularity in Granularity.values[1:]:
        level = state.levels.get(granularity.key)
        if level is None:
            from_ns = granularity.round_timestamp(state.first_ns)
            level = state.levels[granularity.key] = LevelState(from_ns)
        level.datapoints += len(regular)
        if len(starts):  # each length is a multiple of the one before
            starts = starts // granularity.duration_ns * granularity.duration_ns
            starts = starts[np.append(True, starts[1:] != starts[:-1])]
            level.buckets += len(starts) - 1


def encode_raw(sealings: Iterable[Sealing]) -> dict[bytes, bytes]:
    """Encode the pieces into blocks; returns the time columns that several of them share."""
    sealings = list(sealings)
    addresses = _addresses([piece for sealing in sealings for _, piece in sealing.pieces])
    uses = Counter(addresses.values())
    shared: dict[bytes, bytes] = {}
    for sealing in sealings:
        for ordinal, piece in sealing.pieces:
            address = addresses.get(id(piece))
            if address is not None and uses[address] == 1:
                address = None
            elif address is not None and address not in shared:
                shared[address] = codec.encode_times(piece)
            key = BlockKey(sealing.number, Granularity.Raw.key, ordinal, 0)
            body = codec.encode_block(piece, Granularity.Raw, address)
            outline = BlockOutline(
                key,
                int(piece.t[0]),
                int(piece.t[-1]),
                len(piece),
                sealing.state.through,
                address,
                len(body),
            )
            sealing.rows.append(BlockRow(outline, body))
    return shared


def _addresses(pieces: Sequence[Columns]) -> dict[int, bytes]:
    """The addresses of times that may be shared, by the id of the piece.

    Columns with other ends are not the same: most need none. The channels of a device have the same
    times: to see that takes a small part of what working out the address again would.
    """
    counts = Counter(map(_ends, pieces))
    addresses: dict[int, bytes] = {}
    firsts: dict[tuple[int, int, int], Columns] = {}
    for piece in pieces:
        ends = _ends(piece)
        if counts[ends] < 2:
            continue
        first = firsts.setdefault(ends, piece)
        is_known = first is not piece and np.array_equal(first.t, piece.t)
        addresses[id(piece)] = addresses[id(first)] if is_known else codec.time_address(piece)
    return addresses


def _ends(piece: Columns) -> tuple[int, int, int]:
    return len(piece), int(piece.t[0]), int(piece.t[-1])


def encode_level(
    key: BlockKey,
    granularity: Granularity,
    rows: Rollups,
    from_ns: int,
    until_ns: int,
    through: int,
) -> BlockRow:
    """One block of rollups that covers the buckets which start in `from_ns <= t < until_ns`."""
    body = codec.encode_block(rows, granularity)
    outline = BlockOutline(key, from_ns, until_ns, len(rows), through, None, len(body))
    return BlockRow(outline, body)
