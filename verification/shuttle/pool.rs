//! The pool's real core under shuttle: the code of `src/pool/`, on threads of the model instead of the system's.
//!
//! Every scenario ends by closing the pool and joining its workers, so a lost wake-up, a lost task or a count that is not
//! taken back shows as a deadlock; and by asking that everything the tasks held was dropped once.

use crate::schedules::verify;
use shuttle::thread::{self, JoinHandle};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use vgpu_pool::error::{Error, Result, Status};
use vgpu_pool::pool::core::Core;
use vgpu_pool::pool::{Config, Group, WhenFull, Worker};

/// Schedules that each scenario gets from each scheduler.
const SCHEDULES: usize = 4_000;

/// A pool whose workers are threads of the model.
pub(crate) struct Host {
    pub(crate) core: Arc<Core>,
    workers: Vec<JoinHandle<()>>,
}

impl Host {
    pub(crate) fn start(workers: usize, inbox: usize, when_full: WhenFull) -> Host {
        Host::start_some(workers, workers, inbox, when_full)
    }

    /// A pool some of whose threads could not be started.
    fn start_some(started: usize, workers: usize, inbox: usize, when_full: WhenFull) -> Host {
        let core =
            Arc::new(Core::new(workers, &Config { inbox_capacity: inbox, when_full, ..Config::default() }).unwrap());
        let start = |index| {
            let core = core.clone();
            thread::spawn(move || core.run_worker(index))
        };
        Host { workers: (0..started).map(start).collect(), core }
    }

    pub(crate) fn spawn(&self, action: impl FnOnce(&Core) + Send + 'static) -> JoinHandle<()> {
        let core = self.core.clone();
        thread::spawn(move || action(&core))
    }

    pub(crate) fn end(self) {
        self.core.close();
        join(self.workers);
    }
}

pub(crate) fn join(threads: impl IntoIterator<Item = JoinHandle<()>>) {
    threads.into_iter().for_each(|thread| thread.join().unwrap());
}

/// Counts how often something was done.
#[derive(Clone, Default)]
pub(crate) struct Count(Arc<AtomicUsize>);

impl Count {
    pub(crate) fn add(&self) -> usize {
        self.0.fetch_add(1, Relaxed)
    }
    pub(crate) fn get(&self) -> usize {
        self.0.load(Relaxed)
    }
    /// Whether nobody else holds a clone, which every task of these scenarios does.
    fn is_sole(&self) -> bool {
        Arc::strong_count(&self.0) == 1
    }
}

pub(crate) fn failure<R>() -> Result<R> {
    Err(Error::new(Status::TaskFailed, format_args!("as asked")))
}

fn fib(worker: &Worker, n: u64) -> u64 {
    if n < 2 {
        return n;
    }
    let (a, b) = worker.join(|worker| fib(worker, n - 1), |worker| fib(worker, n - 2));
    a + b
}

#[test]
fn every_task_runs_once_and_its_value_comes_out() {
    verify("pool submit and get", SCHEDULES, || {
        let (host, ran) = (Host::start(3, 4, WhenFull::Block), Count::default());
        let submitters = [0, 10, 20].map(|base| {
            let ran = ran.clone();
            host.spawn(move |core| {
                let task = |i: usize| {
                    let ran = ran.clone();
                    core.try_submit(move |_| {
                        ran.add();
                        Ok(base + i)
                    })
                };
                let futures = [0, 1, 2].map(|i| task(i).unwrap());
                let values = futures.map(|future| future.get().unwrap());
                assert_eq!(values, [base, base + 1, base + 2]);
            })
        });
        join(submitters);
        host.end();
        assert_eq!(ran.get(), 9);
        assert!(ran.is_sole());
    });
}

#[test]
fn forks_are_joined_wherever_they_run() {
    verify("pool fork and join", SCHEDULES, || {
        let host = Host::start(3, 4, WhenFull::Block);
        let callers = [4, 5].map(|n| {
            host.spawn(move |core| {
                assert_eq!(core.run(|worker| Ok(fib(worker, n))).unwrap(), [3, 5][n as usize - 4]);
            })
        });
        join(callers);
        host.end();
    });
}

#[test]
fn a_full_inbox_does_what_was_chosen() {
    for when_full in [WhenFull::Error, WhenFull::Block, WhenFull::Run] {
        verify(&format!("pool full inbox, {when_full:?}"), SCHEDULES, move || {
            let (host, ran, refused) = (Host::start(1, 2, when_full), Count::default(), Count::default());
            let submitters = [(), ()].map(|()| {
                let (ran, refused) = (ran.clone(), refused.clone());
                host.spawn(move |core| {
                    for _ in 0..4 {
                        let ran = ran.clone();
                        match core.try_submit(move |_| Ok(ran.add())) {
                            Ok(future) => drop(future),
                            Err(error) => {
                                assert_eq!(error.status(), Status::QueueFull);
                                refused.add();
                            }
                        }
                    }
                })
            });
            join(submitters);
            host.end();
            assert_eq!(ran.get() + refused.get(), 8);
            assert!(when_full == WhenFull::Error || refused.get() == 0);
            assert!(ran.is_sole());
        });
    }
}

#[test]
fn a_task_runs_or_is_cancelled() {
    verify("pool cancel against run", SCHEDULES, || {
        let (host, ran) = (Host::start(2, 4, WhenFull::Block), Count::default());
        let cancellers = [(), ()].map(|()| {
            let ran = ran.clone();
            host.spawn(move |core| {
                for _ in 0..2 {
                    let (before, inner) = (Count::default(), ran.clone());
                    let mark = before.clone();
                    let future = core
                        .try_submit(move |_| {
                            mark.add();
                            Ok(inner.add())
                        })
                        .unwrap();
                    let cancelled = future.cancel();
                    let outcome = future.get();
                    assert_eq!(outcome.is_err(), cancelled);
                    assert_eq!(before.get(), usize::from(!cancelled));
                }
            })
        });
        join(cancellers);
        host.end();
        assert!(ran.is_sole());
    });
}

#[test]
fn what_was_accepted_before_the_end_is_run() {
    verify("pool submit against close", SCHEDULES, || {
        let (host, ran, accepted) = (Host::start(2, 4, WhenFull::Block), Count::default(), Count::default());
        let submitters = [(), ()].map(|()| {
            let (ran, accepted) = (ran.clone(), accepted.clone());
            host.spawn(move |core| {
                for _ in 0..3 {
                    let inner = ran.clone();
                    match core.try_submit(move |_| Ok(inner.add())) {
                        Ok(future) => {
                            accepted.add();
                            drop(future);
                        }
                        Err(error) => assert_eq!(error.status(), Status::Closed),
                    }
                }
            })
        });
        // While they submit.
        host.end();
        join(submitters);
        assert_eq!(ran.get(), accepted.get());
        assert!(ran.is_sole());
    });
}

#[test]
fn tasks_may_submit_while_the_pool_drains() {
    verify("pool submit inside while draining", SCHEDULES, || {
        let (host, ran) = (Host::start(2, 2, WhenFull::Block), Count::default());
        let (core, inner) = (host.core.clone(), ran.clone());
        let outer = host.core.try_submit(move |_| {
            for _ in 0..3 {
                let inner = inner.clone();
                drop(core.try_submit(move |_| Ok(inner.add()))?);
            }
            Ok(())
        });
        drop(outer.unwrap());
        host.end();
        assert_eq!(ran.get(), 3);
        assert!(ran.is_sole());
    });
}

#[test]
fn a_pool_whose_threads_did_not_all_start_ends() {
    for started in [1, 2] {
        verify(&format!("pool with {started} of 3 threads"), SCHEDULES, move || {
            let (host, ran) = (Host::start_some(started, 3, 4, WhenFull::Block), Count::default());
            let submitters = [(), ()].map(|()| {
                let ran = ran.clone();
                host.spawn(move |core| {
                    for _ in 0..2 {
                        let inner = ran.clone();
                        drop(core.try_submit(move |_| Ok(inner.add())).unwrap());
                    }
                })
            });
            join(submitters);
            host.end();
            assert_eq!(ran.get(), 4);
        });
    }
}

#[test]
fn a_task_that_waits_helps() {
    verify("pool wait inside a task", SCHEDULES, || {
        let (host, ran) = (Host::start(2, 4, WhenFull::Block), Count::default());
        let callers = [(), ()].map(|()| {
            let (ran, inside) = (ran.clone(), host.core.clone());
            host.spawn(move |core| {
                let sum = core.try_submit(move |_| {
                    let parts = [1, 2, 3].map(|i| {
                        let ran = ran.clone();
                        inside.try_submit(move |_| {
                            ran.add();
                            Ok(i)
                        })
                    });
                    parts.into_iter().map(|part| part?.get()).sum::<Result<i32>>()
                });
                assert_eq!(sum.unwrap().get().unwrap(), 6);
            })
        });
        join(callers);
        host.end();
        assert_eq!(ran.get(), 6);
        assert!(ran.is_sole());
    });
}

#[test]
fn a_group_is_done_when_its_tasks_are() {
    verify("pool groups", SCHEDULES, || {
        let (host, ran) = (Host::start(3, 4, WhenFull::Block), Count::default());
        let callers = [false, true].map(|inside| {
            let ran = ran.clone();
            host.spawn(move |core| {
                let go = |ran: &Count| {
                    let mut group = Group::new(core)?;
                    for round in 0..2 {
                        for i in 0..2 {
                            let ran = ran.clone();
                            group.submit(move |_| {
                                ran.add();
                                if round == 1 && i == 0 { failure() } else { Ok(()) }
                            })?;
                        }
                        let outcome = group.wait();
                        assert_eq!(
                            outcome.err().map(|error| error.status()),
                            (round == 1).then_some(Status::TaskFailed)
                        );
                    }
                    Ok(())
                };
                if inside { core.run(|_| go(&ran)) } else { go(&ran) }.unwrap();
            })
        });
        join(callers);
        host.end();
        assert_eq!(ran.get(), 8);
        assert!(ran.is_sole());
    });
}

#[test]
fn failures_panics_and_callbacks_arrive_once() {
    verify("pool failures and callbacks", SCHEDULES, || {
        let (host, called) = (Host::start(2, 4, WhenFull::Block), Count::default());
        let callers = [0, 1, 2].map(|kind| {
            let called = called.clone();
            host.spawn(move |core| {
                let future = core
                    .try_submit(move |_| match kind {
                        0 => Ok(7),
                        1 => failure(),
                        // Without the message that a panic prints.
                        _ => std::panic::resume_unwind(Box::new("as asked")),
                    })
                    .unwrap();
                let expected = [None, Some(Status::TaskFailed), Some(Status::Panic)][kind];
                future
                    .on_complete(move |outcome| {
                        assert_eq!(outcome.err().map(|error| error.status()), expected);
                        called.add();
                    })
                    .unwrap();
                if kind != 2 {
                    assert_eq!(future.get().err().map(|error| error.status()), expected);
                }
            })
        });
        join(callers);
        host.end();
        assert_eq!(called.get(), 3);
        assert!(called.is_sole());
    });
}

#[test]
fn a_panic_of_either_side_of_a_fork_comes_out_after_both() {
    verify("pool panics in forks", SCHEDULES, || {
        let host = Host::start(2, 4, WhenFull::Block);
        let callers = [false, true].map(|left| {
            host.spawn(move |core| {
                let inside = Count::default();
                let outcome = core.run(|worker| {
                    let side = |panics: bool| {
                        inside.add();
                        if panics {
                            std::panic::resume_unwind(Box::new("as asked"));
                        }
                    };
                    worker.join(|_| side(left), |_| side(!left));
                    Ok(())
                });
                assert_eq!(outcome.err().map(|error| error.status()), Some(Status::Panic));
                // A left side that panics may spare the right one, but never leaves it running.
                assert!(inside.get() == 2 || left && inside.get() == 1);
            })
        });
        join(callers);
        host.end();
    });
}

#[test]
fn waiting_for_all_sees_all() {
    verify("pool wait for all", SCHEDULES, || {
        let (host, ran) = (Host::start(2, 4, WhenFull::Block), Count::default());
        let submitters = [(), ()].map(|()| {
            let ran = ran.clone();
            host.spawn(move |core| {
                let mine = Count::default();
                for _ in 0..2 {
                    let (mine, ran) = (mine.clone(), ran.clone());
                    drop(core.try_submit(move |_| {
                        mine.add();
                        Ok(ran.add())
                    }));
                }
                core.wait_all().unwrap();
                assert_eq!(mine.get(), 2);
            })
        });
        join(submitters);
        host.core.wait_all().unwrap();
        assert_eq!(ran.get(), 4);
        host.end();
        assert!(ran.is_sole());
    });
}
