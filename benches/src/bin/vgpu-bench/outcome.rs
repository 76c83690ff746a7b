//! What came out of one cell: its samples, and the row they make.

use crate::child::{Finished, Launcher};
use crate::plan::{Cell, Plan};
use crate::progress::Progress;
use crate::row::Row;
use hdrhistogram::Histogram;
use std::collections::BTreeMap;
use vgpu_bench::catalogue::{Kind, Scale};
use vgpu_bench::sample::Sample;

pub struct Outcome {
    pub cell: Cell,
    counted: Option<Sample>,
    samples: Vec<Sample>,
    /// How long the first process lived.
    first_s: f64,
    /// How many samples were thrown away because the generator of arrivals fell behind.
    voided: usize,
    pub failure: Option<String>,
}

/// An arrival is late when it comes later than this after its time.
const LATE_NS: u64 = 50_000;
/// A sample in which more than one in this many arrivals was late is void.
const LATE_SHARE: usize = 10;

impl Outcome {
    pub fn new(cell: &Cell) -> Outcome {
        Outcome { cell: cell.clone(), counted: None, samples: Vec::new(), first_s: 0.0, voided: 0, failure: None }
    }

    /// Takes the sample of a round, if this cell has one to take. Round 0 counts, the others keep time.
    pub fn take_part(&mut self, round: usize, plan: &Plan, launcher: &Launcher, progress: &Progress) {
        let count = round == 0;
        let due = if count { self.cell.program.is_counted } else { round <= plan.rounds(&self.cell, 0.0) };
        if !due {
            return;
        }
        if self.failure.is_none() && (count || round <= plan.rounds(&self.cell, self.first_s)) {
            progress.begin(self.name());
            match launcher.run(&self.cell, count).and_then(|finished| self.accept(finished, count, plan.scale)) {
                Ok(()) => {}
                Err(error) => {
                    progress.say(&format!("{}: {error}", self.name()));
                    self.failure = Some(error);
                }
            }
        }
        progress.step();
    }

    pub fn name(&self) -> String {
        let Cell { program, implementation, workers, .. } = &self.cell;
        format!("{} by {} with {workers}", program.name, implementation.name)
    }

    fn accept(&mut self, finished: Finished, count: bool, scale: Scale) -> Result<(), String> {
        let Finished { sample, lived } = finished;
        let Cell { program, size, .. } = &self.cell;
        if let Some(expected) = (program.expected)(*size).filter(|expected| *expected != sample.check) {
            return Err(format!("the result is {}, not {expected}", sample.check));
        }
        if self.first_s == 0.0 {
            self.first_s = lived.as_secs_f64();
        }
        if count {
            if let Some(forks) = (program.forks)(*size).filter(|forks| *forks != sample.units) {
                return Err(format!("{} forks were counted, not {forks}", sample.units));
            }
            self.counted = Some(sample);
            return Ok(());
        }
        let late = sample.lateness_ns.iter().filter(|ns| **ns > LATE_NS).count();
        // The figures of a quick run mean nothing anyway.
        if scale == Scale::Full && late * LATE_SHARE > sample.lateness_ns.len() {
            self.voided += 1;
        } else {
            self.samples.push(sample);
        }
        Ok(())
    }

    /// The row, if there is a sample that counts.
    pub fn row(&self) -> Result<Row, String> {
        if let Some(failure) = &self.failure {
            return Err(failure.clone());
        }
        let first = self.samples.first().ok_or_else(|| {
            format!("in all {} samples the generator of arrivals fell behind: the machine was too busy", self.voided)
        })?;
        let Cell { program, implementation, workers, size } = &self.cell;
        let figures: Vec<f64> = self.samples.iter().map(|sample| self.figure(sample)).collect();
        let units = match &self.counted {
            Some(counted) => counted.units,
            None => first.units,
        };
        let mut row = Row {
            program: program.name.to_owned(),
            workers: *workers,
            implementation: implementation.name.to_owned(),
            version: first.version.clone(),
            median_s: median(figures.iter().copied()),
            min_s: figures.iter().copied().fold(f64::INFINITY, f64::min),
            max_s: figures.iter().copied().fold(0.0, f64::max),
            cpu_s: median(self.samples.iter().map(|sample| sample.cpu_s)),
            rss_kib: median(self.samples.iter().map(|sample| sample.rss_kib as f64)) as u64,
            size: *size,
            units,
            ratio_to_best: None,
            samples_s: figures,
            gflops: None,
            peak_share: None,
            error: None,
            extra: self.extra(),
            latencies: Vec::new(),
        };
        row.gflops = row.extra.remove("gflops");
        row.peak_share = row.extra.remove("peak_share");
        row.error = row.extra.remove("error");
        if program.kind == Kind::Duration && units > 0 {
            row.extra.insert("ns_per_unit".to_owned(), row.median_s * 1e9 / units as f64);
        }
        self.add_latencies(&mut row);
        Ok(row)
    }

    /// What a sample says, in seconds.
    fn figure(&self, sample: &Sample) -> f64 {
        match self.cell.program.kind {
            Kind::Duration | Kind::CpuUse => sample.seconds,
            Kind::Latency => median(sample.latencies_ns.iter().map(|ns| *ns as f64 * 1e-9)),
        }
    }

    /// The median of each further figure.
    fn extra(&self) -> BTreeMap<String, f64> {
        let mut values: BTreeMap<&String, Vec<f64>> = BTreeMap::new();
        for (name, value) in self.samples.iter().chain(&self.counted).flat_map(|sample| &sample.extra) {
            values.entry(name).or_default().push(*value);
        }
        values.into_iter().map(|(name, values)| (name.clone(), median(values.into_iter()))).collect()
    }

    /// The latencies of all samples together.
    fn add_latencies(&self, row: &mut Row) {
        if self.cell.program.kind != Kind::Latency {
            return;
        }
        let all = histogram(self.samples.iter().flat_map(|sample| &sample.latencies_ns));
        for (name, quantile) in [("p50_s", 0.5), ("p90_s", 0.9), ("p99_s", 0.99), ("p999_s", 0.999), ("worst_s", 1.0)] {
            row.extra.insert(name.to_owned(), all.value_at_quantile(quantile) as f64 * 1e-9);
        }
        row.units = all.len();
        row.latencies =
            all.iter_quantiles(4).map(|step| (step.quantile(), step.value_iterated_to() as f64 * 1e-9)).collect();
        if self.samples.iter().any(|sample| !sample.lateness_ns.is_empty()) {
            let late = histogram(self.samples.iter().flat_map(|sample| &sample.lateness_ns));
            row.extra.insert("generator_late_p50_s".to_owned(), late.value_at_quantile(0.5) as f64 * 1e-9);
            row.extra.insert("generator_late_p99_s".to_owned(), late.value_at_quantile(0.99) as f64 * 1e-9);
            row.extra.insert("voided_samples".to_owned(), self.voided as f64);
        }
    }
}

fn histogram<'a>(values: impl Iterator<Item = &'a u64>) -> Histogram<u64> {
    let mut histogram = Histogram::new(3).expect("three digits are within bounds");
    for value in values {
        histogram.record(*value).expect("it grows as needed");
    }
    histogram
}

pub fn median(values: impl Iterator<Item = f64>) -> f64 {
    let mut values: Vec<f64> = values.collect();
    values.sort_by(f64::total_cmp);
    match values.len() {
        0 => 0.0,
        n if n % 2 == 1 => values[n / 2],
        n => (values[n / 2 - 1] + values[n / 2]) / 2.0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_are_those_of_the_values() {
        let all: Vec<u64> = (1..=1000).map(|ns| ns * 1000).collect();
        let histogram = histogram(all.iter());
        let at = |quantile| histogram.value_at_quantile(quantile) as f64;
        assert!((at(0.5) / 500_000.0 - 1.0).abs() < 0.01);
        assert!((at(0.99) / 990_000.0 - 1.0).abs() < 0.01);
    }

    #[test]
    fn the_median_is_the_middle() {
        assert_eq!(median([3.0, 1.0, 2.0].into_iter()), 2.0);
        assert_eq!(median([4.0, 1.0, 2.0, 3.0].into_iter()), 2.5);
        assert_eq!(median(std::iter::empty()), 0.0);
    }
}
