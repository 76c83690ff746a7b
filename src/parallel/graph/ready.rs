//! Vertices, and lists of those that are ready. A list is linked through the vertices themselves, so that it needs no memory;
//! a vertex is in one list at a time, because it becomes ready once a run.

use super::body::Body;
use super::core::Core;
use crate::pool::Job;
use crate::protocol::arrivals::Arrivals;
use crate::sync::{IS_CHECKED, UnsafeCell};
use core::mem;
use core::ptr::{self, NonNull};

/// The [`condition`](Station::condition) of a vertex that chooses nothing.
pub(super) const NO_CONDITION: u32 = u32::MAX;

/// A vertex of a graph that can run. The first field is what the deques know of it, so that either's address is the other's.
#[derive(Debug)]
#[repr(C, align(64))]
pub(super) struct Station {
    job: Job,
    pub(super) arrivals: Arrivals,
    pub(super) predecessors: u32,
    /// Where its successors begin and end in the graph's list of them. What a condition chooses from are regions instead.
    pub(super) successors: (u32, u32),
    /// Its place among the graph's conditions, or [`NO_CONDITION`].
    pub(super) condition: u32,
    /// Touched by whoever has the vertex: the maker of the list it is in, then the taker.
    pub(super) place: UnsafeCell<Place>,
    /// Called by whoever runs the vertex.
    pub(super) body: UnsafeCell<Body>,
    pub(super) graph: *const Core,
}

/// What a ready vertex knows of its list.
#[derive(Clone, Copy, Debug)]
pub(super) struct Place {
    /// The next in the list, if this is not the last.
    next: *const Station,
    /// The last of the list and how many there are, if this is the first.
    last: *const Station,
    length: u32,
    /// Whether a predecessor failed.
    pub(super) failed: bool,
}

impl Station {
    pub(super) fn new(body: Body, predecessors: u32, successors: (u32, u32), condition: u32) -> Station {
        Station {
            job: Job::detached(super::runner::run_job),
            arrivals: Arrivals::new(predecessors),
            predecessors,
            successors,
            condition,
            place: UnsafeCell::new(Place { next: ptr::null(), last: ptr::null(), length: 0, failed: false }),
            body: UnsafeCell::new(body),
            graph: ptr::null(),
        }
    }

    /// The place of a vertex that the caller has.
    ///
    /// # Safety
    /// The calling thread has the vertex: it made it ready, or took the list it was in.
    unsafe fn place(&self) -> Place {
        // SAFETY: by contract nobody writes.
        self.place.with(|place| unsafe { *place })
    }

    /// # Safety
    /// As [`place`](Self::place).
    unsafe fn change(&self, change: impl FnOnce(&mut Place)) {
        // SAFETY: by contract nobody else is here.
        self.place.with_mut(|place| change(unsafe { &mut *place }));
    }
}

/// A list of ready vertices that the holder has to itself. It forgets them when it is dropped.
#[derive(Debug)]
pub(super) struct List {
    first: *const Station,
    last: *const Station,
    length: u32,
}

impl List {
    pub(super) const fn new() -> List {
        List { first: ptr::null(), last: ptr::null(), length: 0 }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.length == 0
    }

    pub(super) fn len(&self) -> u32 {
        self.length
    }

    /// Adds a vertex at the end.
    ///
    /// # Safety
    /// The calling thread has the vertex, and gives it to the list.
    pub(super) unsafe fn push(&mut self, vertex: &Station) {
        // SAFETY: the vertices of a list are its holder's.
        unsafe { self.append(List { first: vertex, last: vertex, length: 1 }) }
    }

    /// Adds another list at the end.
    ///
    /// # Safety
    /// The calling thread has the vertices of both.
    pub(super) unsafe fn append(&mut self, other: List) {
        if other.is_empty() {
            return;
        }
        // SAFETY: a list that is not empty has a last vertex, and it is its holder's.
        match unsafe { self.last.as_ref() } {
            None => self.first = other.first,
            // SAFETY: as above.
            Some(last) => unsafe { last.change(|place| place.next = other.first) },
        }
        self.last = other.last;
        self.length += other.length;
    }

    /// Takes the first vertex out.
    ///
    /// # Safety
    /// The calling thread has the vertices of the list, whose graph lives for `'a`.
    pub(super) unsafe fn take_first<'a>(&mut self) -> Option<&'a Station> {
        if self.is_empty() {
            return None;
        }
        // SAFETY: a list that is not empty has a first vertex, and it is its holder's. So is the next, if there is one.
        unsafe {
            let first = &*self.first;
            match self.length {
                1 => *self = List::new(),
                _ => (self.first, self.length) = (first.place().next, self.length - 1),
            }
            Some(first)
        }
    }

    /// Cuts the list behind its first `count` vertices, of which it has more, and returns what follows.
    ///
    /// # Safety
    /// The calling thread has the vertices of the list.
    pub(super) unsafe fn cut(&mut self, count: u32) -> List {
        debug_assert!(0 < count && count < self.length);
        // SAFETY: the list has more vertices than are walked past, and they are its holder's.
        unsafe {
            let mut last = &*self.first;
            for _ in 1..count {
                last = &*last.place().next;
            }
            let rest = List { first: last.place().next, last: self.last, length: self.length - count };
            self.last = last;
            self.length = count;
            rest
        }
    }

    /// The list as a job for a deque: its first vertex, which keeps what the list knows. `None` if it is empty.
    ///
    /// # Safety
    /// The calling thread has the vertices of the list, and gives them to whoever takes the job.
    pub(super) unsafe fn as_job(&self) -> Option<NonNull<Job>> {
        // SAFETY: by contract.
        let first = unsafe { self.first.as_ref() }?;
        // SAFETY: as above.
        unsafe { first.change(|place| (place.last, place.length) = (self.last, self.length)) };
        Some(NonNull::from(first).cast())
    }

    /// The list that a job was made of.
    ///
    /// # Safety
    /// The job is from [`as_job`](Self::as_job), and the calling thread has taken it.
    pub(super) unsafe fn from_job(job: NonNull<Job>) -> List {
        let first = job.cast::<Station>().as_ptr();
        // SAFETY: by contract it is a vertex, and the calling thread's.
        let place = unsafe { (*first).place() };
        List { first, last: place.last, length: place.length }
    }

    /// The graph of the list's vertices.
    ///
    /// # Safety
    /// The calling thread has the vertices of the list.
    pub(super) unsafe fn graph(&self) -> *const Core {
        // SAFETY: by contract.
        unsafe { self.first.as_ref() }.map_or(ptr::null(), |first| first.graph)
    }
}

const _: () = assert!(mem::offset_of!(Station, job) == 0);
/// Two cache lines.
const _: () = assert!(IS_CHECKED || size_of::<Station>() == 128);
