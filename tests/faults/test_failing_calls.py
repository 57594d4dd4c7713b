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


@pytest.mark.parametrize("step", [STRIDE, pytest.param(1, marks=pytest.mark.long)])
@pytest.mark.parametrize(
    ("kinds", "count", "error"),
    [
        pytest.param(CHANGING, 4, errno.ENOSPC, id="disk-full"),
        pytest.param(CHANGING | READ, 1, errno.EIO, id="io-error"),
        pytest.param(CHANGING | READ, 1, DIES, id="dies"),
        pytest.param(CHANGING, 1, errno.ENOSPC, id="full-once", marks=pytest.mark.long),
        pytest.param(SYNC, 1, errno.EIO, id="fsync", marks=pytest.mark.long),
        pytest.param(CHANGING | READ, 3, errno.ENOMEM, id="no-memory", marks=pytest.mark.long),
        pytest.param(OPEN, 1, errno.EMFILE, id="descriptors", marks=pytest.mark.long),
        pytest.param(OPEN | WRITE | TRUNCATE, 9, errno.EROFS, id="read-only"),
    ],
)
def test_whichever_call_fails_nothing_is_lost(library, tmp_path, kinds, count, error, step):
    judge(
        runs(library, tmp_path / "runs", kinds, count, error, dice().randrange(step), step), error
    )


@pytest.mark.parametrize("step", [29, pytest.param(1, marks=pytest.mark.long)])
@pytest.mark.parametrize(
    ("count", "error"),
    [
        pytest.param(1, DIES, id="dies"),
        pytest.param(1, errno.EIO, id="io-error"),
        pytest.param(4, errno.ENOSPC, id="disk-full", marks=pytest.mark.long),
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
