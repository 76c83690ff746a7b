//! The loop of a worker, step by step as the pool runs it (`src/pool/worker.rs`), over a stand-in for
//! the event count. Every model of sleeping and
//! waking uses this one, under loom and under shuttle, so that what is checked is one loop and not many.

use vgpu_pool::os::alloc::Allocator;
use vgpu_pool::protocol::completion::Completion;
use vgpu_pool::protocol::event_count::EventCount;

/// What a worker needs to sleep without missing work: the event count, or one of the wrong designs of the zoo.
pub(crate) trait Sleep: Send + Sync + Sized + 'static {
    fn new(workers: usize) -> Self;
    fn notify_one(&self, near: usize);
    fn wake_all(&self);
    fn try_begin_search(&self) -> bool;
    fn end_search(&self, worker: usize, more_work: impl FnOnce() -> bool);
    fn announce(&self, worker: usize, searcher: bool);
    fn park(&self, worker: usize);
    fn withdraw(&self, worker: usize);
    /// Says what the worker waits for; 0 ends it.
    fn wait_on(&self, _worker: usize, _address: usize) {}
    /// Announces, looks once more by `look`, parks if there was nothing, and withdraws. Says whether it parked.
    fn idle(&self, worker: usize, searcher: bool, look: impl Fn() -> bool) -> bool {
        self.announce(worker, searcher);
        let parked = !look();
        if parked {
            self.park(worker);
        }
        self.withdraw(worker);
        parked
    }
}

impl Sleep for EventCount {
    fn new(workers: usize) -> EventCount {
        EventCount::new(Allocator::SYSTEM, workers).unwrap()
    }
    fn notify_one(&self, near: usize) {
        EventCount::notify_one(self, near);
    }
    fn wake_all(&self) {
        EventCount::wake_all(self);
    }
    fn try_begin_search(&self) -> bool {
        EventCount::try_begin_search(self)
    }
    fn end_search(&self, worker: usize, more_work: impl FnOnce() -> bool) {
        EventCount::end_search(self, worker, more_work);
    }
    fn announce(&self, worker: usize, searcher: bool) {
        EventCount::announce(self, worker, searcher);
    }
    fn park(&self, worker: usize) {
        EventCount::park(self, worker, None);
    }
    fn withdraw(&self, worker: usize) {
        EventCount::withdraw(self, worker);
    }
    fn wait_on(&self, worker: usize, address: usize) {
        EventCount::wait_on(self, worker, address);
    }
}

/// How a worker came by its job.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Found {
    /// At the first look of a search.
    Searching,
    /// After an announcement that the second look took back.
    Withdrawn,
    /// After a sleep.
    Woken,
}

/// What a worker works until: its pool ends, or what it waits for is there.
pub(crate) trait Awaited {
    fn is_done(&self) -> bool;
    /// Raises the flag that asks for a wake-up through the event count; false when the wait is over.
    fn register_helper(&self) -> bool;
    /// What that wake-up calls it, if there is such a wake-up.
    fn address(&self) -> Option<usize>;
}

/// The end of the pool. Every worker is given a permit then, whatever it waits on.
impl<F: Fn() -> bool> Awaited for F {
    fn is_done(&self) -> bool {
        self()
    }
    fn register_helper(&self) -> bool {
        true
    }
    fn address(&self) -> Option<usize> {
        None
    }
}

impl<T> Awaited for Completion<T> {
    fn is_done(&self) -> bool {
        Completion::is_done(self)
    }
    fn register_helper(&self) -> bool {
        Completion::register_helper(self)
    }
    fn address(&self) -> Option<usize> {
        Some(Completion::address(self))
    }
}

/// The pool around the loop.
pub(crate) trait Host {
    type Sleep: Sleep;
    type Job;
    fn sleep(&self) -> &Self::Sleep;
    fn take(&self, worker: usize) -> Option<Self::Job>;
    fn has_work(&self) -> bool;
    /// Runs the job. False when it never comes back, which stands for a job that runs for an hour.
    fn run(&self, worker: usize, job: Self::Job, found: Found) -> bool;
}

/// Runs jobs until `target` is done, asleep while there are none. False when a job did not come back.
pub(crate) fn work<H: Host>(host: &H, worker: usize, target: &impl Awaited) -> bool {
    while !target.is_done() {
        let searching = host.sleep().try_begin_search();
        if !search(host, worker, searching, Found::Searching, target) {
            return false;
        }
    }
    true
}

/// As [`work`], of a worker that has announced its sleep and has found nothing at its second look.
pub(crate) fn work_from_sleep<H: Host>(host: &H, worker: usize, target: &impl Awaited) -> bool {
    let sleep = host.sleep();
    sleep.park(worker);
    sleep.withdraw(worker);
    search(host, worker, true, Found::Woken, target) && work(host, worker, target)
}

/// Searches and sleeps until a job was found and run, or `target` is done. False when the job did not come back.
fn search<H: Host>(host: &H, worker: usize, mut searching: bool, mut found: Found, target: &impl Awaited) -> bool {
    let sleep = host.sleep();
    loop {
        if searching {
            let job = host.take(worker);
            if job.is_some() || target.is_done() {
                sleep.end_search(worker, || host.has_work());
                return job.is_none_or(|job| host.run(worker, job, found));
            }
        }
        if let Some(address) = target.address() {
            sleep.wait_on(worker, address);
        }
        let registered = target.register_helper();
        let parked = sleep.idle(worker, searching, || !registered || host.has_work() || target.is_done());
        if target.address().is_some() {
            sleep.wait_on(worker, 0);
        }
        found = if parked { Found::Woken } else { Found::Withdrawn };
        searching = true;
    }
}
