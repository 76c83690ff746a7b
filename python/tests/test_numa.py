"""Topology, arrays on NUMA nodes, and tasks that are bound to one."""

import gc
import os
import subprocess
import sys
import threading
import time
import unittest
from unittest import mock

import vgpu_runtime
from vgpu_runtime import ThreadPool, _core, _native, current_worker, numa_empty, numa_report, topology

try:
    import numpy as np
except ImportError:
    np = None

NODE = topology().nodes[0].number
NO_SUCH_NODE = 1000


def resident_pages():
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1])


class TestTopology(unittest.TestCase):
    def test_it_is_the_machine_the_process_sees(self):
        machine = topology()
        self.assertEqual({cpu.number for cpu in machine.cpus}, os.sched_getaffinity(0))
        self.assertEqual(sorted(number for node in machine.nodes for number in node.cpus), sorted(os.sched_getaffinity(0)))
        self.assertEqual(len(machine.cpus), vgpu_runtime.available_cpus())
        self.assertTrue(1 <= machine.default_workers <= len(machine.cpus))
        self.assertEqual([len(row) for row in machine.distances], [len(machine.nodes)] * len(machine.nodes))
        self.assertTrue(all(machine.distances[i][i] == 10 for i in range(len(machine.nodes))))
        self.assertTrue(any(node.memory_bytes > 0 and node.memory_allowed for node in machine.nodes))
        self.assertIn(machine.line_bytes, (32, 64, 128, 256))

    def test_a_thread_with_one_cpu_is_told_of_one(self):
        found = []

        def look():
            os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
            found.append(len(topology().cpus))

        thread = threading.Thread(target=look)
        thread.start()
        thread.join()
        self.assertEqual(found, [1])


class TestTasksOnNodes(unittest.TestCase):
    def test_they_run_on_workers_of_the_node(self):
        cpus = {cpu.number for cpu in topology().cpus if cpu.node == NODE}
        with ThreadPool(2, pin=True) as pool:
            view = pool.on_node(NODE)
            self.assertIn(f"node {NODE}", repr(view))
            on_node = {i for i, worker in enumerate(pool.stats().workers) if worker.cpu in cpus or worker.cpu is None}
            seen = {view.submit(current_worker).result() for _ in range(200)}
            self.assertTrue(seen and seen <= on_node, seen)
            self.assertEqual(list(view.map(pow, range(20), [2] * 20, chunksize=3)), [i**2 for i in range(20)])
            self.assertEqual(sum(worker.python_tasks for worker in pool.stats().workers), 207)

    def test_the_library_is_told_the_node(self):
        # On a machine with one node nothing else shows it.
        with ThreadPool(2, pin=True) as pool, mock.patch.object(_native, "submit_on", wraps=_native.submit_on) as submit_on:
            view = pool.on_node(NODE)
            submit_on.reset_mock()
            view.submit(int).result()
            pool.submit(int).result(timeout=20)
            view.prioritized("high").submit(int).result()
            self.assertEqual([call.args[1] for call in submit_on.call_args_list], [NODE, None, NODE])

    def test_a_waiter_that_is_no_worker_does_not_run_them(self):
        with ThreadPool(1, pin=True) as pool:
            self.assertNotEqual(pool.on_node(NODE).submit(threading.get_ident).result(), threading.get_ident())

    def test_a_worker_that_waits_for_one_on_its_node_runs_it(self):
        with ThreadPool(1, pin=True) as pool:
            view = pool.on_node(NODE)
            self.assertEqual(view.submit(lambda: view.submit(int, 7).result()).result(timeout=20), 7)

    def test_their_order_and_their_priorities(self):
        order = []
        with ThreadPool(1, pin=True) as pool:
            opened, entered = threading.Event(), threading.Event()
            view = pool.on_node(NODE)
            view.submit(lambda: (entered.set(), opened.wait()))
            entered.wait()
            for name in ("low", "high"):
                for i in range(3):
                    view.prioritized(name).submit(order.append, (name, i))
            pool.prioritized("max").on_node(NODE).submit(order.append, "max")
            opened.set()
        self.assertEqual(order, ["max"] + [(name, i) for name in ("high", "low") for i in range(3)])

    def test_they_are_cancelled_and_waited_for_like_others(self):
        with ThreadPool(1, pin=True) as pool:
            opened = threading.Event()
            held = pool.submit(opened.wait)
            bound = [pool.on_node(NODE).submit(int, i) for i in range(10)]
            self.assertTrue(bound[3].cancel())
            opened.set()
            pool.wait_all()
            self.assertTrue(held.done() and all(future.done() for future in bound))
        with self.assertRaises(RuntimeError):
            pool.on_node(NODE)

    def test_where_there_is_no_worker(self):
        with ThreadPool(1, pin=True) as pool:
            with self.assertRaisesRegex(ValueError, f"node {NO_SUCH_NODE}.*no pinned worker"):
                pool.on_node(NO_SUCH_NODE)
            with self.assertRaises(ValueError):
                pool.on_node(-1)
            with self.assertRaises(TypeError):
                pool.on_node("0")

    def test_a_queue_of_a_pool_that_is_gone_is_forgotten(self):
        before = len(_core._drained)
        with ThreadPool(2, pin=True) as pool:
            pool.on_node(NODE).submit(int).result()
            self.assertEqual(len(_core._drained), before + 2)
        self.assertEqual(len(_core._drained), before)


class TestNumaEmpty(unittest.TestCase):
    def memory_goes(self, make):
        """What ``make`` allocates, tens of megabytes of it, must not stay."""
        make()
        gc.collect()
        before = resident_pages()
        for _ in range(5):
            make()
        gc.collect()
        self.assertLess(resident_pages() - before, 4096)

    @unittest.skipIf(np is None, "there is no NumPy")
    def test_shapes_types_and_zeroes(self):
        for shape in (1000, (20, 30), (2, 3, 4), (), (0, 5)):
            for dtype in (None, np.float32, "i2", "complex128", [("x", "f4"), ("y", "u1")]):
                for node in (NODE, None):
                    array = numa_empty(shape, *([] if dtype is None else [dtype]), node=node)
                    expected = np.zeros(shape, "float64" if dtype is None else dtype)
                    self.assertEqual((array.shape, array.dtype), (expected.shape, expected.dtype))
                    self.assertTrue(array.flags.c_contiguous and array.flags.writeable)
                    self.assertEqual(array.tobytes(), expected.tobytes())
                    array[...] = 1

    @unittest.skipIf(np is None, "there is no NumPy")
    def test_the_memory_lasts_as_long_as_its_last_view(self):
        array = numa_empty((1000, 1000), np.float64, NODE)
        array[:] = 3
        row = array[500, ::7].T
        view = memoryview(array)[:10]
        del array
        gc.collect()
        others = [numa_empty((1000, 1000), np.float64, NODE) for _ in range(3)]
        for other in others:
            other[:] = 4
        self.assertEqual((set(row.tolist()), view[3, 3]), ({3.0}, 3.0))
        del row, view
        self.memory_goes(lambda: numa_empty((3000, 1000), np.float64, NODE).fill(1))

    @unittest.skipIf(np is None, "there is no NumPy")
    def test_products_and_loops_use_it_where_it_is(self):
        a, b, out = (numa_empty((64, 64), np.float32, NODE) for _ in range(3))
        a[:], b[:] = np.random.default_rng(1).standard_normal((2, 64, 64))
        with ThreadPool(2) as pool:
            self.assertIs(pool.gemm(a, b, out), out)
        np.testing.assert_allclose(out, np.asarray(a) @ np.asarray(b), rtol=1e-4, atol=1e-4)
        self.assertEqual(out.__array_interface__["data"][0] % (2 << 20), 0)

    def test_the_report(self):
        array = numa_empty(3_000_000, "float64", NODE, huge_pages=True)
        report = numa_report(array)
        self.assertEqual(report.node, NODE)
        self.assertGreaterEqual(report.pages * report.page_bytes, 24_000_000)
        self.assertEqual(report.pages_there + report.pages_elsewhere + report.pages_unknown, report.pages)
        if report.verified_by:
            self.assertEqual((report.pages_there, report.pages_elsewhere), (report.pages, 0))
        self.assertEqual(numa_report(memoryview(array)[5:]), report)
        self.assertIsNone(numa_report(numa_empty(10)).node)
        with self.assertRaisesRegex(ValueError, "not in memory from numa_empty"):
            numa_report(bytearray(10))

    def test_what_is_refused_and_why(self):
        for error, sentence, arguments in (
            (ValueError, f"{NO_SUCH_NODE}", (10, "float64", NO_SUCH_NODE)),
            (ValueError, "negative length", ((3, -1),)),
            (ValueError, "node is -1", (10, "float64", -1)),
            (TypeError, "", (1.5,)),
            (TypeError, "", ("ab",)),
            (TypeError, "", (10, "float64", "0")),
            (TypeError, "dtype|data type|object|interpret", (10, "no such type")),
            (MemoryError, "", ((1 << 40, 1 << 10), "float64", NODE)),
            (MemoryError, "address space", ((1 << 40, 1 << 40), "float64", NODE)),
        ):
            with self.subTest(arguments):
                with self.assertRaisesRegex(error, sentence):
                    numa_empty(*arguments)
        if np is not None:
            with self.assertRaisesRegex(TypeError, "Python objects"):
                numa_empty(10, object)

    def test_without_numpy(self):
        text = (
            "import sys; sys.modules['numpy'] = None\n"
            "from vgpu_runtime import numa_empty, numa_report, gemm\n"
            "a = numa_empty((3, 4), 'float32')\n"
            "a[2, 3] = 1.5\n"
            "print(type(a).__name__, a.shape, a.format, a.tolist()[2], numa_report(a).pages > 0)\n"
            "b = gemm(a, numa_empty((4, 2), 'float32'))\n"
            "print(b.shape)\n"
            "for wrong in ((3, 'float16'), (0, 'float32')):\n"
            "    try: numa_empty(*wrong)\n"
            "    except (TypeError, ValueError) as error: print(type(error).__name__)\n"
        )
        result = subprocess.run([sys.executable, "-X", "dev", "-c", text], capture_output=True, text=True, timeout=50)
        self.assertEqual(result.stderr, "")
        self.assertEqual(
            result.stdout.splitlines(),
            ["memoryview (3, 4) f [0.0, 0.0, 0.0, 1.5] True", "(3, 2)", "TypeError", "ValueError"],
        )

    @unittest.skipIf(np is None, "there is no NumPy")
    def test_in_a_forked_child_and_at_exit(self):
        text = (
            "import atexit, os\n"
            "import numpy as np\n"
            "from vgpu_runtime import numa_empty\n"
            "a = numa_empty(1000000)\n"
            "a[:] = 1\n"
            "atexit.register(lambda: print(a.sum()))\n"
            "pid = os.fork()\n"
            "if pid == 0:\n"
            "    a[:] = 2\n"
            "    b = numa_empty(1000)\n"
            "    print(a.sum(), b.sum(), flush=True)\n"
            "    del a, b\n"
            "    os._exit(0)\n"
            "assert os.waitpid(pid, 0)[1] == 0\n"
        )
        result = subprocess.run(
            [sys.executable, "-W", "ignore::DeprecationWarning", "-c", text], capture_output=True, text=True, timeout=50
        )  # fmt: skip
        self.assertEqual((result.returncode, result.stdout.split()), (0, ["2000000.0", "0.0", "1000000.0"]), result.stderr)


class TestLatency(unittest.TestCase):
    def test_the_report(self):
        with ThreadPool(2) as pool:
            began = time.monotonic()
            report = pool.latency(20)
            took = time.monotonic() - began
            with self.assertRaises(ValueError):
                pool.latency(0)
        for latency in (report.to_a_worker, report.round_trip, report.empty_loop):
            self.assertEqual(list(latency.samples), sorted(latency.samples))
            self.assertEqual(len(latency.samples), 20)
            self.assertTrue(0 < latency.percentile(0) <= latency.percentile(50) <= latency.percentile(100) < took)
        self.assertEqual(str(report).count("99 %"), 3)


if __name__ == "__main__":
    unittest.main()
