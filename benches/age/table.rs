//! What was measured, and whether it is within its bound.

/// A line of the table.
pub struct Line {
    of: String,
    measure: String,
    value: String,
    bound: String,
    holds: Option<bool>,
}

#[derive(Default)]
pub struct Table {
    lines: Vec<Line>,
}

impl Table {
    /// A value that must be at most `bound`, both in `unit`.
    pub fn bound(&mut self, of: &str, measure: &str, value: f64, bound: f64, unit: &str) {
        self.lines.push(Line {
            of: of.to_owned(),
            measure: measure.to_owned(),
            value: format!("{} {unit}", shown(value)),
            bound: shown(bound),
            holds: Some(value <= bound),
        });
    }

    /// A value to be read.
    pub fn value(&mut self, of: &str, measure: &str, value: impl Into<String>) {
        self.lines.push(Line {
            of: of.to_owned(),
            measure: measure.to_owned(),
            value: value.into(),
            bound: String::new(),
            holds: None,
        });
    }

    /// Prints it; whether every bound holds.
    pub fn print(&self) -> bool {
        println!("\n| store | measure | value | at most | holds |\n|---|---|---|---|---|");
        for line in &self.lines {
            let holds = match line.holds {
                Some(true) => "yes",
                Some(false) => "NO",
                None => "",
            };
            let Line {
                of,
                measure,
                value,
                bound,
                ..
            } = line;
            println!("| {of} | {measure} | {value} | {bound} | {holds} |");
        }
        self.lines.iter().all(|line| line.holds != Some(false))
    }
}

fn shown(value: f64) -> String {
    match value {
        value if value.abs() >= 100.0 => format!("{value:.0}"),
        value if value.abs() >= 10.0 => format!("{value:.1}"),
        value => format!("{value:.2}"),
    }
}
