//! What a running process holds: memory and descriptors, as Linux tells (bar D14, D15).

use std::fs;
use std::time::Duration;

use rustix::process::{Pid, Resource, Rlimit, getrlimit, prlimit};

use crate::helpers::Service;

impl Service {
    /// Resident memory in KiB.
    pub(crate) fn memory(&self) -> u64 {
        let status = fs::read_to_string(format!("/proc/{}/status", self.id())).unwrap();
        let line = status.lines().find(|line| line.starts_with("VmRSS:"));
        let kib = line.and_then(|line| line.split_whitespace().nth(1));
        kib.unwrap().parse().unwrap()
    }

    /// Open descriptors.
    pub(crate) fn descriptors(&self) -> usize {
        let folder = fs::read_dir(format!("/proc/{}/fd", self.id()));
        folder.unwrap().count()
    }

    /// Lets the process have so many descriptors from now on.
    pub(crate) fn limit_descriptors(&self, count: u64) {
        let limit = Rlimit {
            current: Some(count),
            maximum: getrlimit(Resource::Nofile).maximum, // only root could raise it again
        };
        let id = i32::try_from(self.id()).ok().and_then(Pid::from_raw);
        prlimit(id, Resource::Nofile, limit).unwrap();
    }
}

/// Latencies, sorted.
pub(crate) struct Latencies(Vec<Duration>);

impl Latencies {
    pub(crate) fn of(mut all: Vec<Duration>) -> Self {
        all.sort();
        Self(all)
    }

    /// The latency that so many hundredths stay under.
    pub(crate) fn percentile(&self, hundredths: usize) -> Duration {
        self.0[(self.0.len() - 1) * hundredths / 100]
    }
}

impl std::fmt::Display for Latencies {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let [half, most, nearly_all] = [50, 95, 99].map(|p| self.percentile(p));
        let count = self.0.len();
        write!(
            f,
            "{count} calls, p50 {half:.1?}, p95 {most:.1?}, p99 {nearly_all:.1?}"
        )
    }
}
