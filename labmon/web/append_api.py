"""`POST append`: readings from outside, live at once and answered when they are durable.

They go through the hub like any device's. An `Idempotency-Key` makes a retry safe: what the first
request published is not published again, also where the server was killed in between, because each
batch carries a receipt that becomes durable with it. The trap: the first may still be under way, or
published and not yet durable; the retry waits for it. And a store that is away for long makes the
recorder drop readings: what may be among them is never acknowledged, and a retry adds it.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Final, NamedTuple

from labmon.datastream.values import checker
from labmon.errors import BadRequestError, StorageError, StorageFullError, TooLargeError
from labmon.timestamps import SECOND_NS
from labmon.web import pushed, wire
from labmon.web.answer_schemas import APPENDED
from labmon.web.handler import ApiHandler
from labmon.web.operation import Operation
from labmon.web.problems import ProblemError

if TYPE_CHECKING:
    from collections.abc import Coroutine, Mapping, Sequence

    from labmon.web.pushed import Pushed
    from labmon.web.services import Services

COMMIT_S: Final = 10.0
"""So long a pusher waits for a store that does not take; then it is told to come back."""
SLICE: Final = 100
"""Readings after which others run: 500 held them up for 7 ms, which a busy machine makes 30."""


class Published(NamedTuple):
    """What came of a request whose readings are published, and not yet durable.

    Attributes:
        dropped: readings that the recorder had dropped before.
    """

    status: int
    answer: dict[str, Any]
    dropped: int


Check = Callable[["Pushed"], Any]
"""Gives a reading's value as it is stored, or raises ValueError or TypeError with the reason."""


class AppendHandler(ApiHandler):
    """Readings from outside."""

    operations: ClassVar[Mapping[str, Operation]] = {
        "POST": Operation(
            "Append readings; streams that do not exist are created.",
            headers={
                "Idempotency-Key": "The same body with the same key is recorded once, for 5 minutes"
                " at least, also where the server was killed in between."
            },
            body={"type": "array", "minItems": 1, "items": pushed.READING_SCHEMA},
            answers={
                200: "all are recorded",
                207: "some are refused, each with its reason; the others are recorded",
            },
            errors={422: "the Idempotency-Key was used for another body"},
            answer=APPENDED,
            role="operator",
        )
    }

    async def post(self) -> None:
        """Record, and answer after the commit; the server waits for that before it stops."""
        if self.application.is_stopping:
            raise ProblemError(503, "the server stops: send it again", headers={"Retry-After": "1"})
        answered = asyncio.get_running_loop().create_future()
        self.application.pushes.add(answered)
        try:
            await self._record()
        finally:
            self.application.pushes.discard(answered)
            answered.set_result(None)

    async def _record(self) -> None:
        key = self.request.headers.get("Idempotency-Key")
        if key is not None and not 1 <= len(key) <= 255:
            raise BadRequestError("an Idempotency-Key has 1 to 255 characters")
        body = await self.read_body()
        if not isinstance(body, list) or not body:
            raise BadRequestError('send a list of readings: [{"stream": "room/t", "value": 21.5}]')
        limit = self.services.limits.readings
        if len(body) > limit:
            raise TooLargeError(f"{len(body)} readings, at most {limit} at once: send several")
        in_ns = wire.body_format(self.request.headers["Content-Type"]) == "msgpack"

        if key is None:
            published = await publish(self.services, body, None, in_ns=in_ns)
        else:
            key = f"{self.caller.who} {key}"
            told = pushed.Key(key, hashlib.sha256(self.body_bytes).hexdigest()[:32])
            published = await self.application.retries.run(
                told, lambda: publish(self.services, body, told, in_ns=in_ns)
            )
        await _durable(self.services)
        if self.services.recorder.dropped_readings != published.dropped:
            self.application.retries.forget(key)
            raise StorageError(
                "the store was away for so long that readings were dropped, perhaps some of these:"
                " ask for what is recorded, and send the others again"
            )
        self.reply(published.answer, published.status)


async def publish(
    services: Services, body: Sequence[Any], key: pushed.Key | None, *, in_ns: bool
) -> Published:
    """Give the good readings to the hub; they are not yet durable.

    Those that an earlier request with the same key brought into the store are there already.

    Raises:
        BadRequestError: there is no good one.
        ProblemError: 422, the key was used for another body.
        StorageFullError: there is no room on the disk, or none to wait in while the store is away.
    """
    if services.datastream.is_full:
        raise StorageFullError("the disk of the store is full: nothing is taken, try again later")
    if services.recorder.is_filling:
        raise StorageFullError(
            "the store is away and memory runs full: nothing is taken, try again later"
        )
    dropped = services.recorder.dropped_readings
    good, rejected = await _sorted_out(services, body, in_ns=in_ns)
    good, refused = await _fitting(services, good)
    rejected += refused
    published = 0
    for batch in pushed.batches(_missing(services, good, key), key):
        services.hub.publish(batch)
        published += len(batch)
        if published >= SLICE:
            published = 0
            await asyncio.sleep(0)
    rejected.sort(key=lambda rejection: rejection["index"])
    if not good:
        raise BadRequestError(
            f"none of {len(body)} readings is taken: {rejected[0]['reason']}",
            {"accepted": 0, "rejected": rejected},
        )
    answer = {"accepted": len(good), "rejected": rejected}
    return Published(207 if rejected else 200, answer, dropped)


def _missing(services: Services, readings: list[Pushed], key: pushed.Key | None) -> list[Pushed]:
    """The readings without those that were taken under the same key before."""
    received = None if key is None else services.datastream.received(key.text)
    if key is None or received is None:
        return readings
    if received.digest != key.digest:
        raise _other_body()
    return [reading for reading in readings if not received.has(reading.place)]


def _other_body() -> ProblemError:
    return ProblemError(422, "this Idempotency-Key was used for another body")


async def _sorted_out(
    services: Services, body: Sequence[Any], *, in_ns: bool
) -> tuple[list[Pushed], list[dict[str, Any]]]:
    now_ns = services.clock.now_ns()
    ahead_ns = int(services.limits.ahead_s * SECOND_NS)
    good: list[Pushed] = []
    rejected: list[dict[str, Any]] = []
    for index, item in enumerate(body):
        try:
            good.append(pushed.read(index, item, now_ns, ahead_ns, in_ns=in_ns))
        except ValueError as error:
            rejected.append(_rejection(index, item, str(error)))
        if index % SLICE == SLICE - 1:
            await asyncio.sleep(0)
    return good, rejected


async def _fitting(
    services: Services, readings: list[Pushed]
) -> tuple[list[Pushed], list[dict[str, Any]]]:
    """Make streams that do not exist; keep what fits the type of its stream, and is kept."""
    checks: dict[str, Check] = {}
    units: dict[str, str] = {}
    for reading in readings:
        if reading.unit is not None:
            units.setdefault(reading.path, reading.unit)
    good: list[Pushed] = []
    rejected: list[dict[str, Any]] = []
    for number, reading in enumerate(readings):
        if reading.path not in checks:
            checks[reading.path] = await _check(services, reading, units.get(reading.path, ""))
        try:
            value = checks[reading.path](reading)
            if (stream_id := services.datastream.stream_id(reading.path)) is not None:
                services.datastream.check_kept(stream_id, reading.time_ns)
            good.append(reading._replace(value=value))
        except (ValueError, TypeError) as error:
            rejected.append(_rejection(reading.place, {"stream": reading.path}, str(error)))
        if number % SLICE == SLICE - 1:
            await asyncio.sleep(0)
    return good, rejected


async def _check(services: Services, reading: Pushed, unit: str) -> Check:
    """What checks readings of a stream, which is made, in this unit, if there is none."""
    datastream = services.datastream
    device, _, channel = reading.path.partition("/")
    if device in services.devices and channel in services.devices[device].channels:
        return _refusing(f"{reading.path} is fed by the device {device}")
    stream_id = datastream.stream_id(reading.path)
    if stream_id is None:
        stream_id = await services.recorder.ensure(reading.path, reading.value, unit)
    if stream_id is None:
        return _refusing(services.recorder.refused.get(reading.path, "it cannot be recorded"))
    known = datastream.describe(stream_id)
    if known.get("derived_from"):
        return _refusing(f"{reading.path} is derived from other streams")
    check = checker(known["value_type"], known.get("value_type_options") or {})
    is_numeric, own = known["value_type"] == "numeric", str(known.get("unit") or "")

    def check_reading(reading: Pushed) -> Any:
        _check_unit(reading, own)
        if is_numeric and not (reading.value is None or pushed.is_number(reading.value)):
            raise ValueError(f"{reading.path} takes numbers")
        return check(reading.value)

    return check_reading


def _check_unit(reading: Pushed, own: str) -> None:
    if reading.unit not in {None, own}:
        is_in, is_said = (
            f"in {unit!r}" if unit else "without a unit" for unit in (own, reading.unit)
        )
        raise ValueError(
            f"{reading.path} is recorded {is_in}, not {is_said}: convert it,"
            " or send it to another stream"
        )


def _refusing(reason: str) -> Check:
    def refuse(_reading: Pushed) -> Any:
        raise ValueError(reason)

    return refuse


async def _durable(services: Services) -> None:
    """Wait until everything published is durable.

    Raises:
        StorageError: the store does not take it now; it waits, and may be recorded later.
    """
    try:
        await asyncio.wait_for(services.recorder.flush(), COMMIT_S)
    except TimeoutError:
        kind = StorageFullError if services.datastream.is_full else StorageError
        raise kind(
            "the store does not take readings now; these wait in memory and may still be"
            " recorded: repeat the request with the same Idempotency-Key later"
        ) from None


def _rejection(index: int, item: Any, reason: str) -> dict[str, Any]:
    stream = item.get("stream") if isinstance(item, dict) else None
    return {
        "index": index,
        "stream": stream[:255] if isinstance(stream, str) else None,
        "reason": reason,
    }


@dataclass(frozen=True, slots=True)
class _Remembered:
    digest: str
    task: asyncio.Task[Published]


class Retries:
    """What was answered under the newest Idempotency-Keys; bounded, the oldest go first."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._remembered: OrderedDict[str, _Remembered] = OrderedDict()

    async def run(
        self, key: pushed.Key, start: Callable[[], Coroutine[Any, Any, Published]]
    ) -> Published:
        """The answer of the first request with this key; failures are not kept.

        Raises:
            ProblemError: 422, the key was used for another body.
        """
        text, digest = key
        known = self._remembered.get(text)
        if known is None:
            known = _Remembered(digest, asyncio.create_task(start(), name="append"))
            self._remembered[text] = known
            known.task.add_done_callback(lambda task: self._ended(text, task))
            while len(self._remembered) > self._limit:
                self._remembered.popitem(last=False)
        elif known.digest != digest:
            raise _other_body()
        return await asyncio.shield(known.task)

    def forget(self, key: str | None) -> None:
        """Look again which readings are there when they come with this key."""
        if key is not None:
            self._remembered.pop(key, None)

    def _ended(self, key: str, task: asyncio.Task[Published]) -> None:
        if task.cancelled() or task.exception() is not None:
            known = self._remembered.get(key)
            if known is not None and known.task is task:
                del self._remembered[key]
