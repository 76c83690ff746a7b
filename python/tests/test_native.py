"""Loops over Python and native bodies, and matrix products on any kind of memory."""

import array
import ctypes
import pathlib
import shutil
import subprocess
import tempfile
import threading
import time
import unittest

import vgpu_runtime
from vgpu_runtime import RangeFunction, ThreadPool, VgpuError, gemm, range_signature

try:
    import numpy as np
except ImportError:
    np = None
try:
    import numba
except ImportError:
    numba = None

KERNELS = r"""
#include <stddef.h>
#include <stdint.h>
struct meeting { volatile int32_t arrived, met; };
int32_t squares(void *worker, void *data, size_t begin, size_t end) {
    (void)worker;
    for (size_t i = begin; i < end; i++) ((double *)data)[i] = (double)i * (double)i;
    return 0;
}
int32_t fails(void *worker, void *data, size_t begin, size_t end) {
    (void)worker; (void)data; (void)begin; (void)end;
    return 42;
}
/* Each of the two pieces waits until the other has come: only two threads at once can do that. */
int32_t meet(void *worker, void *data, size_t begin, size_t end) {
    struct meeting *m = data;
    (void)worker; (void)begin; (void)end;
    __sync_fetch_and_add(&m->arrived, 1);
    for (int64_t spins = 0; spins < 20000000000 && m->arrived < 2; spins++) {}
    if (m->arrived >= 2) __sync_fetch_and_add(&m->met, 1);
    return 0;
}
"""


class TestPythonLoops(unittest.TestCase):
    def test_every_index_once(self):
        with ThreadPool(3) as pool:
            for indices in (0, 1, 1000, range(5, 50), range(50, 5, -3), range(0)):
                for grain in (0, 1, 7):
                    seen = []
                    pool.parallel_for(indices, seen.append, grain=grain)
                    self.assertEqual(sorted(seen), sorted(range(indices) if isinstance(indices, int) else indices))

    def test_the_first_failure_comes_out_with_its_traceback(self):
        def body(i):
            seen.append(i)
            if i == 3:
                raise LookupError(i)

        seen = []
        with ThreadPool(1) as pool:
            try:
                pool.parallel_for(100_000, body)
            except LookupError as error:
                names = []
                place = error.__traceback__
                while place:
                    names.append(place.tb_frame.f_code.co_name)
                    place = place.tb_next
            self.assertEqual(names[-1], "body")
            self.assertEqual(seen, [0, 1, 2, 3])

    def test_blocking_bodies_run_at_the_same_time(self):
        barrier = threading.Barrier(2)
        with ThreadPool(2) as pool:
            pool.parallel_for(2, lambda _: barrier.wait(20), grain=1)

    def test_inside_a_task_and_inside_a_loop(self):
        seen = []
        with ThreadPool(2) as pool:
            pool.parallel_for(4, lambda i: pool.parallel_for(range(i * 10, i * 10 + 10), seen.append))
            self.assertEqual(sorted(seen), list(range(40)))
            pool.submit(pool.parallel_for, 5, seen.append).result(timeout=20)
            self.assertEqual(len(seen), 45)

    def test_wrong_arguments(self):
        with ThreadPool(1) as pool:
            for error, arguments, keywords in (
                (TypeError, (1.5, print), {}),
                (TypeError, (5, None), {}),
                (TypeError, (5, print), {"data": b""}),
                (ValueError, (5, print), {"grain": -1}),
                (ValueError, (range(1, 5), RangeFunction(lambda *_: 0)), {}),
            ):
                with self.assertRaises(error):
                    pool.parallel_for(*arguments, **keywords)


class TestNativeLoops(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        compiler = shutil.which("cc")
        if compiler is None:
            raise unittest.SkipTest("there is no C compiler")
        with tempfile.TemporaryDirectory() as folder:
            source, library = pathlib.Path(folder, "kernels.c"), pathlib.Path(folder, "kernels.so")
            source.write_text(KERNELS)
            subprocess.run([compiler, "-shared", "-fPIC", "-O1", "-o", str(library), str(source)], check=True)
            cls.kernels = ctypes.CDLL(str(library))

    def test_data_of_any_kind(self):
        n = 10_000
        numbers = array.array("d", [0.0]) * n
        with ThreadPool(2) as pool:
            for data in (numbers, memoryview(numbers), numbers.buffer_info()[0]):
                numbers[-1] = 0.0
                pool.parallel_for(n, self.kernels.squares, data=data)
                self.assertEqual(numbers[n - 1], (n - 1.0) ** 2)
            if np is not None:
                out = np.zeros(n)
                pool.parallel_for(n, RangeFunction(ctypes.cast(self.kernels.squares, ctypes.c_void_p).value), data=out)
                np.testing.assert_array_equal(out, np.arange(n) ** 2.0)

    def test_a_failure(self):
        with ThreadPool(1) as pool:
            with self.assertRaises(VgpuError) as caught:
                pool.parallel_for(3, self.kernels.fails)
            self.assertEqual(caught.exception.name, "VGPU_ERROR_TASK_FAILED")
            self.assertIn("42", str(caught.exception))

    def test_two_at_the_same_time(self):
        meeting = (ctypes.c_int32 * 2)()
        with ThreadPool(2) as pool:
            pool.parallel_for(2, self.kernels.meet, data=meeting, grain=1)
        self.assertEqual(list(meeting), [2, 2])

    def test_python_goes_on_meanwhile(self):
        meeting = (ctypes.c_int32 * 2)()
        ticks = []
        with ThreadPool(1) as pool:
            loop = threading.Thread(target=pool.parallel_for, args=(1, self.kernels.meet), kwargs={"data": meeting})
            loop.start()
            for _ in range(3):
                time.sleep(0.01)
                ticks.append(loop.is_alive())
            meeting[0] = 2
            loop.join(20)
        self.assertEqual(ticks, [True] * 3)
        self.assertFalse(loop.is_alive())

    @unittest.skipIf(numba is None or np is None, "there is no Numba")
    def test_numba(self):
        @numba.cfunc(range_signature())
        def body(worker, data, begin, end):
            out = numba.carray(data, 1000)
            for i in range(begin, end):
                out[i] = i * 2.0
            return 0

        out = np.zeros(1000)
        with ThreadPool(2) as pool:
            pool.parallel_for(1000, body, data=out)
        np.testing.assert_array_equal(out, np.arange(1000) * 2.0)

    @unittest.skipIf(numba is None, "there is no Numba")
    def test_a_numba_function_of_another_signature(self):
        with ThreadPool(1) as pool:
            for signature, function in (
                ("float64(float64)", lambda x: x),
                ("int64(voidptr, voidptr, uintp, uintp)", lambda worker, data, begin, end: 0),
                ("int32(voidptr, voidptr, int32, int32)", lambda worker, data, begin, end: 0),
            ):
                body = numba.cfunc(signature)(function)
                with self.assertRaisesRegex(TypeError, "range_signature"):
                    pool.parallel_for(3, body)

    def test_data_with_gaps(self):
        numbers = memoryview(array.array("d", range(10)))[::2]
        with ThreadPool(1) as pool:
            with self.assertRaisesRegex(ValueError, "gaps"):
                pool.parallel_for(5, self.kernels.squares, data=numbers)
            if np is not None:
                for data in (OnlyInterface(np.ones((4, 4))[:, 1:]), OnlyDLPack(np.ones((4, 4))[:, 1:])):
                    with self.assertRaisesRegex(ValueError, "gaps"):
                        pool.parallel_for(5, self.kernels.squares, data=data)
                for data in (OnlyInterface(np.ones((4, 4)).T), OnlyDLPack(np.ones((2, 3, 4))), OnlyDLPack(np.ones((2, 3, 4)).T)):
                    pool.parallel_for(16, self.kernels.squares, data=data)


class OnlyInterface:
    def __init__(self, owner):
        self.owner = owner
        self.__array_interface__ = owner.__array_interface__


class OnlyDLPack:
    def __init__(self, owner):
        self.owner = owner

    def __dlpack__(self):
        return self.owner.__dlpack__()


class TestGemmWithoutNumPy(unittest.TestCase):
    def test_memoryviews(self):
        a = memoryview(array.array("d", range(6)).tobytes()).cast("B").cast("d", shape=[2, 3])
        b = memoryview(bytearray(array.array("d", range(12)))).cast("d", shape=[3, 4])
        out = memoryview(bytearray(64)).cast("d", shape=[2, 4])
        self.assertIs(gemm(a, b, out), out)
        self.assertEqual(out.tolist(), [[20, 23, 26, 29], [56, 68, 80, 92]])

    def test_the_buffer_is_let_go(self):
        memory = bytearray(32)
        view = memoryview(memory).cast("d", shape=[2, 2])
        gemm(view, view, memoryview(bytearray(32)).cast("d", shape=[2, 2]))
        error = None
        try:
            gemm(view, view, bytearray(1))
        except (TypeError, ValueError) as caught:
            # Its traceback keeps the frames of the call, but not the memory.
            error = caught
        view.release()
        memory.clear()
        self.assertIsNotNone(error)


@unittest.skipIf(np is None, "there is no NumPy")
class TestGemm(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.pool = ThreadPool(2)

    @classmethod
    def tearDownClass(cls):
        cls.pool.shutdown()

    def check(self, a, b, expected=None, **keywords):
        out = self.pool.gemm(a, b, **keywords)
        expected = a @ b if expected is None else expected
        self.assertEqual(out.dtype, expected.dtype)
        np.testing.assert_allclose(out, expected, rtol=1e-5 if out.dtype == np.float32 else 1e-12, atol=1e-4)
        return out

    def test_types_and_layouts(self):
        random = np.random.default_rng(1)
        for dtype in ("f4", "f8"):
            a, b = random.standard_normal((70, 50)).astype(dtype), random.standard_normal((50, 90)).astype(dtype)
            wide = np.zeros((70, 500), dtype)
            wide[:, 100:150] = a
            for left in (a, np.asfortranarray(a), wide[:, 100:150]):
                for right in (b, np.asfortranarray(b)):
                    for out in (None, np.zeros((70, 90), dtype), np.zeros((90, 70), dtype).T, np.zeros((70, 200), dtype)[:, 3:93]):
                        result = self.check(left, right, out=out)
                        self.assertTrue(out is None or result is out)

    def test_factors_and_transposes(self):
        random = np.random.default_rng(2)
        a, b, c = random.standard_normal((30, 20)), random.standard_normal((40, 30)), random.standard_normal((20, 40))
        self.check(a, b, 2 * (a.T @ b.T) - 3 * c, out=c.copy(), alpha=2, beta=-3, trans_a=True, trans_b=True)
        self.check(a, a, a.T @ a, trans_a=True)

    def test_sizes_at_the_edge(self):
        for m, n, k in ((0, 3, 2), (3, 0, 2), (3, 2, 0), (1, 1, 1), (1, 9, 5), (9, 1, 5), (0, 0, 0)):
            a, b = np.ones((m, k)), np.ones((k, n))
            self.check(a, b)
            self.check(a.T.copy().T, b.T.copy().T)

    def test_read_only_and_other_protocols(self):
        a = np.arange(12.0).reshape(3, 4)
        a.flags.writeable = False
        b = np.arange(20.0).reshape(4, 5)
        for wrap in (OnlyInterface, OnlyDLPack):
            self.check(a, b, out=None)
            out = np.zeros((3, 5))
            self.pool.gemm(OnlyInterface(a), wrap(b), wrap(out))
            np.testing.assert_array_equal(out, a @ b)
        np.testing.assert_array_equal(self.pool.gemm(OnlyInterface(b.T), wrap(a.T.copy())), b.T @ a.T)

    def test_by_way_of_bf16(self):
        # Small whole numbers are exact on either way.
        numbers = np.random.default_rng(4).integers(-8, 9, (130, 90)).astype("f4")
        for _ in range(2):
            np.testing.assert_array_equal(self.pool.gemm(numbers, numbers.T, bf16x3=True), numbers @ numbers.T)
            np.testing.assert_array_equal(gemm(numbers, numbers.T, bf16x3=True), numbers @ numbers.T)
        fractions = np.random.default_rng(5).standard_normal((130, 90)).astype("f4")
        got = self.pool.gemm(fractions, fractions.T, bf16x3=True)
        np.testing.assert_allclose(got, fractions.astype("f8") @ fractions.T, rtol=0, atol=1e-4)

    def test_inside_a_task_and_without_a_pool(self):
        a = np.random.default_rng(3).standard_normal((64, 64))
        alone = gemm(a, a)
        np.testing.assert_array_equal(alone, self.pool.submit(self.pool.gemm, a, a).result(timeout=20))
        np.testing.assert_array_equal(alone, gemm(a, a, pool=self.pool))

    def test_python_goes_on_meanwhile(self):
        a = np.ones((1500, 1500))
        done = threading.Event()
        thread = threading.Thread(target=lambda: (self.pool.gemm(a, a), done.set()))
        thread.start()
        ticks = 0
        while not done.is_set():
            ticks += 1
            time.sleep(0.0005)
        thread.join()
        self.assertGreater(ticks, 3)

    def test_what_is_refused_and_why(self):
        a, b = np.ones((3, 4)), np.ones((4, 5))
        frozen = np.ones((3, 5))
        frozen.flags.writeable = False
        square = np.ones((4, 4))
        block = np.ones((4, 8))
        for error, sentence, arguments, keywords in (
            (TypeError, "is a list", ([[1.0]], b), {}),
            (TypeError, "int64|'l'|i8", (a.astype("i8"), b), {}),
            (TypeError, "byte order", (a.astype(">f8"), b), {}),
            (TypeError, "float32 and b float64|float64 and b float32", (a, b.astype("f4")), {}),
            (ValueError, "has 1: its shape", (a[0], b), {}),
            (ValueError, "as many columns", (a, a), {}),
            (ValueError, "ascontiguousarray", (a, np.ones((4, 10))[:, ::2]), {}),
            (ValueError, "ascontiguousarray", (a[::-1], b), {}),
            (ValueError, "ascontiguousarray", (np.broadcast_to(a[:1], (3, 4)), b), {}),
            (ValueError, "read-only", (a, b, frozen), {}),
            (ValueError, "out is 5 x 3", (a, b, np.ones((5, 3))), {}),
            (TypeError, "out holds float32", (a, b, np.ones((3, 5), "f4")), {}),
            (ValueError, "no out", (a, b), {"beta": 1.0}),
            (ValueError, "overlaps a", (square, np.ones((4, 4)), square), {}),
            (ValueError, "overlaps b", (np.ones((4, 4)), square, square.T), {}),
            (ValueError, "overlaps b", (np.ones((4, 4)), block[:, 1:5], block[:, 4:]), {}),
            (TypeError, "a holds float64, and only products of float32 go by way of bf16", (a, b), {"bf16x3": True}),
        ):
            with self.subTest(sentence):
                with self.assertRaisesRegex(error, sentence):
                    self.pool.gemm(*arguments, **keywords)

    def test_a_layout_that_was_seen_before(self):
        # What is made out of layouts is kept; what depends on addresses and numbers is not.
        from vgpu_runtime import _gemm

        _gemm._plans.clear()
        random = np.random.default_rng(5)
        for _ in range(3):
            for out in (np.zeros((8, 8)), np.zeros((8, 8)).T):
                for trans_a, trans_b in ((False, False), (True, False), (False, True)):
                    a, b = random.standard_normal((2, 8, 8))
                    c = random.standard_normal((8, 8))
                    out[:] = c
                    self.pool.gemm(a, b, out, alpha=2, beta=3, trans_a=trans_a, trans_b=trans_b)
                    np.testing.assert_allclose(out, 2 * (a.T if trans_a else a) @ (b.T if trans_b else b) + 3 * c)
        self.assertEqual(len(_gemm._plans), 6)
        square = np.ones((8, 8))
        for a, b in ((square, np.ones((8, 8))), (np.ones((8, 8)), square)):
            with self.assertRaisesRegex(ValueError, "overlaps"):
                self.pool.gemm(a, b, square)
        frozen = np.ones((8, 8))
        frozen.flags.writeable = False
        with self.assertRaisesRegex(ValueError, "read-only"):
            self.pool.gemm(square, square, frozen)
        for n in range(300):
            self.pool.gemm(np.ones((1, n + 1)), np.ones((n + 1, 1)), np.ones((1, 1)))
        self.assertLessEqual(len(_gemm._plans), 256)

    def test_blocks_of_one_matrix_do_not_overlap(self):
        whole = np.random.default_rng(4).standard_normal((6, 12))
        expected = whole[:, :6] @ np.eye(6)
        self.pool.gemm(whole[:, :6], np.eye(6), whole[:, 6:])
        np.testing.assert_allclose(whole[:, 6:], expected)


class TestModule(unittest.TestCase):
    def test_versions_and_cpus(self):
        self.assertRegex(vgpu_runtime.__version__, r"^\d+\.\d+\.\d+")
        self.assertGreaterEqual(vgpu_runtime.available_cpus(), 1)

    def test_an_error_can_be_pickled(self):
        import pickle

        error = pickle.loads(pickle.dumps(VgpuError(-5, "VGPU_ERROR_CLOSED", "it is closed")))
        self.assertEqual((error.status, error.name, str(error)), (-5, "VGPU_ERROR_CLOSED", "it is closed (VGPU_ERROR_CLOSED)"))


if __name__ == "__main__":
    unittest.main()
