//! Random expressions of the closed set's grammar, as text.

mod numbers;

use rand::{RngExt, rngs::StdRng};

/// The fields that expressions are over; all nullable.
pub const FIELDS: &str = "i BIGINT, j BIGINT, small BIGINT, price DECIMAL(12,2), rate DECIMAL(5,4), long DECIMAL(18,6), \
                          wide DECIMAL(38,10), whole DECIMAL(20,0), x DOUBLE, y DOUBLE, s VARCHAR, t VARCHAR, digits VARCHAR, document VARCHAR, \
                          p BOOLEAN, q BOOLEAN, happened TIMESTAMP, later TIMESTAMP, day DATE";

/// What an expression gives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Whole,
    Decimal,
    Double,
    Text,
    Truth,
    Time,
    Day,
}

const KINDS: [Kind; 7] = [
    Kind::Whole,
    Kind::Decimal,
    Kind::Double,
    Kind::Text,
    Kind::Truth,
    Kind::Time,
    Kind::Day,
];

/// Those in which an engine once had another value, and that are seldom made: they come first, whatever the seed.
const ALWAYS: [&str; 11] = [
    "-CAST('0.1234567890123456789012345678901234567' AS DECIMAL(37,37))",
    "abs(CAST('-0.1234567890123456789012345678901234567' AS DECIMAL(37,37)))",
    "-CAST('-0.123456789012345678901234567890123456' AS DECIMAL(36,36))",
    "abs(-abs(CAST('0.000000000000000000000000000000000001' AS DECIMAL(36,36))))",
    "-wide",
    "abs(wide)",
    "-(-wide)",
    "-CAST(wide AS DECIMAL(38,6))",
    "abs(CAST(wide AS DECIMAL(36,10)) - 1)",
    "-(whole * long)",
    "greatest(-(wide), wide) > 0.5",
];

/// Makes expressions; the same seed gives the same ones.
pub struct Expressions {
    random: StdRng,
    always: std::slice::Iter<'static, &'static str>,
}

impl Expressions {
    pub fn new(random: StdRng) -> Self {
        Self {
            random,
            always: ALWAYS.iter(),
        }
    }

    /// An expression of any kind. It may be refused: the grammar knows nothing of digits.
    pub fn next(&mut self) -> String {
        if let Some(text) = self.always.next() {
            return (*text).to_owned();
        }
        let (kind, depth) = (self.one(&KINDS), self.random.random_range(1..=4));
        self.of(kind, depth)
    }

    /// Two columns, the second of which may use the first in the place of a field.
    pub fn next_two(&mut self, number: usize) -> String {
        let one = format!("one{number}");
        let depth = self.random.random_range(1..=3);
        let (kind, field) = self.one(&[
            (Kind::Whole, "i"),
            (Kind::Decimal, "price"),
            (Kind::Double, "x"),
            (Kind::Text, "s"),
            (Kind::Truth, "p"),
        ]);
        let first = self.of(kind, depth);
        let mut second = String::new();
        let text = self.next();
        let is_word = |c: char| c.is_ascii_alphanumeric() || c == '_';
        for word in text.split_inclusive(|c: char| !is_word(c)) {
            let (name, after) = word.split_at(word.trim_end_matches(|c| !is_word(c)).len());
            second.push_str(if name == field { &one } else { name });
            second.push_str(after);
        }
        format!("{first} AS {one}, {second} AS two{number}")
    }

    fn one<T: Copy>(&mut self, from: &[T]) -> T {
        from[self.random.random_range(0..from.len())]
    }

    fn number_kind(&mut self) -> Kind {
        self.one(&[Kind::Whole, Kind::Decimal, Kind::Double])
    }

    fn of(&mut self, kind: Kind, depth: usize) -> String {
        if depth == 0 {
            return self.leaf(kind);
        }
        let depth = depth - 1;
        // Half of the time something that every kind has.
        if self.random.random_range(0..3) == 0 {
            return self.chosen(kind, depth);
        }
        match kind {
            Kind::Whole => self.whole(depth),
            Kind::Decimal => self.decimal(depth),
            Kind::Double => self.double(depth),
            Kind::Text => self.text(depth),
            Kind::Truth => self.truth(depth),
            Kind::Time => self.time(depth),
            Kind::Day => self.day(depth),
        }
    }

    fn leaf(&mut self, kind: Kind) -> String {
        let texts: &[&str] = match kind {
            Kind::Whole => &[
                "i",
                "j",
                "small",
                "small",
                "0",
                "1",
                "-1",
                "7",
                "9223372036854775807",
                "-9223372036854775808",
            ],
            Kind::Decimal => &[
                "price",
                "rate",
                "long",
                "wide",
                "whole",
                "0.5",
                "0.00",
                "-1.25",
                "12.345",
                "99999999999999999999.9",
            ],
            Kind::Double => &[
                "x",
                "y",
                "0e0",
                "1.5e0",
                "-2.5e-3",
                "1e300",
                "5e-324",
                "CAST('NaN' AS DOUBLE)",
                "9007199254740993e0",
            ],
            Kind::Text => &[
                "s", "t", "digits", "''", "'abc'", "'it''s'", "'12'", "'ä'", "' x '", "'1.50'",
            ],
            Kind::Truth => &["p", "q", "TRUE", "FALSE"],
            Kind::Time => &[
                "happened",
                "later",
                "TIMESTAMP '2024-02-29 23:59:59.999999'",
                "TIMESTAMP '1970-01-01T00:00:00Z'",
                "TIMESTAMP '1969-12-31 23:59:59.5'",
            ],
            Kind::Day => &[
                "day",
                "DATE '2024-02-29'",
                "DATE '1900-03-01'",
                "DATE '0001-01-01'",
            ],
        };
        self.one(texts).to_owned()
    }

    /// One of several values.
    fn chosen(&mut self, kind: Kind, depth: usize) -> String {
        let (a, b) = (self.of(kind, depth), self.of(kind, depth));
        match self.random.random_range(0..6) {
            0 => format!(
                "CASE WHEN {} THEN {a} ELSE {b} END",
                self.of(Kind::Truth, depth)
            ),
            1 => format!(
                "CASE WHEN {} THEN {a} WHEN {} THEN {b} END",
                self.of(Kind::Truth, depth),
                self.of(Kind::Truth, depth)
            ),
            2 => {
                let tested = self.one(&KINDS);
                let (value, when) = (self.of(tested, depth), self.of(tested, 0));
                format!("CASE {value} WHEN {when} THEN {a} ELSE {b} END")
            }
            3 => format!("coalesce({a}, {b})"),
            4 => format!("nullif({a}, {b})"),
            _ if kind == Kind::Truth => format!("coalesce({a}, {b}, FALSE)"),
            _ => format!("{}({a}, {b})", self.one(&["greatest", "least"])),
        }
    }

    fn text(&mut self, depth: usize) -> String {
        let a = self.of(Kind::Text, depth);
        let few = self.one(&["0", "1", "2", "3", "small"]);
        let place = self.one(&["1", "2", "3", "-1", "-2", "small"]);
        match self.random.random_range(0..13) {
            12 => {
                let path = self.one(&[
                    "$", "$.k", "$.k.x", "$.k[0]", "$.k[1].x", "$.a[0]", "$[1]", "$.é",
                ]);
                let document = self.one(&["document", "document", "document", "s"]);
                format!("json_extract_string({document}, '{path}')")
            }
            0 => format!(
                "{}({a})",
                self.one(&["upper", "lower", "trim", "ltrim", "rtrim"])
            ),
            1 => match self.one(&["left", "right", "substring"]) {
                "substring" => format!("substring({a}, {place})"),
                function => format!("{function}({a}, {few})"),
            },
            2 => format!(
                "substring({a}, {place}, {})",
                self.one(&["0", "2", "small"])
            ),
            3 => format!(
                "replace({a}, {}, {})",
                self.of(Kind::Text, 0),
                self.of(Kind::Text, 0)
            ),
            4 => {
                let function = self.one(&["lpad", "rpad"]);
                format!("{function}({a}, {few}, {})", self.of(Kind::Text, 0))
            }
            5 => {
                let separator = self.one(&["','", "'.'", "' '", "t"]);
                format!("split_part({a}, {separator}, {place})")
            }
            6 => {
                let ends = self.one(&["BOTH", "LEADING", "TRAILING"]);
                format!("trim({ends} {} FROM {a})", self.of(Kind::Text, 0))
            }
            7 => format!("{}({a})", self.one(&["md5", "sha256"])),
            8 => format!("({a}) || ({})", self.of(Kind::Text, depth)),
            _ => {
                let from = self.one(&KINDS);
                format!("CAST({} AS VARCHAR)", self.of(from, depth))
            }
        }
    }

    /// A TIMESTAMP or a DATE.
    fn moment(&mut self, depth: usize) -> String {
        let kind = self.one(&[Kind::Time, Kind::Day]);
        self.of(kind, depth)
    }

    fn time(&mut self, depth: usize) -> String {
        const UNITS: [&str; 10] = [
            "year",
            "quarter",
            "month",
            "week",
            "day",
            "hour",
            "minute",
            "second",
            "millisecond",
            "microsecond",
        ];
        let (a, unit) = (self.moment(depth), self.one(&UNITS));
        match self.random.random_range(0..5) {
            0 => format!("to_timestamp({})", self.of(Kind::Whole, depth)),
            1 => format!("CAST({a} AS TIMESTAMP)"),
            2 => {
                let count = self.random.random_range(-30..30);
                let unit = if unit == "quarter" { "month" } else { unit };
                format!("({a}) + INTERVAL '{count}' {unit}")
            }
            _ => format!("date_trunc('{unit}', {a})"),
        }
    }

    fn day(&mut self, depth: usize) -> String {
        match self.random.random_range(0..3) {
            0 => format!("CAST({} AS DATE)", self.of(Kind::Text, 0)),
            1 => {
                let (a, count) = (self.of(Kind::Day, depth), self.random.random_range(0..40));
                format!("CAST(({a}) - INTERVAL '{count}' MONTH AS DATE)")
            }
            _ => format!("CAST({} AS DATE)", self.moment(depth)),
        }
    }

    fn truth(&mut self, depth: usize) -> String {
        let a = self.of(Kind::Truth, depth);
        let not = self.one(&["", "NOT "]);
        match self.random.random_range(0..12) {
            10 => {
                let pattern = self.one(&[
                    "'%'",
                    "'a%'",
                    "'%b%c'",
                    "'_b_'",
                    "'1%'",
                    "t",
                    "'a!%' ESCAPE '!'",
                ]);
                format!("({}) {not}LIKE {pattern}", self.of(Kind::Text, depth))
            }
            11 => {
                let function = self.one(&["starts_with", "ends_with", "contains"]);
                format!(
                    "{function}({}, {})",
                    self.of(Kind::Text, depth),
                    self.of(Kind::Text, 0)
                )
            }
            0 => format!("({a}) AND ({})", self.of(Kind::Truth, depth)),
            1 => format!("({a}) OR ({})", self.of(Kind::Truth, depth)),
            2 => format!("NOT ({a})"),
            3 => format!(
                "({a}) IS {not}{}",
                self.one(&["TRUE", "FALSE", "UNKNOWN", "NULL"])
            ),
            4 => format!("CAST({} AS BOOLEAN)", self.of(Kind::Text, depth)),
            5 => {
                let kind = self.one(&KINDS);
                let value = self.of(kind, depth);
                format!(
                    "({value}) {not}IN ({}, {}, NULL)",
                    self.of(kind, 0),
                    self.of(kind, 0)
                )
            }
            6 => {
                let kind = self.one(&KINDS);
                let value = self.of(kind, depth);
                format!(
                    "({value}) {not}BETWEEN {} AND ({})",
                    self.of(kind, 0),
                    self.of(kind, depth)
                )
            }
            7 => {
                let kind = self.one(&KINDS);
                let value = self.of(kind, depth);
                format!("({value}) IS {not}DISTINCT FROM ({})", self.of(kind, depth))
            }
            _ => {
                let kind = self.one(&KINDS);
                let other = match kind {
                    Kind::Text | Kind::Truth => kind,
                    Kind::Time | Kind::Day => self.one(&[Kind::Time, Kind::Day]),
                    _ => self.number_kind(),
                };
                let op = self.one(&["=", "<>", "<", "<=", ">", ">="]);
                format!(
                    "({}) {op} ({})",
                    self.of(kind, depth),
                    self.of(other, depth)
                )
            }
        }
    }
}
