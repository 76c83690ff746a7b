"""``python -m vgpu_runtime``: what this installation is, and how quickly it answers on this machine.

    python -m vgpu_runtime [workers]
"""

from __future__ import annotations

import platform
import sys
from typing import List

import vgpu_runtime
from vgpu_runtime import ThreadPool


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
    with pool:
        print(pool.latency())
        print(pool.report())
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
