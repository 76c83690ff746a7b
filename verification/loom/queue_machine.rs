//! What a scenario of the queue can end in, found without loom: the queue as an abstract machine, one step for each access
//! of shared memory, all interleavings walked under sequential consistency.

use crate::mpmc::{Scenario, outcome};
use std::collections::{BTreeSet, HashSet};

#[derive(Clone, PartialEq, Eq, Hash)]
struct State {
    shards: Vec<Ring>,
    threads: Vec<Thread>,
}

#[derive(Clone, PartialEq, Eq, Hash)]
struct Ring {
    tail: usize,
    head: usize,
    /// Turn and value of each slot.
    slots: Vec<(usize, usize)>,
}

#[derive(Clone, PartialEq, Eq, Hash, Default)]
struct Thread {
    /// One digit for each finished operation.
    digits: Vec<usize>,
    /// How many shards this operation has found full or empty.
    tried: usize,
    pushed: usize,
    /// Of the two that are pushed together, those that are in.
    came_in: usize,
    at: At,
}

#[derive(Clone, PartialEq, Eq, Hash, Default)]
enum At {
    #[default]
    ReadCounter,
    ReadTurn(usize),
    Claim(usize),
    Value(usize),
    Turn {
        number: usize,
        value: usize,
    },
    /// A push of several has found so many free slots from this number on.
    Count {
        number: usize,
        free: usize,
    },
    ClaimMany {
        number: usize,
        free: usize,
    },
    /// It has this number of slots left to write, and then to publish.
    WriteMany {
        number: usize,
        left: usize,
        written: bool,
    },
}

/// The next step of a thread; `false` when it has finished.
fn step(state: &mut State, which: usize, home: usize, operations: &str, first: usize) -> bool {
    let thread = &mut state.threads[which];
    let Some(operation) = operations.chars().nth(thread.digits.len()) else { return false };
    let pushes = operation != 'o';
    let many = operation == 'b';
    let count = state.shards.len();
    let ring = &mut state.shards[(home + thread.tried) % count];
    let capacity = ring.slots.len();
    // A push waits for its number in the slot, a pop for the next one, and each leaves the other's.
    let wanted = |number: usize| number + usize::from(!pushes);
    let left = |number: usize| if pushes { number + 1 } else { number + capacity };
    let counter = if pushes { &mut ring.tail } else { &mut ring.head };
    let mut done = None;
    thread.at = match thread.at {
        At::ReadCounter if many => At::Count { number: *counter, free: 0 },
        At::ReadCounter => At::ReadTurn(*counter),
        At::ReadTurn(number) => match ring.slots[number % capacity].0.cmp(&wanted(number)) {
            std::cmp::Ordering::Equal => At::Claim(number),
            std::cmp::Ordering::Greater => At::ReadCounter,
            std::cmp::Ordering::Less => {
                thread.tried += 1;
                if thread.tried == count {
                    done = Some(0);
                }
                At::ReadCounter
            }
        },
        At::Claim(number) if *counter == number => {
            *counter += 1;
            At::Value(number)
        }
        At::Claim(_) => At::ReadCounter,
        At::Value(number) => {
            let slot = &mut ring.slots[number % capacity].1;
            if pushes {
                *slot = first + thread.pushed + 1;
            }
            At::Turn { number, value: *slot }
        }
        At::Turn { number, value } => {
            ring.slots[number % capacity].0 = left(number);
            done = Some(value);
            At::ReadCounter
        }
        At::Count { number, free } => match ring.slots[(number + free) % capacity].0.cmp(&(number + free)) {
            std::cmp::Ordering::Equal if thread.came_in + free + 1 < 2 => At::Count { number, free: free + 1 },
            std::cmp::Ordering::Equal => At::ClaimMany { number, free: free + 1 },
            _ if free != 0 => At::ClaimMany { number, free },
            std::cmp::Ordering::Greater => At::ReadCounter,
            std::cmp::Ordering::Less => {
                thread.tried += 1;
                if thread.tried == count {
                    done = Some(thread.came_in);
                }
                At::ReadCounter
            }
        },
        At::ClaimMany { number, free } if *counter == number => {
            *counter += free;
            At::WriteMany { number, left: free, written: false }
        }
        At::ClaimMany { .. } => At::ReadCounter,
        At::WriteMany { number, left, written: false } => {
            ring.slots[number % capacity].1 = first + thread.pushed + thread.came_in + 1;
            At::WriteMany { number, left, written: true }
        }
        At::WriteMany { number, left, written: true } => {
            ring.slots[number % capacity].0 = number + 1;
            thread.came_in += 1;
            if left > 1 {
                At::WriteMany { number: number + 1, left: left - 1, written: false }
            } else {
                // A shard is asked once; what finds no room there goes on to the next.
                thread.tried += 1;
                if thread.came_in == 2 || thread.tried == count {
                    done = Some(thread.came_in);
                }
                At::ReadCounter
            }
        }
    };
    if let Some(digit) = done {
        thread.digits.push(digit);
        thread.tried = 0;
        thread.pushed += usize::from(pushes) + usize::from(many);
        thread.came_in = 0;
    }
    true
}

/// All outcomes of a scenario under sequential consistency.
pub fn outcomes(scenario: &Scenario) -> BTreeSet<u64> {
    let ring = Ring { tail: 0, head: 0, slots: (0..scenario.capacity).map(|turn| (turn, 0)).collect() };
    let mut start = State { shards: vec![ring; scenario.shards], threads: vec![Thread::default()] };
    let setup = scenario.threads.len();
    while step(&mut start, 0, setup, &scenario.before, 0) {}
    start.threads = vec![Thread::default(); setup];
    let (mut seen, mut open, mut ends) = (HashSet::new(), vec![start], BTreeSet::new());
    while let Some(state) = open.pop() {
        let mut last = true;
        for (which, operations) in scenario.threads.iter().enumerate() {
            let mut next = state.clone();
            if step(&mut next, which, which, operations, scenario.first_element(which)) {
                last = false;
                if seen.insert(next.clone()) {
                    open.push(next);
                }
            }
        }
        if last {
            ends.insert(outcome(&state.threads.iter().flat_map(|t| t.digits.iter().copied()).collect::<Vec<_>>()));
        }
    }
    ends
}
