"""Life and death: what happens to pools when interpreters end, fork, are interrupted or are not the main one.

Each test runs a program of its own and looks at what it printed and how it ended.
"""

import subprocess
import sys
import unittest

# A shell that starts this in the background has it ignore SIGINT.
BEGIN = (
    "import os, signal, sys, threading, time\n"
    "from vgpu_runtime import ThreadPool\n"
    "signal.signal(signal.SIGINT, signal.default_int_handler)\n"
)


class TestLife(unittest.TestCase):
    def program(self, text, code=0):
        result = subprocess.run(
            [sys.executable, "-X", "dev", "-W", "ignore::DeprecationWarning", "-c", BEGIN + text],
            capture_output=True, text=True, timeout=50,
        )  # fmt: skip
        self.assertEqual(result.returncode, code, result.stdout + result.stderr)
        return result.stdout, result.stderr

    def quiet(self, text):
        out, err = self.program(text)
        self.assertEqual(err, "")
        return out.split()

    def test_the_interpreter_ends_while_tasks_run(self):
        out = self.quiet(
            "pool = ThreadPool(2)\n"
            "for i in range(6): pool.submit(lambda i=i: (time.sleep(0.05), sys.stdout.write(f'{i}\\n')))\n"
            "sys.stdout.write('end\\n')\n"
        )
        self.assertEqual((out[0], sorted(out[1:])), ("end", list("012345")))

    def test_tasks_are_done_before_exit_handlers_run(self):
        out = self.quiet(
            "import atexit\n"
            "atexit.register(print, 'handler')\n"
            "pool = ThreadPool(1)\n"
            "pool.submit(lambda: (time.sleep(0.1), print('task', flush=True)))\n"
        )
        self.assertEqual(out, ["task", "handler"])

    def test_the_interpreter_ends_with_an_idle_pool_in_a_cycle(self):
        self.quiet("pool = ThreadPool(2)\npool.self = [pool]\npool.submit(int).result()\n")

    def test_the_interpreter_ends_by_an_error_and_by_exit(self):
        _, err = self.program("pool = ThreadPool(1)\npool.submit(time.sleep, 0.05)\nraise LookupError('seen')\n", code=1)
        self.assertIn("LookupError: seen", err)
        self.program("pool = ThreadPool(1)\npool.submit(time.sleep, 0.05)\nsys.exit(3)\n", code=3)

    def test_a_pool_in_an_exit_handler_is_refused(self):
        out = self.quiet(
            "import atexit\n"
            "def late():\n"
            "    try: ThreadPool(1)\n"
            "    except RuntimeError as error: print('refused')\n"
            "atexit.register(late)\n"
        )
        self.assertEqual(out, ["refused"])

    def test_a_task_that_submits_while_the_interpreter_ends(self):
        out = self.quiet(
            "pool = ThreadPool(1)\n"
            "def late():\n"
            "    time.sleep(0.1)\n"
            "    try: pool.submit(print, 'ran')\n"
            "    except RuntimeError: print('refused', flush=True)\n"
            "pool.submit(late)\n"
        )
        self.assertEqual(out, ["refused"])

    def test_fork(self):
        out = self.quiet(
            "pool = ThreadPool(2)\n"
            "held = pool.submit(time.sleep, 0.5)\n"
            "queued = [pool.submit(time.sleep, 0.1) for _ in range(5)]\n"
            "pid = os.fork()\n"
            "if pid == 0:\n"
            "    for call in (lambda: pool.submit(int), held.result, queued[4].result, lambda: pool.parallel_for(3, int), pool.wait_all):\n"
            "        try: call(); print('no-error')\n"
            "        except RuntimeError as error: print('refused' if 'parent' in str(error) else error)\n"
            "    pool.shutdown()\n"
            "    with ThreadPool(2) as own: print(own.submit(int, 7).result(timeout=10))\n"
            "    sys.stdout.flush(); sys.exit(0)\n"
            "assert os.waitpid(pid, 0)[1] == 0\n"
            "print(queued[4].result(), pool.submit(int, 8).result(timeout=10))\n"
        )
        self.assertEqual(out, ["refused"] * 5 + ["7", "None", "8"])

    def test_fork_inside_a_task(self):
        out = self.quiet(
            "def child():\n"
            "    pid = os.fork()\n"
            "    if pid == 0: os._exit(5)\n"
            "    return os.waitpid(pid, 0)[1] >> 8\n"
            "with ThreadPool(1) as pool: print(pool.submit(child).result(timeout=20))\n"
        )
        self.assertEqual(out, ["5"])

    def test_multiprocessing_by_fork(self):
        out = self.quiet(
            "import multiprocessing\n"
            "pool = ThreadPool(2)\n"
            "pool.submit(int).result(timeout=10)\n"
            "def work(n):\n"
            "    with ThreadPool(2) as own: return sum(own.map(int, range(n)))\n"
            "with multiprocessing.get_context('fork').Pool(2) as processes: print(processes.map(work, [10, 100]))\n"
        )
        self.assertEqual("".join(out), "[45,4950]")

    def test_a_wait_can_be_interrupted(self):
        for wait in ("held.result()", "held.result(timeout=30)", "pool.wait_all()", "pool.shutdown()",
                     "pool.parallel_for(10**9, lambda i: time.sleep(0.01))"):  # fmt: skip
            out = self.quiet(
                "pool = ThreadPool(1)\n"
                "free = threading.Event()\n"
                "begun = threading.Event()\n"
                f"is_loop = 'parallel_for' in {wait!r}\n"
                "held = pool.submit(lambda: (begun.set(), is_loop or free.wait()))\n"
                "begun.wait()\n"
                "threading.Timer(0.2, lambda: os.kill(os.getpid(), signal.SIGINT)).start()\n"
                "began = time.monotonic()\n"
                f"try: {wait}; print('not-interrupted')\n"
                "except KeyboardInterrupt: print('interrupted', time.monotonic() - began < 5)\n"
                "free.set()\n"
            )
            self.assertEqual(out, ["interrupted", "True"], wait)

    def test_a_task_run_by_its_waiter_can_be_interrupted(self):
        out = self.quiet(
            "pool = ThreadPool(1)\n"
            "free, begun = threading.Event(), threading.Event()\n"
            "held = pool.submit(lambda: (begun.set(), free.wait()))\n"
            "begun.wait()\n"
            "threading.Timer(0.2, lambda: os.kill(os.getpid(), signal.SIGINT)).start()\n"
            "future = pool.submit(time.sleep, 30)\n"
            "try: future.result(); print('not-interrupted')\n"
            "except KeyboardInterrupt: print('interrupted', future.done())\n"
            "free.set()\n"
        )
        self.assertEqual(out, ["interrupted", "True"])

    def test_many_pools_come_and_go(self):
        out = self.quiet(
            "for i in range(100):\n"
            "    with ThreadPool(3) as pool: assert pool.submit(int, i).result(timeout=10) == i\n"
            "deadline = time.monotonic() + 10\n"
            "while len(os.listdir('/proc/self/task')) > 1 and time.monotonic() < deadline: time.sleep(0.01)\n"
            "print(len(threading.enumerate()), len(os.listdir('/proc/self/task')))\n"
        )
        self.assertEqual(out, ["1", "1"])

    def test_threads_see_trace_functions(self):
        out = self.quiet(
            "names = set()\n"
            "threading.settrace(lambda frame, *_: names.add(frame.f_code.co_name))\n"
            "def traced(): pass\n"
            "with ThreadPool(1) as pool: pool.submit(traced).result(timeout=10)\n"
            "print('traced' in names)\n"
        )
        self.assertEqual(out, ["True"])

    def test_a_sub_interpreter_is_refused(self):
        text = (
            "import importlib\n"
            "for name in ('_interpreters', '_xxsubinterpreters'):\n"
            "    try: interpreters = importlib.import_module(name); break\n"
            "    except ImportError: continue\n"
            "try: number = interpreters.create('legacy')\n"
            "except TypeError: number = interpreters.create()\n"
            "code = 'try:\\n import vgpu_runtime\\n print(\"imported\")\\n'\\\n"
            "       'except ImportError as error: print(\"refused\" if \"interpreter\" in str(error) else error)'\n"
            "interpreters.run_string(number, code)\n"
            "sys.stdout.flush()\n"
        )
        out, _ = self.program(text)
        self.assertEqual(out.split(), ["refused"])

    def test_the_module_as_a_program(self):
        for arguments, code, said in (([], 0, "from submit to a sleeping worker"), (["3"], 0, "3 workers"), (["0"], 2, "num_threads")):
            result = subprocess.run(
                [sys.executable, "-m", "vgpu_runtime", *arguments], capture_output=True, text=True, timeout=50
            )  # fmt: skip
            self.assertEqual(result.returncode, code, result.stderr)
            self.assertIn(said, result.stdout + result.stderr)

    def test_a_library_that_is_not_there(self):
        text = (
            "import subprocess\n"
            "for path in ('/nowhere.so', 'libm.so.6'):\n"
            "    result = subprocess.run([sys.executable, '-c', 'import vgpu_runtime'], capture_output=True, text=True,\n"
            "                            env={**os.environ, 'VGPU_POOL_LIBRARY': path})\n"
            "    print('ImportError' in result.stderr, 'VGPU_POOL_LIBRARY' in result.stderr or path)\n"
        )
        self.assertEqual(self.quiet(text), ["True", "True", "True", "True"])


if __name__ == "__main__":
    unittest.main()
