//! Blocks that are taken by one thread and given back by another.
//!
//! Checked in each execution: a block has one user at a time, its users come one after the other, and in the end all blocks
//! are at home.

use crate::model::{Model, constant, tells_apart};
use crate::wrong_homes::{Mistake, WrongHomes};
use loom::thread;
use std::ptr::NonNull;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use vgpu_pool::protocol::free_list::{Chain, Home, Link};
use vgpu_pool::sync::{RELAXED, UnsafeCell, fence};

/// Blocks, known by their numbers.
pub(crate) trait Blocks: Send + Sync + 'static {
    /// Takes one, if there is one and nobody else is taking.
    fn take(&self) -> Option<usize>;
    /// Gives some back together.
    fn give_back(&self, blocks: &[usize]);
}

/// The real home, with its blocks' fronts.
struct RealHome {
    home: Home,
    links: Vec<Link>,
}

// SAFETY: the links are touched as the home's protocol says, which is what the models check.
unsafe impl Send for RealHome {}
// SAFETY: as above.
unsafe impl Sync for RealHome {}

impl RealHome {
    fn new(blocks: usize) -> RealHome {
        let home = Home::new();
        let mut claim = home.claim().expect("nobody else is here");
        (0..blocks).for_each(|_| claim.adopt());
        assert_eq!(claim.blocks(), blocks);
        drop(claim);
        RealHome { home, links: (0..blocks).map(|_| Link::new()).collect() }
    }
}

impl Blocks for RealHome {
    fn take(&self) -> Option<usize> {
        let block = self.home.claim()?.take()?;
        Some((block.as_ptr().addr() - self.links.as_ptr().addr()) / size_of::<Link>())
    }
    fn give_back(&self, blocks: &[usize]) {
        let mut chain = Chain::new();
        for &block in blocks.iter().rev() {
            // SAFETY: the models give back what they have.
            unsafe { chain.add(NonNull::from(&self.links[block])) };
        }
        assert_eq!((chain.len(), chain.is_empty()), (blocks.len(), blocks.is_empty()));
        self.home.give_back(chain);
    }
}

/// Blocks and their users.
struct Watch<B> {
    blocks: B,
    /// What a user does with its block. loom sees users that do not come one after the other.
    memory: Vec<UnsafeCell<usize>>,
    /// How many use it. loom does not see it.
    users: Vec<AtomicUsize>,
}

// SAFETY: who has a block has its memory, or the design is wrong, which loom sees.
unsafe impl<B: Send> Send for Watch<B> {}
// SAFETY: as above.
unsafe impl<B: Sync> Sync for Watch<B> {}

impl<B: Blocks> Watch<B> {
    fn use_it(&self, block: usize) {
        // SAFETY: loom checks.
        self.memory[block].with_mut(|memory| unsafe { *memory += 1 });
    }

    /// Takes a block and uses it.
    fn take(&self) -> Option<usize> {
        // A scheduling point for the checker, see `Owner::pauses` in `steal_deque.rs`.
        fence(RELAXED);
        let block = self.blocks.take()?;
        assert_eq!(self.users[block].fetch_add(1, Relaxed), 0, "block {block} has two users");
        self.use_it(block);
        Some(block)
    }

    /// Uses blocks for the last time and gives them back.
    fn give_back(&self, blocks: &[usize]) {
        for &block in blocks {
            self.use_it(block);
            assert_eq!(self.users[block].fetch_sub(1, Relaxed), 1, "block {block} has two users");
        }
        fence(RELAXED);
        self.blocks.give_back(blocks);
    }
}

/// What a thread does.
#[derive(Clone, Copy)]
enum Step {
    /// Takes a block and keeps it.
    Take,
    /// Gives these back, which it has from the start.
    Give(&'static [usize]),
    /// Gives back the first that it took.
    Return,
}
use Step::{Give, Return, Take};

/// The threads' programs, and the outcomes: for each taking in the programs' order, whether there was a block.
type Scenario = (&'static str, &'static [&'static [Step]], &'static [u64]);

/// How many blocks there are.
const BLOCKS: usize = 2;

/// Two givers and a taker.
const GIVERS: Scenario = ("two givers", &[&[Give(&[0])], &[Give(&[1])], &[Take, Take]], &[100, 101, 110, 111]);
/// Two given back together are found together.
const CHAIN: Scenario = ("a chain", &[&[Give(&[0, 1])], &[Take, Take]], &[100, 101, 111]);
/// Two takers. One that finds the home claimed goes without.
const TAKERS: Scenario = ("two takers", &[&[Take], &[Take]], &[101, 110, 111]);
/// One taker is slow; the other takes both blocks and gives back the first.
const SLOW: Scenario = ("a slow taker", &[&[Take], &[Take, Take, Return]], &[1011, 1100, 1101, 1110, 1111]);
/// A block goes round.
const ROUND: Scenario = ("a round", &[&[Take, Return, Take], &[Give(&[1])]], &[111]);

fn model_of<B: Blocks>(scenario: Scenario, make: impl Fn() -> B + Send + Sync + 'static) -> Model {
    let (name, programs, outcomes) = scenario;
    Model {
        group: "free_list",
        name,
        threads: programs.len(),
        operations: programs.iter().map(|program| program.len()).sum(),
        bound: 3,
        outcomes,
        run: constant(move || run(make(), programs)),
    }
}

/// The real home in a scenario.
fn model(scenario: Scenario) -> Model {
    model_of(scenario, || RealHome::new(BLOCKS))
}

fn run<B: Blocks>(blocks: B, programs: &'static [&'static [Step]]) -> u64 {
    let watch = Arc::new(Watch {
        blocks,
        memory: (0..BLOCKS).map(|_| UnsafeCell::new(0)).collect(),
        users: (0..BLOCKS).map(|_| AtomicUsize::new(1)).collect(),
    });
    let given = |block: &usize| {
        programs.iter().any(|program| program.iter().any(|step| matches!(step, Give(blocks) if blocks.contains(block))))
    };
    // What no thread has from the start is at home.
    let at_home: Vec<usize> = (0..BLOCKS).filter(|block| !given(block)).collect();
    if !at_home.is_empty() {
        watch.give_back(&at_home);
    }
    let threads: Vec<_> = programs
        .iter()
        .map(|program| {
            let watch = watch.clone();
            thread::spawn(move || {
                let (mut kept, mut digits) = (vec![], vec![]);
                for step in *program {
                    match step {
                        Take => {
                            let block = watch.take();
                            digits.push(u64::from(block.is_some()));
                            kept.extend(block);
                        }
                        Give(blocks) => watch.give_back(blocks),
                        Return if kept.is_empty() => {}
                        Return => watch.give_back(&[kept.remove(0)]),
                    }
                }
                (kept, digits)
            })
        })
        .collect();
    let mut outcome = 1;
    let mut found = 0;
    for thread in threads {
        let (kept, digits) = thread.join().unwrap();
        found += kept.len();
        outcome = digits.iter().fold(outcome, |number, digit| number * 10 + digit);
    }
    while watch.take().is_some() {
        found += 1;
    }
    assert_eq!(found, BLOCKS, "blocks are lost");
    outcome
}

/// Kills weakenings of the giving and the taking of the remote list.
pub(crate) fn givers() -> Model {
    model(GIVERS)
}

/// Kills weakenings of the claim.
pub(crate) fn takers() -> Model {
    model(TAKERS)
}

#[test]
fn free_list_blocks_go_home_and_have_one_user_at_a_time() {
    for scenario in [GIVERS, CHAIN, TAKERS, SLOW, ROUND] {
        model(scenario).verify();
    }
}

#[test]
fn free_list_mistakes_are_caught() {
    for &mistake in Mistake::ALL {
        let scenario = match mistake {
            Mistake::TakeOneOff => SLOW,
            Mistake::GiveBackByStore | Mistake::LinkAfterSwap | Mistake::LookThenClear => GIVERS,
            Mistake::NoClaim | Mistake::ClaimByStore => TAKERS,
        };
        let model = |mistake| model_of(scenario, move || WrongHomes::new(BLOCKS, mistake));
        let twin = model(None).of("of wrong_homes.rs, without a mistake");
        tells_apart(&format!("{mistake:?}"), model(Some(mistake)), twin);
    }
}
