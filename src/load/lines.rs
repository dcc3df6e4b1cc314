//! The lines of a file or of standard input as events.

mod error;

use std::{
    fs::File,
    io::{BufRead as _, BufReader, Read},
    path::Path,
};

pub use error::LinesError;

use super::{Chunk, Events};
use error::LONGEST;

/// Each line is one payload, byte for byte, without its line feed; the last one needs none.
#[derive(Debug)]
pub struct Lines<R> {
    name: String,
    reader: BufReader<R>,
    read: u64,
}

impl Lines<File> {
    /// The lines of the file at `path`.
    ///
    /// # Errors
    /// When it cannot be opened.
    pub fn open(path: &Path) -> Result<Lines<File>, LinesError> {
        let name = path.display().to_string();
        match File::open(path) {
            Ok(file) => Ok(Lines::new(&name, file)),
            Err(source) => Err(LinesError::Open { name, source }),
        }
    }
}

impl<R: Read> Lines<R> {
    /// The lines of `reader`, which is called `name` in errors.
    pub fn new(name: &str, reader: R) -> Lines<R> {
        Lines {
            name: name.to_owned(),
            reader: BufReader::with_capacity(256 * 1024, reader),
            read: 0,
        }
    }

    /// Appends the next line to `bytes`; `false` at the end of the input.
    fn next(&mut self, bytes: &mut Vec<u8>) -> Result<bool, LinesError> {
        let start = bytes.len();
        let mut limited = self.reader.by_ref().take(LONGEST as u64 + 1);
        let length = limited
            .read_until(b'\n', bytes)
            .map_err(|source| LinesError::Read {
                name: self.name.clone(),
                line: self.read,
                source,
            })?;
        if length == 0 {
            return Ok(false);
        }
        self.read += 1;
        if bytes.last() == Some(&b'\n') {
            bytes.pop();
        } else if length > LONGEST {
            bytes.truncate(start);
            return Err(LinesError::TooLong {
                name: self.name.clone(),
                line: self.read,
            });
        }
        Ok(true)
    }
}

impl<R: Read> Events for Lines<R> {
    /// Stops early rather than wait for more input while it has something.
    fn fill(&mut self, chunk: &mut Chunk, most: usize) -> Result<(), LinesError> {
        let mut line = Vec::new();
        for _ in 0..most {
            if !chunk.is_empty() && !self.reader.buffer().contains(&b'\n') {
                break;
            }
            line.clear();
            if !self.next(&mut line)? {
                break;
            }
            chunk.add(|bytes| bytes.extend_from_slice(&line));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::io;

    use super::*;

    fn lines(input: &[u8]) -> Vec<Vec<u8>> {
        let mut lines = Lines::new("input", input);
        let mut chunk = Chunk::default();
        let mut all = Vec::new();
        loop {
            chunk.clear();
            lines.fill(&mut chunk, 2).unwrap();
            if chunk.is_empty() {
                return all;
            }
            all.extend(chunk.payloads().map(|payload| payload.unwrap().to_vec()));
        }
    }

    #[test]
    fn each_line_is_one_payload_byte_for_byte() {
        let found = lines(b"{\"number\": 7}\n\n \xff\r\nlast");
        let expected: [&[u8]; 4] = [b"{\"number\": 7}", b"", b" \xff\r", b"last"];
        assert_eq!(found, expected);
        assert!(lines(b"").is_empty());
        assert_eq!(lines(b"one\n"), [b"one"]);
    }

    #[test]
    fn a_line_that_is_there_is_not_held_back_until_the_next_one_comes() {
        /// Gives one line at a time, and fails the test when asked for one too early.
        struct Slow(Vec<&'static [u8]>);
        impl Read for Slow {
            fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
                let line = self.0.remove(0);
                into[..line.len()].copy_from_slice(line);
                Ok(line.len())
            }
        }
        let mut lines = Lines::new("pipe", Slow(vec![b"one\n", b"two\n"]));
        let mut chunk = Chunk::default();
        lines.fill(&mut chunk, 100).unwrap();
        assert_eq!(chunk.len(), 1);
        lines.fill(&mut chunk, 0).unwrap();
        chunk.clear();
        lines.fill(&mut chunk, 100).unwrap();
        assert_eq!(chunk.payloads().collect::<Vec<_>>(), [Some(&b"two"[..])]);
    }

    #[test]
    fn an_input_without_line_ends_is_refused() {
        let mut lines = Lines::new("endless", io::repeat(b'x'));
        let error = lines.fill(&mut Chunk::default(), 1).unwrap_err();
        assert!(error.to_string().contains("line 1 of endless"), "{error}");
    }
}
