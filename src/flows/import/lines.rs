//! Lines of bounded length from a file of any size. A broken end of line spoils one line and never the memory.

use std::collections::VecDeque;
use std::io::{self, BufRead, Read};

/// The longest line, and the longest record of several lines: far more than a user with a large profile needs.
pub(super) const MAX_LINE: usize = 64 * 1024;
const MARK: &[u8] = b"\xEF\xBB\xBF";

/// A line with its number, which begins with 1.
#[derive(Clone)]
pub(super) struct Line {
    pub(super) number: u64,
    /// With its LF, which the last line of a file gets too; none when the line is too long.
    pub(super) bytes: Option<Vec<u8>>,
}

/// The lines of a file, some of which may be given back to be read once more.
pub(super) struct Lines<R> {
    input: R,
    number: u64,
    read: u64,
    given_back: VecDeque<Line>,
}

impl<R: BufRead> Lines<R> {
    pub(super) fn new(input: R) -> Self {
        Self {
            input,
            number: 0,
            read: 0,
            given_back: VecDeque::new(),
        }
    }

    /// How many bytes have been read.
    pub(super) fn bytes_read(&self) -> u64 {
        self.read
    }

    /// The next line; none at the end of the file. A byte order mark at the beginning of the file is left out.
    pub(super) fn next(&mut self) -> io::Result<Option<Line>> {
        if let Some(line) = self.given_back.pop_front() {
            return Ok(Some(line));
        }
        let mut bytes = Vec::new();
        let most = MAX_LINE as u64 + 1;
        self.read += self
            .input
            .by_ref()
            .take(most)
            .read_until(b'\n', &mut bytes)? as u64;
        if bytes.is_empty() {
            return Ok(None);
        }
        self.number += 1;
        let number = self.number;
        if bytes.len() > MAX_LINE && !bytes.ends_with(b"\n") {
            self.read += self.input.skip_until(b'\n')? as u64;
            return Ok(Some(Line {
                number,
                bytes: None,
            }));
        }
        if number == 1 && bytes.starts_with(MARK) {
            bytes.drain(..MARK.len());
        }
        if !bytes.ends_with(b"\n") {
            bytes.push(b'\n');
        }
        let bytes = Some(bytes);
        Ok(Some(Line { number, bytes }))
    }

    /// Takes lines back, in their order.
    pub(super) fn give_back(&mut self, lines: Vec<Line>) {
        for line in lines.into_iter().rev() {
            self.given_back.push_front(line);
        }
    }
}
