"""`Stash`: rows that were read and found good, on disk until they are appended.

A file without a name takes them, so that it is gone with the process, however this ends. The trap:
it needs as much room as times and values have in memory, 16 bytes a datapoint.
"""

from __future__ import annotations

import contextlib
import pickle
import tempfile
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NoReturn, Self

import numpy as np

from labmon.errors import StorageFullError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class Checked:
    """Datapoints of one stream that may be appended.

    Attributes:
        path: of the stream in the store.
        t: int64 ns.
        v: as in `Rows`.
        quality: one byte each; None: all ok.
        is_late: whether they are to be sorted in before others.
    """

    path: str
    t: NDArray[np.int64]
    v: NDArray[Any]
    quality: NDArray[np.uint8] | None
    is_late: bool

    def __len__(self) -> int:
        """How many there are."""
        return len(self.t)


class Stash:
    """Takes datapoints, and gives them back in the same order; a context manager.

    Args:
        folder: where the file is; None: where the system has such files.

    Attributes:
        size: bytes that were put in.
        at: bytes that were given back.
    """

    def __init__(self, folder: Path | None = None) -> None:
        self._folder = folder or tempfile.gettempdir()
        self._file = tempfile.TemporaryFile(dir=folder)  # noqa: SIM115 - this is the manager
        self.size = 0
        self.at = 0

    def __enter__(self) -> Self:
        """The stash itself."""
        return self

    def __exit__(self, *_: object) -> None:
        """Give its room back."""
        with contextlib.suppress(OSError):  # what did not fit is written once more, and not wanted
            self._file.close()

    def put(self, checked: Checked) -> None:
        """Take some datapoints.

        Raises:
            StorageFullError: there is no room; says where, and how much is needed.
        """
        try:
            pickle.dump(checked, self._file, pickle.HIGHEST_PROTOCOL)  # it stays in this process
            self.size = self._file.tell()
        except OSError as error:
            self._fail(error)

    def take(self) -> Iterator[Checked]:
        """Give everything back.

        Raises:
            StorageFullError: there was no room for the last of it.
        """
        try:
            self._file.seek(0)
        except OSError as error:
            self._fail(error)
        while self.at < self.size:
            checked = pickle.load(self._file)
            self.at = self._file.tell()
            yield checked

    def _fail(self, error: OSError) -> NoReturn:
        raise StorageFullError(
            f"{self._folder}: {error.strerror}. What is checked and not stored yet is kept there,"
            " 16 bytes for each datapoint; nothing is imported"
        ) from None
