"""`StrictProtocol`: Tornado's end of a WebSocket, which also ends what Tornado lets through.

Clients must mask every frame (RFC 6455, 5.1). And a pong that nobody asked for, or a fragment of a
message that never ends, reaches no handler: frames are counted here. The trap: the methods
overridden are Tornado's own business, so the tests send it such frames over a real socket.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from tornado.websocket import WebSocketProtocol13

if TYPE_CHECKING:
    from asyncio import Future
    from collections.abc import Callable

    from tornado.websocket import WebSocketHandler

    from labmon.web.token_bucket import TokenBucket

PROTOCOL_ERROR: Final = 1002
POLICY: Final = 1008


class StrictProtocol(WebSocketProtocol13):
    """One connection.

    Args:
        plain: the protocol as Tornado would have made it for this handler.
        frames: has a token for each frame that may come.
        ending: called before a goodbye is written, whoever says it: nothing may follow that.
    """

    def __init__(
        self,
        handler: WebSocketHandler,
        plain: WebSocketProtocol13,
        frames: TokenBucket,
        ending: Callable[[], None],
    ) -> None:
        super().__init__(handler, mask_outgoing=False, params=plain.params)
        self._frames = frames
        self._ending = ending

    def close(self, code: int | None = None, reason: str | None = None) -> None:
        """Say goodbye: where no pong comes and as an answer to one Tornado does it by itself."""
        self._ending()
        super().close(code, reason)

    async def _receive_frame(self) -> None:
        if not self._frames.take():
            self._end(POLICY, "too many frames")
            return
        self._frame_mask = None
        await super()._receive_frame()
        self._check_mask()

    def _handle_message(self, opcode: int, data: bytes) -> Future[None] | None:
        return super()._handle_message(opcode, data) if self._check_mask() else None

    def _check_mask(self) -> bool:
        if self._frame_mask is None and not self.client_terminated:
            self._end(PROTOCOL_ERROR, "the frames of a client are masked")
        return self._frame_mask is not None

    def _end(self, code: int, reason: str) -> None:
        self.close(code, reason)
        self._abort()
