//! The tile registers of AMX for CPUs that have none, so that the kernel is tested everywhere: on these its instructions are illegal, and the handler of
//! that signal does what they would do, as Intel's manual describes it.

use core::cell::UnsafeCell;
use core::ffi::{c_int, c_void};
use std::sync::Once;

/// The registers of one thread.
struct Registers {
    in_use: bool,
    /// Eight tiles of 16 rows of 64 bytes.
    tiles: [[[u32; 16]; 16]; 8],
}

thread_local! {
    static REGISTERS: UnsafeCell<Registers> =
        const { UnsafeCell::new(Registers { in_use: false, tiles: [[[0; 16]; 16]; 8] }) };
}

/// Whether the calling thread's registers are in use, as far as is known.
pub(super) fn in_use() -> bool {
    // SAFETY: only the thread itself, which is not in the middle of an instruction, touches its registers.
    REGISTERS.with(|registers| unsafe { (*registers.get()).in_use })
}

/// From here on the instructions of AMX work in this process, if they did not before.
pub(super) fn provide() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        if crate::os::amx::is_available() {
            return;
        }
        // SAFETY: the action is a valid one; its handler touches the thread's own registers, and what the instruction names.
        unsafe {
            let mut action: libc::sigaction = core::mem::zeroed();
            action.sa_sigaction = on_illegal as *const () as usize;
            action.sa_flags = libc::SA_SIGINFO;
            assert_eq!(libc::sigaction(libc::SIGILL, &action, core::ptr::null_mut()), 0);
        }
    });
}

extern "C" fn on_illegal(signal: c_int, _: *mut libc::siginfo_t, context: *mut c_void) {
    // SAFETY: the system passes a context of this type, which says where the thread is.
    unsafe {
        let registers = &mut (*context.cast::<libc::ucontext_t>()).uc_mcontext.gregs;
        let at = registers[libc::REG_RIP as usize] as *const u8;
        match REGISTERS.with(|tiles| Instruction::decode(at, registers).and_then(|found| (*tiles.get()).run(&found))) {
            Some(length) => registers[libc::REG_RIP as usize] += length as i64,
            // Some other instruction: it is met again, and ends the process.
            None => drop(libc::signal(signal, libc::SIG_DFL)),
        }
    }
}

/// What the fields of an instruction say.
struct Instruction {
    opcode: u8,
    prefix: u8,
    /// The three register operands.
    tile: usize,
    other: usize,
    third: usize,
    /// The memory operand, and its index register, unless the second operand is a register.
    memory: Option<(usize, usize)>,
    length: usize,
}

impl Instruction {
    /// # Safety
    /// There is an instruction at `at`.
    unsafe fn decode(at: *const u8, registers: &[i64; 23]) -> Option<Instruction> {
        // The numbers of the registers in instructions, by what the context calls them.
        let general = |number: usize| {
            let names = [
                libc::REG_RAX,
                libc::REG_RCX,
                libc::REG_RDX,
                libc::REG_RBX,
                libc::REG_RSP,
                libc::REG_RBP,
                libc::REG_RSI,
                libc::REG_RDI,
                libc::REG_R8,
                libc::REG_R9,
                libc::REG_R10,
                libc::REG_R11,
                libc::REG_R12,
                libc::REG_R13,
                libc::REG_R14,
                libc::REG_R15,
            ];
            registers[names[number] as usize] as usize
        };
        // SAFETY: each byte is read only where those before say that there is one.
        unsafe {
            let byte = |i: usize| at.add(i).read();
            // The three-byte form, in the map 0F38, of 128 bits.
            if byte(0) != 0xc4 || byte(1) & 0x1f != 2 || byte(2) & 0x84 != 0 {
                return None;
            }
            let high = |bit: u8| if byte(1) & bit == 0 { 8 } else { 0 };
            let (opcode, form) = (byte(3), byte(4));
            let (kind, low) = (form >> 6, usize::from(form & 7));
            let mut length = 5;
            let memory = if kind == 3 {
                None
            } else {
                let (mut address, mut index) = (0, 0);
                if low == 4 {
                    let scaled = byte(length);
                    length += 1;
                    assert!(kind != 0 || scaled & 7 != 5, "a memory operand without a base is not emulated");
                    address += general(usize::from(scaled & 7) + high(0x20));
                    let number = usize::from(scaled >> 3 & 7) + high(0x40);
                    if number != 4 {
                        index = general(number) << (scaled >> 6);
                    }
                } else {
                    assert!(kind != 0 || low != 5, "an address beside the instruction is not emulated");
                    address += general(low + high(0x20));
                }
                if kind == 1 {
                    address = address.wrapping_add_signed(isize::from(byte(length) as i8));
                    length += 1;
                } else if kind == 2 {
                    address = address.wrapping_add_signed(at.add(length).cast::<i32>().read_unaligned() as isize);
                    length += 4;
                }
                Some((address, index))
            };
            Some(Instruction {
                opcode,
                prefix: byte(2) & 3,
                tile: usize::from(form >> 3 & 7),
                other: low,
                third: usize::from(!byte(2) >> 3 & 7),
                memory,
                length,
            })
        }
    }
}

impl Registers {
    /// Does what the instruction says, and tells its length.
    ///
    /// # Safety
    /// Its memory operand is such as it needs.
    unsafe fn run(&mut self, found: &Instruction) -> Option<usize> {
        let &Instruction { opcode, prefix, tile, other, third, memory, length } = found;
        match (opcode, prefix, memory) {
            // ldtilecfg
            (0x49, 0, Some((address, _))) => {
                // SAFETY: by contract.
                let form = unsafe { (address as *const [u8; 64]).read() };
                assert!(form[0] == 1 && form[1..16].iter().all(|&byte| byte == 0), "palette 1, from row 0");
                assert!(
                    form[16..32].chunks(2).all(|bytes| bytes == [64, 0]) && form[48..56].iter().all(|&rows| rows == 16)
                );
                assert!(form[32..48].iter().chain(&form[56..]).all(|&byte| byte == 0), "there are eight tiles");
                *self = Registers { in_use: true, tiles: [[[0; 16]; 16]; 8] };
            }
            // tilerelease
            (0x49, 0, None) => self.in_use = false,
            // tilezero
            (0x49, 3, None) => *self.used(tile) = [[0; 16]; 16],
            // tileloadd
            (0x4b, 3, Some((address, step))) => {
                for (i, row) in self.used(tile).iter_mut().enumerate() {
                    // SAFETY: by contract.
                    *row = unsafe { ((address + i * step) as *const [u32; 16]).read_unaligned() };
                }
            }
            // tilestored
            (0x4b, 2, Some((address, step))) => {
                for (i, row) in self.used(tile).iter().enumerate() {
                    // SAFETY: by contract.
                    unsafe { ((address + i * step) as *mut [u32; 16]).write_unaligned(*row) };
                }
            }
            // tdpbf16ps
            (0x5c, 2, None) => {
                let (a, b) = (*self.used(other), *self.used(third));
                for (sums, a) in self.used(tile).iter_mut().zip(&a) {
                    for (j, sum) in sums.iter_mut().enumerate() {
                        let column = core::array::from_fn(|p| b[p][j]);
                        *sum = add_products(f32::from_bits(*sum), a, &column).to_bits();
                    }
                }
            }
            _ => return None,
        }
        Some(length)
    }

    fn used(&mut self, tile: usize) -> &mut [[u32; 16]; 16] {
        assert!(self.in_use, "a tile is used before its form is set");
        &mut self.tiles[tile]
    }
}

/// Zero for numbers below the normal ones.
fn flushed(value: f32) -> f32 {
    if value.is_subnormal() { 0.0f32.copysign(value) } else { value }
}

/// A sum and 32 products of pairs of bf16 more, as one instruction adds them up.
pub(super) fn add_products(sum: f32, a: &[u32; 16], b: &[u32; 16]) -> f32 {
    let [even, odd] = [16, 0].map(|shift| {
        let half = |pair: u32| flushed(f32::from_bits(pair << shift & 0xffff_0000));
        a.iter().zip(b).fold(0.0f32, |all, (&a, &b)| flushed(half(a).mul_add(half(b), all)))
    });
    flushed(flushed(sum) + flushed(even + odd))
}
