//! What the test and the sessions of the SMTP sink both see: the script and the records.

use std::sync::{Mutex, MutexGuard};

use tokio::sync::watch;

use super::{behaviour::Behaviour, received::Received, tls::Tls};

pub(super) struct Shared {
    pub(super) tls: Option<Tls>,
    /// The number of accepted messages, for those who wait.
    pub(super) arrived: watch::Sender<usize>,
    log: Mutex<Log>,
}

#[derive(Default)]
pub(super) struct Log {
    pub(super) behaviour: Behaviour,
    pub(super) smtputf8: bool,
    pub(super) offered: Vec<Received>,
    pub(super) commands: Vec<String>,
    pub(super) credentials: Vec<(String, String)>,
    pub(super) connections: usize,
    pub(super) attempts: usize,
    pub(super) max_parallel: usize,
    open: usize,
}

impl Shared {
    pub(super) fn new(tls: Option<Tls>) -> Self {
        let log = Log {
            smtputf8: true,
            ..Log::default()
        };
        Self {
            tls,
            arrived: watch::Sender::new(0),
            log: Mutex::new(log),
        }
    }

    /// The records. A test that panicked while it held them must not hide its message behind a poisoned lock.
    pub(super) fn log(&self) -> MutexGuard<'_, Log> {
        self.log
            .lock()
            .unwrap_or_else(|poisoned| poisoned.into_inner())
    }

    pub(super) fn record(&self, message: Received) {
        let accepted = message.accepted;
        self.log().offered.push(message);
        if accepted {
            self.arrived.send_modify(|count| *count += 1);
        }
    }

    /// Counts a session as open for as long as the guard lives.
    pub(super) fn open(&self) -> Open<'_> {
        let mut log = self.log();
        log.connections += 1;
        log.open += 1;
        log.max_parallel = log.max_parallel.max(log.open);
        Open(self)
    }
}

pub(super) struct Open<'a>(&'a Shared);

impl Drop for Open<'_> {
    fn drop(&mut self) {
        self.0.log().open -= 1;
    }
}
