"""A work-stealing thread pool, parallel loops and matrix products for Python.

>>> from vgpu_runtime import ThreadPool
>>> with ThreadPool(num_threads=2) as pool:
...     pool.submit(pow, 2, 10).result()
1024

:class:`ThreadPool` is a ``concurrent.futures.Executor``. Python functions take turns on its threads, because the interpreter has one
lock; native loops and :func:`gemm` run at the same time.
"""

from __future__ import annotations

from typing import Any, Optional

from . import _gemm
from ._core import current_worker
from ._future import Future
from ._latency import Latency, LatencyReport
from ._loop import range_signature
from ._native import RangeFunction, VgpuError, available_cpus as _available_cpus, version as native_version
from ._numa import NumaReport, numa_empty, numa_report
from ._pool import PoolView, ThreadPool
from ._stats import PoolStats, WorkerStats
from ._topology import Cpu, Node, Topology, topology

__version__ = native_version()
__all__ = [
    "Cpu",
    "Future",
    "Latency",
    "LatencyReport",
    "Node",
    "NumaReport",
    "PoolStats",
    "PoolView",
    "RangeFunction",
    "ThreadPool",
    "Topology",
    "VgpuError",
    "WorkerStats",
    "available_cpus",
    "current_worker",
    "gemm",
    "native_version",
    "numa_empty",
    "numa_report",
    "range_signature",
    "topology",
]


def available_cpus() -> int:
    """How many CPUs the calling thread may use."""
    return int(_available_cpus())


def gemm(
    a: Any,
    b: Any,
    out: Any = None,
    *,
    alpha: float = 1.0,
    beta: float = 0.0,
    trans_a: bool = False,
    trans_b: bool = False,
    bf16x3: bool = False,
    pool: Optional[ThreadPool] = None,
) -> Any:
    """``alpha * op(a) @ op(b) + beta * out``: :meth:`ThreadPool.gemm` on ``pool``, or on the calling thread alone."""
    if pool is not None:
        return pool.gemm(a, b, out, alpha=alpha, beta=beta, trans_a=trans_a, trans_b=trans_b, bf16x3=bf16x3)
    return _gemm.gemm(None, a, b, out, alpha, beta, trans_a, trans_b, bf16x3)
