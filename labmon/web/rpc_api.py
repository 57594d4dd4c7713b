"""`POST /rpc`: JSON-RPC 2.0 as JSON or msgpack, put to `labmon.control`.

The trap: a refused command is a good HTTP answer (200 with `error` inside); only what never became
a request (too large, of another type, from another site) has a status of its own.
"""

from __future__ import annotations

from typing import Any, ClassVar, Final

from labmon.control.rpc import MAX_BATCH, parse_error
from labmon.errors import BadRequestError
from labmon.web.answer_schemas import RPC_REPLY
from labmon.web.handler import ApiHandler
from labmon.web.operation import Operation

_REQUEST: Final[dict[str, Any]] = {
    "type": "object",
    "required": ["jsonrpc", "method"],
    "additionalProperties": False,
    "properties": {
        "jsonrpc": {"const": "2.0"},
        "method": {"type": "string", "examples": ["wavemeter.set_exposure", "rpc.discover"]},
        "params": {"type": ["object", "array"]},
        "id": {"type": ["string", "number", "null"]},
        "idempotency_key": {"type": "string", "minLength": 1, "maxLength": 255},
    },
}


class RpcHandler(ApiHandler):
    """Commands over HTTP."""

    operations: ClassVar = {
        "POST": Operation(
            summary="Call a method, or up to 50; rpc.discover describes them all.",
            body={
                "oneOf": [
                    _REQUEST,
                    {"type": "array", "minItems": 1, "maxItems": MAX_BATCH, "items": _REQUEST},
                ]
            },
            answers={
                200: "the reply, with result or error inside",
                204: "nothing to say: only notifications came",
                400: "the body is no JSON or msgpack: error -32700",
            },
            answer=RPC_REPLY,
        )
    }

    @property
    def body_limit(self) -> int:
        """Commands are small."""
        return self.services.config.server.max_rpc_bytes

    async def post(self) -> None:
        """Answer a request or a batch."""
        try:
            request = await self.read_body()
        except BadRequestError as error:  # TooLargeError too: the decoder's own limits
            self.reply(parse_error(str(error)), 400)
            return
        reply = await self.services.rpc.handle(request, self.caller)
        if reply is None:
            self.set_status(204)
            self.clear_header("Content-Type")
            await self.finish()
            return
        self.reply(reply)
