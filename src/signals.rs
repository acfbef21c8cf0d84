//! Signals and the service manager.
use std::io;
use std::time::Duration;
use tokio::signal::unix::{Signal, SignalKind, signal};

/// What a signal asks for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Wish {
    /// SIGTERM or SIGINT: drain and end.
    End,
    /// SIGHUP: reload.
    Reload,
}

/// The signals that the gateway answers to.
#[derive(Debug)]
pub(crate) struct Signals {
    terminate: Signal,
    interrupt: Signal,
    hangup: Signal,
}

impl Signals {
    /// Takes the signals over from the system's defaults.
    ///
    /// # Errors
    /// The system refuses.
    pub(crate) fn listen() -> io::Result<Signals> {
        Ok(Signals {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
            hangup: signal(SignalKind::hangup())?,
        })
    }

    /// The next wish. Cancel-safe.
    pub(crate) async fn next(&mut self) -> Wish {
        tokio::select! {
            _ = self.terminate.recv() => Wish::End,
            _ = self.interrupt.recv() => Wish::End,
            _ = self.hangup.recv() => Wish::Reload,
        }
    }
}

/// Tells the service manager, if there is one, that the gateway serves.
pub(crate) fn tell_ready() {
    tell(&[sd_notify::NotifyState::Ready]);
}

/// How long the service manager waits for a sign of life, if it does.
pub(crate) fn watchdog_period() -> Option<Duration> {
    sd_notify::watchdog_enabled()
}

/// Tells the service manager that the gateway works.
pub(crate) fn tell_alive() {
    tell(&[sd_notify::NotifyState::Watchdog]);
}

/// Tells the service manager that the gateway is about to end.
pub(crate) fn tell_stopping() {
    tell(&[sd_notify::NotifyState::Stopping]);
}

/// Tells the service manager that a reload begins; [`tell_ready`] ends it.
pub(crate) fn tell_reloading() {
    match sd_notify::NotifyState::monotonic_usec_now() {
        Ok(now) => tell(&[sd_notify::NotifyState::Reloading, now]),
        Err(error) => log::debug!("no monotonic time for the service manager: {error}"),
    }
}

fn tell(state: &[sd_notify::NotifyState<'_>]) {
    if let Err(error) = sd_notify::notify(state) {
        log::warn!("the service manager cannot be told: {error}");
    }
}
