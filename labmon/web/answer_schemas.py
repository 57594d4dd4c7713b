"""JSON Schemas of the answers, for openapi.json; a test holds every answer against them.

What is listed is promised. The trap: an answer may have more members, so nothing is closed here.
"""

from __future__ import annotations

from typing import Any, Final

Schema = dict[str, Any]

TEXT: Final[Schema] = {"type": "string"}
COUNT: Final[Schema] = {"type": "integer", "minimum": 0}
FLAG: Final[Schema] = {"type": "boolean"}
TIME: Final[Schema] = {"type": "number", "description": "Unix seconds"}
MAYBE_TIME: Final[Schema] = {"type": ["number", "null"], "description": "Unix seconds"}
MAYBE_NUMBER: Final[Schema] = {"type": ["number", "null"]}
WORDS: Final[Schema] = {"type": "array", "items": TEXT}
QUALITY: Final[Schema] = {"type": "integer", "minimum": 0, "maximum": 255}
COLUMN: Final[Schema] = {"type": "array", "items": MAYBE_NUMBER}


def listed(items: Schema) -> Schema:
    """A list of such things."""
    return {"type": "array", "items": items}


def members(**properties: Schema) -> Schema:
    """An object that has at least these members."""
    return {"type": "object", "required": list(properties), "properties": properties}


STREAM: Final = members(
    id=TEXT,
    path=TEXT,
    unit=TEXT,
    value_type={"enum": ["numeric", "nominal", "graph"]},
    granularities=WORDS,
    earliest=MAYBE_TIME,
    latest=MAYBE_TIME,
    latest_value={},
    quality=QUALITY,
    quality_words=WORDS,
    count=COUNT,
    size_bytes={"type": ["integer", "null"], "minimum": 0},
    bytes_per_datapoint=MAYBE_NUMBER,
    tags={"type": "object"},
)
STREAMS: Final = members(streams=listed(STREAM))
LATEST: Final = members(
    now=TIME,
    cursor=TEXT,
    readings=listed(
        members(
            path=TEXT,
            t=TIME,
            value={},
            quality=QUALITY,
            quality_words=WORDS,
            age_s={"type": "number"},
            unit=TEXT,
        )
    ),
)
ANNOTATIONS: Final = members(
    stream=TEXT,
    cursor=TEXT,
    annotations=listed(
        members(
            id=TEXT,
            version=COUNT,
            text=TEXT,
            start=TIME,
            end=MAYBE_TIME,
            streams=WORDS,
            who=TEXT,
            changed_by=TEXT,
            changed=TIME,
        )
    ),
)
HISTORY: Final = members(
    start=TIME,
    end=TIME,
    cursor=TEXT,
    streams=listed(
        members(
            path=TEXT,
            unit=TEXT,
            granularity=TEXT,
            bucket_s={"type": "number", "minimum": 0},
            t={"type": "array", "items": TIME},
        )
    ),
)
DEVICE_STATUS: Final = members(
    name=TEXT,
    title=TEXT,
    group=TEXT,
    driver=TEXT,
    model=TEXT,
    simulated=FLAG,
    state={"enum": ["disabled", "connecting", "online", "offline", "stuck"]},
    since=TIME,
    reason=TEXT,
    period_s={"type": "number"},
    asked_hz=MAYBE_NUMBER,
    rate_hz=MAYBE_NUMBER,
    poll_ms=MAYBE_NUMBER,
    polls=COUNT,
    errors=COUNT,
    missed=COUNT,
    dropped=COUNT,
    reconnects=COUNT,
    last_error={"type": ["string", "null"]},
    last_error_time=MAYBE_TIME,
    lease={"oneOf": [{"type": "null"}, members(owner=TEXT, until=TIME)]},
)
DEVICE: Final[Schema] = {
    "allOf": [
        DEVICE_STATUS,
        members(
            channels=listed(members(name=TEXT, path=TEXT, unit=TEXT, kind=TEXT)),
            commands=listed(members(name=TEXT, doc=TEXT, params={"type": "object"})),
        ),
    ]
}
DEVICES: Final = members(devices=listed(DEVICE), now=TIME)
APPENDED: Final = members(
    accepted=COUNT,
    rejected=listed(
        members(index=COUNT, stream={"type": ["string", "null"]}, reason=TEXT),
    ),
)
READINESS: Final = members(
    ready=FLAG,
    reasons=WORDS,
    degraded=FLAG,
    warnings=WORDS,
    waiting_readings=COUNT,
    dropped_readings=COUNT,
    refused_streams={"type": "object"},
)
HEALTH: Final[Schema] = {
    "allOf": [members(status={"const": "ok"}, version=TEXT), READINESS],
}
_REPLY: Final[Schema] = {
    "type": "object",
    "required": ["jsonrpc", "id"],
    "properties": {
        "jsonrpc": {"const": "2.0"},
        "id": {"type": ["string", "number", "null"]},
        "result": {},
        "error": members(code={"type": "integer"}, message=TEXT),
    },
    "oneOf": [{"required": ["result"]}, {"required": ["error"]}],
}
RPC_REPLY: Final[Schema] = {"oneOf": [_REPLY, {**listed(_REPLY), "minItems": 1}]}
