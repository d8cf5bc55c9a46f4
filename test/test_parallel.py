"""One companion thread for each thread that matches, kept: no frame depends on whether the system gives another."""

import os
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from promptmid_core.matching.parallel import together


def who() -> tuple[int, int]:
    return together(threading.get_ident, threading.get_ident)


def test_the_companion_stays_and_is_each_threads_own() -> None:
    pairs = {who() for _ in range(20)}
    assert len(pairs) == 1
    before = threading.active_count()
    with ThreadPoolExecutor(1) as pool:
        others = {pool.submit(who).result() for _ in range(20)}
        assert len(others) == 1
        assert not {*pairs.pop()} & {*others.pop()}
        assert threading.active_count() == before + 2


def test_both_have_ended_when_one_raises() -> None:
    ended = threading.Event()

    def fails() -> None:
        raise ValueError("as the test wants")

    with pytest.raises(ValueError, match="as the test wants"):
        together(fails, lambda: ended.wait(0.05) or ended.set())
    assert ended.is_set()
    with pytest.raises(ValueError, match="as the test wants"):
        together(lambda: None, fails)
    assert together(lambda: 1, lambda: 2) == (1, 2)


def test_each_may_call_it_itself() -> None:
    assert together(lambda: together(lambda: 1, lambda: 2), lambda: together(lambda: 3, lambda: 4)) == ((1, 2), (3, 4))


def test_a_forked_process_has_companions_of_its_own() -> None:
    who()
    child = os.fork()
    if child == 0:
        os._exit(0 if together(lambda: 1, lambda: 2) == (1, 2) else 1)
    for _ in range(1000):
        done, status = os.waitpid(child, os.WNOHANG)
        if done:
            break
        threading.Event().wait(0.01)
    else:
        os.kill(child, 9)
        os.waitpid(child, 0)
        pytest.fail("the child waits for its parent's thread")
    assert os.waitstatus_to_exitcode(status) == 0
