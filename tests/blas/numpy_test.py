"""NumPy on libvgpu_blas: which of its calls arrive there, that its products are right, and its own linear-algebra tests.

    LD_PRELOAD=.../libvgpu_blas.so python tests/blas/numpy_test.py [--own]

Says at the end which names this NumPy calls: its wheels and the systems' packages call different ones.
"""

import concurrent.futures
import os
import subprocess
import sys

import numpy as np

assert "libvgpu_blas" in os.environ.get("LD_PRELOAD", ""), "run this with LD_PRELOAD=.../libvgpu_blas.so"


def reached():
    """The names that the dynamic linker gave to our library in a fresh process."""
    environment = dict(os.environ, LD_DEBUG="bindings")
    program = "import numpy as np; a = np.ones((9, 9)); a @ (a + 1); a = a.astype('f'); a @ (a + 1)"
    lines = subprocess.run([sys.executable, "-c", program], env=environment, capture_output=True, text=True, check=True).stderr
    names = {line.split("`")[1].split("'")[0] for line in lines.splitlines() if " to " in line and "libvgpu_blas.so [" in line.split(" to ")[1]}
    return {name for name in names if "gemm" in name}


def digits(shape, seed, dtype):
    return np.random.default_rng(seed).integers(-8, 9, shape).astype(dtype)


def exact():
    """Whole numbers, whose sums are exact: equal to the last bit to NumPy's own product of int64, which uses no BLAS."""
    count = 0
    for dtype in (np.float32, np.float64):
        for m, n, k in [(1, 1, 1), (2, 3, 4), (7, 65, 33), (64, 64, 64), (129, 100, 257), (300, 513, 700), (1000, 32, 900)]:
            a, b = digits((m, k), m + k, dtype), digits((k, n), n + k, dtype)
            wanted = a.astype(np.int64) @ b.astype(np.int64)
            views = [(a, b), (np.asfortranarray(a), b), (a, np.asfortranarray(b)), (np.asfortranarray(a), np.asfortranarray(b))]
            wide_a, wide_b = np.zeros((m, k + 5), dtype), np.zeros((k, n + 3), dtype)
            wide_a[:, :k], wide_b[:, :n] = a, b
            views += [(wide_a[:, :k], wide_b[:, :n]), (a[::-1], b), (a, b[:, ::-1])]
            for x, y in views:
                wanted_here = x.astype(np.int64) @ y.astype(np.int64)
                assert np.array_equal(x @ y, wanted_here), (dtype, m, n, k)
                count += 1
            out = np.full((m, n), np.nan, dtype)
            np.matmul(a, b, out=out)
            assert np.array_equal(out, wanted) and np.array_equal(np.dot(a, b), wanted)
            stack = np.matmul(np.stack([a, a + 1]), np.stack([b, b]))
            assert np.array_equal(stack[0], wanted) and np.array_equal(stack[1], wanted + b.astype(np.int64).sum(axis=0))
    return count


def within_the_bound():
    rng = np.random.default_rng(1)
    for dtype, wide in ((np.float32, np.float64), (np.float64, np.longdouble)):
        a, b = rng.standard_normal((150, 600)).astype(dtype), rng.standard_normal((600, 90)).astype(dtype)
        unit = np.finfo(dtype).eps / 2
        error = np.abs((a @ b).astype(wide) - a.astype(wide) @ b.astype(wide))
        assert (error <= (600 + 4) * unit * (np.abs(a).astype(wide) @ np.abs(b).astype(wide))).all()


def children_and_threads():
    a, b = digits((200, 300), 1, np.float64), digits((300, 250), 2, np.float64)
    wanted = a.astype(np.int64) @ b.astype(np.int64)
    with concurrent.futures.ThreadPoolExecutor(4) as threads:
        assert all(threads.map(lambda _: np.array_equal(a @ b, wanted), range(40)))
    for _ in range(3):
        child = os.fork()
        if child == 0:
            os._exit(0 if np.array_equal(a @ b, wanted) else 1)
        assert os.waitpid(child, 0)[1] == 0


def own_tests():
    """NumPy's tests of products and of numpy.linalg, where pytest is installed."""
    try:
        import hypothesis  # noqa: F401  NumPy's conftest needs it
        import pytest
    except ImportError:
        return "left out: pytest and hypothesis are not installed"
    core = "_core" if hasattr(np, "_core") else "core"
    files = ["linalg/tests", f"{core}/tests/test_multiarray.py", f"{core}/tests/test_einsum.py"]
    root = os.path.dirname(np.__file__)
    code = pytest.main(["-q", "-x", "-p", "no:cacheprovider", "-k", "linalg or matmul or MatMul or dot or Dot or einsum or Linalg",
                        *(os.path.join(root, file) for file in files)])
    assert code == 0, f"NumPy's own tests ended with {code}"
    return "passed"


names = reached()
suffixes = ("cblas_dgemm", "cblas_dgemm64_")
assert any(name.endswith(suffixes) for name in names) and any(name.endswith(("cblas_sgemm", "cblas_sgemm64_")) for name in names), names
products = exact()
within_the_bound()
children_and_threads()
own = own_tests() if "--own" in sys.argv else "not asked for"
print(f"NumPy {np.__version__}: calls {', '.join(sorted(names))}; {products} products exact; NumPy's own tests: {own}")
