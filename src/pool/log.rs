//! What a pool says to its program besides errors: what it did otherwise than asked, and what it found out on its own.
//!
//! Nothing is locked while the program's function is called, and it may call the library. It is called where things are rare: while a
//! pool is made and ended, and by a worker on its way to sleep.

use core::ffi::{CStr, c_char, c_void};
use core::fmt::{self, Write};

/// How bad it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// What was asked could not be done.
    Error = 1,
    /// It was done otherwise than asked.
    Warning = 2,
    /// It is worth knowing.
    Info = 3,
}

/// Called with its context, the [`Level`] as a number and a terminated sentence, which is valid during the call; from any thread, several
/// at a time. It must not unwind.
pub type LogFn = unsafe extern "C-unwind" fn(context: *mut c_void, level: u32, sentence: *const c_char);

/// A function that is told sentences.
#[derive(Clone, Copy, Debug)]
pub struct Log {
    /// The function.
    pub call: LogFn,
    /// Passed to it.
    pub context: *mut c_void,
    /// What is less bad is not said.
    pub least: Level,
}

// SAFETY: the context is passed on, never looked at; whoever sets it vouches for its use on any thread.
unsafe impl Send for Log {}
// SAFETY: as above.
unsafe impl Sync for Log {}

/// The longest sentence, in bytes; what is longer is cut.
const CAPACITY: usize = 512;

/// A sentence and its end.
struct Sentence {
    bytes: [u8; CAPACITY],
    used: usize,
}

impl Write for Sentence {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        // The last byte stays 0.
        let fits = text.floor_char_boundary(CAPACITY - 1 - self.used);
        self.bytes[self.used..self.used + fits].copy_from_slice(&text.as_bytes()[..fits]);
        self.used += fits;
        if fits == text.len() { Ok(()) } else { Err(fmt::Error) }
    }
}

/// Tells the program, if it wants to hear.
pub(crate) fn say(log: Option<Log>, level: Level, text: fmt::Arguments<'_>) {
    let Some(log) = log.filter(|log| level <= log.least) else { return };
    let mut sentence = Sentence { bytes: [0; CAPACITY], used: 0 };
    // What does not fit is left out.
    let _ = sentence.write_fmt(text);
    let start: *const c_char = CStr::from_bytes_until_nul(&sentence.bytes).unwrap_or_default().as_ptr();
    // SAFETY: whoever set the function vouched for calling it from any thread.
    unsafe { (log.call)(log.context, level as u32, start) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::ptr;
    use std::string::{String, ToString};
    use std::sync::Mutex;
    use std::vec::Vec;

    static HEARD: Mutex<Vec<(u32, String)>> = Mutex::new(Vec::new());

    unsafe extern "C-unwind" fn hear(_: *mut c_void, level: u32, sentence: *const c_char) {
        // SAFETY: a terminated string.
        let sentence = unsafe { CStr::from_ptr(sentence) };
        HEARD.lock().unwrap().push((level, sentence.to_str().unwrap().to_string()));
    }

    #[test]
    fn what_is_bad_enough_is_said_and_what_is_too_long_is_cut_at_a_character() {
        let log = Some(Log { call: hear, context: ptr::null_mut(), least: Level::Warning });
        say(log, Level::Info, format_args!("not this"));
        say(log, Level::Warning, format_args!("{} of {}", 1, 2));
        say(log, Level::Error, format_args!("x{}{}", "é".repeat(400), "more"));
        say(None, Level::Error, format_args!("nobody hears"));
        let heard = HEARD.lock().unwrap();
        assert_eq!(heard[0], (2, "1 of 2".to_string()));
        assert_eq!(heard[1], (1, "x".to_string() + &"é".repeat(255)));
        assert_eq!(heard.len(), 2);
    }
}
