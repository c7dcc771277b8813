//! A disk that fails on command, for a program that runs as a process of its own: a full disk, an I/O error, a failed fsync, kill -9 at
//! the N-th write to the SQLite file, with or without half of that write done (bar D02, D03).

use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use crate::helpers::Program;

/// The numbers of Linux for what a disk answers.
pub(crate) const EIO: i64 = 5;
/// No space left.
pub(crate) const ENOSPC: i64 = 28;

/// What the disk is to do from now on. As the program starts it does its work.
pub(crate) struct Faults {
    orders: tempfile::NamedTempFile,
}

/// Places of the orders in the file, as in `shim.c`.
const WRITES: u64 = 0;
const KILL_AT: u64 = 8;
const TORN: u64 = 16;
const WRITE_ERRNO: u64 = 24;
const SYNC_ERRNO: u64 = 32;
const REFUSED: u64 = 40;

impl Faults {
    /// A disk that works.
    pub(crate) fn new() -> Self {
        let orders = tempfile::NamedTempFile::new().unwrap();
        orders.as_file().set_len(4096).unwrap();
        Self { orders }
    }

    /// Puts this disk under a program that starts later.
    pub(crate) fn under(&self, program: &mut Program) {
        program.set("LD_PRELOAD", &library().display().to_string());
        program.set("FAULTS", &self.orders.path().display().to_string());
    }

    /// Kills the program at its N-th write from now, after half of it when `torn`.
    pub(crate) fn kill_at_write(&self, number: i64, torn: bool) {
        self.set(TORN, torn.into());
        self.set(KILL_AT, self.writes() + number);
    }

    /// Lets the next program live.
    pub(crate) fn kill_nobody(&self) {
        self.set(KILL_AT, 0);
    }

    /// From now on every write fails like this; 0: none.
    pub(crate) fn fail_writes(&self, errno: i64) {
        self.set(WRITE_ERRNO, errno);
    }

    /// From now on every fsync fails like this; 0: none.
    pub(crate) fn fail_syncs(&self, errno: i64) {
        self.set(SYNC_ERRNO, errno);
    }

    /// How many writes there were.
    pub(crate) fn writes(&self) -> i64 {
        self.get(WRITES)
    }

    /// How many calls were failed on command.
    pub(crate) fn refused(&self) -> i64 {
        self.get(REFUSED)
    }

    fn set(&self, place: u64, value: i64) {
        let file = self.orders.as_file();
        file.write_all_at(&value.to_ne_bytes(), place).unwrap();
    }

    fn get(&self, place: u64) -> i64 {
        let mut bytes = [0; 8];
        self.orders
            .as_file()
            .read_exact_at(&mut bytes, place)
            .unwrap();
        i64::from_ne_bytes(bytes)
    }
}

/// The shim, compiled once for each process of tests, with the C compiler that the build needs anyway.
fn library() -> &'static Path {
    static LIBRARY: OnceLock<PathBuf> = OnceLock::new();
    LIBRARY.get_or_init(|| {
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR"));
        let built = folder.join(format!("shim-{}.so", std::process::id()));
        let library = folder.join("shim.so");
        let source = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/api/faults/shim.c");
        let status = Command::new("cc")
            .args(["-shared", "-fPIC", "-O1", "-Wall", "-Werror", "-o"])
            .args([built.as_os_str(), source.as_ref()])
            .arg("-ldl")
            .status()
            .unwrap();
        assert!(status.success(), "cc cannot build {source}");
        // One move, for other processes of tests do the same.
        std::fs::rename(built, &library).unwrap();
        library
    })
}
