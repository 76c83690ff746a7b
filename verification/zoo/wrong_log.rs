//! A log that is read by another thread, with one mistake on request. Without a mistake it is right, the twin that must pass.

use crate::event_log::Recording;
use vgpu_pool::protocol::event_log::site;
use vgpu_pool::sync::{AtomicU64, RELAXED, UnsafeCell};

/// What can go wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mistake {
    /// A full log goes on at its first slot.
    OverwriteWhenFull,
    /// The log's session is the writer's own business: the reader knows the length alone.
    SessionUntold,
    /// The length is told before the event is written.
    LengthFirst,
    /// The reader looks whether there is recording, and does not keep the next session from beginning.
    ReadWithoutClaim,
}

impl Mistake {
    /// All of them.
    pub(crate) const ALL: &[Mistake] =
        &[Mistake::OverwriteWhenFull, Mistake::SessionUntold, Mistake::LengthFirst, Mistake::ReadWithoutClaim];
}

const RECORDING: u64 = 1;
const CLAIMED: u64 = 2;
const SESSION: u64 = 4;

/// The recorder's word is the session times four, and its state. The head is the session times a hundred, and the length.
pub(crate) struct WrongLog {
    mistake: Option<Mistake>,
    word: AtomicU64,
    head: AtomicU64,
    /// The session of the last event, for its writer.
    session: UnsafeCell<u64>,
    slots: Vec<UnsafeCell<u64>>,
}

// SAFETY: one thread writes the log, and reads its own session; the rest is what the models are about.
unsafe impl Send for WrongLog {}
// SAFETY: as above.
unsafe impl Sync for WrongLog {}

impl WrongLog {
    pub(crate) fn new(capacity: usize, mistake: Option<Mistake>) -> WrongLog {
        // One slot less than the models' writers fill.
        let slots = if mistake == Some(Mistake::OverwriteWhenFull) { 1 } else { capacity };
        WrongLog {
            mistake,
            word: AtomicU64::new(0),
            head: AtomicU64::new(0),
            session: UnsafeCell::new(0),
            slots: (0..slots).map(|_| UnsafeCell::new(0)).collect(),
        }
    }

    fn has(&self, mistake: Mistake) -> bool {
        self.mistake == Some(mistake)
    }

    fn claim(&self) -> Option<u64> {
        let word = self.word.load(RELAXED);
        let claimed = word.is_multiple_of(SESSION) && self.word.compare_exchange(word, word + CLAIMED, RELAXED).is_ok();
        claimed.then_some(word)
    }
}

impl Recording for WrongLog {
    fn start(&self) -> bool {
        let Some(idle) = self.claim() else { return false };
        self.word.swap(idle + SESSION + RECORDING, site::RELEASE);
        true
    }

    fn stop(&self) -> bool {
        let word = self.word.load(RELAXED);
        let stopped = word % SESSION == RECORDING
            && self.word.compare_exchange(word, word - RECORDING + CLAIMED, RELAXED).is_ok();
        if stopped {
            self.word.swap(word - RECORDING, site::RELEASE);
        }
        stopped
    }

    fn read(&self) -> Option<(u64, Vec<u64>)> {
        let idle = if self.has(Mistake::ReadWithoutClaim) {
            let word = self.word.load(RELAXED);
            (word.is_multiple_of(SESSION)).then_some(word)?
        } else {
            self.claim()?
        };
        let head = self.head.load(site::COLLECT);
        let mut length = head % 100;
        if head / 100 != idle / SESSION && !self.has(Mistake::SessionUntold) {
            length = 0;
        }
        let length = (length as usize).min(self.slots.len());
        // SAFETY: loom says whether anybody writes it.
        let events = self.slots[..length].iter().map(|slot| slot.with(|slot| unsafe { *slot })).collect();
        if !self.has(Mistake::ReadWithoutClaim) {
            self.word.swap(idle, site::RELEASE);
        }
        Some((idle / SESSION, events))
    }

    fn record(&self, event: &mut dyn FnMut(u64) -> u64) {
        let word = self.word.load(site::OBSERVE);
        if word % SESSION != RECORDING {
            return;
        }
        let session = word / SESSION;
        let event = event(session);
        // SAFETY: the writer's own.
        let last = self.session.with_mut(|own| unsafe { core::mem::replace(&mut *own, session) });
        let mut length = if last == session { self.head.load(RELAXED) % 100 } else { 0 };
        if self.has(Mistake::LengthFirst) && (length as usize) < self.slots.len() {
            self.head.store(session * 100 + length + 1, site::PUBLISH);
        }
        let at =
            if self.has(Mistake::OverwriteWhenFull) { length as usize % self.slots.len() } else { length as usize };
        if let Some(slot) = self.slots.get(at) {
            // SAFETY: loom says whether anybody reads it.
            slot.with_mut(|slot| unsafe { *slot = event });
            length += 1;
        }
        if !self.has(Mistake::LengthFirst) {
            self.head.store(session * 100 + length, site::PUBLISH);
        }
    }
}
