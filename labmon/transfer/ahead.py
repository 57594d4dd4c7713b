"""`ahead`: work on one piece after the other, the next ones in threads while one of them is used.

The trap: what is worked on must not depend on what came before. It helps where numpy does most of
the work, which lets other threads run meanwhile.
"""

from __future__ import annotations

from collections import deque
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TYPE_CHECKING, Final, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterable

THREADS: Final = 2

Piece = TypeVar("Piece")
Found = TypeVar("Found")


def ahead(work: Callable[[Piece], Found], pieces: Iterable[Piece]) -> Generator[Found]:
    """What the work makes of each piece, in the order of the pieces; a few are held at a time."""
    waiting: deque[Future[Found]] = deque()
    with ThreadPoolExecutor(THREADS, "transfer") as pool:
        for piece in pieces:
            waiting.append(pool.submit(work, piece))
            if len(waiting) > THREADS:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
