# %% [markdown]
# # A tour of vgpu_runtime
#
# Every block below was run, in this order, and what stands under it is what it printed. `python python/tour/render.py` runs
# them again and writes this page.

# %%
import platform, statistics, time
from concurrent.futures import ThreadPoolExecutor, as_completed

import matplotlib.pyplot as plt
import numba
import numpy as np

import vgpu_runtime
from vgpu_runtime import ThreadPool, range_signature

cpus = vgpu_runtime.available_cpus()
print(f"Python {platform.python_version()}, vgpu_runtime {vgpu_runtime.__version__}, NumPy {np.__version__}, {cpus} CPUs")

# %% [markdown]
# ## An executor
#
# Whatever works with `ThreadPoolExecutor` works here.

# %%
def slow_square(x):
    time.sleep(0.05)              # stands for a download: the interpreter's lock is free meanwhile
    return x * x

with ThreadPool(num_threads=8) as pool:
    began = time.perf_counter()
    futures = [pool.submit(slow_square, i) for i in range(8)]
    print(sorted(future.result() for future in as_completed(futures)))
    print(f"8 waits of 50 ms took {(time.perf_counter() - began) * 1e3:.0f} ms")

# %% [markdown]
# An exception comes out with its traceback, down to the line that raised it.

# %%
import traceback

def divide(a, b):
    return a / b

with ThreadPool(2) as pool:
    try:
        pool.submit(divide, 1, 0).result()
    except ZeroDivisionError as error:
        print(traceback.extract_tb(error.__traceback__)[-1].name, "raised", repr(error))

# %% [markdown]
# Tasks may wait for tasks, with one worker too, where `ThreadPoolExecutor` hangs.

# %%
with ThreadPool(1) as pool:
    def fibonacci(n):
        if n < 2:
            return n
        left = pool.submit(fibonacci, n - 1)
        return fibonacci(n - 2) + left.result()

    print(pool.submit(fibonacci, 15).result())

# %% [markdown]
# ## What a round trip costs
#
# `submit(f).result()`, with a function that does nothing: samples of 2000 round trips, in turns. The waiting thread runs what no
# worker has begun; `run_in_waiter=False` shows what it costs when a worker must do it.

# %%
def nothing():
    pass

def round_trip_us(pool, count=2000):
    began = time.perf_counter()
    for _ in range(count):
        pool.submit(nothing).result()
    return (time.perf_counter() - began) / count * 1e6

with ThreadPoolExecutor(2) as standard, ThreadPool(2) as ours, ThreadPool(2, run_in_waiter=False) as strict:
    pools = {"ThreadPoolExecutor": standard, "vgpu_runtime": ours, "vgpu_runtime, run_in_waiter=False": strict}
    samples = {name: [] for name in pools}
    for _ in range(9):
        for name, pool in pools.items():
            samples[name].append(round_trip_us(pool))
trips = {name: statistics.median(values) for name, values in samples.items()}
for name, value in trips.items():
    print(f"{name:34} {value:6.2f} us   {trips['ThreadPoolExecutor'] / value:4.1f} times as fast as ThreadPoolExecutor")

# %% [markdown]
# Many small calls: what one costs when they come in bulk. `parallel_for` with `grain=1` makes one native callback for
# each index.

# %%
def per_call_ns(run, count=100_000):
    best = min(timed(run) for _ in range(5))
    return best / count * 1e9

def timed(run):
    began = time.perf_counter()
    run()
    return time.perf_counter() - began

with ThreadPoolExecutor(1) as standard, ThreadPool(1) as pool:
    print(f"ThreadPoolExecutor.map           {per_call_ns(lambda: list(standard.map(abs, range(10_000))), 10_000):6.0f} ns a call")
    print(f"map                              {per_call_ns(lambda: list(pool.map(abs, range(10_000))), 10_000):6.0f} ns")
    print(f"map, chunksize=1000              {per_call_ns(lambda: list(pool.map(abs, range(100_000), chunksize=1000))):6.0f} ns")
    print(f"parallel_for, grain=1 (callback) {per_call_ns(lambda: pool.parallel_for(100_000, abs, grain=1)):6.0f} ns")
    print(f"parallel_for                     {per_call_ns(lambda: pool.parallel_for(100_000, abs)):6.0f} ns")

# %% [markdown]
# ## A loop that runs in parallel
#
# The Mandelbrot set, a row of pixels for each index. Rows cost very different amounts; idle workers steal halves of what others
# have left. The same loop over a Python function shows what the interpreter's lock makes of it.

# %%
HEIGHT, WIDTH, DEPTH = 600, 900, 1000

@numba.njit
def escape_time(x, y):
    u = v = 0.0
    for step in range(DEPTH):
        u, v = u * u - v * v + x, 2 * u * v + y
        if u * u + v * v > 4:
            return step
    return DEPTH

@numba.cfunc(range_signature("int32"))
def rows(worker, data, begin, end):
    image = numba.carray(data, (HEIGHT, WIDTH))
    for row in range(begin, end):
        for col in range(WIDTH):
            image[row, col] = escape_time(-2.2 + 3.2 * col / WIDTH, -1.1 + 2.2 * row / HEIGHT)
    return 0

image = np.zeros((HEIGHT, WIDTH), np.int32)
workers = list(range(1, cpus + 1))
pools = {n: ThreadPool(n) for n in workers}
times = {n: [] for n in workers}
for _ in range(7):
    for n, pool in pools.items():
        times[n].append(timed(lambda: pool.parallel_for(HEIGHT, rows, data=image)))
loop_speedup = {n: statistics.median(a / b for a, b in zip(times[1], times[n])) for n in workers}
for n in workers:
    print(f"{n} workers: {statistics.median(times[n]) * 1e3:6.1f} ms, {loop_speedup[n]:.2f} times 1 worker")

# %%
def row_in_python(row):
    total = 0
    for col in range(20_000):
        total += col * row % 7
    return total

python_times = {n: [] for n in workers}
for _ in range(5):
    for n, pool in pools.items():
        python_times[n].append(timed(lambda: pool.parallel_for(40, row_in_python)))
python_speedup = {n: statistics.median(a / b for a, b in zip(python_times[1], python_times[n])) for n in workers}
for n in workers:
    print(f"{n} workers, Python function: {python_speedup[n]:.2f} times 1 worker")

# %% [markdown]
# ## Matrix products
#
# `gemm` on NumPy arrays, in single precision, with one worker and with all.

# %%
sizes = [256, 512, 1024, 1536]
gflops = {n: [] for n in workers}
random = np.random.default_rng(1)
for size in sizes:
    a, b = random.standard_normal((2, size, size), dtype=np.float32)
    out = np.empty_like(a)
    samples = {n: [] for n in workers}
    for _ in range(5):
        for n, pool in pools.items():
            samples[n].append(timed(lambda: pool.gemm(a, b, out)))
    for n in workers:
        gflops[n].append(2 * size**3 / min(samples[n]) / 1e9)
    print(f"{size:5}: " + ", ".join(f"{gflops[n][-1]:5.0f} GFLOPS with {n}" for n in workers), "workers")

# %% [markdown]
# ## The plot

# %%
figure, (left, middle, right) = plt.subplots(1, 3, figsize=(12, 3.6))
left.imshow(np.log1p(image), cmap="magma", extent=(-2.2, 1.0, -1.1, 1.1))
left.set_title("what the loop computed")
middle.plot(workers, workers, "--", color="grey", label="ideal")
middle.plot(workers, [loop_speedup[n] for n in workers], "o-", label="Numba cfunc")
middle.plot(workers, [python_speedup[n] for n in workers], "s-", label="Python function (GIL)")
middle.set(title="parallel_for", xlabel="workers", ylabel="speed-up", xticks=workers, ylim=(0, cpus + 0.2))
middle.legend()
names = list(trips)
right.barh(["ThreadPoolExecutor", "vgpu_runtime", "run_in_waiter=False"], [trips[name] for name in names],
           color=["grey", "C0", "C9"])
right.invert_yaxis()
right.set(title="submit(f).result()", xlabel="microseconds, less is better")
figure.tight_layout()

# %%
for pool in pools.values():
    pool.shutdown()
