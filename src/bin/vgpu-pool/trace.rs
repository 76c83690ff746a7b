//! `vgpu-pool trace`: what a recorded trace says of each worker, and whether it is one.

use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::fmt::Write;
use std::fs;

/// What the spans and moments of one worker sum to. Times are in nanoseconds.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Sums {
    tasks: u64,
    jobs: u64,
    searches: u64,
    searching_ns: u64,
    sleeping_ns: u64,
    steals: u64,
    wakeups: u64,
}

impl Sums {
    fn add(&mut self, other: &Sums) {
        self.tasks += other.tasks;
        self.jobs += other.jobs;
        self.searches += other.searches;
        self.searching_ns += other.searching_ns;
        self.sleeping_ns += other.sleeping_ns;
        self.steals += other.steals;
        self.wakeups += other.wakeups;
    }

    fn json(&self) -> Value {
        json!({
            "tasks": self.tasks, "jobs": self.jobs, "searches": self.searches, "searching_ns": self.searching_ns,
            "sleeping_ns": self.sleeping_ns, "steals": self.steals, "wakeups": self.wakeups,
        })
    }
}

/// A trace, summed up.
#[derive(Debug, Default)]
pub(crate) struct Summary {
    workers: BTreeMap<u64, Sums>,
    /// From the beginning of the trace to the end of its last span.
    length_ns: u64,
    dropped: u64,
}

/// Reads a trace, or says what about it is wrong, and where.
pub(crate) fn read(path: &str) -> Result<Summary, String> {
    let bytes =
        fs::read(path).map_err(|error| format!("{path} could not be read: {error}; give the path of a trace"))?;
    let wrong = |what: String| format!("{path} is no trace of this pool: {what}; record it with vgpu_pool_trace_write");
    let trace: Value = serde_json::from_slice(&bytes).map_err(|error| wrong(format!("it is no JSON, {error}")))?;
    let events = trace["traceEvents"].as_array().ok_or_else(|| wrong("there is no list of traceEvents".into()))?;
    let mut summary =
        Summary { dropped: trace["otherData"]["dropped_events"].as_u64().unwrap_or(0), ..Summary::default() };
    for (place, event) in events.iter().enumerate() {
        summary.take(event).map_err(|what| wrong(format!("event {place} {what}")))?;
    }
    Ok(summary)
}

/// A time of the format, in microseconds with three decimals.
fn nanoseconds(event: &Value, key: &str) -> Result<u64, String> {
    match event[key].as_f64() {
        Some(micros) if micros >= 0.0 => Ok((micros * 1e3).round() as u64),
        _ => Err(format!("has no {key} in microseconds")),
    }
}

impl Summary {
    fn take(&mut self, event: &Value) -> Result<(), String> {
        let phase = event["ph"].as_str().ok_or("has no phase")?;
        if phase == "M" {
            if let Some(worker) = event["tid"].as_u64() {
                self.workers.entry(worker).or_default();
            }
            return Ok(());
        }
        let worker = event["tid"].as_u64().ok_or("names no worker")?;
        let kind = event["cat"].as_str().ok_or("has no category")?;
        let start_ns = nanoseconds(event, "ts")?;
        let duration_ns = if phase == "X" { nanoseconds(event, "dur")? } else { 0 };
        self.length_ns = self.length_ns.max(start_ns + duration_ns);
        let sums = self.workers.entry(worker).or_default();
        match (phase, kind) {
            ("X", "task") => sums.tasks += 1,
            ("X", "job") => sums.jobs += 1,
            ("X", "search") => {
                sums.searches += 1;
                sums.searching_ns += duration_ns;
            }
            ("X", "park") => sums.sleeping_ns += duration_ns,
            ("i", "steal") => sums.steals += 1,
            ("i", "wake") => sums.wakeups += 1,
            _ => return Err(format!("is a {kind} of phase {phase}, which the pool does not write")),
        }
        Ok(())
    }

    fn total(&self) -> Sums {
        let mut total = Sums::default();
        self.workers.values().for_each(|sums| total.add(sums));
        total
    }
}

pub(crate) fn json(summary: &Summary) -> Value {
    let workers: Vec<Value> = summary
        .workers
        .iter()
        .map(|(worker, sums)| {
            let mut row = sums.json();
            row["worker"] = json!(worker);
            row
        })
        .collect();
    json!({
        "length_ns": summary.length_ns, "dropped_events": summary.dropped,
        "total": summary.total().json(), "workers": workers,
    })
}

pub(crate) fn text(summary: &Summary) -> String {
    let mut out = String::new();
    let share = |part: u64, whole: u64| if whole == 0 { 0.0 } else { 100.0 * part as f64 / whole as f64 };
    let mut line = |name: &str, sums: &Sums, of_ns: u64| {
        let idle = share(sums.searching_ns, of_ns) + share(sums.sleeping_ns, of_ns);
        let _ = writeln!(
            out,
            "{name:>8} {:>10} {:>10} {:>8.1} {:>8.1} {:>8.1} {:>8} {:>8}",
            sums.tasks,
            sums.jobs,
            (100.0 - idle).max(0.0),
            share(sums.searching_ns, of_ns),
            share(sums.sleeping_ns, of_ns),
            sums.steals,
            sums.wakeups
        );
    };
    for (worker, sums) in &summary.workers {
        line(&worker.to_string(), sums, summary.length_ns);
    }
    line("all", &summary.total(), summary.length_ns * summary.workers.len() as u64);
    let head = format!(
        "{:>8} {:>10} {:>10} {:>8} {:>8} {:>8} {:>8} {:>8}\n",
        "worker", "tasks", "jobs", "busy %", "search %", "sleep %", "steals", "wakes"
    );
    let note = match summary.dropped {
        0 => String::new(),
        dropped => {
            format!("{dropped} events found no room and are missing here; start the trace with more events a worker\n")
        }
    };
    format!("{head}{out}{:.3} ms in all\n{note}", summary.length_ns as f64 / 1e6)
}
