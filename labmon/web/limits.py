"""Every limit of the web server that is not in the configuration, in one place.

What an operator may want to change stands in `labmon.config.ServerConfig`; here stand the numbers
that belong to the protocol. Tests make them small.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Limits:
    """How much, how many, how long.

    Attributes:
        msgpack_bytes: a msgpack body; small, because a byte of it can become an object.
        json_depth: nesting of a body.
        containers: lists and objects in a body; parsing one holds up the loop by 0.2 µs.
        readings: in one append.
        ahead_s: how far in the future a reading from outside may lie.
        keys: idempotency keys that are remembered.
        streams: in one query or subscription.
        points: of one stream in one answer, where it names a level.
        packed_points: the same in msgpack, where one takes 17 bytes and no parsing.
        queries: that run at once; the answers of more would come in one turn of the event loop.
        waiting_queries: that wait; further ones are told to come back.
        drain_bytes: of a refused body that are read and thrown away, so that the answer arrives.
        write_stall_s: a client that takes nothing of an answer for so long is cut.
        interval_s: under load, at most one live message in this time.
        stall_s: a live client that takes nothing for so long is cut.
        linger_s: how long a cut client may take to read why.
        send_buffer_bytes: what the kernel may hold for one live client.
        ping_s: between WebSocket pings.
        pong_s: until the answer.
        comment_s: between comments on SSE, and between cursors on a quiet subscription.
        retry_ms: after which an SSE client comes back.
        user_timeout_s: unacknowledged data on SSE for so long: the peer is dead.
        messages_per_s: from one WebSocket client, and as many at once.
        frames_per_s: the same of frames: a message may come in several.
        subscriptions: of one WebSocket.
        calls: RPC requests of one WebSocket under way.
        replay_readings: in one message of a replay.
        settle_s: a client that resumes waits so long for readings that are on their way to disk.
        shutdown_s: for the goodbye.
    """

    msgpack_bytes: int = 1 << 20
    json_depth: int = 64
    containers: int = 60_000
    readings: int = 50_000
    ahead_s: float = 60.0
    keys: int = 10_000
    streams: int = 128
    points: int = 20_000
    packed_points: int = 200_000
    queries: int = 2
    waiting_queries: int = 34
    drain_bytes: int = 64 << 20
    write_stall_s: float = 30.0
    interval_s: float = 0.02
    stall_s: float = 15.0
    linger_s: float = 2.0
    send_buffer_bytes: int = 128 << 10
    ping_s: float = 15.0
    pong_s: float = 10.0
    comment_s: float = 15.0
    retry_ms: int = 2000
    user_timeout_s: float = 12.0
    messages_per_s: float = 50.0
    frames_per_s: float = 1000.0
    subscriptions: int = 16
    calls: int = 16
    replay_readings: int = 2000
    settle_s: float = 2.0
    shutdown_s: float = 1.0
