//! Sleeping and waking without a lost wake-up.
//!
//! # States
//! A worker is *busy*, *searching* or *asleep*. `searching` counts the searchers; bit `w` of `sleeping` says that worker
//! `w` has announced its sleep and that nobody has claimed it since. Whoever clears that bit owes the worker a permit or,
//! if it is the worker itself, takes the announcement back. A claimed worker counts as searching from the claim on, so that
//! the claimer's successors see that somebody is already on the way. The claimer raises the count after it has cleared
//! the bit, so a worker that withdraws at the same moment may lower it first: `searching` is signed, and is never above
//! the true number, only below it.
//!
//! # The steps of each side
//! | producer: [`notify_one`](EventCount::notify_one) | worker that found nothing: [`announce`](EventCount::announce) |
//! |---|---|
//! | 1. publish the work | 1. set its bit in `sleeping`; if it was searching, lower `searching` |
//! | 2. fence [`site::NOTIFY_FENCE`] | 2. fence [`site::ANNOUNCE_FENCE`] |
//! | 3. somebody searches? done | 3. look at every queue once more: anything there? take it all back and search |
//! | 4. claim a sleeper's bit, raise `searching`, give the permit | 4. park |
//!
//! # What would break a naive version
//! 1. *Lost wake-up.* The producer looks for sleepers before the worker has announced; the worker looked for work before
//!    the producer published. Both fences are sequentially consistent, so one is first: if the producer's is, the worker's
//!    second look sees the work; if the worker's is, the producer sees the bit and the lowered count.
//! 2. *The last searcher leaves.* Producers skip the wake-up because somebody searches, and then that searcher goes to
//!    sleep, or finds other work and is busy for an hour. Going to sleep is covered by the look after the fence. For a
//!    searcher that stops for another reason there is [`end_search`](EventCount::end_search): the last one to stop fences,
//!    looks at the queues, and if anything is left wakes a successor.
//! 3. *The successor that stays away.* A worker whose bit was claimed while it changed its mind does not go back to work as
//!    if nothing had happened: [`withdraw`](EventCount::withdraw) makes every worker that leaves its announcement a
//!    searcher, claimed or not, so that rule 2 applies to it.
//! 4. *The claim that is not counted yet.* Such a worker may find a job and lower the count before its claimer has raised
//!    it. Were the count unsigned, it would wrap: producers would take it for a crowd of searchers, and the worker for one
//!    of many. So *nobody searches* is a count of zero or less, and *the last one* leaves a count of zero or less: a count
//!    too low makes both sides look and wake more often, never less.
//! 5. *The look that came too early.* A claimed worker that leaves as one of several relies on the last to look after the
//!    claimer's publication. It does, because the claim happens before the worker's withdrawal ([`site::CLAIM`],
//!    [`site::WITHDRAW`]), so that the claimer's fence comes before that of whoever lowers the count later. Relaxed, a
//!    processor might lower the count before it withdraws: the claimer, finding nobody, would wake a worker that is gone.
//!
//! # Invariant
//! Whenever work is published and its producer's `notify_one` has returned, then some worker searches, or has a permit, or
//! will look at the queues after that publication before it parks or turns busy; or all workers are busy.
//!
//! # Waiting for one thing
//! A worker that waits for a completion helps others meanwhile, and sleeps when there is nothing to do. It must wake for
//! new work and for its completion. For the latter it leaves the address in `waiting_on` before it raises the `HELPED` flag
//! in the completion; whoever completes and finds that flag calls [`notify_waiters`](EventCount::notify_waiters). The
//! flag's release and acquire order the address before the search for it.
//!
//! # Work for one
//! Work that only some workers may do is announced by [`notify_of`](EventCount::notify_of): a searcher elsewhere is no reason to
//! stay quiet, so it claims one of those workers whoever searches. If all of them are awake, each looks at its own work after its
//! announcement, hence after the producer's fence. The look of the last searcher is for work that anybody may do: whom it
//! woke for the rest could not take it.
//! # Places
//! Where the number of workers varies ([`roster`](super::roster)), only those with places are called for work. A worker that has none
//! and comes from its work announces its sleep without looking; one that counts as a searcher looks first, as everybody.
//!
//! # Limits
//! At most `limit` workers search at a time by their own decision; claims and withdrawals may exceed it for a moment.
//!
//! # References
//! D. Vyukov's event count; the searcher rule is that of Go's scheduler (*delicate dance*, proc.go) and of tokio's. Models:
//! `verification/loom/event_count.rs`, in which the notification under test is the only source of a wake-up.

use super::CacheLine;
use super::parker::Parker;
use super::roster::Roster;
use crate::error::Result;
use crate::os::alloc::{Allocator, Array};
use crate::sync::{AtomicIsize, AtomicUsize, RELAXED, SlotOracle, fence, ordering_sites};

ordering_sites! {
    "event_count":
    NOTIFY_FENCE = SeqCst: "against ANNOUNCE_FENCE: the work is visible to the worker's second look, or its announcement is visible here";
    NOTIFY_OF_FENCE = SeqCst: "against ANNOUNCE_FENCE: the work is visible to the second look of who may do it, or its announcement is visible here";
    ANNOUNCE_FENCE = SeqCst: "against NOTIFY_FENCE, NOTIFY_OF_FENCE and END_SEARCH_FENCE: see there";
    CLAIM = Release: "pairs with WITHDRAW: the claimer's fence and its look at the count come before the claimed worker lowers the count";
    WITHDRAW = Acquire: "pairs with CLAIM: see there";
    END_SEARCH_FENCE = SeqCst: "against NOTIFY_FENCE: the producer sees that nobody searches any more, or its work is visible to the last searcher";
}

const BITS: usize = usize::BITS as usize;

#[derive(Debug)]
struct Seat {
    parker: Parker,
    waiting_on: AtomicUsize,
    /// What a claimer did before its claim must happen before the claimed worker leaves its announcement.
    claims: SlotOracle,
}

/// The sleeping places of a pool's workers, and the count of those that search.
#[derive(Debug)]
pub struct EventCount {
    /// Signed: see rule 4 in the module text.
    searching: CacheLine<AtomicIsize>,
    sleeping: Array<CacheLine<AtomicUsize>>,
    seats: Array<CacheLine<Seat>>,
    limit: isize,
    roster: Roster,
}

impl EventCount {
    /// Places for `workers` workers, of which at most half search at a time, and at least one may.
    pub fn new(allocator: Allocator, workers: usize) -> Result<EventCount> {
        EventCount::with_roster(allocator, workers, Roster::fixed(workers))
    }

    /// As [`new`](Self::new), of workers whose places come and go. Those without are called by name only.
    pub fn with_roster(allocator: Allocator, workers: usize, roster: Roster) -> Result<EventCount> {
        Ok(EventCount {
            searching: CacheLine(AtomicIsize::new(0)),
            sleeping: Array::from_fn(allocator, workers.div_ceil(BITS), |_| Ok(CacheLine(AtomicUsize::new(0))))?,
            seats: Array::from_fn(allocator, workers, |_| {
                Ok(CacheLine(Seat {
                    parker: Parker::new(),
                    waiting_on: AtomicUsize::new(0),
                    claims: SlotOracle::new(),
                }))
            })?,
            limit: (workers / 2).max(1) as isize,
            roster,
        })
    }

    /// Who has a place.
    #[inline(always)]
    pub fn roster(&self) -> &Roster {
        &self.roster
    }

    /// Those of a word of `sleeping` that have places.
    #[inline]
    fn placed(&self, word: usize) -> usize {
        if !self.roster.varies() {
            return usize::MAX;
        }
        let below = |number: usize| match number.saturating_sub(word * BITS) {
            number if number >= BITS => usize::MAX,
            number => (1 << number) - 1,
        };
        below(self.roster.places()) | !below(self.roster.guests())
    }

    /// Gives one more worker a place and claims it. False when as many have places as may.
    ///
    /// One that is awake gets its place too, but may take its work without counting as a searcher: then nobody would look
    /// for the rest. So that one is called, and the next gets a place as well.
    #[cold]
    fn grow(&self) -> bool {
        while let Some(newcomer) = self.roster.raise() {
            if newcomer >= self.seats.len() {
                return false;
            }
            if self.claim(newcomer / BITS, 1 << (newcomer % BITS)) {
                return true;
            }
            self.call(newcomer);
        }
        false
    }

    /// Gives a worker a permit, if there is one of this number: it looks around once before it sleeps again.
    pub fn call(&self, worker: usize) -> bool {
        self.seats.get(worker).inspect(|seat| seat.parker.unpark()).is_some()
    }

    /// Lends a place while the calling worker blocks, until [`take_back`](Roster::take_back).
    pub fn lend(&self) {
        if self.roster.varies() {
            self.call(self.roster.lend());
        }
    }

    /// Ends a loan.
    pub fn take_back(&self) {
        if self.roster.varies() {
            self.roster.take_back();
            self.call_last();
        }
    }

    /// Sets how many may have places by load; see [`Roster::limit`]. If there may be more than before, one is called, since nobody
    /// else would look for what could not be done by more until now.
    pub fn limit(&self, cap: usize) {
        if self.roster.limit(cap) {
            self.grow();
        }
        self.call_last();
    }

    /// Takes this worker's place if it is the last and extra.
    pub fn lower(&self, worker: usize) {
        if self.roster.lower(worker) {
            self.call_last();
        }
    }

    /// Calls whoever has the last place now, if the load gave it: its sleep must have an end from here on.
    fn call_last(&self) {
        if let Some(last) = self.roster.last_extra() {
            self.call(last);
        }
    }

    /// To be called after work was published: sees to it that somebody looks at it.
    #[inline]
    pub fn notify_one(&self, near: usize) {
        self.notify(1, || near);
    }

    /// To be called after so many pieces of work were published at once: sees to it that as many workers look, if there are.
    /// `near` is asked when somebody has to be woken.
    #[inline]
    pub fn notify(&self, pieces: usize, near: impl Fn() -> usize) {
        fence(site::NOTIFY_FENCE);
        let searching = self.searching.load(RELAXED).max(0) as usize;
        for _ in searching..pieces {
            if !self.wake_one(&near) && !self.grow() {
                break;
            }
        }
    }

    /// To be called after work was published that only some workers may do: sees to it that one of them looks, or as many
    /// as there are pieces. The searchers do not count here, since they may be others; one of `workers` that searches looks at its
    /// own work again before it sleeps.
    pub fn notify_of(&self, workers: impl Iterator<Item = usize>, pieces: usize) {
        fence(site::NOTIFY_OF_FENCE);
        let places = workers.map(|worker| (worker / BITS, 1 << (worker % BITS)));
        let asleep = places.filter(|&(word, bit)| self.sleeping[word].load(RELAXED) & bit != 0);
        asleep.filter(|&(word, bit)| self.claim(word, bit)).take(pieces).for_each(drop);
    }

    /// Claims a sleeper and wakes it, the one with the number nearest above what `near` says first; which is not asked while all are
    /// awake, as far as one word tells. False when nobody sleeps.
    pub fn wake_one(&self, near: impl Fn() -> usize) -> bool {
        if let [word] = &*self.sleeping {
            let bits = word.load(RELAXED) & self.placed(0);
            if bits == 0 {
                return false;
            }
            let upper = usize::MAX << (near() % self.seats.len());
            return self.claim_one(0, bits & upper) || self.claim_one(0, bits & !upper);
        }
        let near = near() % self.seats.len();
        let words = self.sleeping.len();
        // The word of `near` comes twice: first its upper part, at the end the rest.
        (0..=words).any(|step| {
            let word = (near / BITS + step) % words;
            let upper = usize::MAX << (near % BITS);
            let mask = match step {
                0 => upper,
                s if s == words => !upper,
                _ => usize::MAX,
            };
            self.claim_one(word, self.sleeping[word].load(RELAXED) & mask & self.placed(word))
        })
    }

    /// Claims one of these workers, the first that still sleeps.
    fn claim_one(&self, word: usize, mut bits: usize) -> bool {
        while bits != 0 {
            let bit = bits & bits.wrapping_neg();
            if self.claim(word, bit) {
                return true;
            }
            bits &= !bit;
        }
        false
    }

    /// Wakes the worker of this bit if it sleeps and nobody has claimed it.
    fn claim(&self, word: usize, bit: usize) -> bool {
        let claimed = &self.seats[word * BITS + bit.trailing_zeros() as usize];
        let before_claim = claimed.claims.read();
        if self.sleeping[word].fetch_and(!bit, site::CLAIM) & bit == 0 {
            return false;
        }
        claimed.claims.commit(before_claim);
        self.searching.fetch_add(1, RELAXED);
        claimed.parker.unpark();
        true
    }

    /// Gives every worker a permit, asleep or not.
    pub fn wake_all(&self) {
        for seat in self.seats.iter() {
            seat.parker.unpark();
        }
    }

    /// Asks to become a searcher. False when enough others search; then the worker announces its sleep at once.
    #[inline]
    pub fn try_begin_search(&self) -> bool {
        if self.searching.load(RELAXED) >= self.limit {
            return false;
        }
        self.searching.fetch_add(1, RELAXED);
        true
    }

    /// A searcher stops searching for any reason but sleep. The last one looks once more, by `more_work`, and wakes a
    /// successor if something is left.
    #[inline]
    pub fn end_search(&self, worker: usize, more_work: impl FnOnce() -> bool) {
        if self.searching.fetch_sub(1, RELAXED) <= 1 {
            fence(site::END_SEARCH_FENCE);
            if more_work() && !self.wake_one(|| worker + 1) {
                self.grow();
            }
        }
    }

    /// Announces that this worker is about to sleep; `searcher` says whether it counted as searching. After this it must
    /// look at every source of work once more, and then either [`park`](Self::park) or [`withdraw`](Self::withdraw).
    #[inline]
    pub fn announce(&self, worker: usize, searcher: bool) {
        self.sleeping[worker / BITS].fetch_or(1 << (worker % BITS), RELAXED);
        if searcher {
            self.searching.fetch_sub(1, RELAXED);
        }
        fence(site::ANNOUNCE_FENCE);
    }

    /// Sleeps until there is a permit, or it is `deadline_ns`. To be followed by [`withdraw`](Self::withdraw).
    #[inline]
    pub fn park(&self, worker: usize, deadline_ns: Option<u64>) {
        self.seats[worker].parker.park(deadline_ns);
    }

    /// Ends the announcement. From here on this worker is a searcher, whether it was claimed or not; says whether it was.
    #[inline]
    pub fn withdraw(&self, worker: usize) -> bool {
        let bit = 1 << (worker % BITS);
        let claimed = self.sleeping[worker / BITS].fetch_and(!bit, site::WITHDRAW) & bit == 0;
        if !claimed {
            self.searching.fetch_add(1, RELAXED);
        }
        self.seats[worker].claims.overwrite();
        claimed
    }

    /// About how many workers search or sleep. A hint: it may be late.
    pub fn idle(&self) -> usize {
        let asleep = |(i, word): (usize, &CacheLine<AtomicUsize>)| (word.load(RELAXED) & self.placed(i)).count_ones();
        let asleep: u32 = self.sleeping.iter().enumerate().map(asleep).sum();
        asleep as usize + self.searching.load(RELAXED).max(0) as usize
    }

    /// Says what this worker waits for, by address, so that [`notify_waiters`](Self::notify_waiters) finds it. To be called
    /// before the flag in the awaited thing is raised; 0 ends it.
    #[inline]
    pub fn wait_on(&self, worker: usize, address: usize) {
        self.seats[worker].waiting_on.store(address, RELAXED);
    }

    /// Wakes every worker that waits for this address. The address is a name: nothing behind it is touched.
    #[cold]
    pub fn notify_waiters(&self, address: usize) {
        for seat in self.seats.iter() {
            if seat.waiting_on.load(RELAXED) == address {
                seat.parker.unpark();
            }
        }
    }
}
