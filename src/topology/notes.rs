//! What was missing or odd while a machine was read: a few sentences for whoever wonders at the result.

use crate::error::{Result, Text};
use crate::os::alloc::{Allocator, List};
use core::fmt;

/// A machine with more oddities than this has one oddity.
const LIMIT: usize = 32;

/// Sentences, each naming the file or the number it speaks of.
pub struct Notes {
    texts: List<Text>,
    omitted: usize,
}

impl Notes {
    pub(super) const fn new(allocator: Allocator) -> Notes {
        Notes { texts: List::new(allocator), omitted: 0 }
    }

    pub(super) fn try_clone(&self, allocator: Allocator) -> Result<Notes> {
        Ok(Notes { texts: List::from_slice(allocator, &self.texts)?, omitted: self.omitted })
    }

    pub(super) fn add(&mut self, sentence: fmt::Arguments<'_>) -> Result<()> {
        if self.texts.len() == LIMIT {
            self.omitted += 1;
            return Ok(());
        }
        self.texts.push(Text::format(sentence))
    }

    /// The sentences, in the order in which things were found.
    pub fn iter(&self) -> impl Iterator<Item = &str> {
        self.texts.iter().map(Text::as_str)
    }

    /// How many sentences there are.
    pub fn len(&self) -> usize {
        self.texts.len()
    }

    /// Whether nothing was missing or odd.
    pub fn is_empty(&self) -> bool {
        self.texts.is_empty()
    }

    /// How many more sentences there would have been, had they all been kept.
    pub fn omitted(&self) -> usize {
        self.omitted
    }
}

impl fmt::Debug for Notes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.iter()).finish()
    }
}

/// The same thing missing for many CPUs makes one note: how many, and the first of them.
pub(super) struct Tally {
    first: Option<u32>,
    count: usize,
}

impl Tally {
    pub(super) const fn new() -> Tally {
        Tally { first: None, count: 0 }
    }

    /// The first, and how many.
    pub(super) fn found(&self) -> Option<(u32, usize)> {
        Some((self.first?, self.count))
    }

    pub(super) fn count(&mut self, cpu: u32) {
        self.first.get_or_insert(cpu);
        self.count += 1;
    }

    pub(super) fn report(&self, notes: &mut Notes, finding: &str) -> Result<()> {
        match self.first {
            None => Ok(()),
            Some(first) if self.count == 1 => notes.add(format_args!("CPU {first}: {finding}")),
            Some(first) => notes.add(format_args!("CPU {first} and {} more: {finding}", self.count - 1)),
        }
    }
}
