//! AMX: a micro-kernel that multiplies tiles of bf16 numbers, and adds up in f32. It computes 32 x 32 elements of C.
//!
//! A tile is a register of 16 rows of 64 bytes. One of A holds 16 rows of C by [`DEPTH`] steps of k. One of B holds as many steps of k by
//! 16 columns of C, two steps side by side: its row `p` holds, for each column, those of k = 2p and 2p + 1. One of C holds 16 x 16 sums. A product
//! of tiles adds, to each sum, 32 products: the even steps of k in order, the odd ones in order, then the sum of the two. It rounds
//! each product and addition at once, to the nearest, and takes and gives zero for numbers below the normal ones.
//!
//! Each f32 number of A and B is here the sum of three bf16 numbers, *high*, *middle* and *low*, of 8 bits each. Of the nine products of theirs three
//! are too small to matter: middle by low, low by middle, low by low. The order of the other six is such that each needs only one new pair of tiles, A's
//! or B's, beside the four of C.

use core::arch::asm;
use core::marker::PhantomData;

/// Rows and columns of C that one call computes.
pub(in crate::gemm) const SIDE: usize = 32;
/// Rows of A, or columns of B, in a tile.
pub(in crate::gemm) const LINES: usize = 16;
/// Steps of k in a tile.
pub(in crate::gemm) const DEPTH: usize = 32;
/// Bytes of a tile.
pub(in crate::gemm) const TILE_BYTES: usize = 1024;
/// Parts of a number.
pub(in crate::gemm) const PARTS: usize = 3;
/// Bytes of [`DEPTH`] steps of k of a panel of A or B: for each part, the highest first, one tile for each half of the panel.
pub(in crate::gemm) const CHUNK_BYTES: usize = 2 * PARTS * TILE_BYTES;

/// The form of the tile registers, which the instruction reads.
#[repr(C, align(64))]
struct Form {
    palette: u8,
    start_row: u8,
    reserved: [u8; 14],
    bytes_of_row: [u16; 16],
    rows: [u8; 16],
}

/// All eight tiles whole.
static WHOLE: Form = {
    let mut form = Form { palette: 1, start_row: 0, reserved: [0; 14], bytes_of_row: [0; 16], rows: [0; 16] };
    let mut tile = 0;
    while tile < 8 {
        form.bytes_of_row[tile] = 64;
        form.rows[tile] = 16;
        tile += 1;
    }
    form
};

/// The calling thread's tile registers, in use. Without it they are not part of what the system saves for the thread.
pub(in crate::gemm) struct Tiles(PhantomData<*mut ()>);

impl Tiles {
    /// Puts them to use.
    ///
    /// # Safety
    /// [`os::amx`](crate::os::amx) says that this process may.
    pub(in crate::gemm) unsafe fn new() -> Tiles {
        // SAFETY: by contract; the form is a valid one.
        unsafe { asm!("ldtilecfg [{}]", in(reg) &raw const WHOLE, options(nostack, preserves_flags, readonly)) };
        Tiles(PhantomData)
    }

    /// Multiplies a panel of A by a panel of B, each `chunks` times [`CHUNK_BYTES`] long, into `sums`: [`SIDE`] rows of as many.
    ///
    /// # Safety
    /// Both panels are readable, and `sums` is writable.
    pub(in crate::gemm) unsafe fn multiply(&self, a: *const u8, b: *const u8, chunks: usize, sums: *mut f32) {
        /// The tiles of part `$part` of A, or of B.
        macro_rules! load {
            (a $part:literal) => {
                concat!(
                    "tileloadd tmm4, [{a} + {line} + 2048*",
                    $part,
                    "]\n",
                    "tileloadd tmm5, [{a} + {line} + 2048*",
                    $part,
                    " + 1024]"
                )
            };
            (b $part:literal) => {
                concat!(
                    "tileloadd tmm6, [{b} + {line} + 2048*",
                    $part,
                    "]\n",
                    "tileloadd tmm7, [{b} + {line} + 2048*",
                    $part,
                    " + 1024]"
                )
            };
        }
        /// Adds the products of what is loaded.
        macro_rules! add {
            () => {
                "tdpbf16ps tmm0, tmm4, tmm6\ntdpbf16ps tmm1, tmm4, tmm7\ntdpbf16ps tmm2, tmm5, tmm6\ntdpbf16ps tmm3, tmm5, tmm7"
            };
        }
        // SAFETY: the tiles are in use; every load is within a chunk of a panel, every store within the sums.
        unsafe {
            asm!(
                "tilezero tmm0",
                "tilezero tmm1",
                "tilezero tmm2",
                "tilezero tmm3",
                "test {chunks}, {chunks}",
                "jz 3f",
                "2:",
                load!(a 0), load!(b 2), add!(),
                load!(b 0), add!(),
                load!(a 2), add!(),
                load!(a 1), add!(),
                load!(b 1), add!(),
                load!(a 0), add!(),
                "add {a}, {chunk}",
                "add {b}, {chunk}",
                "dec {chunks}",
                "jnz 2b",
                "3:",
                "tilestored [{sums} + {row}], tmm0",
                "tilestored [{sums} + {row} + 64], tmm1",
                "tilestored [{sums} + {row} + 2048], tmm2",
                "tilestored [{sums} + {row} + 2048 + 64], tmm3",
                a = inout(reg) a => _,
                b = inout(reg) b => _,
                chunks = inout(reg) chunks => _,
                chunk = const CHUNK_BYTES,
                line = in(reg) 64usize,
                row = in(reg) SIDE * size_of::<f32>(),
                sums = in(reg) sums,
                out("tmm0") _, out("tmm1") _, out("tmm2") _, out("tmm3") _,
                out("tmm4") _, out("tmm5") _, out("tmm6") _, out("tmm7") _,
                options(nostack),
            );
        }
    }
}

impl Drop for Tiles {
    fn drop(&mut self) {
        // SAFETY: the registers' contents are nobody's any more.
        unsafe { asm!("tilerelease", options(nostack, preserves_flags, nomem)) };
    }
}
