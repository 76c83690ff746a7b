"""``python -m vgpu_runtime``: what this installation is, and how quickly it answers on this machine.

    python -m vgpu_runtime [workers]
"""

from __future__ import annotations

import platform
import sys
import time
from typing import Callable, List

import vgpu_runtime
from vgpu_runtime import ThreadPool

_COUNT = 500
#: Long enough for the workers to fall asleep in between.
_PAUSE_SECONDS = 0.001


def _samples(measure: Callable[[], float]) -> str:
    values: List[float] = sorted(measure() for _ in range(_COUNT))
    shown = ", ".join(f"{percent} % {values[(_COUNT - 1) * percent // 100] * 1e6:7.1f}" for percent in (50, 90, 99, 100))
    return f"{shown}  us"


def main(arguments: List[str]) -> int:
    try:
        num_threads = int(arguments[0]) if arguments else None
        pool = ThreadPool(num_threads)
    except ValueError as error:
        print(f"vgpu_runtime: {error}\n{__doc__}", file=sys.stderr)
        return 2
    gil: bool = getattr(sys, "_is_gil_enabled", lambda: True)()
    print(f"vgpu_runtime {vgpu_runtime.__version__} from {vgpu_runtime.__path__[0]}")
    print(f"{platform.python_implementation()} {platform.python_version()} {'with' if gil else 'without'} a global interpreter lock")
    print(f"{vgpu_runtime.available_cpus()} CPUs, {pool.num_threads} workers")

    def to_a_worker() -> float:
        time.sleep(_PAUSE_SECONDS)
        begin = time.perf_counter()
        # With a timeout, so that a worker runs it.
        begun: float = pool.submit(time.perf_counter).result(timeout=60)
        return begun - begin

    def round_trip() -> float:
        begin = time.perf_counter()
        pool.submit(int).result()
        return time.perf_counter() - begin

    def empty_loop() -> float:
        begin = time.perf_counter()
        pool.parallel_for(0, int)
        return time.perf_counter() - begin

    with pool:
        print(f"from submit to a sleeping worker  {_samples(to_a_worker)}")
        print(f"submit(f).result()                {_samples(round_trip)}")
        print(f"an empty parallel_for             {_samples(empty_loop)}")
        print(pool.report())
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
