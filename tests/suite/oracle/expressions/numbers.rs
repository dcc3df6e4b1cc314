//! Numbers.

use rand::RngExt as _;

use super::{Expressions, Kind};

impl Expressions {
    pub(super) fn whole(&mut self, depth: usize) -> String {
        let (a, b) = (self.of(Kind::Whole, depth), self.of(Kind::Whole, depth));
        match self.random.random_range(0..15) {
            13 => {
                let part = self.one(&[
                    "year", "quarter", "month", "week", "day", "doy", "hour", "minute",
                ]);
                format!("extract({part} FROM {})", self.moment(depth))
            }
            14 => {
                let function = self.one(&["second", "epoch_ms"]);
                format!("{function}({})", self.moment(depth))
            }
            0 => format!("-({a})"),
            1 => format!("abs({a})"),
            2 => format!("sign({})", {
                let kind = self.number_kind();
                self.of(kind, depth)
            }),
            3 => format!("CAST({} AS BIGINT)", self.of(Kind::Text, depth)),
            4 => {
                let kind = self.number_kind();
                let function = self.one(&["floor", "ceil", "round", "trunc"]);
                format!("CAST({function}({}) AS BIGINT)", self.of(kind, depth))
            }
            5 => format!("round({a}, {})", self.random.random_range(-3..3)),
            6 => format!("length({})", self.of(Kind::Text, depth)),
            7 => format!(
                "position({} IN {})",
                self.of(Kind::Text, 0),
                self.of(Kind::Text, depth)
            ),
            _ => format!("({a}) {} ({b})", self.one(&["+", "-", "*", "div", "%"])),
        }
    }

    pub(super) fn decimal(&mut self, depth: usize) -> String {
        let a = self.of(Kind::Decimal, depth);
        match self.random.random_range(0..10) {
            0 => format!("-({a})"),
            1 => format!("abs({a})"),
            2 => format!("{}({a})", self.one(&["floor", "ceil", "round", "trunc"])),
            3 => format!("round({a}, {})", self.random.random_range(-3..5)),
            4 => {
                let from = self.one(&[Kind::Whole, Kind::Decimal, Kind::Text]);
                let value = self.of(from, depth);
                format!("CAST({value} AS {})", self.decimal_type())
            }
            5 => format!("CAST({a} AS {})", self.decimal_type()),
            6 => format!("square(CAST({a} AS DECIMAL(12,3)))"),
            _ => {
                let other = self.one(&[Kind::Whole, Kind::Decimal]);
                let b = self.of(other, depth);
                let op = self.one(&["+", "-", "*", "%"]);
                // So that not everything becomes too long.
                let a = if self.random.random() {
                    format!("CAST({a} AS DECIMAL(15,3))")
                } else {
                    a
                };
                if self.random.random() {
                    format!("({a}) {op} ({b})")
                } else {
                    format!("({b}) {op} ({a})")
                }
            }
        }
    }

    pub(super) fn decimal_type(&mut self) -> &'static str {
        self.one(&[
            "DECIMAL(10,2)",
            "DECIMAL(18,4)",
            "DECIMAL(38,0)",
            "DECIMAL(3,1)",
            "DECIMAL(30,10)",
            "DECIMAL(5,5)",
        ])
    }

    pub(super) fn double(&mut self, depth: usize) -> String {
        let a = self.of(Kind::Double, depth);
        match self.random.random_range(0..10) {
            0 => format!("-({a})"),
            1 => format!("abs({a})"),
            2 => format!("{}({a})", self.one(&["floor", "ceil", "round", "trunc"])),
            3 => format!("sqrt({})", {
                let kind = self.number_kind();
                self.of(kind, depth)
            }),
            4 => {
                let from = self.one(&[Kind::Whole, Kind::Decimal, Kind::Text]);
                format!("CAST({} AS DOUBLE)", self.of(from, depth))
            }
            5 => format!("square({a})"),
            _ => {
                let other = self.number_kind();
                let b = self.of(other, depth);
                let op = self.one(&["+", "-", "*", "/", "%"]);
                if self.random.random() {
                    format!("({a}) {op} ({b})")
                } else {
                    format!("({b}) {op} ({a})")
                }
            }
        }
    }
}
