//! Workers that leave too early, one that nobody tells, and one whose failed task is never done.

use crate::model::{Model, tells_apart};
use crate::worker_loop::{Awaited, Found, Host, work};
use loom::thread;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use vgpu_pool::os::alloc::Allocator;
use vgpu_pool::protocol::event_count::EventCount;
use vgpu_pool::protocol::shutdown::Shutdown;
use vgpu_pool::sync::{AtomicU32, AtomicUsize, RELAXED, Site};

const PUBLISH: Site = Site::new("zoo.PUBLISH", Ordering::Release, "what was done before is visible to who takes it");
const TAKE: Site = Site::new("zoo.TAKE", Ordering::Acquire, "as above");

/// The right way.
const RIGHT: u8 = 0;
/// The one that destroys wakes nobody: rayon#201.
const WAKES_NOBODY: u8 = 1;
/// A worker that finds a closed pool and an empty queue leaves.
const LEAVES_WHEN_EMPTY: u8 = 2;
/// A task that panics is caught outside of what counts it off.
const CATCHES_OUTSIDE: u8 = 3;

/// A pool of one worker, with an inbox that counts.
struct Pool<const DESIGN: u8> {
    inbox: AtomicUsize,
    sleep: EventCount,
    shutdown: Shutdown,
    ran: AtomicU64,
}

impl<const DESIGN: u8> Pool<DESIGN> {
    fn submit(&self) -> bool {
        let accepted = self.shutdown.accept_visit(1).is_ok();
        if accepted {
            self.inbox.fetch_add(1, PUBLISH);
            self.sleep.notify_one(0);
            self.shutdown.leave().wake_blocked();
        }
        accepted
    }

    fn destroy(&self) {
        self.shutdown.close();
        self.shutdown.in_flight().wait(None);
        self.shutdown.terminate();
        if DESIGN != WAKES_NOBODY {
            self.sleep.wake_all();
        }
    }
}

impl<const DESIGN: u8> Host for Pool<DESIGN> {
    type Sleep = EventCount;
    type Job = ();
    fn sleep(&self) -> &EventCount {
        &self.sleep
    }
    fn take(&self, _worker: usize) -> Option<()> {
        (self.inbox.load(RELAXED) > 0).then(|| {
            self.inbox.fetch_sub(1, TAKE);
        })
    }
    fn has_work(&self) -> bool {
        self.inbox.load(RELAXED) > 0
    }
    fn run(&self, _worker: usize, _job: (), _found: Found) -> bool {
        let job = || {
            self.ran.fetch_add(1, Ordering::Relaxed);
            // Without the message that a panic prints.
            resume_unwind(Box::new("as asked"))
        };
        let done = || self.shutdown.finish(1).wake_blocked();
        if DESIGN == CATCHES_OUTSIDE {
            let _ = catch_unwind(AssertUnwindSafe(|| {
                job();
                done();
            }));
        } else {
            let _ = catch_unwind(AssertUnwindSafe(job));
            done();
        }
        true
    }
}

/// What the worker takes for its time to leave.
struct Leave<'a, const DESIGN: u8>(&'a Pool<DESIGN>);

impl<const DESIGN: u8> Awaited for Leave<'_, DESIGN> {
    fn is_done(&self) -> bool {
        match DESIGN {
            LEAVES_WHEN_EMPTY => self.0.shutdown.in_flight().is_closed() && !self.0.has_work(),
            _ => self.0.shutdown.is_terminated(),
        }
    }
    fn register_helper(&self) -> bool {
        true
    }
    fn address(&self) -> Option<usize> {
        None
    }
}

/// Submit against close against a worker. The submitted task panics, which is no reason not to run it once.
///
/// Outcomes: refused (0), or accepted and run (1).
const fn submitted<const DESIGN: u8>() -> Model {
    Model {
        group: "shutdown",
        name: "submit, close, leave",
        threads: 3,
        operations: 3,
        bound: 2,
        outcomes: &[0, 1],
        run: &run_submitted::<DESIGN>,
    }
}
fn run_submitted<const DESIGN: u8>() -> u64 {
    let pool = Arc::new(Pool::<DESIGN> {
        inbox: AtomicUsize::new(0),
        sleep: EventCount::new(Allocator::SYSTEM, 1).unwrap(),
        shutdown: Shutdown::new(),
        ran: AtomicU64::new(0),
    });
    let worker = {
        let pool = pool.clone();
        thread::spawn(move || {
            work(&*pool, 0, &Leave(&*pool));
        })
    };
    let submitter = {
        let pool = pool.clone();
        thread::spawn(move || pool.submit())
    };
    let destroyer = {
        let pool = pool.clone();
        thread::spawn(move || pool.destroy())
    };
    let accepted = submitter.join().unwrap();
    destroyer.join().unwrap();
    worker.join().unwrap();
    let ran = pool.ran.load(Ordering::Relaxed);
    assert_eq!(ran, u64::from(accepted), "what is accepted runs, what is refused does not");
    ran
}

/// A pool that counts nothing: it stops after its last submission, and its worker runs what is left and leaves.
struct Uncounted {
    inbox: AtomicUsize,
    stop: AtomicU32,
}

impl Uncounted {
    fn take(&self) -> bool {
        self.inbox.load(RELAXED) > 0 && self.inbox.fetch_sub(1, TAKE) > 0
    }

    /// Runs what is there and says how much it was. `stop` is read before the last look, or after it.
    fn drain(&self, reads_stop_first: bool) -> u64 {
        let mut ran = 0;
        loop {
            let stop_before = self.stop.load(TAKE) == 1;
            if self.take() {
                ran += 1;
            } else if if reads_stop_first { stop_before } else { self.stop.load(TAKE) == 1 } {
                return ran;
            } else {
                thread::yield_now();
            }
        }
    }
}

/// One job, then the stop.
///
/// One outcome: the job ran.
const fn stopped<const READS_STOP_FIRST: bool>() -> Model {
    Model {
        group: "shutdown",
        name: "submit, stop, drain",
        threads: 2,
        operations: 3,
        bound: 4,
        outcomes: &[1],
        run: &run_stopped::<READS_STOP_FIRST>,
    }
}
fn run_stopped<const READS_STOP_FIRST: bool>() -> u64 {
    let pool = Arc::new(Uncounted { inbox: AtomicUsize::new(0), stop: AtomicU32::new(0) });
    let worker = {
        let pool = pool.clone();
        thread::spawn(move || pool.drain(READS_STOP_FIRST))
    };
    let owner = thread::spawn(move || {
        pool.inbox.fetch_add(1, PUBLISH);
        pool.stop.store(1, PUBLISH);
    });
    owner.join().unwrap();
    let ran = worker.join().unwrap();
    assert_eq!(ran, 1, "the job is lost");
    ran
}

#[test]
fn sleeping_workers_must_be_told_of_the_end() {
    tells_apart("W6 the end wakes nobody: rayon#201", submitted::<WAKES_NOBODY>(), submitted::<RIGHT>());
}

#[test]
fn an_empty_queue_is_no_reason_to_leave() {
    tells_apart(
        "worker leaves a closed pool when its queue is empty",
        submitted::<LEAVES_WHEN_EMPTY>(),
        submitted::<RIGHT>(),
    );
}

#[test]
fn a_task_that_panics_must_be_counted_off() {
    tells_apart("task that panics is not counted off", submitted::<CATCHES_OUTSIDE>(), submitted::<RIGHT>());
}

#[test]
fn the_stop_must_be_read_before_the_last_look() {
    tells_apart("stop flag read after the last look", stopped::<false>(), stopped::<true>());
}
