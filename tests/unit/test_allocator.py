"""What the C library keeps of memory that was freed: little, however many threads there are."""

import os
import re
import subprocess
import sys
from itertools import pairwise
from pathlib import Path

import pytest

ARENA_BYTES = 64 << 20
GLIBC = sys.platform == "linux" and "glibc" in (os.confstr("CS_GNU_LIBC_VERSION") or "")
pytestmark = pytest.mark.skipif(not GLIBC, reason="other C libraries have no such settings")

CONFIG = """\
devices:
  one: {driver: benchmarks.bench_driver:Crate, channels: 2, period_s: 0.05}
  other: {driver: benchmarks.bench_driver:Crate, channels: 2, period_s: 0.05}
"""

LARGE_BLOCKS = """\
import ctypes, sys
from labmon import allocator

class Told(ctypes.Structure):
    names = "arena ordblks smblks hblks hblkhd usmblks fsmblks uordblks fordblks keepcost".split()
    _fields_ = [(name, ctypes.c_int) for name in names]

libc = ctypes.CDLL(None)
libc.mallinfo.restype = Told
libc.malloc.restype = ctypes.c_void_p
if sys.argv[1:] == ["set up"]:
    allocator.set_up()
libc.free(ctypes.c_void_p(libc.malloc(ctypes.c_size_t(8 << 20))))
before = libc.mallinfo().hblks
libc.malloc(ctypes.c_size_t(6 << 20))
print(libc.mallinfo().hblks - before)
"""


def arenas(pid):
    """How many threads have one of their own: 64 MiB of addresses, of which the first are used."""
    places = re.findall(r"^(\w+)-(\w+) (\S+)", Path(f"/proc/{pid}/maps").read_text(), re.MULTILINE)
    spans = [(int(first, 16), int(end, 16), what) for first, end, what in places]
    return sum(
        first % ARENA_BYTES == 0
        and what.startswith("rw")
        and rest.startswith("---")
        and middle == again
        and end == first + ARENA_BYTES
        for (first, middle, what), (again, end, rest) in pairwise(spans)
    )


def test_threads_of_a_server_share_their_memory(server_process, until):
    server = server_process(CONFIG)
    server.start()
    until(server.is_ready)
    assert arenas(server.process.pid) == 1  # beside the main one


@pytest.mark.parametrize(
    ("asked", "own", "is_its_own"),
    [
        ([], {}, "0"),
        (["set up"], {}, "1"),
        (["set up"], {"MALLOC_MMAP_THRESHOLD_": "16777216"}, "0"),
    ],
)
def test_a_large_block_goes_back_when_it_is_freed(asked, own, is_its_own):
    """Without the settings none does, once another one was freed; who sets his own has them."""
    environment = {k: v for k, v in os.environ.items() if not k.startswith(("MALLOC_", "GLIBC_"))}
    told = subprocess.run(
        [sys.executable, "-c", LARGE_BLOCKS, *asked],
        env={**environment, **own},
        capture_output=True,
        text=True,
        check=True,
    )
    assert told.stdout.strip() == is_its_own
