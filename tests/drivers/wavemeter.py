"""A wavemeter for the tests: a library compiled from `wlmdata.c`, and the drivers that use it."""

from __future__ import annotations

import ctypes
import ctypes.util
import shutil
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from labmon.device import Quality, Timed, Value
from labmon_drivers.highfinesse import HighFinesse

if TYPE_CHECKING:
    from collections.abc import Iterator


COMPILER = shutil.which("cc") or shutil.which("gcc")
NO_SIGNAL = Value(None, Quality.NO_SIGNAL)


def compiled(folder: Path) -> dict[str, str]:
    """The library in both widths of `long`, by width."""
    if COMPILER is None:
        pytest.skip("there is no C compiler")
    made = {}
    for width in ("int32_t", "int64_t"):
        made[width] = str(folder / f"lib{width}.so")
        source = Path(__file__).with_name("wlmdata.c")
        command = [COMPILER, "-shared", "-fPIC", f"-DLONG={width}", "-o", made[width], source]
        subprocess.run([*command, "-lpthread"], check=True, timeout=60)
    return made


class Wavemeter:
    """A wavemeter, and what drives it."""

    def __init__(self, path: str) -> None:
        self.path = path
        self.fake = ctypes.CDLL(path)
        self.fake.fake_light.argtypes = [ctypes.c_int, ctypes.c_double]
        self.fake.fake_reset()
        self.drivers: list[HighFinesse] = []

    def driver(self, **settings: Any) -> HighFinesse:
        self.drivers.append(HighFinesse(self.path, **settings))
        return self.drivers[-1]

    def connected(self, **settings: Any) -> HighFinesse:
        driver = self.driver(**settings)
        driver.connect()
        return driver


def said(stream: Iterator[Any]) -> tuple[list[Timed], dict[str, Any]]:
    """The results that have come, and the readbacks if they were due."""
    results = []
    while isinstance(polled := next(stream), Timed):
        results.append(polled)
    return results, polled or {}


def results(stream: Iterator[Any], name: str = "ch1") -> list[Any]:
    return [each.readings[name] for each in said(stream)[0] if name in each.readings]


def thz(value: float) -> Any:
    return Value(pytest.approx(value, abs=1e-9))  # pyright: ignore[reportArgumentType]
