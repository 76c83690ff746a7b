//! One face over three worlds: the machine's own primitives, loom's and shuttle's.
//!
//! Everything two threads share in this crate is reached through this module, and it is the only file under `src/` that
//! knows which world it is in. It differs from `core::sync::atomic` in one way that matters: no operation takes an
//! `Ordering`. It takes a [`Site`], which is either [`RELAXED`] or a named row of the *ordering-site table* that each
//! protocol file opens with ([`ordering_sites!`](crate::sync::ordering_sites)). So the compiler sees to it that every
//! ordering stronger than relaxed has a name and a reason. In ordinary builds a site is a constant; under a checker it can
//! be weakened at run time, which is how `verification/` shows that each of them is needed.
//!
//! Under loom, three things are done that stock loom 0.7.2 does not do by itself:
//! * a [`fence`] is a scheduling point (loom glues a fence to the operation before it, and so never pauses a thread
//!   between a store and the fence after it);
//! * [`futex_wait`] and [`futex_wake`] follow the kernel: one lock over the wait queue, under which the word is compared,
//!   waiters found by address alone, so that waking touches no memory of the waiter;
//! * [`Tracked`] and [`SlotOracle`] let models see races which plain values cannot show.

#[cfg(all(feature = "loom", feature = "shuttle"))]
compile_error!("the features `loom` and `shuttle` replace the same primitives: enable one of them");

use core::sync::atomic::Ordering;

/// Whether this build runs on a model checker's primitives, which work inside its models only.
pub const IS_CHECKED: bool = cfg!(any(feature = "loom", feature = "shuttle"));

/// A place in a protocol where an atomic operation or a fence needs an ordering.
#[derive(Clone, Copy, Debug)]
pub struct Site {
    name: &'static str,
    ordering: Ordering,
    reason: &'static str,
}

/// No ordering beyond the coherence of one location.
pub const RELAXED: Site = Site { name: "relaxed", ordering: Ordering::Relaxed, reason: "" };

impl Site {
    /// A row of a table; [`ordering_sites!`](crate::sync::ordering_sites) writes these.
    pub const fn new(name: &'static str, ordering: Ordering, reason: &'static str) -> Site {
        Site { name, ordering, reason }
    }

    /// `protocol.SITE`, as the verification tables print it.
    pub const fn name(&self) -> &'static str {
        self.name
    }

    /// The ordering the protocol asks for here.
    pub const fn declared(&self) -> Ordering {
        self.ordering
    }

    /// Why nothing weaker will do.
    pub const fn reason(&self) -> &'static str {
        self.reason
    }

    #[inline(always)]
    fn ordering(&self) -> Ordering {
        imp::effective(self)
    }
}

/// Declares the ordering-site table of a protocol: one `NAME = Ordering: "reason";` a row.
///
/// Expands to a module `site` with one constant a row, and to `SITES`, the table itself.
macro_rules! ordering_sites {
    ($protocol:literal: $($name:ident = $ordering:ident: $reason:literal;)+) => {
        /// The ordering sites of this protocol.
        pub mod site {
            use $crate::sync::Site;
            $(
                #[doc = $reason]
                pub const $name: Site = Site::new(
                    concat!($protocol, ".", stringify!($name)),
                    core::sync::atomic::Ordering::$ordering,
                    $reason,
                );
            )+
        }
        /// The table of this protocol's ordering sites.
        pub const SITES: &[$crate::sync::Site] = &[$(site::$name),+];
    };
}
pub(crate) use ordering_sites;

macro_rules! atomic_integer {
    ($name:ident, $value:ty) => {
        /// An atomic integer whose operations name their ordering site.
        #[derive(Debug)]
        #[repr(transparent)]
        pub struct $name(imp::atomic::$name);

        impl $name {
            /// A new atomic.
            #[inline(always)]
            pub fn new(value: $value) -> Self {
                Self(imp::atomic::$name::new(value))
            }
            /// Reads.
            #[inline(always)]
            pub fn load(&self, site: Site) -> $value {
                self.0.load(site.ordering())
            }
            /// Writes.
            #[inline(always)]
            pub fn store(&self, value: $value, site: Site) {
                self.0.store(value, site.ordering())
            }
            /// Writes and returns what was there.
            #[inline(always)]
            pub fn swap(&self, value: $value, site: Site) -> $value {
                self.0.swap(value, site.ordering())
            }
            /// Adds, wrapping, and returns what was there.
            #[inline(always)]
            pub fn fetch_add(&self, value: $value, site: Site) -> $value {
                self.0.fetch_add(value, site.ordering())
            }
            /// Subtracts, wrapping, and returns what was there.
            #[inline(always)]
            pub fn fetch_sub(&self, value: $value, site: Site) -> $value {
                self.0.fetch_sub(value, site.ordering())
            }
            /// Keeps the bits in `value` and returns what was there.
            #[inline(always)]
            pub fn fetch_and(&self, value: $value, site: Site) -> $value {
                self.0.fetch_and(value, site.ordering())
            }
            /// Sets the bits in `value` and returns what was there.
            #[inline(always)]
            pub fn fetch_or(&self, value: $value, site: Site) -> $value {
                self.0.fetch_or(value, site.ordering())
            }
            /// Writes `new` if `current` is there. A failure reads relaxed.
            #[inline(always)]
            pub fn compare_exchange(&self, current: $value, new: $value, site: Site) -> Result<$value, $value> {
                self.0.compare_exchange(current, new, site.ordering(), Ordering::Relaxed)
            }
            /// Writes `new` if `current` is there, and may fail without cause. A failure reads relaxed.
            #[inline(always)]
            pub fn compare_exchange_weak(&self, current: $value, new: $value, site: Site) -> Result<$value, $value> {
                if imp::fail_spuriously() {
                    return Err(current);
                }
                self.0.compare_exchange_weak(current, new, site.ordering(), Ordering::Relaxed)
            }
        }
    };
}

atomic_integer!(AtomicU32, u32);
atomic_integer!(AtomicU64, u64);
atomic_integer!(AtomicUsize, usize);
atomic_integer!(AtomicIsize, isize);

/// An atomic pointer whose operations name their ordering site.
#[derive(Debug)]
#[repr(transparent)]
pub struct AtomicPtr<T>(imp::atomic::AtomicPtr<T>);

impl<T> AtomicPtr<T> {
    /// A new atomic.
    #[inline(always)]
    pub fn new(value: *mut T) -> Self {
        Self(imp::atomic::AtomicPtr::new(value))
    }
    /// Reads.
    #[inline(always)]
    pub fn load(&self, site: Site) -> *mut T {
        self.0.load(site.ordering())
    }
    /// Writes.
    #[inline(always)]
    pub fn store(&self, value: *mut T, site: Site) {
        self.0.store(value, site.ordering())
    }
    /// Writes and returns what was there.
    #[inline(always)]
    pub fn swap(&self, value: *mut T, site: Site) -> *mut T {
        self.0.swap(value, site.ordering())
    }
    /// Writes `new` if `current` is there. A failure reads relaxed.
    #[inline(always)]
    pub fn compare_exchange(&self, current: *mut T, new: *mut T, site: Site) -> Result<*mut T, *mut T> {
        self.0.compare_exchange(current, new, site.ordering(), Ordering::Relaxed)
    }
}

/// A fence at a site. Under a checker it is a scheduling point of its own, and a site weakened to relaxed is no fence.
#[inline(always)]
pub fn fence(site: Site) {
    imp::fence(site.ordering());
}

/// Tells the processor, or the checker, that this thread is waiting for another.
#[inline(always)]
pub fn spin_loop() {
    imp::spin_loop();
}

/// Why [`futex_wait`] came back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FutexWait {
    /// Woken, interrupted, or the word was another: look again.
    Awake,
    /// The time ran out.
    TimedOut,
}

/// Sleeps as long as `word` holds `expected` and nobody wakes its address; may return early.
///
/// `deadline_ns` is a moment of [`monotonic_ns`](crate::os::clock::monotonic_ns). Under the checkers time does not pass.
pub fn futex_wait(word: &AtomicU32, expected: u32, deadline_ns: Option<u64>) -> FutexWait {
    imp::futex_wait(word, expected, deadline_ns)
}

/// Wakes up to `count` threads asleep on this address. The address is a name: the memory behind it is not touched, so it
/// may already belong to somebody else, who must then put up with a wake-up for nothing.
pub fn futex_wake(word: *const AtomicU32, count: u32) {
    imp::futex_wake(word, count);
}

/// One word per thread: the worker this thread is, or 0. It needs no destructor, so host threads are left clean.
pub mod thread_slot {
    /// The word of this thread.
    #[inline(always)]
    pub fn get() -> usize {
        super::imp::THREAD_SLOT.with(|slot| slot.get())
    }
    /// A number that stays the same for one thread and differs between most.
    #[inline(always)]
    pub fn key() -> usize {
        super::imp::thread_key()
    }
    /// Sets the word of this thread.
    #[inline(always)]
    pub fn set(value: usize) {
        super::imp::THREAD_SLOT.with(|slot| slot.set(value));
    }
}

/// A second such word: the newest of the pools that have this thread for their worker, or 0.
pub mod maker_slot {
    /// The word of this thread.
    pub fn get() -> usize {
        super::imp::MAKER_SLOT.with(|slot| slot.get())
    }
    /// Sets the word of this thread.
    pub fn set(value: usize) {
        super::imp::MAKER_SLOT.with(|slot| slot.set(value));
    }
}

/// A number that may be late, or wrong, without harm: whoever reads it decides nothing by it but where to look first. The
/// checkers do not explore what it may hold.
#[derive(Debug)]
pub struct Hint(core::sync::atomic::AtomicU32);

impl Hint {
    /// A hint.
    #[inline]
    pub const fn new(value: u32) -> Hint {
        Hint(core::sync::atomic::AtomicU32::new(value))
    }
    /// What was last set, or something older.
    #[inline]
    pub fn get(&self) -> u32 {
        self.0.load(core::sync::atomic::Ordering::Relaxed)
    }
    /// Sets it.
    #[inline]
    pub fn set(&self, value: u32) {
        self.0.store(value, core::sync::atomic::Ordering::Relaxed);
    }
    /// Adds one, and says what was there.
    #[inline]
    pub fn advance(&self) -> u32 {
        self.0.fetch_add(1, core::sync::atomic::Ordering::Relaxed)
    }
}

/// A number that one thread keeps and any thread may read: for statistics, by which nobody decides anything. Keeping it is a plain
/// load and a plain store. A reader finds a number that was right a moment ago, and never one that was not; what the owner counted
/// before something that the reader has waited for is in it. The checkers do not explore what it may hold.
#[derive(Debug, Default)]
pub struct Count(core::sync::atomic::AtomicU64);

impl Count {
    /// The number, perhaps a moment old.
    #[inline(always)]
    pub fn get(&self) -> u64 {
        if cfg!(vgpu_without_statistics) {
            return 0;
        }
        self.0.load(core::sync::atomic::Ordering::Relaxed)
    }
    /// Sets it. For its owner alone, as what follows.
    #[inline(always)]
    pub fn set(&self, value: u64) {
        // For `scripts/statistics_cost.sh`, which counts what counting costs.
        if !cfg!(vgpu_without_statistics) {
            self.0.store(value, core::sync::atomic::Ordering::Relaxed);
        }
    }
    /// Adds to it.
    #[inline(always)]
    pub fn add(&self, more: u64) {
        self.set(self.get().wrapping_add(more));
    }
    /// Makes it as large as `value` if it is smaller.
    #[inline(always)]
    pub fn raise(&self, value: u64) {
        if value > self.get() {
            self.set(value);
        }
    }
    /// Adds to a number that has no owner; any thread may.
    pub fn add_shared(&self, more: u64) {
        self.0.fetch_add(more, core::sync::atomic::Ordering::Relaxed);
    }
}

/// How long a worker may look for work before it goes to sleep: a time, not a number of rounds, because rounds take
/// anything from nanoseconds to milliseconds. Under the checkers, one round.
#[derive(Debug)]
pub struct SearchBudget(imp::Budget);

impl SearchBudget {
    /// A budget that starts now.
    pub fn nanoseconds(ns: u64) -> SearchBudget {
        SearchBudget(imp::Budget::new(ns))
    }
    /// Whether the budget is spent; to be asked once a round.
    pub fn is_spent(&mut self) -> bool {
        self.0.is_spent()
    }
    /// The moment at which it was last asked, or else started. Under the checkers, 0.
    pub fn last_ns(&self) -> u64 {
        self.0.last_ns()
    }
}

pub use imp::{SlotOracle, Tracked, UnsafeCell};

#[cfg(not(any(feature = "loom", feature = "shuttle")))]
mod imp {
    use super::{AtomicU32, FutexWait, Site};
    use crate::os;
    pub(super) use core::sync::atomic;
    use core::sync::atomic::Ordering;

    #[inline(always)]
    pub(super) const fn effective(site: &Site) -> Ordering {
        site.ordering
    }

    #[inline(always)]
    pub(super) fn fail_spuriously() -> bool {
        false
    }

    #[inline(always)]
    pub(super) fn fence(ordering: Ordering) {
        atomic::fence(ordering);
    }

    #[inline(always)]
    pub(super) fn spin_loop() {
        core::hint::spin_loop();
    }

    pub(super) fn futex_wait(word: &AtomicU32, expected: u32, deadline_ns: Option<u64>) -> FutexWait {
        match os::futex::wait(&word.0, expected, deadline_ns) {
            true => FutexWait::Awake,
            false => FutexWait::TimedOut,
        }
    }

    pub(super) fn futex_wake(word: *const AtomicU32, count: u32) {
        // `AtomicU32` is transparent, so the addresses are the same.
        os::futex::wake(word as usize, count);
    }

    thread_local! {
        pub(super) static THREAD_SLOT: core::cell::Cell<usize> = const { core::cell::Cell::new(0) };
        pub(super) static MAKER_SLOT: core::cell::Cell<usize> = const { core::cell::Cell::new(0) };
    }

    #[inline(always)]
    pub(super) fn thread_key() -> usize {
        // Threads' copies of the word lie at least a page apart.
        THREAD_SLOT.with(|slot| core::ptr::from_ref(slot).addr() >> 12)
    }

    #[derive(Debug)]
    pub(super) struct Budget {
        end_ns: u64,
        last_ns: u64,
    }

    impl Budget {
        pub(super) fn new(ns: u64) -> Budget {
            let now = os::clock::monotonic_ns();
            Budget { end_ns: now.saturating_add(ns), last_ns: now }
        }
        pub(super) fn is_spent(&mut self) -> bool {
            self.last_ns = os::clock::monotonic_ns();
            self.last_ns >= self.end_ns
        }
        pub(super) fn last_ns(&self) -> u64 {
            self.last_ns
        }
    }

    /// A cell whose accesses the checkers watch for races.
    #[derive(Debug, Default)]
    #[repr(transparent)]
    pub struct UnsafeCell<T>(core::cell::UnsafeCell<T>);

    impl<T> UnsafeCell<T> {
        /// A new cell.
        #[inline(always)]
        pub const fn new(value: T) -> UnsafeCell<T> {
            UnsafeCell(core::cell::UnsafeCell::new(value))
        }
        /// Reads through a shared pointer. The caller of the pointer keeps writers away.
        #[inline(always)]
        pub fn with<R>(&self, read: impl FnOnce(*const T) -> R) -> R {
            read(self.0.get())
        }
        /// Writes through a unique pointer. The caller of the pointer keeps everybody away.
        #[inline(always)]
        pub fn with_mut<R>(&self, write: impl FnOnce(*mut T) -> R) -> R {
            write(self.0.get())
        }
    }

    /// A value written before it is shared and only read after. The checkers verify just that.
    #[derive(Debug)]
    #[repr(transparent)]
    pub struct Tracked<T>(T);

    impl<T: Copy> Tracked<T> {
        /// Wraps the value.
        #[inline(always)]
        pub fn new(value: T) -> Tracked<T> {
            Tracked(value)
        }
        /// The value.
        #[inline(always)]
        pub fn get(&self) -> T {
            self.0
        }
    }

    /// Watches one slot of a queue: a committed read must happen before the slot is written again. Empty in real builds.
    #[derive(Debug, Default)]
    pub struct SlotOracle;

    /// A read that may or may not be committed.
    #[derive(Debug)]
    pub struct SlotRead;

    impl SlotOracle {
        /// A slot nobody has read.
        #[inline(always)]
        pub fn new() -> SlotOracle {
            SlotOracle
        }
        /// This thread reads the slot.
        #[inline(always)]
        pub fn read(&self) -> SlotRead {
            SlotRead
        }
        /// The read counted: this thread took the element.
        #[inline(always)]
        pub fn commit(&self, _read: SlotRead) {}
        /// This thread is about to write the slot.
        #[inline(always)]
        pub fn overwrite(&self) {}
    }
}

#[cfg(any(feature = "loom", feature = "shuttle"))]
#[path = "sync_checked.rs"]
mod imp;

#[cfg(any(feature = "loom", feature = "shuttle"))]
pub use imp::{spurious_failures, weaken};
