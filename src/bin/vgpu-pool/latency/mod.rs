//! `vgpu-pool latency`: how long requests of several classes take under each way to share them, at a given load.
//!
//! Requests come on a schedule made beforehand from a seed, whether or not the one before is done. Each is timed from the moment at
//! which it was due to be sent, so that a request which waits because the generator was held up counts as waiting. None is skipped.
//! Beside each figure stands what a simulator of the same policy makes of the same requests, with the times that their work really took.

mod board;
mod curves;
mod engine;
mod simulate;
mod workload;

use board::{Board, Cost};
use clap::{Arg, ArgAction, ArgMatches, Command, value_parser};
use engine::{Machine, Mode, Sizes};
use hdrhistogram::Histogram;
use serde_json::{Value, json};
use simulate::Job;
use std::fmt::Write;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use vgpu_pool::error::{Error, Status};
use workload::{Request, Workload};

/// The percentiles that are told.
const QUANTILES: [f64; 5] = [0.5, 0.99, 0.999, 0.9995, 0.9999];
/// Work is made so long at least that waking and switching is small beside it: that which takes a CPU, and that which takes time alone.
const SHORTEST_NS: [f64; 2] = [20_000.0, 100_000.0];

pub(crate) fn command() -> Command {
    let number = |name: &'static str, help: &'static str| {
        Arg::new(name).long(name).value_name("N").value_parser(value_parser!(usize)).help(help)
    };
    Command::new("latency")
        .about("How long requests of several classes take, under each way to share them among workers")
        .arg(
            Arg::new("workload")
                .long("workload")
                .default_value("extreme")
                .value_parser(Workload::all().map(|workload| workload.name))
                .help("What is asked for"),
        )
        .arg(
            Arg::new("mode")
                .long("mode")
                .value_delimiter(',')
                .default_value("stealing,shared,micropools")
                .value_parser(Mode::ALL.map(Mode::name))
                .help("How workers share the requests; several, in turns"),
        )
        .arg(
            Arg::new("load")
                .long("load")
                .value_delimiter(',')
                .default_value("0.5,0.7,0.85")
                .value_parser(value_parser!(f64))
                .help("What part of the workers' time is asked for"),
        )
        .arg(number("workers", "How many workers [default: the CPUs, and 2 at least]"))
        .arg(number(
            "short-workers",
            "How many of them are for short classes, where these are kept apart [default: half]",
        ))
        .arg(
            Arg::new("lend-after")
                .long("lend-after")
                .value_name("X")
                .default_value("10")
                .value_parser(value_parser!(f64))
                .help("With reserved workers: after so many times the longest class's length one is lent to those that wait"),
        )
        .arg(number("requests", "How many requests; the first tenth is not counted [default: 100000]"))
        .arg(
            Arg::new("scale")
                .long("scale")
                .value_name("X")
                .value_parser(value_parser!(f64))
                .help("Makes all work so many times longer [default: what makes the shortest 20 us, or 100 us with --cost time]"),
        )
        .arg(
            Arg::new("cost")
                .long("cost")
                .value_parser(["cpu", "time"])
                .help("Whether work is arithmetic, or takes the worker's time and no CPU's [default: cpu if there is one for each worker]"),
        )
        .arg(
            Arg::new("seed")
                .long("seed")
                .value_name("N")
                .default_value("1")
                .value_parser(value_parser!(u64))
                .help("The same seed gives the same requests"),
        )
        .arg(Arg::new("histogram").long("histogram").action(ArgAction::SetTrue).help("Also print how many took 2^n ns"))
        .arg(Arg::new("json").long("json").action(ArgAction::SetTrue).help("Print JSON"))
        .arg(Arg::new("html").long("html").value_name("FILE").help("Also write a page with the percentile curves"))
        .arg(Arg::new("svg").long("svg").value_name("FILE").help("Also write the curves alone"))
}

/// What was asked for.
struct Plan {
    workload: Workload,
    scale: f64,
    modes: Vec<Mode>,
    loads: Vec<f64>,
    sizes: Sizes,
    cost: Cost,
    requests: usize,
    seed: u64,
}

fn refuse<T>(sentence: String) -> Result<T, Error> {
    Err(Error::new(Status::InvalidArgument, format_args!("{sentence}")))
}

impl Plan {
    fn from(options: &ArgMatches) -> Result<Plan, Error> {
        let text = |name| options.get_one::<String>(name).map(String::as_str).unwrap_or_default();
        let number = |name| options.get_one::<usize>(name).copied();
        let Some(workload) = Workload::find(text("workload")) else { return refuse("no such workload".into()) };
        let cpus = std::thread::available_parallelism().map_or(1, usize::from);
        let workers = number("workers").unwrap_or(cpus.max(4));
        let of_short: f64 = workload
            .classes
            .iter()
            .filter(|class| !class.is_long)
            .map(|class| class.share * class.service.mean())
            .sum();
        let part = (of_short / workload.mean() * workers as f64).round() as usize;
        let short = number("short-workers").unwrap_or(part.clamp(1, workers.saturating_sub(1).max(1)));
        if workers < 2 || short == 0 || short >= workers {
            return refuse(format!(
                "{workers} workers were asked for, of which {short} for short classes; there must be one at least for each kind"
            ));
        }
        let shortest = workload.classes.iter().map(|class| class.service.mean()).fold(f64::INFINITY, f64::min);
        let takes_time = match text("cost") {
            "" => workers >= cpus,
            cost => cost == "time",
        };
        let usual = (SHORTEST_NS[usize::from(takes_time)] / shortest).max(1.0);
        let scale = options.get_one::<f64>("scale").copied().unwrap_or(usual);
        let cost = if takes_time { Cost::Time } else { Cost::Steps(board::steps_per_ns(workers)) };
        let loads: Vec<f64> = options.get_many("load").into_iter().flatten().copied().collect();
        if let Some(load) = loads.iter().find(|load| !(**load > 0.0 && **load < 1.0)) {
            return refuse(format!(
                "a load of {load} was asked for; it must be between 0 and 1, since above 1 the queue never ends"
            ));
        }
        if !(scale > 0.0 && scale * workload.mean() < 1e9) {
            return refuse(format!(
                "a scale of {scale} was asked for; it must be positive, and work shorter than a second"
            ));
        }
        let lend_after = options.get_one::<f64>("lend-after").copied().unwrap_or(10.0);
        if !(lend_after > 0.0 && lend_after < 1e6) {
            return refuse(format!(
                "workers were to be lent after {lend_after} lengths; it must be positive, and below a million"
            ));
        }
        let longest = workload.classes.iter().map(|class| class.service.mean()).fold(0.0, f64::max) * scale;
        let names = options.get_many::<String>("mode").into_iter().flatten();
        let requests = number("requests").unwrap_or(100_000);
        if !(1000..=50_000_000).contains(&requests) {
            return refuse(format!("{requests} requests were asked for; a run has from 1000 to 50 million"));
        }
        Ok(Plan {
            workload: workload.scaled(scale),
            scale,
            modes: names.filter_map(|name| Mode::ALL.into_iter().find(|mode| mode.name() == name)).collect(),
            loads,
            sizes: Sizes { workers, short, lend_after_ns: (lend_after * longest) as u64 },
            cost,
            requests,
            seed: options.get_one("seed").copied().unwrap_or(1),
        })
    }
}

/// A class in one run.
struct Row {
    mode: Mode,
    load: f64,
    class: &'static str,
    latency: Histogram<u64>,
    /// Latency in hundredths of the work's own length.
    slowdown: Histogram<u64>,
    simulated: Histogram<u64>,
    /// Whether the generator's lateness may show in the 99.9th percentile.
    is_late: bool,
}

impl Row {
    fn slowdown(&self) -> f64 {
        self.slowdown.value_at_quantile(0.999) as f64 / 100.0
    }

    fn simulated(&self) -> f64 {
        self.simulated.value_at_quantile(0.999) as f64 / 100.0
    }
}

/// One run.
struct Run {
    mode: Mode,
    load: f64,
    achieved: f64,
    lateness: Histogram<u64>,
    wake_ns: u64,
    /// How long the work really took, in parts of what was asked for.
    stretch: f64,
    own_cpu: bool,
    rows: Vec<Row>,
}

impl Run {
    /// A run in which the generator could not keep up says nothing.
    fn is_void(&self) -> bool {
        self.achieved < 0.99
    }
}

fn histogram() -> Histogram<u64> {
    let mut histogram = Histogram::new(3).unwrap_or_else(|error| unreachable!("three digits are allowed: {error}"));
    histogram.auto(true);
    histogram
}

fn measure(plan: &Plan, mode: Mode, load: f64) -> Result<Run, Error> {
    let workload = &plan.workload;
    let long: Vec<bool> = workload.classes.iter().map(|class| class.is_long).collect();
    let busy = if plan.cost == Cost::Time { 0.0 } else { load * plan.sizes.workers as f64 };
    let machine = Machine::new(busy)?;
    let wake_ns = wake_up(plan, mode, &machine, &long)?;
    let requests = workload.schedule(plan.requests, load, plan.sizes.workers, plan.seed);
    let board = Arc::new(Board::new(requests, plan.cost));
    let start = engine::run(mode, plan.sizes, &machine, &board, &long)?;
    let times = match board.times() {
        Ok(times) => times,
        Err(what) => return Err(Error::new(Status::TaskFailed, format_args!("mode {}: {what}", mode.name()))),
    };
    let jobs = board.requests.iter().zip(&times).map(|(request, (began, done))| Job {
        at_ns: start + request.at_ns,
        service_ns: done - began,
        queue: usize::from(long[usize::from(request.class)]),
    });
    let jobs: Vec<Job> = jobs.collect();
    let simulated = engine::simulated(mode, plan.sizes, &jobs, wake_ns);
    let mut lateness = histogram();
    let mut rows: Vec<Row> = workload
        .classes
        .iter()
        .map(|class| Row {
            mode,
            load,
            class: class.name,
            latency: histogram(),
            slowdown: histogram(),
            simulated: histogram(),
            is_late: false,
        })
        .collect();
    for (i, request) in board.requests.iter().enumerate().skip(plan.requests / 10) {
        let row = &mut rows[usize::from(request.class)];
        let slowdown = |done: u64| (done - jobs[i].at_ns) * 100 / u64::from(request.service_ns.max(1));
        row.latency += times[i].1 - jobs[i].at_ns;
        row.slowdown += slowdown(times[i].1);
        row.simulated += slowdown(simulated[i]);
        lateness += board.sent[i].load(Relaxed).saturating_sub(jobs[i].at_ns);
    }
    let late = lateness.value_at_quantile(0.999);
    rows.iter_mut().for_each(|row| row.is_late = late * 20 > row.latency.value_at_quantile(0.999));
    let last = |times: &mut dyn Iterator<Item = u64>| times.max().unwrap_or(start) - start;
    let offered = last(&mut jobs.iter().map(|job| job.at_ns));
    let sent = last(&mut board.sent.iter().map(|sent| sent.load(Relaxed)));
    let achieved = offered as f64 / sent.max(1) as f64;
    let took: u64 = jobs.iter().map(|job| job.service_ns).sum();
    let asked: u64 = board.requests.iter().map(|request| u64::from(request.service_ns)).sum();
    let stretch = took as f64 / asked.max(1) as f64;
    Ok(Run { mode, load, achieved, lateness, wake_ns, stretch, own_cpu: machine.has_own_cpu(), rows })
}

/// How long a request waits that finds all workers idle: the median of some that come one by one.
fn wake_up(plan: &Plan, mode: Mode, machine: &Machine, long: &[bool]) -> Result<u64, Error> {
    const TRIES: u64 = 400;
    let class = long.iter().position(|is_long| !is_long).unwrap_or(0);
    let service_ns = plan.workload.classes[class].service.mean() as u32;
    let request = |i: u64| Request { at_ns: i * (250_000 + u64::from(service_ns)), service_ns, class: class as u8 };
    let board = Arc::new(Board::new((0..TRIES).map(request).collect(), plan.cost));
    engine::run(mode, plan.sizes, machine, &board, long)?;
    let times = board.times().map_err(|what| Error::new(Status::TaskFailed, format_args!("{what}")))?;
    let sent = board.sent.iter().map(|sent| sent.load(Relaxed));
    let mut waits: Vec<u64> = times.iter().zip(sent).map(|((began, _), sent)| began.saturating_sub(sent)).collect();
    waits.sort_unstable();
    Ok(waits[waits.len() / 2])
}

pub(crate) fn run(options: &ArgMatches) -> Result<String, Error> {
    let plan = Plan::from(options)?;
    let mut runs = vec![];
    for &load in &plan.loads {
        for &mode in &plan.modes {
            eprintln!("load {load}, {} ...", mode.name());
            runs.push(measure(&plan, mode, load)?);
        }
    }
    let curves = curves::draw(&runs);
    let write = |option: &str, text: &str| match options.get_one::<String>(option) {
        None => Ok(()),
        Some(file) => std::fs::write(file, text)
            .map_err(|error| Error::new(Status::Io, format_args!("{file} could not be written: {error}"))),
    };
    let text = text(&plan, &runs, options.get_flag("histogram"));
    write("svg", &curves)?;
    write("html", &curves::page(&curves, &text))?;
    Ok(if options.get_flag("json") { format!("{:#}\n", value(&plan, &runs)) } else { text })
}

fn about(plan: &Plan) -> String {
    let Plan { workload, sizes, requests, seed, scale, .. } = plan;
    let mean = workload.mean() / 1000.0;
    let cost = if plan.cost == Cost::Time { "of a worker's time and no CPU's" } else { "of a CPU" };
    format!(
        "{} ({}), {scale} times as long: {mean:.1} us {cost} on the average. {} workers, {} of them for short classes where these are kept \
         apart. {requests} requests, seed {seed}.\n",
        workload.name, workload.about, sizes.workers, sizes.short
    )
}

fn text(plan: &Plan, runs: &[Run], with_histogram: bool) -> String {
    let mut out = about(plan);
    out.push_str("\n load  mode        class         requests       p50       p99     p99.9    p99.95    p99.99  us | slowdown p99.9  simulated  ratio\n");
    for run in runs {
        for row in &run.rows {
            _ = write!(out, " {:4.2}  {:<10}  {:<11}  {:>9} ", row.load, row.mode.name(), row.class, row.latency.len());
            for quantile in QUANTILES {
                _ = write!(out, " {:>9.1}", row.latency.value_at_quantile(quantile) as f64 / 1000.0);
            }
            let (slowdown, simulated) = (row.slowdown(), row.simulated());
            let late = if row.is_late { " late" } else { "" };
            _ = writeln!(out, "     | {slowdown:>14.1} {simulated:>10.1} {:>6.2}{late}", slowdown / simulated);
        }
        let late = |quantile| run.lateness.value_at_quantile(quantile) as f64 / 1000.0;
        let void = if run.is_void() { " VOID: the generator did not keep up." } else { "" };
        let cpu = if run.own_cpu { "has a CPU to itself" } else { "shares the workers' CPUs" };
        _ = writeln!(
            out,
            "       the generator {cpu}; late by {:.1} us (p50), {:.1} us (p99.9); an idle worker is at work after {:.1} us; \
             work took {:.2} times its length.{void}",
            late(0.5),
            late(0.999),
            run.wake_ns as f64 / 1000.0,
            run.stretch
        );
    }
    out.push_str("A row is late when the generator's lateness is more than 5 % of its p99.9: then part of that is the generator's.\n");
    if with_histogram {
        histograms(&mut out, runs);
    }
    out
}

/// How many requests took from 2^n up to 2^(n + 1) ns, all classes together.
fn histograms(out: &mut String, runs: &[Run]) {
    for load in loads(runs) {
        let runs: Vec<&Run> = runs.iter().filter(|run| run.load == load).collect();
        _ = write!(out, "\nload {load:.2}, log2 ns");
        runs.iter().for_each(|run| _ = write!(out, " {:>11}", run.mode.name()));
        let counts: Vec<[u64; 64]> = runs
            .iter()
            .map(|run| {
                let mut counts = [0; 64];
                for value in run.rows.iter().flat_map(|row| row.latency.iter_recorded()) {
                    counts[value.value_iterated_to().max(1).ilog2() as usize] += value.count_at_value();
                }
                counts
            })
            .collect();
        let used = |bucket: &usize| counts.iter().any(|counts| counts[*bucket] != 0);
        for bucket in (0..64).filter(used) {
            _ = write!(out, "\n          {bucket:>8}");
            counts.iter().for_each(|counts| _ = write!(out, " {:>11}", counts[bucket]));
        }
        out.push('\n');
    }
}

/// The loads of the runs, each once.
fn loads(runs: &[Run]) -> Vec<f64> {
    let mut loads: Vec<f64> = runs.iter().map(|run| run.load).collect();
    loads.dedup();
    loads
}

fn value(plan: &Plan, runs: &[Run]) -> Value {
    let row = |row: &Row| {
        let quantiles = QUANTILES.map(|quantile| {
            let name = format!("p{}", (quantile * 1e6).round() / 1e4);
            (name, json!(row.latency.value_at_quantile(quantile)))
        });
        json!({
            "class": row.class,
            "requests": row.latency.len(),
            "latency_ns": quantiles.into_iter().collect::<serde_json::Map<_, _>>(),
            "slowdown_p99.9": row.slowdown(),
            "simulated_slowdown_p99.9": row.simulated(),
            "late": row.is_late,
        })
    };
    let run = |run: &Run| {
        json!({
            "mode": run.mode.name(),
            "load": run.load,
            "void": run.is_void(),
            "achieved_of_offered": run.achieved,
            "generator_has_own_cpu": run.own_cpu,
            "lateness_p99.9_ns": run.lateness.value_at_quantile(0.999),
            "wake_ns": run.wake_ns,
            "work_took_of_asked": run.stretch,
            "classes": run.rows.iter().map(row).collect::<Vec<_>>(),
        })
    };
    json!({
        "workload": plan.workload.name,
        "scale": plan.scale,
        "cost": if plan.cost == Cost::Time { "time" } else { "cpu" },
        "workers": plan.sizes.workers,
        "short_workers": plan.sizes.short,
        "lend_after_ns": plan.sizes.lend_after_ns,
        "requests": plan.requests,
        "seed": plan.seed,
        "runs": runs.iter().map(run).collect::<Vec<_>>(),
    })
}
