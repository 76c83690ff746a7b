//! tokio: tasks that never wait, spawned on its multi-threaded runtime.

use crate::submit::Submit;
use tokio::runtime::{Builder, Runtime};
use vgpu_bench::kernels;

pub const VERSION: &str = concat!("tokio ", env!("TOKIO_VERSION"));

pub struct Tokio(Runtime);

impl Submit for Tokio {
    fn start(workers: usize) -> Tokio {
        Tokio(Builder::new_multi_thread().worker_threads(workers).build().expect("a runtime"))
    }

    fn submit_and_wait(&self, count: u64) {
        let handles: Vec<_> = (0..count).map(|_| self.0.spawn(async { kernels::tally() })).collect();
        self.0.block_on(async {
            for handle in handles {
                handle.await.expect("no task fails");
            }
        });
    }

    fn spawn(&self, task: impl FnOnce() + Send + 'static) {
        self.0.spawn(async { task() });
    }
}
