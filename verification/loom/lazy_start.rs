//! Requesters of which the first starts the server, fails, and answers what is queued.

use crate::model::{Model, tells_apart};
use loom::thread;
use std::ptr::NonNull;
use std::sync::Arc;
use vgpu_pool::os::alloc::Allocator;
use vgpu_pool::protocol::lazy_start::LazyStart;
use vgpu_pool::protocol::queue::Shard;
use vgpu_pool::sync::{AtomicU32, RELAXED, UnsafeCell};

/// In which order a claimant that failed does the two things it has to do.
trait Order: Send + Sync + 'static {
    const RELEASE_FIRST: bool;
}
struct ReleaseFirst;
impl Order for ReleaseFirst {
    const RELEASE_FIRST: bool = true;
}
struct AnswerFirst;
impl Order for AnswerFirst {
    const RELEASE_FIRST: bool = false;
}

/// What is asked, and how often it was answered.
struct Request {
    asked: UnsafeCell<u32>,
    answered: AtomicU32,
}

/// Two requests, and a server whose first start fails.
struct Scene {
    start: LazyStart,
    queue: Shard<Request>,
    requests: [Request; 2],
    attempts: AtomicU32,
}

// SAFETY: a request is written before it is queued and read by whoever takes it off, and loom says whether that is ordered.
unsafe impl Send for Scene {}
// SAFETY: as above.
unsafe impl Sync for Scene {}

impl Scene {
    fn answer_all(&self) {
        while let Some(request) = self.queue.pop() {
            // SAFETY: the scene outlives its queue's contents.
            let request = unsafe { request.as_ref() };
            // SAFETY: taken off the queue, so nobody else reads it.
            assert_eq!(request.asked.with(|asked| unsafe { *asked }), 5);
            request.answered.fetch_add(1, RELAXED);
        }
    }

    /// Whether this requester has started the server.
    fn ask<O: Order>(&self, which: usize) -> bool {
        // SAFETY: nobody reads it before it is queued.
        self.requests[which].asked.with_mut(|asked| unsafe { *asked = 5 });
        assert!(self.queue.push(NonNull::from(&self.requests[which])).is_ok());
        if !self.start.claim() {
            return false;
        }
        if self.attempts.fetch_add(1, RELAXED) > 0 {
            return true;
        }
        if O::RELEASE_FIRST {
            self.start.release();
            self.answer_all();
        } else {
            self.answer_all();
            self.start.release();
        }
        false
    }
}

/// Two requesters, of whom the first to claim the start fails.
///
/// Outcomes: the failure answered both (0), or the second request came after and started the server (1). A server that was
/// started answers whatever is queued; without one, nothing may be left.
const fn start_of<O: Order>() -> Model {
    Model {
        group: "lazy_start",
        name: "two requests, one failure",
        threads: 2,
        operations: 4,
        bound: 3,
        outcomes: &[0, 1],
        run: &run_start::<O>,
    }
}
pub(crate) const START: Model = start_of::<ReleaseFirst>();
fn run_start<O: Order>() -> u64 {
    let request = || Request { asked: UnsafeCell::new(0), answered: AtomicU32::new(0) };
    let scene = Arc::new(Scene {
        start: LazyStart::new(),
        queue: Shard::new(Allocator::SYSTEM, 2).unwrap(),
        requests: [request(), request()],
        attempts: AtomicU32::new(0),
    });
    let requesters = [0, 1].map(|which| {
        let scene = scene.clone();
        thread::spawn(move || scene.ask::<O>(which))
    });
    let started = requesters.map(|requester| u64::from(requester.join().unwrap())).iter().sum();
    if started > 0 {
        scene.answer_all();
    }
    for request in &scene.requests {
        assert_eq!(request.answered.load(RELAXED), 1, "each request is answered once");
    }
    started
}

#[test]
fn no_request_waits_for_a_server_that_was_not_started() {
    START.verify();
}

#[test]
fn a_claim_must_be_released_before_the_queue_is_answered() {
    tells_apart(
        "the claim is released when the queue has been answered",
        start_of::<AnswerFirst>(),
        start_of::<ReleaseFirst>(),
    );
}
