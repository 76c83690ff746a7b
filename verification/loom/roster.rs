//! Workers that lose and get places while work comes.
//!
//! The first models run the steps of a worker's search (`src/pool/wait.rs`) over the real event count and roster, with a mistake on
//! request. The notification under test is the only source of a wake-up, and the job lets the workers go: if nobody
//! looks for it, then everybody sleeps and loom reports a deadlock. The pool's real core runs in `verification/shuttle/roster.rs`.

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
}

struct Scene {
    sleep: EventCount,
    jobs: AtomicU32,
    done: AtomicU32,
    mistake: Option<Mistake>,
}

impl Scene {
    /// Two seats, of which the first `places` are taken.
    fn new(places: usize, mistake: Option<Mistake>) -> Arc<Scene> {
        let roster = Roster::varying(1, 2);
        while roster.places() < places {
            let _ = roster.raise();
        }
        Arc::new(Scene {
            sleep: EventCount::with_roster(Allocator::SYSTEM, 2, roster).unwrap(),
            jobs: AtomicU32::new(0),
            done: AtomicU32::new(0),
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

    /// A worker until the job is done. Says whether it was this one that did it.
    fn work(&self, worker: usize) -> bool {
        let (sleep, roster) = (&self.sleep, self.sleep.roster());
        let is_done = || self.done.load(RELAXED) == 1;
        let mut searching = roster.has_place(worker) && sleep.try_begin_search();
        loop {
            if searching {
                let found = self.jobs.swap(0, RELAXED) == 1;
                if found || is_done() {
                    sleep.end_search(worker, || self.jobs.load(RELAXED) == 1);
                    if found {
                        self.done.store(1, RELAXED);
                        sleep.wake_all();
                    }
                    return found;
                }
            }
            let rests = (!searching || self.has(Mistake::RestAfterCall)) && !roster.has_place(worker);
            sleep.announce(worker, searching);
            if (rests || self.jobs.load(RELAXED) == 0) && !is_done() {
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
            let scene = Scene::new(2, mistake);
            let workers: Vec<_> = (0..2)
                .map(|worker| {
                    let scene = scene.clone();
                    thread::spawn(move || scene.work(worker))
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
            let scene = Scene::new(1, mistake);
            scene.sleep.roster().limit(1);
            let (working, publishing) = (scene.clone(), scene.clone());
            let worker = thread::spawn(move || working.work(1));
            let publisher = thread::spawn(move || publishing.publish(0));
            scene.lend();
            publisher.join().unwrap();
            u64::from(worker.join().unwrap())
        }),
        ..shrinking(None)
    }
}

#[test]
fn roster_no_job_waits_for_a_worker_without_a_place() {
    shrinking(None).verify();
    lending(None).verify();
}

#[test]
fn roster_mistakes_are_caught() {
    let twin = |model: Model| model.of("the same steps, without a mistake");
    tells_apart("RestAfterCall", shrinking(Some(Mistake::RestAfterCall)), twin(shrinking(None)));
    for mistake in [Mistake::GiveWithoutCall, Mistake::CallBeforeGiving] {
        tells_apart(&format!("{mistake:?}"), lending(Some(mistake)), twin(lending(None)));
    }
}
