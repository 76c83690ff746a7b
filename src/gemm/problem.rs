//! The arguments of a product, and every check made on them.

use super::element::Element;
use super::operand::Operand;
use crate::error::{Error, Result, error};
use core::mem;

/// How a matrix lies in memory. The numbers are those of CBLAS.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(i32)]
pub enum Layout {
    /// Rows are contiguous, as in C.
    RowMajor = 101,
    /// Columns are contiguous, as in Fortran.
    ColMajor = 102,
}

impl Layout {
    /// The layout with this CBLAS number.
    ///
    /// # Errors
    /// `InvalidArgument` for any other number.
    #[inline]
    pub fn from_code(code: i32) -> Result<Layout> {
        match code {
            101 => Ok(Layout::RowMajor),
            102 => Ok(Layout::ColMajor),
            _ => Err(unknown_layout(code)),
        }
    }
}

#[cold]
fn unknown_layout(code: i32) -> Error {
    error!(InvalidArgument, "a matrix layout of {code} was given; pass 101 for row-major or 102 for column-major")
}

/// What is done to a matrix before it is multiplied. The numbers are those of CBLAS.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(i32)]
pub enum Transpose {
    /// `op(X) = X`.
    No = 111,
    /// `op(X)` is the transpose of X.
    Yes = 112,
    /// The conjugate transpose, which for real numbers is the transpose.
    Conjugate = 113,
}

impl Transpose {
    /// The transposition with this CBLAS number.
    ///
    /// # Errors
    /// `InvalidArgument` for any other number.
    #[inline]
    pub fn from_code(code: i32) -> Result<Transpose> {
        match code {
            111 => Ok(Transpose::No),
            112 => Ok(Transpose::Yes),
            113 => Ok(Transpose::Conjugate),
            _ => Err(unknown_transpose(code)),
        }
    }
}

#[cold]
fn unknown_transpose(code: i32) -> Error {
    error!(
        InvalidArgument,
        "a transposition of {code} was given; pass 111 for none, 112 for transposed or 113 for conjugate-transposed"
    )
}

/// A product `C = alpha * op(A) * op(B) + beta * C` as the caller states it: C, alpha and beta of type `T`, A and B of type `S`.
///
/// `op(A)` has `m` rows and `k` columns, `op(B)` `k` rows and `n` columns, C `m` rows and `n` columns. A leading dimension is the
/// distance, in elements, from one row to the next (row-major) or from one column to the next (column-major) of the matrix
/// as it is stored; what lies between the end of a line and the start of the next is neither read nor written. The pointers need
/// not be aligned.
#[derive(Clone, Copy, Debug)]
pub struct Gemm<T, S = T> {
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
    /// The first element of A.
    pub a: *const S,
    /// The leading dimension of A.
    pub lda: i64,
    /// The first element of B.
    pub b: *const S,
    /// The leading dimension of B.
    pub ldb: i64,
    /// The factor of what C held.
    pub beta: T,
    /// The first element of C.
    pub c: *mut T,
    /// The leading dimension of C.
    pub ldc: i64,
}

/// A matrix to read: element `(i, j)` lies `i * row + j * column` elements after the first.
#[derive(Clone, Copy, Debug)]
pub(super) struct View<T> {
    pub(super) first: *const T,
    pub(super) row: usize,
    pub(super) column: usize,
}

// SAFETY: a view is a description; who follows its pointer promises that nobody writes what it reads.
unsafe impl<T: Send> Send for View<T> {}
// SAFETY: as above.
unsafe impl<T: Sync> Sync for View<T> {}

impl<T> View<T> {
    /// The same addresses as those of another element type.
    pub(super) fn cast<U>(self) -> View<U> {
        View { first: self.first.cast(), row: self.row, column: self.column }
    }

    pub(super) fn transposed(self) -> View<T> {
        View { first: self.first, row: self.column, column: self.row }
    }

    /// Where element `(i, j)` lies.
    pub(super) fn at(&self, i: usize, j: usize) -> *const T {
        self.first.wrapping_add(i * self.row + j * self.column)
    }
}

/// A checked product: `m` x `k` times `k` x `n`, C in rows. At least one stride of each of A and B is 1.
#[derive(Clone, Copy, Debug)]
pub(super) struct Product<T, S = T> {
    pub(super) m: usize,
    pub(super) n: usize,
    pub(super) k: usize,
    pub(super) alpha: T,
    pub(super) a: View<S>,
    pub(super) b: View<S>,
    pub(super) beta: T,
    pub(super) c: *mut T,
    pub(super) c_row: usize,
}

impl<T: Element, S: Copy> Product<T, S> {
    /// A product with one column, whose A is contiguous in columns, is that with one row of the transposes: then the kernels read
    /// A in whole vectors. Any other product is itself.
    pub(super) fn upright(&self) -> Product<T, S> {
        if self.n == 1 && self.m > 1 && self.a.column != 1 && self.c_row == 1 {
            let (a, b) = (self.b.transposed(), self.a.transposed());
            Product { m: 1, n: self.m, a, b, c_row: self.m, ..*self }
        } else {
            *self
        }
    }

    /// How many multiply-adds it takes.
    pub(super) fn work(&self) -> usize {
        self.m.saturating_mul(self.n).saturating_mul(self.k)
    }

    /// Whether A and B have no part in it: C is empty, or only scaled.
    pub(super) fn only_scales(&self) -> bool {
        self.m == 0 || self.n == 0 || self.k == 0 || self.alpha == T::ZERO
    }
}

// SAFETY: a product is a description; who follows its pointers promises, as `gemm` says, that no two threads write the same
// element and that nobody writes what another reads.
unsafe impl<T: Send, S: Send> Send for Product<T, S> {}
// SAFETY: as above.
unsafe impl<T: Sync, S: Sync> Sync for Product<T, S> {}

pub(super) fn size(name: &str, meaning: &str, value: i64) -> Result<usize> {
    usize::try_from(value).map_err(|_| {
        if value < 0 {
            error!(InvalidArgument, "{name}, {meaning}, is {value}; pass 0 or more")
        } else {
            error!(Overflow, "{name}, {meaning}, is {value}, which does not fit this machine's addresses; pass less")
        }
    })
}

/// Checks one matrix, and says how to walk `op(X)`, which has `rows` rows and `columns` columns.
pub(super) fn operand<S>(
    layout: Layout,
    name: char,
    (first, trans, ld): (*const S, Transpose, i64),
    (rows, columns): (usize, usize),
    used: bool,
) -> Result<View<S>> {
    let stored_in_rows = (layout == Layout::RowMajor) == (trans == Transpose::No);
    let (lines, length) = if stored_in_rows { (rows, columns) } else { (columns, rows) };
    let line = if layout == Layout::RowMajor { "row" } else { "column" };
    let lower = name.to_ascii_lowercase();
    let step = usize::try_from(ld).unwrap_or(0);
    if step < length.max(1) {
        return Err(error!(
            InvalidArgument,
            "ld{lower}, from one {line} of {name} to the next, is {ld}, but a {line} of {name} holds {length}; pass {} or more",
            length.max(1)
        ));
    }
    if lines > 0 && length > 0 {
        let bytes = step
            .checked_mul(lines - 1)
            .and_then(|before| before.checked_add(length))
            .and_then(|elements| elements.checked_mul(mem::size_of::<S>()));
        if bytes.is_none_or(|bytes| bytes > isize::MAX as usize) {
            return Err(error!(
                Overflow,
                "{name} spans {lines} {line}s that are ld{lower} = {ld} elements apart, more bytes than there are addresses; pass smaller sizes"
            ));
        }
        if used && first.is_null() {
            return Err(error!(
                InvalidArgument,
                "{name} is NULL, but the product uses its {lines} {line}s of {length}; pass its address"
            ));
        }
    }
    Ok(view(layout, (first, trans, ld)))
}

/// How to walk `op(X)`, of a matrix that was checked.
#[inline]
fn view<S>(layout: Layout, (first, trans, ld): (*const S, Transpose, i64)) -> View<S> {
    let step = ld as usize;
    if (layout == Layout::RowMajor) == (trans == Transpose::No) {
        View { first, row: step, column: 1 }
    } else {
        View { first, row: 1, column: step }
    }
}

impl<T: Element, S: Operand<T>> Gemm<T, S> {
    /// Checks every argument and reduces a column-major product to a row-major one: there the memory of C, read in rows, is
    /// the transpose of C, and that is `op(B)` transposed times `op(A)` transposed.
    #[inline]
    pub(super) fn check(&self) -> Result<Product<T, S>> {
        if !self.is_plain() {
            self.check_each()?;
        }
        let (m, n, k, alpha, beta) = (self.m as usize, self.n as usize, self.k as usize, self.alpha, self.beta);
        let (c, c_row) = (self.c, self.ldc as usize);
        let a = view(self.layout, (self.a, self.trans_a, self.lda));
        let b = view(self.layout, (self.b, self.trans_b, self.ldb));
        Ok(match self.layout {
            Layout::RowMajor => Product { m, n, k, alpha, a, b, beta, c, c_row },
            Layout::ColMajor => Product { m: n, n: m, k, alpha, a: b.transposed(), b: a.transposed(), beta, c, c_row },
        })
    }

    /// Whether a glance shows that nothing is wrong. The sizes of almost every product are such, and each check by itself takes longer
    /// than the smallest products.
    #[inline]
    fn is_plain(&self) -> bool {
        /// Sizes whose products cannot overflow.
        const LARGE: u64 = 1 << 28;
        let rows = self.layout == Layout::RowMajor;
        let length = |trans, rows_of, columns| if rows == (trans == Transpose::No) { columns } else { rows_of };
        let (m, n, k) = (self.m, self.n, self.k);
        let sizes = [m, n, k, self.lda, self.ldb, self.ldc];
        size_of::<T>() <= 8
            && usize::BITS == 64
            && sizes.into_iter().fold(0, |all, size| all | size as u64) < LARGE
            && self.lda >= length(self.trans_a, m, k).max(1)
            && self.ldb >= length(self.trans_b, k, n).max(1)
            && self.ldc >= length(Transpose::No, m, n).max(1)
            && !(self.a.is_null() || self.b.is_null() || self.c.is_null())
    }

    /// Checks every argument.
    #[cold]
    fn check_each(&self) -> Result<()> {
        let m = size("m", "the number of rows of C", self.m)?;
        let n = size("n", "the number of columns of C", self.n)?;
        let k = size("k", "the number of products in a sum", self.k)?;
        let reads = m > 0 && n > 0 && self.alpha != T::ZERO;
        operand(self.layout, 'A', (self.a, self.trans_a, self.lda), (m, k), reads)?;
        operand(self.layout, 'B', (self.b, self.trans_b, self.ldb), (k, n), reads)?;
        operand(self.layout, 'C', (self.c.cast_const(), Transpose::No, self.ldc), (m, n), true)?;
        Ok(())
    }
}
