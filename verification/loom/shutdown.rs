//! Submitters, a worker and the one that destroys, as the pool puts them together.

use crate::model::Model;
use crate::worker_loop::{Found, Host, Sleep, work};
use loom::thread;
use std::ptr::NonNull;
use std::sync::Arc;
use std::sync::atomic::AtomicUsize as Count;
use std::sync::atomic::Ordering;
use vgpu_pool::os::alloc::Allocator;
use vgpu_pool::protocol::event_count::EventCount;
use vgpu_pool::protocol::queue::Shard;
use vgpu_pool::protocol::shutdown::Shutdown;
use vgpu_pool::sync::UnsafeCell;

/// A pool of one worker: inbox, sleep and gate are the real ones.
struct Scene {
    inbox: Shard<u8>,
    sleep: EventCount,
    shutdown: Shutdown,
    ran: Count,
    /// The pool's memory: the one that destroys writes it when nobody can be inside any more.
    memory: UnsafeCell<u32>,
    /// Whether the first task submits another.
    nested: bool,
}

// SAFETY: the gate keeps the accesses apart, which is what the models check.
unsafe impl Sync for Scene {}
// SAFETY: as above.
unsafe impl Send for Scene {}

/// Tasks are numbers behind a pointer's face.
fn task(number: usize) -> NonNull<u8> {
    NonNull::new(std::ptr::without_provenance_mut(number)).unwrap()
}

impl Scene {
    fn new(nested: bool) -> Arc<Scene> {
        Arc::new(Scene {
            inbox: Shard::new(Allocator::SYSTEM, 2).unwrap(),
            sleep: EventCount::new(Allocator::SYSTEM, 1).unwrap(),
            shutdown: Shutdown::new(),
            ran: Count::new(0),
            memory: UnsafeCell::new(0),
            nested,
        })
    }

    /// Looks at the pool's memory as everybody inside does.
    fn be_inside(&self) {
        // SAFETY: read only; loom checks against the destroyer's write.
        assert_eq!(self.memory.with(|memory| unsafe { *memory }), 0, "the pool is gone");
    }

    /// What a submitter from outside does. Says whether the task was accepted.
    fn submit(&self, number: usize) -> bool {
        if self.shutdown.accept_visit(1).is_err() {
            return false;
        }
        self.inbox.push(task(number)).unwrap();
        self.sleep.notify_one(0);
        self.be_inside();
        self.shutdown.leave().wake_blocked();
        true
    }

    fn spawn_worker(self: &Arc<Self>) -> thread::JoinHandle<()> {
        let scene = self.clone();
        thread::spawn(move || {
            work(&*scene, 0, &|| scene.shutdown.is_terminated());
        })
    }

    fn spawn_submitter(self: &Arc<Self>, number: usize) -> thread::JoinHandle<bool> {
        let scene = self.clone();
        thread::spawn(move || scene.submit(number))
    }

    fn destroy(&self) {
        self.shutdown.close();
        self.shutdown.in_flight().wait(None);
        self.shutdown.terminate();
        self.sleep.wake_all();
    }

    /// Frees the pool, after its worker was joined.
    fn free(&self) {
        // SAFETY: whoever was inside has left; loom checks.
        self.memory.with_mut(|memory| unsafe { *memory = 1 });
    }
}

impl Host for Scene {
    type Sleep = EventCount;
    type Job = NonNull<u8>;

    fn sleep(&self) -> &EventCount {
        &self.sleep
    }
    fn take(&self, _worker: usize) -> Option<NonNull<u8>> {
        self.inbox.pop()
    }
    fn has_work(&self) -> bool {
        self.inbox.has_work()
    }
    fn run(&self, _worker: usize, job: NonNull<u8>, _found: Found) -> bool {
        self.be_inside();
        self.ran.fetch_add(1, Ordering::Relaxed);
        if self.nested && job == task(1) {
            // From inside, a closing pool still takes work.
            self.shutdown.accept_inside(1).unwrap();
            self.inbox.push(task(9)).unwrap();
            Sleep::notify_one(&self.sleep, 0);
        }
        self.shutdown.finish(1).wake_blocked();
        true
    }
}

/// One submitter against the one that destroys.
///
/// Outcomes: refused, and nothing ran (0); accepted, and it ran (1).
const SUBMIT: Model =
    Model { group: "shutdown", name: "submit", threads: 3, operations: 3, bound: 2, outcomes: &[0, 1], run: &submit };
fn submit() -> u64 {
    run(false)
}

/// The submitted task submits another while the pool closes.
///
/// Outcomes: refused (0); accepted, and both ran (2).
const NESTED: Model = Model {
    group: "shutdown",
    name: "submit inside",
    threads: 3,
    operations: 4,
    bound: 2,
    outcomes: &[0, 2],
    run: &nested,
};
fn nested() -> u64 {
    run(true)
}

fn run(nested: bool) -> u64 {
    let scene = Scene::new(nested);
    let worker = scene.spawn_worker();
    let submitter = scene.spawn_submitter(1);
    let destroyer = {
        let scene = scene.clone();
        thread::spawn(move || {
            scene.destroy();
            worker.join().unwrap();
            scene.free();
        })
    };
    let accepted = submitter.join().unwrap();
    destroyer.join().unwrap();
    let ran = scene.ran.load(Ordering::Relaxed);
    assert_eq!(ran, usize::from(accepted) * (1 + usize::from(nested)), "accepted tasks run, refused ones do not");
    ran as u64
}

#[test]
fn what_is_accepted_runs_and_nobody_is_inside_when_it_ends() {
    SUBMIT.verify();
}

#[test]
fn a_closing_pool_takes_work_from_its_own_tasks() {
    NESTED.verify();
}
