"""What a derived stream was asked to be, checked: its sources, operator, arguments and types.

The trap: raw sources that are not read in one poll share no time stamps, so an operator that needs
shared ones would give nothing for ever; that is refused, and not found out a week later.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

import orjson

from labmon.datastream.exceptions import (
    IncompatibleGranularities,
    IncompatibleTypes,
    InvalidOperatorArguments,
    UnsupportedDeriveOperator,
)
from labmon.datastream.granularity import Granularity
from labmon.datastream.operators import OPERATORS, Operator, find_operator

if TYPE_CHECKING:
    from collections.abc import Sequence

    from labmon.datastream.catalogue import Catalogue
    from labmon.datastream.stream import Stream, StreamConfig


class Derivation(NamedTuple):
    """The checked arguments of a derived stream.

    Attributes:
        derived_from: for each source {"stream": id} and its "name", where it has one.
    """

    derived_from: list[dict[str, Any]]
    derive_op: str
    derive_args: dict[str, Any]
    value_type: str


def check_derivation(
    catalogue: Catalogue,
    derive_from: Sequence[Any] | None,
    derive_op: str | None,
    derive_args: Mapping[str, Any] | None,
    highest: Granularity,
) -> Derivation | None:
    """The derivation that was asked for; None where none was.

    Raises:
        StreamNotFound: a source is none.
        UnsupportedDeriveOperator, InvalidOperatorArguments, IncompatibleTypes,
        IncompatibleGranularities: it makes no sense.
    """
    if derive_from is None and derive_op is None:
        if derive_args:
            raise InvalidOperatorArguments("derive_args need derive_from and derive_op")
        return None
    if derive_op is None:
        raise UnsupportedDeriveOperator(
            f"derive_from needs derive_op: use one of {', '.join(OPERATORS)}"
        )
    if isinstance(derive_from, str | Mapping) or not derive_from:
        raise InvalidOperatorArguments(f"{derive_op} needs derive_from, a list of streams")
    given = [_source(one) for one in derive_from]
    sources = [catalogue.get(one["stream"]) for one in given]
    operator = find_operator(derive_op, derive_args, [one.get("name") for one in given])
    operator.check_types([source.config.value_type for source in sources])
    _check_granularities(sources, highest)
    if highest is Granularity.Raw and operator.needs_shared_times:
        _check_shared(catalogue, operator, sources)
    arguments = orjson.loads(orjson.dumps(dict(derive_args or {})))
    return Derivation(given, derive_op, arguments, operator.output)


def operator_of(config: StreamConfig) -> Operator:
    """The operator of a derived stream."""
    assert config.derived_from is not None
    assert config.derive_op is not None
    names = [one.get("name") for one in config.derived_from]
    return find_operator(config.derive_op, config.derive_args, names)


def check_value_type(derivation: Derivation, value_type: str, options: Mapping[str, Any]) -> None:
    """Refuse a type of values that an operator does not give.

    Raises:
        IncompatibleTypes: which it gives.
    """
    if value_type != derivation.value_type:
        raise IncompatibleTypes(
            f"{derivation.derive_op} gives {derivation.value_type} values, not {value_type}"
        )
    if options.get("high_accuracy"):
        raise IncompatibleTypes("derived values are computed as floats: no high_accuracy")


def _source(given: Any) -> dict[str, Any]:
    if not isinstance(given, Mapping):
        return {"stream": given}
    if "stream" not in given or not given.keys() <= {"stream", "name"}:
        raise InvalidOperatorArguments(
            f'a source is an id or {{"name", "stream"}}, not {dict(given)!r}'
        )
    name = given.get("name")
    return {"stream": given["stream"]} | ({} if name is None else {"name": name})


def _check_granularities(sources: Sequence[Stream], highest: Granularity) -> None:
    for source in sources:
        finest = source.config.highest_granularity
        if finest < highest:
            raise IncompatibleGranularities(
                f"{source.path or source.id} has {finest.name}, nothing as fine as {highest.name}"
            )
        if finest > highest and not source.config.value_downsamplers:
            raise IncompatibleGranularities(
                f"{source.path or source.id} is never downsampled to {highest.name}"
            )


def _check_shared(catalogue: Catalogue, operator: Operator, sources: Sequence[Stream]) -> None:
    devices = {_device(root) for source in sources for root in roots_of(catalogue, source)}
    if len(devices - {None}) > 1:
        raise InvalidOperatorArguments(
            f"{', '.join(sorted(map(str, devices - {None})))} are not read in one poll:"
            f' {operator.name} of raw values needs align: {{"hold_s": seconds}}'
        )


def _device(stream: Stream) -> str | None:
    device = stream.tags.get("device")
    if isinstance(device, str):
        return device
    return None if stream.path is None else stream.path.partition("/")[0]


def roots_of(catalogue: Catalogue, stream: Stream) -> list[Stream]:
    """The streams that are not derived from which a stream is, at whatever depth; or itself.

    Raises:
        StreamNotFound: one of them cannot be read.
    """
    if stream.config.derived_from is None:
        return [stream]
    found: dict[int, Stream] = {}
    for one in stream.config.derived_from:
        for root in roots_of(catalogue, catalogue.get(one["stream"])):
            found[root.number] = root
    return list(found.values())
