//! A bounded queue of many producers and consumers that makes one mistake on request. Without a mistake it is a right
//! queue, the twin that must pass.

use crate::mpmc::{Mpmc, Scenario};
use vgpu_pool::protocol::queue::site;
use vgpu_pool::sync::{AtomicUsize, RELAXED, Site, SlotOracle};

/// What can go wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mistake {
    /// Counters alone: a slot is taken before it is written, and written before it is read.
    NoTurns,
    /// A flag, full or empty, instead of a turn: a claimed and unwritten slot looks free to the push of the next lap.
    FlagInsteadOfTurn,
    /// The turn is published before the value is written.
    TurnBeforeValue,
    /// The slot is handed back before its value is read.
    FreedBeforeRead,
    /// Two producers may claim one number: a load and a store instead of an exchange.
    PushClaimsByStore,
    /// Two consumers may claim one number.
    PopClaimsByStore,
    /// The number is claimed before the slot is known to be free: a push that finds it full leaves a hole.
    PushClaimsFirst,
    /// The number is claimed before the slot is known to be filled: a pop that finds nothing skips an element.
    PopClaimsFirst,
    /// Counters of two bits: a producer that sleeps through four pushes takes one number for another.
    TwoBitCounters,
    /// The filled slot is published without ordering.
    RelaxedPublish,
    /// The filled slot is found without ordering.
    RelaxedTake,
    /// The emptied slot is handed back without ordering.
    RelaxedFree,
    /// The emptied slot is used again without ordering.
    RelaxedReuse,
    /// The look for work takes a slot that has moved on, seen from a stale counter, for an empty one.
    HasWorkWantsExactTurn,
}

impl Mistake {
    /// All of them.
    pub const ALL: &[Mistake] = &[
        Mistake::NoTurns,
        Mistake::FlagInsteadOfTurn,
        Mistake::TurnBeforeValue,
        Mistake::FreedBeforeRead,
        Mistake::PushClaimsByStore,
        Mistake::PopClaimsByStore,
        Mistake::PushClaimsFirst,
        Mistake::PopClaimsFirst,
        Mistake::TwoBitCounters,
        Mistake::RelaxedPublish,
        Mistake::RelaxedTake,
        Mistake::RelaxedFree,
        Mistake::RelaxedReuse,
        Mistake::HasWorkWantsExactTurn,
    ];
}

struct Slot {
    turn: AtomicUsize,
    value: AtomicUsize,
    oracle: SlotOracle,
}

/// The queue with the mistake.
pub struct WrongQueue {
    mistake: Option<Mistake>,
    tail: AtomicUsize,
    head: AtomicUsize,
    slots: Vec<Slot>,
}

/// What a thread sees in the slot that it wants.
enum Seen {
    Ready,
    NotYet,
    Stale,
}

impl WrongQueue {
    pub fn new(scenario: &Scenario, mistake: Option<Mistake>) -> WrongQueue {
        let flags = mistake == Some(Mistake::FlagInsteadOfTurn);
        let slot = |turn| Slot {
            turn: AtomicUsize::new(if flags { 0 } else { turn }),
            value: AtomicUsize::new(0),
            oracle: SlotOracle::new(),
        };
        let slots = (0..scenario.capacity).map(slot).collect();
        WrongQueue { mistake, tail: AtomicUsize::new(0), head: AtomicUsize::new(0), slots }
    }

    fn makes(&self, mistake: Mistake) -> bool {
        self.mistake == Some(mistake)
    }

    /// The site, or no ordering when that is the mistake.
    fn unless(&self, mistake: Mistake, site: Site) -> Site {
        if self.makes(mistake) { RELAXED } else { site }
    }

    fn slot(&self, number: usize) -> &Slot {
        &self.slots[number % self.slots.len()]
    }

    /// A number as it is stored.
    fn narrow(&self, number: usize) -> usize {
        if self.makes(Mistake::TwoBitCounters) { number & 3 } else { number }
    }

    /// Judges a slot for the push or the pop of this number.
    fn see(&self, number: usize, pop: bool) -> Seen {
        if self.makes(Mistake::NoTurns) {
            let (tail, head) = (self.tail.load(RELAXED), self.head.load(RELAXED));
            let filled = tail.wrapping_sub(head) as isize;
            let ready = if pop { filled > 0 } else { filled < self.slots.len() as isize };
            return if ready { Seen::Ready } else { Seen::NotYet };
        }
        let turn = match pop {
            false => self.slot(number).turn.load(self.unless(Mistake::RelaxedReuse, site::PUSH_TURN)),
            true => self.slot(number).turn.load(self.unless(Mistake::RelaxedTake, site::POP_TURN)),
        };
        let ahead = match self.mistake {
            Some(Mistake::FlagInsteadOfTurn) if turn == usize::from(pop) => 0,
            Some(Mistake::FlagInsteadOfTurn) => -1,
            Some(Mistake::TwoBitCounters) => (turn.wrapping_sub(number + usize::from(pop) + 2) & 3) as isize - 2,
            _ => turn.wrapping_sub(number + usize::from(pop)) as isize,
        };
        match ahead {
            0 => Seen::Ready,
            1.. => Seen::Stale,
            _ => Seen::NotYet,
        }
    }

    /// Claims a number of a counter.
    fn claim(&self, counter: &AtomicUsize, number: usize, by_store: bool) -> bool {
        let next = self.narrow(number + 1);
        if by_store {
            let still = counter.load(RELAXED) == number;
            if still {
                counter.store(next, RELAXED);
            }
            return still;
        }
        counter.compare_exchange_weak(number, next, RELAXED).is_ok()
    }

    /// Waits for the turn and claims a number; `None` when the queue is full, or empty.
    fn acquire(&self, pop: bool) -> Option<usize> {
        let (counter, claims_first, by_store) = match pop {
            false => (&self.tail, Mistake::PushClaimsFirst, Mistake::PushClaimsByStore),
            true => (&self.head, Mistake::PopClaimsFirst, Mistake::PopClaimsByStore),
        };
        if self.makes(claims_first) {
            let number = counter.fetch_add(1, RELAXED);
            return matches!(self.see(number, pop), Seen::Ready).then_some(number);
        }
        loop {
            let number = counter.load(RELAXED);
            match self.see(number, pop) {
                Seen::Ready if self.claim(counter, number, self.makes(by_store)) => return Some(number),
                Seen::NotYet => return None,
                Seen::Ready | Seen::Stale => {}
            }
        }
    }
}

impl Mpmc for WrongQueue {
    fn push(&self, _home: usize, element: usize) -> bool {
        let Some(number) = self.acquire(false) else { return false };
        let slot = self.slot(number);
        let filled = if self.makes(Mistake::FlagInsteadOfTurn) { 1 } else { self.narrow(number + 1) };
        let publish = self.unless(Mistake::RelaxedPublish, site::PUSH_TURN_DONE);
        if self.makes(Mistake::TurnBeforeValue) {
            slot.turn.store(filled, publish);
        }
        slot.oracle.overwrite();
        slot.value.store(element, RELAXED);
        if !self.makes(Mistake::TurnBeforeValue) {
            slot.turn.store(filled, publish);
        }
        true
    }

    fn pop(&self, _home: usize) -> Option<usize> {
        let number = self.acquire(true)?;
        let slot = self.slot(number);
        let next_lap = self.narrow(number + self.slots.len());
        let emptied = if self.makes(Mistake::FlagInsteadOfTurn) { 0 } else { next_lap };
        let free = self.unless(Mistake::RelaxedFree, site::POP_TURN_DONE);
        if self.makes(Mistake::FreedBeforeRead) {
            slot.turn.store(emptied, free);
        }
        let element = slot.value.load(RELAXED);
        slot.oracle.commit(slot.oracle.read());
        if !self.makes(Mistake::FreedBeforeRead) {
            slot.turn.store(emptied, free);
        }
        Some(element)
    }

    fn has_work(&self) -> bool {
        let number = self.head.load(RELAXED);
        let ahead = self.slot(number).turn.load(RELAXED).wrapping_sub(number + 1) as isize;
        if self.makes(Mistake::HasWorkWantsExactTurn) { ahead == 0 } else { ahead >= 0 }
    }
}
