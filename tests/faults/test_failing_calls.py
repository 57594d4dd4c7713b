"""The n-th system call on the store fails, for every n: nothing acknowledged is lost or doubled."""

import errno
import json
import os
import subprocess
import sys

import pytest

from tests.conftest import ROOT
from tests.faults.numbered import dice
from tests.faults.shim import OPEN, READ, SYNC, TRUNCATE, WRITE, compiled

CHANGING = WRITE | SYNC | OPEN | TRUNCATE
DIES = 0
KILLED = 137
STRIDE = 17
"""Of a quick run: not every call fails, but one in so many."""


@pytest.fixture(scope="module")
def library(tmp_path_factory):
    return compiled(tmp_path_factory.mktemp("shim"))


def runs(library, folder, kinds, count, error, first, step, is_damaged=0):
    done = subprocess.run(
        [
            *(sys.executable, ROOT / "tests/faults/failing_writer.py", folder),
            *map(str, (kinds, count, error, first, step, is_damaged)),
        ],
        env={**os.environ, "PYTHONPATH": str(ROOT), "LD_PRELOAD": str(library)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]


FAILURES = {
    "disk-full": (CHANGING, 4, errno.ENOSPC),
    "io-error": (CHANGING | READ, 1, errno.EIO),
    "dies": (CHANGING | READ, 1, DIES),
    "full-once": (CHANGING, 1, errno.ENOSPC),
    "fsync": (SYNC, 1, errno.EIO),
    "no-memory": (CHANGING | READ, 3, errno.ENOMEM),
    "descriptors": (OPEN, 1, errno.EMFILE),
    "read-only": (OPEN | WRITE | TRUNCATE, 9, errno.EROFS),
}
"""Which calls fail, how many of them in a row, and how."""
QUICK = ("disk-full", "io-error", "dies", "read-only")


@pytest.mark.parametrize(
    ("kinds", "count", "error", "step"),
    [
        *(pytest.param(*FAILURES[name], STRIDE, id=f"{name}-some") for name in QUICK),
        *(
            pytest.param(*failure, 1, id=f"{name}-every", marks=pytest.mark.long)
            for name, failure in FAILURES.items()
        ),
    ],
)
def test_whichever_call_fails_nothing_is_lost(library, tmp_path, kinds, count, error, step):
    judge(
        runs(library, tmp_path / "runs", kinds, count, error, dice().randrange(step), step), error
    )


@pytest.mark.parametrize(
    ("count", "error", "step"),
    [
        pytest.param(1, DIES, 29, id="dies-some"),
        pytest.param(1, errno.EIO, 29, id="io-error-some"),
        pytest.param(1, DIES, 1, id="dies-every", marks=pytest.mark.long),
        pytest.param(1, errno.EIO, 1, id="io-error-every", marks=pytest.mark.long),
        pytest.param(4, errno.ENOSPC, 1, id="disk-full-every", marks=pytest.mark.long),
    ],
)
def test_whichever_call_fails_while_a_damaged_database_is_replaced(
    library, tmp_path, count, error, step
):
    first = dice().randrange(step)
    judge(runs(library, tmp_path / "runs", CHANGING, count, error, first, step, 1), error)


def judge(results, error):
    for n, code, acked, looked, said, found, is_done in results:
        assert code == (0 if error or is_done else KILLED), f"call {n}: {said}"
        assert looked == 0, f"call {n}, acknowledged up to {acked}: {found}"
    assert results[-1][-1], "the calls never came to an end"
    assert sum(not is_done for *_, is_done in results) >= 1
