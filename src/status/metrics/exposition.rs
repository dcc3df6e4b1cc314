//! Prometheus' text format.

use std::fmt::{Display, Write as _};

/// Labels of one sample.
pub type Labels<'l> = Vec<(&'static str, &'l str)>;

/// The text as it grows.
#[derive(Default)]
pub struct Exposition(String);

impl Exposition {
    /// All of it.
    pub fn into_text(self) -> String {
        self.0
    }

    /// One metric with its samples.
    pub fn family<'l, V: Display>(
        &mut self,
        name: &str,
        kind: &str,
        help: &str,
        samples: impl IntoIterator<Item = (Labels<'l>, V)>,
    ) {
        let text = &mut self.0;
        let help = help.replace('\\', r"\\").replace('\n', r"\n");
        // Writing to a string cannot fail.
        let _ = write!(text, "# HELP {name} {help}\n# TYPE {name} {kind}\n");
        for (labels, value) in samples {
            text.push_str(name);
            for (n, (label, content)) in labels.iter().enumerate() {
                text.push(if n == 0 { '{' } else { ',' });
                let _ = write!(text, "{label}=\"{}\"", escaped(content));
            }
            if !labels.is_empty() {
                text.push('}');
            }
            let _ = writeln!(text, " {value}");
        }
    }

    /// A value that goes up and down.
    pub fn gauge<'l, V: Display>(
        &mut self,
        name: &str,
        help: &str,
        samples: impl IntoIterator<Item = (Labels<'l>, V)>,
    ) {
        self.family(name, "gauge", help, samples);
    }

    /// A gauge with one sample.
    pub fn single(&mut self, name: &str, help: &str, value: impl Display) {
        self.gauge(name, help, [(Vec::new(), value)]);
    }

    /// A value that only grows, with one sample.
    pub fn counter(&mut self, name: &str, help: &str, value: u64) {
        self.family(name, "counter", help, [(Vec::new(), value)]);
    }
}

fn escaped(text: &str) -> String {
    text.replace('\\', r"\\")
        .replace('"', r#"\""#)
        .replace('\n', r"\n")
}
