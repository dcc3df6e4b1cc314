//! The closed set of functions: one table, which the gate checks calls by, and which `snapback functions` and the
//! documentation show.

use std::fmt;

use serde::Serialize;

use super::forms;

/// What an argument takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Takes {
    /// BIGINT, DECIMAL or DOUBLE.
    Number,
    /// A whole number that stands in the text.
    Digits,
    /// BIGINT.
    Whole,
    /// VARCHAR.
    Text,
    /// TIMESTAMP, or DATE as the beginning of its day.
    Time,
    /// The name of a unit that stands in the text.
    Unit,
    /// A path into JSON that stands in the text.
    Path,
}

impl fmt::Display for Takes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Takes::Number => "number",
            Takes::Digits => "digits",
            Takes::Whole => "bigint",
            Takes::Text => "text",
            Takes::Time => "timestamp",
            Takes::Unit => "'unit'",
            Takes::Path => "'path'",
        })
    }
}

/// What a call gives, from the type of its first argument.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Gives {
    /// The argument's type.
    Same,
    /// BIGINT of a BIGINT, DOUBLE of a DOUBLE, DECIMAL without a fraction of a DECIMAL.
    Whole,
    /// The same with so many fraction digits as were asked for.
    Rounded,
    /// The DECIMAL that holds the square of the argument; DOUBLE of a DOUBLE.
    Square,
    BigInt,
    Double,
    Varchar,
    Boolean,
    Timestamp,
}

impl fmt::Display for Gives {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Gives::Same => "the type of its argument",
            Gives::Whole => "the type of its argument, DECIMAL with no fraction digits",
            Gives::Rounded => "the type of its argument, DECIMAL with so many fraction digits",
            Gives::Square => {
                "DECIMAL(38,0) of a BIGINT, DECIMAL(38,2s) of a DECIMAL(p,s), DOUBLE of a DOUBLE"
            }
            Gives::BigInt => "BIGINT",
            Gives::Double => "DOUBLE",
            Gives::Varchar => "VARCHAR",
            Gives::Boolean => "BOOLEAN",
            Gives::Timestamp => "TIMESTAMP",
        })
    }
}

/// A row of the table.
pub(super) struct Definition {
    /// As it is called, in lower case.
    pub(super) name: &'static str,
    pub(super) takes: &'static [Takes],
    /// So many of them may be left out, from the end.
    pub(super) optional: usize,
    pub(super) gives: Gives,
    does: &'static str,
    example: (&'static str, &'static str),
}

macro_rules! functions {
    ($($variant:ident = $name:literal ($($takes:ident),+ $(; $optional:literal optional)?) -> $gives:ident
        : $does:literal, $example:literal = $value:literal;)+) => {
        /// A function of the closed set.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub(super) enum Function { $($variant,)+ }

        impl Function {
            pub(super) const ALL: &[Function] = &[$(Function::$variant,)+];

            /// Its row of the table.
            pub(super) const fn definition(self) -> &'static Definition {
                match self {
                    $(Function::$variant => &Definition {
                        name: $name,
                        takes: &[$(Takes::$takes,)+],
                        optional: 0 $(+ $optional)?,
                        gives: Gives::$gives,
                        does: $does,
                        example: ($example, $value),
                    },)+
                }
            }
        }
    };
}

functions! {
    Abs = "abs"(Number) -> Same: "the number without its sign", "abs(-7.50)" = "7.50";
    Ceil = "ceil"(Number) -> Whole: "the next whole number up", "ceil(2.1)" = "3";
    Floor = "floor"(Number) -> Whole: "the next whole number down", "floor(-2.1)" = "-3";
    Round = "round"(Number, Digits; 1 optional) -> Rounded:
        "rounded, half away from zero; of a DOUBLE only to whole numbers", "round(2.345, 2)" = "2.35";
    Sign = "sign"(Number) -> BigInt: "-1, 0 or 1", "sign(-7.50)" = "-1";
    Sqrt = "sqrt"(Number) -> Double: "the square root; NaN of what is below zero", "sqrt(6.25)" = "2.5";
    Square = "square"(Number) -> Square: "the number times itself", "square(1.5)" = "2.25";
    Trunc = "trunc"(Number) -> Whole: "without the fraction", "trunc(-2.9)" = "-2";

    Contains = "contains"(Text, Text) -> Boolean: "whether the second is a part of the first", "contains('snapback', 'back')" = "true";
    EndsWith = "ends_with"(Text, Text) -> Boolean: "whether the first ends with the second", "ends_with('a.parquet', '.parquet')" = "true";
    JsonExtractString = "json_extract_string"(Text, Path) -> Varchar:
        "what stands at a path in a JSON text, as text; NULL where nothing does, or null", "json_extract_string('{\"tags\": [\"new\", 7]}', '$.tags[0]')" = "new";
    Md5 = "md5"(Text) -> Varchar: "the MD5 of its UTF-8, in hexadecimal digits", "md5('a')" = "0cc175b9c0f1b6a831c399e269772661";
    Sha256 = "sha256"(Text) -> Varchar: "the SHA-256 of its UTF-8, in hexadecimal digits",
        "left(sha256('a'), 16)" = "ca978112ca1bbdca";
    Left = "left"(Text, Whole) -> Varchar: "so many characters from the beginning", "left('hello', 2)" = "he";
    Length = "length"(Text) -> BigInt: "the number of characters", "length('größer')" = "6";
    Lower = "lower"(Text) -> Varchar: "in lower case", "lower('ÄPFEL')" = "äpfel";
    Lpad = "lpad"(Text, Whole, Text) -> Varchar: "filled up before the text, or cut, to so many characters", "lpad('42', 5, '0')" = "00042";
    Ltrim = "ltrim"(Text) -> Varchar: "without the spaces before it", "ltrim('  a ')" = "a ";
    Position = "position"(Text, Text) -> BigInt:
        "where the first begins in the second, from 1; 0 when it is not there; written position(a IN b)", "position('l' IN 'hello')" = "3";
    Replace = "replace"(Text, Text, Text) -> Varchar: "with the third in the place of each second", "replace('1,234,567', ',', '')" = "1234567";
    Right = "right"(Text, Whole) -> Varchar: "so many characters from the end", "right('hello', 2)" = "lo";
    Rpad = "rpad"(Text, Whole, Text) -> Varchar: "filled up after the text, or cut, to so many characters", "rpad('ab', 4, '.')" = "ab..";
    Rtrim = "rtrim"(Text) -> Varchar: "without the spaces after it", "rtrim(' a  ')" = " a";
    SplitPart = "split_part"(Text, Text, Whole) -> Varchar:
        "the part between separators, counted from 1 or back from -1; '' when there is none", "split_part('eu/de/berlin', '/', 2)" = "de";
    StartsWith = "starts_with"(Text, Text) -> Boolean: "whether the first begins with the second", "starts_with('orders-7', 'orders')" = "true";
    Substring = "substring"(Text, Whole, Whole; 1 optional) -> Varchar:
        "from a position, counted from 1 or back from -1, so many characters", "substring('hello', 2, 3)" = "ell";
    Trim = "trim"(Text) -> Varchar: "without the spaces around it; trim(BOTH 'xy' FROM a) without other characters", "trim('  a ')" = "a";
    Upper = "upper"(Text) -> Varchar: "in upper case", "upper('äpfel')" = "ÄPFEL";

    DateTrunc = "date_trunc"(Unit, Time) -> Timestamp:
        "the beginning of its year, quarter, month, week (Monday), day, hour, minute, second, millisecond or microsecond",
        "CAST(date_trunc('month', DATE '2024-05-17') AS VARCHAR)" = "2024-05-01 00:00:00";
    Day = "day"(Time) -> BigInt: "the day of the month; also extract(day FROM x)", "day(DATE '2024-05-17')" = "17";
    DayOfYear = "dayofyear"(Time) -> BigInt: "the day of the year; also extract(doy FROM x)", "dayofyear(DATE '2024-03-01')" = "61";
    EpochMs = "epoch_ms"(Time) -> BigInt: "milliseconds since 1970", "epoch_ms(TIMESTAMP '1970-01-02 00:00:00.5')" = "86400500";
    Hour = "hour"(Time) -> BigInt: "the hour; also extract(hour FROM x)", "hour(TIMESTAMP '2024-05-17 12:30:00')" = "12";
    Minute = "minute"(Time) -> BigInt: "the minute; also extract(minute FROM x)", "minute(TIMESTAMP '2024-05-17 12:30:00')" = "30";
    Month = "month"(Time) -> BigInt: "the month; also extract(month FROM x)", "month(DATE '2024-05-17')" = "5";
    Quarter = "quarter"(Time) -> BigInt: "the quarter; also extract(quarter FROM x)", "quarter(DATE '2024-05-17')" = "2";
    Second = "second"(Time) -> BigInt: "the whole seconds", "second(TIMESTAMP '2024-05-17 12:30:07.9')" = "7";
    ToTimestamp = "to_timestamp"(Whole) -> Timestamp: "so many seconds after 1970", "CAST(to_timestamp(86400) AS VARCHAR)" = "1970-01-02 00:00:00";
    Week = "week"(Time) -> BigInt: "the week of ISO 8601; also extract(week FROM x)", "week(DATE '2021-01-03')" = "53";
    Year = "year"(Time) -> BigInt: "the year; also extract(year FROM x)", "year(DATE '2024-05-17')" = "2024";
}

impl Function {
    /// The function that is called by this name, in any case.
    pub(super) fn named(name: &str) -> Option<Function> {
        let name = match name.to_ascii_lowercase().as_str() {
            "ceiling" => "ceil".to_owned(),
            "dayofmonth" => "day".to_owned(),
            "substr" => "substring".to_owned(),
            "char_length" | "character_length" | "len" => "length".to_owned(),
            other => other.to_owned(),
        };
        let mut all = Function::ALL.iter().copied();
        all.find(|function| function.definition().name == name)
    }

    /// The known name that is most like this one.
    pub(super) fn like(name: &str) -> Option<&'static str> {
        let name = name.to_ascii_lowercase();
        let functions = Function::ALL.iter().map(|f| f.definition().name);
        let names = functions.chain(forms::NAMES.iter().copied());
        let mut near: Vec<_> = names
            .map(|known| (strsim::osa_distance(known, &name), known))
            .filter(|(distance, known)| *distance <= 2 && *distance < known.len())
            .collect();
        near.sort_unstable();
        near.first().map(|(_, known)| *known)
    }
}

impl Definition {
    /// `round(number [, digits])`
    pub(super) fn signature(&self) -> String {
        let required = self.takes.len() - self.optional;
        let mut text = format!("{}(", self.name);
        for (index, takes) in self.takes.iter().enumerate() {
            text += &match (index, index < required) {
                (0, _) => takes.to_string(),
                (_, true) => format!(", {takes}"),
                (_, false) => format!(" [, {takes}]"),
            };
        }
        text + ")"
    }
}

/// Something that an expression may use, for `snapback functions` and the documentation.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Usable {
    /// How it is written.
    pub form: String,
    /// The type of its value.
    pub gives: String,
    /// What it does.
    pub does: &'static str,
    /// An expression that uses it.
    pub example: &'static str,
    /// The value of the example.
    pub value: &'static str,
}

/// Everything that an expression may use: operators and forms, then functions by their names.
#[must_use]
pub fn usable() -> Vec<Usable> {
    let forms = forms::FORMS.iter().map(|form| Usable {
        form: form.form.to_owned(),
        gives: form.gives.to_owned(),
        does: form.does,
        example: form.example.0,
        value: form.example.1,
    });
    let functions = Function::ALL.iter().map(|function| {
        let definition = function.definition();
        Usable {
            form: definition.signature(),
            gives: definition.gives.to_string(),
            does: definition.does,
            example: definition.example.0,
            value: definition.example.1,
        }
    });
    forms.chain(functions).collect()
}
