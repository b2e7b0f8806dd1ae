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
    let came = CAME.get_or_init(Arc::default);
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
    let came = CAME.get().is_some_and(|came| came.load(Ordering::Relaxed));
    ensure!(!came, "interrupted");
    Ok(())
}

#[cfg(test)]
mod tests {
    use signal_hook::low_level::raise;

    use super::*;

    #[test]
    fn a_signal_ends_the_measurement_and_not_the_program() {
        check().expect("no signal has come");
        watch().expect("handlers can be set");
        check().expect("no signal has come yet");
        raise(SIGTERM).expect("a signal can be raised");
        assert_eq!(check().expect_err("it came").to_string(), "interrupted");
        CAME.get().expect("it is watched").store(false, Ordering::Relaxed);
    }
}
