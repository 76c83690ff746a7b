"""gemm on NumPy arrays beside the same call made in C, in turns, on as many workers.

    python python/tour/gemm_against_c.py LIBRARY_FOLDER INCLUDE_FOLDER

The C side is timed in C, on a pool with the defaults, whose workers are pinned to CPUs. Prints the median of the ratios of
neighbouring samples: 1.00 means that Python costs nothing.
"""

import ctypes
import os
import pathlib
import statistics
import subprocess
import sys
import tempfile
import time

import numpy as np

PROGRAM = r"""
#include <time.h>
#include <vgpu_pool.h>
static vgpu_pool *pool;
int start(void) { return vgpu_pool_create(NULL, &pool); }
double seconds(int n, const float *a, const float *b, float *c) {
    struct timespec begin, end;
    clock_gettime(CLOCK_MONOTONIC, &begin);
    if (vgpu_sgemm(pool, VGPU_ROW_MAJOR, VGPU_NO_TRANS, VGPU_NO_TRANS, n, n, n, 1, a, n, b, n, 0, c, n) != VGPU_OK) return -1;
    clock_gettime(CLOCK_MONOTONIC, &end);
    return (double)(end.tv_sec - begin.tv_sec) + 1e-9 * (double)(end.tv_nsec - begin.tv_nsec);
}
"""


def main(library_folder, include_folder):
    # One library for both sides.
    os.environ["VGPU_POOL_LIBRARY"] = str(pathlib.Path(library_folder).resolve() / "libvgpu_pool.so.1")
    from vgpu_runtime import ThreadPool

    with tempfile.TemporaryDirectory() as folder:
        source, shared = pathlib.Path(folder, "c.c"), pathlib.Path(folder, "c.so")
        source.write_text(PROGRAM)
        subprocess.run(
            ["cc", "-O2", "-shared", "-fPIC", f"-I{include_folder}", "-o", shared, source, os.environ["VGPU_POOL_LIBRARY"]],
            check=True,
        )
        in_c = ctypes.CDLL(str(shared))
    in_c.seconds.restype = ctypes.c_double
    if in_c.start() != 0:
        raise SystemExit("the pool of the C side could not be made")
    with ThreadPool(pin=True) as pinned, ThreadPool() as default:
        for size in (512, 768, 1024, 1536):
            a, b = np.random.default_rng(1).standard_normal((2, size, size), dtype=np.float32)
            out = np.empty_like(a)
            pointers = [ctypes.c_void_p(array.ctypes.data) for array in (a, b, out)]
            ratios = {pinned: [], default: []}
            for _ in range(10 + 20 * 512 // size):
                for pool in ratios:
                    c_time = in_c.seconds(size, *pointers)
                    began = time.perf_counter()
                    pool.gemm(a, b, out)
                    ratios[pool].append(c_time / (time.perf_counter() - began))
            print(
                f"{size:5}: {2 * size**3 / c_time / 1e9:5.0f} GFLOPS in C; Python has {statistics.median(ratios[pinned]):.2f} of that "
                f"with pin=True, {statistics.median(ratios[default]):.2f} with the defaults"
            )


if __name__ == "__main__":
    main(*sys.argv[1:])
