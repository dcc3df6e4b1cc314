//! Data on standard output, and what becomes of a command whose output nobody takes.

use std::{
    borrow::Cow,
    io::{self, Write as _},
};

use super::Exit;
use crate::telemetry;

/// What a command has to say could not be written.
#[derive(Debug, thiserror::Error)]
#[error("standard output cannot be written: {0}")]
struct OutputError(io::Error);

/// Writes `text` and a line's end to stdout, and ends with `exit`.
pub(super) fn end_with(exit: Exit, text: &str) -> anyhow::Result<Exit> {
    settle(exit, print(text))
}

/// How a command ends that would have ended with `exit`, after its output was written or not. A reader that has read enough
/// (`| head`, `| true`) changes nothing; any other failure is an error, unless the command has worse to tell.
pub(super) fn settle(exit: Exit, written: io::Result<()>) -> anyhow::Result<Exit> {
    match written.map_err(|error| (error.kind(), OutputError(error))) {
        Ok(()) | Err((io::ErrorKind::BrokenPipe, _)) => Ok(exit),
        Err((_, error)) if exit == Exit::Done => Err(error.into()),
        Err((_, error)) => {
            telemetry::say(&format!("error: {error}"));
            Ok(exit)
        }
    }
}

/// A text from a store, a topic, or a file's name, as a terminal may show it: control characters, which could move the
/// cursor or change what stands there, are written out.
pub(super) fn shown(text: &str) -> Cow<'_, str> {
    let harmful = |c: char| c.is_control() || is_directing(c);
    if !text.contains(harmful) {
        return Cow::Borrowed(text);
    }
    let mut shown = String::with_capacity(text.len() + 8);
    for character in text.chars() {
        match harmful(character) {
            true => shown.extend(character.escape_default()),
            false => shown.push(character),
        }
    }
    Cow::Owned(shown)
}

/// Whether a character turns the direction in which others are shown.
fn is_directing(character: char) -> bool {
    matches!(character, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

fn print(text: &str) -> io::Result<()> {
    let mut stdout = io::stdout().lock();
    stdout.write_all(text.as_bytes())?;
    if !text.ends_with('\n') {
        stdout.write_all(b"\n")?;
    }
    stdout.flush()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_could_move_a_cursor_is_written_out() {
        for (text, expected) in [
            ("plain, größer, 数", "plain, größer, 数"),
            ("a\nb\tc", "a\\nb\\tc"),
            ("\u{1b}[2Jx\u{7f}\u{9b}", "\\u{1b}[2Jx\\u{7f}\\u{9b}"),
            ("gpj.\u{202e}exe", "gpj.\\u{202e}exe"),
        ] {
            assert_eq!(shown(text), expected);
        }
    }
}
