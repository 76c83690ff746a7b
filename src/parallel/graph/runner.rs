//! How a worker goes through the vertices that it has.

use super::core::Core;
use super::ready::List as ReadyList;
use crate::pool::{Job, Shelf, Worker};
use core::mem;
use core::ptr::NonNull;

/// A list longer than this is cut before it is shelved, so that its holder and a thief do not take turns at one list for each of
/// its vertices.
const CHUNK: u32 = 32;
/// A worker shelves so many lists at most; a further one is joined to the newest. Its deque need not grow for them.
const SHELVED: usize = 16;

/// Runs a list that a worker took from a deque.
///
/// # Safety
/// The job was made of a list, and taken by this thread.
pub(super) unsafe extern "C" fn run_job(job: NonNull<Job>, worker: &Worker) {
    // SAFETY: by contract.
    unsafe {
        let list = ReadyList::from_job(job);
        run_list(list.graph(), worker, list);
    }
}

/// Settles the vertices of a list, and what they make ready, until there is nothing left here, and counts them off. Whoever
/// counts off the last of a round goes on with the next, or ends the run. A graph that nobody else holds may be gone then.
///
/// # Safety
/// The vertices are of this graph, and the calling thread's.
pub(super) unsafe fn run_list(graph: *const Core, worker: &Worker, mut list: ReadyList) {
    let mut runner = Runner { worker, shelf: Shelf::new(worker), unshelved: ReadyList::new(), settled: 0, skipped: 0 };
    // SAFETY: until its vertices are counted off below the graph is there, and until the run is ended if they were the last.
    unsafe {
        loop {
            runner.run(&*graph, list);
            let skipped = mem::take(&mut runner.skipped);
            if skipped > 0 {
                (*graph).gate.skip(skipped);
            }
            if !(*graph).round.arrive_together(mem::take(&mut runner.settled)) {
                return;
            }
            if !(*graph).choose_round() {
                break;
            }
            list = (*graph).start_round();
        }
        // The last touch of the graph.
        let finished = (*graph).running.finish(1);
        worker.core().finish_run(finished);
    }
}

/// A worker's loop through the vertices that it has.
struct Runner<'w> {
    worker: &'w Worker,
    shelf: Shelf<'w>,
    /// What there was no room for in the deque.
    unshelved: ReadyList,
    settled: u32,
    skipped: u32,
}

impl Runner<'_> {
    /// # Safety
    /// The vertices are of this graph, and the calling thread's.
    unsafe fn run(&mut self, graph: &Core, mut list: ReadyList) {
        // SAFETY: what is in a list or on the shelf, and was not stolen, is this thread's.
        unsafe {
            while let Some(first) = list.take_first() {
                if list.len() >= CHUNK {
                    let rest = list.cut(CHUNK - 1);
                    self.put(rest);
                }
                self.put(list);
                let mut next = Some(first);
                while let Some(vertex) = next {
                    let others;
                    (next, others) = graph.settle(self.worker, vertex, &mut self.skipped);
                    self.settled += 1;
                    self.put(others);
                }
                list = match self.shelf.take() {
                    Some(job) => ReadyList::from_job(job),
                    None => mem::replace(&mut self.unshelved, ReadyList::new()),
                };
            }
        }
    }

    /// Puts a list where others can take it.
    ///
    /// # Safety
    /// The vertices are the calling thread's.
    unsafe fn put(&mut self, list: ReadyList) {
        // SAFETY: the first's by contract; what is taken from the shelf is this thread's.
        unsafe {
            if list.is_empty() {
                return;
            }
            let mut whole = list;
            if self.shelf.len() >= SHELVED
                && let Some(job) = self.shelf.take()
            {
                let newer = mem::replace(&mut whole, ReadyList::from_job(job));
                whole.append(newer);
            }
            match whole.as_job() {
                Some(job) if self.shelf.put(job) => {}
                _ => self.unshelved.append(whole),
            }
        }
    }
}
