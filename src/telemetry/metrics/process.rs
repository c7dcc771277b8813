//! What the system knows about this process. Elsewhere than on Linux most of it is not shown.

use std::fs;
use std::time::Duration;

use rustix::process::{Resource, getrlimit};
use rustix::time::{ClockId, clock_gettime};

/// The process at a moment.
#[derive(Debug)]
pub(super) struct Process {
    pub(super) cpu: Duration,
    pub(super) resident_bytes: Option<u64>,
    pub(super) open_descriptors: Option<u64>,
    pub(super) most_descriptors: Option<u64>,
}

impl Process {
    pub(super) fn now() -> Self {
        let cpu = clock_gettime(ClockId::ProcessCPUTime);
        let open = fs::read_dir("/proc/self/fd").map(Iterator::count).ok();
        Self {
            cpu: Duration::try_from(cpu).unwrap_or_default(),
            resident_bytes: resident_bytes(),
            // One of them is the folder that was read.
            open_descriptors: open.and_then(|open| u64::try_from(open.saturating_sub(1)).ok()),
            most_descriptors: getrlimit(Resource::Nofile).current,
        }
    }
}

fn resident_bytes() -> Option<u64> {
    let status = fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|l| l.strip_prefix("VmRSS:"))?;
    let kibibytes: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kibibytes * 1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[cfg(target_os = "linux")]
    fn a_running_process_has_used_something_of_everything() {
        let process = Process::now();
        assert!(process.cpu > Duration::ZERO, "{process:?}");
        assert!(process.resident_bytes > Some(1 << 20), "{process:?}");
        assert!(process.open_descriptors > Some(2), "{process:?}");
        assert!(process.most_descriptors > process.open_descriptors);
    }
}
