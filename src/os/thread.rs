//! Threads of the operating system: made with an error instead of a panic, named, pinned and shielded from signals.

use super::alloc::{Allocator, Array};
use crate::error::{Result, error};
use core::ffi::{CStr, c_int, c_void};
use core::fmt;
use core::mem::MaybeUninit;
use core::ptr;

/// What a thread runs: a function and its argument. It must not unwind.
pub type StartFn = extern "C" fn(*mut c_void) -> *mut c_void;

/// The longest thread name Linux keeps, in bytes.
pub const MAX_NAME: usize = 15;

/// The CPUs a thread may run on.
#[derive(Clone, Copy, Debug)]
pub enum Pin<'a> {
    /// Those of the thread that makes it.
    Inherited,
    /// This one.
    Cpu(u32),
    /// These, as words: see [`affinity`](super::affinity).
    Cpus(&'a [u64]),
}

impl fmt::Display for Pin<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Pin::Inherited => f.write_str("no CPU in particular"),
            Pin::Cpu(cpu) => write!(f, "CPU {cpu}"),
            Pin::Cpus(words) => write!(f, "a set of {} CPUs", words.iter().map(|word| word.count_ones()).sum::<u32>()),
        }
    }
}

/// How a thread is made.
#[derive(Clone, Copy, Debug)]
pub struct Options<'a> {
    /// Stack size in bytes; 0 means [`DEFAULT_STACK`]. Rounded up to whole pages and to [`LEAST_STACK`].
    pub stack_size: usize,
    /// Where it is pinned before it runs its first instruction.
    pub pin: Pin<'a>,
    /// Whether signals that another thread could handle are kept away from this one.
    pub block_signals: bool,
}

/// The stack of a thread that asks for none in particular: 2 MiB.
pub const DEFAULT_STACK: usize = 2 << 20;

/// The least stack a thread gets: 64 KiB, of which the pool itself uses a fraction.
pub const LEAST_STACK: usize = 64 << 10;

/// A running thread. It must be joined.
#[derive(Debug)]
#[must_use = "a thread that is not joined is leaked"]
pub struct Thread {
    handle: libc::pthread_t,
}

// SAFETY: a pthread handle may be joined from any thread.
unsafe impl Send for Thread {}
// SAFETY: shared access offers nothing.
unsafe impl Sync for Thread {}

struct Attributes(libc::pthread_attr_t);

impl Attributes {
    fn new() -> Result<Attributes> {
        let mut attributes = MaybeUninit::uninit();
        // SAFETY: `attributes` is a valid place; on success it is initialised.
        match unsafe { libc::pthread_attr_init(attributes.as_mut_ptr()) } {
            // SAFETY: initialised, as the zero says.
            0 => Ok(Attributes(unsafe { attributes.assume_init() })),
            errno => Err(error!(ThreadSpawn, "thread attributes could not be made ({})", Errno(errno))),
        }
    }
}

impl Drop for Attributes {
    fn drop(&mut self) {
        // SAFETY: initialised in `new`, used no more.
        unsafe { libc::pthread_attr_destroy(&mut self.0) };
    }
}

/// Prints an error number as the C library spells it.
pub struct Errno(pub c_int);

impl fmt::Display for Errno {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut text = [0 as libc::c_char; 96];
        // SAFETY: the buffer is as long as said; the function leaves a terminated string in it.
        let text = unsafe {
            if libc::strerror_r(self.0, text.as_mut_ptr(), text.len()) != 0 {
                return write!(f, "errno {}", self.0);
            }
            CStr::from_ptr(text.as_ptr())
        };
        write!(f, "errno {}: {}", self.0, text.to_str().unwrap_or("?"))
    }
}

impl Thread {
    /// Starts a thread.
    ///
    /// Errors: [`ThreadSpawn`](crate::error::Status::ThreadSpawn) when the system has no room for another thread or for
    /// its stack; [`Affinity`](crate::error::Status::Affinity) when it refuses the CPU.
    ///
    /// # Safety
    /// `start(argument)` may be called on another thread, and `argument` lives until that thread is joined.
    pub unsafe fn spawn(options: Options<'_>, start: StartFn, argument: *mut c_void) -> Result<Thread> {
        let mut attributes = Attributes::new()?;
        let stack_size = rounded_stack_size(options.stack_size)?;
        // SAFETY: the attributes are initialised.
        let errno = unsafe { libc::pthread_attr_setstacksize(&mut attributes.0, stack_size) };
        if errno != 0 {
            return Err(error!(ThreadSpawn, "a stack of {stack_size} bytes was refused ({})", Errno(errno)));
        }
        set_attribute_cpus(&mut attributes, options.pin)?;
        let shield = options.block_signals.then(SignalShield::raise);
        let mut handle = MaybeUninit::uninit();
        // SAFETY: the attributes are initialised; the caller vouches for `start` and `argument`.
        let errno = unsafe { libc::pthread_create(handle.as_mut_ptr(), &attributes.0, start, argument) };
        drop(shield);
        match (errno, options.pin) {
            // SAFETY: success initialised the handle.
            (0, _) => Ok(Thread { handle: unsafe { handle.assume_init() } }),
            (libc::EINVAL | libc::EPERM, pin @ (Pin::Cpu(_) | Pin::Cpus(_))) => Err(error!(
                Affinity,
                "pinning a thread to {pin} was refused ({}); allow it that or switch pinning off",
                Errno(errno)
            )),
            _ => Err(error!(
                ThreadSpawn,
                "a thread with a stack of {stack_size} bytes was refused ({}); ask for fewer workers or smaller stacks, or raise the process's limits",
                Errno(errno)
            )),
        }
    }

    /// Waits for the thread to end.
    pub fn join(self) {
        // SAFETY: the handle is joinable and joined once.
        unsafe { libc::pthread_join(self.handle, ptr::null_mut()) };
    }
}

fn rounded_stack_size(asked: usize) -> Result<usize> {
    // SAFETY: plain queries.
    let page = unsafe { libc::sysconf(libc::_SC_PAGESIZE) }.max(4096) as usize;
    let wanted = if asked == 0 { DEFAULT_STACK } else { asked.max(LEAST_STACK) };
    wanted
        .checked_next_multiple_of(page)
        .ok_or_else(|| error!(Overflow, "a stack of {asked} bytes does not fit the address space"))
}

fn set_attribute_cpus(attributes: &mut Attributes, pin: Pin<'_>) -> Result<()> {
    const WORD_BITS: usize = u64::BITS as usize;
    let mask;
    let words: &[u64] = match pin {
        Pin::Inherited => return Ok(()),
        Pin::Cpus(words) => words,
        Pin::Cpu(cpu) => {
            mask = Array::from_fn(Allocator::SYSTEM, cpu as usize / WORD_BITS + 1, |word| {
                Ok(if word == cpu as usize / WORD_BITS { 1u64 << (cpu as usize % WORD_BITS) } else { 0 })
            })?;
            &mask
        }
    };
    // SAFETY: the attributes are initialised, and the words are readable for the size given.
    let errno =
        unsafe { libc::pthread_attr_setaffinity_np(&mut attributes.0, size_of_val(words), words.as_ptr().cast()) };
    match errno {
        0 => Ok(()),
        errno => Err(error!(Affinity, "{pin} was refused as a place for a thread ({})", Errno(errno))),
    }
}

/// Blocks, while it lives, every signal that need not be handled where it strikes; new threads inherit that.
struct SignalShield(libc::sigset_t);

impl SignalShield {
    fn raise() -> SignalShield {
        let mut shield = MaybeUninit::<libc::sigset_t>::uninit();
        let mut before = MaybeUninit::<libc::sigset_t>::uninit();
        // SAFETY: both sets are valid places; `sigfillset` and `pthread_sigmask` initialise them.
        unsafe {
            libc::sigfillset(shield.as_mut_ptr());
            for signal in
                [libc::SIGSEGV, libc::SIGBUS, libc::SIGFPE, libc::SIGILL, libc::SIGTRAP, libc::SIGABRT, libc::SIGSYS]
            {
                libc::sigdelset(shield.as_mut_ptr(), signal);
            }
            libc::pthread_sigmask(libc::SIG_SETMASK, shield.as_ptr(), before.as_mut_ptr());
            SignalShield(before.assume_init())
        }
    }
}

impl Drop for SignalShield {
    fn drop(&mut self) {
        // SAFETY: the set is the one that was in force before.
        unsafe { libc::pthread_sigmask(libc::SIG_SETMASK, &self.0, ptr::null_mut()) };
    }
}

unsafe extern "C" {
    // Not in the libc crate for Linux. glibc and musl both have it.
    fn pthread_setcancelstate(state: c_int, old: *mut c_int) -> c_int;
}

/// Makes the calling thread deaf to `pthread_cancel`, which would unwind through frames that cannot be unwound. Gives what it was
/// before, for [`restore_cancellation`].
pub fn refuse_cancellation() -> c_int {
    const PTHREAD_CANCEL_DISABLE: c_int = 1;
    let mut old = 0;
    // SAFETY: `old` is a valid place.
    unsafe { pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &mut old) };
    old
}

/// Lets the calling thread hear `pthread_cancel` again if it did before.
pub fn restore_cancellation(before: c_int) {
    let mut old = 0;
    // SAFETY: `old` is a valid place, and `before` came from the same function.
    unsafe { pthread_setcancelstate(before, &mut old) };
}

/// Names the calling thread `prefix` and `index`, cut to what the system keeps.
pub fn name_current(prefix: &str, index: usize) {
    use fmt::Write;
    let mut name = crate::error::Text::new();
    let mut end = prefix.len().min(MAX_NAME - 6);
    while !prefix.is_char_boundary(end) {
        end -= 1;
    }
    // A text of this size cannot be cut.
    let _ = write!(name, "{}{index}", &prefix[..end]);
    let mut bytes = [0u8; MAX_NAME + 1];
    let used = name.as_str().len().min(MAX_NAME);
    bytes[..used].copy_from_slice(&name.as_str().as_bytes()[..used]);
    // SAFETY: a terminated string of at most 15 bytes.
    unsafe { libc::pthread_setname_np(libc::pthread_self(), bytes.as_ptr().cast()) };
}

/// The lowest address of the calling thread's stack, or 0 where the system does not tell.
pub fn stack_bottom() -> usize {
    let mut attributes = MaybeUninit::uninit();
    let (mut address, mut size) = (ptr::null_mut(), 0);
    // SAFETY: the attributes are initialised by the first call when it returns 0, read by the second, then destroyed.
    unsafe {
        if libc::pthread_getattr_np(libc::pthread_self(), attributes.as_mut_ptr()) != 0 {
            return 0;
        }
        libc::pthread_attr_getstack(attributes.as_ptr(), &mut address, &mut size);
        libc::pthread_attr_destroy(attributes.as_mut_ptr());
    }
    address as usize
}
