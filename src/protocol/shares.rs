//! Indices dealt out in shares: each is taken once, by whoever the share is for or, when that one has no more, by another.
//!
//! # States
//! Of each share one word: how many of its indices are taken. It may exceed the share's length, by one for each who came too late.
//!
//! | step | who | what |
//! |---|---|---|
//! | take | anybody, beginning with a share of its own | adds one to a word that is below its share's length; what the word was is the index, if that is still below |
//!
//! # What would break a naive version
//! *Twice the same.* Two look, both find the same index free, and both take it. Here the one step that says which index it is also
//! takes it.
//! *One left behind.* Who finds its own share empty ends, although whoever has the other one is late, or never came at all. Here it goes round all
//! shares: none is anybody's alone. When a taker is refused, every index is taken.
//!
//! # Orderings
//! None is needed: a word says which index, and leads to no memory. What was there before the shares is ordered by whatever brings
//! the takers, and what they did with their indices by whatever joins them.
//!
//! Models: `verification/loom/shares.rs`.

use super::CacheLine;
use crate::sync::{AtomicUsize, RELAXED};
use core::ops::Range;

/// The most shares. Those who are more begin with the same ones.
pub const MOST_SHARES: usize = 16;

/// The `i`-th of `parts` runs of `range`, whose lengths differ by one at most.
pub fn part(range: Range<usize>, parts: usize, i: usize) -> Range<usize> {
    let (each, more) = (range.len() / parts, range.len() % parts);
    let start = range.start + i * each + i.min(more);
    start..start + each + usize::from(i < more)
}

/// So many indices, in so many shares of neighbours.
#[derive(Debug)]
pub struct Shares {
    count: usize,
    shares: usize,
    taken: [CacheLine<AtomicUsize>; MOST_SHARES],
}

impl Shares {
    /// All of `0..count`, in shares for so many takers; at least one.
    pub fn new(count: usize, takers: usize) -> Shares {
        let shares = takers.clamp(1, MOST_SHARES).min(count.max(1));
        Shares { count, shares, taken: core::array::from_fn(|_| CacheLine(AtomicUsize::new(0))) }
    }

    /// An index that nobody has taken, of the taker's own share first. `None`: all are taken.
    pub fn take(&self, taker: usize) -> Option<usize> {
        (0..self.shares).find_map(|step| {
            let share = (taker + step) % self.shares;
            let (range, taken) = (part(0..self.count, self.shares, share), &self.taken[share]);
            // The look keeps the word from growing for ever, and a line that is read only stays in everybody's cache.
            if taken.load(RELAXED) >= range.len() {
                return None;
            }
            let index = taken.fetch_add(1, RELAXED);
            (index < range.len()).then_some(range.start + index)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sync::IS_CHECKED;

    #[test]
    fn each_index_comes_once_and_a_taker_begins_with_its_own_share() {
        if IS_CHECKED {
            return;
        }
        for count in [0, 1, 2, 7, 16, 100] {
            for takers in [0, 1, 2, 3, 16, 40] {
                let shares = Shares::new(count, takers);
                let mut seen: Vec<usize> = core::iter::from_fn(|| shares.take(takers / 2)).collect();
                if let Some(&first) = seen.first() {
                    assert_eq!(first, part(0..count, shares.shares, takers / 2 % shares.shares).start);
                }
                assert!((0..takers).all(|taker| shares.take(taker).is_none()));
                seen.sort_unstable();
                assert!(seen.iter().copied().eq(0..count), "{count} for {takers}: {seen:?}");
            }
        }
    }
}
