//! Which CPUs a thread may run on: asking, pinning, and reading back.
//!
//! A set of CPUs is a slice of 64-bit words here, CPU `n` being bit `n % 64` of word `n / 64`, which is the kernel's own
//! layout. [`CpuSet`](crate::topology::CpuSet) is the same words with names.
//!
//! A pin does not last for certain: taking the CPU offline, or moving the process to another cpuset, silently widens the
//! mask again. So whoever pins should look again from time to time; [`current_cpu`] is cheap enough for that.

use crate::error::{Result, error};
use crate::os::alloc::{Allocator, List};
use crate::os::file::Errno;

#[cfg(not(any(target_pointer_width = "64", target_endian = "little")))]
compile_error!("the kernel's masks are words of 32 bits here, and 64-bit words would lay them out differently");

/// CPU numbers from here on are refused. The kernel's own limit is 8192.
pub const CPU_LIMIT: u32 = 1 << 16;

const WORD_LIMIT: usize = CPU_LIMIT as usize / 64;

/// The calling thread.
const SELF: libc::pid_t = 0;

fn get(thread: libc::pid_t, mask: &mut [u64]) -> core::result::Result<(), Errno> {
    mask.fill(0);
    // SAFETY: the words are writable for the size given, which is a multiple of a long's.
    match unsafe { libc::sched_getaffinity(thread, size_of_val(mask), mask.as_mut_ptr().cast()) } {
        0 => Ok(()),
        _ => Err(Errno::last()),
    }
}

fn set(thread: libc::pid_t, mask: &[u64]) -> core::result::Result<(), Errno> {
    // SAFETY: the words are readable for the size given.
    match unsafe { libc::sched_setaffinity(thread, size_of_val(mask), mask.as_ptr().cast()) } {
        0 => Ok(()),
        _ => Err(Errno::last()),
    }
}

/// The kernel refuses with `EINVAL` a mask smaller than its own, whose size it does not tell: so the mask is doubled
/// until it is taken.
fn ask_with_growing_mask(
    allocator: Allocator,
    mut ask: impl FnMut(&mut [u64]) -> core::result::Result<(), Errno>,
) -> Result<List<u64>> {
    let mut words = 1024 / 64;
    let mut mask = List::new(allocator);
    loop {
        while mask.len() < words {
            mask.push(0)?;
        }
        match ask(&mut mask) {
            Ok(()) => return Ok(mask),
            Err(Errno(libc::EINVAL)) if words < WORD_LIMIT => words *= 2,
            Err(errno) => {
                return Err(error!(
                    Affinity,
                    "the CPUs this thread may use cannot be asked for with a mask of {} bits: {errno}",
                    words * 64
                ));
            }
        }
    }
}

/// The CPUs the calling thread may use.
///
/// # Errors
/// `Affinity` with the system's words; `OutOfMemory`.
pub fn allowed_cpus(allocator: Allocator) -> Result<List<u64>> {
    allowed_cpus_of(allocator, SELF)
}

/// The CPUs the thread with this kernel thread id may use.
///
/// # Errors
/// As [`allowed_cpus`]; `Affinity` too when there is no such thread.
pub fn allowed_cpus_of(allocator: Allocator, thread: libc::pid_t) -> Result<List<u64>> {
    ask_with_growing_mask(allocator, |mask| get(thread, mask))
}

/// Pins the calling thread to one CPU. Allocates nothing.
///
/// # Errors
/// `Affinity`, naming the CPU, when it is offline, does not exist, or is not this process's to use. The thread then runs
/// where it could before.
pub fn pin_to_cpu(cpu: u32) -> Result<()> {
    if cpu >= CPU_LIMIT {
        return Err(error!(Affinity, "CPU {cpu} was asked for; CPU numbers end at {}", CPU_LIMIT - 1));
    }
    let mut mask = [0u64; WORD_LIMIT];
    let word = cpu as usize / 64;
    mask[word] = 1 << (cpu % 64);
    set(SELF, &mask[..=word]).map_err(|errno| {
        error!(Affinity, "CPU {cpu}: this thread cannot be pinned to it: {errno}; is it online and in the cpuset?")
    })
}

/// Pins the calling thread to a set of CPUs. Allocates nothing.
///
/// The kernel by itself quietly leaves out the CPUs that it cannot give; here that is an error.
///
/// # Errors
/// `Affinity`, naming the first CPU that cannot be had. The thread then runs where it could before.
pub fn pin_to_set(cpus: &[u64]) -> Result<()> {
    let used = cpus.len() - cpus.iter().rev().take_while(|&&word| word == 0).count();
    let cpus = &cpus[..used];
    if used > WORD_LIMIT {
        return Err(error!(Affinity, "a CPU above {} was asked for", CPU_LIMIT - 1));
    }
    let Some(first) = cpus.iter().position(|&word| word != 0) else {
        return Err(error!(Affinity, "this thread was to be pinned to no CPU at all; name at least one"));
    };
    let first = first * 64 + cpus[first].trailing_zeros() as usize;
    let mut before = [0u64; WORD_LIMIT];
    get(SELF, &mut before).map_err(|errno| error!(Affinity, "the CPUs this thread may use are unknown: {errno}"))?;
    set(SELF, cpus).map_err(|errno| {
        error!(Affinity, "CPU {first} and others: this thread cannot be pinned to them: {errno}; are they online?")
    })?;
    let mut after = [0u64; WORD_LIMIT];
    get(SELF, &mut after).map_err(|errno| error!(Affinity, "the CPUs this thread may use are unknown: {errno}"))?;
    let Some(word) = (0..used).find(|&word| cpus[word] & !after[word] != 0) else {
        return Ok(());
    };
    let missing = word * 64 + (cpus[word] & !after[word]).trailing_zeros() as usize;
    // Going back is best effort: a CPU taken offline in between cannot be had again.
    let restored = set(SELF, &before);
    let tail = if restored.is_ok() { "" } else { " (nor could it be put back where it was)" };
    Err(error!(
        Affinity,
        "CPU {missing}: the system left it out when this thread was to be pinned to it and others{tail}; is it online \
         and in the cpuset?"
    ))
}

/// Whether the calling thread may run on this CPU and no other: whether a pin still holds. Allocates nothing.
///
/// # Errors
/// `Affinity` with the system's words.
pub fn is_pinned_to(cpu: u32) -> Result<bool> {
    let mut mask = [0u64; WORD_LIMIT];
    get(SELF, &mut mask)
        .map_err(|errno| error!(Affinity, "CPU {cpu}: whether this thread is pinned to it is unknown: {errno}"))?;
    let wanted = |word: usize| if word == cpu as usize / 64 { 1u64 << (cpu % 64) } else { 0 };
    Ok(cpu < CPU_LIMIT && mask.iter().enumerate().all(|(word, &bits)| bits == wanted(word)))
}

/// The CPU the calling thread runs on at this moment.
///
/// # Errors
/// `Affinity` where the system cannot tell.
pub fn current_cpu() -> Result<u32> {
    // SAFETY: the call takes nothing and touches nothing.
    let cpu = unsafe { libc::sched_getcpu() };
    u32::try_from(cpu).map_err(|_| error!(Affinity, "the CPU this thread runs on is unknown: {}", Errno::last()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Status;

    fn numbers(mask: &[u64]) -> std::vec::Vec<u32> {
        (0..mask.len() as u32 * 64).filter(|&cpu| mask[cpu as usize / 64] >> (cpu % 64) & 1 != 0).collect()
    }

    /// Pins belong to the thread, so every test has one of its own.
    fn on_a_thread_of_its_own(test: impl FnOnce() + Send + 'static) {
        std::thread::spawn(test).join().unwrap();
    }

    #[test]
    fn a_pin_is_read_back_and_every_allowed_cpu_can_be_had() {
        on_a_thread_of_its_own(|| {
            let allowed = allowed_cpus(Allocator::SYSTEM).unwrap();
            for cpu in numbers(&allowed) {
                pin_to_cpu(cpu).unwrap();
                assert_eq!(numbers(&allowed_cpus(Allocator::SYSTEM).unwrap()), [cpu]);
                assert!(is_pinned_to(cpu).unwrap());
                assert!(!is_pinned_to(cpu + 1).unwrap());
                assert!(!is_pinned_to(u32::MAX).unwrap());
                assert_eq!(current_cpu().unwrap(), cpu);
                pin_to_set(&allowed).unwrap();
            }
            assert_eq!(numbers(&allowed_cpus(Allocator::SYSTEM).unwrap()), numbers(&allowed));
        });
    }

    #[test]
    fn a_cpu_that_is_not_there_is_refused_by_name_and_the_thread_stays_where_it_was() {
        on_a_thread_of_its_own(|| {
            let allowed = allowed_cpus(Allocator::SYSTEM).unwrap();
            for cpu in [CPU_LIMIT - 1, CPU_LIMIT, u32::MAX] {
                let error = pin_to_cpu(cpu).unwrap_err();
                assert_eq!(error.status(), Status::Affinity);
                assert!(error.message().contains(&format!("CPU {cpu}")), "{error}");
            }
            let error = pin_to_cpu(CPU_LIMIT - 1).unwrap_err();
            assert!(error.message().contains("errno 22"), "{error}");

            let mut wider = std::vec::Vec::from(&allowed[..]);
            wider.resize(20, 0);
            wider[19] |= 1 << 5;
            let error = pin_to_set(&wider).unwrap_err();
            assert_eq!(error.status(), Status::Affinity);
            assert!(error.message().contains("CPU 1221"), "{error}");
            assert_eq!(numbers(&allowed_cpus(Allocator::SYSTEM).unwrap()), numbers(&allowed));

            assert_eq!(pin_to_set(&[0, 0]).unwrap_err().status(), Status::Affinity);
            assert_eq!(pin_to_set(&[1; WORD_LIMIT + 1]).unwrap_err().status(), Status::Affinity);
        });
    }

    #[test]
    fn the_mask_grows_until_the_kernel_takes_it() {
        let mut sizes = std::vec![];
        let kernel = |mask: &mut [u64]| {
            sizes.push(mask.len() * 64);
            if mask.len() * 64 < 5000 {
                return Err(Errno(libc::EINVAL));
            }
            mask[4999 / 64] = 1 << (4999 % 64);
            Ok(())
        };
        let mask = ask_with_growing_mask(Allocator::SYSTEM, kernel).unwrap();
        assert_eq!(numbers(&mask), [4999]);
        assert_eq!(sizes, [1024, 2048, 4096, 8192]);

        let refused = ask_with_growing_mask(Allocator::SYSTEM, |_| Err(Errno(libc::EINVAL))).unwrap_err();
        assert_eq!(refused.status(), Status::Affinity);
        let gone = allowed_cpus_of(Allocator::SYSTEM, libc::pid_t::MAX).unwrap_err();
        assert!(gone.message().contains("errno 3"), "{gone}");
    }
}
