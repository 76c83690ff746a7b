//! Models, and the two things they are for: a right design passes one with exactly its outcomes, a wrong one falls.
//!
//! What a test finds out it prints, one line for each finding, of fields between `|`. `make verify` makes its tables of
//! these lines.

use crate::explore::{deep, explore};
use loom::thread;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, PoisonError};
use vgpu_pool::sync::{AtomicU32, RELAXED, fence, futex_wake};

/// One model of one design.
#[derive(Clone, Copy)]
pub(crate) struct Model {
    /// The protocol it is about.
    pub(crate) group: &'static str,
    /// Its name there.
    pub(crate) name: &'static str,
    /// The threads that use the protocol.
    pub(crate) threads: usize,
    /// The operations in the threads' programs. A worker's loop, which makes as many as it takes, counts as one.
    pub(crate) operations: usize,
    /// Preemptions at most.
    pub(crate) bound: usize,
    /// The outcomes that a right design shows: all of these, and no others.
    pub(crate) outcomes: &'static [u64],
    pub(crate) run: &'static dyn Run,
}

/// One execution, which returns its outcome.
pub(crate) trait Run: Send + Sync {
    fn run(&self) -> u64;
    /// Tells one model's code from another's.
    fn code(&self) -> &'static str;
}

impl<F: Fn() -> u64 + Send + Sync> Run for F {
    fn run(&self) -> u64 {
        self()
    }
    fn code(&self) -> &'static str {
        std::any::type_name::<F>()
    }
}

/// Runs a model on a thread that has room to make pools: 256 KiB, where loom's first thread has 32. loom allows five in all; the models
/// with four of their own make no pools.
fn on_large_stack(run: &'static dyn Run) -> u64 {
    const WORDS: usize = (256 << 10) / size_of::<usize>();
    let thread = thread::Builder::new().stack_size(WORDS).spawn(|| run.run());
    thread.unwrap().join().unwrap()
}

/// Models are constants. One that is put together while the test runs stays until the test program ends.
pub(crate) fn constant<T>(value: T) -> &'static T {
    Box::leak(Box::new(value))
}

impl Model {
    /// The same model of another design than the protocol's own.
    pub(crate) fn of(self, design: &str) -> Model {
        Model { name: constant(format!("{} ({design})", self.name)), ..self }
    }

    /// Group and name. A `|` in a scenario's name becomes `:`, since it separates the fields of a line.
    fn title(&self) -> String {
        format!("{}/{}", self.group, self.name).replace('|', ":")
    }

    /// The checker's lazily made statics order their first user before all others, which would hide what a weak fence lets
    /// through. So their first user is the thread that starts all others.
    fn prepared(&self) -> impl Fn() -> u64 + Send + Sync + 'static {
        let Model { run, threads, .. } = *self;
        move || {
            fence(RELAXED);
            futex_wake(&AtomicU32::new(0), 1);
            if threads < 4 { on_large_stack(run) } else { run.run() }
        }
    }

    /// As [`pass`](Self::pass). The long version allows one preemption more besides, unless the model is large without.
    pub(crate) fn verify(&self) {
        let executions = self.pass();
        if deep() && executions < 30_000 {
            Model { bound: self.bound + 1, ..*self }.pass();
        }
    }

    /// The design passes, and shows exactly the outcomes. Says in how many executions. A model that has passed is not run
    /// again.
    pub(crate) fn pass(&self) -> usize {
        /// For each title and bound: the code that passed, and its executions.
        type Passed = BTreeMap<(String, usize), (&'static str, usize)>;
        static PASSED: Mutex<Passed> = Mutex::new(BTreeMap::new());
        let mut passed = PASSED.lock().unwrap_or_else(PoisonError::into_inner);
        let (title, code) = (self.title(), self.run.code());
        if let Some(&(first, executions)) = passed.get(&(title.clone(), self.bound)) {
            assert_eq!(first, code, "two models are called {title}");
            return executions;
        }
        let report = explore(&title, self.bound, self.prepared());
        let golden: BTreeSet<u64> = self.outcomes.iter().copied().collect();
        println!(
            "loom|{}|threads={}|ops={}|bound={}|executions={}|outcomes={}/{}|seconds={:.2}",
            title.replacen('/', "|", 1),
            self.threads,
            self.operations,
            self.bound,
            report.executions,
            report.outcomes.intersection(&golden).count(),
            golden.len(),
            report.seconds
        );
        if let Some(failure) = report.failure {
            panic!("{title} failed at execution {}: {failure}", report.executions);
        }
        assert_eq!(report.outcomes, golden, "{title}: the outcomes seen (left) are not the golden ones (right)");
        passed.insert((title, self.bound), (code, report.executions));
        report.executions
    }

    /// The design fails. Returns the words that tell by which model, and at which execution.
    pub(crate) fn refute(&self, design: &str) -> String {
        let title = self.title();
        let report = explore(&title, self.bound, self.prepared());
        let executions = report.executions;
        match report.failure {
            // A limit of loom is no finding: it may be a thread that goes on reading a stale value, which no machine does.
            Some(failure) if failure.contains("maximum number of branches") => {
                panic!("{design} ran into a limit in {title}: {failure}")
            }
            Some(_) => format!("killed by {title}|execution={executions}"),
            None => panic!("{design} survived {executions} executions of {title} at bound {}", self.bound),
        }
    }
}

/// A wrong design falls under a model which its corrected twin passes.
pub(crate) fn tells_apart(mistake: &str, wrong: Model, twin: Model) {
    let same = (wrong.group, wrong.bound, wrong.outcomes) == (twin.group, twin.bound, twin.outcomes);
    assert!(same && twin.name.starts_with(wrong.name), "{mistake}: {} and {} differ", wrong.title(), twin.title());
    twin.pass();
    println!("zoo|{}|{mistake}|{}|twin=pass", wrong.group, wrong.refute(mistake));
}
