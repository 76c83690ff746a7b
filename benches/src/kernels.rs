//! The work of the programs, written in C so that every implementation calls the same machine code. `kernels/kernels.h` says
//! what each function does.

use std::sync::atomic::AtomicU32;

/// The largest board of [`queens_moves`].
pub const QUEENS_MAX: usize = 16;
/// Rows and columns of a block of [`matmul_leaf`].
pub const MATMUL_LEAF: usize = 32;
/// The longest array that is sorted without forking.
pub const SORT_LEAF: usize = 2048;
/// Rows and columns of a block of the Cholesky kernels.
pub const CHOLESKY_LEAF: usize = 32;

/// A tree of the unbalanced tree search.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct UtsTree {
    pub shape: u32,
    pub seed: u32,
    pub root_children: f64,
    pub depth_limit: u32,
    pub children: u32,
    pub inner_fraction: f64,
}

pub const UTS_GEOMETRIC: u32 = 0;
pub const UTS_BINOMIAL: u32 = 1;

/// A node of such a tree.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default)]
pub struct UtsNode {
    state: [u8; 20],
    pub depth: u32,
}

mod c {
    use super::{UtsNode, UtsTree};

    unsafe extern "C" {
        pub safe fn kernel_mix(seed: u64, rounds: u32) -> u32;
        pub(super) fn kernel_fill_item(items: *mut u32, item: usize, count: usize, longest: u32);
        pub(super) fn kernel_queens_moves(board: *const u8, row: u32, size: u32, moves: *mut u8) -> u32;
        pub(super) fn kernel_matmul_leaf(a: *const i32, b: *const i32, c: *mut i32, stride: usize);
        pub(super) safe fn kernel_uts_root(tree: &UtsTree, root: &mut UtsNode);
        pub(super) safe fn kernel_uts_children(tree: &UtsTree, node: &UtsNode) -> u32;
        pub(super) safe fn kernel_uts_child(parent: &UtsNode, number: u32, child: &mut UtsNode);
        pub safe fn kernel_trapezium(left: f64, right: f64) -> f64;
        pub(super) fn kernel_sort_fill(values: *mut u32, count: usize);
        pub(super) fn kernel_sort_leaf(values: *mut u32, count: usize);
        pub(super) fn kernel_merge_leaf(a: *const u32, a_count: usize, b: *const u32, b_count: usize, out: *mut u32);
        pub(super) fn kernel_lower_bound(values: *const u32, count: usize, pivot: u32) -> usize;
        pub(super) fn kernel_sort_check(values: *const u32, count: usize) -> u64;
        pub(super) fn kernel_cholesky_leaf(a: *mut f64, stride: usize);
        pub(super) fn kernel_solve_leaf(l: *const f64, b: *mut f64, stride: usize);
        pub(super) fn kernel_subtract_leaf(a: *const f64, b: *const f64, c: *mut f64, stride: usize);
        pub safe fn kernel_now_ns() -> u64;
        pub safe fn kernel_wait_until(when_ns: u64);
        pub(super) fn kernel_schedule(offsets_ns: *mut u64, count: usize, gap_ns: u64, seed: u32);
        pub safe fn kernel_process_cpu_ns() -> u64;
        pub safe fn kernel_thread_cpu_ns() -> u64;
        pub safe fn kernel_peak_rss_kib() -> u64;
        pub safe fn kernel_rss_kib() -> u64;
        pub safe fn kernel_tally();
        pub safe fn kernel_tally_sum() -> u64;
        pub safe fn kernel_tally_own() -> u64;
        pub(super) safe fn kernel_count_allocations(on: i32);
        pub(super) safe fn kernel_allocations() -> u64;
    }
}

pub use c::{
    kernel_mix as mix, kernel_now_ns as now_ns, kernel_peak_rss_kib as peak_rss_kib,
    kernel_process_cpu_ns as process_cpu_ns, kernel_rss_kib as rss_kib, kernel_tally as tally,
    kernel_tally_own as tally_own, kernel_tally_sum as tally_sum, kernel_thread_cpu_ns as thread_cpu_ns,
    kernel_trapezium as trapezium, kernel_wait_until as wait_until,
};

/// A board with one queen in each of its first rows.
pub type Board = [u8; QUEENS_MAX];

/// Fills in one item: with two rounds of mixing, or with up to `longest` if that is not 0, the more the later the item is.
#[inline(always)]
pub fn fill_item(items: &[AtomicU32], item: usize, longest: u32) {
    debug_assert!(item < items.len());
    // SAFETY: the item is one of them, and nobody else writes it meanwhile.
    unsafe { c::kernel_fill_item(items.as_ptr().cast_mut().cast(), item, items.len(), longest) }
}

/// The columns of `row` that no queen above attacks, on a board of `size` rows and columns.
#[inline(always)]
pub fn queens_moves(board: &Board, row: u32, size: u32, moves: &mut Board) -> usize {
    debug_assert!(row < size && size as usize <= QUEENS_MAX);
    // SAFETY: both arrays have room for the largest board.
    unsafe { c::kernel_queens_moves(board.as_ptr(), row, size, moves.as_mut_ptr()) as usize }
}

/// C += A * B.
///
/// # Safety
/// All three are blocks of [`MATMUL_LEAF`] rows and columns in matrices with `stride` columns, and nobody else uses C.
#[inline(always)]
pub unsafe fn matmul_leaf(a: *const i32, b: *const i32, c: *mut i32, stride: usize) {
    // SAFETY: by contract.
    unsafe { c::kernel_matmul_leaf(a, b, c, stride) }
}

impl UtsTree {
    /// The root of the tree.
    pub fn root(&self) -> UtsNode {
        let mut root = UtsNode::default();
        c::kernel_uts_root(self, &mut root);
        root
    }

    /// How many children `node` has.
    #[inline(always)]
    pub fn children(&self, node: &UtsNode) -> usize {
        c::kernel_uts_children(self, node) as usize
    }
}

impl UtsNode {
    /// The child with the given number.
    #[inline(always)]
    pub fn child(&self, number: usize) -> UtsNode {
        let mut child = UtsNode::default();
        c::kernel_uts_child(self, number as u32, &mut child);
        child
    }
}

/// Numbers in a fixed disorder.
pub fn sort_fill(values: &mut [u32]) {
    // SAFETY: pointer and length are a slice's.
    unsafe { c::kernel_sort_fill(values.as_mut_ptr(), values.len()) }
}

/// Sorts on the calling thread.
#[inline(always)]
pub fn sort_leaf(values: &mut [u32]) {
    // SAFETY: pointer and length are a slice's.
    unsafe { c::kernel_sort_leaf(values.as_mut_ptr(), values.len()) }
}

/// Merges two sorted slices.
#[inline(always)]
pub fn merge_leaf(a: &[u32], b: &[u32], out: &mut [u32]) {
    assert_eq!(a.len() + b.len(), out.len());
    // SAFETY: pointers and lengths are those of slices, and the result fits.
    unsafe { c::kernel_merge_leaf(a.as_ptr(), a.len(), b.as_ptr(), b.len(), out.as_mut_ptr()) }
}

/// How many of the sorted values are less than the pivot.
#[inline(always)]
pub fn lower_bound(values: &[u32], pivot: u32) -> usize {
    // SAFETY: pointer and length are a slice's.
    unsafe { c::kernel_lower_bound(values.as_ptr(), values.len(), pivot) }
}

/// A number that tells sorted arrays apart; 0 for an unsorted one.
pub fn sort_check(values: &[u32]) -> u64 {
    // SAFETY: pointer and length are a slice's.
    unsafe { c::kernel_sort_check(values.as_ptr(), values.len()) }
}

/// A = L * L' in place.
///
/// # Safety
/// `a` is a block of [`CHOLESKY_LEAF`] rows and columns of a matrix with `stride` columns, and nobody else uses it.
#[inline(always)]
pub unsafe fn cholesky_leaf(a: *mut f64, stride: usize) {
    // SAFETY: by contract.
    unsafe { c::kernel_cholesky_leaf(a, stride) }
}

/// X * L' = B, in place of B.
///
/// # Safety
/// As [`cholesky_leaf`], for both blocks; nobody writes L.
#[inline(always)]
pub unsafe fn solve_leaf(l: *const f64, b: *mut f64, stride: usize) {
    // SAFETY: by contract.
    unsafe { c::kernel_solve_leaf(l, b, stride) }
}

/// C -= A * B'.
///
/// # Safety
/// As [`cholesky_leaf`], for all three blocks; nobody writes A or B.
#[inline(always)]
pub unsafe fn subtract_leaf(a: *const f64, b: *const f64, c: *mut f64, stride: usize) {
    // SAFETY: by contract.
    unsafe { c::kernel_subtract_leaf(a, b, c, stride) }
}

/// When to begin each of `count` arrivals, about `gap_ns` apart: fixed beforehand, the same for every implementation.
pub fn schedule(count: usize, gap_ns: u64, seed: u32) -> Vec<u64> {
    let mut offsets = vec![0; count];
    // SAFETY: pointer and length are a vector's.
    unsafe { c::kernel_schedule(offsets.as_mut_ptr(), count, gap_ns, seed) };
    offsets
}

/// How many allocations happen, on any thread, while `action` runs.
pub fn allocations_during(action: impl FnOnce()) -> u64 {
    let before = c::kernel_allocations();
    c::kernel_count_allocations(1);
    action();
    c::kernel_count_allocations(0);
    c::kernel_allocations() - before
}
