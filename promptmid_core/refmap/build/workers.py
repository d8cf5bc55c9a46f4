"""Who makes the tiles: threads of this process, processes of this machine, or the workers of a Dask cluster."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from functools import partial
from itertools import islice
from typing import TYPE_CHECKING, Any

import cv2

from promptmid_core.errors import InputError

if TYPE_CHECKING:
    from distributed import Client

THREADS, PROCESSES = "threads", "processes"

GDAL_CACHE_BYTES = 64 * 2**20
BATCH = 1024  # tasks that a graph of the threads holds: a graph of a whole territory would itself be large
IN_FLIGHT = 2  # tasks a thread of the cluster: one at work, one waiting
CONNECT_S = 20

Make = Callable[[Any], Any]
Progress = Callable[[int, int], None]


def default_workers() -> int:
    """Return the cores that this process may use."""
    return len(os.sched_getaffinity(0))


def small_cache() -> AbstractContextManager[Any]:
    """While it lasts GDAL keeps few blocks of rasters in this process; of itself it would take 5 % of the machine's memory."""
    import rasterio

    limited: AbstractContextManager[Any] = rasterio.Env(GDAL_CACHEMAX=GDAL_CACHE_BYTES)
    return limited


@dataclass(frozen=True)
class Crew:
    """Who makes the tiles of a map, which changes no byte of it.

    `scheduler` is `threads`, `processes` or the address of a Dask scheduler; `workers` as many as this process may use cores
    where it is None; `progress(done, total)` is told of every tile, first of those that are there already.
    """

    scheduler: str = THREADS
    workers: int | None = None
    progress: Progress | None = None

    def check(self) -> None:
        """Raise InputError where such a crew would have no meaning."""
        if self.workers is not None and self.workers < 1:
            raise InputError(f"{self.workers} workers make no map; give 1 or more")
        if self.scheduler not in (THREADS, PROCESSES) and not self.scheduler.startswith(("tcp://", "tls://", "inproc://")):
            raise InputError(f"'{self.scheduler}' is no scheduler; give {THREADS}, {PROCESSES} or the address of one, as "
                             "tcp://HOST:PORT")
        if self.workers is not None and self.scheduler not in (THREADS, PROCESSES):
            raise InputError(f"the scheduler at {self.scheduler} has its own workers; leave the number of workers out")

    def told(self, done: int, total: int) -> None:
        """Tell how far the work is to whom it may concern."""
        if self.progress:
            self.progress(done, total)

    @contextmanager
    def at_work(self) -> Iterator[Callable[[Make, Sequence[Any], Callable[[Any], None]], None]]:
        """Give a function run(make, items, finished): make(item) for each, in any order, and finished(result) in this thread.

        Every worker computes with one thread, so that workers do not take each other's cores. At the end, be it by an error, no
        thread or process of this machine is at work any more. Raises InputError where no cluster answers.
        """
        count = self.workers or default_workers()
        if self.scheduler == THREADS:
            with _single_threaded(), small_cache(), ThreadPoolExecutor(count, thread_name_prefix="tile") as pool:
                yield partial(_on_threads, pool)
        else:
            with _client(self.scheduler, count) as client:
                yield partial(_on_cluster, client, self.scheduler)


def _on_threads(pool: ThreadPoolExecutor, make: Make, items: Sequence[Any], finished: Callable[[Any], None]) -> None:
    from dask.callbacks import Callback
    from dask.threaded import get

    queue = iter(items)
    while batch := list(islice(queue, BATCH)):
        # named so that Dask, which takes the last name first, keeps the order; a task is a call without arguments, so that Dask
        # does not look into the item
        graph: dict[Any, Any] = {f"{len(batch) - i:04d}": (partial(make, item),) for i, item in enumerate(batch)}
        with Callback(posttask=lambda key, result, *state: finished(result)):
            get(graph, list(graph), pool=pool)


def _on_cluster(client: Client, scheduler: str, make: Make, items: Sequence[Any], finished: Callable[[Any], None]) -> None:
    from distributed import KilledWorker, as_completed
    from distributed.client import FutureCancelledError
    from distributed.comm.core import CommClosedError

    def submit(count: int) -> list[Any]:
        return [client.submit(_alone, held, item, pure=False) for item in islice(queue, count)]

    queue = iter(items)
    try:
        # what makes a tile knows all scenes and the network: it is sent once, not with each tile, and as a task of its own, so
        # that a worker that takes the place of one that died has it again
        held = client.submit(_Held(make), pure=False)
        pending = as_completed(submit(IN_FLIGHT * max(1, sum(client.nthreads().values()))))
        for future in pending:
            finished(future.result())
            pending.update(submit(1))
    except (KilledWorker, FutureCancelledError, CommClosedError) as error:
        raise InputError(f"the Dask cluster at {scheduler} was lost; start it again and give the same command again, which "
                         "goes on from here") from error


@dataclass(frozen=True)
class _Held:
    make: Make

    def __call__(self) -> Make:
        return self.make


def _alone(make: Make, item: Any) -> Any:
    """In a worker of a cluster."""
    from threadpoolctl import threadpool_limits

    cv2.setNumThreads(1)
    threadpool_limits(1)
    with small_cache():
        return make(item)


@contextmanager
def _single_threaded() -> Iterator[None]:
    from threadpoolctl import threadpool_limits

    before = cv2.getNumThreads()
    cv2.setNumThreads(1)
    try:
        with threadpool_limits(1):
            yield
    finally:
        cv2.setNumThreads(before)


@contextmanager
def _client(scheduler: str, count: int) -> Iterator[Client]:
    from distributed import Client, LocalCluster

    # what the connections say while they close is no matter of the user's
    for name in ("distributed", "tornado.application"):
        logging.getLogger(name).setLevel(logging.CRITICAL)
    if scheduler == PROCESSES:
        with LocalCluster(n_workers=count, threads_per_worker=1, processes=True, dashboard_address=None,
                          silence_logs=logging.CRITICAL) as cluster, Client(cluster) as client:
            yield client
        return
    try:
        client = Client(scheduler, timeout=CONNECT_S)
        client.wait_for_workers(1, timeout=CONNECT_S)
    except (OSError, ValueError, TimeoutError) as error:
        raise InputError(f"no Dask scheduler with workers answers at {scheduler} within {CONNECT_S} s; start one with "
                         f"'dask scheduler' and 'dask worker {scheduler}'") from error
    with client:
        yield client
