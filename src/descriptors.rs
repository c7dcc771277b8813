//! How many files and connections the system lets us have open (bar D14).

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// Enough for the most connections that we serve; some systems allow a thousand million, and tables as long as that.
const MOST: u64 = 1 << 20;

/// Takes what we may have, for what a shell gives is often little, and says how many that is.
pub fn take_all() -> usize {
    let given = getrlimit(Resource::Nofile);
    let hard = given.maximum.unwrap_or(MOST).min(MOST);
    let mut limit = given.current.unwrap_or(MOST);
    let raised = Rlimit {
        current: Some(hard),
        ..given
    };
    if limit < hard && setrlimit(Resource::Nofile, raised).is_ok() {
        limit = hard;
    }
    usize::try_from(limit).unwrap_or(usize::MAX)
}
