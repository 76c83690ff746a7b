//! The first failure of a loop, which ends it.

use crate::error::{Error, Result, error};
use crate::protocol::first::First;
use core::mem;

/// Keeps the first failure of a loop's pieces. Pieces not yet begun are then left out.
#[derive(Debug)]
pub(super) struct Failure(First<Error>);

impl Failure {
    pub(super) fn new() -> Failure {
        Failure(First::new())
    }

    /// Whether a piece has failed, or panicked. A hint: it may be late.
    #[inline]
    pub(super) fn is_known(&self) -> bool {
        self.0.is_taken()
    }

    /// Runs a piece and keeps its failure. A panic goes on to the caller, and counts as a failure for the others.
    #[inline]
    pub(super) fn watch<R>(&self, piece: impl FnOnce() -> Result<R>) -> Option<R> {
        let unwinding = Unwinding(self);
        let outcome = piece();
        mem::forget(unwinding);
        match outcome {
            Ok(value) => Some(value),
            Err(error) => {
                self.keep(error);
                None
            }
        }
    }

    #[cold]
    fn keep(&self, error: Error) {
        self.0.offer(error);
    }

    /// The loop's result: its first failure, or else the value, which is there if no piece failed.
    #[inline]
    pub(super) fn into_result<R>(self, value: Option<R>) -> Result<R> {
        match value {
            // The pieces borrowed this, so by now they have been joined, and the hint is the truth.
            Some(value) if !self.is_known() => Ok(value),
            _ => Err(self.into_error()),
        }
    }

    #[cold]
    fn into_error(self) -> Error {
        // SAFETY: the pieces borrowed this, and have been joined.
        unsafe { self.0.take() }.unwrap_or_else(|| unreachable!("a piece without a value has failed"))
    }
}

/// Dropped only by a panic.
struct Unwinding<'a>(&'a Failure);

impl Drop for Unwinding<'_> {
    fn drop(&mut self) {
        // The panic itself comes out of the join.
        self.0.keep(error!(Panic, "a piece of the loop panicked"));
    }
}
