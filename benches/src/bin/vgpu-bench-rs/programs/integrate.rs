//! The area under a curve by trapezia, halved until halving changes nothing.

use super::Program;
use crate::pool::Pool;
use std::hint::black_box;
use vgpu_bench::kernels::trapezium;

/// A trapezium is good enough when its halves differ from it by less.
const TOLERANCE: f64 = 1e-6;

pub struct Integral {
    to: f64,
}

fn integrate<P: Pool>(worker: P::Worker<'_>, left: f64, right: f64, area: f64) -> f64 {
    let middle = left + (right - left) / 2.0;
    let (area_left, area_right) = (trapezium(left, middle), trapezium(middle, right));
    if (area_left + area_right - area).abs() < TOLERANCE {
        return area_left + area_right;
    }
    let (a, b) = P::join(
        worker,
        |worker| integrate::<P>(worker, left, middle, area_left),
        |worker| integrate::<P>(worker, middle, right, area_right),
    );
    a + b
}

impl Program for Integral {
    const WARM_UP: u64 = 20;
    type Answer = f64;

    fn prepare(to: u64) -> Integral {
        Integral { to: to as f64 }
    }

    fn run<P: Pool>(&self, worker: P::Worker<'_>) -> f64 {
        let to = black_box(self.to);
        integrate::<P>(worker, 0.0, to, trapezium(0.0, to))
    }

    fn check(&self, area: f64) -> String {
        let exact = self.to.powi(4) / 4.0 + self.to.powi(2) / 2.0;
        match (area - exact).abs() < (exact * 1e-9).max(0.01) {
            true => format!("{}: exact", self.to),
            false => format!("{}: {area}, not {exact}", self.to),
        }
    }
}
