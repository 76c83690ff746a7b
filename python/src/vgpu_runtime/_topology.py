"""What the machine is: CPUs, who shares what, NUMA nodes and how far they are from each other."""

from __future__ import annotations

import dataclasses
from typing import Tuple

from . import _native


@dataclasses.dataclass(frozen=True)
class Cpu:
    """A hardware thread. Groups are numbered from 0: CPUs with the same number share the thing."""

    #: The system's number.
    number: int
    core: int
    #: Which of its core's CPUs this is, from 0.
    thread: int
    l2: int
    l3: int
    package: int
    #: The NUMA node, by the system's number.
    node: int
    #: How strong it is where there are several kinds; the strongest has 1024.
    capacity: int


@dataclasses.dataclass(frozen=True)
class Node:
    """A NUMA node."""

    #: The system's number. Numbers may have gaps.
    number: int
    #: The CPUs that may be used, by the system's numbers.
    cpus: Tuple[int, ...]
    #: How much memory it has, in bytes.
    memory_bytes: int
    #: Whether the process may allocate there.
    memory_allowed: bool


@dataclasses.dataclass(frozen=True)
class Topology:
    """A machine, as the calling thread may use it. Sizes of caches are in bytes, 0 where the system does not tell."""

    cpus: Tuple[Cpu, ...]
    nodes: Tuple[Node, ...]
    #: ``distances[i][j]``: from ``nodes[i]`` to ``nodes[j]``; 10 is within a node, 20 about twice as slow.
    distances: Tuple[Tuple[int, ...], ...]
    #: How many workers a pool has by default: the CPUs, but no more than the cgroup's quota lets run.
    default_workers: int
    l1d_bytes: int
    l2_bytes: int
    l3_bytes: int
    line_bytes: int


def topology() -> Topology:
    """Reads the machine, which takes a millisecond or more."""
    machine, cpus, nodes, distances = _native.topology()
    names = [field.name for field in dataclasses.fields(Cpu)]
    found = tuple(Cpu(*(getattr(cpu, name) for name in names)) for cpu in cpus)
    return Topology(
        found,
        tuple(
            Node(
                node.number,
                tuple(cpu.number for cpu in found if cpu.node == node.number),
                node.memory_bytes,
                bool(node.flags & _native.NODE_MEMORY_ALLOWED),
            )
            for node in nodes
        ),
        tuple(tuple(row) for row in distances),
        machine.default_workers,
        machine.l1d_bytes,
        machine.l2_bytes,
        machine.l3_bytes,
        machine.line_bytes,
    )
