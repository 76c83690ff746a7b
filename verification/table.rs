//! Makes one table of what the models found out, from the lines that they print.
//!
//! `verification_table show|write|check LOG...` reads the logs of a run of the models. Every mode prints the table with
//! times and seeds. `write` makes `verification/README.md` of `verification/preface.md` and the table without them, so that
//! the file changes only when a finding does; `check` fails when the file is not the one that `write` would make.
//!
//! It fails too when something is missing: a protocol without a model, a weakened site that nothing kills, a wrong design
//! without a twin that passes, too few schedules.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;
use std::fs;
use std::process::ExitCode;
use std::sync::atomic::Ordering::{self, *};
use vgpu_pool::protocol::SITES;

const PREFACE: &str = "verification/preface.md";
const README: &str = "verification/README.md";

/// Schedules of the library's own code that shuttle must have walked, those of the zoo's twins not counted.
const LEAST_SCHEDULES: u64 = 500_000;
/// Wrong designs that must have fallen under loom.
const LEAST_ZOO: usize = 18;
/// Shuttle's schedulers, each of which sees bugs that others miss.
const SCHEDULERS: [&str; 6] = ["Random", "URW", "PCT 2", "PCT 3", "PCT 4", "PCT 5"];
const EVERY_INTERLEAVING: &str = "every interleaving";

type Result<T> = std::result::Result<T, String>;

/// `loom|group|name|threads=|ops=|bound=|executions=|outcomes=|seconds=`
struct Model {
    test: String,
    threads: String,
    operations: String,
    executions: u64,
    seen: String,
    golden: String,
    seconds: f64,
}

/// `site|name|from -> to|killed by MODEL|execution=`, or `survives: ARGUMENT` in place of the killer.
struct Weakening {
    from: String,
    verdict: Verdict,
}

enum Verdict {
    Killed { by: String, execution: u64 },
    Survives(String),
}

/// `zoo|group|mistake|killed by MODEL|execution=|twin=`
struct Wrong {
    test: String,
    by: String,
    execution: u64,
    twin_passes: bool,
}

/// `shuttle|name|scheduler|schedules=|seed=|seconds=`
struct Walk {
    schedules: u64,
    seed: String,
    seconds: f64,
}

/// All lines of the logs. The keys keep them in an order that no run changes.
#[derive(Default)]
struct Findings {
    /// By group, name and bound.
    models: BTreeMap<(String, String, String), Model>,
    /// By site and weaker ordering.
    weakenings: BTreeMap<(String, String), Weakening>,
    /// By group and mistake.
    zoo: BTreeMap<(String, String), Wrong>,
    /// By name, then scheduler.
    walks: BTreeMap<String, BTreeMap<String, Walk>>,
    /// `shuttle-zoo|name|fell at schedule SCHEDULER NUMBER, ...`
    falls: BTreeMap<String, String>,
}

fn value<'a>(field: &'a str, key: &str) -> Result<&'a str> {
    field.strip_prefix(key).ok_or_else(|| format!("`{field}` does not start with `{key}`"))
}

fn number<T: std::str::FromStr>(field: &str, key: &str) -> Result<T> {
    let digits = value(field, key)?;
    digits.parse().map_err(|_| format!("`{digits}` is no number"))
}

impl Findings {
    fn add(&mut self, test: &str, kind: &str, fields: &[&str]) -> Result<()> {
        let new = match (kind, fields) {
            ("loom", &[group, name, threads, operations, bound, executions, outcomes, seconds]) => {
                let (seen, golden) = value(outcomes, "outcomes=")?.split_once('/').ok_or("outcomes without a `/`")?;
                let key = (group.into(), name.into(), value(bound, "bound=")?.into());
                let model = Model {
                    test: test.into(),
                    threads: value(threads, "threads=")?.into(),
                    operations: value(operations, "ops=")?.into(),
                    executions: number(executions, "executions=")?,
                    seen: seen.into(),
                    golden: golden.into(),
                    seconds: number(seconds, "seconds=")?,
                };
                self.models.insert(key, model).is_none()
            }
            ("site", &[name, weakening, verdict, execution]) => {
                let (from, to) = weakening.split_once(" -> ").ok_or("a weakening without a `->`")?;
                let verdict = match verdict.strip_prefix("survives: ") {
                    Some(argument) => Verdict::Survives(argument.into()),
                    None => Verdict::Killed {
                        by: value(verdict, "killed by ")?.into(),
                        execution: number(execution, "execution=")?,
                    },
                };
                self.weakenings.insert((name.into(), to.into()), Weakening { from: from.into(), verdict }).is_none()
            }
            ("zoo", &[group, mistake, by, execution, twin]) => {
                let wrong = Wrong {
                    test: test.into(),
                    by: value(by, "killed by ")?.into(),
                    execution: number(execution, "execution=")?,
                    twin_passes: value(twin, "twin=")? == "pass",
                };
                self.zoo.insert((group.into(), mistake.into()), wrong).is_none()
            }
            ("shuttle", &[name, scheduler, schedules, seed, seconds]) => {
                let walk = Walk {
                    schedules: number(schedules, "schedules=")?,
                    seed: value(seed, "seed=")?.into(),
                    seconds: number(seconds, "seconds=")?,
                };
                self.walks.entry(name.into()).or_default().insert(scheduler.into(), walk).is_none()
            }
            ("shuttle-zoo", &[name, at]) => {
                self.falls.insert(name.into(), value(at, "fell at schedule ")?.into()).is_none()
            }
            _ => return Err("the fields are not those of any finding".into()),
        };
        if new { Ok(()) } else { Err("the same thing was found before".into()) }
    }

    fn read(logs: &[String]) -> Result<Findings> {
        // With the number of fields that follow. The first takes what is too many: shuttle's names may have a `|` inside.
        const KINDS: [(&str, usize); 5] = [("loom", 8), ("site", 4), ("zoo", 5), ("shuttle", 5), ("shuttle-zoo", 2)];
        let mut findings = Findings::default();
        for log in logs {
            let text = fs::read_to_string(log).map_err(|error| format!("{log}: {error}; run `make verify` first"))?;
            let mut test = "";
            for mut line in text.lines() {
                // On one thread the test harness leaves `test NAME ... ` before the first line that a test prints, and ends
                // with a line of the verdict. On several threads it prints both at once, when the test is over.
                if let Some((name, rest)) = line.strip_prefix("test ").and_then(|line| line.split_once(" ... ")) {
                    (test, line) = (name, rest);
                }
                let Some((kind, rest)) = line.split_once('|') else { continue };
                if let Some((_, count)) = KINDS.iter().find(|row| row.0 == kind) {
                    let mut fields: Vec<_> = rest.rsplitn(*count, '|').collect();
                    fields.reverse();
                    findings.add(test, kind, &fields).map_err(|complaint| format!("{log}: {line}: {complaint}"))?;
                }
            }
        }
        Ok(findings)
    }

    /// The schedules of scenarios whose name passes, drawn and exhaustive ones apart.
    fn schedules(&self, wanted: impl Fn(&str) -> bool) -> (u64, u64) {
        let walks = self.walks.iter().filter(|(name, _)| wanted(name)).flat_map(|(_, walks)| walks);
        let (all, drawn): (Vec<_>, Vec<_>) = walks.partition(|(scheduler, _)| *scheduler == EVERY_INTERLEAVING);
        let sum = |walks: Vec<(&String, &Walk)>| walks.iter().map(|(_, walk)| walk.schedules).sum();
        (sum(drawn), sum(all))
    }
}

fn is_twin(scenario: &str) -> bool {
    scenario.contains(" zoo twin ")
}

/// Every ordering weaker than this one, the strongest first. For a fence, relaxed means that there is none.
fn weaker(ordering: Ordering) -> &'static [Ordering] {
    match ordering {
        SeqCst => &[AcqRel, Acquire, Release, Relaxed],
        AcqRel => &[Acquire, Release, Relaxed],
        Acquire | Release => &[Relaxed],
        _ => &[],
    }
}

/// What is missing, or not as it must be.
fn complaints(findings: &Findings) -> Result<Vec<String>> {
    let mut complaints = vec![];
    let mut groups: BTreeSet<&str> = findings.models.keys().map(|key| key.0.as_str()).collect();
    for entry in fs::read_dir("src/protocol").map_err(|error| format!("src/protocol: {error}"))? {
        let file = entry.map_err(|error| format!("src/protocol: {error}"))?.file_name();
        let protocol = file.to_str().and_then(|name| name.strip_suffix(".rs")).unwrap_or("mod");
        if protocol != "mod" && !groups.remove(protocol) {
            complaints.push(format!("the protocol {protocol} has no model under loom"));
        }
    }
    for ((group, name, bound), model) in &findings.models {
        if model.seen != model.golden {
            complaints.push(format!("{group}/{name} at bound {bound} saw {} of {}", model.seen, model.golden));
        }
    }
    let mut left: BTreeSet<_> = findings.weakenings.keys().collect();
    for site in SITES.iter().copied().flatten() {
        for ordering in weaker(site.declared()) {
            let key = (site.name().to_string(), format!("{ordering:?}"));
            let from = findings.weakenings.get(&key).map(|weakening| weakening.from.clone());
            if from != Some(format!("{:?}", site.declared())) {
                complaints.push(format!("{} weakened to {ordering:?}: nothing kills it", site.name()));
            }
            left.remove(&key);
        }
    }
    complaints.extend(left.iter().map(|(site, to)| format!("{site} -> {to} is in no table of ordering sites")));
    for ((group, mistake), wrong) in &findings.zoo {
        if !wrong.twin_passes {
            complaints.push(format!("{group}, {mistake}: no twin that passes"));
        }
    }
    if findings.zoo.len() < LEAST_ZOO {
        complaints.push(format!("{} wrong designs fell under loom; {LEAST_ZOO} must", findings.zoo.len()));
    }
    for name in findings.falls.keys() {
        let twin = name.split_once(" zoo ").map(|(group, _)| format!("{group} zoo twin "));
        if !twin.is_some_and(|twin| findings.walks.keys().any(|walk| walk.starts_with(&twin))) {
            complaints.push(format!("shuttle, {name}: no twin that passes"));
        }
    }
    if findings.falls.is_empty() {
        complaints.push("no wrong design fell under shuttle".into());
    }
    for (name, walks) in &findings.walks {
        let complete = SCHEDULERS.iter().all(|scheduler| walks.contains_key(*scheduler));
        if !complete && !walks.contains_key(EVERY_INTERLEAVING) {
            complaints.push(format!("shuttle, {name}: not every scheduler had its turn"));
        }
    }
    let (schedules, _) = findings.schedules(|name| !is_twin(name));
    if schedules < LEAST_SCHEDULES {
        complaints.push(format!("{schedules} schedules under shuttle; {LEAST_SCHEDULES} are the least"));
    }
    Ok(complaints)
}

/// A Markdown table, its columns padded so that it reads as text too.
struct Table {
    rows: Vec<Vec<String>>,
}

impl Table {
    fn new(columns: &[&str]) -> Table {
        Table { rows: vec![columns.iter().map(|column| column.to_string()).collect()] }
    }

    fn row(&mut self, cells: Vec<String>) {
        self.rows.push(cells.iter().map(|cell| cell.replace('|', "\\|")).collect());
    }

    /// Without the columns of this name.
    fn print(&self, hidden: &[&str], out: &mut String) {
        let shown: Vec<usize> = (0..self.rows[0].len()).filter(|&i| !hidden.contains(&&*self.rows[0][i])).collect();
        let is_number = |cell: &String| cell.bytes().all(|byte| byte.is_ascii_digit() || b".-/ s".contains(&byte));
        let right: Vec<bool> = shown.iter().map(|&i| self.rows[1..].iter().all(|row| is_number(&row[i]))).collect();
        let width = |i: usize| self.rows.iter().map(|row| row[i].chars().count()).max().unwrap_or(0).max(3);
        for (number, row) in self.rows.iter().enumerate() {
            for (&i, &right) in shown.iter().zip(&right) {
                let (cell, width) = (&row[i], width(i));
                let _ = if right { write!(out, "| {cell:>width$} ") } else { write!(out, "| {cell:<width$} ") };
            }
            out.push_str("|\n");
            if number == 0 {
                for (&i, &right) in shown.iter().zip(&right) {
                    let dashes = "-".repeat(width(i) - usize::from(right));
                    let _ = write!(out, "| {dashes}{} ", if right { ":" } else { "" });
                }
                out.push_str("|\n");
            }
        }
    }
}

fn models(findings: &Findings, hidden: &[&str], out: &mut String) {
    let mut table =
        Table::new(&["protocol", "model", "threads", "operations", "bound", "executions", "outcomes", "time", "test"]);
    for ((group, name, bound), model) in &findings.models {
        table.row(vec![
            group.clone(),
            name.clone(),
            model.threads.clone(),
            model.operations.clone(),
            bound.clone(),
            model.executions.to_string(),
            format!("{}/{}", model.seen, model.golden),
            format!("{:.2} s", model.seconds),
            model.test.clone(),
        ]);
    }
    let executions: u64 = findings.models.values().map(|model| model.executions).sum();
    let _ = writeln!(out, "## Models under loom\n\n{} models, {executions} executions.\n", findings.models.len());
    table.print(hidden, out);
}

fn sites(findings: &Findings, hidden: &[&str], out: &mut String) {
    let mut table = Table::new(&["site", "ordering", "weakened to", "killed by", "at execution"]);
    let mut survivors = vec![];
    let mut reasons = Table::new(&["site", "why nothing weaker will do"]);
    for site in SITES.iter().copied().flatten() {
        for ordering in weaker(site.declared()) {
            let to = format!("{ordering:?}");
            let Some(weakening) = findings.weakenings.get(&(site.name().into(), to.clone())) else { continue };
            match &weakening.verdict {
                Verdict::Killed { by, execution } => {
                    table.row(vec![site.name().into(), weakening.from.clone(), to, by.clone(), execution.to_string()]);
                }
                Verdict::Survives(argument) => survivors.push((site.name(), to, argument)),
            }
        }
        reasons.row(vec![site.name().into(), site.reason().into()]);
    }
    let (killed, weakenings) = (table.rows.len() - 1, findings.weakenings.len());
    let sites = SITES.iter().copied().flatten().count();
    let _ = writeln!(
        out,
        "\n## Ordering sites and what kills their weakenings\n\n{sites} sites, {weakenings} weakenings, {killed} killed.\n"
    );
    table.print(hidden, out);
    for (site, to, argument) in survivors {
        let _ = writeln!(out, "\n{site} weakened to {to} survives: {argument}.");
    }
    out.push('\n');
    reasons.print(hidden, out);
}

fn zoo(findings: &Findings, hidden: &[&str], out: &mut String) {
    let mut loom = Table::new(&["protocol", "wrong design", "killed by", "at execution", "test"]);
    for ((group, mistake), wrong) in &findings.zoo {
        let execution = wrong.execution.to_string();
        loom.row(vec![group.clone(), mistake.clone(), wrong.by.clone(), execution, wrong.test.clone()]);
    }
    let mut shuttle = Table::new(&["wrong design", "at schedule"]);
    for (name, at) in &findings.falls {
        shuttle.row(vec![name.clone(), at.clone()]);
    }
    let (under_loom, under_shuttle) = (findings.zoo.len(), findings.falls.len());
    let _ = writeln!(
        out,
        "\n## The zoo under loom\n\n{under_loom} wrong designs, all killed; the twin of each, without the mistake, passes the same model.\n"
    );
    loom.print(hidden, out);
    let _ = writeln!(
        out,
        "\n## The zoo under shuttle\n\n{under_shuttle} wrong designs, all caught; schedulers that are not named did not see the mistake.\n"
    );
    shuttle.print(hidden, out);
}

fn schedules(findings: &Findings, hidden: &[&str], out: &mut String) {
    let mut table = Table::new(&["scenario", "schedulers", "schedules", "seed", "time"]);
    for (name, walks) in &findings.walks {
        let drawn = if walks.contains_key(EVERY_INTERLEAVING) { EVERY_INTERLEAVING } else { "all six" };
        let total: u64 = walks.values().map(|walk| walk.schedules).sum();
        let seeds: BTreeSet<&str> = walks.values().map(|walk| walk.seed.as_str()).collect();
        let seconds: f64 = walks.values().map(|walk| walk.seconds).sum();
        let seeds = seeds.into_iter().collect::<Vec<_>>().join(", ");
        table.row(vec![name.clone(), drawn.into(), total.to_string(), seeds, format!("{seconds:.2} s")]);
    }
    let (drawn, exhaustive) = findings.schedules(|name| !is_twin(name));
    let (twins, _) = findings.schedules(is_twin);
    let _ = writeln!(
        out,
        "\n## Schedules under shuttle\n\n{drawn} schedules drawn by six schedulers ({}), at least {LEAST_SCHEDULES} asked for; {exhaustive} in \
         exhaustive walks of small programs; {twins} of the zoo's twins.\n",
        SCHEDULERS.join(", ")
    );
    table.print(hidden, out);
}

/// The tables, without the columns that differ from run to run unless `timed`.
fn tables(findings: &Findings, timed: bool) -> String {
    let hidden: &[&str] = if timed { &[] } else { &["seed", "time"] };
    let mut out = String::new();
    for section in [models, sites, zoo, schedules] {
        section(findings, hidden, &mut out);
    }
    out
}

fn check(made: &str) -> Result<()> {
    let committed = fs::read_to_string(README).map_err(|error| format!("{README}: {error}"))?;
    if committed == made {
        return Ok(());
    }
    let (mut old, mut new) = (committed.lines(), made.lines());
    let mut line = 1;
    loop {
        match (old.next(), new.next()) {
            (old, new) if old == new && old.is_some() => line += 1,
            (old, new) => {
                let (old, new) = (old.unwrap_or("its end"), new.unwrap_or("its end"));
                return Err(format!(
                    "{README} is stale from line {line} on; run `make verify` and commit it.\n  it says:  {old}\n  found now: {new}"
                ));
            }
        }
    }
}

fn run(mode: &str, logs: &[String]) -> Result<()> {
    let findings = Findings::read(logs)?;
    println!("{}", tables(&findings, true));
    let complaints = complaints(&findings)?;
    if !complaints.is_empty() {
        return Err(complaints.join("\n"));
    }
    let preface = fs::read_to_string(PREFACE).map_err(|error| format!("{PREFACE}: {error}"))?;
    let made = format!("{}\n\n{}", preface.trim_end(), tables(&findings, false));
    match mode {
        "show" => Ok(()),
        "write" => fs::write(README, made).map_err(|error| format!("{README}: {error}")),
        "check" => check(&made),
        _ => Err(format!("`{mode}` is none of show, write, check")),
    }
}

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let result = match arguments.split_first() {
        Some((mode, logs)) if !logs.is_empty() => run(mode, logs),
        _ => Err("usage: verification_table show|write|check LOG...".into()),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(complaint) => {
            eprintln!("verification: {complaint}");
            ExitCode::FAILURE
        }
    }
}
