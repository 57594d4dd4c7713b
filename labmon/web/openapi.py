"""`/openapi.json`, made from the very definitions that check the requests."""

from __future__ import annotations

import re
from functools import cache
from typing import TYPE_CHECKING, Any, ClassVar, Final

from labmon import __version__
from labmon.web.handler import ApiHandler
from labmon.web.operation import PRINTABLE, Operation

if TYPE_CHECKING:
    from collections.abc import Mapping

    from labmon.web.operation import Parameter

ERROR_SCHEMA: Final = {
    "type": "object",
    "required": ["error"],
    "properties": {
        "error": {
            "type": "object",
            "required": ["code", "message"],
            "properties": {
                "code": {"type": "string"},
                "message": {"type": "string"},
                "details": {},
            },
        }
    },
}
_COMMON: Final = {
    400: "malformed, or an unknown parameter",
    403: "not allowed, or a page of another site",
    404: "there is nothing of this name",
    409: "somebody else's lease, or a tag that stands for good",
    413: "too large",
    421: "the server is not known under this host name",
    429: "too many at once: come back",
    503: "the store takes nothing now, or the server stops: come back",
}
_GROUP: Final = re.compile(r"\(\?P<(\w+)>((?:[^()]|\([^()]*\))*)\)")


class OpenApiHandler(ApiHandler):
    """The description of this interface."""

    operations: ClassVar[Mapping[str, Operation]] = {
        "GET": Operation("The description of this interface, OpenAPI 3.1.")
    }

    async def get(self) -> None:
        """The whole document."""
        self.reply(document())


@cache
def document() -> dict[str, Any]:
    """The OpenAPI document of all routes."""
    from labmon.web.routes import API

    return {
        "openapi": "3.1.0",
        "info": {
            "title": "labmon",
            "version": __version__,
            "description": "Readings of laboratory instruments: live, recorded, queryable.",
            "license": {"name": "BSD-3-Clause", "identifier": "BSD-3-Clause"},
        },
        "servers": [{"url": "/"}],
        "paths": {
            template(pattern): {
                method.lower(): _operation(pattern, method, operation)
                for method, operation in handler.operations.items()
            }
            for pattern, handler in API
        },
        "components": {"schemas": {"Error": ERROR_SCHEMA}},
    }


def template(pattern: str) -> str:
    """The address of a route with its parts in braces."""
    return _GROUP.sub(lambda match: "{" + match[1] + "}", pattern)


def _operation(pattern: str, method: str, operation: Operation) -> dict[str, Any]:
    described: dict[str, Any] = {
        "summary": operation.summary,
        "operationId": _identifier(method, pattern),
        "x-role": operation.role,
        "parameters": [_in_path(*group) for group in _GROUP.findall(pattern)]
        + [_in_query(parameter) for parameter in operation.parameters]
        + [_in_header(name, text) for name, text in operation.headers.items()],
        "responses": _responses(operation),
    }
    if operation.body is not None:
        described["requestBody"] = {
            "required": True,
            "content": {
                "application/json": {"schema": operation.body},
                "application/msgpack": {"schema": operation.body},
            },
        }
    return described


def _identifier(method: str, pattern: str) -> str:
    words = re.findall(r"[a-z]+", template(pattern).removeprefix("/api/v"))
    return method.lower() + "".join(word.capitalize() for word in words)


def _in_path(name: str, pattern: str) -> dict[str, Any]:
    schema: dict[str, Any] = {"type": "string", "pattern": PRINTABLE}
    if re.fullmatch(r"[a-z|]+", pattern):
        schema["enum"] = pattern.split("|")
    return {"name": name, "in": "path", "required": True, "schema": schema}


def _in_header(name: str, text: str) -> dict[str, Any]:
    schema = {"type": "string", "minLength": 1, "maxLength": 255}
    return {"name": name, "in": "header", "description": text, "schema": schema}


def _in_query(parameter: Parameter) -> dict[str, Any]:
    schema = dict(parameter.schema)
    described: dict[str, Any] = {
        "name": parameter.name,
        "in": "query",
        "description": parameter.doc,
    }
    if parameter.name.endswith("."):
        described["name"] = parameter.name.rstrip(".")
        described["style"] = "deepObject"
        schema = {"type": "object", "additionalProperties": schema}
        described["description"] += f" Written {parameter.name}KEY=VALUE."
    elif parameter.is_list:
        schema = {"type": "array", "items": schema}
    described["schema"] = schema
    if parameter.is_required:
        described["required"] = True
    return described


def _responses(operation: Operation) -> dict[str, Any]:
    content: dict[str, Any] = {
        operation.answer_type: {} if operation.answer is None else {"schema": operation.answer},
        **{also: {} for also in operation.also},
    }
    if operation.answer is not None:
        content["application/msgpack"] = {}
    good = {
        str(status): {"description": text, **({"content": content} if status != 204 else {})}
        for status, text in operation.answers.items()
    }
    bad = {
        str(status): {
            "description": text,
            "content": {"application/json": {"schema": {"$ref": "#/components/schemas/Error"}}},
        }
        for status, text in {**_COMMON, **operation.errors}.items()
        if status not in operation.answers
    }
    return good | bad
