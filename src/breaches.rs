//! Passwords that others have lost: a list of SHA-1 digests in a file, looked up by binary search in the file itself, so that a list
//! of a billion costs no memory and nothing leaves the machine (bar P10). An answer is exact: there are no false positives.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::Path;

/// A digest in hexadecimal.
const DIGITS: usize = 40;
/// The longest line: a digest, a colon, a count of up to twenty digits, CR and LF.
const MAX_LINE: usize = DIGITS + 23;
/// How many places of the file are looked at when it is opened.
const PROBES: u64 = 4096;

/// The list. The file stays open: one that is put in its place later is read at the next start.
#[derive(Debug)]
pub struct Breaches {
    file: File,
    length: u64,
}

/// Why there is no list.
#[derive(Debug, thiserror::Error)]
pub enum BreachesError {
    /// The file cannot be read.
    #[error("cannot read the list: {0}")]
    Io(#[from] io::Error),
    /// There is nothing in it.
    #[error("the list is empty")]
    Empty,
    /// A line is none of a list.
    #[error(
        "at byte {0} there is no line of 40 upper-case hexadecimal digits, alone or before a colon and a count"
    )]
    Malformed(u64),
    /// A line belongs before another one that precedes it.
    #[error("the list is not sorted at byte {0}: take the version that is ordered by hash")]
    Unsorted(u64),
}

/// A line, and where it begins and ends.
struct Line {
    start: u64,
    end: u64,
    digest: [u8; DIGITS],
}

impl Breaches {
    /// Opens a list: lines of SHA-1 digests in upper-case hexadecimal, in order, each alone or with `:COUNT`. So Pwned Passwords
    /// comes. Looks at the first and the last line, at every line of a short list and at some thousands of a long one.
    pub fn open(path: &Path) -> Result<Self, BreachesError> {
        let file = File::open(path)?;
        let length = file.metadata()?.len();
        let list = Self { file, length };
        if length == 0 {
            return Err(BreachesError::Empty);
        }
        let mut before: Option<Line> = None;
        let step = (length / PROBES).max(1);
        let mut at = 0;
        while at < length {
            let line = list.line_at(at)?;
            if before.is_some_and(|before| before.digest >= line.digest) {
                return Err(BreachesError::Unsorted(line.start));
            }
            at = line.end.max(at + step);
            if at >= length && line.end < length {
                at = length - 1; // the last line
            }
            before = Some(line);
        }
        Ok(list)
    }

    /// Whether a digest is on the list. Reads the file: not for the async threads.
    pub fn hold(&self, digest: &[u8; 20]) -> Result<bool, BreachesError> {
        let sought = hexadecimal(digest);
        let (mut low, mut high) = (0, self.length);
        // Both are where lines begin, or the end.
        while low < high {
            let line = self.line_at(low + (high - low) / 2)?;
            match line.digest.cmp(&sought) {
                std::cmp::Ordering::Equal => return Ok(true),
                std::cmp::Ordering::Less => low = line.end,
                std::cmp::Ordering::Greater => high = line.start,
            }
        }
        Ok(false)
    }

    /// The line that the byte at `at` belongs to; its closing LF does.
    fn line_at(&self, at: u64) -> Result<Line, BreachesError> {
        let from = at.saturating_sub(MAX_LINE as u64);
        let mut window = [0; 2 * MAX_LINE];
        let read = self.read(&mut window, from)?;
        let window = &window[..read];
        let offset = usize::try_from(at - from).unwrap_or_default();
        let (head, tail) = window.split_at_checked(offset).ok_or_else(shorter)?;
        let start = head
            .iter()
            .rposition(|byte| *byte == b'\n')
            .map_or(0, |lf| lf + 1);
        let end = tail.iter().position(|byte| *byte == b'\n');
        let end = end.map_or(window.len(), |lf| offset + lf + 1);
        let start_at = from + start as u64;
        let digest = read_line(&window[start..end]).ok_or(BreachesError::Malformed(start_at))?;
        Ok(Line {
            start: start_at,
            end: from + end as u64,
            digest,
        })
    }

    fn read(&self, window: &mut [u8], from: u64) -> io::Result<usize> {
        let mut read = 0;
        while read < window.len() {
            match self.file.read_at(&mut window[read..], from + read as u64) {
                Ok(0) => break,
                Ok(count) => read += count,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(read)
    }
}

/// The file was cut while it was open.
fn shorter() -> BreachesError {
    io::Error::from(io::ErrorKind::UnexpectedEof).into()
}

fn read_line(line: &[u8]) -> Option<[u8; DIGITS]> {
    let line = line.strip_suffix(b"\n").unwrap_or(line);
    let line = line.strip_suffix(b"\r").unwrap_or(line);
    let (digest, rest) = line.split_first_chunk::<DIGITS>()?;
    let digits = digest
        .iter()
        .all(|byte| matches!(byte, b'0'..=b'9' | b'A'..=b'F'));
    let counted = match rest {
        [] => true,
        [b':', count @ ..] => !count.is_empty() && count.iter().all(u8::is_ascii_digit),
        _ => false,
    };
    (digits && counted).then_some(*digest)
}

fn hexadecimal(digest: &[u8; 20]) -> [u8; DIGITS] {
    let digit = |nibble: u8| b"0123456789ABCDEF"[usize::from(nibble)];
    let mut digits = [0; DIGITS];
    for (pair, byte) in digits.chunks_exact_mut(2).zip(digest) {
        pair.copy_from_slice(&[digit(byte >> 4), digit(byte & 15)]);
    }
    digits
}

#[cfg(test)]
mod tests {
    use super::*;

    fn open(text: &str) -> Result<Breaches, BreachesError> {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), text).unwrap();
        Breaches::open(file.path())
    }

    /// Digests whose first two bytes count up in steps of three.
    fn digest(number: u16) -> [u8; 20] {
        let mut digest = [0xA7; 20];
        digest[..2].copy_from_slice(&number.to_be_bytes());
        digest
    }

    fn line(number: u16, ending: &str) -> String {
        let digits = hexadecimal(&digest(number));
        format!("{}{ending}", std::str::from_utf8(&digits).unwrap())
    }

    #[test]
    fn every_line_of_a_list_is_found_and_nothing_between() {
        for (lines, ending) in [
            (1, "\n"),
            (2, ""),
            (3, "\r\n"),
            (100, ":7\n"),
            (5_000, "\n"),
            (5_001, ":12345678\r\n"),
        ] {
            let mut text: String = (0..lines).map(|n| line(n * 3 + 1, ending)).collect();
            if ending.is_empty() {
                text.insert(DIGITS, '\n'); // the last line need not end
            }
            let list = open(&text).unwrap();
            for number in 0..=lines * 3 {
                let known = number % 3 == 1;
                assert_eq!(
                    list.hold(&digest(number)).unwrap(),
                    known,
                    "{number} of {lines}"
                );
            }
            assert!(!list.hold(&[0; 20]).unwrap() && !list.hold(&[0xFF; 20]).unwrap());
        }
    }

    #[test]
    fn lines_of_different_lengths_are_searched_as_well() {
        let text: String = (0..5000)
            .map(|n| {
                line(
                    n * 3 + 1,
                    &format!(":{}\r\n", 10_u64.pow(u32::from(n % 20))),
                )
            })
            .collect();
        let list = open(&text).unwrap();
        for number in 0..15_000 {
            assert_eq!(
                list.hold(&digest(number)).unwrap(),
                number % 3 == 1,
                "{number}"
            );
        }
    }

    #[test]
    fn p10_a_file_that_is_no_sorted_list_is_refused() {
        let good: String = (0..10_000).map(|n| line(n, "\n")).collect();
        assert!(open(&good).is_ok());
        assert!(matches!(open(""), Err(BreachesError::Empty)));
        assert!(matches!(
            Breaches::open(Path::new("/no/such/list")),
            Err(BreachesError::Io(_))
        ));
        assert!(matches!(
            Breaches::open(Path::new("/")),
            Err(BreachesError::Io(_))
        ));
        let twice = [line(5, "\n"), line(5, "\n")].concat();
        let swapped = [line(5, "\n"), line(4, "\n")].concat();
        let late = [line(9, "\n"), good.clone()].concat();
        let last = [good.clone(), line(9, "\n")].concat();
        for text in [twice, swapped, late, last] {
            assert!(matches!(open(&text), Err(BreachesError::Unsorted(_))));
        }
        let cut = good[..good.len() - 5].to_owned();
        for text in [
            "\n".to_owned(),
            "password\n".to_owned(),
            line(0xABCD, "\n").to_lowercase(),
            line(1, ":\n"),
            line(1, ":x\n"),
            line(1, ",3\n"),
            line(1, "AA\n"),
            format!("\u{feff}{}", line(1, "\n")),
            [line(1, "\n"), "\n".to_owned(), line(2, "\n")].concat(),
            [line(1, "\r"), line(2, "\r")].concat(),
            cut,
            "A".repeat(100_000),
            "\0".repeat(100_000),
        ] {
            assert!(
                matches!(open(&text), Err(BreachesError::Malformed(_))),
                "{:?}",
                text.get(..90)
            );
        }
    }

    #[test]
    fn a_list_that_is_cut_while_it_is_open_gives_an_error_and_no_answer() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let text: String = (0..1000).map(|n| line(n, "\n")).collect();
        std::fs::write(file.path(), text).unwrap();
        let list = Breaches::open(file.path()).unwrap();
        file.as_file().set_len(10).unwrap();
        assert!(list.hold(&digest(900)).is_err());
    }
}
