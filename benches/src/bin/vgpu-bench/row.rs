//! The report's numbers, and the files they lie in.

use crate::machine::Machine;
use crate::outcome::Outcome;
use crate::plan::{Cell, Plan};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::path::Path;
use std::{fmt, fs, io};
use vgpu_bench::catalogue::{self, Family, Implementation, Kind, Program, Role};

/// One program on one implementation with one number of workers.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Row {
    pub program: String,
    pub workers: usize,
    #[serde(rename = "impl")]
    pub implementation: String,
    pub version: String,
    pub median_s: f64,
    pub min_s: f64,
    pub max_s: f64,
    pub cpu_s: f64,
    pub rss_kib: u64,
    pub size: u64,
    pub units: u64,
    /// By the best of the ranked rows with the same program and number of workers.
    pub ratio_to_best: Option<f64>,
    pub samples_s: Vec<f64>,
    /// For matrix products: how many thousand million operations a second, of which share of what the CPUs could have done at that
    /// moment, and the largest error found by `eps * sum |a||b|`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gflops: Option<f64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub peak_share: Option<f64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<f64>,
    #[serde(default)]
    pub extra: BTreeMap<String, f64>,
    /// For programs that measure latencies: quantiles, and the latencies there.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub latencies: Vec<(f64, f64)>,
}

impl Row {
    pub fn of_program(&self) -> Option<&'static Program> {
        catalogue::program(&self.program)
    }

    pub fn of_implementation(&self) -> Option<&'static Implementation> {
        catalogue::implementation(&self.implementation)
    }

    /// Whether it is a row of the implementation of that name, in whatever way that was used.
    pub fn is_way_of(&self, name: &str) -> bool {
        self.of_implementation().is_some_and(|row| row.name == name || row.way_of == Some(name))
    }

    pub fn is_ranked(&self) -> bool {
        self.of_implementation().is_some_and(|implementation| matches!(implementation.role, Role::Ours | Role::Peer))
    }

    /// What is compared between rows of a program: less is better. Rows of another size than most are compared by the unit.
    pub fn cost(&self) -> f64 {
        match self.of_program().map(|program| program.kind) {
            Some(Kind::CpuUse) => self.cpu_s / self.median_s,
            Some(Kind::Duration) => self.extra.get("ns_per_unit").copied().unwrap_or(self.median_s * 1e9),
            _ => self.median_s,
        }
    }
}

/// A cell that was run and went wrong.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Failure {
    pub program: String,
    #[serde(rename = "impl")]
    pub implementation: String,
    pub workers: usize,
    pub reason: String,
}

impl Failure {
    /// Whether it is a failure of our pool. That of a peer is reported, and no more.
    pub fn is_ours(&self) -> bool {
        is_ours(&self.implementation)
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} by {} with {}: {}", self.program, self.implementation, self.workers, self.reason)
    }
}

/// Whether an implementation of that name is our pool, in whatever way it is called.
pub fn is_ours(implementation: &str) -> bool {
    implementation.starts_with("vgpu")
}

/// Everything that is reported.
#[derive(Debug, Default)]
pub struct Report {
    pub machine: Machine,
    pub rows: Vec<Row>,
    /// What could not be run here.
    pub missing: Vec<String>,
    pub failures: Vec<Failure>,
    pub quick: bool,
}

/// The part of a report that is in no row.
#[derive(Serialize, Deserialize)]
struct About {
    machine: Machine,
    missing: Vec<String>,
    failures: Vec<Failure>,
    quick: bool,
}

impl Report {
    pub fn add(&mut self, outcomes: &[Outcome]) {
        for outcome in outcomes {
            match outcome.row() {
                Ok(row) => self.rows.push(row),
                Err(reason) => {
                    let Cell { program, implementation, workers, .. } = &outcome.cell;
                    self.failures.push(Failure {
                        program: program.name.to_owned(),
                        implementation: implementation.name.to_owned(),
                        workers: *workers,
                        reason,
                    });
                }
            }
        }
    }

    /// Takes the rows of the programs that the plan does not have from an older report.
    pub fn keep_others(&mut self, older: Report, plan: &Plan) {
        let is_other = |program: &str| !plan.groups.iter().flatten().any(|cell| cell.program.name == program);
        self.rows.extend(older.rows.into_iter().filter(|row| is_other(&row.program)));
        self.failures.extend(older.failures.into_iter().filter(|failure| is_other(&failure.program)));
    }

    /// Compares each row with the best of its program and number of workers.
    pub fn compare(&mut self) {
        let best = |of: &Row| {
            let rivals = self.rows.iter().filter(|row| row.is_ranked() && same_race(row, of));
            rivals.map(Row::cost).min_by(f64::total_cmp)
        };
        let ratios: Vec<_> = self.rows.iter().map(|row| best(row).map(|best| row.cost() / best)).collect();
        for (row, ratio) in self.rows.iter_mut().zip(ratios) {
            row.ratio_to_best = ratio.filter(|ratio| ratio.is_finite());
        }
    }

    pub fn find(&self, program: &str, workers: usize, implementation: &str) -> Option<&Row> {
        self.rows
            .iter()
            .find(|row| row.program == program && row.workers == workers && row.implementation == implementation)
    }

    pub fn of_family(&self, family: Family) -> impl Iterator<Item = &Row> {
        self.rows.iter().filter(move |row| row.of_program().is_some_and(|program| program.family == family))
    }

    /// What is not among the rows, in words.
    pub fn lists(&self) -> [(&'static str, Vec<String>); 2] {
        let failures = self.failures.iter().map(Failure::to_string).collect();
        [("Missing", self.missing.clone()), ("Failed", failures)]
    }

    pub fn write(&self, folder: &Path) -> io::Result<()> {
        fs::create_dir_all(folder)?;
        for family in Family::ALL {
            let rows: Vec<&Row> = self.of_family(family).collect();
            write_json(&folder.join(family.file_stem()).with_extension("json"), &rows)?;
        }
        let about = About {
            machine: self.machine.clone(),
            missing: self.missing.clone(),
            failures: self.failures.clone(),
            quick: self.quick,
        };
        write_json(&folder.join("about.json"), &about)
    }

    pub fn read(folder: &Path) -> io::Result<Report> {
        let about: About = read_json(&folder.join("about.json"))?;
        let mut rows: Vec<Row> = Vec::new();
        for family in Family::ALL {
            let path = folder.join(family.file_stem()).with_extension("json");
            // A report from before the family was measured lacks its file.
            if path.exists() {
                rows.extend(read_json::<Vec<Row>>(&path)?);
            }
        }
        Ok(Report {
            machine: about.machine,
            rows,
            missing: about.missing,
            failures: about.failures,
            quick: about.quick,
        })
    }
}

fn same_race(a: &Row, b: &Row) -> bool {
    a.program == b.program && a.workers == b.workers
}

fn write_json(path: &Path, value: &impl Serialize) -> io::Result<()> {
    fs::write(path, serde_json::to_string_pretty(value)? + "\n")
}

fn read_json<T: for<'a> Deserialize<'a>>(path: &Path) -> io::Result<T> {
    let named = |error: io::Error| io::Error::new(error.kind(), format!("{}: {error}", path.display()));
    let text = fs::read_to_string(path).map_err(named)?;
    serde_json::from_str(&text).map_err(|error| named(error.into()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn keys(mut further: Value) -> Vec<String> {
        let mut row = json!({
            "program": "sgemm_64x64x64", "workers": 1, "impl": "vgpu", "version": "", "median_s": 1.0, "min_s": 1.0, "max_s": 1.0,
            "cpu_s": 1.0, "rss_kib": 1, "size": 64, "units": 1, "ratio_to_best": 1.0, "samples_s": [1.0],
        });
        row.as_object_mut().unwrap().append(further.as_object_mut().unwrap());
        let row: Row = serde_json::from_value(row).unwrap();
        serde_json::to_value(row).unwrap().as_object().unwrap().keys().cloned().collect()
    }

    #[test]
    fn a_product_has_three_keys_that_other_rows_lack() {
        let shared = keys(json!({}));
        for key in ["program", "workers", "impl", "version", "median_s", "min_s", "max_s", "cpu_s", "rss_kib"] {
            assert!(shared.iter().any(|other| other == key), "{key}");
        }
        let mut of_product = keys(json!({ "gflops": 1.0, "peak_share": 0.9, "error": 0.1 }));
        of_product.retain(|key| !shared.contains(key));
        assert_eq!(of_product, ["error", "gflops", "peak_share"]);
    }
}
