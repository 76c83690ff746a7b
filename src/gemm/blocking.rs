//! How a product is cut: k into blocks, C into panels, panels into tiles.
//!
//! Panels and blocks decide what a micro-kernel call covers; tiles decide what a task covers. Only the blocks of k bear on the bits
//! of a result, and they depend on k and the element type alone.

pub(super) use crate::protocol::shares::part;
use core::ops::Range;

/// The data caches which one worker may count on, in bytes; 0 where unknown. A cache shared by several cores counts by its share.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CacheSizes {
    /// The first-level data cache.
    pub l1d: usize,
    /// The second-level cache.
    pub l2: usize,
    /// The last-level cache.
    pub l3: usize,
}

impl Default for CacheSizes {
    fn default() -> CacheSizes {
        CacheSizes::USUAL
    }
}

impl CacheSizes {
    /// What every x86 server of the last decade has at least.
    pub const USUAL: CacheSizes = CacheSizes { l1d: 32 << 10, l2: 1 << 20, l3: 2 << 20 };

    /// How many bytes of packed B a tile may keep in the second-level cache: a little over half of it, the rest being for
    /// A, C and what is being fetched.
    fn b_block(&self) -> usize {
        let l2 = if self.l2 == 0 { CacheSizes::default().l2 } else { self.l2 };
        l2.clamp(128 << 10, 16 << 20) / 20 * 11
    }
}

/// `total` things cut into pieces of at most `step`. When less than half a piece would be left over, the last two share
/// evenly: 9 rows are 5 and 4, not 8 and 1, since a kernel of one row waits for its own sums.
#[derive(Clone, Copy, Debug)]
pub(super) struct Cuts {
    total: usize,
    step: usize,
    count: usize,
    last: usize,
}

impl Cuts {
    pub(super) fn new(total: usize, step: usize) -> Cuts {
        if total <= step {
            // Small products would feel the divisions.
            return Cuts { total, step, count: usize::from(total > 0), last: 0 };
        }
        let count = total.div_ceil(step);
        let rest = total - count.saturating_sub(1) * step;
        let last = if count >= 2 && 2 * rest < step { total - (step + rest) / 2 } else { total - rest };
        Cuts { total, step, count, last }
    }

    /// How many pieces there are.
    pub(super) fn count(&self) -> usize {
        self.count
    }

    /// Where piece `i` starts; for `i` = the number of pieces, where all end.
    pub(super) fn start(&self, i: usize) -> usize {
        if i >= self.count {
            self.total
        } else if i + 1 == self.count {
            self.last
        } else {
            i * self.step
        }
    }

    /// What piece `i` covers.
    pub(super) fn piece(&self, i: usize) -> Range<usize> {
        self.start(i)..self.start(i + 1)
    }
}

/// The length of a block of k: as few blocks as `longest` allows, equal but for rounding up to a multiple of 4.
pub(super) fn k_block(k: usize, longest: usize) -> usize {
    if k <= longest { k.max(1) } else { k.div_ceil(k.div_ceil(longest)).next_multiple_of(4).min(longest) }
}

/// Multiply-adds below which a product is not worth sharing out: about 10 microseconds of one core.
pub(super) const SERIAL_BELOW: usize = 1 << 20;
/// Multiply-adds below which a task is not worth stealing.
const LEAST_TASK: usize = 1 << 20;
/// The same of a task for whose sake nothing is packed.
const LEAST_ROWS_TASK: usize = 1 << 18;
/// Multiply-adds of a task of a large product: about a millisecond of one core. Who is disturbed in the last one keeps the others waiting.
const USUAL_TASK: usize = 1 << 26;
/// Tasks per worker at least, so that a worker which is disturbed leaves its share to the others.
pub(super) const TASKS_PER_WORKER: usize = 8;
/// Tasks per worker at most.
const MOST_TASKS_PER_WORKER: usize = 64;
/// Most bytes of packed B at a time. Larger products are done in stripes, with a barrier between them.
pub(super) const PACKED_BYTES: usize = 64 << 20;
/// Seats up to which each packs all of B for itself.
pub(super) const MOST_SEATS: usize = 65;
/// Row panels that each worker has at least where each packs B for itself, so that packing is a small part of its work.
const LEAST_ROW_PANELS: usize = 4;

/// Columns that a task has at least where each owns its columns: it reads all of A for them, or thrice as many where it copies A.
const LEAST_COLUMNS: usize = 128;
/// Workers own their columns, and share nothing, where the one with the most has at most one in so many more than it should.
const UNEVEN: usize = 16;

/// How many tasks so many multiply-adds are worth.
pub(super) fn tasks(work: usize, workers: usize) -> usize {
    if workers <= 1 || work < SERIAL_BELOW {
        return 1;
    }
    let [least, most] = [TASKS_PER_WORKER, MOST_TASKS_PER_WORKER].map(|each| workers.saturating_mul(each));
    (work / USUAL_TASK).clamp(least, most).min(work / LEAST_TASK).max(1)
}

/// What is to be cut.
#[derive(Clone, Copy, Debug)]
pub(super) struct Extent {
    pub(super) m: usize,
    pub(super) n: usize,
    pub(super) k: usize,
    /// Bytes of an element.
    pub(super) size: usize,
    /// Columns of a panel.
    pub(super) panel: usize,
    /// Row panels and column panels of C.
    pub(super) row_panels: usize,
    pub(super) column_panels: usize,
    /// The length of a block of k, and how many there are.
    pub(super) depth: usize,
    pub(super) blocks: usize,
    /// Whether a panel of A is copied before it is used.
    pub(super) copies_a: bool,
}

impl Extent {
    /// Into how many runs of columns about so many tasks are cut so that each worker's share of them is equally wide, as nearly as panels
    /// allow; `None` where that is not near enough.
    fn own_columns(&self, tasks: usize, workers: usize) -> Option<usize> {
        let panels = self.column_panels.div_ceil(workers);
        let excess = (panels * self.panel).checked_mul(workers)?.saturating_sub(self.n);
        if workers == 1 || tasks < workers || excess > self.n / UNEVEN {
            return None;
        }
        let least = if self.copies_a { 3 * LEAST_COLUMNS } else { LEAST_COLUMNS };
        let most = panels / least.div_ceil(self.panel);
        Some((tasks / workers).min(most).max(1) * workers)
    }

    /// Whether all of B, packed, has room in so many bytes of a worker's cache, and once for each worker and a caller in the budget, and each
    /// worker has rows enough for which to pack it.
    fn has_own_b(&self, workers: usize, cached: usize, budget: usize) -> bool {
        let packed = self.column_panels.saturating_mul(self.panel * self.size).saturating_mul(self.k);
        let fits = packed <= cached && packed.saturating_mul(workers + 1) <= budget;
        fits && workers < MOST_SEATS && self.row_panels >= LEAST_ROW_PANELS * workers
    }
}

/// Who packs B.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Form {
    /// Each task those columns that are its own.
    OwnedColumns,
    /// Each worker all of it, for the rows that it will have.
    OwnB,
    /// All workers together, before they multiply.
    SharedB,
}

/// How tasks are cut.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Plan {
    pub(super) form: Form,
    /// How many bands of neighbouring column runs there are, all equally wide.
    pub(super) bands: usize,
    /// How many runs of row panels.
    pub(super) row_runs: usize,
    /// How many runs of column panels, in all of C.
    pub(super) column_runs: usize,
    /// How many runs of column panels share one packed stripe of B.
    pub(super) runs_per_stripe: usize,
    /// How many blocks of k one packed stripe of B covers.
    pub(super) blocks_per_stripe: usize,
}

impl Plan {
    /// The plan for `workers` workers with these caches, which packs about `budget` bytes of B at a time.
    pub(super) fn new(extent: &Extent, workers: usize, caches: &CacheSizes, budget: usize) -> Plan {
        let work = extent.m.saturating_mul(extent.n).saturating_mul(extent.k);
        let fits = (caches.b_block() / extent.size / extent.depth / extent.panel).max(1);
        let fewest = extent.column_panels.div_ceil(fits);
        let tasks = tasks(work, workers);
        let own_b = tasks > 1 && extent.has_own_b(workers, caches.b_block(), budget);
        if own_b && extent.m >= extent.n {
            return Plan::own_b(extent, work, workers);
        }
        if let Some(runs) = extent.own_columns(tasks, workers) {
            return Plan { bands: workers, ..Plan::own_columns(runs.max(fewest.next_multiple_of(workers))) };
        }
        // Each run of columns copies A once more, each run of rows fetches B from the last-level cache once more. The copy
        // counts double: it is written as well.
        let (mut best, mut least) = ((1, fewest), usize::MAX);
        for columns in fewest..=extent.column_panels.min(fewest.max(tasks)) {
            let rows = tasks.div_ceil(columns).min(extent.row_panels);
            let cost = extent.m.saturating_mul(2 * columns).saturating_add(extent.n.saturating_mul(rows));
            let short = rows * columns < tasks.min(extent.row_panels.saturating_mul(extent.column_panels));
            if !short && cost < least {
                (best, least) = ((rows, columns), cost);
            }
        }
        let (row_runs, column_runs) = best;
        if row_runs == 1 {
            return Plan::own_columns(column_runs);
        }
        if own_b {
            return Plan::own_b(extent, work, workers);
        }
        let run_columns = extent.column_panels.div_ceil(column_runs) * extent.panel;
        let line = run_columns.saturating_mul(extent.size).max(1);
        let blocks = (budget / line / extent.depth).clamp(1, extent.blocks);
        let runs = (budget / line / extent.depth / blocks).clamp(1, column_runs);
        Plan { form: Form::SharedB, bands: 1, row_runs, column_runs, runs_per_stripe: runs, blocks_per_stripe: blocks }
    }

    /// Every task packs one block of k at a time of its columns, for itself alone.
    fn own_columns(column_runs: usize) -> Plan {
        Plan {
            form: Form::OwnedColumns,
            bands: 1,
            row_runs: 1,
            column_runs,
            runs_per_stripe: column_runs,
            blocks_per_stripe: 1,
        }
    }

    fn own_b(extent: &Extent, work: usize, workers: usize) -> Plan {
        Plan {
            form: Form::OwnB,
            bands: 1,
            row_runs: (workers * TASKS_PER_WORKER).min(work / LEAST_ROWS_TASK).min(extent.row_panels),
            column_runs: 1,
            runs_per_stripe: 1,
            blocks_per_stripe: extent.blocks,
        }
    }

    /// The column panels of run `i`, of so many. Each worker's share of the runs is a band.
    pub(super) fn columns(&self, panels: usize, i: usize) -> Range<usize> {
        let runs = self.column_runs / self.bands;
        part(part(0..panels, self.bands, i / runs), runs, i % runs)
    }

    /// The row run and column run of tile `i` of a stripe of `runs` column runs. Each worker's share of the tiles is a band of
    /// rows, so that the shares are equal even where the column runs are not; within it, neighbours share a column run.
    pub(super) fn tile(&self, i: usize, runs: usize, workers: usize) -> (usize, usize) {
        let bands = if workers > 1 && self.row_runs.is_multiple_of(workers) { workers } else { 1 };
        let height = self.row_runs / bands;
        let (band, within) = (i / (height * runs), i % (height * runs));
        (band * height + within % height, within / height)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_cover_everything_once_and_none_is_too_large() {
        for step in [1, 2, 3, 4, 6, 8] {
            for total in 0..60 {
                let cuts = Cuts::new(total, step);
                let mut next = 0;
                for i in 0..cuts.count() {
                    let piece = cuts.piece(i);
                    assert_eq!(piece.start, next);
                    assert!((1..=step).contains(&piece.len()), "{total} by {step}: {piece:?}");
                    assert!(total < step || 2 * piece.len() >= step, "{total} by {step}: {piece:?}");
                    next = piece.end;
                }
                assert_eq!(next, total);
            }
        }
    }

    #[test]
    fn parts_cover_a_range_and_differ_by_one_at_most() {
        for length in 0..40 {
            for parts in 1..10 {
                let mut next = 7;
                for i in 0..parts {
                    let run = part(7..7 + length, parts, i);
                    assert_eq!(run.start, next);
                    assert!(run.len() == length / parts || run.len() == length / parts + 1);
                    next = run.end;
                }
                assert_eq!(next, 7 + length);
            }
        }
    }

    #[test]
    fn blocks_of_k_are_equal_and_not_too_long() {
        for k in 1..3000 {
            let block = k_block(k, 384);
            assert!(block <= 384 && k.div_ceil(block) == k.div_ceil(384), "{k}: {block}");
        }
    }

    fn extent(m: usize, n: usize, k: usize) -> Extent {
        let depth = k_block(k, 512);
        Extent {
            m,
            n,
            k,
            size: 4,
            panel: 48,
            row_panels: m.div_ceil(8),
            column_panels: n.div_ceil(48),
            depth,
            blocks: k.div_ceil(depth),
            copies_a: false,
        }
    }

    #[test]
    fn each_worker_packs_b_only_where_the_budget_has_room_for_all_of_them() {
        let extent = extent(300, 250, 300);
        let packed = 288 * 300 * 4;
        let form = |budget| Plan::new(&extent, 2, &CacheSizes::default(), budget).form;
        assert_eq!(form(3 * packed), Form::OwnB);
        assert_eq!(form(3 * packed - 1), Form::SharedB);
    }

    #[test]
    fn a_plan_never_packs_more_than_it_may_and_gives_every_worker_work() {
        let shapes = [
            (1000, 1000, 1000),
            (300, 250, 300),
            (32, 8192, 4096),
            (8192, 32, 4096),
            (5000, 20_000, 60_000),
            (1, 1, 1),
        ];
        for (m, n, k) in shapes {
            for workers in [1, 2, 16, 64] {
                let extent = extent(m, n, k);
                let plan = Plan::new(&extent, workers, &CacheSizes::default(), PACKED_BYTES);
                let columns = extent.column_panels.div_ceil(plan.column_runs) * extent.panel;
                let packed = match plan.form {
                    // Each worker has one at a time.
                    Form::OwnedColumns => plan.column_runs.min(workers),
                    Form::OwnB => workers + 1,
                    Form::SharedB => plan.runs_per_stripe,
                };
                let bytes = packed * columns * plan.blocks_per_stripe * extent.depth * 4;
                assert!(bytes <= PACKED_BYTES.max(workers << 20), "{m} {n} {k} {workers}: {plan:?}");
                if m * n * k > 1 << 26 && workers <= 16 {
                    assert!(plan.row_runs * plan.column_runs >= workers.min(extent.row_panels * extent.column_panels));
                }
            }
        }
    }
}
