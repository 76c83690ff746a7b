//! `vgpu-pool bench`: what the ways to share queued tasks are worth on this machine, measured in turns.
//!
//! All tasks come in at one place, so that everything depends on how they get away from there: a *skewed* workload. Every 32nd task is
//! 16 times as long as the others. Each way has a pool of its own; each round runs all of them, and a way counts by its
//! ratio to the default in the same round.

use indicatif::{ProgressBar, ProgressStyle};
use serde_json::{Value, json};
use std::fmt::Write;
use std::hint::black_box;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Instant;
use vgpu_pool::error::Error;
use vgpu_pool::pool::{Balance, Config, InboxMode, Pool, Victims, WhenFull, Worker};

/// Every so many tasks there is a long one.
const LONG_EVERY: u64 = 32;
/// So long, in short ones.
const LONG: u64 = 16;

/// How much is measured.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Size {
    /// 0: as many as the process may use.
    pub(crate) workers: usize,
    pub(crate) tasks: u64,
    pub(crate) task_ns: u64,
    pub(crate) rounds: usize,
}

/// Who submits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Source {
    /// One thread that is not a worker.
    Outside,
    /// One task.
    Inside,
}

/// One way to share tasks.
struct Way {
    table: &'static str,
    name: String,
    source: Source,
    balance: Balance,
}

/// What one run of it gave.
#[derive(Clone, Copy, Debug)]
struct Sample {
    seconds: f64,
    /// The most that a worker did, by the mean.
    imbalance: f64,
    migrations: u64,
    wakeups: u64,
}

/// What all its runs gave.
pub(crate) struct Row {
    table: &'static str,
    name: String,
    median_s: f64,
    min_s: f64,
    max_s: f64,
    /// The median over the rounds of its time by that of its table's first row.
    ratio: f64,
    imbalance: f64,
    migrations: u64,
    wakeups: u64,
    tasks_per_s: f64,
}

fn ways() -> Vec<Way> {
    let mut ways = vec![];
    let sources = [
        ("skewed, submitted by one outside thread", Source::Outside),
        ("skewed, submitted by one task", Source::Inside),
    ];
    for (table, source) in sources {
        for inbox in [InboxMode::Nearest, InboxMode::RoundRobin, InboxMode::Shared] {
            for victims in [Victims::Locality, Victims::Random, Victims::Load] {
                let name = format!("{inbox:?}, {victims:?}");
                ways.push(Way { table, name, source, balance: Balance { inbox, victims, ..Balance::default() } });
            }
        }
    }
    let usual = Balance::default();
    let settings = [
        ("all defaults", usual),
        ("stealing off", Balance { stealing: false, ..usual }),
        ("victims of 2 tasks or more", Balance { min_victim_length: 2, ..usual }),
        ("imbalance of 2 or more", Balance { imbalance: 2, ..usual }),
        ("no migrations", Balance { max_migrations: 0, ..usual }),
        ("cooldown of 20 us", Balance { cooldown_ns: 20_000, ..usual }),
        ("no retries", Balance { retries: 0, ..usual }),
    ];
    let table = "settings, skewed, submitted by one task";
    ways.extend(settings.map(|(name, balance)| Way { table, name: name.into(), source: Source::Inside, balance }));
    ways
}

/// Work that takes its time by counting, so that nothing but the CPU is needed, and no clock.
fn spin(steps: u64) {
    let mut x = steps | 1;
    for _ in 0..steps {
        x ^= x << 13;
        x ^= x >> 7;
        x ^= x << 17;
    }
    black_box(x);
}

/// How many steps take so long.
fn steps_for(nanoseconds: u64) -> u64 {
    const STEPS: u64 = 1 << 20;
    let best = (0..5).map(|_| {
        let start = Instant::now();
        spin(STEPS);
        start.elapsed().as_nanos() as u64
    });
    (STEPS * nanoseconds / best.min().unwrap_or(1).max(1)).max(1)
}

/// Submits all tasks and waits for them. Says how many steps each worker did.
fn run(pool: &Pool, source: Source, tasks: u64, steps: u64) -> Result<Vec<u64>, Error> {
    let done: Arc<[AtomicU64]> = (0..pool.workers()).map(|_| AtomicU64::new(0)).collect();
    let submit = |pool: &Pool| -> Result<(), Error> {
        let mut group = pool.group()?;
        for task in 0..tasks {
            let done = done.clone();
            let steps = if task % LONG_EVERY == 0 { LONG * steps } else { steps };
            group.submit(move |worker: &Worker| {
                spin(steps);
                done[worker.index() % done.len()].fetch_add(steps, Relaxed);
                Ok(())
            })?;
        }
        group.wait()
    };
    match source {
        Source::Outside => submit(pool)?,
        Source::Inside => pool.run(|_| submit(pool))?,
    }
    Ok(done.iter().map(|steps| steps.load(Relaxed)).collect())
}

fn sample(pool: &Pool, way: &Way, tasks: u64, steps: u64) -> Result<Sample, Error> {
    let before = pool.stats()?;
    let start = Instant::now();
    let done = run(pool, way.source, tasks, steps)?;
    let seconds = start.elapsed().as_secs_f64();
    let stats = pool.stats()?.since(&before);
    let mean = done.iter().sum::<u64>() as f64 / done.len() as f64;
    Ok(Sample {
        seconds,
        imbalance: *done.iter().max().unwrap_or(&0) as f64 / mean.max(1.0),
        migrations: stats.workers.iter().map(|worker| worker.migrations).sum(),
        wakeups: stats.workers.iter().map(|worker| worker.wakeups).sum(),
    })
}

fn median<T: Copy + PartialOrd>(values: impl Iterator<Item = T>) -> T {
    let mut values: Vec<T> = values.collect();
    values.sort_by(|a, b| a.partial_cmp(b).expect("no time is NaN"));
    values[values.len() / 2]
}

/// Measures every way, in turns.
pub(crate) fn measure(size: Size) -> Result<Vec<Row>, Error> {
    let steps = steps_for(size.task_ns);
    let ways = ways();
    let bar = ProgressBar::new((size.rounds * ways.len()) as u64).with_style(
        ProgressStyle::with_template("{bar:40} {pos}/{len} {msg}").unwrap_or_else(|_| ProgressStyle::default_bar()),
    );
    let mut samples = vec![vec![]; ways.len()];
    for _ in 0..size.rounds {
        for (way, samples) in ways.iter().zip(&mut samples) {
            bar.set_message(way.name.clone());
            // One pool at a time: idle workers of others would cost nothing, but would be where this one's are pinned.
            let config =
                Config { workers: size.workers, balance: way.balance, when_full: WhenFull::Block, ..Config::default() };
            let pool = Pool::new(&config)?;
            run(&pool, way.source, size.tasks / 16, steps)?;
            samples.push(sample(&pool, way, size.tasks, steps)?);
            bar.inc(1);
        }
    }
    bar.finish_and_clear();
    Ok(ways
        .iter()
        .zip(&samples)
        .map(|(way, own)| {
            let first = ways.iter().position(|other| other.table == way.table).unwrap_or(0);
            let seconds = || own.iter().map(|sample: &Sample| sample.seconds);
            let median_s = median(seconds());
            Row {
                table: way.table,
                name: way.name.clone(),
                median_s,
                min_s: seconds().fold(f64::INFINITY, f64::min),
                max_s: seconds().fold(0.0, f64::max),
                ratio: median(own.iter().zip(&samples[first]).map(|(own, first)| own.seconds / first.seconds)),
                imbalance: median(own.iter().map(|sample| sample.imbalance)),
                migrations: median(own.iter().map(|sample| sample.migrations)),
                wakeups: median(own.iter().map(|sample| sample.wakeups)),
                tasks_per_s: size.tasks as f64 / median_s,
            }
        })
        .collect())
}

pub(crate) fn json(rows: &[Row]) -> Value {
    let row = |row: &Row| {
        json!({
            "table": row.table, "way": row.name, "median_s": row.median_s, "min_s": row.min_s, "max_s": row.max_s,
            "tasks_per_s": row.tasks_per_s, "ratio_to_first": row.ratio, "imbalance": row.imbalance,
            "migrations": row.migrations, "wakeups": row.wakeups,
        })
    };
    rows.iter().map(row).collect()
}

/// Tables as Markdown has them.
pub(crate) fn text(rows: &[Row], size: Size) -> String {
    let mut out = format!(
        "{} tasks of {} us, one of {LONG_EVERY} {LONG} times as long; medians of {} rounds.\n",
        size.tasks,
        size.task_ns as f64 / 1e3,
        size.rounds
    );
    let mut table = "";
    for row in rows {
        if row.table != table {
            table = row.table;
            let _ = write!(
                out,
                "\n### {table}\n\n| way | time, ms | min to max | to the first | 1000 tasks/s | most by mean | migrations | wake-ups |\n|---|---|---|---|---|---|---|---|\n"
            );
        }
        let _ = writeln!(
            out,
            "| {} | {:.2} | {:.2} to {:.2} | {:.2} | {:.0} | {:.2} | {} | {} |",
            row.name,
            row.median_s * 1e3,
            row.min_s * 1e3,
            row.max_s * 1e3,
            row.ratio,
            row.tasks_per_s / 1e3,
            row.imbalance,
            row.migrations,
            row.wakeups
        );
    }
    out
}
