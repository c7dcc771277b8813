//! Where an export goes: into a file that is there whole or not at all, or into whatever else stands at the path.

use std::ffi::OsString;
use std::fs::{self, File};
use std::io::{self, ErrorKind, stdout};
use std::os::fd::AsFd;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use super::database_files::why_not;
use crate::domain::DatabaseUrl;
use crate::entropy;

/// A place for an export. What is not finished leaves nothing behind.
pub(super) struct ExportFile {
    file: File,
    whole: Option<Whole>,
}

/// A file that gets its name when it is whole.
struct Whole {
    partial: PathBuf,
    target: PathBuf,
}

impl ExportFile {
    /// Opens what is at the path: a pipe, a terminal or a device as it is. A file is replaced at the end.
    /// What belongs to a database is not.
    pub(super) fn open(path: &Path, database: &DatabaseUrl) -> io::Result<Self> {
        if let Some(reason) = why_not(path, database) {
            return Err(io::Error::other(reason));
        }
        let target = match fs::metadata(path) {
            Ok(there) if !there.is_file() => {
                let file = File::options().write(true).open(path)?;
                return Ok(Self { file, whole: None });
            }
            // What a link points to is replaced, and not the link.
            Ok(_) => fs::canonicalize(path)?,
            Err(error) if error.kind() == ErrorKind::NotFound && !path.is_symlink() => {
                path.to_owned()
            }
            Err(error) => return Err(error),
        };
        // A name of its own: others may export to the same path, and no file of the user's may be touched.
        let name = target.file_name().ok_or(ErrorKind::InvalidInput)?;
        let random = u64::from_le_bytes(entropy::bytes());
        let mut hidden = OsString::from(".");
        hidden.push(name);
        hidden.push(format!(".{random:016x}.partial"));
        let partial = target.with_file_name(hidden);
        let file = File::options()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(&partial)?;
        let whole = Some(Whole { partial, target });
        Ok(Self { file, whole })
    }

    /// Where to write.
    pub(super) fn file(&self) -> &File {
        &self.file
    }

    /// What it is called until it is whole; none for what is no file.
    pub(super) fn partial(&self) -> Option<&Path> {
        self.whole.as_ref().map(|whole| whole.partial.as_path())
    }

    /// Whoever finds the file from now on finds all of it, also after the machine has died.
    pub(super) fn finish(mut self) -> io::Result<()> {
        if let Some(Whole { partial, target }) = &self.whole {
            self.file.sync_all()?;
            fs::rename(partial, target)?;
            let folder = target.parent().filter(|f| !f.as_os_str().is_empty());
            File::open(folder.unwrap_or(Path::new(".")))?.sync_all()?;
            self.whole = None;
        }
        Ok(())
    }
}

impl Drop for ExportFile {
    fn drop(&mut self) {
        if let Some(Whole { partial, .. }) = &self.whole {
            let _none = fs::remove_file(partial);
        }
    }
}

/// Whether the path is a name of standard output, such as `/dev/stdout`: then nothing but the users may be printed.
pub(super) fn is_standard_output(path: &Path) -> bool {
    let same = || {
        let out = File::from(stdout().as_fd().try_clone_to_owned()?).metadata()?;
        let there = fs::metadata(path)?;
        Ok::<_, io::Error>((out.dev(), out.ino()) == (there.dev(), there.ino()))
    };
    same().unwrap_or(false)
}
