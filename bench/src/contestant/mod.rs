//! The programs that are measured, each started and asked in its own way.

pub(crate) mod bridge;
mod daemon;
pub(crate) mod frr;
pub(crate) mod igmpd;
pub(crate) mod igmpproxy;
pub(crate) mod pimd;
pub(crate) mod raw_queue;
pub(crate) mod smcroute;

use std::panic::{AssertUnwindSafe, catch_unwind};

use anyhow::{Result, anyhow};

use crate::interrupt;

/// Somebody who learns groups from reports.
pub(crate) trait Contestant {
    /// The processes whose CPU time and memory are the contestant's own; none where the kernel alone does the work.
    fn processes(&mut self) -> Vec<u32>;

    /// Groups that it knows on the link to the generator. What this costs is the contestant's affair, so it is asked rarely.
    ///
    /// # Errors
    ///
    /// When it does not tell.
    fn known(&mut self) -> Result<u64>;

    /// Whether such an answer takes the same short time however many groups there are, so that it may be asked often. What it
    /// takes nevertheless is waiting for other work.
    fn answers_at_once(&self) -> bool {
        false
    }

    /// Whether it has something before it that it was given and has not dealt with. Cheap.
    ///
    /// # Errors
    ///
    /// When this cannot be found out.
    fn is_busy(&mut self) -> Result<bool>;

    /// Reports or records that it took for repetitions, where it counts them.
    ///
    /// # Errors
    ///
    /// When it does not tell.
    fn refreshed(&mut self) -> Result<Option<u64>> {
        Ok(None)
    }

    /// Memory of kernel objects that are its own, in bytes, where the kernel tells.
    ///
    /// # Errors
    ///
    /// When the kernel should tell and does not.
    fn kernel_memory(&mut self) -> Result<Option<u64>> {
        Ok(None)
    }

    /// What it has lost and noticed: frames that its sockets had no room for, events, and the like.
    ///
    /// # Errors
    ///
    /// When it does not tell.
    fn losses(&mut self) -> Result<Vec<(&'static str, u64)>> {
        Ok(Vec::new())
    }
}

/// Does a contestant's turn. The harness of the privileged tests panics where something is missing or does not answer;
/// here that is an error of this turn alone.
///
/// # Errors
///
/// That of the turn, what a panic said, or that a signal has come.
pub(crate) fn attempt<T>(turn: impl FnOnce() -> Result<T>) -> Result<T> {
    interrupt::check()?;
    catch_unwind(AssertUnwindSafe(turn)).unwrap_or_else(|panic| {
        let text = panic
            .downcast_ref::<String>()
            .map(String::as_str)
            .or_else(|| panic.downcast_ref::<&str>().copied())
            .unwrap_or("it panicked without a word");
        Err(anyhow!("{text}"))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_is_an_error_of_its_turn() {
        assert_eq!(attempt(|| Ok(5)).expect("no error"), 5);
        let error = attempt::<()>(|| panic!("no {}", "pimd")).expect_err("it panicked");
        assert_eq!(error.to_string(), "no pimd");
        let error = attempt::<()>(|| Err(anyhow!("gone"))).expect_err("it failed");
        assert_eq!(error.to_string(), "gone");
    }
}
