//! Random programs for the deque and the queue, and whether what the threads saw can be told in one order.
//!
//! Each schedule has a program of its own, made by quickcheck from the schedule's randomness, so that one seed brings back
//! both. Every call is noted with its answer and with the moments at which it began and ended. stateright's tester then looks
//! for an order of all steps in which each stands between the beginning and the end of its call, and a sequential object
//! gives the same answers.
//!
//! # What is promised
//! *Deque.* A push, a pop, and a steal that got something or found nothing are one step each, of an ordinary bounded
//! deque: a push fails only when all places are taken, a pop or a steal finds nothing only when nothing is there. A steal
//! that lost is no step. It may occur only while another thread's removal is under way, and that removal must succeed.
//!
//! *Queue, one shard.* A push that succeeds is two steps: it takes the next number, and it shows its element. A pop is two
//! steps too: it takes the element with the lowest number, and it gives the place back. A push fails only when the place for
//! the next number has not been given back, whatever the places behind it. A pop finds nothing, and a look for work says
//! no, only when the element with the lowest number is not shown, whatever stands behind it. Since everything here is
//! sequentially consistent, this holds without the fence that a look for work needs on a machine.

use crate::mpmc::{self, Mpmc};
use crate::schedules::{refute, verify};
use crate::steal_deque::{self, Steal, StealDeque};
use crate::wrong_deque::{self, WrongDeque};
use crate::wrong_queue::{self, WrongQueue};
use quickcheck::{Arbitrary, Gen};
use shuttle::rand::{RngCore, thread_rng};
use shuttle::thread;
use stateright::semantics::{ConsistencyTester, LinearizabilityTester, SequentialSpec};
use std::collections::{BTreeSet, VecDeque};
use std::fmt::Debug;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use vgpu_pool::sync::{RELAXED, fence};

/// What a thread asks for, and on the queue the second steps of a push and of a pop.
#[derive(Clone, Debug)]
enum Operation {
    Push(usize),
    Pop,
    Steal,
    Look,
    Show(usize),
    GiveBack(usize),
    /// Both steps at once.
    PushAndShow(usize),
    PopAndGiveBack,
}

#[derive(Clone, Debug, PartialEq)]
enum Answer {
    Done,
    Refused,
    /// More than one element is what only a thief of batches gets, oldest first.
    Took(Vec<usize>),
    Lost,
}

impl Answer {
    fn done(done: bool) -> Answer {
        if done { Answer::Done } else { Answer::Refused }
    }
    fn took(element: Option<usize>) -> Answer {
        element.map_or(Answer::Refused, |element| Answer::Took(vec![element]))
    }
}

/// One call in a history.
#[derive(Clone, Debug)]
struct Call {
    thread: usize,
    began: usize,
    ended: usize,
    operation: Operation,
    answer: Answer,
}

impl Call {
    fn overlaps(&self, other: &Call) -> bool {
        self.began < other.ended && other.began < self.ended
    }
}

/// Notes one thread's calls. The clock is a plain atomic of `std`, which the checker does not see.
struct Recorder {
    thread: usize,
    clock: Arc<AtomicUsize>,
    calls: Vec<Call>,
}

impl Recorder {
    fn call(&mut self, operation: Operation, action: impl FnOnce() -> Answer) {
        // A scheduling point, so that time may pass between the end of one call and the beginning of the next.
        fence(RELAXED);
        let began = self.clock.fetch_add(1, Relaxed);
        let answer = action();
        let ended = self.clock.fetch_add(1, Relaxed);
        self.calls.push(Call { thread: self.thread, began, ended, operation, answer });
    }

    /// Whether the last call found nothing to take.
    fn found_nothing(&self) -> bool {
        self.calls.last().is_some_and(|call| call.answer == Answer::Refused)
    }
}

/// Fails unless the steps of these calls have an order in which `object` gives the same answers.
fn judge<O>(object: O, steps: impl Fn(&Call) -> Vec<(Operation, Answer)>, calls: &[Call], program: &impl Debug)
where
    O: SequentialSpec<Op = Operation, Ret = Answer> + Clone,
{
    let mut events = vec![];
    for call in calls {
        for (number, (operation, answer)) in steps(call).into_iter().enumerate() {
            // The tester wants a thread's steps one after the other, so each step of a call is on a thread of its own.
            let thread = (call.thread, number);
            events.push((call.began, thread, Ok(operation)));
            events.push((call.ended, thread, Err(answer)));
        }
    }
    events.sort_by_key(|event| event.0);
    let mut tester = LinearizabilityTester::new(object);
    for (_, thread, event) in events {
        let accepted = match event {
            Ok(operation) => tester.on_invoke(thread, operation).map(|_| ()),
            Err(answer) => tester.on_return(thread, answer).map(|_| ()),
        };
        accepted.expect("a thread makes one call at a time");
    }
    assert!(tester.is_consistent(), "no order explains what the threads of {program:?} saw:\n{calls:#?}");
}

/// From 1 to `most`.
fn up_to(g: &mut Gen, most: usize) -> usize {
    1 + usize::arbitrary(g) % most
}

fn operations(g: &mut Gen, kinds: &[char], most: usize) -> String {
    (0..up_to(g, most)).map(|_| *g.choose(kinds).expect("not empty")).collect()
}

/// A program of this schedule.
fn draw<P: Arbitrary>() -> P {
    P::arbitrary(&mut Gen::from_size_and_seed(0, thread_rng().next_u64()))
}

/// An owner's pushes and pops against up to three thieves.
#[derive(Clone, Debug)]
struct DequeProgram(steal_deque::Scenario);

impl Arbitrary for DequeProgram {
    fn arbitrary(g: &mut Gen) -> DequeProgram {
        let (capacity, max_capacity) = *g.choose(&[(1, 1), (2, 2), (1, 4), (8, 8)]).expect("not empty");
        let owner = operations(g, &['u', 'u', 'o'], 9);
        let thieves = (0..up_to(g, 3)).map(|_| up_to(g, 3)).collect();
        DequeProgram(steal_deque::Scenario { capacity, max_capacity, before: String::new(), owner, thieves })
    }
}

/// A bounded deque.
#[derive(Clone, Debug)]
struct DequeObject {
    elements: VecDeque<usize>,
    capacity: usize,
}

impl SequentialSpec for DequeObject {
    type Op = Operation;
    type Ret = Answer;

    fn invoke(&mut self, operation: &Operation) -> Answer {
        match *operation {
            Operation::Push(element) => {
                let room = self.elements.len() < self.capacity;
                if room {
                    self.elements.push_back(element);
                }
                Answer::done(room)
            }
            Operation::Pop => Answer::took(self.elements.pop_back()),
            Operation::Steal => Answer::took(self.elements.pop_front()),
            _ => unreachable!("no operation of a deque"),
        }
    }

    fn is_valid_step(&mut self, operation: &Operation, answer: &Answer) -> bool {
        match answer {
            Answer::Took(batch) => batch.iter().all(|&element| self.invoke(operation) == Answer::took(Some(element))),
            _ => self.invoke(operation) == *answer,
        }
    }
}

/// Runs a program on a deque, empties it, and judges the history.
fn run_deque<D: StealDeque>(make: impl Fn(&steal_deque::Scenario) -> D) {
    let program = draw::<DequeProgram>();
    let DequeProgram(scenario) = &program;
    let (deque, clock) = (Arc::new(make(scenario)), Arc::new(AtomicUsize::new(0)));
    let recorder = |thread| Recorder { thread, clock: clock.clone(), calls: vec![] };
    let thieves = scenario.thieves.iter().enumerate().map(|(which, &steals)| {
        let (deque, mut recorder) = (deque.clone(), recorder(which + 1));
        thread::spawn(move || {
            for _ in 0..steals {
                recorder.call(Operation::Steal, || {
                    let mut more = vec![];
                    match deque.steal(&mut more) {
                        Steal::Got(element) => Answer::Took([vec![element], more].concat()),
                        Steal::Empty => Answer::Refused,
                        Steal::Lost => Answer::Lost,
                    }
                });
            }
            recorder.calls
        })
    });
    let thieves: Vec<_> = thieves.collect();
    let mut owner = recorder(0);
    // SAFETY: this thread is the owner, here and below.
    let pop = || Answer::took(unsafe { deque.pop() });
    for (number, operation) in scenario.owner.chars().enumerate() {
        match operation {
            // SAFETY: as above.
            'u' => owner.call(Operation::Push(number + 1), || Answer::done(unsafe { deque.push(number + 1) })),
            _ => owner.call(Operation::Pop, pop),
        }
    }
    let stolen: Vec<_> = thieves.into_iter().flat_map(|thief| thief.join().unwrap()).collect();
    owner.call(Operation::Pop, pop);
    while !owner.found_nothing() {
        owner.call(Operation::Pop, pop);
    }
    let calls = [owner.calls, stolen].concat();
    for lost in calls.iter().filter(|call| call.answer == Answer::Lost) {
        let cause =
            |call: &&Call| call.thread != lost.thread && call.overlaps(lost) && matches!(call.answer, Answer::Took(_));
        assert!(calls.iter().any(|call| cause(&call)), "a steal lost to nobody in {program:?}:\n{calls:#?}");
    }
    let steps = |call: &Call| match call.answer {
        Answer::Lost => vec![],
        _ => vec![(call.operation.clone(), call.answer.clone())],
    };
    judge(DequeObject { elements: VecDeque::new(), capacity: scenario.max_capacity }, steps, &calls, &program);
}

/// Pushes, pops and looks for work of two to four threads.
#[derive(Clone, Debug)]
struct QueueProgram(mpmc::Scenario);

impl Arbitrary for QueueProgram {
    fn arbitrary(g: &mut Gen) -> QueueProgram {
        let capacity = *g.choose(&[2, 2, 4]).expect("not empty");
        let threads = 1 + up_to(g, 3);
        // The search for an order takes time that grows fast with the calls that overlap.
        let most = 10 / threads;
        let threads = (0..threads).map(|_| operations(g, &['u', 'u', 'u', 'o', 'o', 'l'], most)).collect();
        QueueProgram(mpmc::Scenario { shards: 1, capacity, before: String::new(), threads })
    }
}

/// A ring whose elements are taken in the order of their numbers.
#[derive(Clone, Debug)]
struct QueueObject {
    capacity: usize,
    /// Element of each number.
    elements: Vec<usize>,
    shown: BTreeSet<usize>,
    /// How many have been taken.
    taken: usize,
    given_back: BTreeSet<usize>,
}

impl QueueObject {
    fn number_of(&self, element: usize) -> Option<usize> {
        self.elements.iter().position(|&there| there == element)
    }

    fn first(&self) -> Option<usize> {
        self.elements.get(self.taken).copied().filter(|element| self.shown.contains(element))
    }
}

impl SequentialSpec for QueueObject {
    type Op = Operation;
    type Ret = Answer;

    fn invoke(&mut self, operation: &Operation) -> Answer {
        match *operation {
            Operation::Push(element) => {
                let lap_before = self.elements.len().checked_sub(self.capacity);
                let free = lap_before.is_none_or(|number| self.given_back.contains(&number));
                if free {
                    self.elements.push(element);
                }
                Answer::done(free)
            }
            Operation::Show(element) => Answer::done(self.number_of(element).is_some() && self.shown.insert(element)),
            Operation::Pop => {
                let first = self.first();
                self.taken += usize::from(first.is_some());
                Answer::took(first)
            }
            Operation::GiveBack(element) => {
                let taken = self.number_of(element).filter(|&number| number < self.taken);
                Answer::done(taken.is_some_and(|number| self.given_back.insert(number)))
            }
            Operation::PushAndShow(element) => {
                let answer = self.invoke(&Operation::Push(element));
                self.shown.extend((answer == Answer::Done).then_some(element));
                answer
            }
            Operation::PopAndGiveBack => {
                let number = self.taken;
                let answer = self.invoke(&Operation::Pop);
                self.given_back.extend((answer != Answer::Refused).then_some(number));
                answer
            }
            Operation::Look => Answer::done(self.first().is_some()),
            Operation::Steal => unreachable!("no operation of a queue"),
        }
    }
}

/// The steps of a call. Two only where it makes a difference: where a call of the other side, which failed, may stand
/// between them.
fn queue_steps(call: &Call, calls: &[Call]) -> Vec<(Operation, Answer)> {
    let meets_a_failed = |kind: fn(&Operation) -> bool| {
        let failed = |other: &Call| other.answer == Answer::Refused && kind(&other.operation);
        calls.iter().any(|other| failed(other) && other.overlaps(call))
    };
    let is_push = |operation: &Operation| matches!(operation, Operation::Push(_));
    let is_pop_or_look = |operation: &Operation| matches!(operation, Operation::Pop | Operation::Look);
    let answer = call.answer.clone();
    match (&call.operation, &answer) {
        (&Operation::Push(element), Answer::Done) if meets_a_failed(is_pop_or_look) => {
            vec![(Operation::Push(element), answer), (Operation::Show(element), Answer::Done)]
        }
        (&Operation::Push(element), _) => vec![(Operation::PushAndShow(element), answer)],
        (Operation::Pop, Answer::Took(elements)) if meets_a_failed(is_push) => {
            let element = elements[0];
            vec![(Operation::Pop, answer), (Operation::GiveBack(element), Answer::Done)]
        }
        (Operation::Pop, _) => vec![(Operation::PopAndGiveBack, answer)],
        (operation, _) => vec![(operation.clone(), answer)],
    }
}

/// Runs a program on a queue, empties it, and judges the history.
fn run_queue<Q: Mpmc>(make: impl Fn(&mpmc::Scenario) -> Q) {
    let program = draw::<QueueProgram>();
    let QueueProgram(scenario) = &program;
    let (queue, clock) = (Arc::new(make(scenario)), Arc::new(AtomicUsize::new(0)));
    let recorder = |thread| Recorder { thread, clock: clock.clone(), calls: vec![] };
    let threads = (0..scenario.threads.len()).map(|which| {
        let (queue, mut recorder) = (queue.clone(), recorder(which));
        let (operations, mut element) = (scenario.threads[which].clone(), scenario.first_element(which));
        thread::spawn(move || {
            for operation in operations.chars() {
                match operation {
                    'u' => {
                        element += 1;
                        recorder.call(Operation::Push(element), || Answer::done(queue.push(0, element)));
                    }
                    'o' => recorder.call(Operation::Pop, || Answer::took(queue.pop(0))),
                    _ => recorder.call(Operation::Look, || Answer::done(queue.has_work())),
                }
            }
            recorder.calls
        })
    });
    let threads: Vec<_> = threads.collect();
    let seen: Vec<_> = threads.into_iter().flat_map(|thread| thread.join().unwrap()).collect();
    let mut last = recorder(scenario.threads.len());
    while !last.found_nothing() {
        last.call(Operation::Pop, || Answer::took(queue.pop(0)));
    }
    let calls = [seen, last.calls].concat();
    let object = QueueObject {
        capacity: scenario.capacity,
        elements: vec![],
        shown: BTreeSet::new(),
        taken: 0,
        given_back: BTreeSet::new(),
    };
    judge(object, |call| queue_steps(call, &calls), &calls, &program);
}

/// Schedules, each with a program, that an object gets from each scheduler.
const SCHEDULES: usize = 4_000;

#[test]
fn the_deque_is_linearizable() {
    verify("deque random programs, linearizable", SCHEDULES, || run_deque(steal_deque::real));
}

#[test]
fn the_queue_is_linearizable_in_steps() {
    verify("queue random programs, linearizable", SCHEDULES, || run_queue(mpmc::Scenario::shard));
}

#[test]
fn without_a_mistake_the_zoo_is_linearizable() {
    verify("deque zoo twin random programs", 500, || run_deque(|scenario| WrongDeque::new(scenario, None)));
    verify("queue zoo twin random programs", 500, || run_queue(|scenario| WrongQueue::new(scenario, None)));
}

/// The mistakes that sequential consistency shows; only weak memory shows the others.
#[test]
fn mistakes_are_caught() {
    use wrong_deque::Mistake::*;
    for mistake in [
        StaleBufferAfterGrowth,
        GrowthCopiesShort,
        GrowthFreesOld,
        PopReadsTopFirst,
        NoRestoreAfterLoss,
        PopStoresTop,
        LastElementUnraced,
        UnsignedBottom,
        StealReadsBottomFirst,
        SlotAfterExchange,
        StealStoresTop,
        StealHalf,
        BottomBeforeSlot,
        FullOffByOne,
        TwoBitIndex,
        IndexModuloCapacity,
    ] {
        let make = move |scenario: &_| WrongDeque::new(scenario, Some(mistake));
        refute(&format!("deque zoo {mistake:?} in random programs"), 3_000, move || run_deque(make));
    }
    use wrong_queue::Mistake::*;
    for mistake in [
        NoTurns,
        FlagInsteadOfTurn,
        TurnBeforeValue,
        FreedBeforeRead,
        PushClaimsByStore,
        PopClaimsByStore,
        PushClaimsFirst,
        PopClaimsFirst,
        TwoBitCounters,
        HasWorkWantsExactTurn,
    ] {
        let make = move |scenario: &_| WrongQueue::new(scenario, Some(mistake));
        refute(&format!("queue zoo {mistake:?} in random programs"), 3_000, move || run_queue(make));
    }
}
