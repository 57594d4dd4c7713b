"""Small disks of their own for the tests that break one; they need root, and say so where not."""

from __future__ import annotations

import contextlib
import fcntl
import os
import struct
import subprocess
from pathlib import Path

import pytest

from tests.conftest import until

SHUTDOWN = 0x8004587D
"""EXT4_IOC_SHUTDOWN: from now on every write fails, as if the power were gone."""
NO_LOG_FLUSH = 2


def _run(*command: str | os.PathLike[str]) -> str:
    """Run a command; returns what it complained of, '' if it worked."""
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return "" if done.returncode == 0 else (done.stderr.strip() or f"{command[0]} failed")


def _need_root() -> None:
    if os.geteuid() != 0:
        pytest.skip("mounting a disk needs root")


def _is_mounted(where: Path) -> bool:
    mounts = Path("/proc/mounts").read_text().splitlines()
    return any(line.split()[1] == str(where) for line in mounts)


def unmount(where: Path) -> None:
    """Take a disk away, as soon as nobody uses it; by force after 2 s."""
    if not _is_mounted(where):
        return
    try:
        until(lambda: not _run("umount", where), timeout_s=2.0)
    except AssertionError:
        assert not _run("umount", "-l", where)


class Tmpfs:
    """A disk in memory whose size can be changed under way."""

    def __init__(self, where: Path, size: str) -> None:
        _need_root()
        self.where = where
        where.mkdir(parents=True, exist_ok=True)
        if reason := _run("mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", where):
            pytest.skip(f"this machine mounts no tmpfs: {reason}")

    def resize(self, size: str) -> None:
        assert not _run("mount", "-o", f"remount,size={size}", self.where)

    @property
    def free_bytes(self) -> int:
        status = os.statvfs(self.where)
        return status.f_bavail * status.f_frsize

    def close(self) -> None:
        unmount(self.where)


class Ext4:
    """An ext4 in a file, mounted through a loop device: its power can be cut."""

    def __init__(self, image: Path, where: Path, size_bytes: int = 96 << 20) -> None:
        _need_root()
        self.image, self.where = image, where
        where.mkdir(parents=True, exist_ok=True)
        with image.open("wb") as file:
            file.truncate(size_bytes)
        if reason := _run("mkfs.ext4", "-q", image) or self._mount():
            pytest.skip(f"this machine mounts no ext4 in a file: {reason}")

    def _mount(self, options: str = "loop") -> str:
        return _run("mount", "-o", options, self.image, self.where)

    def mount(self, options: str = "loop") -> None:
        assert not self._mount(options)

    def cut(self) -> None:
        """Cut the power: what was not synced is gone."""
        descriptor = os.open(self.where, os.O_RDONLY)
        try:
            fcntl.ioctl(descriptor, SHUTDOWN, struct.pack("I", NO_LOG_FLUSH))
        except OSError as error:
            pytest.skip(f"this kernel does not shut an ext4 down: {error}")
        finally:
            os.close(descriptor)

    def remount_read_only(self) -> None:
        assert not _run("mount", "-o", "remount,ro", self.where)

    def unmount(self) -> None:
        unmount(self.where)

    def restore_power(self) -> None:
        """Unmount what is left, and mount what the disk really has."""
        self.unmount()
        self.mount()

    def close(self) -> None:
        self.unmount()


@contextlib.contextmanager
def closing(disk):
    try:
        yield disk
    finally:
        disk.close()
