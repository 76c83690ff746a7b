//! The bar that tells how far a run is. It moves between samples only, never while one is taken.

use indicatif::{ProgressBar, ProgressStyle};

pub struct Progress(ProgressBar);

impl Progress {
    pub fn new(samples: usize) -> Progress {
        let bar = ProgressBar::new(samples as u64);
        let style = ProgressStyle::with_template("[{elapsed_precise}] {bar:40} {pos}/{len}, {eta} left  {msg}");
        bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
        Progress(bar)
    }

    /// Names the program that comes next, for whoever reads a log and sees no bar.
    pub fn begin_group(&self, what: &str) {
        if self.0.is_hidden() {
            eprintln!("measuring {what}");
        }
    }

    /// Names the sample that comes next.
    pub fn begin(&self, what: String) {
        self.0.set_message(what);
    }

    /// A sample is done, or will not be taken.
    pub fn step(&self) {
        self.0.inc(1);
    }

    pub fn say(&self, text: &str) {
        self.0.suspend(|| eprintln!("{text}"));
    }

    pub fn finish(&self) {
        self.0.finish_and_clear();
    }
}
