//! The parts of a graph that are started as a whole, and which of them a run has before it.
//!
//! A *region* is what one choice starts: a vertex that conditions may choose, and everything that follows from it without another
//! choice. Region 0 is what every run begins with. Each vertex is of one region, and waits for vertices of that one only; a
//! region that has begun is therefore settled to its last vertex, each once.
//!
//! A run is a sequence of *rounds*. A round settles some regions; when it has ended, and not before, the regions that its
//! conditions have chosen are the next round. So no vertex runs twice at a time, wherever a choice leads back to.

use super::body::Choice;
use crate::error::Result;
use crate::os::alloc::{Allocator, Array, List};
use crate::sync::UnsafeCell;
use core::mem;

/// A vertex that chooses.
#[derive(Debug)]
pub(super) struct Condition {
    pub(super) vertex: u32,
    /// What it has chosen in this round. Written by whoever settles the vertex, read by whoever ends the round.
    pub(super) choice: UnsafeCell<Choice>,
}

impl Condition {
    pub(super) fn new(vertex: u32) -> Condition {
        Condition { vertex, choice: UnsafeCell::new(Choice::NONE) }
    }
}

/// All regions of a graph.
#[derive(Debug)]
pub(super) struct Regions {
    /// What nothing comes before: first the vertices of region 0, then one of each further region, in their order.
    pub(super) heads: List<u32>,
    /// How many vertices each region has.
    pub(super) sizes: Array<u32>,
    /// The conditions, region by region, and where those of each begin.
    pub(super) conditions: Array<Condition>,
    pub(super) condition_starts: Array<u32>,
}

impl Regions {
    fn count(&self) -> usize {
        self.sizes.len()
    }

    /// With what a region begins.
    pub(super) fn heads_of(&self, region: u32) -> &[u32] {
        let roots = self.heads.len() + 1 - self.count();
        match region as usize {
            0 => &self.heads[..roots],
            region => &self.heads[roots + region - 1..roots + region],
        }
    }

    pub(super) fn conditions_of(&self, region: u32) -> &[Condition] {
        let region = region as usize;
        &self.conditions[self.condition_starts[region] as usize..self.condition_starts[region + 1] as usize]
    }
}

/// The regions of the round that runs, and room for those of the next.
#[derive(Debug)]
pub(super) struct Rounds {
    now: List<u32>,
    next: List<u32>,
    is_next: Array<bool>,
}

impl Rounds {
    /// Room for all regions.
    pub(super) fn new(allocator: Allocator, regions: &Regions) -> Result<Rounds> {
        let count = regions.count();
        Ok(Rounds {
            now: List::with_capacity(allocator, count)?,
            next: List::with_capacity(allocator, count)?,
            is_next: Array::from_fn(allocator, count, |_| Ok(false))?,
        })
    }

    /// The regions of this round.
    pub(super) fn now(&self) -> &[u32] {
        &self.now
    }

    /// The first round has region 0.
    pub(super) fn begin(&mut self) {
        self.now.truncate(0);
        // There is room for every region.
        let _ = self.now.push(0);
    }

    /// Goes on to the next round, which has the regions that `choices` tells of each region of this one, each once.
    pub(super) fn choose_by(&mut self, choices: impl Fn(u32, &mut dyn FnMut(u32))) {
        let Rounds { now, next, is_next } = self;
        for &region in now.iter() {
            choices(region, &mut |chosen| {
                if !mem::replace(&mut is_next[chosen as usize], true) {
                    // As above.
                    let _ = next.push(chosen);
                }
            });
        }
        mem::swap(now, next);
        next.truncate(0);
        now.iter().for_each(|&region| is_next[region as usize] = false);
    }
}
