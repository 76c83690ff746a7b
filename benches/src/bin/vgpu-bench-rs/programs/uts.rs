//! Unbalanced tree search: the tree is known only as far as it has been walked, and its subtrees differ widely in size.

use super::Program;
use crate::pool::{Gather, Pool};
use std::hint::black_box;
use std::marker::PhantomData;
use vgpu_bench::kernels::{UTS_BINOMIAL, UTS_GEOMETRIC, UtsNode, UtsTree};

/// A tree of the benchmark's list.
pub trait Tree: Sync {
    const WARM_UP: u64;
    fn with_size(size: u64) -> UtsTree;
}

/// 4 130 071 nodes, cut off at depth 10.
pub struct T1;
/// 4 112 897 nodes, 1 572 levels.
pub struct T3;
/// 111 345 631 nodes, 17 844 levels.
pub struct T3L;

impl Tree for T1 {
    const WARM_UP: u64 = 5;
    fn with_size(depth_limit: u64) -> UtsTree {
        UtsTree {
            shape: UTS_GEOMETRIC,
            seed: 19,
            root_children: 4.0,
            depth_limit: depth_limit as u32,
            children: 0,
            inner_fraction: 0.0,
        }
    }
}

fn binomial(seed: u32, roots: u64, children: u32, inner_fraction: f64) -> UtsTree {
    UtsTree { shape: UTS_BINOMIAL, seed, root_children: roots as f64, depth_limit: 0, children, inner_fraction }
}

impl Tree for T3 {
    const WARM_UP: u64 = 4;
    fn with_size(roots: u64) -> UtsTree {
        binomial(42, roots, 8, 0.124_875)
    }
}

impl Tree for T3L {
    const WARM_UP: u64 = 1;
    fn with_size(roots: u64) -> UtsTree {
        binomial(7, roots, 5, 0.200_014)
    }
}

pub struct Search<T> {
    tree: UtsTree,
    named: PhantomData<T>,
}

/// What is known of a subtree.
#[derive(Clone, Copy)]
pub struct Found {
    nodes: u64,
    leaves: u64,
    depth: u32,
}

impl Gather for Found {
    #[inline(always)]
    fn gather(self, other: Found) -> Found {
        Found {
            nodes: self.nodes + other.nodes,
            leaves: self.leaves + other.leaves,
            depth: self.depth.max(other.depth),
        }
    }
}

fn search<P: Pool>(worker: P::Worker<'_>, tree: &UtsTree, node: &UtsNode) -> Found {
    let children = tree.children(node);
    if children == 0 {
        return Found { nodes: 1, leaves: 1, depth: node.depth };
    }
    let below = P::fork_each(worker, children, &|worker, i| search::<P>(worker, tree, &node.child(i)));
    Found { nodes: below.nodes + 1, ..below }
}

impl<T: Tree> Program for Search<T> {
    const WARM_UP: u64 = T::WARM_UP;
    type Answer = Found;

    fn prepare(size: u64) -> Search<T> {
        Search { tree: T::with_size(size), named: PhantomData }
    }

    fn run<P: Pool>(&self, worker: P::Worker<'_>) -> Found {
        let tree = black_box(self.tree);
        search::<P>(worker, &tree, &tree.root())
    }

    fn check(&self, found: Found) -> String {
        format!("{}/{}/{}", found.nodes, found.leaves, found.depth)
    }
}
