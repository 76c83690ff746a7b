"""libvgpu_pool.so through ctypes: loading it, its functions with their types, its failures as exceptions.

``vgpu_pool.h`` is the reference for every function here. ctypes lets go of the interpreter's lock during each call.
"""

from __future__ import annotations

import ctypes
import os
import pathlib
from ctypes import POINTER, byref, c_char_p, c_double, c_float, c_int32, c_int64, c_size_t, c_uint32, c_uint64, c_void_p
from typing import Any, List, Optional, Tuple

ABI_VERSION = 1
OK = 0
INVALID_ARGUMENT = -1
OUT_OF_MEMORY = -2
NO_PINNING = 1
ROW_MAJOR = 101
NO_TRANS = 111
TRANS = 112

TaskFunction = ctypes.CFUNCTYPE(c_int32, c_void_p, c_void_p)
WorkerHook = ctypes.CFUNCTYPE(None, c_void_p, c_uint32)
#: The type of a native loop body: ``int32_t body(vgpu_worker *, void *user_data, size_t begin, size_t end)``.
RangeFunction = ctypes.CFUNCTYPE(c_int32, c_void_p, c_void_p, c_size_t, c_size_t)


class VgpuError(RuntimeError):
    """A failure of the native library. ``status`` is its number, ``name`` the number's name in ``vgpu_pool.h``."""

    def __init__(self, status: int, name: str, sentence: str) -> None:
        super().__init__(f"{sentence} ({name})" if sentence else name)
        self.status = status
        self.name = name

    def __reduce__(self) -> Tuple[Any, ...]:
        return (_error_from_parts, (self.status, self.name, self.args[0]))


def _error_from_parts(status: int, name: str, text: str) -> VgpuError:
    error = VgpuError(status, name, "")
    error.args = (text,)
    return error


class PoolConfig(ctypes.Structure):
    """vgpu_pool_config, as far as this package knows it; a newer library completes it."""

    _fields_ = [
        ("struct_size", c_uint32),
        ("flags", c_uint32),
        ("num_workers", c_uint32),
        ("inbox_capacity", c_uint32),
        ("inbox_full", c_uint32),
        ("wait_policy", c_uint32),
        ("stack_size", c_size_t),
        ("name_prefix", c_char_p),
        ("on_worker_start", WorkerHook),
        ("on_worker_stop", WorkerHook),
        ("worker_user_data", c_void_p),
    ]


BIND_NODE = 2


class TaskOptions(ctypes.Structure):
    """vgpu_task_options."""

    _fields_ = [
        ("struct_size", c_uint32),
        ("priority", c_uint32),
        ("binding", c_uint32),
        ("place", c_uint32),
        ("cpus", c_void_p),
        ("num_cpu_words", c_size_t),
    ]


class Topology(ctypes.Structure):
    """vgpu_topology."""

    _fields_ = [
        ("struct_size", c_uint32),
        ("cpu_size", c_uint32),
        ("node_size", c_uint32),
        ("num_cpus", c_uint32),
        ("num_nodes", c_uint32),
        ("default_workers", c_uint32),
        ("l1d_bytes", c_uint64),
        ("l2_bytes", c_uint64),
        ("l3_bytes", c_uint64),
        ("l2_sharers", c_uint32),
        ("l3_sharers", c_uint32),
        ("line_bytes", c_uint32),
        ("reserved", c_uint32),
    ]


class Cpu(ctypes.Structure):
    """vgpu_cpu."""

    _fields_ = [
        ("number", c_uint32),
        ("core", c_uint32),
        ("thread", c_uint32),
        ("l2", c_uint32),
        ("l3", c_uint32),
        ("package", c_uint32),
        ("node", c_uint32),
        ("capacity", c_uint32),
    ]


NODE_HAS_MEMORY = 1
NODE_MEMORY_ALLOWED = 2


class Node(ctypes.Structure):
    """vgpu_node."""

    _fields_ = [
        ("number", c_uint32),
        ("num_cpus", c_uint32),
        ("flags", c_uint32),
        ("reserved", c_uint32),
        ("memory_bytes", c_uint64),
    ]


NODE_HUGE_PAGES = 1
NODE_STRICT = 2


class NodeReport(ctypes.Structure):
    """vgpu_node_report."""

    _fields_ = [
        ("struct_size", c_uint32),
        ("node", c_uint32),
        ("verified_by", c_uint32),
        ("policy_refused", c_uint32),
        ("page_bytes", c_uint64),
        ("pages", c_uint64),
        ("pages_there", c_uint64),
        ("pages_elsewhere", c_uint64),
        ("pages_absent", c_uint64),
        ("pages_unknown", c_uint64),
        ("spill_node", c_uint32),
        ("reserved", c_uint32),
    ]


_DISTANCES = 5


class Stats(ctypes.Structure):
    """vgpu_stats."""

    _fields_ = [
        ("struct_size", c_uint32),
        ("worker_size", c_uint32),
        ("num_workers", c_uint32),
        ("reserved", c_uint32),
        ("elapsed_ns", c_uint64),
        ("executed_outside", c_uint64),
    ]


class WorkerStats(ctypes.Structure):
    """vgpu_worker_stats."""

    _fields_ = [
        ("executed", c_uint64),
        ("promoted", c_uint64),
        ("reclaimed", c_uint64),
        ("steals_tried", c_uint64 * _DISTANCES),
        ("steals_done", c_uint64 * _DISTANCES),
        ("migrations", c_uint64),
        ("parks", c_uint64),
        ("wakeups", c_uint64),
        ("searching_ns", c_uint64),
        ("sleeping_ns", c_uint64),
        ("queued", c_uint64),
        ("inbox_high_water", c_uint64),
        ("deque_high_water", c_uint64),
        ("pin_repairs", c_uint64),
        ("cpu", c_uint32),
        ("reserved", c_uint32),
    ]


def _refuse_subinterpreter() -> None:
    """Callbacks on the library's threads enter the main interpreter, whoever made the pool: say so instead of mixing them."""
    current = ctypes.pythonapi.PyInterpreterState_Get
    main = ctypes.pythonapi.PyInterpreterState_Main
    current.restype = main.restype = c_void_p
    if current() != main():
        raise ImportError(
            "vgpu_runtime was imported in a sub-interpreter, and works in the main interpreter only: "
            "import it there, or use processes (multiprocessing with the 'spawn' start method)"
        )


def _path() -> str:
    path = os.environ.get("VGPU_POOL_LIBRARY")
    if path:
        return path
    bundled = pathlib.Path(__file__).parent / "lib" / f"libvgpu_pool.so.{ABI_VERSION}"
    return str(bundled) if bundled.exists() else bundled.name


def _load() -> ctypes.CDLL:
    path = _path()
    try:
        library = ctypes.CDLL(path)
        library.vgpu_abi_version.restype = c_uint32
    except (OSError, AttributeError) as error:
        raise ImportError(
            f"vgpu_runtime could not load its native library from {path!r}: {error}. "
            "Install the wheel, or name the library in the environment variable VGPU_POOL_LIBRARY"
        ) from error
    found = library.vgpu_abi_version()
    if found != ABI_VERSION:
        raise ImportError(f"vgpu_runtime needs version {ABI_VERSION} of the binary interface, and {path!r} has version {found}")
    return library


def _declare(name: str, result: Any, *arguments: Any) -> Any:
    function = getattr(_library, name)
    function.restype = result
    function.argtypes = arguments
    return function


_refuse_subinterpreter()
_library = _load()

_status_name = _declare("vgpu_status_name", c_char_p, c_int32)
_last_error_message = _declare("vgpu_last_error_message", c_char_p)
_version_string = _declare("vgpu_version_string", c_char_p)
available_cpus = _declare("vgpu_available_cpus", c_uint32)
pool_config_init = _declare("vgpu_pool_config_init_sized", None, POINTER(PoolConfig), c_uint32)
pool_create = _declare("vgpu_pool_create", c_int32, POINTER(PoolConfig), POINTER(c_void_p))
pool_destroy = _declare("vgpu_pool_destroy", c_int32, c_void_p)
pool_num_workers = _declare("vgpu_pool_num_workers", c_uint32, c_void_p)
_pool_submit = _declare("vgpu_pool_submit", c_int32, c_void_p, TaskFunction, c_void_p, c_void_p, c_void_p)
_pool_submit_with = _declare(
    "vgpu_pool_submit_with", c_int32, c_void_p, POINTER(TaskOptions), TaskFunction, c_void_p, c_void_p, c_void_p
)
_topology_get = _declare(
    "vgpu_topology_get", c_int32, POINTER(Topology), POINTER(Cpu), c_uint32, POINTER(Node), c_uint32, POINTER(c_uint32)
)
_node_alloc = _declare("vgpu_node_alloc", c_int32, c_size_t, c_uint32, c_uint32, POINTER(c_void_p))
_node_alloc_interleaved = _declare("vgpu_node_alloc_interleaved", c_int32, c_size_t, c_uint32, POINTER(c_void_p))
node_free = _declare("vgpu_node_free", c_int32, c_void_p)
_node_report_get = _declare("vgpu_node_report_get", c_int32, c_void_p, POINTER(NodeReport))
_pool_stats = _declare("vgpu_pool_stats", c_int32, c_void_p, POINTER(Stats), POINTER(WorkerStats), c_uint32)
_pool_report = _declare("vgpu_pool_report", c_int32, c_void_p, c_char_p, c_size_t, POINTER(c_size_t))
pool_trace_start = _declare("vgpu_pool_trace_start", c_int32, c_void_p, c_size_t)
pool_trace_stop = _declare("vgpu_pool_trace_stop", c_int32, c_void_p)
pool_trace_write = _declare("vgpu_pool_trace_write", c_int32, c_void_p, c_char_p)
# The body is a plain address here: it may be anybody's.
parallel_for = _declare("vgpu_parallel_for", c_int32, c_void_p, c_size_t, c_size_t, c_void_p, c_void_p)
sgemm, dgemm, sgemm_bf16x3 = (
    _declare(
        name, c_int32, c_void_p, c_int32, c_int32, c_int32, c_int64, c_int64, c_int64,
        scalar, c_void_p, c_int64, c_void_p, c_int64, scalar, c_void_p, c_int64,
    )
    for name, scalar in (("vgpu_sgemm", c_float), ("vgpu_dgemm", c_double), ("vgpu_sgemm_bf16x3", c_float))
)  # fmt: skip

_gil_ensure = ctypes.pythonapi.PyGILState_Ensure
_gil_ensure.restype = ctypes.c_int
_gil_release = ctypes.pythonapi.PyGILState_Release
_gil_release.argtypes = (ctypes.c_int,)
_gil_release.restype = None


def keep_thread_state() -> None:
    """Called in a worker's start hook: Python's state of this thread then lasts until :func:`drop_thread_state`.

    Otherwise each callback would make one and throw it away, which takes microseconds and loses thread-local variables.
    """
    _gil_ensure()


def drop_thread_state() -> None:
    """Called in a worker's stop hook. 0 is PyGILState_LOCKED: the hook's own frame still holds the lock."""
    _gil_release(0)


def version() -> str:
    """The version of the native library."""
    return str(_version_string().decode())


def error_of(status: int) -> Exception:
    """The exception for a failed call of this thread."""
    name = _status_name(status).decode()
    sentence = _last_error_message().decode(errors="replace")
    if status == INVALID_ARGUMENT:
        return ValueError(sentence)
    if status == OUT_OF_MEMORY:
        return MemoryError(sentence)
    return VgpuError(status, name, sentence)


def check(status: int) -> None:
    """Raises what a failed call means."""
    if status != OK:
        raise error_of(status)


def submit_on(pool: int, node: Optional[int], function: Any, user_data: int) -> int:
    """Submits a native task that nobody waits for, to the workers of a NUMA node, or, with None, to any. Returns the status."""
    status: int
    if node is None:
        status = _pool_submit(pool, function, user_data, None, None)
    else:
        options = TaskOptions(struct_size=ctypes.sizeof(TaskOptions), binding=BIND_NODE, place=node)
        status = _pool_submit_with(pool, byref(options), function, user_data, None, None)
    return status


def topology() -> Tuple[Topology, List[Cpu], List[Node], List[List[int]]]:
    """The machine, its CPUs, its NUMA nodes, and the distance from each node to each."""
    cpu_room, node_room = 256, 16
    while True:
        machine = Topology(ctypes.sizeof(Topology), ctypes.sizeof(Cpu), ctypes.sizeof(Node))
        cpus, nodes, distances = (Cpu * cpu_room)(), (Node * node_room)(), (c_uint32 * node_room**2)()
        check(_topology_get(byref(machine), cpus, cpu_room, nodes, node_room, distances))
        num_cpus, num_nodes = machine.num_cpus, machine.num_nodes
        if num_cpus <= cpu_room and num_nodes <= node_room:
            rows = [list(distances[i * node_room : i * node_room + num_nodes]) for i in range(num_nodes)]
            return machine, list(cpus[:num_cpus]), list(nodes[:num_nodes]), rows
        cpu_room, node_room = max(cpu_room, num_cpus), max(node_room, num_nodes)


def node_alloc(num_bytes: int, node: Optional[int], flags: int) -> int:
    """The address of new memory on a node, or, with None, spread over all of them."""
    memory = c_void_p()
    if node is None:
        check(_node_alloc_interleaved(num_bytes, flags, byref(memory)))
    else:
        check(_node_alloc(num_bytes, node, flags, byref(memory)))
    assert memory.value is not None
    return memory.value


def node_report(address: int) -> NodeReport:
    """Where the pages of such memory are."""
    report = NodeReport(ctypes.sizeof(NodeReport))
    check(_node_report_get(address, byref(report)))
    return report


def stats_of(pool: int) -> Tuple[Stats, List[WorkerStats]]:
    """What a pool counts, for itself and for each worker."""
    workers = (WorkerStats * int(pool_num_workers(pool)))()
    stats = Stats(ctypes.sizeof(Stats), ctypes.sizeof(WorkerStats))
    check(_pool_stats(pool, byref(stats), workers, len(workers)))
    return stats, list(workers)


def report_of(pool: int) -> str:
    """What a pool says of itself."""
    buffer = ctypes.create_string_buffer(1 << 16)
    check(_pool_report(pool, buffer, len(buffer), None))
    return buffer.value.decode()


def create_pool(
    num_workers: int, flags: int, stack_size: int, name_prefix: bytes, start: Any, stop: Any, user_data: int
) -> int:
    """Makes a pool and returns its address. ``start`` and ``stop`` must outlive it."""
    config = PoolConfig()
    pool_config_init(byref(config), ctypes.sizeof(config))
    config.flags = flags
    config.num_workers = num_workers
    config.stack_size = stack_size
    config.name_prefix = name_prefix
    config.on_worker_start = start
    config.on_worker_stop = stop
    config.worker_user_data = user_data
    pool = c_void_p()
    check(pool_create(byref(config), byref(pool)))
    assert pool.value is not None
    return pool.value
