//! Matrix products: the sizes that are measured, and what a program's name says about one.

use super::{Family, Program};

/// C = A B with rows side by side, as its program's name spells it: `sgemm_MxNxK`, with `_hog` behind where a busy loop has one of
/// the CPUs as well, and `_hog-unpinned` where besides no thread is kept on a CPU.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Product {
    pub is_double: bool,
    /// Rows of A and C.
    pub m: usize,
    /// Columns of B and C.
    pub n: usize,
    /// Columns of A, rows of B.
    pub k: usize,
    pub is_disturbed: bool,
    pub is_pinned: bool,
}

impl Product {
    /// What `name` spells.
    pub fn parse(name: &str) -> Option<Product> {
        let (is_double, rest) = match name.strip_prefix("sgemm_") {
            Some(rest) => (false, rest),
            None => (true, name.strip_prefix("dgemm_")?),
        };
        let (sizes, is_disturbed, is_pinned) = match rest.split_once('_') {
            None => (rest, false, true),
            Some((sizes, "hog")) => (sizes, true, true),
            Some((sizes, "hog-unpinned")) => (sizes, true, false),
            Some(_) => return None,
        };
        let sizes: Result<Vec<usize>, _> = sizes.split('x').map(str::parse).collect();
        match sizes.ok()?[..] {
            [m, n, k] => Some(Product { is_double, m, n, k, is_disturbed, is_pinned }),
            _ => None,
        }
    }

    /// The same with no dimension above `size`.
    pub fn limited(self, size: u64) -> Product {
        let limit = |length: usize| length.min(usize::try_from(size).unwrap_or(usize::MAX));
        Product { m: limit(self.m), n: limit(self.n), k: limit(self.k), ..self }
    }

    /// Additions and multiplications.
    pub fn flops(self) -> u64 {
        2 * self.m as u64 * self.n as u64 * self.k as u64
    }

    pub fn is_cube(self) -> bool {
        self.m == self.n && self.n == self.k
    }

    /// Whether just one of the dimensions is 32.
    pub fn is_skinny(self) -> bool {
        [self.m, self.n, self.k].iter().filter(|length| **length == 32).count() == 1
    }

    /// Without the type: `MxNxK`.
    pub fn shape(self) -> String {
        format!("{}x{}x{}", self.m, self.n, self.k)
    }
}

/// What a product's check says when every element that was looked at is as near to the true one as the sum of its products allows.
pub const WITHIN_BOUND: &str = "within the bound";

/// Nothing longer is in a quick run.
const QUICK: u64 = 256;

const BASE: Program = Program {
    family: Family::Gemm,
    unit: "flop",
    full: 4096,
    binary: Some("vgpu-bench-gemm"),
    is_counted: false,
    expected: |_| Some(WITHIN_BOUND.to_owned()),
    ..super::programs::BASE
};

const DISTURBED_BASE: Program = Program { least_workers: 2, ..BASE };

/// How often one is measured: for the largest a round takes a minute.
const fn most_rounds(m: usize, n: usize, k: usize) -> usize {
    if m as u64 * n as u64 * k as u64 > 20_000_000_000 { 3 } else { 5 }
}

macro_rules! product {
    ($base:ident, $quick:expr, $letter:literal, $type:literal, $m:literal x $n:literal x $k:literal, $suffix:literal, $where:literal) => {
        Program {
            name: concat!($letter, "gemm_", $m, "x", $n, "x", $k, $suffix),
            title: concat!("C of ", $m, " x ", $n, ", k = ", $k, ", ", $type, $where),
            quick: $quick,
            most_rounds: most_rounds($m, $n, $k),
            ..$base
        }
    };
}

macro_rules! products {
    ($base:ident, $suffix:literal, $where:literal: $($m:literal x $n:literal x $k:literal $quick:expr,)*) => {[
        $(product!($base, $quick, "s", "f32", $m x $n x $k, $suffix, $where),)*
        $(product!($base, $quick, "d", "f64", $m x $n x $k, $suffix, $where),)*
    ]};
}

/// The machine to themselves. A quick run leaves those out that have 0 here.
pub(super) const PRODUCTS: [Program; 26] = products!(BASE, "", "":
    64 x 64 x 64 QUICK,
    128 x 128 x 128 0,
    256 x 256 x 256 QUICK,
    512 x 512 x 512 0,
    1000 x 1000 x 1000 0,
    1024 x 1024 x 1024 0,
    2048 x 2048 x 2048 0,
    4096 x 4096 x 4096 0,
    32 x 4096 x 4096 QUICK,
    4096 x 32 x 4096 0,
    4096 x 4096 x 32 0,
    1 x 4096 x 4096 0,
    4096 x 1 x 4096 0,
);

/// Beside a busy loop, with each thread on a CPU of its own.
const PINNED: [Program; 4] = products!(DISTURBED_BASE, "_hog", ", beside a busy loop":
    1000 x 1000 x 1000 QUICK,
    2048 x 2048 x 2048 0,
);

/// Beside a busy loop, with the threads wherever the kernel puts them.
const UNPINNED: [Program; 4] = products!(DISTURBED_BASE, "_hog-unpinned", ", beside a busy loop, threads not pinned":
    1000 x 1000 x 1000 QUICK,
    2048 x 2048 x 2048 0,
);

pub(super) const DISTURBED: [Program; 8] = joined(&PINNED, &UNPINNED);

/// Both lists, one behind the other; `N` is the sum of their lengths.
pub(super) const fn joined<const N: usize>(first: &[Program], second: &[Program]) -> [Program; N] {
    assert!(first.len() + second.len() == N);
    let mut all = [BASE; N];
    let mut i = 0;
    while i < N {
        all[i] = if i < first.len() { first[i] } else { second[i - first.len()] };
        i += 1;
    }
    all
}

pub(super) const fn names<const N: usize>(programs: &[Program; N]) -> [&'static str; N] {
    let mut names = [""; N];
    let mut i = 0;
    while i < N {
        names[i] = programs[i].name;
        i += 1;
    }
    names
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_say_what_is_multiplied() {
        let product = Product::parse("sgemm_32x4096x64").unwrap();
        assert_eq!((product.is_double, product.m, product.n, product.k), (false, 32, 4096, 64));
        assert!(product.is_pinned && !product.is_disturbed && product.is_skinny() && !product.is_cube());
        assert_eq!(product.flops(), 2 * 32 * 4096 * 64);
        assert_eq!(product.limited(256).shape(), "32x256x64");
        let hog = Product::parse("dgemm_1000x1000x1000_hog").unwrap();
        assert!(hog.is_double && hog.is_disturbed && hog.is_pinned && hog.is_cube());
        assert!(!Product::parse("dgemm_1000x1000x1000_hog-unpinned").unwrap().is_pinned);
        for wrong in ["fib", "sgemm_", "sgemm_1x2", "sgemm_1x2x3x4", "sgemm_1x2x-3", "sgemm_1x2x3_cat", "zgemm_1x2x3"] {
            assert_eq!(Product::parse(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn every_program_of_the_family_is_spelt_by_its_name() {
        for program in PRODUCTS.iter().chain(&DISTURBED) {
            let product = Product::parse(program.name).unwrap();
            assert!(program.title.contains(&format!("C of {} x {}, k = {}", product.m, product.n, product.k)));
            assert_eq!(program.title.contains("f64"), product.is_double);
            assert_eq!(product.limited(program.full), product);
        }
    }
}
