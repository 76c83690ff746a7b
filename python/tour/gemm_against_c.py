"""gemm on NumPy arrays beside the same call made in C, on as many workers.

    python python/tour/gemm_against_c.py LIBRARY_FOLDER INCLUDE_FOLDER [ROUNDS]

Each sample is the median of many products in a process of its own, so that no other pool's workers are about; C and Python take
turns. What is printed are the medians of the ratios of neighbouring samples: 1.00 means that Python costs nothing. Pinned workers
are compared with pinned ones, and workers that run where the system puts them with such.
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
int start(int pinned) {
    vgpu_pool_config config;
    vgpu_pool_config_init(&config);
    config.flags = pinned ? 0 : VGPU_POOL_NO_PINNING;
    return vgpu_pool_create(&config, &pool);
}
double seconds(int n, const float *a, const float *b, float *c) {
    struct timespec begin, end;
    clock_gettime(CLOCK_MONOTONIC, &begin);
    if (vgpu_sgemm(pool, VGPU_ROW_MAJOR, VGPU_NO_TRANS, VGPU_NO_TRANS, n, n, n, 1, a, n, b, n, 0, c, n) != VGPU_OK) return -1;
    clock_gettime(CLOCK_MONOTONIC, &end);
    return (double)(end.tv_sec - begin.tv_sec) + 1e-9 * (double)(end.tv_nsec - begin.tv_nsec);
}
"""
SIZES = (512, 768, 1024, 1536)


def sample(side, pinned, size):
    """The median time of a product, in seconds: what a process of its own prints."""
    a, b = np.random.default_rng(1).standard_normal((2, size, size), dtype=np.float32)
    out = np.empty_like(a)
    if side == "python":
        from vgpu_runtime import ThreadPool

        pool = ThreadPool(pin=pinned)

        def product():
            began = time.perf_counter()
            pool.gemm(a, b, out)
            return time.perf_counter() - began
    else:
        in_c = ctypes.CDLL(side)
        in_c.seconds.restype = ctypes.c_double
        if in_c.start(int(pinned)) != 0:
            raise SystemExit("the pool of the C side could not be made")
        pointers = [ctypes.c_void_p(array.ctypes.data) for array in (a, b, out)]

        def product():
            return in_c.seconds(size, *pointers)

    count = max(200 * 512**3 // size**3, 10)
    [product() for _ in range(count // 5 + 2)]
    return statistics.median(product() for _ in range(count))


def main(library_folder, include_folder, rounds="9"):
    # One library for both sides.
    library = pathlib.Path(library_folder).resolve() / "libvgpu_pool.so.1"
    os.environ["VGPU_POOL_LIBRARY"] = str(library)
    with tempfile.TemporaryDirectory() as folder:
        source, shared = pathlib.Path(folder, "c.c"), pathlib.Path(folder, "c.so")
        source.write_text(PROGRAM)
        subprocess.run(
            ["cc", "-O2", "-shared", "-fPIC", f"-I{include_folder}", f"-Wl,-rpath,{library.parent}", "-o", shared, source, library],
            check=True,
        )

        def in_a_process(side, pinned, size):
            command = [sys.executable, __file__, "--sample", str(side), str(int(pinned)), str(size)]
            return float(subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout)

        for size in SIZES:
            ratios = {True: [], False: []}
            for _ in range(int(rounds)):
                for pinned in ratios:
                    c_time = in_a_process(shared, pinned, size)
                    ratios[pinned].append(c_time / in_a_process("python", pinned, size))
            print(
                f"{size:5}: {2 * size**3 / c_time / 1e9:5.0f} GFLOPS in C; Python has {statistics.median(ratios[True]):.2f} of C's "
                f"with pinned workers, {statistics.median(ratios[False]):.2f} with others",
                flush=True,
            )


if __name__ == "__main__":
    if sys.argv[1] == "--sample":
        print(sample(sys.argv[2], sys.argv[3] == "1", int(sys.argv[4])))
    else:
        main(*sys.argv[1:])
