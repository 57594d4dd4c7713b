"""The same bytes to a crowd in one system call: io_uring, where Linux has it.

A `send` from Python costs half as much again as what the kernel does for it. Here the requests of
all viewers lie in memory that is shared with the kernel, and one call carries them out before it
returns: MSG_DONTWAIT lets none of them wait. They stay there as they are for the next message, as
long as the viewers are the same. Source: io_uring(7), io_uring_setup(2), io_uring_enter(2),
linux/io_uring.h. The trap: a descriptor is a number here. It must be out of the list before its
socket is closed, or the next connection gets what is not for it.
"""

from __future__ import annotations

import ctypes
import errno
import logging
import mmap
import os
import socket
import sys
from contextlib import ExitStack, suppress
from typing import TYPE_CHECKING, Final

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from numpy.typing import NDArray

    Int32Array = NDArray[np.int32]

log = logging.getLogger(__name__)

ENTRIES: Final = 1024
"""Requests in one call; a larger crowd takes several."""
FRAME_BYTES: Final = 1 << 16
"""A frame of up to this length is copied to where the requests point anyway."""
_SETUP: Final = 425
_ENTER: Final = 426
_SEND: Final = 26
_SINGLE_MAP: Final = 1  # IORING_FEAT_SINGLE_MMAP, Linux 5.4
_REQUESTS_OFFSET: Final = 0x10000000  # IORING_OFF_SQES
_FLAGS: Final = 0x40 | 0x4000  # MSG_DONTWAIT, MSG_NOSIGNAL
_REQUEST: Final = np.dtype(
    [
        *(("opcode", "u1"), ("flags", "u1"), ("ioprio", "u2"), ("descriptor", "i4")),
        *(("offset", "u8"), ("address", "u8"), ("size", "u4"), ("send_flags", "u4")),
        *(("number", "u8"), ("unused", "u8", 3)),
    ]
)
_address_of: Final = ctypes.PYFUNCTYPE(ctypes.c_void_p, ctypes.py_object)(
    ("PyBytes_AsString", ctypes.pythonapi)
)
_COUNTER: Final = 0xFFFFFFFF
"""The kernel's counters go round here."""
_COMPLETION: Final = np.dtype([("number", "u8"), ("result", "i4"), ("flags", "u4")])
_ANSWER_BYTES: Final = _COMPLETION.itemsize
_PARAMETERS: Final = np.dtype(
    [
        *(("requests", "u4"), ("completions", "u4"), ("flags", "u4", 3), ("features", "u4")),
        ("unused", "u4", 4),
        ("request_offsets", [(name, "u4") for name in ("head", "tail", "mask", "entries")]),
        ("more", [("flags", "u4"), ("dropped", "u4"), ("array", "u4"), ("unused", "u4", 3)]),
        ("completion_offsets", [(name, "u4") for name in ("head", "tail", "mask", "entries")]),
        ("others", [("overflow", "u4"), ("array", "u4"), ("flags", "u4"), ("unused", "u4", 3)]),
    ]
)


class Ring:
    """Requests to the kernel and its answers, both in shared memory; for one thread only.

    Raises:
        OSError: this system has no io_uring, or does not let us.
    """

    def __init__(self) -> None:
        found = np.zeros(1, _PARAMETERS)
        self._call = _system_call()
        self._descriptor = self._call(_SETUP, ENTRIES, found.ctypes.data, 0, 0, 0, 0)
        if self._descriptor < 0:
            raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
        self.is_broken = False
        """Whether it did what it must not: it is not to be used any more."""
        self._kept: list[bytes] = []
        self._frame = bytearray(FRAME_BYTES)
        self._frame_address = ctypes.addressof(ctypes.c_char.from_buffer(self._frame))
        self._written: tuple[Int32Array, int, int] | None = None
        """To whom, from which address and how much the requests are, as they lie there."""
        self._expected = b""
        """The answers to them, where everybody takes all of it."""
        try:
            self._map(found[0])
        except BaseException:
            self.close()
            raise

    def send(self, descriptors: Int32Array, frame: bytes) -> dict[int, int]:
        """Send a frame to each of these non-blocking sockets.

        Args:
            descriptors: of the sockets; an array that was given before has not been changed since.
            frame: the bytes.

        Returns:
            By their places, those that did not take all of it: how many bytes they took, or the
            negative errno: -EAGAIN where nothing was, -ECONNABORTED where nobody knows, so that the
            connection is of no use.
        """
        if len(descriptors) <= ENTRIES:
            return self._send_some(descriptors, frame)
        short: dict[int, int] = {}
        for start in range(0, len(descriptors), ENTRIES):
            part = descriptors[start : start + ENTRIES]
            for place, result in self._send_some(part, frame).items():
                short[start + place] = result
        return short

    def close(self) -> None:
        """Give everything back; may be called again."""
        self.is_broken = True
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1

    def _map(self, found: np.void) -> None:
        """The shared memory, as arrays."""
        if not found["features"] & _SINGLE_MAP:
            raise OSError(errno.ENOSYS, "io_uring is too old")
        entries, answers = int(found["requests"]), int(found["completions"])
        ours, theirs = found["request_offsets"], found["completion_offsets"]
        order, completions = int(found["more"]["array"]), int(found["others"]["array"])
        size = max(order + 4 * entries, completions + _COMPLETION.itemsize * answers)
        memory = self._memory(size, 0)
        requests = np.frombuffer(
            self._memory(_REQUEST.itemsize * entries, _REQUESTS_OFFSET), _REQUEST, entries
        )
        words = memoryview(memory).cast("I")
        self._request_head, self._request_tail = _ends(words, ours)
        self._completion_head, self._completion_tail = _ends(words, theirs)
        completed = np.frombuffer(memory, _COMPLETION, answers, completions)
        self._answered, self._results = completed["number"], completed["result"]
        self._memory_of_answers, self._first_answer = memory, completions
        self._entries, self._answers = entries, answers
        requests["opcode"], requests["send_flags"] = _SEND, _FLAGS
        requests["number"] = numbers = np.arange(entries, dtype=np.uint32)
        # which request comes when: always the first ones, wherever the queue stands
        self._places = memoryview(numbers.tobytes())
        self._order = memoryview(memory)[order : order + 4 * entries]
        self._descriptors = requests["descriptor"]
        self._addresses, self._sizes = requests["address"], requests["size"]

    def _memory(self, size: int, offset: int) -> mmap.mmap:
        assert sys.platform == "linux"  # for the type checker: no other system came this far
        both = mmap.PROT_READ | mmap.PROT_WRITE
        flags = mmap.MAP_SHARED | mmap.MAP_POPULATE
        return mmap.mmap(self._descriptor, size, flags=flags, prot=both, offset=offset)

    def _send_some(self, descriptors: Int32Array, frame: bytes) -> dict[int, int]:
        """The same for at most as many as there is room for."""
        count = len(descriptors)
        if self.is_broken:
            return dict.fromkeys(range(count), -errno.EAGAIN)
        self._write(descriptors, frame)
        tail = self._request_tail[0]
        for slots, places in _runs(tail, count, self._entries):
            self._order[_in_bytes(slots, 4)] = self._places[_in_bytes(places, 4)]
        self._request_tail[0] = (tail + count) & _COUNTER
        taken = self._carry_out(count)
        if taken == count and self._are_all(count):
            return {}
        return self._short(count, taken, frame)

    def _write(self, descriptors: Int32Array, frame: bytes) -> None:
        """Write what is not there yet of the requests; none is under way."""
        count, size = len(descriptors), len(frame)
        if size <= FRAME_BYTES:
            self._frame[:size] = frame
            address = self._frame_address
        else:
            address = _address_of(frame)
        before = self._written
        if before is None or before[0] is not descriptors:
            self._descriptors[:count] = descriptors
        elif before[1:] == (address, size):
            return
        self._addresses[:count], self._sizes[:count] = address, size
        self._written = descriptors, address, size
        expected = np.zeros(count, _COMPLETION)
        expected["number"], expected["result"] = np.arange(count), size
        self._expected = expected.tobytes()

    def _carry_out(self, count: int) -> int:
        """Have the kernel carry requests out; returns how many it took."""
        left = count
        while left:
            taken = self._call(_ENTER, self._descriptor, left, 0, 0, 0, 0)
            if taken < 0 and ctypes.get_errno() == errno.EINTR:
                continue
            if taken <= 0:
                log.error("io_uring failed: %s", os.strerror(ctypes.get_errno()))
                break
            left -= taken
        return count - left

    def _are_all(self, count: int) -> bool:
        """Whether all were carried out in turn, and to the end; then their answers are done with.

        They are compared as bytes: that is one step, however many they are.
        """
        head, tail = self._completion_head[0], self._completion_tail[0]
        if (tail - head) & _COUNTER != count:
            return False
        for slots, places in _runs(head, count, self._answers):
            found = self._memory_of_answers[_in_bytes(slots, _ANSWER_BYTES, self._first_answer)]
            if found != self._expected[_in_bytes(places, _ANSWER_BYTES)]:
                return False
        self._completion_head[0] = tail
        return True

    def _short(self, count: int, taken: int, frame: bytes) -> dict[int, int]:
        """Who did not take all; the answers are there, since nothing could wait.

        Args:
            count: of the requests.
            taken: by the kernel, of those.
            frame: what was to be sent.
        """
        results = dict.fromkeys(range(taken), -errno.ECONNABORTED)  # until it is known better
        results |= dict.fromkeys(range(taken, count), -errno.EAGAIN)
        head, tail = self._completion_head[0], self._completion_tail[0]
        come = (tail - head) & _COUNTER
        for slots, _ in _runs(head, come, self._answers):
            places, found = self._answered[slots].tolist(), self._results[slots].tolist()
            results.update(zip(places, found, strict=True))
        self._completion_head[0] = tail
        if taken < count or come != taken:
            log.error("io_uring carried out %d of %d requests", come, count)
            self._request_tail[0] = self._request_head[0]  # the rest was never asked for
            self._kept.append(frame)  # whatever is under way reads it, if not from our own memory
            self.is_broken = True
        return {place: result for place, result in results.items() if result != len(frame)}


class LazyRing:
    """The ring of a server: opened for its first crowd, and None where there is none.

    Args:
        is_wanted: whether there shall be one.
    """

    def __init__(self, *, is_wanted: bool = True) -> None:
        self._is_wanted = is_wanted
        self._ring: Ring | None = None

    def __call__(self) -> Ring | None:
        """The ring, if it may be used."""
        if self._is_wanted:
            self._is_wanted = False
            self._ring = open_ring()
        ring = self._ring
        return None if ring is None or ring.is_broken else ring

    def close(self) -> None:
        """Give it back; there is none from now on."""
        self._is_wanted = False
        if self._ring is not None:
            self._ring.close()


def open_ring() -> Ring | None:
    """A ring that was seen to work, or None where there is none."""
    if sys.platform != "linux":
        return None
    try:
        ring = Ring()
    except (OSError, AttributeError) as error:
        log.info("each viewer is sent to by itself: io_uring cannot be used (%s)", error)
        return None
    try:
        if _works(ring):
            return ring
        log.info("each viewer is sent to by itself: io_uring does not do what is asked of it here")
    except OSError as error:  # of the sockets for the trial: no descriptor is left
        log.info("each viewer is sent to by itself: io_uring cannot be tried (%s)", error)
    ring.close()
    return None


def _runs(counter: int, count: int, size: int) -> list[tuple[slice, slice]]:
    """Where so many entries of a queue lie from a counter on, in one piece or two, and which."""
    begin = counter & (size - 1)
    room = size - begin
    if count <= room:
        return [(slice(begin, begin + count), slice(0, count))]
    return [(slice(begin, size), slice(0, room)), (slice(0, count - room), slice(room, count))]


def _in_bytes(slots: slice, size: int, first: int = 0) -> slice:
    """Where entries of a size lie, in bytes."""
    return slice(first + size * slots.start, first + size * slots.stop)


def _ends(words: memoryview[int], offsets: np.void) -> Iterator[memoryview[int]]:
    """The two counters of a queue, each as a view of one: where it begins and ends."""
    return (words[int(offsets[name]) // 4 :][:1] for name in ("head", "tail"))


def _works(ring: Ring) -> bool:
    """Whether nothing waits, and what is full or closed is told."""
    with ExitStack() as stack:
        pairs = [[stack.enter_context(one) for one in socket.socketpair()] for _ in range(2)]
        (full, _), (well, other) = pairs
        full.setblocking(False)
        with suppress(BlockingIOError):
            while True:
                full.send(bytes(1 << 16))
        found = ring.send(np.array([full.fileno(), -1, well.fileno()], np.int32), b"works")
        expected = {0: -errno.EAGAIN, 1: -errno.EBADF}
        return not ring.is_broken and found == expected and other.recv(9) == b"works"


def _system_call() -> Callable[..., int]:
    """`syscall` of the C library, which gives the interpreter's lock back meanwhile."""
    call = ctypes.CDLL(None, use_errno=True).syscall
    call.restype = ctypes.c_long
    call.argtypes = [ctypes.c_long] * 7
    return call
