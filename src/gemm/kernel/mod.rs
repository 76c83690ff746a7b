//! The micro-kernels: one description, one body, four instruction sets.
//!
//! A micro-kernel multiplies a panel of A (up to [`Kernels::rows`] rows) by a panel of B (up to [`Kernels::vectors`]
//! vectors of columns) over one block of k and adds the product to C. The whole product stays in registers, as in Goto
//! and van de Geijn, *Anatomy of high-performance matrix multiplication* (2008), and in BLIS. The body is written once,
//! in [`body`], over the operations of [`vector::Vector`]; each instruction set instantiates it for every number of rows
//! and vectors, so that the edges of C run exact kernels and compute no padding.
//!
//! Every kernel forms an element as `acc = fma(a[p], b[p], acc)` for p upwards from an `acc` of zero, then
//! `c = fma(alpha, acc, beta * c)`, or `alpha * acc` where beta is zero. AVX-512, AVX2 and NEON therefore give the same bits; the portable
//! kernels round the product and the sum separately and give their own.

#[cfg(target_arch = "x86_64")]
pub(super) mod amx;
#[cfg(target_arch = "x86_64")]
mod avx2;
#[cfg(target_arch = "x86_64")]
mod avx512;
mod body;
#[cfg(target_arch = "x86_64")]
mod dots;
#[cfg(target_arch = "aarch64")]
mod neon;
mod portable;
mod rows;
mod vector;

use super::element::Element;
pub(super) use rows::Rows;

/// An instruction set the micro-kernels are written for, best first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Level {
    /// AVX-512F: 32 registers of 64 bytes.
    Avx512,
    /// AVX2 with FMA: 16 registers of 32 bytes.
    Avx2,
    /// NEON: 32 registers of 16 bytes.
    Neon,
    /// Plain Rust, left to the compiler to vectorise; no fused multiply-add.
    Portable,
}

impl Level {
    /// Every level, best first.
    pub const ALL: [Level; 4] = [Level::Avx512, Level::Avx2, Level::Neon, Level::Portable];

    /// Whether this CPU runs this level. Feature bits decide, never the CPU's name; the standard library caches them.
    #[inline]
    pub fn is_available(self) -> bool {
        match self {
            #[cfg(target_arch = "x86_64")]
            Level::Avx512 => std::arch::is_x86_feature_detected!("avx512f") && Level::Avx2.is_available(),
            #[cfg(target_arch = "x86_64")]
            Level::Avx2 => std::arch::is_x86_feature_detected!("avx2") && std::arch::is_x86_feature_detected!("fma"),
            #[cfg(target_arch = "aarch64")]
            Level::Neon => std::arch::is_aarch64_feature_detected!("neon"),
            Level::Portable => true,
            // Those of other processors.
            _ => false,
        }
    }

    /// The best level this CPU runs.
    #[inline]
    pub fn detect() -> Level {
        Level::ALL.into_iter().find(|level| level.is_available()).unwrap_or(Level::Portable)
    }

    /// This level, or the portable one where the CPU lacks it.
    pub(super) fn or_portable(self) -> Level {
        if self.is_available() { self } else { Level::Portable }
    }
}

/// Steps of k between two looks at what is to be prefetched.
pub(super) const ROUND: usize = 4;

/// The operands of one call of a micro-kernel.
pub struct Step<T> {
    /// The depth: how many products each element sums.
    pub(super) k: usize,
    /// The first element of the panel of A, which need not be aligned.
    pub(super) a: *const T,
    /// From one row of A to the next, in elements.
    pub(super) a_row: usize,
    /// From one column of A to the next, in elements.
    pub(super) a_step: usize,
    /// The first row of the panel of B.
    pub(super) b: *const T,
    /// From one row of B to the next, in elements.
    pub(super) b_step: usize,
    /// How far ahead in B to prefetch, in elements.
    pub(super) b_ahead: usize,
    /// What to fetch into the second-level cache meanwhile, a line every [`ROUND`] steps of k; any address will do.
    pub(super) next: *const T,
    /// From one such fetch to the following, in elements.
    pub(super) next_step: usize,
    /// Where [`Mode::Pack`] writes the packed panel.
    pub(super) pack: *mut T,
    /// What [`Mode::Copy`] copies.
    pub(super) copy: Copy<T>,
    /// The first element of the tile of C.
    pub(super) c: *mut T,
    /// From one row of C to the next, in elements.
    pub(super) c_row: usize,
    /// How many columns of the last vector exist: 1 to the vector's lanes.
    pub(super) last: usize,
    /// The factor of the product.
    pub(super) alpha: T,
    /// The factor of what C held; zero means that C is not read.
    pub(super) beta: T,
    /// Whether C is written past the caches: `beta` is zero, rows of C begin on whole lines, and the tile is as wide as its vectors. Only
    /// heeded in [`Mode::Whole`].
    pub(super) streams: bool,
}

/// Rows of neighbouring panels of B, each as wide as the widest tile, and where they go in the packed panels.
pub struct Copy<T> {
    /// The first row of the first panel.
    pub(super) from: *const T,
    /// From one row to the next in B, in elements.
    pub(super) step: usize,
    /// Where that goes.
    pub(super) to: *mut T,
    /// From one packed panel to the next, in elements.
    pub(super) stride: usize,
    /// How many rows, and of how many panels.
    pub(super) rows: usize,
    pub(super) panels: usize,
    /// Of how many panels a row is to be copied every [`ROUND`] steps of k, as long as there are some.
    pub(super) each: usize,
    /// How far ahead in B to prefetch, in elements.
    pub(super) ahead: usize,
}

impl<T> Copy<T> {
    /// Nothing to copy.
    pub(super) const NONE: Copy<T> = Copy {
        from: core::ptr::null(),
        step: 0,
        to: core::ptr::null_mut(),
        stride: 0,
        rows: 0,
        panels: 0,
        each: 0,
        ahead: 0,
    };
}

/// How a micro-kernel reads its panel of B.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Mode {
    /// Every vector of the panel is readable as a whole.
    Whole = 0,
    /// Of the last vector only [`Step::last`] elements may be read.
    Masked = 1,
    /// As `Masked`, and the panel is also written, padded with zeros to whole vectors, to [`Step::pack`].
    Pack = 2,
    /// As `Masked`, and nothing is prefetched: everything is in the caches.
    Near = 3,
    /// As `Whole`, and rows of other panels are copied meanwhile: [`Step::copy`]. Only for the widest tiles.
    Copy = 4,
}

/// A micro-kernel.
///
/// # Safety
/// The CPU has the kernel's instruction set; the operands of the step are readable, and its tile of C writable, as the
/// fields of [`Step`] say, and nothing else touches the tile or the packed panel meanwhile.
pub(super) type Kernel<T> = unsafe fn(&Step<T>);

/// Copies a block of B whose columns are contiguous into packed form: element `(p, j)` from `source[j * stride + p]` to
/// `packed[p * width + j]`, zeros where `columns <= j < width`.
///
/// # Safety
/// The CPU has the instruction set; `source` is readable for `columns` columns of `depth`, `packed` is writable for
/// `depth * width` elements, `columns <= width`, and `width` is a multiple of the level's lanes.
pub(super) type Transpose<T> =
    unsafe fn(source: *const T, stride: usize, depth: usize, columns: usize, packed: *mut T, width: usize);

/// Adds every row times its factor to sums; see [`rows::add_rows`].
pub(super) type AddRows<T> = unsafe fn(rows: &Rows<T>, sums: *mut T);

/// Adds columns that lie in memory one after another, `stride` elements apart, each `rows.count` long, times the factors to sums.
pub(super) type AddColumns<T> = unsafe fn(rows: &Rows<T>, stride: usize, sums: *mut T);

/// Adds sums to C; see [`rows::finish`].
pub(super) type Finish<T> = unsafe fn(count: usize, sums: *const T, c: *mut T, alpha: T, beta: T);

/// The micro-kernels of one level for one element type.
pub struct Kernels<T: 'static> {
    /// The most rows of a tile.
    pub(super) rows: usize,
    /// The most vectors of a tile.
    pub(super) vectors: usize,
    /// Elements of a vector.
    pub(super) lanes: usize,
    /// Packs columns of a transposed B.
    pub(super) transpose: Transpose<T>,
    /// For products with one row or column.
    pub(super) add_rows: AddRows<T>,
    /// The same where columns are contiguous, of so many at a time; without it they are turned in memory.
    pub(super) add_columns: Option<(usize, AddColumns<T>)>,
    /// For products with one row or column.
    pub(super) finish: Finish<T>,
    /// `[mode][(rows - 1) * vectors + (vectors - 1)]`.
    table: [&'static [Kernel<T>]; 3],
    /// `[rows - 1]`, in [`Mode::Copy`].
    pub(super) copying: &'static [Kernel<T>],
    /// `[vectors - 1][rows - 1]`, in [`Mode::Near`]. Tiles of other shapes than those above: here no packed panel is a tile wide.
    pub(super) near: &'static [&'static [Kernel<T>]],
}

impl<T: Element> Kernels<T> {
    /// The kernel for a tile of `rows` rows and `vectors` vectors.
    #[inline]
    pub(super) fn get(&self, mode: Mode, rows: usize, vectors: usize) -> Kernel<T> {
        debug_assert!((1..=self.rows).contains(&rows) && (1..=self.vectors).contains(&vectors));
        self.table[mode as usize][(rows - 1) * self.vectors + vectors - 1]
    }

    /// Columns of the widest tile.
    pub(super) fn columns(&self) -> usize {
        self.vectors * self.lanes
    }
}

/// Sees to it that others who are told so see what was written past the caches.
pub(super) fn finish_streams() {
    // SAFETY: every such CPU has the instruction, which touches nothing.
    #[cfg(target_arch = "x86_64")]
    unsafe {
        core::arch::x86_64::_mm_sfence();
    }
}

/// The f32 kernels of a level. Only a CPU with that level may call them.
#[inline]
pub(super) fn kernels_f32(level: Level) -> &'static Kernels<f32> {
    match level {
        #[cfg(target_arch = "x86_64")]
        Level::Avx512 => &avx512::F32,
        #[cfg(target_arch = "x86_64")]
        Level::Avx2 => &avx2::F32,
        #[cfg(target_arch = "aarch64")]
        Level::Neon => &neon::F32,
        // Those of other processors.
        _ => &portable::F32,
    }
}

/// The f64 kernels of a level. Only a CPU with that level may call them.
#[inline]
pub(super) fn kernels_f64(level: Level) -> &'static Kernels<f64> {
    match level {
        #[cfg(target_arch = "x86_64")]
        Level::Avx512 => &avx512::F64,
        #[cfg(target_arch = "x86_64")]
        Level::Avx2 => &avx2::F64,
        #[cfg(target_arch = "aarch64")]
        Level::Neon => &neon::F64,
        // Those of other processors.
        _ => &portable::F64,
    }
}

/// One row of a kernel table: the body for `$rows` rows and each number of vectors.
macro_rules! table {
    ($entry:ident, $vector:ty, $mode:literal, [$($rows:literal)+], $vectors:tt) => {
        &table!(@flat $entry, $vector, $mode, [] [$($rows)+], $vectors)
    };
    (@flat $entry:ident, $vector:ty, $mode:literal, [$($done:expr,)*] [$row:literal $($rows:literal)*], [$($v:literal)+]) => {
        table!(@flat $entry, $vector, $mode, [$($done,)* $($entry::<$vector, $row, $v, $mode>,)+] [$($rows)*], [$($v)+])
    };
    (@flat $entry:ident, $vector:ty, $mode:literal, [$($done:expr,)*] [], $vectors:tt) => { [$($done),*] };
}
use table;

/// The body for each number of rows and `$v` vectors.
macro_rules! column {
    ($entry:ident, $vector:ty, $mode:literal, [$($row:literal)+], $v:literal) => { &[$($entry::<$vector, $row, $v, $mode>),+] };
}
use column;

/// The bodies of a level's kernels, compiled for its instructions; for those of every CPU without a list.
macro_rules! bodies {
    ($($features:literal)?) => {
        /// # Safety
        /// As [`Kernel`](super::Kernel) says.
        $(#[target_feature(enable = $features)])?
        unsafe fn entry<V: super::vector::Vector, const M: usize, const N: usize, const MODE: u8>(step: &super::Step<V::Scalar>) {
            // SAFETY: passed on to the caller.
            unsafe { super::body::multiply::<V, M, N, MODE>(step) }
        }

        /// # Safety
        /// As [`rows::add_rows`](super::rows::add_rows) says.
        $(#[target_feature(enable = $features)])?
        unsafe fn add_rows<V: super::vector::Vector>(rows: &super::Rows<V::Scalar>, sums: *mut V::Scalar) {
            // SAFETY: passed on to the caller.
            unsafe { super::rows::add_rows::<V>(rows, sums) }
        }

        /// # Safety
        /// As [`rows::finish`](super::rows::finish) says.
        $(#[target_feature(enable = $features)])?
        unsafe fn finish<V: super::vector::Vector>(
            count: usize,
            sums: *const V::Scalar,
            c: *mut V::Scalar,
            alpha: V::Scalar,
            beta: V::Scalar,
        ) {
            // SAFETY: passed on to the caller.
            unsafe { super::rows::finish::<V>(count, sums, c, alpha, beta) }
        }
    };
}
use bodies;
