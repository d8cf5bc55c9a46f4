"""Memory of threads that come and go is given back to few arenas of the C library."""

import os
import subprocess
import sys

import pytest

# virtual memory that 12 threads at once take; an arena reserves 64 MB or more of it
THREADS = """
import sys, threading
from promptmid_core.runtime.arenas import bound_arenas
if sys.argv[1] == "bound":
    bound_arenas()
def virtual_mb():
    return int(open("/proc/self/statm").read().split()[0]) * 4096 / 2**20
threading.stack_size(2**18)
before, all_there, done = virtual_mb(), threading.Barrier(13), threading.Barrier(13)
def work():
    kept = [bytes(5000) for _ in range(100)]
    all_there.wait()
    done.wait()
for _ in range(12):
    threading.Thread(target=work).start()
all_there.wait()
print(virtual_mb() - before)
done.wait()
"""


def taken_mb(word: str, **environment: str) -> float:
    done = subprocess.run([sys.executable, "-c", THREADS, word], env=os.environ | environment, capture_output=True, text=True,
                          timeout=60, check=True)
    return float(done.stdout)


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="arenas of memory are those of glibc on Linux")
def test_threads_share_two_arenas_unless_the_user_says_otherwise() -> None:
    os.environ.pop("MALLOC_ARENA_MAX", None)
    assert taken_mb("bound") < 200
    assert taken_mb("as it is") > 500
    assert taken_mb("bound", MALLOC_ARENA_MAX="16") > 500
