//! One sample: what one process, which ran one program on one pool once, says about it in one line of JSON.

use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// What a process measured. The C++ peers print the same line.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Sample {
    /// The program's name in the catalogue.
    pub program: String,
    /// The implementation's name in the catalogue.
    #[serde(rename = "impl")]
    pub implementation: String,
    /// Name and version of the pool, and of the compiler where that is not rustc.
    pub version: String,
    /// Wall time of the measured part.
    pub seconds: f64,
    /// CPU time of the whole process during the measured part.
    pub cpu_s: f64,
    /// The most memory the process had resident.
    pub rss_kib: u64,
    /// The result, to be compared with the known one.
    pub check: String,
    /// Forks, tasks or loop items; 0 where they were not counted.
    #[serde(default)]
    pub units: u64,
    /// Each measured latency, where the program measures many.
    #[serde(default)]
    pub latencies_ns: Vec<u64>,
    /// How late the generator was at each arrival.
    #[serde(default)]
    pub lateness_ns: Vec<u64>,
    /// Further figures by name.
    #[serde(default)]
    pub extra: BTreeMap<String, f64>,
}

/// What a process is asked to do; its arguments in this order.
#[derive(Clone, Debug)]
pub struct Request {
    pub program: String,
    pub implementation: String,
    pub workers: usize,
    pub size: u64,
    pub stack_kib: usize,
    /// Counts forks or allocations instead of keeping time.
    pub count: bool,
}

impl Request {
    /// The arguments of the process.
    pub fn to_args(&self) -> [String; 6] {
        [
            self.program.clone(),
            self.implementation.clone(),
            self.workers.to_string(),
            self.size.to_string(),
            self.stack_kib.to_string(),
            if self.count { "count" } else { "time" }.to_owned(),
        ]
    }

    /// The request that `args` spell, without the program's own name.
    pub fn from_args(args: &[String]) -> Result<Request, String> {
        let [program, implementation, workers, size, stack_kib, mode] = args else {
            return Err("usage: PROGRAM IMPL WORKERS SIZE STACK_KIB time|count".to_owned());
        };
        let number = |text: &String| text.parse::<u64>().map_err(|error| format!("{text}: {error}"));
        Ok(Request {
            program: program.clone(),
            implementation: implementation.clone(),
            workers: number(workers)? as usize,
            size: number(size)?,
            stack_kib: number(stack_kib)? as usize,
            count: match mode.as_str() {
                "time" => false,
                "count" => true,
                other => return Err(format!("{other} is neither time nor count")),
            },
        })
    }
}
