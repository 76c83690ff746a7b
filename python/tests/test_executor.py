"""What the documentation of concurrent.futures promises of executors and futures, point by point."""

import asyncio
import concurrent.futures
import gc
import json
import logging
import pathlib
import pickle
import tempfile
import threading
import time
import traceback
import unittest
import weakref
from concurrent.futures import CancelledError
from unittest import mock

from vgpu_runtime import Future, ThreadPool, VgpuError, current_worker


class Gate:
    """Occupies workers until it is opened."""

    def __init__(self, pool, workers):
        self.opened = threading.Event()
        entered = threading.Semaphore(0)

        def hold():
            entered.release()
            self.opened.wait()

        self.futures = [pool.submit(hold) for _ in range(workers)]
        for _ in range(workers):
            entered.acquire()


class TestSubmit(unittest.TestCase):
    def test_result_and_arguments(self):
        with ThreadPool(num_threads=2) as pool:
            future = pool.submit(lambda *args, **kwargs: (args, kwargs), 1, 2, self=3, fn=4)
            self.assertIsInstance(future, concurrent.futures.Future)
            self.assertEqual(future.result(), ((1, 2), {"self": 3, "fn": 4}))
            self.assertEqual(future.get(), future.result(timeout=0))

    def test_tasks_run_on_the_pool_s_workers(self):
        with ThreadPool(2, thread_name_prefix="abc") as pool:
            future = pool.submit(lambda: (current_worker(), threading.current_thread().name, threading.get_ident()))
            index, name, ident = future.result(timeout=10)
            self.assertIn(index, (0, 1))
            self.assertEqual(name, f"abc-{index}")
            self.assertNotEqual(ident, threading.get_ident())
        self.assertIsNone(current_worker())

    def test_a_waiter_runs_what_nobody_has_begun(self):
        with ThreadPool(1) as pool:
            gate = Gate(pool, 1)
            self.assertEqual(pool.submit(threading.get_ident).result(), threading.get_ident())
            gate.opened.set()
        with ThreadPool(1, run_in_waiter=False) as pool:
            self.assertNotEqual(pool.submit(threading.get_ident).result(), threading.get_ident())

    def test_thread_local_variables_last(self):
        local = threading.local()

        def count():
            local.count = getattr(local, "count", 0) + 1
            return local.count

        with ThreadPool(1, run_in_waiter=False) as pool:
            self.assertEqual([pool.submit(count).result() for _ in range(5)], [1, 2, 3, 4, 5])

    def test_first_in_first_out(self):
        order = []
        with ThreadPool(1) as pool:
            gate = Gate(pool, 1)
            for i in range(100):
                pool.submit(order.append, i)
            gate.opened.set()
        self.assertEqual(order, list(range(100)))

    def test_more_tasks_than_any_inbox_holds(self):
        with ThreadPool(2) as pool:
            gate = Gate(pool, 2)
            futures = [pool.submit(int, i) for i in range(50_000)]
            gate.opened.set()
            self.assertEqual([f.result(timeout=60) for f in futures], list(range(50_000)))

    def test_many_submitters(self):
        def submit(pool, results):
            futures = [pool.submit(int, i) for i in range(2000)]
            results.append(sum(f.result() for f in futures))

        results = []
        with ThreadPool(4) as pool:
            threads = [threading.Thread(target=submit, args=(pool, results)) for _ in range(4)]
            [t.start() for t in threads]
            [t.join() for t in threads]
        self.assertEqual(results, [sum(range(2000))] * 4)

    def test_tasks_that_wait_for_tasks_need_one_worker(self):
        # The documentation shows how ThreadPoolExecutor deadlocks here.
        with ThreadPool(1) as pool:
            def fibonacci(n):
                if n < 2:
                    return n
                left = pool.submit(fibonacci, n - 1)
                return fibonacci(n - 2) + left.result()

            self.assertEqual(pool.submit(fibonacci, 12).result(timeout=30), 144)

    def test_tasks_that_wait_for_tasks_with_an_initializer(self):
        with ThreadPool(1, initializer=int) as pool:
            self.assertEqual(pool.submit(lambda: pool.submit(int, 7).result()).result(timeout=30), 7)

    def test_submit_refuses_what_is_no_pool_any_more(self):
        pool = ThreadPool(1)
        pool.shutdown()
        with self.assertRaisesRegex(RuntimeError, "after shutdown"):
            pool.submit(int)
        with self.assertRaisesRegex(RuntimeError, "after shutdown"):
            pool.map(int, [1])
        with self.assertRaisesRegex(RuntimeError, "after shutdown"):
            pool.parallel_for(3, int)
        self.assertIn("shut down", repr(pool))

    def test_arguments_of_the_pool(self):
        for wrong in (0, -1, 4097):
            with self.assertRaises(ValueError):
                ThreadPool(wrong)
        with self.assertRaises(TypeError):
            ThreadPool(1, initializer=5)
        with ThreadPool(8) as pool:
            self.assertEqual(pool.num_threads, 8)
            self.assertIn("8 workers", repr(pool))
        with self.assertRaises(TypeError):
            pickle.dumps(pool)


class TestMap(unittest.TestCase):
    def test_order_and_several_iterables(self):
        with ThreadPool(3) as pool:
            for chunksize in (1, 2, 7, 1000):
                self.assertEqual(list(pool.map(pow, range(50), [2] * 60, chunksize=chunksize)), [i**2 for i in range(50)])

    def test_arguments_are_collected_at_once_and_calls_begin_at_once(self):
        ran = threading.Event()
        taken = []
        with ThreadPool(1) as pool:
            pool.map(lambda _: ran.set(), (taken.append(i) or i for i in range(3)))
            self.assertEqual(taken, [0, 1, 2])
            self.assertTrue(ran.wait(10))

    def test_buffersize_bounds_how_far_it_runs_ahead(self):
        taken = []
        with ThreadPool(1) as pool:
            results = pool.map(int, (taken.append(i) or i for i in range(100)), buffersize=5)
            self.assertEqual(len(taken), 5)
            self.assertEqual(next(results), 0)
            self.assertLessEqual(len(taken), 6)
            self.assertEqual(list(results), list(range(1, 100)))

    def test_an_exception_comes_where_its_result_would(self):
        with ThreadPool(2) as pool:
            results = pool.map(divmod, [6, 5, 4], [3, 0, 2])
            self.assertEqual(next(results), (2, 0))
            with self.assertRaises(ZeroDivisionError):
                next(results)

    def test_timeout(self):
        with ThreadPool(1) as pool:
            gate = Gate(pool, 1)
            results = pool.map(int, [1], timeout=0.05)
            with self.assertRaises(concurrent.futures.TimeoutError):
                next(results)
            gate.opened.set()

    def test_wrong_sizes(self):
        with ThreadPool(1) as pool:
            for wrong in ({"chunksize": 0}, {"buffersize": 0}):
                with self.assertRaises(ValueError):
                    pool.map(int, [1], **wrong)

    def test_results_given_up_cancel_the_rest(self):
        ran = []
        with ThreadPool(1) as pool:
            results = pool.map(lambda i: (ran.append(i), time.sleep(0.02 if i else 0)), range(50))
            next(results)
            results.close()
        self.assertLess(len(ran), 10)


class TestShutdown(unittest.TestCase):
    def test_waits_for_all_tasks(self):
        done = []
        with ThreadPool(2) as pool:
            for i in range(20):
                pool.submit(lambda i=i: (time.sleep(0.005), done.append(i)))
        self.assertEqual(sorted(done), list(range(20)))

    def test_without_wait_returns_at_once_and_runs_the_tasks(self):
        pool = ThreadPool(1)
        gate = Gate(pool, 1)
        future = pool.submit(int, 5)
        pool.shutdown(wait=False)
        self.assertFalse(future.done())
        with self.assertRaises(RuntimeError):
            pool.submit(int)
        gate.opened.set()
        self.assertEqual(future.result(timeout=10), 5)
        pool.shutdown(wait=True)

    def test_what_was_cancelled_at_the_end_is_told_to_whoever_waits(self):
        pool = ThreadPool(1)
        gate = Gate(pool, 1)
        future = pool.submit(int)
        outcome = []
        waiter = threading.Thread(target=lambda: outcome.extend(concurrent.futures.wait([future], timeout=20).done))
        waiter.start()
        threading.Timer(0.05, gate.opened.set).start()
        pool.shutdown(wait=True, cancel_futures=True)
        # What had begun was finished before shutdown returned.
        self.assertTrue(gate.futures[0].done() and not gate.futures[0].cancelled())
        waiter.join()
        self.assertEqual((outcome, future.cancelled()), ([future], True))

    def test_cancel_futures(self):
        pool = ThreadPool(1)
        gate = Gate(pool, 1)
        futures = [pool.submit(int) for _ in range(10)]
        pool.shutdown(wait=False, cancel_futures=True)
        self.assertTrue(all(f.cancelled() for f in futures))
        gate.opened.set()
        pool.shutdown()
        self.assertFalse(gate.futures[0].cancelled())
        self.assertIsNone(gate.futures[0].result())

    def test_threads_are_gone_afterwards(self):
        with ThreadPool(3, thread_name_prefix="gone") as pool:
            Gate(pool, 3).opened.set()
            self.assertTrue(any(t.name.startswith("gone") for t in threading.enumerate()))
        pool.shutdown()
        self.assertFalse(any(t.name.startswith("gone") for t in threading.enumerate()))

    def test_from_inside_a_task(self):
        pool = ThreadPool(1)
        with self.assertRaisesRegex(RuntimeError, "own tasks"):
            pool.submit(pool.shutdown).result(timeout=10)
        self.assertEqual(pool.submit(int, 3).result(timeout=10), 3)
        pool.submit(pool.shutdown, wait=False).result(timeout=10)
        with self.assertRaises(RuntimeError):
            pool.submit(int)
        pool.shutdown()

    def test_tasks_may_use_the_pool_s_loops_while_it_ends(self):
        out = []
        with ThreadPool(2) as pool:
            pool.submit(lambda: (time.sleep(0.05), pool.parallel_for(3, out.append)))
        self.assertEqual(sorted(out), [0, 1, 2])

    def test_a_pool_nobody_refers_to_ends_by_itself(self):
        pool = ThreadPool(1, thread_name_prefix="orphan")
        future = pool.submit(time.sleep, 0.05)
        reference = weakref.ref(pool)
        del pool
        gc.collect()
        self.assertIsNone(reference())
        self.assertIsNone(future.result(timeout=10))
        deadline = time.monotonic() + 10
        while any(t.name.startswith("orphan") for t in threading.enumerate()):
            self.assertLess(time.monotonic(), deadline)
            time.sleep(0.01)

    def test_a_collection_starts_no_thread(self):
        # It may come anywhere, in the middle of starting a thread too. The pool's worker is to begin the pool's end.
        starters = []
        start = threading.Thread.start

        def record(thread):
            starters.append(threading.get_ident())
            start(thread)

        pool = ThreadPool(1, thread_name_prefix="cycle")
        pool.cycle = [pool]
        del pool
        with mock.patch.object(threading.Thread, "start", record):
            gc.collect()
            deadline = time.monotonic() + 10
            while any(t.name.startswith("cycle") for t in threading.enumerate()):
                self.assertLess(time.monotonic(), deadline)
                time.sleep(0.01)
        self.assertNotIn(threading.get_ident(), starters)

    def test_wait_all(self):
        done = []
        with ThreadPool(2) as pool:
            def spawn(depth):
                time.sleep(0.01)
                if depth:
                    pool.submit(spawn, depth - 1)
                done.append(depth)

            pool.submit(spawn, 5)
            pool.submit(divmod, 1, 0)
            pool.wait_all()
            self.assertEqual(len(done), 6)
            with self.assertRaisesRegex(RuntimeError, "own tasks"):
                pool.submit(pool.wait_all).result(timeout=10)


class TestInitializer(unittest.TestCase):
    def test_runs_once_on_each_worker(self):
        calls = []
        local = threading.local()

        def initialize(value):
            local.value = value
            calls.append(threading.get_ident())

        with ThreadPool(3, initializer=initialize, initargs=(7,)) as pool:
            self.assertEqual([pool.submit(lambda: local.value).result() for _ in range(20)], [7] * 20)
        self.assertEqual(len(set(calls)), 3)

    def test_one_that_fails_breaks_the_pool(self):
        logging.disable(logging.CRITICAL)
        self.addCleanup(logging.disable, logging.NOTSET)
        pool = ThreadPool(1, initializer=divmod, initargs=(1, 0))
        deadline = time.monotonic() + 10
        with self.assertRaises(concurrent.futures.thread.BrokenThreadPool):
            while time.monotonic() < deadline:
                pool.submit(int).result(timeout=10)
        with self.assertRaises(concurrent.futures.BrokenExecutor):
            pool.submit(int)
        pool.shutdown()


class TestFuture(unittest.TestCase):
    def setUp(self):
        self.pool = ThreadPool(1)
        self.addCleanup(self.pool.shutdown)

    def blocked(self):
        gate = Gate(self.pool, 1)
        self.addCleanup(gate.opened.set)
        return gate

    def test_states(self):
        gate = self.blocked()
        running, pending = gate.futures[0], self.pool.submit(int)
        self.assertTrue(running.running() and not running.done() and not running.cancelled())
        self.assertTrue(not pending.running() and not pending.done() and not pending.cancelled())
        self.assertIn("pending", repr(pending))
        gate.opened.set()
        self.assertEqual(pending.result(), 0)
        self.assertTrue(pending.done() and not pending.running() and not pending.cancelled())
        self.assertIn("finished", repr(pending))

    def test_cancel(self):
        gate = self.blocked()
        pending = self.pool.submit(int)
        self.assertFalse(gate.futures[0].cancel())
        self.assertTrue(pending.cancel())
        self.assertTrue(pending.cancel())
        self.assertTrue(pending.cancelled() and pending.done() and not pending.running())
        for get in (pending.result, pending.exception, pending.get):
            with self.assertRaises(CancelledError):
                get()
        gate.opened.set()
        self.pool.wait_all()
        self.assertFalse(gate.futures[0].cancel())

    def test_result_times_out_and_the_task_goes_on(self):
        gate = self.blocked()
        pending = self.pool.submit(int, 3)
        for get in (pending.result, pending.exception, gate.futures[0].result):
            with self.assertRaises(concurrent.futures.TimeoutError):
                get(timeout=0.01)
        gate.opened.set()
        self.assertEqual(pending.result(timeout=10), 3)

    def test_an_exception_keeps_its_traceback(self):
        def inner():
            raise KeyError("lost")

        def outer():
            inner()

        for wait in (self.pool.submit(outer).result, lambda: self.pool.submit(outer).result(timeout=10)):
            try:
                wait()
            except KeyError as error:
                frames = [frame.name for frame in traceback.extract_tb(error.__traceback__)]
            self.assertEqual(frames[-2:], ["outer", "inner"])
        self.assertIsInstance(self.pool.submit(outer).exception(), KeyError)
        self.assertIsNone(self.pool.submit(int).exception())

    def test_exceptions_that_are_no_errors(self):
        for kind in (SystemExit, KeyboardInterrupt, GeneratorExit):
            def fail():
                raise kind("x")

            with self.assertRaises(kind):
                self.pool.submit(fail).result(timeout=10)
        self.assertEqual(self.pool.submit(int, 1).result(), 1)

    def test_callbacks(self):
        gate = self.blocked()
        seen = []
        pending = self.pool.submit(int, 9)
        logging.disable(logging.CRITICAL)
        self.addCleanup(logging.disable, logging.NOTSET)
        pending.add_done_callback(lambda f: seen.append(("first", f.result())))
        pending.add_done_callback(lambda f: 1 / 0)
        pending.add_done_callback(lambda f: seen.append(("third", threading.get_ident())))
        gate.opened.set()
        pending.result(timeout=10)
        self.pool.submit(int).result(timeout=10)
        self.assertEqual(seen[0], ("first", 9))
        self.assertEqual(seen[1][0], "third")
        pending.add_done_callback(lambda f: seen.append("late"))
        self.assertEqual(seen[-1], "late")

    def test_callbacks_of_a_cancelled_future(self):
        self.blocked()
        seen = []
        pending = self.pool.submit(int)
        pending.add_done_callback(seen.append)
        pending.cancel()
        self.assertEqual(seen, [pending])

    def test_callbacks_that_come_late_are_called_at_once(self):
        self.blocked()
        cancelled, seen = self.pool.submit(int), []
        cancelled.cancel()
        cancelled.add_done_callback(lambda future: seen.append((future, threading.get_ident())))
        self.assertEqual(seen, [(cancelled, threading.get_ident())])

    def test_an_exception_of_a_callback_is_logged(self):
        gate = self.blocked()
        pending = self.pool.submit(int)
        pending.add_done_callback(lambda future: 1 / 0)
        with self.assertLogs("concurrent.futures", logging.ERROR) as logs:
            gate.opened.set()
            pending.result(timeout=10)
            self.pool.submit(int).result(timeout=10)
        self.assertIn("ZeroDivisionError", logs.output[0])

    def test_an_outcome_is_set_once(self):
        future = self.pool.submit(int, 3)
        self.assertEqual(future.result(timeout=10), 3)
        with self.assertRaises(concurrent.futures.InvalidStateError):
            future.set_result(4)
        with self.assertRaises(concurrent.futures.InvalidStateError):
            future.set_exception(KeyError())
        self.assertEqual((future.result(), future.exception()), (3, None))

    def test_a_future_is_no_pickle(self):
        with self.assertRaises(TypeError):
            pickle.dumps(self.pool.submit(int))

    def test_nothing_of_a_task_is_kept(self):
        class Thing:
            pass

        thing = Thing()
        reference = weakref.ref(thing)
        future = self.pool.submit(lambda thing: None, thing)
        future.result(timeout=10)
        del thing
        self.pool.submit(int).result(timeout=10)
        self.assertIsNone(reference())

    def test_a_failed_task_makes_no_cycle(self):
        gc.disable()
        self.addCleanup(gc.enable)
        for timeout in (None, 10):
            future = self.pool.submit(divmod, 1, 0)
            try:
                future.result(timeout)
            except ZeroDivisionError:
                pass
            self.pool.submit(int).result(timeout=10)
            reference = weakref.ref(future)
            del future
            self.assertIsNone(reference())

    def test_a_future_dropped_early_leaves_its_task_alone(self):
        ran = threading.Event()
        gate = self.blocked()
        self.pool.submit(ran.set)
        gc.collect()
        gate.opened.set()
        self.assertTrue(ran.wait(10))

    def test_a_future_may_outlive_its_pool(self):
        with ThreadPool(1) as pool:
            future = pool.submit(int, 4)
        del pool
        self.assertEqual(future.result(), 4)

    def test_races_to_wait_and_to_finish(self):
        # Each round, a condition is made by the waiter while the worker finishes.
        with ThreadPool(2, run_in_waiter=False) as pool:
            for i in range(3000):
                self.assertEqual(pool.submit(int, i).result(timeout=30), i)

    def test_races_to_cancel_and_to_begin(self):
        ran = []
        futures = []
        with ThreadPool(2) as pool:
            for i in range(3000):
                futures.append(pool.submit(ran.append, i))
                if i % 2:
                    futures[-1].cancel()
        cancelled = {i for i, f in enumerate(futures) if f.cancelled()}
        self.assertEqual(len(ran), len(set(ran)))
        self.assertEqual(set(ran), set(range(3000)) - cancelled)


class TestPriorities(unittest.TestCase):
    def test_the_most_urgent_first(self):
        order = []
        with ThreadPool(1) as pool:
            gate = Gate(pool, 1)
            for name in ("low", "normal", "high", "max"):
                for _ in range(3):
                    pool.prioritized(name).submit(order.append, name)
            gate.opened.set()
        self.assertEqual(order, ["max"] * 3 + ["high"] * 3 + ["normal"] * 3 + ["low"] * 3)

    def test_the_less_urgent_are_not_starved(self):
        order = []
        with ThreadPool(1) as pool:
            gate = Gate(pool, 1)
            low = pool.prioritized("low").submit(order.append, "low")
            urgent = pool.prioritized("max")
            for _ in range(200):
                urgent.submit(order.append, "max")
            gate.opened.set()
            low.result(timeout=10)
        self.assertLess(order.index("low"), 100)

    def test_it_is_an_executor_of_its_pool(self):
        with ThreadPool(1) as pool:
            with pool.prioritized("high") as high:
                self.assertEqual(list(high.map(pow, [2, 3], [3, 2])), [8, 9])
            self.assertEqual(pool.submit(int, 2).result(), 2)
            with self.assertRaisesRegex(ValueError, "one of max, high, normal, low, and is 7"):
                pool.prioritized(7)
        with self.assertRaises(RuntimeError):
            high.submit(int)


class TestDrains(unittest.TestCase):
    """The two ends of the queue, made to meet at the worst moment."""

    def test_a_task_that_comes_while_a_drain_gives_up_is_seen(self):
        ran = threading.Event()

        class Tokens(list):
            def append(self, token):
                # The drain has found the queue empty and has not given its token back: this finds neither token nor drain.
                if not ran.is_set() and not self.submitted:
                    self.submitted = True
                    pool.submit(ran.set)
                super().append(token)

        with ThreadPool(1) as pool:
            core = pool._core
            core.queue.tokens = Tokens(core.queue.tokens)
            core.queue.tokens.submitted = False
            pool.submit(int)
            self.assertTrue(ran.wait(10))

    def test_tokens_are_given_back_once(self):
        with ThreadPool(2) as pool:
            for _ in range(5):
                list(pool.map(time.sleep, [0.0005] * 50))
            deadline = time.monotonic() + 10
            while len(pool._core.queue.tokens) != 2 and time.monotonic() < deadline:
                time.sleep(0.01)
            time.sleep(0.02)
            self.assertEqual(len(pool._core.queue.tokens), 2)


class TestStats(unittest.TestCase):
    def test_counts(self):
        with ThreadPool(2, run_in_waiter=False) as pool:
            [f.result() for f in [pool.submit(time.sleep, 0.001) for _ in range(50)]]
            stats = pool.stats()
            self.assertEqual(len(stats.workers), 2)
            self.assertEqual(sum(worker.python_tasks for worker in stats.workers), 50)
            self.assertGreater(stats.elapsed, 0.02)
            for worker in stats.workers:
                self.assertLessEqual(worker.searching + worker.sleeping, stats.elapsed * 1.5)
                self.assertIsNone(worker.cpu)
            self.assertIn("worker", pool.report())
        with ThreadPool(1, pin=True) as pool:
            self.assertIsInstance(pool.stats().workers[0].cpu, int)
        with self.assertRaises(RuntimeError):
            pool.stats()


class TestTrace(unittest.TestCase):
    def test_a_trace_is_written(self):
        with tempfile.TemporaryDirectory() as folder, ThreadPool(2) as pool:
            path = pathlib.Path(folder, "trace.json")
            with pool.trace(path):
                pool.parallel_for(1000, lambda _: None, grain=1)
            with path.open() as file:
                self.assertGreater(len(json.load(file)["traceEvents"]), 2)
            pool.start_trace(100)
            with self.assertRaises(VgpuError):
                pool.start_trace()
            with self.assertRaises(VgpuError):
                pool.save_trace(path)
            pool.parallel_for(10, lambda _: None, grain=1)
            pool.stop_trace()
            pool.save_trace(str(path))
            with path.open() as file:
                self.assertGreater(len(json.load(file)["traceEvents"]), 2)
            with self.assertRaises(ValueError):
                pool.stop_trace()
            with self.assertRaisesRegex(VgpuError, "nowhere"):
                with pool.trace(pathlib.Path(folder, "nowhere", "trace.json")):
                    pass


class TestModuleFunctions(unittest.TestCase):
    def test_as_completed(self):
        with ThreadPool(2) as pool:
            gate = Gate(pool, 1)
            futures = [pool.submit(int, i) for i in range(10)]
            seen = []
            for future in concurrent.futures.as_completed([*gate.futures, *futures], timeout=10):
                seen.append(future)
                if len(seen) == 10:
                    gate.opened.set()
            self.assertEqual(set(seen), {*gate.futures, *futures})
            self.assertIs(seen[-1], gate.futures[0])

    def test_as_completed_takes_what_is_done_first_and_each_once(self):
        with ThreadPool(1) as pool:
            done = [pool.submit(int, i) for i in range(3)]
            [future.result(timeout=10) for future in done]
            gate = Gate(pool, 1)
            completed = concurrent.futures.as_completed([*gate.futures, *done, *done], timeout=10)
            self.assertEqual({next(completed) for _ in range(3)}, set(done))
            gate.opened.set()
            self.assertEqual(list(completed), gate.futures)

    def test_futures_of_several_executors(self):
        with ThreadPool(1) as pool, ThreadPool(2) as other, concurrent.futures.ThreadPoolExecutor(1) as standard:
            futures = [executor.submit(pow, i, 2) for i in range(20) for executor in (pool, other, standard)]
            self.assertEqual(set(concurrent.futures.as_completed(futures, timeout=20)), set(futures))
            self.assertEqual(concurrent.futures.wait(futures + futures, timeout=20), (set(futures), set()))

    def test_as_completed_times_out(self):
        with ThreadPool(1) as pool:
            gate = Gate(pool, 1)
            with self.assertRaises(concurrent.futures.TimeoutError):
                list(concurrent.futures.as_completed(gate.futures, timeout=0.01))
            gate.opened.set()

    def test_wait(self):
        with ThreadPool(2) as pool:
            gate = Gate(pool, 1)
            quick, failing = pool.submit(int), pool.submit(divmod, 1, 0)
            everything = {*gate.futures, quick, failing}
            done, not_done = concurrent.futures.wait(everything, return_when=concurrent.futures.FIRST_EXCEPTION, timeout=10)
            self.assertIn(failing, done)
            self.assertEqual(not_done, set(gate.futures))
            done, _ = concurrent.futures.wait(everything, timeout=0.01)
            self.assertEqual(done, {quick, failing})
            gate.opened.set()
            done, not_done = concurrent.futures.wait(everything, timeout=10)
            self.assertEqual((done, not_done), (everything, set()))

    def test_wait_for_the_first_with_a_cancelled_one(self):
        with ThreadPool(1) as pool:
            gate = Gate(pool, 1)
            pending = pool.submit(int)
            threading.Timer(0.02, pending.cancel).start()
            done, _ = concurrent.futures.wait([*gate.futures, pending], return_when=concurrent.futures.FIRST_COMPLETED, timeout=10)
            self.assertEqual(done, {pending})
            gate.opened.set()

    def test_asyncio(self):
        async def main():
            loop = asyncio.get_running_loop()
            with ThreadPool(2) as pool:
                results = await asyncio.gather(*(loop.run_in_executor(pool, pow, i, 2) for i in range(50)))
                self.assertEqual(results, [i * i for i in range(50)])
                with self.assertRaises(ZeroDivisionError):
                    await loop.run_in_executor(pool, divmod, 1, 0)
                self.assertEqual(await asyncio.wrap_future(pool.submit(int, 3)), 3)

        asyncio.run(main())

    def test_typing(self):
        self.assertIn("Future", repr(Future[int]))


if __name__ == "__main__":
    unittest.main()
