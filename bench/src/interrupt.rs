//! Ending early. A signal must not end the program where it stands: contestants, namespaces and raised limits of the machine
//! would stay behind. So it is noted, and the measurement ends with an error at the next turn.

use std::{
    io,
    sync::{Arc, OnceLock, atomic::AtomicBool, atomic::Ordering},
};

use anyhow::{Result, ensure};
use signal_hook::{
    consts::{SIGINT, SIGTERM},
    flag,
};

/// Whether a signal has come.
static CAME: OnceLock<Arc<AtomicBool>> = OnceLock::new();

/// What a shell reports for a program that SIGINT ended.
const STATUS: i32 = 130;

/// Notes SIGINT and SIGTERM from now on. The second of them ends the program at once.
///
/// # Errors
///
/// When the kernel does not take the handlers.
pub(crate) fn watch() -> io::Result<()> {
    note_in(CAME.get_or_init(Arc::default))
}

fn note_in(came: &Arc<AtomicBool>) -> io::Result<()> {
    for signal in [SIGINT, SIGTERM] {
        // In this order: the first signal finds the flag unset and only sets it.
        flag::register_conditional_shutdown(signal, STATUS, Arc::clone(came))?;
        flag::register(signal, Arc::clone(came))?;
    }
    Ok(())
}

/// Says whether the program is to go on.
///
/// # Errors
///
/// When it is not.
pub(crate) fn check() -> Result<()> {
    CAME.get().map_or(Ok(()), |came| check_in(came))
}

fn check_in(came: &AtomicBool) -> Result<()> {
    ensure!(!came.load(Ordering::Relaxed), "interrupted");
    Ok(())
}

#[cfg(test)]
mod tests {
    use signal_hook::low_level::raise;

    use super::*;

    #[test]
    fn a_signal_ends_the_measurement_and_not_the_program() {
        // Not that of the program, which other tests look at meanwhile.
        let came = Arc::default();
        note_in(&came).expect("handlers can be set");
        check_in(&came).expect("no signal has come yet");
        raise(SIGTERM).expect("a signal can be raised");
        assert_eq!(check_in(&came).expect_err("it came").to_string(), "interrupted");
    }
}
