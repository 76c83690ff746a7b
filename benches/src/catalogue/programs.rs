//! Every program, with its sizes and what is known of its result.

use super::products::{DISTURBED, PRODUCTS, joined};
use super::{Family, Kind, Program};

const STACK_KIB: usize = 16 << 10;
const DEEP_STACK_KIB: usize = 512 << 10;

/// A program that forks and joins, for the fields in which most are alike.
pub(super) const BASE: Program = Program {
    name: "",
    family: Family::ForkJoin,
    kind: Kind::Duration,
    title: "",
    unit: "fork",
    full: 0,
    quick: 0,
    tiny: None,
    most_rounds: usize::MAX,
    is_counted: true,
    scored: false,
    stack_kib: STACK_KIB,
    outside_threads: 0,
    least_workers: 1,
    binary: None,
    expected: |_| None,
    forks: |_| None,
};

/// So many vertices has a graph.
const VERTICES: u64 = 4096;

/// A graph that is built once. Counted are the vertices that ran after those before them.
const GRAPH: Program = Program {
    family: Family::Graph,
    unit: "vertex",
    full: 256 * VERTICES,
    quick: 4 * VERTICES,
    expected: |n| Some(n.to_string()),
    forks: Some,
    ..BASE
};
const GRAPH_BUILT: Program = Program { full: 64 * VERTICES, ..GRAPH };
const GRAPH_WORKING: Program = Program { full: 32 * VERTICES, ..GRAPH };

/// Every program, in the order of the report.
pub static PROGRAMS: &[Program] = &joined::<{ POOLS.len() + MULTIPLIERS.len() }>(POOLS, MULTIPLIERS);

const MULTIPLIERS: &[Program] = &joined::<{ PRODUCTS.len() + DISTURBED.len() }>(&PRODUCTS, &DISTURBED);

/// What is run on pools of all kinds.
const POOLS: &[Program] = &[
    Program {
        name: "fib",
        title: "fib(n): two calls forked, no cut-off",
        full: 35,
        quick: 25,
        tiny: Some(15),
        scored: true,
        expected: |n| Some(fib(n).to_string()),
        forks: |n| Some(fib(n + 1) - 1),
        ..BASE
    },
    Program {
        name: "skynet",
        title: "skynet: ten children a level, 10^n leaves",
        full: 7,
        quick: 4,
        tiny: Some(3),
        scored: true,
        expected: |depth| {
            let leaves = 10u64.pow(depth as u32);
            Some((leaves * (leaves - 1) / 2).to_string())
        },
        forks: |depth| Some(10u64.pow(depth as u32) - 1),
        ..BASE
    },
    Program {
        name: "nqueens",
        title: "nqueens(n): every solution",
        full: 12,
        quick: 8,
        tiny: Some(6),
        scored: true,
        expected: |n| known_text(&[(6, "4"), (8, "92"), (10, "724"), (12, "14200"), (14, "365596")], n),
        forks: |n| known(&[(8, 735), (12, 314_729)], n),
        ..BASE
    },
    Program {
        name: "matmul",
        title: "matmul(n): eight products in two rounds",
        full: 1024,
        quick: 256,
        tiny: Some(256),
        scored: true,
        expected: |n| Some(n.to_string()),
        forks: |n| Some(6 * (8u64.pow((n / 32).ilog2()) - 1) / 7),
        ..BASE
    },
    Program {
        name: "uts-t1",
        title: "UTS T1: geometric tree, depth n",
        full: 10,
        quick: 6,
        scored: true,
        expected: |depth| known_text(&[(6, "16000/12839/6"), (10, "4130071/3305118/10")], depth),
        forks: |depth| known(&[(6, 12_838), (10, 3_305_117)], depth),
        ..BASE
    },
    Program {
        name: "uts-t3",
        title: "UTS T3: binomial tree, n children at the root",
        full: 2000,
        quick: 40,
        scored: true,
        expected: |roots| known_text(&[(40, "6521/5710/67"), (2000, "4112897/3599034/1572")], roots),
        forks: |roots| known(&[(40, 5_709), (2000, 3_599_033)], roots),
        ..BASE
    },
    Program {
        name: "integrate",
        title: "integrate x^3 + x from 0 to n",
        full: 10_000,
        quick: 200,
        tiny: Some(5),
        expected: |n| Some(format!("{n}: exact")),
        forks: |n| known(&[(200, 98_276), (10_000, 15_368_985)], n),
        ..BASE
    },
    Program {
        name: "cilksort",
        title: "cilksort: n numbers",
        full: 1 << 22,
        quick: 1 << 17,
        expected: |n| known_text(&[(1 << 17, "6179039888996237928"), (1 << 22, "4706395058087662138")], n),
        forks: |n| known(&[(1 << 22, 35_663)], n),
        ..BASE
    },
    Program {
        name: "cholesky",
        title: "Cholesky factor of an n by n matrix",
        full: 1024,
        quick: 256,
        expected: |n| Some(format!("{n}: exact")),
        forks: |n| known(&[(1024, 4_495)], n),
        ..BASE
    },
    Program {
        name: "uts-t3l",
        title: "UTS T3L: 17 844 levels deep",
        full: 2000,
        quick: 20,
        // It tells whether the stack holds.
        most_rounds: 1,
        is_counted: false,
        stack_kib: DEEP_STACK_KIB,
        expected: |roots| known_text(&[(20, "156/128/8"), (2000, "111345631/89076904/17844")], roots),
        ..BASE
    },
    Program {
        name: "independent",
        title: "n rounds of arithmetic, split between threads that share nothing",
        unit: "round",
        full: 200_000_000,
        quick: 2_000_000,
        is_counted: false,
        expected: |n| Some(n.to_string()),
        ..BASE
    },
    Program {
        name: "submit",
        family: Family::Submit,
        title: "n empty tasks from one thread outside",
        unit: "task",
        full: 1_000_000,
        quick: 20_000,
        tiny: Some(2_000),
        outside_threads: 1,
        expected: |n| Some(n.to_string()),
        ..BASE
    },
    Program {
        name: "wake",
        family: Family::Wake,
        kind: Kind::Latency,
        title: "submit to start on a pool that has slept for 30 ms",
        unit: "task",
        full: 200,
        quick: 10,
        tiny: Some(200),
        outside_threads: 1,
        is_counted: false,
        most_rounds: 5,
        expected: |n| Some(n.to_string()),
        ..BASE
    },
    Program {
        name: "join-awake",
        family: Family::Wake,
        kind: Kind::Latency,
        title: "join of two bodies of 20 us, workers awake",
        unit: "join",
        full: 2000,
        quick: 100,
        is_counted: false,
        expected: |n| Some(n.to_string()),
        ..BASE
    },
    Program {
        name: "join-asleep",
        family: Family::Wake,
        kind: Kind::Latency,
        title: "join of two bodies of 20 us, all other workers asleep",
        unit: "join",
        full: 50,
        quick: 5,
        is_counted: false,
        most_rounds: 5,
        expected: |n| Some(n.to_string()),
        ..BASE
    },
    Program {
        name: "idle",
        family: Family::Wake,
        kind: Kind::CpuUse,
        title: "CPU used by an idle pool in n ms",
        unit: "ms",
        full: 5000,
        quick: 200,
        tiny: Some(5000),
        is_counted: false,
        most_rounds: 3,
        expected: |_| Some("idle".to_owned()),
        ..BASE
    },
    Program {
        name: "for-empty",
        family: Family::ParallelFor,
        title: "a loop of two empty pieces, n times",
        unit: "loop",
        full: 20_000,
        quick: 1_000,
        is_counted: false,
        expected: |n| Some((2 * n).to_string()),
        ..BASE
    },
    Program {
        name: "for-cheap",
        family: Family::ParallelFor,
        title: "n items of a few nanoseconds",
        unit: "item",
        full: 1_000_000,
        quick: 50_000,
        is_counted: false,
        expected: |n| known_text(&[(50_000, "107445651097618"), (1_000_000, "2146399001551423")], n),
        ..BASE
    },
    Program {
        name: "for-skewed",
        family: Family::ParallelFor,
        title: "n items, the last a hundred times the first",
        unit: "item",
        full: 1_000_000,
        quick: 50_000,
        is_counted: false,
        expected: |n| known_text(&[(50_000, "107068980528060"), (1_000_000, "2147560382971623")], n),
        ..BASE
    },
    Program { name: "chain", title: "a chain of 4096 empty vertices, run again: n in all", ..GRAPH },
    Program { name: "tree", title: "a binary tree of 4096 empty vertices, run again: n in all", ..GRAPH },
    Program {
        name: "wavefront",
        title: "64 by 64 empty vertices, each after the left and the upper, run again: n in all",
        ..GRAPH
    },
    Program { name: "chain-built", title: "the chain, built anew for each run", ..GRAPH_BUILT },
    Program { name: "tree-built", title: "the tree, built anew for each run", ..GRAPH_BUILT },
    Program { name: "wavefront-built", title: "the wavefront, built anew for each run", ..GRAPH_BUILT },
    Program { name: "chain-1us", title: "the chain, run again, each vertex working for 1 us", ..GRAPH_WORKING },
    Program { name: "tree-1us", title: "the tree, run again, each vertex working for 1 us", ..GRAPH_WORKING },
    Program { name: "wavefront-1us", title: "the wavefront, run again, each vertex working for 1 us", ..GRAPH_WORKING },
];

fn fib(n: u64) -> u64 {
    (0..n).fold((0, 1), |(a, b), _| (b, a + b)).0
}

fn known<T: Copy>(values: &[(u64, T)], size: u64) -> Option<T> {
    values.iter().find(|(known, _)| *known == size).map(|(_, value)| *value)
}

fn known_text(values: &[(u64, &str)], size: u64) -> Option<String> {
    known(values, size).map(str::to_owned)
}
