"""Compiles `failing_calls.c`, which makes system calls fail when it is preloaded."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

SOURCE = Path(__file__).with_name("failing_calls.c")
WRITE, SYNC, OPEN, TRUNCATE, READ, OPEN_TO_WRITE = 1, 2, 4, 8, 16, 32


def compiled(folder: Path) -> Path:
    """The library to preload; the test is skipped where it cannot be made."""
    if not sys.platform.startswith("linux"):
        pytest.skip("failing calls are made by LD_PRELOAD, which is Linux's")
    compiler = shutil.which("cc") or shutil.which("gcc")
    if compiler is None:
        pytest.skip("there is no C compiler to make failing calls with")
    library = folder / "failing_calls.so"
    done = subprocess.run(
        [compiler, "-shared", "-fPIC", "-O2", "-Wall", "-Werror", "-o", library, SOURCE],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return library


class FailingDisk:
    """Makes all calls of some kinds on files under a folder fail, or slow, from outside."""

    def __init__(self, library: Path, control: Path, folder: Path) -> None:
        self._control, self._folder = control, folder
        self.environment = {"LD_PRELOAD": str(library), "FAIL_CALLS_CONTROL": str(control)}

    def fail(self, kinds: int, error: int) -> None:
        """Fail with an error, from now on."""
        self._set(kinds, error, 0)

    def slow(self, kinds: int, milliseconds: int) -> None:
        """Take so much longer, from now on."""
        self._set(kinds, 0, milliseconds)

    def _set(self, kinds: int, error: int, milliseconds: int) -> None:
        """Whoever reads the control file sees all of it, or nothing."""
        new = self._control.with_suffix(".new")
        new.write_text(f"{self._folder}{os.sep} {kinds} {error} {milliseconds}")
        new.replace(self._control)

    def heal(self) -> None:
        self._control.unlink(missing_ok=True)
