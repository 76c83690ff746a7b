//! Workers that sleep and producers that wake them.
//!
//! In every model the notification under test is the only source of a wake-up: the workers are let go by the job that runs
//! last, and if a wake-up is lost then some job never runs, everybody sleeps, and loom reports a deadlock. The models are
//! generic over the design, so that the wrong ones of the zoo run through the same.

use crate::model::Model;
use crate::worker_loop::{Found, Host, Sleep, work, work_from_sleep};
use loom::thread;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex};
use vgpu_pool::protocol::completion::Completion;
use vgpu_pool::protocol::event_count::EventCount;
use vgpu_pool::sync::{AtomicU32, AtomicUsize, RELAXED, Site, UnsafeCell};

const PUBLISH: Site = Site::new("model.PUBLISH", Ordering::Release, "the payload is written before the job is taken");
const TAKE: Site = Site::new("model.TAKE", Ordering::Acquire, "pairs with PUBLISH");

/// A pool of nothing but an inbox, which is a set of job numbers in one word, and a design for sleeping.
pub(crate) struct Scene<S> {
    sleep: S,
    inbox: AtomicUsize,
    workers: usize,
    jobs: usize,
    left: AtomicUsize,
    stop: AtomicU32,
    payload: [UnsafeCell<u32>; 2],
    /// Job 0 never comes back: the worker that has taken it is of no use for job 1.
    first_is_long: bool,
    /// Who ran each job, and how it was found.
    log: Mutex<[u64; 2]>,
}

// SAFETY: a payload is written by the producer before it publishes the job, and read by the one that takes it.
unsafe impl<S: Sync> Sync for Scene<S> {}
// SAFETY: as above.
unsafe impl<S: Send> Send for Scene<S> {}

impl<S: Sleep> Scene<S> {
    pub(crate) fn new(workers: usize, jobs: usize, first_is_long: bool) -> Arc<Scene<S>> {
        Arc::new(Scene {
            sleep: S::new(workers),
            inbox: AtomicUsize::new(0),
            workers,
            jobs,
            left: AtomicUsize::new(jobs - usize::from(first_is_long)),
            stop: AtomicU32::new(0),
            payload: [UnsafeCell::new(0), UnsafeCell::new(0)],
            first_is_long,
            log: Mutex::new([0; 2]),
        })
    }

    /// What a producer does.
    fn submit(&self, job: usize) {
        // SAFETY: nobody takes the job before it is published.
        self.payload[job].with_mut(|payload| unsafe { *payload = 1 });
        self.inbox.fetch_or(1 << job, PUBLISH);
        self.sleep.notify_one(0);
    }

    fn stopped(&self) -> bool {
        self.stop.load(TAKE) == 1
    }

    fn spawn_worker(self: &Arc<Self>, worker: usize) -> thread::JoinHandle<()> {
        let scene = self.clone();
        thread::spawn(move || {
            work(&*scene, worker, &|| scene.stopped());
        })
    }

    /// A worker that sleeps from the start, which spares loom the ways that lead there.
    fn spawn_sleeper(self: &Arc<Self>, worker: usize) -> thread::JoinHandle<()> {
        self.sleep.announce(worker, false);
        let scene = self.clone();
        thread::spawn(move || {
            work_from_sleep(&*scene, worker, &|| scene.stopped());
        })
    }

    fn spawn_producer(self: &Arc<Self>, jobs: &'static [usize]) -> thread::JoinHandle<()> {
        let scene = self.clone();
        thread::spawn(move || jobs.iter().for_each(|&job| scene.submit(job)))
    }

    fn outcome(&self, threads: Vec<thread::JoinHandle<()>>) -> u64 {
        for thread in threads {
            thread.join().unwrap();
        }
        let log = self.log.lock().unwrap();
        log[0] * 100 + log[1]
    }
}

impl<S: Sleep> Host for Scene<S> {
    type Sleep = S;
    type Job = usize;

    fn sleep(&self) -> &S {
        &self.sleep
    }

    fn take(&self, _worker: usize) -> Option<usize> {
        // Read-modify-write only: what a stale look would miss here, the look after the announcement is there to find.
        (0..self.jobs).find(|job| self.inbox.fetch_and(!(1 << job), TAKE) & 1 << job != 0)
    }

    fn has_work(&self) -> bool {
        self.inbox.load(RELAXED) != 0
    }

    fn run(&self, worker: usize, job: usize, found: Found) -> bool {
        // SAFETY: taken once, and loom says whether the producer's write comes before.
        assert_eq!(self.payload[job].with(|payload| unsafe { *payload }), 1);
        let how = match found {
            Found::Searching => 1,
            Found::Withdrawn => 2,
            Found::Woken => 3,
        };
        let before = std::mem::replace(&mut self.log.lock().unwrap()[job], worker as u64 * 10 + how);
        assert_eq!(before, 0, "job {job} ran twice");
        if self.first_is_long && job == 0 {
            return false;
        }
        if self.left.fetch_sub(1, RELAXED) == 1 {
            self.stop.store(1, PUBLISH);
            if self.workers > 1 {
                self.sleep.wake_all();
            }
        }
        true
    }
}

/// One worker, one producer, one job.
///
/// Outcomes: the worker finds it at its first look (1), at the look after its announcement (2), or after a sleep (3).
pub(crate) const fn one_and_one<S: Sleep>() -> Model {
    Model {
        group: "event_count",
        name: "1 worker 1 producer",
        threads: 2,
        operations: 2,
        bound: 3,
        outcomes: &[100, 200, 300],
        run: &run_one_and_one::<S>,
    }
}
fn run_one_and_one<S: Sleep>() -> u64 {
    let scene = Scene::<S>::new(1, 1, false);
    scene.outcome(vec![scene.spawn_worker(0), scene.spawn_producer(&[0])])
}

/// Announces all work as work for one.
struct ForOne(EventCount);

impl Sleep for ForOne {
    fn new(workers: usize) -> ForOne {
        ForOne(Sleep::new(workers))
    }
    fn notify_one(&self, near: usize) {
        self.0.notify_of([near].into_iter(), 1);
    }
    fn wake_all(&self) {
        self.0.wake_all();
    }
    fn try_begin_search(&self) -> bool {
        self.0.try_begin_search()
    }
    fn end_search(&self, worker: usize, more_work: impl FnOnce() -> bool) {
        self.0.end_search(worker, more_work);
    }
    fn announce(&self, worker: usize, searcher: bool) {
        self.0.announce(worker, searcher);
    }
    fn park(&self, worker: usize) {
        Sleep::park(&self.0, worker);
    }
    fn withdraw(&self, worker: usize) {
        Sleep::withdraw(&self.0, worker);
    }
}

/// As above, with work that this worker alone may do.
pub(crate) const WORK_FOR_ONE: Model = Model { name: "work for 1 worker", ..one_and_one::<ForOne>() };

/// One worker, two producers with a job each.
///
/// Outcomes: as above for each job, in every combination: a sleep or a look back may come before either.
pub(crate) const fn one_and_two<S: Sleep>() -> Model {
    Model {
        group: "event_count",
        name: "1 worker 2 producers",
        threads: 3,
        operations: 3,
        bound: 2,
        outcomes: &[101, 102, 103, 201, 202, 203, 301, 302, 303],
        run: &run_one_and_two::<S>,
    }
}
fn run_one_and_two<S: Sleep>() -> u64 {
    let scene = Scene::<S>::new(1, 2, false);
    scene.outcome(vec![scene.spawn_worker(0), scene.spawn_producer(&[0]), scene.spawn_producer(&[1])])
}

/// Two workers, one producer, one job.
///
/// Outcomes: either worker finds it, in any of the three ways.
pub(crate) const fn two_and_one<S: Sleep>() -> Model {
    Model {
        group: "event_count",
        name: "2 workers 1 producer",
        threads: 3,
        operations: 3,
        bound: 2,
        outcomes: &[100, 200, 300, 1100, 1200, 1300],
        run: &run_two_and_one::<S>,
    }
}
fn run_two_and_one<S: Sleep>() -> u64 {
    let scene = Scene::<S>::new(2, 1, false);
    scene.outcome(vec![scene.spawn_worker(0), scene.spawn_worker(1), scene.spawn_producer(&[0])])
}

/// The last searcher leaves for a long job while the producer, who saw it search, wakes nobody for the next. Worker 1
/// sleeps from the start.
///
/// Outcomes: if worker 1 is woken for the long job (13), worker 0 finds the other in any way. If worker 0 has it, worker 1
/// is woken for the other (13); or it was woken for the long job, found it gone, and saw the other at its second look (12).
/// The latter not when worker 0 slept as well (3), for then worker 0, being nearer, was the one woken for the long job.
pub(crate) const fn last_searcher_leaves<S: Sleep>() -> Model {
    Model {
        group: "event_count",
        name: "the last searcher leaves",
        threads: 3,
        operations: 4,
        bound: 2,
        outcomes: &[112, 113, 212, 213, 313, 1301, 1302, 1303],
        run: &run_last_searcher_leaves::<S>,
    }
}
fn run_last_searcher_leaves<S: Sleep>() -> u64 {
    let scene = Scene::<S>::new(2, 2, true);
    scene.outcome(vec![scene.spawn_sleeper(1), scene.spawn_worker(0), scene.spawn_producer(&[0, 1])])
}

/// A worker is claimed while it withdraws, finds a long job, and leaves before its claimer has counted it.
///
/// Outcomes: as above; or the short job ended the model before the long one was taken, found by worker 0 in any way or by
/// worker 1 when it woke (0 for the long job). Worker 1 cannot have looked in vain before, with the long job untaken.
pub(crate) const fn claimed_while_withdrawing<S: Sleep>() -> Model {
    Model {
        group: "event_count",
        name: "claimed while withdrawing",
        threads: 4,
        operations: 4,
        bound: 1,
        outcomes: &[1, 2, 3, 13, 112, 113, 212, 213, 313, 1301, 1302, 1303],
        run: &run_claimed_while_withdrawing::<S>,
    }
}
fn run_claimed_while_withdrawing<S: Sleep>() -> u64 {
    let scene = Scene::<S>::new(2, 2, true);
    scene.outcome(vec![
        scene.spawn_sleeper(1),
        scene.spawn_worker(0),
        scene.spawn_producer(&[0]),
        scene.spawn_producer(&[1]),
    ])
}

/// A pool of one worker that waits for a completion and helps meanwhile.
struct Waiting {
    scene: Arc<Scene<EventCount>>,
    awaited: Completion<()>,
    /// Set when the job has run, for a setter that waits for that.
    ran: Completion<()>,
}

impl Waiting {
    fn new() -> Arc<Waiting> {
        Arc::new(Waiting { scene: Scene::new(1, 1, false), awaited: Completion::new(), ran: Completion::new() })
    }

    /// Waits as the pool does, then works on until the job has run. True if the job ran during the wait.
    fn spawn_helper(self: &Arc<Self>) -> thread::JoinHandle<bool> {
        let this = self.clone();
        thread::spawn(move || {
            work(&*this, 0, &this.awaited);
            let helped = this.scene.log.lock().unwrap()[0] != 0;
            work(&*this, 0, &|| this.scene.stopped());
            helped
        })
    }

    fn complete(&self) {
        // SAFETY: called once.
        let wakeups = unsafe { self.awaited.set(()) };
        if let Some(address) = wakeups.helpers() {
            self.scene.sleep.notify_waiters(address);
        }
    }

    fn outcome(&self, helper: thread::JoinHandle<bool>, others: Vec<thread::JoinHandle<()>>) -> u64 {
        let helped = helper.join().unwrap();
        self.scene.outcome(others) + u64::from(helped)
    }
}

impl Host for Waiting {
    type Sleep = EventCount;
    type Job = usize;
    fn sleep(&self) -> &EventCount {
        &self.scene.sleep
    }
    fn take(&self, worker: usize) -> Option<usize> {
        self.scene.take(worker)
    }
    fn has_work(&self) -> bool {
        self.scene.has_work()
    }
    fn run(&self, worker: usize, job: usize, found: Found) -> bool {
        self.scene.run(worker, job, found);
        // SAFETY: the one job runs once.
        unsafe { self.ran.set(()) }.wake_blocked();
        true
    }
}

/// New work and the completion come from two threads at once; either alone must wake the worker.
///
/// Outcomes: the job is found in any of the three ways, during the wait (1) or after it.
const HELPER: Model = Model {
    group: "event_count",
    name: "waiting worker",
    threads: 3,
    operations: 4,
    bound: 2,
    outcomes: &[100, 101, 200, 201, 300, 301],
    run: &run_helper,
};
fn run_helper() -> u64 {
    let waiting = Waiting::new();
    let helper = waiting.spawn_helper();
    let producer = waiting.scene.spawn_producer(&[0]);
    let setter = {
        let waiting = waiting.clone();
        thread::spawn(move || waiting.complete())
    };
    waiting.outcome(helper, vec![producer, setter])
}

/// The completion comes only after the job has run: the worker must wake for the job while it waits.
///
/// Outcomes: the job is found in any of the three ways, always during the wait.
const HELPER_IS_NEEDED: Model = Model {
    group: "event_count",
    name: "waiting worker runs what it waits for",
    threads: 2,
    operations: 5,
    bound: 3,
    outcomes: &[101, 201, 301],
    run: &run_needed,
};
fn run_needed() -> u64 {
    let waiting = Waiting::new();
    let helper = waiting.spawn_helper();
    let setter = {
        let waiting = waiting.clone();
        thread::spawn(move || {
            waiting.scene.submit(0);
            assert!(waiting.ran.wait(None));
            waiting.complete();
        })
    };
    waiting.outcome(helper, vec![setter])
}

#[test]
fn work_for_one_is_not_slept_on() {
    WORK_FOR_ONE.verify();
}

#[test]
fn one_worker_one_producer() {
    one_and_one::<EventCount>().verify();
}

#[test]
fn one_worker_two_producers() {
    one_and_two::<EventCount>().verify();
}

#[test]
fn two_workers_one_producer() {
    two_and_one::<EventCount>().verify();
}

#[test]
fn the_last_searcher_wakes_a_successor() {
    last_searcher_leaves::<EventCount>().verify();
}

#[test]
fn a_claim_counts_from_its_first_step() {
    claimed_while_withdrawing::<EventCount>().verify();
}

#[test]
fn a_waiting_worker_wakes_for_work_and_for_what_it_waits_for() {
    HELPER.verify();
}

#[test]
fn a_waiting_worker_runs_what_it_waits_for() {
    HELPER_IS_NEEDED.verify();
}
