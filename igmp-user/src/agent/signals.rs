//! The signals that the agent obeys.

use std::io;

use tokio::{
    select,
    signal::unix::{Signal, SignalKind, signal},
};

/// SIGTERM and SIGINT, which stop, and SIGHUP, which reloads.
///
/// From the moment when it is made, these signals do nothing by themselves: what is on its way when one arrives is
/// finished, and the agent sees it then.
#[derive(Debug)]
pub struct Signals {
    terminate: Signal,
    interrupt: Signal,
    hang_up: Signal,
}

/// What a signal asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Received {
    /// Read the configuration again.
    Reload,
    /// Stop, because of the signal with this name.
    Stop(&'static str),
}

impl Signals {
    /// Takes the signals over.
    ///
    /// # Errors
    ///
    /// What the kernel answers.
    pub fn new() -> io::Result<Self> {
        Ok(Self {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
            hang_up: signal(SignalKind::hangup())?,
        })
    }

    /// Waits for the next one.
    pub(super) async fn next(&mut self) -> Received {
        select! {
            _ = self.terminate.recv() => Received::Stop("SIGTERM"),
            _ = self.interrupt.recv() => Received::Stop("SIGINT"),
            _ = self.hang_up.recv() => Received::Reload,
        }
    }
}
