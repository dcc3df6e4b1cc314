//! Lines to a reader that may be gone, stopped, or a full disk: a line that cannot be written is dropped and counted.
//! Writing never panics, never fails, and waits for a reader only for a moment.

use std::{
    io::{self, Write},
    os::fd::AsFd,
    time::{Duration, Instant},
};

use rustix::event::{PollFd, PollFlags, Timespec, poll};

use crate::config::LogFormat;

/// How long a line waits for a reader that takes nothing. The lines after it do not wait until something has been taken.
const PATIENCE: Duration = Duration::from_secs(1);
/// When there is room in a pipe, there is room for so many bytes.
const ROOM: usize = 4096;

/// Where lines go.
pub(super) struct Lines<W> {
    out: W,
    format: LogFormat,
    /// The reader took nothing when last asked.
    stalled: bool,
    /// The last line was written in part.
    torn: bool,
    /// Dropped since the last line that was written.
    missing: u64,
    /// Dropped in all.
    dropped: u64,
}

impl<W: Write + AsFd> Lines<W> {
    pub fn new(out: W) -> Lines<W> {
        Lines {
            out,
            format: LogFormat::Text,
            stalled: false,
            torn: false,
            missing: 0,
            dropped: 0,
        }
    }

    /// In which form it is said that lines are missing.
    pub fn set_format(&mut self, format: LogFormat) {
        self.format = format;
    }

    /// Lines that were dropped so far.
    pub fn dropped(&self) -> u64 {
        self.dropped
    }

    /// Writes one line, with its end; or drops it.
    pub fn write(&mut self, line: &[u8]) {
        let written = self.begin().and_then(|()| self.write_all(line));
        if written.is_err() {
            self.missing += 1;
            self.dropped += 1;
        }
    }

    /// Ends a line that was torn, and says how many are missing.
    fn begin(&mut self) -> io::Result<()> {
        if self.torn {
            self.write_all(b"\n")?;
        }
        if self.missing > 0 {
            let text = format!(
                "{} log lines could not be written before this one",
                self.missing
            );
            let line = match self.format {
                LogFormat::Text => format!("{text}\n"),
                LogFormat::Json => format!("{{\"level\":\"WARN\",\"message\":\"{text}\"}}\n"),
            };
            self.write_all(line.as_bytes())?;
            self.missing = 0;
        }
        Ok(())
    }

    fn write_all(&mut self, mut bytes: &[u8]) -> io::Result<()> {
        let until = Instant::now() + PATIENCE;
        while !bytes.is_empty() {
            self.wait(until)?;
            match self.out.write(&bytes[..bytes.len().min(ROOM)]) {
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Ok(count) => {
                    self.torn = bytes[count - 1] != b'\n';
                    bytes = &bytes[count..];
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => self.stalled = true,
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// Returns when something can be written, or would fail at once.
    fn wait(&mut self, until: Instant) -> io::Result<()> {
        loop {
            let left = match self.stalled {
                true => Duration::ZERO,
                false => until.saturating_duration_since(Instant::now()),
            };
            let timeout = Timespec::try_from(left).map_err(io::Error::other)?;
            let mut asked = [PollFd::new(&self.out, PollFlags::OUT)];
            match poll(&mut asked, Some(&timeout)) {
                Ok(0) => {
                    self.stalled = true;
                    return Err(io::ErrorKind::TimedOut.into());
                }
                Ok(_) => {
                    self.stalled = false;
                    return Ok(());
                }
                Err(rustix::io::Errno::INTR) => {}
                Err(error) => return Err(error.into()),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::{
        fs::File,
        io::{PipeReader, Read as _},
    };

    use super::*;

    /// Takes what is there, up to `count` bytes.
    fn take(reader: &mut PipeReader, count: usize) -> String {
        let mut bytes = vec![0; count];
        let count = reader.read(&mut bytes).unwrap();
        String::from_utf8(bytes[..count].to_vec()).unwrap()
    }

    #[test]
    fn lines_are_written_as_they_are() {
        let (mut reader, writer) = io::pipe().unwrap();
        let mut lines = Lines::new(writer);
        let long = format!("{}\n", "x".repeat(3 * ROOM));
        for line in ["one\n", &long, "three\n"] {
            lines.write(line.as_bytes());
        }
        assert_eq!(lines.dropped(), 0);
        drop(lines);
        let mut text = String::new();
        reader.read_to_string(&mut text).unwrap();
        assert_eq!(text, format!("one\n{long}three\n"));
    }

    #[test]
    fn a_reader_that_is_gone_and_a_full_disk_cost_a_line_and_no_more() {
        let (reader, writer) = io::pipe().unwrap();
        drop(reader);
        let mut gone = Lines::new(writer);
        let mut full = Lines::new(File::options().write(true).open("/dev/full").unwrap());
        for count in 1..4 {
            gone.write(b"line\n");
            full.write(b"line\n");
            assert_eq!((gone.dropped(), full.dropped()), (count, count));
        }
    }

    #[test]
    fn a_reader_that_stops_is_waited_for_once_and_told_later_what_is_missing() {
        let (mut reader, writer) = io::pipe().unwrap();
        let mut lines = Lines::new(writer);
        lines.set_format(LogFormat::Json);
        let line = [b"y".repeat(ROOM - 1), b"\n".to_vec()].concat();
        let begun = Instant::now();
        let mut taken = 0;
        while lines.dropped() < 100 {
            lines.write(&line);
            taken += 1;
            assert!(taken < 10_000, "a pipe without an end");
        }
        let waited = begun.elapsed();
        assert!(waited >= PATIENCE && waited < 3 * PATIENCE, "{waited:?}");

        let kept = (taken - 100) * ROOM;
        let mut text = String::new();
        while text.len() < kept {
            text.push_str(&take(&mut reader, kept - text.len()));
        }
        lines.write(b"after\n");
        let rest = take(&mut reader, 1 << 16);
        assert_eq!(
            rest,
            "{\"level\":\"WARN\",\"message\":\"100 log lines could not be written before this one\"}\nafter\n"
        );
        lines.write(b"and on\n");
        assert_eq!(take(&mut reader, 1 << 16), "and on\n");
        assert_eq!(lines.dropped(), 100);
    }

    #[test]
    fn a_line_after_a_torn_one_begins_on_a_line_of_its_own() {
        let (mut reader, writer) = io::pipe().unwrap();
        let mut lines = Lines::new(writer);
        lines.write(&[b"z".repeat(1 << 20), b"\n".to_vec()].concat());
        assert_eq!(lines.dropped(), 1);
        // What did arrive of it.
        rustix::io::ioctl_fionbio(&reader, true).unwrap();
        let mut bytes = vec![0; 1 << 20];
        while reader.read(&mut bytes).is_ok_and(|count| count > 0) {}
        lines.write(b"whole\n");
        assert_eq!(
            take(&mut reader, 1 << 16),
            "\n1 log lines could not be written before this one\nwhole\n"
        );
    }
}
