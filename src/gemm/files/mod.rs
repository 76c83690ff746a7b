//! Products of matrices in files, within a budget of memory.
//!
//! C is computed tile by tile, each over all of k, in chunks: while one chunk's panels of A and B are multiplied, those of the next are
//! read, and those after it announced, so that the disk is at work all the time and the worker that reads only copies. How large tiles and chunks are follows the budget, such that as little as possible is read twice. A chunk is a whole number
//! of the blocks of k that the product would have in memory, so that the result has the same bits.
//!
//! C is written into a new file beside the old one, whose room on the disk is taken before anything is computed. It takes
//! the old one's place when all of it is there: an error on the way leaves the old one as it was.

mod pieces;
mod source;

use self::pieces::{Chunk, Pieces};
use self::source::Source;
use super::blocking::k_block;
use super::driver::{Held, Place, buffer, run_blocks};
use super::element::Element;
use super::kernel::{Kernels, Level};
use super::problem::{Layout, Product, Transpose, View, operand, size};
use super::runner::TileRunner;
use crate::error::{Result, error};
use crate::os::disk::{Disk, Draft};
use crate::os::file::PathBuffer;
use core::ptr;

/// A matrix in a file.
#[derive(Clone, Debug)]
pub struct FileMatrix {
    /// The file, which holds the elements as they are in memory.
    pub path: PathBuffer,
    /// Bytes before the first element.
    pub offset: u64,
    /// The leading dimension, as in [`Gemm`](super::Gemm).
    pub ld: i64,
}

/// A product of matrices in files.
#[derive(Clone, Debug)]
pub struct FileGemm<T> {
    /// The layout of all three matrices.
    pub layout: Layout,
    /// What `op` does to A.
    pub trans_a: Transpose,
    /// What `op` does to B.
    pub trans_b: Transpose,
    /// Rows of C.
    pub m: i64,
    /// Columns of C.
    pub n: i64,
    /// Columns of `op(A)` and rows of `op(B)`.
    pub k: i64,
    /// The factor of the product.
    pub alpha: T,
    /// A. Not opened where `alpha` or `k` is zero.
    pub a: FileMatrix,
    /// B. Not opened where `alpha` or `k` is zero.
    pub b: FileMatrix,
    /// The factor of what C held.
    pub beta: T,
    /// The file of C, which holds C and nothing else: no padding between lines. It need not exist where `beta` is zero.
    pub c: PathBuffer,
    /// Bytes of memory for buffers, at most.
    pub budget: usize,
}

/// Computes `C = alpha * op(A) * op(B) + beta * C` with all three in files.
///
/// `progress(done, total)` is called after each step, in multiply-adds, by one worker at a time; its error ends the
/// computation. The bits are those of [`gemm`](super::gemm).
///
/// # Errors
/// `InvalidArgument` as [`gemm`](super::gemm), for a file of C of another size where `beta` is not zero, and for a budget that is too small, which
/// says how much would do; `Io` for a file that cannot be read or is too short, and for a disk that is full; `OutOfMemory`; what
/// `progress` or `tiles` returned. In each of these cases the file of C is as it was.
pub fn gemm_files<T: Element>(
    product: &FileGemm<T>,
    progress: &(dyn Fn(u64, u64) -> Result<()> + Sync),
    tiles: &dyn TileRunner,
) -> Result<()> {
    let m = size("m", "the number of rows of C", product.m)?;
    let n = size("n", "the number of columns of C", product.n)?;
    let k = size("k", "the number of products in a sum", product.k)?;
    let nowhere = ptr::null::<T>();
    let a = operand(product.layout, 'A', (nowhere, product.trans_a, product.a.ld), (m, k), false)?;
    let b = operand(product.layout, 'B', (nowhere, product.trans_b, product.b.ld), (k, n), false)?;
    let line = if product.layout == Layout::RowMajor { n } else { m };
    operand(product.layout, 'C', (nowhere, Transpose::No, line.max(1) as i64), (m, n), false)?;
    if m == 0 || n == 0 {
        return Ok(());
    }
    let reads = k > 0 && product.alpha != T::ZERO;
    let open = |name, matrix: &FileMatrix, view, rows, columns| {
        if reads { Source::open::<T>(name, matrix, view, rows, columns).map(Some) } else { Ok(None) }
    };
    let a = open('A', &product.a, a, m, k)?;
    let b = open('B', &product.b, b, k, n)?;
    let bytes = (m * n * size_of::<T>()) as u64;
    let old = if product.beta == T::ZERO { None } else { Some(Disk::open(product.c.clone())?) };
    if let Some(found) = old.as_ref().map(Disk::bytes).transpose()?.filter(|&found| found != bytes) {
        return Err(error!(
            InvalidArgument,
            "{}: has {found} bytes, but C, which is to be scaled by beta, has {bytes}; pass a file of C alone",
            product.c
        ));
    }
    // As in memory, a column-major product is the row-major one of the transposes.
    let (m, n, a, b) = match product.layout {
        Layout::RowMajor => (m, n, a, b),
        Layout::ColMajor => (n, m, b.map(Source::transposed), a.map(Source::transposed)),
    };
    let k = if reads { k } else { 0 };
    let kernels = T::kernels(Level::detect());
    let whole =
        Whole { m, n, k, alpha: product.alpha, beta: product.beta, a, b, old, depth: k_block(k, T::K_BLOCK), kernels };
    let pieces = whole.pieces(product.budget, tiles)?;
    let draft = Draft::new(product.c.clone(), bytes)?;
    tiles.enter(&|tiles| whole.run(&pieces, &draft, progress, tiles))?;
    drop(whole);
    draft.publish()
}

/// A product of files in rows of C.
struct Whole<T: 'static> {
    m: usize,
    n: usize,
    /// 0 if A and B have no part in it.
    k: usize,
    alpha: T,
    beta: T,
    a: Option<Source>,
    b: Option<Source>,
    /// What C held, where it counts.
    old: Option<Disk>,
    /// The length of a block of k.
    depth: usize,
    kernels: &'static Kernels<T>,
}

/// Room for two panels, one being used while the other is read, and which chunk's each holds.
struct Twice<T> {
    first: Place<T>,
    panel: usize,
}

impl<T> Twice<T> {
    fn at(&self, slot: usize) -> *mut T {
        self.first.at(slot * self.panel)
    }
}

impl<T: Element> Whole<T> {
    fn run(
        &self,
        pieces: &Pieces,
        draft: &Draft,
        progress: &(dyn Fn(u64, u64) -> Result<()> + Sync),
        tiles: &dyn TileRunner,
    ) -> Result<()> {
        let (a, b) = if self.k == 0 { (0, 0) } else { pieces.panels() };
        // One block of memory for everything and all steps: freeing and taking it anew would leave the allocator with more.
        let packed = self.packed(pieces, tiles).unwrap_or(0) / size_of::<T>();
        let room = [pieces.rows * pieces.columns, 2 * a, 2 * b, packed];
        let memory = buffer::<T>(tiles, Some(room.iter().sum()))?;
        let c = Place(memory.as_ptr().cast::<T>());
        let (twice_a, twice_b) = (
            Twice { first: Place(c.at(room[0])), panel: a },
            Twice { first: Place(c.at(room[0] + room[1])), panel: b },
        );
        let held = Held(Place(c.at(room[0] + room[1] + room[2])), packed);
        let steps = pieces.steps(self);
        let total = (self.m as u64).saturating_mul(self.n as u64).saturating_mul(self.k.max(1) as u64);
        let mut done = 0u64;
        // Where the panels of the step at hand are.
        let (mut slot_a, mut slot_b) = (0, 0);
        let at = |step| (step < steps).then(|| pieces.step(self, step));
        let mut here = pieces.step(self, 0);
        self.announce(&here, (true, true));
        if let Some(second) = at(1) {
            self.announce(&second, here.lacks(&second));
        }
        // SAFETY: the first slots, which nobody else uses yet.
        unsafe { self.fetch(&here, Some(twice_a.at(0)), Some(twice_b.at(0)))? };
        for step in 0..steps {
            let (next, after) = (at(step + 1), at(step + 2));
            // A panel that the next step needs as well stays where it is.
            let (new_a, new_b) = next.as_ref().map_or((false, false), |next| here.lacks(next));
            let (next_a, next_b) = (slot_a ^ usize::from(new_a), slot_b ^ usize::from(new_b));
            let compute = |tiles: &dyn TileRunner| {
                if here.depth.start == 0 {
                    self.load(&here, &c, tiles)?;
                }
                // SAFETY: the slots hold the step's panels, and C is this call's.
                unsafe { self.multiply(&here, twice_a.at(slot_a), twice_b.at(slot_b), c.at(0), pieces, held, tiles)? };
                if here.depth.end == self.k { self.store(&here, &c, draft, tiles) } else { Ok(()) }
            };
            let fetch = || {
                let Some(next) = &next else { return Ok(()) };
                // The disk goes on with this while what it has brought meanwhile is copied, and while that is multiplied.
                if let Some(after) = &after {
                    self.announce(after, next.lacks(after));
                }
                // SAFETY: the other slots, which the step at hand does not use.
                unsafe { self.fetch(next, new_a.then(|| twice_a.at(next_a)), new_b.then(|| twice_b.at(next_b))) }
            };
            tiles.both(&compute, &fetch)?;
            let work = here.rows.len() as u64 * here.columns.len() as u64 * here.depth.len().max(1) as u64;
            done = done.saturating_add(work);
            progress(done, total)?;
            (slot_a, slot_b) = (next_a, next_b);
            here = next.unwrap_or(here);
        }
        Ok(())
    }

    /// Has the system begin to read those panels of a step, of A and of B, that are to be read.
    fn announce(&self, chunk: &Chunk, (new_a, new_b): (bool, bool)) {
        if let Some(a) = self.a.as_ref().filter(|_| new_a) {
            a.announce::<T>(&chunk.rows, &chunk.depth);
        }
        if let Some(b) = self.b.as_ref().filter(|_| new_b) {
            b.announce::<T>(&chunk.depth, &chunk.columns);
        }
    }

    /// Reads the panels of a step that are to be read.
    ///
    /// # Safety
    /// Each room is writable for its panel, and nobody else uses it.
    unsafe fn fetch(&self, chunk: &Chunk, to_a: Option<*mut T>, to_b: Option<*mut T>) -> Result<()> {
        if let (Some(a), Some(to)) = (&self.a, to_a) {
            // SAFETY: by contract.
            unsafe { a.read(&chunk.rows, &chunk.depth, to)? };
        }
        if let (Some(b), Some(to)) = (&self.b, to_b) {
            // SAFETY: by contract.
            unsafe { b.read(&chunk.depth, &chunk.columns, to)? };
        }
        Ok(())
    }

    /// # Safety
    /// `a` and `b` hold the panels of the chunk, `c` its tile; nobody else uses them, nor `held`.
    #[expect(clippy::too_many_arguments, reason = "they are places, each for another thing")]
    unsafe fn multiply(
        &self,
        chunk: &Chunk,
        a: *mut T,
        b: *mut T,
        c: *mut T,
        pieces: &Pieces,
        held: Held<T>,
        tiles: &dyn TileRunner,
    ) -> Result<()> {
        let here = Pieces { rows: chunk.rows.len(), columns: chunk.columns.len(), deep: chunk.depth.len(), ..*pieces };
        let shape = self.product(&here);
        let product = Product {
            k: chunk.depth.len(),
            a: View { first: a.cast_const(), ..shape.a },
            b: View { first: b.cast_const(), ..shape.b },
            beta: if chunk.depth.start == 0 { self.beta } else { T::ONE },
            c,
            ..shape
        };
        // SAFETY: passed on to the caller; `fetch` leaves the panels as `product` says.
        unsafe { run_blocks(self.depth, pieces.packs, held, &product, self.kernels, tiles) }
    }

    /// Calls `body` with every row of the tile, its place in the file and its address, shared out.
    fn each_row(
        &self,
        chunk: &Chunk,
        c: &Place<T>,
        tiles: &dyn TileRunner,
        body: &(dyn Fn(u64, *mut u8, usize) -> Result<()> + Sync),
    ) -> Result<()> {
        let (first, columns) = (chunk.rows.start, &chunk.columns);
        let parts = (2 * tiles.workers()).clamp(1, chunk.rows.len());
        tiles.for_each(parts, &|i| {
            for row in super::blocking::part(chunk.rows.clone(), parts, i) {
                let place = (row * self.n + columns.start) * size_of::<T>();
                let at = c.at((row - first) * columns.len());
                body(place as u64, at.cast(), columns.len() * size_of::<T>())?;
            }
            Ok(())
        })
    }

    /// Reads what C held of a tile, where it counts.
    fn load(&self, chunk: &Chunk, c: &Place<T>, tiles: &dyn TileRunner) -> Result<()> {
        let Some(old) = &self.old else { return Ok(()) };
        // SAFETY: the rows of the tile's buffer, each read once.
        self.each_row(chunk, c, tiles, &|place, at, bytes| unsafe { old.read(place, at, bytes) })
    }

    /// Writes a finished tile.
    fn store(&self, chunk: &Chunk, c: &Place<T>, draft: &Draft, tiles: &dyn TileRunner) -> Result<()> {
        // SAFETY: the rows of the tile's buffer, which nobody writes to meanwhile.
        self.each_row(chunk, c, tiles, &|place, at, bytes| unsafe { draft.disk().write(place, at, bytes) })
    }
}
