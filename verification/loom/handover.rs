//! A server that delivers, and a requester that waits or leaves: one of them comes second and owns everything.

use crate::model::{Model, tells_apart};
use loom::thread;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use vgpu_pool::protocol::handover::Handover;
use vgpu_pool::sync::{AtomicU32, RELAXED, Site, UnsafeCell};

/// How a result is handed over.
trait Design: Send + Sync + 'static {
    fn new() -> Self;
    /// As [`Handover::deliver`].
    unsafe fn deliver(&self, result: u64) -> Option<u64>;
    /// As [`Handover::abandon`].
    unsafe fn abandon(&self) -> Option<u64>;
}

impl Design for Handover<u64> {
    fn new() -> Handover<u64> {
        Handover::new()
    }
    unsafe fn deliver(&self, result: u64) -> Option<u64> {
        // SAFETY: the caller's contract.
        unsafe { Handover::deliver(self, result) }
    }
    unsafe fn abandon(&self) -> Option<u64> {
        // SAFETY: the caller's contract.
        unsafe { Handover::abandon(self) }
    }
}

const ACQUIRE: Site = Site::new("zoo.ACQUIRE", Ordering::Acquire, "as strong as a flag can be looked at");
const ACQ_REL: Site = Site::new("zoo.ACQ_REL", Ordering::AcqRel, "as strong as a flag can be set");

/// Each side looks whether the other was there, and then leaves its own mark.
struct LookThenMark {
    delivered: AtomicU32,
    abandoned: AtomicU32,
}

impl Design for LookThenMark {
    fn new() -> LookThenMark {
        LookThenMark { delivered: AtomicU32::new(0), abandoned: AtomicU32::new(0) }
    }
    unsafe fn deliver(&self, result: u64) -> Option<u64> {
        let gone = self.abandoned.load(ACQUIRE) == 1;
        self.delivered.swap(1, ACQ_REL);
        gone.then_some(result)
    }
    unsafe fn abandon(&self) -> Option<u64> {
        let there = self.delivered.load(ACQUIRE) == 1;
        self.abandoned.swap(1, ACQ_REL);
        there.then_some(7)
    }
}

/// What the block holds beside the handover: what was asked, which both sides read, and the second one frees.
struct Block<D> {
    handover: D,
    asked: UnsafeCell<u64>,
    freed: AtomicU32,
}

// SAFETY: loom says whether whoever frees does so after the other's last read.
unsafe impl<D: Send> Send for Block<D> {}
// SAFETY: as above.
unsafe impl<D: Sync> Sync for Block<D> {}

impl<D: Design> Block<D> {
    fn new() -> Arc<Block<D>> {
        Arc::new(Block { handover: D::new(), asked: UnsafeCell::new(3), freed: AtomicU32::new(0) })
    }
    fn read(&self) -> u64 {
        // SAFETY: nobody frees before both are done with it, or loom tells.
        self.asked.with(|asked| unsafe { *asked })
    }
    fn free(&self) {
        // SAFETY: as above.
        self.asked.with_mut(|asked| unsafe { *asked = 0 });
        self.freed.fetch_add(1, RELAXED);
    }
}

/// The requester leaves, at any moment around the delivery.
///
/// Outcomes: the requester came second and has the result (1), or the server did and has it back (2); never both, nor neither.
const fn abandon_of<D: Design>() -> Model {
    Model {
        group: "handover",
        name: "deliver, abandon",
        threads: 2,
        operations: 2,
        bound: 3,
        outcomes: &[1, 2],
        run: &run_abandon::<D>,
    }
}
pub(crate) const ABANDON: Model = abandon_of::<Handover<u64>>();
fn run_abandon<D: Design>() -> u64 {
    let block = Block::<D>::new();
    let server = {
        let block = block.clone();
        thread::spawn(move || {
            let asked = block.read();
            // SAFETY: the one delivery.
            let back = unsafe { block.handover.deliver(asked + 4) };
            if let Some(result) = back {
                assert_eq!(result, 7);
                block.free();
            }
            back.is_some()
        })
    };
    let requester = {
        let block = block.clone();
        thread::spawn(move || {
            assert_eq!(block.read(), 3);
            // SAFETY: the one abandonment.
            let result = unsafe { block.handover.abandon() };
            if let Some(result) = result {
                assert_eq!(result, 7);
                block.free();
            }
            result.is_some()
        })
    };
    let (server, requester) = (server.join().unwrap(), requester.join().unwrap());
    assert_eq!(block.freed.load(RELAXED), 1, "one of them frees the block");
    u64::from(requester) + 2 * u64::from(server)
}

/// The requester waits as long as it takes, then takes the result and frees the block.
///
/// One outcome: the result is there.
pub(crate) const WAIT: Model = Model {
    group: "handover",
    name: "deliver, wait",
    threads: 2,
    operations: 2,
    bound: 4,
    outcomes: &[7],
    run: &run_wait,
};
fn run_wait() -> u64 {
    let block = Block::<Handover<u64>>::new();
    let server = {
        let block = block.clone();
        thread::spawn(move || {
            let asked = block.read();
            // SAFETY: the one delivery.
            assert!(unsafe { block.handover.deliver(asked + 4) }.is_none());
        })
    };
    let requester = thread::spawn(move || {
        // SAFETY: the one wait.
        let result = unsafe { block.handover.wait(None) }.expect("nobody gave up");
        block.free();
        result
    });
    server.join().unwrap();
    requester.join().unwrap()
}

#[test]
fn whoever_comes_second_frees() {
    ABANDON.verify();
}

#[test]
fn a_requester_wakes_and_takes_the_result() {
    WAIT.verify();
}

#[test]
fn a_look_before_a_mark_is_not_enough() {
    tells_apart(
        "each side looks for the other's mark and then leaves its own",
        abandon_of::<LookThenMark>(),
        abandon_of::<Handover<u64>>(),
    );
}
