//! A writer that records when it may, and a thread that starts, stops and reads.
//!
//! Checked in each execution: what is read are the first events of that session, in order and without a gap. loom sees to it that no slot
//! is read while it is written, or written while it is read. The models are generic over the design, so that the wrong ones
//! of the zoo run through the same.

use crate::model::{Model, constant, tells_apart};
use crate::wrong_log::{Mistake, WrongLog};
use loom::thread;
use std::sync::Arc;
use vgpu_pool::os::alloc::Allocator;
use vgpu_pool::protocol::event_log::{Log, Recorder};

/// A recorder with one log.
pub(crate) trait Recording: Send + Sync + 'static {
    /// Begins the next session, unless somebody reads.
    fn start(&self) -> bool;
    fn stop(&self) -> bool;
    /// The events of the last session, unless there is recording.
    fn read(&self) -> Option<(u64, Vec<u64>)>;
    /// Records what `event` makes of the session's number, if there is recording.
    fn record(&self, event: &mut dyn FnMut(u64) -> u64);
}

struct Real {
    recorder: Recorder,
    log: Log<u64>,
    capacity: usize,
}

impl Real {
    fn new(capacity: usize) -> Real {
        Real { recorder: Recorder::new(), log: Log::default(), capacity }
    }
}

impl Recording for Real {
    fn start(&self) -> bool {
        let Some(claim) = self.recorder.claim() else { return false };
        // SAFETY: under the claim.
        unsafe { self.log.make_room(Allocator::SYSTEM, self.capacity).unwrap() };
        claim.start();
        true
    }
    fn stop(&self) -> bool {
        self.recorder.stop().is_some()
    }
    fn read(&self) -> Option<(u64, Vec<u64>)> {
        let claim = self.recorder.claim()?;
        let mut events = vec![];
        self.log.read(&claim, |event| events.push(*event));
        Some((claim.session().number(), events))
    }
    fn record(&self, event: &mut dyn FnMut(u64) -> u64) {
        if let Some(session) = self.recorder.observe() {
            // SAFETY: each model has one writer.
            unsafe { self.log.record(session, event(session.number())) };
        }
    }
}

/// A writer's memory: the session, and how many events it has recorded there.
#[derive(Default)]
struct Writer(u64, u64);

impl Writer {
    /// An event is made of its session and its number there.
    fn record(&mut self, recording: &impl Recording) {
        recording.record(&mut |session| {
            let number = if session == self.0 { self.1 + 1 } else { 0 };
            (self.0, self.1) = (session, number);
            session * 10 + number
        });
    }
}

/// How many events there were, all of this session.
fn checked((session, events): (u64, Vec<u64>)) -> u64 {
    for (number, event) in events.iter().enumerate() {
        assert_eq!(*event, session * 10 + number as u64, "what was read is of another session, or has a gap");
    }
    events.len() as u64
}

/// A writer meets two sessions and a reading of each.
///
/// Outcomes: how many events were read after the first session, and after the second. The log has room for two.
fn sessions<R: Recording>(make: impl Fn(usize) -> R + Send + Sync + 'static) -> Model {
    Model {
        group: "event_log",
        name: "two sessions",
        threads: 2,
        operations: 9,
        bound: 3,
        outcomes: &[0, 1, 2, 10, 11, 12, 20, 21],
        run: constant(move || {
            let recording = Arc::new(make(2));
            let writing = recording.clone();
            let writer = thread::spawn(move || {
                let mut writer = Writer::default();
                for _ in 0..3 {
                    writer.record(&*writing);
                }
            });
            let mut outcome = 0;
            for _ in 0..2 {
                assert!(recording.start());
                assert!(recording.stop());
                outcome = outcome * 10 + checked(recording.read().unwrap());
            }
            writer.join().unwrap();
            outcome
        }),
    }
}

/// One session is read while another thread begins the next and records in it.
///
/// Outcomes: hundreds, whether the reader came too late; tens, what it read; units, whether the other could begin.
fn against_start<R: Recording>(make: impl Fn(usize) -> R + Send + Sync + 'static) -> Model {
    Model {
        name: "a reader and a session",
        operations: 6,
        outcomes: &[10, 11, 101],
        run: constant(move || {
            let recording = Arc::new(make(1));
            let mut writer = Writer::default();
            assert!(recording.start());
            writer.record(&*recording);
            assert!(recording.stop());
            let reading = recording.clone();
            let reader = thread::spawn(move || reading.read().map_or(100, |read| checked(read) * 10));
            let begun = recording.start();
            writer.record(&*recording);
            let read = reader.join().unwrap();
            // A reader that comes too late changes nothing.
            assert_eq!(recording.stop(), begun);
            read + u64::from(begun)
        }),
        ..sessions(make_real)
    }
}

fn make_real(capacity: usize) -> Real {
    Real::new(capacity)
}

/// Kills weakenings of the publication of an event.
pub(crate) fn two_sessions() -> Model {
    sessions(make_real)
}

/// Kills weakenings of the order between a reader and the next session.
pub(crate) fn reader_against_start() -> Model {
    against_start(make_real)
}

#[test]
fn event_log_readers_see_whole_events_of_their_session() {
    two_sessions().verify();
    reader_against_start().verify();
}

#[test]
fn event_log_mistakes_are_caught() {
    for &mistake in Mistake::ALL {
        let is_about_reading = mistake == Mistake::ReadWithoutClaim;
        let model = |mistake| {
            let make = move |capacity| WrongLog::new(capacity, mistake);
            if is_about_reading { against_start(make) } else { sessions(make) }
        };
        let twin = model(None).of("of wrong_log.rs, without a mistake");
        tells_apart(&format!("{mistake:?}"), model(Some(mistake)), twin);
    }
}
