//! How many of a pool's workers have a place: those whose number is below a count that changes while they work.
//!
//! # States
//! One word holds three numbers: the *base*, which follows the load between its two bounds; the *cap*, its upper bound for now; and
//! the *loans*, one for each worker that is blocked and has lent its place. The first base + loans workers have places. A worker
//! without one finishes what it has begun, and then rests: it sleeps as
//! [`event_count`](super::event_count) prescribes, and nobody calls it for work that others may do.
//!
//! | step | by | what |
//! |---|---|---|
//! | raise | whoever publishes work, or stops searching while there is some, and finds nobody to call | base + 1, up to the cap; claims the newcomer, or if that is awake calls it and raises again |
//! | lower | the last worker with a place, after it slept long | base - 1, down to the least; calls the one that is last now |
//! | limit | whoever learns of a new cap | cap, and base if it is above; calls the one that is last now; raises if the cap was lower |
//! | lend | a worker before it blocks | loans + 1; calls the newcomer |
//! | take back | the same after | loans - 1; calls the one that is last now |
//!
//! Everybody may do every step: each changes the one word by one exchange.
//!
//! # What would break a naive version
//! 1. *The call that reaches nobody.* A producer calls a worker that has just lost its place, and that goes to rest with the work
//!    undone. So a worker that was called, or that counts as a searcher for another reason, looks at every queue before
//!    it sleeps, place or no place. Only one that comes from its work goes to rest without looking: nobody counts on it, and
//!    whoever has a place and slept when that work was published was called for it.
//! 2. *The newcomer that is not called.* The producer looked for sleepers among those that had a place before; the newcomer looked for
//!    work before the producer published, and sleeps. So whoever gives a place gives a permit after it. The newcomer's next
//!    look comes after its announcement's fence, the producer's look at the word after the producer's fence: either the
//!    newcomer sees the work, or the producer sees the place.
//! 3. *Nobody left who works.* Workers wait without helping until all that have places do, while others rest. So a limited wait
//!    lends its place, as any blocking region does. With *k* loans min(base + *k*, all) workers have places, of
//!    which at most *k* wait; so if one rests then at least base, that is one at least, have a place and do not wait.
//! 4. *A base that loans hide.* Were there one number, the last worker's lowering could take back a loan, and the
//!    lender's return a place that was never given. So they are two numbers in one word, with bounds for one of them.
//! 5. *The last one sleeps for ever.* Only the last worker with a place sleeps until a deadline, after which it gives the place up. One
//!    that becomes the last in its sleep has no deadline. So whoever takes a place calls the one that is last then.
//! 6. *The newcomer that is awake.* Who ends a search while there is work counts on its successor to search, and to find a successor
//!    for the rest. A newcomer that is just coming from its work, or from its start, takes some without ever searching, and
//!    the rest waits for the next publication. So only a newcomer that sleeps ends the raising.
//! 7. *The cap that rises unnoticed.* Nobody called a worker when the work came, since there were as many as might be, and all of
//!    them stay busy. So whoever lifts the cap raises.
//!
//! # Why there is no ordering here
//! A permit's release and acquire ([`parker`](super::parker)) order the place before the newcomer's look; rule 2 needs no
//! more than the event count's two fences.
//!
//! Models: `verification/loom/roster.rs`, `verification/shuttle/roster.rs`.

use crate::sync::{AtomicU64, RELAXED};

const BITS: u32 = 16;
const FIELD: u64 = (1 << BITS) - 1;
const BASE: u64 = 1;
const LOAN: u64 = 1 << BITS;
const CAP_SHIFT: u32 = 2 * BITS;

/// Who has a place.
#[derive(Debug)]
pub struct Roster {
    word: AtomicU64,
    least: u64,
    /// Workers from this number on have places for good.
    guests: usize,
    /// False for a roster in which all have places for good: then the word is not looked at.
    varies: bool,
}

#[derive(Clone, Copy)]
struct Word(u64);

impl Word {
    fn base(self) -> u64 {
        self.0 & FIELD
    }
    fn cap(self) -> u64 {
        self.0 >> CAP_SHIFT
    }
    fn places(self) -> u64 {
        self.base() + ((self.0 >> BITS) & FIELD)
    }
}

impl Roster {
    /// All of `workers` workers have places for good.
    pub fn fixed(workers: usize) -> Roster {
        Roster { word: AtomicU64::new(workers as u64), least: workers as u64, guests: workers, varies: false }
    }

    /// At first `least` workers have places, at least one; by load at most `most`, both below 2^16.
    pub fn varying(least: usize, most: usize) -> Roster {
        let least = (least as u64).clamp(1, FIELD);
        let most = (most as u64).clamp(least, FIELD);
        Roster { word: AtomicU64::new(least | (most << CAP_SHIFT)), least, guests: usize::MAX, varies: true }
    }

    /// The same, with workers from number `first` on who have places for good: their threads come and go of themselves.
    pub fn with_guests(self, first: usize) -> Roster {
        Roster { guests: first, ..self }
    }

    /// The first worker that has its place for good because its thread comes and goes.
    #[inline]
    pub fn guests(&self) -> usize {
        self.guests
    }

    /// Whether places come and go.
    #[inline(always)]
    pub fn varies(&self) -> bool {
        self.varies
    }

    /// How many have places, or would if there were so many workers.
    #[inline]
    pub fn places(&self) -> usize {
        Word(self.word.load(RELAXED)).places() as usize
    }

    /// Whether this worker has a place.
    #[inline(always)]
    pub fn has_place(&self, worker: usize) -> bool {
        !self.varies || worker < self.places() || worker >= self.guests
    }

    /// Whether this worker is the last that has a place, and may lose it when it has little to do.
    pub fn is_extra(&self, worker: usize) -> bool {
        self.varies && self.is_last_extra(Word(self.word.load(RELAXED)), worker)
    }

    fn is_last_extra(&self, word: Word, worker: usize) -> bool {
        word.base() > self.least && word.places() == worker as u64 + 1
    }

    /// The last worker that has a place, if it may lose it when it has little to do.
    pub fn last_extra(&self) -> Option<usize> {
        let word = Word(self.word.load(RELAXED));
        (self.varies && word.base() > self.least).then(|| word.places() as usize - 1)
    }

    /// Gives one more place, up to the cap: to the worker of the number returned, who must be called.
    #[must_use]
    pub fn raise(&self) -> Option<usize> {
        self.change(|word| (word.base() < word.cap()).then_some(word.0 + BASE)).map(|before| before.places() as usize)
    }

    /// Takes this worker's place if it is [the last and extra](Self::is_extra).
    pub fn lower(&self, worker: usize) -> bool {
        self.change(|word| self.is_last_extra(word, worker).then_some(word.0.wrapping_sub(BASE))).is_some()
    }

    /// Sets the cap, at least the least base. True if it was lower before.
    pub fn limit(&self, cap: usize) -> bool {
        let cap = (cap as u64).clamp(self.least, FIELD);
        self.change(|word| Some((word.0 & (FIELD * LOAN)) | word.base().min(cap) | (cap << CAP_SHIFT)))
            .is_some_and(|before| before.cap() < cap)
    }

    /// Gives one more place for a worker that blocks: to the worker of the number returned, who must be called if there is one.
    #[must_use]
    pub fn lend(&self) -> usize {
        Word(self.word.fetch_add(LOAN, RELAXED)).places() as usize
    }

    /// Ends a loan.
    pub fn take_back(&self) {
        self.word.fetch_sub(LOAN, RELAXED);
    }

    /// Writes what `change` makes of the word, and gives the word before; `None` where there is nothing to change.
    fn change(&self, change: impl Fn(Word) -> Option<u64>) -> Option<Word> {
        if !self.varies {
            return None;
        }
        let mut word = self.word.load(RELAXED);
        loop {
            match self.word.compare_exchange(word, change(Word(word))?, RELAXED) {
                Ok(_) => return Some(Word(word)),
                Err(found) => word = found,
            }
        }
    }
}
