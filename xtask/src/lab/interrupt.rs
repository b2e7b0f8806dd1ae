//! Ctrl-C and SIGTERM: they set a flag, which every wait looks at, so that the lab ends by the ordinary way out.

use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use anyhow::{Context, Result};
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};

/// How often a wait looks at the flag and at what it waits for.
pub(crate) const POLL: Duration = Duration::from_millis(50);

static FLAG: LazyLock<Arc<AtomicBool>> = LazyLock::new(Arc::default);

/// The error of a wait that was interrupted.
#[derive(Debug)]
pub(crate) struct Interrupted;

impl fmt::Display for Interrupted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "interrupted")
    }
}

impl std::error::Error for Interrupted {}

/// From now on the signals that would end the process set the flag instead; a closed terminal is one of them.
///
/// # Errors
///
/// When the kernel refuses the handlers.
pub(crate) fn watch() -> Result<()> {
    for signal in [SIGINT, SIGTERM, SIGHUP] {
        signal_hook::flag::register(signal, Arc::clone(&FLAG)).context("cannot watch for signals")?;
    }
    Ok(())
}

/// # Errors
///
/// [`Interrupted`] once a signal has come.
pub(crate) fn check() -> Result<()> {
    if FLAG.load(Ordering::Relaxed) {
        Err(Interrupted.into())
    } else {
        Ok(())
    }
}
