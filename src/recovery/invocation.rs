//! How the program was started, to print commands that can be copied.

use std::fmt;

use crate::model::{OffsetRange, Partition};

/// A command line of this program: its command, and the flags that were typed.
///
/// `Display` quotes for a POSIX shell. What came from the environment or `snapback.toml` is not in it: it applies again when
/// the printed command is run. Secrets must have been taken out by who builds it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Invocation {
    program: String,
    command: String,
    flags: Vec<(String, Option<String>)>,
}

impl Invocation {
    /// `snapback <command>` without flags.
    #[must_use]
    pub fn new(command: &str) -> Invocation {
        Invocation {
            program: "snapback".to_owned(),
            command: command.to_owned(),
            flags: Vec::new(),
        }
    }

    /// The same of another program, with calculations of its own.
    #[must_use]
    pub fn of_program(mut self, program: &str) -> Invocation {
        program.clone_into(&mut self.program);
        self
    }

    /// What the program is called.
    #[must_use]
    pub fn program(&self) -> &str {
        &self.program
    }

    /// With one more flag (`--store`) and its value.
    #[must_use]
    pub fn with(mut self, flag: &str, value: impl Into<String>) -> Invocation {
        self.flags.push((flag.to_owned(), Some(value.into())));
        self
    }

    /// With one more flag without a value (`--exit-at-end`), unless it is there.
    #[must_use]
    pub fn with_switch(self, flag: &str) -> Invocation {
        let mut invocation = self.without(flag);
        invocation.flags.push((flag.to_owned(), None));
        invocation
    }

    /// With `flag` set to `value`, whatever it was, at its place.
    #[must_use]
    pub fn set(mut self, flag: &str, value: impl Into<String>) -> Invocation {
        match self.flags.iter_mut().find(|(name, _)| name == flag) {
            Some((_, old)) => {
                *old = Some(value.into());
                self
            }
            None => self.with(flag, value),
        }
    }

    /// Without `flag`.
    #[must_use]
    pub fn without(mut self, flag: &str) -> Invocation {
        self.flags.retain(|(name, _)| name != flag);
        self
    }

    /// With none of its flags but these.
    #[must_use]
    pub fn only(mut self, flags: &[&str]) -> Invocation {
        self.flags
            .retain(|(name, _)| flags.contains(&name.as_str()));
        self
    }

    /// The value of `flag`, if it was typed.
    #[must_use]
    pub fn get(&self, flag: &str) -> Option<&str> {
        self.flags
            .iter()
            .find(|(name, _)| name == flag)
            .and_then(|(_, value)| value.as_deref())
    }

    /// With `--accept-loss PARTITION:RANGE` in place of what was accepted for that partition.
    #[must_use]
    pub fn accepting(mut self, partition: Partition, range: OffsetRange) -> Invocation {
        let prefix = format!("{partition}:");
        self.flags.retain(|(name, value)| {
            name != "--accept-loss"
                || !value
                    .as_deref()
                    .is_some_and(|value| value.starts_with(&prefix))
        });
        self.with("--accept-loss", format!("{partition}:{range}"))
    }

    /// With another command and the same flags.
    #[must_use]
    pub fn as_command(mut self, command: &str) -> Invocation {
        command.clone_into(&mut self.command);
        self
    }
}

impl fmt::Display for Invocation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", quoted(&self.program), self.command)?;
        for (flag, value) in &self.flags {
            write!(f, " {flag}")?;
            if let Some(value) = value {
                // A value that starts with a dash would be read as a flag, and that of a switch only follows a sign.
                let sign = value.starts_with('-') || matches!(value.as_str(), "true" | "false");
                f.write_str(if sign { "=" } else { " " })?;
                f.write_str(&quoted(value))?;
            }
        }
        Ok(())
    }
}

/// `text` as one word of a POSIX shell.
fn quoted(text: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "_-./:=@%+,".contains(c);
    if !text.is_empty() && text.chars().all(plain) {
        return text.to_owned();
    }
    format!("'{}'", text.replace('\'', r"'\''"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Offset;

    #[test]
    fn values_are_quoted_for_a_shell() {
        let table = [
            ("s3://bucket/prefix", "s3://bucket/prefix"),
            ("square(number)", "'square(number)'"),
            ("number BIGINT NOT NULL", "'number BIGINT NOT NULL'"),
            ("it's", r"'it'\''s'"),
            ("", "''"),
            ("$HOME", "'$HOME'"),
            ("~/x", "'~/x'"),
        ];
        for (value, expected) in table {
            assert_eq!(quoted(value), expected);
        }
        assert_eq!(
            Invocation::new("run").with("-X", "-a").to_string(),
            "snapback run -X=-a"
        );
    }

    #[test]
    fn an_acceptance_replaces_the_one_of_the_same_partition() {
        let range = |end| OffsetRange::new(Offset::ZERO, Offset::ZERO.plus(end)).expect("in order");
        let invocation = Invocation::new("run")
            .accepting(Partition(1), range(5))
            .accepting(Partition(11), range(6))
            .accepting(Partition(1), range(7));
        assert_eq!(
            invocation.to_string(),
            "snapback run --accept-loss 11:0-6 --accept-loss 1:0-7"
        );
    }

    #[test]
    fn a_flag_is_set_at_its_place_and_a_switch_stands_once() {
        let invocation = Invocation::new("run")
            .with("--store", "./a")
            .with("--group", "g")
            .with_switch("--exit-at-end")
            .set("--store", "./b")
            .with_switch("--exit-at-end");
        assert_eq!(
            invocation.to_string(),
            "snapback run --store ./b --group g --exit-at-end"
        );
    }
}
