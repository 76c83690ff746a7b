//! The tile registers of x86-64, AMX: whether the CPU has them, and whether the system lets this process use them.

use core::arch::asm;
use core::arch::x86_64::{__cpuid, __cpuid_count};
use core::ffi::c_long;
use core::sync::atomic::{AtomicU8, Ordering};

const YES: u8 = 1;
const NO: u8 = 2;

// A plain atomic: whoever finds no answer yet asks for itself, and all get the same one.
static ANSWER: AtomicU8 = AtomicU8::new(0);

/// Whether this process may multiply tiles of bf16. Cheap after the first call, which asks the system for the permission:
/// it is the process's for good, and from then on the stacks of its signal handlers must have room for 8 KiB of tiles.
pub fn is_available() -> bool {
    match ANSWER.load(Ordering::Relaxed) {
        YES => true,
        NO => false,
        _ => {
            let answer = has_tiles() && is_permitted();
            ANSWER.store(if answer { YES } else { NO }, Ordering::Relaxed);
            answer
        }
    }
}

/// Whether the CPU multiplies tiles of bf16, and the system saves them when threads take turns.
fn has_tiles() -> bool {
    /// In leaf 1, ECX: the system uses extended states.
    const OSXSAVE: u32 = 1 << 27;
    /// In leaf 7, EDX: AMX-BF16 and AMX-TILE.
    const TILES: u32 = 1 << 22 | 1 << 24;
    /// In leaf 7, EBX: AVX-512F and AVX-512BW, with which matrices are split.
    const VECTORS: u32 = 1 << 16 | 1 << 30;
    /// In XCR0: SSE, AVX, the three parts of AVX-512, and the two of AMX.
    const STATES: u32 = 0b110 | 0b111 << 5 | 0b11 << 17;
    // SAFETY: every CPU of 64 bits has the instruction.
    #[allow(unused_unsafe, reason = "it is safe to call since Rust 1.94")]
    let [most, basic, features] = unsafe { [__cpuid(0), __cpuid(1), __cpuid_count(7, 0)] };
    if most.eax < 7 || basic.ecx & OSXSAVE == 0 {
        return false;
    }
    if features.edx & TILES != TILES || features.ebx & VECTORS != VECTORS {
        return false;
    }
    let states: u32;
    // SAFETY: the system has allowed the instruction, which reads a register.
    unsafe { asm!("xgetbv", in("ecx") 0, out("eax") states, out("edx") _, options(nomem, nostack, preserves_flags)) };
    states & STATES == STATES
}

/// Asks the system for the tile registers, whose contents are large, and saved only for processes that have asked.
fn is_permitted() -> bool {
    const ARCH_REQ_XCOMP_PERM: c_long = 0x1023;
    const XFEATURE_XTILEDATA: c_long = 18;
    // SAFETY: the call changes what this process is permitted, and touches no memory of ours.
    unsafe { libc::syscall(libc::SYS_arch_prctl, ARCH_REQ_XCOMP_PERM, XFEATURE_XTILEDATA) == 0 }
}
