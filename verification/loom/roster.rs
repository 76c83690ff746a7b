//! Workers that lose and get places while work comes.
//!
//! The first models run the steps of a worker's search (`src/pool/wait.rs`) over the real event count and roster, with a mistake on
//! request. The notification under test is the only source of a wake-up, and the jobs let the workers go: if nobody
//! looks for one, then everybody sleeps and loom reports a deadlock. The pool's real core runs in `verification/shuttle/roster.rs`.

use crate::model::{Model, constant, tells_apart};
use loom::thread;
use std::sync::Arc;
use vgpu_pool::os::alloc::Allocator;
use vgpu_pool::protocol::event_count::EventCount;
use vgpu_pool::protocol::roster::Roster;
use vgpu_pool::sync::{AtomicU32, RELAXED};

/// What can go wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Mistake {
    /// A worker that was called and has lost its place rests without looking for work.
    RestAfterCall,
    /// A place is given, and the newcomer is not called.
    GiveWithoutCall,
    /// The newcomer is called, and then given its place.
    CallBeforeGiving,
    /// The newcomer is counted on for the rest of the work, although it is awake.
    CountOnAwake,
    /// The cap is lifted, and nobody is called.
    LiftSilently,
}

struct Scene {
    sleep: EventCount,
    jobs: AtomicU32,
    /// How many jobs are to be done yet before the workers may go.
    undone: AtomicU32,
    mistake: Option<Mistake>,
}

impl Scene {
    /// So many seats, of which the first `places` are taken, and jobs to be done in all, none of which is published.
    fn new(seats: usize, places: usize, jobs: u32, mistake: Option<Mistake>) -> Arc<Scene> {
        let roster = Roster::varying(1, seats);
        while roster.places() < places {
            let _ = roster.raise();
        }
        Arc::new(Scene {
            sleep: EventCount::with_roster(Allocator::SYSTEM, seats, roster).unwrap(),
            jobs: AtomicU32::new(0),
            undone: AtomicU32::new(jobs),
            mistake,
        })
    }

    fn has(&self, mistake: Mistake) -> bool {
        self.mistake == Some(mistake)
    }

    fn publish(&self, near: usize) {
        // By an exchange: loom orders a store behind an exchange that it comes after.
        self.jobs.swap(1, RELAXED);
        self.sleep.notify_one(near);
    }

    fn lend(&self) {
        match self.mistake {
            Some(Mistake::GiveWithoutCall) => {
                let _ = self.sleep.roster().lend();
            }
            Some(Mistake::CallBeforeGiving) => {
                self.sleep.call(1);
                let _ = self.sleep.roster().lend();
            }
            _ => self.sleep.lend(),
        }
    }

    /// The end of the search of worker 0.
    fn end_search(&self) {
        if self.has(Mistake::CountOnAwake) {
            self.sleep.end_search(0, || false);
            let _ = self.sleep.roster().raise().is_some_and(|newcomer| self.sleep.call(newcomer));
        } else {
            self.sleep.end_search(0, || self.has_job());
        }
    }

    fn lift_limit(&self) {
        if self.has(Mistake::LiftSilently) {
            self.sleep.roster().limit(2);
        } else {
            self.sleep.limit(2);
        }
    }

    fn has_job(&self) -> bool {
        self.jobs.load(RELAXED) != 0
    }

    /// Does a job if there is one. The last lets the workers go.
    fn do_job(&self) -> bool {
        let mut jobs = self.jobs.load(RELAXED);
        while jobs != 0 {
            match self.jobs.compare_exchange(jobs, jobs - 1, RELAXED) {
                Ok(_) => {
                    if self.undone.fetch_sub(1, RELAXED) == 1 {
                        self.sleep.wake_all();
                    }
                    return true;
                }
                Err(found) => jobs = found,
            }
        }
        false
    }

    /// A worker that is awake, until it has done a job and is busy with it for an hour, or all are done. Says whether it did one.
    fn work(&self, worker: usize) -> bool {
        let has_place = self.sleep.roster().has_place(worker);
        (has_place && self.do_job()) || self.search(worker)
    }

    /// As [`work`](Self::work), from its search on.
    fn search(&self, worker: usize) -> bool {
        let (sleep, roster) = (&self.sleep, self.sleep.roster());
        let is_done = || self.undone.load(RELAXED) == 0;
        let mut searching = roster.has_place(worker) && sleep.try_begin_search();
        loop {
            if searching {
                let found = self.do_job();
                if found || is_done() {
                    sleep.end_search(worker, || self.has_job());
                    return found;
                }
            }
            let rests = (!searching || self.has(Mistake::RestAfterCall)) && !roster.has_place(worker);
            sleep.announce(worker, searching);
            if (rests || !self.has_job()) && !is_done() {
                sleep.park(worker, None);
            }
            sleep.withdraw(worker);
            searching = true;
        }
    }
}

/// Two workers with places, one of which loses it when a job has come.
///
/// Outcomes: the worker that did the job.
fn shrinking(mistake: Option<Mistake>) -> Model {
    Model {
        group: "roster",
        name: "a place is lost",
        threads: 3,
        operations: 4,
        bound: 2,
        outcomes: &[0, 1],
        run: constant(move || {
            let scene = Scene::new(2, 2, 1, mistake);
            let workers: Vec<_> = (0..2)
                .map(|worker| {
                    let scene = scene.clone();
                    thread::spawn(move || scene.search(worker))
                })
                .collect();
            scene.publish(1);
            scene.sleep.roster().limit(1);
            let did: Vec<bool> = workers.into_iter().map(|worker| worker.join().unwrap()).collect();
            assert_eq!(did.iter().filter(|did| **did).count(), 1);
            u64::from(did[1])
        }),
    }
}

/// The worker that has a place is busy for an hour; it lends its place while another thread publishes a job.
///
/// One outcome: the other worker does it.
fn lending(mistake: Option<Mistake>) -> Model {
    Model {
        name: "a place is lent",
        operations: 3,
        bound: 3,
        outcomes: &[1],
        run: constant(move || {
            let scene = Scene::new(2, 1, 1, mistake);
            scene.sleep.roster().limit(1);
            let (working, publishing) = (scene.clone(), scene.clone());
            let worker = thread::spawn(move || working.search(1));
            let publisher = thread::spawn(move || publishing.publish(0));
            scene.lend();
            publisher.join().unwrap();
            u64::from(worker.join().unwrap())
        }),
        ..shrinking(None)
    }
}

/// Two jobs were published while worker 0 searched, which is busy for an hour now. One worker comes from its start, one rests.
///
/// One outcome: each does a job.
fn growing(mistake: Option<Mistake>) -> Model {
    Model {
        name: "a newcomer is awake",
        operations: 3,
        bound: 2,
        outcomes: &[3],
        run: constant(move || {
            let scene = Scene::new(3, 1, 2, mistake);
            assert!(scene.sleep.try_begin_search());
            scene.jobs.swap(2, RELAXED);
            let (first, second) = (scene.clone(), scene.clone());
            let awake = thread::spawn(move || first.work(1));
            let resting = thread::spawn(move || second.search(2));
            scene.end_search();
            u64::from(awake.join().unwrap()) | u64::from(resting.join().unwrap()) << 1
        }),
        ..shrinking(None)
    }
}

/// A job waits since all that may have places are busy for an hour. Then one more may.
///
/// One outcome: that one does it.
fn lifting(mistake: Option<Mistake>) -> Model {
    Model {
        name: "a limit is lifted",
        threads: 2,
        operations: 2,
        bound: 3,
        outcomes: &[1],
        run: constant(move || {
            let scene = Scene::new(2, 1, 1, mistake);
            scene.sleep.roster().limit(1);
            scene.publish(0);
            let working = scene.clone();
            let worker = thread::spawn(move || working.search(1));
            scene.lift_limit();
            u64::from(worker.join().unwrap())
        }),
        ..shrinking(None)
    }
}

#[test]
fn roster_no_job_waits_for_a_worker_without_a_place() {
    shrinking(None).verify();
    lending(None).verify();
    growing(None).verify();
    lifting(None).verify();
}

#[test]
fn roster_mistakes_are_caught() {
    let twin = |model: Model| model.of("the same steps, without a mistake");
    tells_apart("RestAfterCall", shrinking(Some(Mistake::RestAfterCall)), twin(shrinking(None)));
    for mistake in [Mistake::GiveWithoutCall, Mistake::CallBeforeGiving] {
        tells_apart(&format!("{mistake:?}"), lending(Some(mistake)), twin(lending(None)));
    }
    tells_apart("CountOnAwake", growing(Some(Mistake::CountOnAwake)), twin(growing(None)));
    tells_apart("LiftSilently", lifting(Some(Mistake::LiftSilently)), twin(lifting(None)));
}
