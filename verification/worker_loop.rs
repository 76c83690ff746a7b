//! The loop of a worker, exactly as the pool runs it, over a stand-in for the event count. Every model of sleeping and
//! waking uses this one, under loom and under shuttle, so that what is checked is one loop and not many.

use vgpu_pool::os::alloc::Allocator;
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
}

/// How a worker came by its job.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Found {
    /// It lay in the worker's own queue.
    Local,
    /// At the first look of a search.
    Searching,
    /// After an announcement that the second look took back.
    Withdrawn,
    /// After a sleep.
    Woken,
}

/// The pool around the loop.
pub(crate) trait Host {
    type Sleep: Sleep;
    type Job;
    fn sleep(&self) -> &Self::Sleep;
    /// Work that only this worker looks for.
    fn take_local(&self, _worker: usize) -> Option<Self::Job> {
        None
    }
    /// Work that a searcher looks for.
    fn take(&self, worker: usize) -> Option<Self::Job>;
    fn has_work(&self) -> bool;
    /// Runs the job. False when it never comes back, which stands for a job that runs for an hour.
    fn run(&self, worker: usize, job: Self::Job, found: Found) -> bool;
}

/// Runs jobs until `stop`, asleep while there are none.
pub(crate) fn work<H: Host>(host: &H, worker: usize, stop: impl Fn() -> bool) {
    loop {
        while let Some(job) = host.take_local(worker) {
            if !host.run(worker, job, Found::Local) {
                return;
            }
        }
        if !search(host, worker, &stop) {
            return;
        }
    }
}

/// Runs other jobs until `done`, asleep while there are none: how a worker waits.
pub(crate) fn help<H: Host>(host: &H, worker: usize, done: impl Fn() -> bool) {
    while !done() && search(host, worker, &done) {}
}

/// As [`work`], of a worker that has announced its sleep and looked once more already.
pub(crate) fn work_from_sleep<H: Host>(host: &H, worker: usize, stop: impl Fn() -> bool) {
    let sleep = host.sleep();
    sleep.park(worker);
    sleep.withdraw(worker);
    if stop() {
        sleep.end_search(worker, || host.has_work());
    } else if search_on(host, worker, true, Found::Woken, &stop) {
        work(host, worker, stop);
    }
}

/// Searches and sleeps until one job was found, and runs it; false when `stop` came first.
fn search<H: Host>(host: &H, worker: usize, stop: impl Fn() -> bool) -> bool {
    let searching = host.sleep().try_begin_search();
    search_on(host, worker, searching, Found::Searching, stop)
}

fn search_on<H: Host>(host: &H, worker: usize, mut searching: bool, mut found: Found, stop: impl Fn() -> bool) -> bool {
    let sleep = host.sleep();
    loop {
        if searching && let Some(job) = host.take(worker) {
            sleep.end_search(worker, || host.has_work());
            return host.run(worker, job, found);
        }
        let parked = sleep.idle(worker, searching, || host.has_work() || stop());
        found = if parked { Found::Woken } else { Found::Withdrawn };
        searching = true;
        if stop() {
            sleep.end_search(worker, || host.has_work());
            return false;
        }
    }
}
