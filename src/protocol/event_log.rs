//! What several threads record, each in a log of its own, and another reads when they have stopped.
//!
//! # States
//! The [`Recorder`]'s word holds a state and the number of the session. *Idle*: nothing is recorded. *Recording*: writers that see
//! this add to their logs. *Claimed*: one thread has the logs to itself, to make room, to read, or to tell others of the end.
//!
//! | step | from | to | by |
//! |---|---|---|---|
//! | claim | idle | claimed | whoever starts or reads |
//! | start | claimed | recording, of the next session | the same |
//! | stop | recording | claimed | anybody |
//! | release | claimed | idle | the claimer |
//!
//! A [`Log`] is one writer's. Its word holds the session in which it was last written, and how many events it has of that. An event
//! goes into the next free slot; when there is none it is counted as dropped, so that nothing is ever overwritten within a session.
//! The first event of a new session begins at slot 0 again.
//!
//! # Who writes what
//! | word | writer of the log | claimer |
//! |---|---|---|
//! | slots, head, dropped | as it records | never |
//! | where the slots are | never | before the first session |
//! | the recorder's word | never | claim, start, release; anybody may stop |
//!
//! # What would break a naive version
//! 1. *The late writer.* A writer saw *recording*, was interrupted, and goes on when the session was stopped and its log is being
//!    read. It adds behind what the reader knows of: the reader takes the length first, and slots below it are not written again in
//!    that session.
//! 2. *The slot used again.* The next session begins at slot 0, which a reader of the last one may still be reading. So a session
//!    begins only from *claimed*, that is when all readers are done; and a writer that sees it ([`site::OBSERVE`]) comes after
//!    them ([`site::RELEASE`]).
//! 3. *The log of another session.* A writer that had nothing to say in this session has a log full of the last one, and may
//!    clear it at any moment. So the session is in the same word as the length, and the reader leaves such a log alone.
//! 4. *The span across two sessions.* What began in one session and ends in the next is recorded in neither: it is the writer that
//!    compares. So the sessions in a log's word never go back.
//!
//! # Why no slot is read while it is written
//! A slot of session *s* is written before the release of the head ([`site::PUBLISH`]) that the reader acquires
//! ([`site::COLLECT`]), and read under a claim between *s* and *s* + 1. It is written again only by the writer having observed a session above *s*,
//! whose start comes after that claim's release in the order of the recorder's word. All changes of that word are exchanges, so they
//! continue the release of every earlier claimer.
//!
//! # Progress
//! Recording is wait-free. A claim that finds the recorder busy fails, and says so.
//!
//! Models: `verification/loom/event_log.rs`.

use crate::error::Result;
use crate::os::alloc::{Allocator, Array};
use crate::sync::{AtomicU64, RELAXED, UnsafeCell, ordering_sites};
use core::mem::MaybeUninit;

ordering_sites! {
    "event_log":
    OBSERVE = Acquire: "pairs with RELEASE: what was read under a claim was read before the slots are used again, and the slots are there";
    RELEASE = Release: "pairs with OBSERVE";
    PUBLISH = Release: "pairs with COLLECT: the slots below the length are written";
    COLLECT = Acquire: "pairs with PUBLISH";
}

const IDLE: u64 = 0;
const RECORDING: u64 = 1;
const CLAIMED: u64 = 2;
const STATE: u64 = 3;
/// One session further. 30 bits of the log's word hold the number: two sessions of one number are 2^30 sessions apart.
const SESSION: u64 = STATE + 1;
const SESSIONS: u64 = (1 << 30) - 1;
const LENGTH_BITS: u32 = 32;

/// A period of recording.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Session(u64);

impl Session {
    /// Its number; the first is 1.
    pub fn number(self) -> u64 {
        self.0
    }
}

/// Says whether there is recording, and who may read.
#[derive(Debug)]
pub struct Recorder {
    word: AtomicU64,
}

impl Default for Recorder {
    fn default() -> Recorder {
        Recorder::new()
    }
}

fn session_of(word: u64) -> Session {
    Session((word / SESSION) & SESSIONS)
}

impl Recorder {
    /// An idle one. The first session has the number 1.
    pub fn new() -> Recorder {
        Recorder { word: AtomicU64::new(IDLE) }
    }

    /// The session, if there is recording. For a writer, before it records.
    #[inline]
    pub fn observe(&self) -> Option<Session> {
        let word = self.word.load(site::OBSERVE);
        (word & STATE == RECORDING).then(|| session_of(word))
    }

    /// Takes the logs, unless there is recording or somebody has them.
    pub fn claim(&self) -> Option<Claim<'_>> {
        self.change(IDLE)
    }

    /// Ends the recording and takes the logs. `None` when there is no recording.
    pub fn stop(&self) -> Option<Claim<'_>> {
        self.change(RECORDING)
    }

    fn change(&self, from: u64) -> Option<Claim<'_>> {
        let word = self.word.load(RELAXED);
        let claimed = (word & !STATE) | CLAIMED;
        let taken = word & STATE == from && self.word.compare_exchange(word, claimed, RELAXED).is_ok();
        // Made when it was taken, and not before: its drop gives back.
        taken.then(|| Claim { recorder: self, word: claimed })
    }
}

/// The right to read all logs of a recorder; ends when dropped.
#[derive(Debug)]
pub struct Claim<'r> {
    recorder: &'r Recorder,
    word: u64,
}

impl Claim<'_> {
    /// The last session.
    pub fn session(&self) -> Session {
        session_of(self.word)
    }

    /// Begins the next session.
    pub fn start(mut self) {
        self.word = (self.word & !STATE).wrapping_add(SESSION) | RECORDING;
    }
}

impl Drop for Claim<'_> {
    fn drop(&mut self) {
        let next = if self.word & STATE == CLAIMED { self.word & !STATE } else { self.word };
        // A claimed word is changed by its claimer alone.
        self.recorder.word.swap(next, site::RELEASE);
    }
}

/// One writer's events.
#[derive(Debug)]
pub struct Log<T> {
    head: AtomicU64,
    dropped: AtomicU64,
    slots: UnsafeCell<Option<Array<Slot<T>>>>,
}

type Slot<T> = UnsafeCell<MaybeUninit<T>>;

// SAFETY: events change threads; each is written once, and read when that is published.
unsafe impl<T: Send> Send for Log<T> {}
// SAFETY: as above; who may write and who may read is in the contracts of the functions below.
unsafe impl<T: Send> Sync for Log<T> {}

impl<T> Default for Log<T> {
    fn default() -> Log<T> {
        Log { head: AtomicU64::new(0), dropped: AtomicU64::new(0), slots: UnsafeCell::new(None) }
    }
}

impl<T: Copy> Log<T> {
    /// Makes room, once: a log that has room keeps it.
    ///
    /// # Safety
    /// Under a claim of the log's recorder.
    pub unsafe fn make_room(&self, allocator: Allocator, capacity: usize) -> Result<()> {
        // SAFETY: under a claim nobody else writes this, and no writer reads it before the first session.
        if self.slots.with(|slots| unsafe { (*slots).is_some() }) {
            return Ok(());
        }
        let capacity = capacity.min(u32::MAX as usize);
        let made = Array::from_fn(allocator, capacity, |_| Ok(UnsafeCell::new(MaybeUninit::uninit())))?;
        // SAFETY: as above: there was none, so there was no session.
        self.slots.with_mut(|slots| unsafe { *slots = Some(made) });
        Ok(())
    }

    /// Adds an event, or counts it as dropped.
    ///
    /// # Safety
    /// The calling thread is the log's only writer, and the session is what it observed last.
    pub unsafe fn record(&self, session: Session, event: T) {
        let head = self.head.load(RELAXED);
        let mut length = head & ((1 << LENGTH_BITS) - 1);
        if head >> LENGTH_BITS != session.0 {
            length = 0;
            self.dropped.store(0, RELAXED);
        }
        // SAFETY: written before the first session, which was observed.
        let slot = self.slots.with(|slots| unsafe { (*slots).as_ref().and_then(|slots| slots.get(length as usize)) });
        match slot {
            Some(slot) => {
                // SAFETY: this is the writer, and nobody reads a slot that is not published in this session.
                slot.with_mut(|slot| unsafe { (*slot).write(event) });
                length += 1;
            }
            None => self.dropped.store(self.dropped.load(RELAXED) + 1, RELAXED),
        }
        self.head.store((session.0 << LENGTH_BITS) | length, site::PUBLISH);
    }

    /// Calls `each` with every event of the claim's session, oldest first, and says how many were dropped.
    pub fn read(&self, claim: &Claim<'_>, mut each: impl FnMut(&T)) -> u64 {
        let head = self.head.load(site::COLLECT);
        if head >> LENGTH_BITS != claim.session().0 {
            return 0;
        }
        let length = (head & ((1 << LENGTH_BITS) - 1)) as usize;
        // SAFETY: under a claim, and a log with events has slots.
        let slots = self.slots.with(|slots| unsafe { (*slots).as_deref().unwrap_or_default() });
        for slot in &slots[..length] {
            // SAFETY: published, and not written again before the claim ends.
            slot.with(|slot| unsafe { each((*slot).assume_init_ref()) });
        }
        self.dropped.load(RELAXED)
    }
}
