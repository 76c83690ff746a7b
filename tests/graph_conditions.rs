//! Task graphs with conditions: branches, loops, and what is refused.
#![cfg(not(any(feature = "loom", feature = "shuttle")))]

#[allow(dead_code)] // The other tests of graphs use the rest.
mod graph_tools;

use graph_tools::*;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering::*};
use std::time::Duration;
use vgpu_pool::error::{Error, Result, Status};
use vgpu_pool::parallel::graph::{Builder, Choice, Graph, OnFailure, Vertex};
use vgpu_pool::pool::Worker;

fn choose(numbers: &[usize]) -> Choice {
    numbers.iter().fold(Choice::NONE, |all, &number| all.and(Choice::one(number)))
}

fn failed<T>() -> Result<T> {
    Err(Error::new(Status::TaskFailed, format_args!("as asked")))
}

/// A graph in which `start` chooses `body`, and `again` after it chooses it so often in all.
fn loop_of<'env>(rounds: u32, body: impl FnMut(&Worker) -> Result<()> + Send + 'env) -> Graph<'env> {
    let mut builder = Builder::new();
    let start = builder.condition("start", |_| Ok(Choice::one(0))).unwrap();
    let body = builder.named("body", body).unwrap();
    let mut round = 0;
    let again = builder
        .condition("again", move |_| {
            round = (round + 1) % rounds;
            Ok(if round == 0 { Choice::NONE } else { Choice::one(0) })
        })
        .unwrap();
    builder.precede(start, body).unwrap();
    builder.precede(body, again).unwrap();
    builder.precede(again, body).unwrap();
    builder.build().unwrap()
}

#[test]
fn a_loop_goes_round_as_often_as_its_condition_says() {
    let pool = pool(2);
    let ran = AtomicU32::new(0);
    let graph = loop_of(1000, |_| counted_up(&ran));
    for runs in 1..=20 {
        if runs % 2 == 0 { graph.run(&pool) } else { pool.run(|_| graph.run(&pool)) }.unwrap();
        assert_eq!((ran.load(SeqCst), graph.skipped()), (runs * 1000, 0));
    }
}

#[test]
fn a_condition_may_choose_itself() {
    let pool = pool(1);
    let mut rounds = 0;
    let mut builder = Builder::new();
    let wait = builder
        .condition("wait", |_| {
            rounds += 1;
            Ok(if rounds < 100 { Choice::one(0) } else { Choice::NONE })
        })
        .unwrap();
    // It starts by itself in the first round only if nothing comes before it, which its own choice would.
    builder.precede(wait, wait).unwrap();
    assert_eq!(status(builder.try_build()), Some(Status::InvalidArgument));
    let start = builder.condition("start", |_| Ok(Choice::one(0))).unwrap();
    builder.precede(start, wait).unwrap();
    builder.build().unwrap().run(&pool).unwrap();
    assert_eq!(rounds, 100);
}

#[test]
fn of_two_branches_the_chosen_one_runs() {
    let pool = pool(2);
    let (choice, ran) = (AtomicU32::new(0), [(); 4].map(|()| AtomicU32::new(0)));
    let mut builder = Builder::new();
    let if_so = builder.condition("if", |_| Ok(Choice::from_bits(choice.load(SeqCst).into()))).unwrap();
    let [yes, after_yes, no, after_no] = [0, 1, 2, 3].map(|vertex| {
        builder
            .add({
                let ran = &ran;
                move |_: &Worker| counted_up(&ran[vertex])
            })
            .unwrap()
    });
    builder.precede(if_so, yes).unwrap();
    builder.precede(if_so, no).unwrap();
    builder.precede(yes, after_yes).unwrap();
    builder.precede(no, after_no).unwrap();
    let graph = builder.build().unwrap();
    for bits in [0, 1, 2, 3, 0, 3] {
        choice.store(bits, SeqCst);
        graph.run(&pool).unwrap();
        let ran = ran.each_ref().map(|ran| ran.swap(0, SeqCst));
        assert_eq!(ran, [bits & 1, bits & 1, bits >> 1, bits >> 1]);
        assert_eq!(graph.skipped(), 0, "what is not chosen is not skipped");
    }
}

#[test]
fn what_several_choose_runs_once() {
    let pool = pool(2);
    let ran = AtomicU32::new(0);
    let mut builder = Builder::new();
    let vertex = builder.add(|_| counted_up(&ran)).unwrap();
    for _ in 0..5 {
        let condition = builder.condition("", |_| Ok(choose(&[0, 1]))).unwrap();
        builder.precede(condition, vertex).unwrap();
        builder.precede(condition, vertex).unwrap();
    }
    let graph = builder.build().unwrap();
    for runs in 1..=50 {
        graph.run(&pool).unwrap();
        assert_eq!(ran.load(SeqCst), runs);
    }
}

#[test]
fn a_round_begins_when_the_one_before_has_ended() {
    // Beside the condition runs a vertex that takes its time. It must be over when it is chosen again.
    let pool = pool(2);
    let (inside, rounds) = (AtomicBool::new(false), AtomicU32::new(0));
    let mut builder = Builder::new();
    let start = builder.condition("start", |_| Ok(Choice::one(0))).unwrap();
    let first = builder.add(nothing).unwrap();
    let slow = builder
        .add(|_| {
            assert!(!inside.swap(true, SeqCst), "it runs already");
            std::thread::sleep(Duration::from_millis(1));
            inside.store(false, SeqCst);
            Ok(())
        })
        .unwrap();
    let again = builder
        .condition("again", |_| Ok(if rounds.fetch_add(1, SeqCst) % 10 < 9 { Choice::one(0) } else { Choice::NONE }))
        .unwrap();
    builder.precede(start, first).unwrap();
    builder.precede(first, slow).unwrap();
    builder.precede(first, again).unwrap();
    builder.precede(again, first).unwrap();
    let graph = builder.build().unwrap();
    for runs in 1..=5 {
        graph.run(&pool).unwrap();
        assert_eq!(rounds.load(SeqCst), runs * 10);
    }
}

/// Random regions, each with a condition that chooses by a list drawn beforehand, against the same machine in thought.
#[test]
fn random_rounds_are_those_of_the_machine_in_thought() {
    const CHOICES: usize = 6;
    for seed in 0..60 {
        let random = Random::new(seed);
        let (regions, size) = (2 + random.below(5), 1 + random.below(12));
        // Vertex v is of region v / size. All of a region come after its first, and so start with it.
        let mut edges = vec![];
        for region in 0..regions {
            let base = region * size;
            edges.extend(random_edges(size, size, &random).into_iter().map(|(a, b)| (base + a, base + b)));
            edges.extend((1..size).map(|vertex| (base, base + vertex)));
        }
        let choices: Vec<Vec<usize>> =
            (0..regions).map(|_| (0..CHOICES).map(|_| random.below(1 << (regions - 1))).collect()).collect();

        let log = Log::new(regions * size);
        let mut builder = Builder::new();
        let vertices: Vec<Vertex> = (0..regions * size)
            .map(|vertex| {
                let log = log.clone();
                builder.add(move |_| log.note(vertex)).unwrap()
            })
            .collect();
        edges.iter().for_each(|&(before, after)| builder.precede(vertices[before], vertices[after]).unwrap());
        for (region, choices) in choices.iter().enumerate() {
            let mut left = choices.clone();
            let condition =
                builder.condition("", move |_| Ok(Choice::from_bits(left.pop().unwrap_or(0) as u64))).unwrap();
            builder.precede(vertices[region * size + size - 1], condition).unwrap();
            (1..regions).for_each(|chosen| builder.precede(condition, vertices[chosen * size]).unwrap());
        }
        let graph = builder.build().unwrap();

        let (mut left, mut now, mut rounds) = (choices, vec![0], vec![0; regions]);
        while !now.is_empty() {
            now.iter().for_each(|&region: &usize| rounds[region] += 1);
            let chosen = now.iter().fold(0, |all, &region| all | left[region].pop().unwrap_or(0));
            now = (1..regions).filter(|region| chosen >> (region - 1) & 1 != 0).collect();
        }
        graph.run(&pool(1 + random.below(3))).unwrap();
        for vertex in 0..regions * size {
            assert_eq!(log.ran(vertex), rounds[vertex / size], "seed {seed}, vertex {vertex}");
        }
        let ran: Vec<_> = edges.iter().copied().filter(|&(before, _)| rounds[before / size] > 0).collect();
        log.check_order(&ran);
        assert_eq!(graph.skipped(), 0);
    }
}

#[test]
fn runs_with_conditions_allocate_nothing() {
    let counted = Counted::new();
    let pool = pool(2);
    let mut builder = Builder::new_in(counted.allocator());
    let mut rounds = 0;
    let start = builder.condition("start", |_| Ok(choose(&[0, 1]))).unwrap();
    let many: Vec<_> = (0..50).map(|_| builder.condition("", |_| Ok(Choice::NONE)).unwrap()).collect();
    let again = builder
        .condition("again", move |_| {
            rounds += 1;
            Ok(if rounds % 20 == 0 { Choice::NONE } else { choose(&(0..50).collect::<Vec<_>>()) })
        })
        .unwrap();
    builder.precede(start, again).unwrap();
    builder.precede(start, many[0]).unwrap();
    builder.precede(again, again).unwrap();
    many.iter().for_each(|&vertex| builder.precede(again, vertex).unwrap());
    let graph = builder.build().unwrap();
    let before = counted.asked.load(SeqCst);
    (0..20).for_each(|_| graph.run(&pool).unwrap());
    assert_eq!(counted.asked.load(SeqCst), before);
    drop(graph);
    assert_eq!(counted.out.load(SeqCst), 0);
}

#[test]
fn a_condition_that_fails_or_is_skipped_chooses_nothing() {
    let pool = pool(2);
    for choice in [OnFailure::SkipRest, OnFailure::SkipSuccessors] {
        let (fails, ran) = (AtomicU32::new(0), AtomicU32::new(0));
        let mut builder = Builder::new();
        builder.on_failure(choice);
        let first = builder.add(|_| if fails.load(SeqCst) == 1 { failed() } else { Ok(()) }).unwrap();
        let condition = builder
            .condition("", |_| match fails.load(SeqCst) {
                2 => failed(),
                3 => std::panic::resume_unwind(Box::new("as asked")),
                // Of a successor that is not there.
                4 => Ok(choose(&[0, 1])),
                5 => Ok(Choice::one(64)),
                _ => Ok(Choice::one(0)),
            })
            .unwrap();
        let chosen = builder.add(|_| counted_up(&ran)).unwrap();
        builder.precede(first, condition).unwrap();
        builder.precede(condition, chosen).unwrap();
        let graph = builder.build().unwrap();
        let (failed, panicked, wrong) = (Some(Status::TaskFailed), Some(Status::Panic), Some(Status::InvalidArgument));
        for (way, outcome, skipped) in
            [(0, None, 0), (1, failed, 1), (2, failed, 0), (3, panicked, 0), (4, wrong, 0), (5, wrong, 0), (0, None, 0)]
        {
            fails.store(way, SeqCst);
            assert_eq!(status(graph.run(&pool)), outcome, "{way}");
            assert_eq!((ran.swap(0, SeqCst), graph.skipped()), (u32::from(way == 0), skipped), "{way}");
        }
    }
}

#[test]
fn a_failure_ends_a_loop_and_a_cancellation_one_without_end() {
    let pool = pool(2);
    let ran = AtomicU32::new(0);
    let failing = loop_of(1000, |_| if ran.fetch_add(1, SeqCst) == 9 { failed() } else { Ok(()) });
    assert_eq!(status(failing.run(&pool)), Some(Status::TaskFailed));
    assert_eq!((ran.load(SeqCst), failing.skipped()), (10, 1));

    let (ran, ends) = (Arc::new(AtomicU32::new(0)), Arc::new(AtomicBool::new(false)));
    let mut builder = Builder::new();
    let start = builder.condition("start", |_| Ok(Choice::one(0))).unwrap();
    let (counted, ended) = (ran.clone(), ends.clone());
    let endless = builder
        .condition("endless", move |_| {
            counted.fetch_add(1, SeqCst);
            Ok(if ended.load(SeqCst) { Choice::NONE } else { Choice::one(0) })
        })
        .unwrap();
    builder.precede(start, endless).unwrap();
    builder.precede(endless, endless).unwrap();
    let graph = builder.build().unwrap();
    let run = graph.launch(&pool).unwrap();
    wait_for(|| ran.load(SeqCst) > 100);
    run.cancel();
    assert_eq!(status(run.wait()), Some(Status::Cancelled));
    assert_eq!(graph.skipped(), 1);
    ends.store(true, SeqCst);
    graph.run(&pool).unwrap();
}

/// The message with which `builder` refuses.
fn refusal(mut builder: Builder<'_>) -> String {
    let error = builder.try_build().unwrap_err();
    assert_eq!(error.status(), Status::InvalidArgument);
    assert!(builder.vertices() > 0, "the builder keeps what it has");
    error.to_string()
}

#[test]
fn what_only_a_choice_could_show_is_refused() {
    let none = |_: &Worker| Ok(Choice::NONE);
    // Waited for and chosen.
    let mut builder = Builder::new();
    let init = builder.named("init", nothing).unwrap();
    let body = builder.named("body", nothing).unwrap();
    let again = builder.condition("again", none).unwrap();
    builder.precede(init, body).unwrap();
    builder.precede(body, again).unwrap();
    builder.precede(again, body).unwrap();
    let text = refusal(builder);
    assert!(text.contains("vertex body is after init") && text.contains("condition again"), "{text}");

    // Two branches, and a vertex that waits for both.
    let mut builder = Builder::new();
    let if_so = builder.condition("if", none).unwrap();
    let [yes, no, both] = ["yes", "no", "both"].map(|name| builder.named(name, nothing).unwrap());
    for branch in [yes, no] {
        builder.precede(if_so, branch).unwrap();
        builder.precede(branch, both).unwrap();
    }
    let text = refusal(builder);
    assert!(text.contains("vertex both waits for yes and for no"), "{text}");

    // No way in.
    let mut builder = Builder::new();
    builder.named("by itself", nothing).unwrap();
    let [one, other] = ["one", "other"].map(|name| builder.condition(name, none).unwrap());
    builder.precede(one, other).unwrap();
    builder.precede(other, one).unwrap();
    let text = refusal(builder);
    assert!(text.contains("vertex one can never start"), "{text}");

    // A cycle of strong edges beyond a condition.
    let mut builder = Builder::new();
    let if_so = builder.condition("if", none).unwrap();
    let [a, b, c] = ["a", "b", "c"].map(|name| builder.named(name, nothing).unwrap());
    builder.precede(if_so, a).unwrap();
    [(a, b), (b, c), (c, b)].into_iter().for_each(|(before, after)| builder.precede(before, after).unwrap());
    let text = refusal(builder);
    assert!(text.contains("b -> c -> b") || text.contains("c -> b -> c"), "{text}");

    // Too many choices.
    let mut builder = Builder::new();
    let many = builder.condition("many", none).unwrap();
    for _ in 0..=Choice::MOST {
        let vertex = builder.add(nothing).unwrap();
        builder.precede(many, vertex).unwrap();
    }
    let text = refusal(builder);
    assert!(text.contains("condition many is to choose among 64"), "{text}");

    // A vertex that is no condition does not come before itself.
    let mut builder = Builder::new();
    let vertex = builder.named("itself", nothing).unwrap();
    assert_eq!(status(builder.precede(vertex, vertex)), Some(Status::InvalidArgument));
}
