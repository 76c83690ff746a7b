"""How quickly a pool answers."""

from __future__ import annotations

import dataclasses
import time
from typing import Any, Callable, Tuple

#: Long enough for the workers to fall asleep in between.
_PAUSE_SECONDS = 0.001


@dataclasses.dataclass(frozen=True)
class Latency:
    """Times of one thing done many times, in seconds, the shortest first."""

    samples: Tuple[float, ...]

    def percentile(self, percent: float) -> float:
        """What ``percent`` of 100 samples stay within."""
        return self.samples[round((len(self.samples) - 1) * percent / 100)]

    def __str__(self) -> str:
        return ", ".join(f"{percent} % {self.percentile(percent) * 1e6:7.1f}" for percent in (50, 90, 99, 100)) + "  us"


@dataclasses.dataclass(frozen=True)
class LatencyReport:
    """What :meth:`ThreadPool.latency` has measured. ``print`` makes a table of it."""

    #: From ``submit`` until the function runs on a worker, which slept before.
    to_a_worker: Latency
    #: ``submit(f).result()`` of a function that does nothing.
    round_trip: Latency
    #: ``parallel_for`` without an index.
    empty_loop: Latency

    def __str__(self) -> str:
        return (
            f"from submit to a sleeping worker  {self.to_a_worker}\n"
            f"submit(f).result()                {self.round_trip}\n"
            f"an empty parallel_for             {self.empty_loop}"
        )


def measure(pool: Any, count: int) -> LatencyReport:
    if count < 1:
        raise ValueError(f"count must be at least 1, and is {count}")

    def samples(sample: Callable[[], float]) -> Latency:
        return Latency(tuple(sorted(sample() for _ in range(count))))

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

    return LatencyReport(samples(to_a_worker), samples(round_trip), samples(empty_loop))
