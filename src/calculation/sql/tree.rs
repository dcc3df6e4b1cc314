//! The typed tree: an expression after every decision about its types has been made.

use arrow_schema::{Fields, Schema};

use super::{
    functions::Function,
    types::{Digits, MOST_DIGITS},
};
use crate::events::FieldType;

/// The columns of the results, in order.
pub(super) struct Columns {
    /// How each is calculated.
    pub(super) nodes: Vec<Node>,
    /// The event's fields, and after them a field for each column: each node may use those before its own.
    pub(super) schema: Schema,
}

impl Columns {
    /// The columns.
    pub(super) fn output(&self) -> Fields {
        let fields = self.schema.fields();
        Fields::from(&fields[fields.len() - self.nodes.len()..])
    }
}

/// An expression with its type. Operands already have the type that the operation works on.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Node {
    pub(super) kind: Kind,
    /// Without meaning for [`Kind::Null`].
    pub(super) data_type: FieldType,
}

/// What an expression is.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Kind {
    /// NULL that nothing has given a type yet: [`Literal`](Kind::Literal) as soon as something has.
    Null,
    /// The field at this position, or the column of the results that stands there after the fields.
    Field(usize),
    Literal(Scalar),
    /// To the node's type; `written` in the text, or made by the rules of types.
    Cast {
        value: Box<Node>,
        written: bool,
    },
    Negate(Box<Node>),
    Arithmetic(Arithmetic, Box<Node>, Box<Node>),
    Compare(Comparison, Box<Node>, Box<Node>),
    And(Box<Node>, Box<Node>),
    Or(Box<Node>, Box<Node>),
    Not(Box<Node>),
    Is {
        value: Box<Node>,
        what: Truth,
        negated: bool,
    },
    Distinct {
        left: Box<Node>,
        right: Box<Node>,
        negated: bool,
    },
    In {
        value: Box<Node>,
        list: Vec<Node>,
        negated: bool,
    },
    Between {
        value: Box<Node>,
        low: Box<Node>,
        high: Box<Node>,
        negated: bool,
    },
    Case {
        branches: Vec<(Node, Node)>,
        otherwise: Option<Box<Node>>,
    },
    Coalesce(Vec<Node>),
    /// NULL where the condition, `value = other`, is true.
    NullIf {
        value: Box<Node>,
        condition: Box<Node>,
    },
    Extreme(Extreme, Vec<Node>),
    Call(Function, Vec<Node>),
    /// `a || b`
    Concatenation(Box<Node>, Box<Node>),
    Like {
        value: Box<Node>,
        pattern: Box<Node>,
        escape: Option<char>,
        negated: bool,
    },
    /// `value + INTERVAL 'count' unit`
    Shift {
        value: Box<Node>,
        count: i64,
        unit: Unit,
    },
}

/// A value that stands in the text, or in a reason.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Scalar {
    Null,
    BigInt(i64),
    Double(f64),
    /// The digits without the point; the scale is in the type.
    Decimal(i128),
    Text(String),
    Boolean(bool),
    /// In microseconds since 1970.
    Timestamp(i64),
    /// In days since 1970.
    Date(i32),
}

/// What times are truncated to and shifted by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Unit {
    Year,
    Quarter,
    Month,
    Week,
    Day,
    Hour,
    Minute,
    Second,
    Millisecond,
    Microsecond,
}

impl Unit {
    const ALL: [(&'static str, Unit); 10] = [
        ("year", Unit::Year),
        ("quarter", Unit::Quarter),
        ("month", Unit::Month),
        ("week", Unit::Week),
        ("day", Unit::Day),
        ("hour", Unit::Hour),
        ("minute", Unit::Minute),
        ("second", Unit::Second),
        ("millisecond", Unit::Millisecond),
        ("microsecond", Unit::Microsecond),
    ];

    /// The unit of this name, in any case.
    pub(super) fn named(name: &str) -> Option<Unit> {
        let mut all = Unit::ALL.into_iter();
        let found = all.find(|(known, _)| known.eq_ignore_ascii_case(name));
        found.map(|(_, unit)| unit)
    }

    /// Its name.
    pub(super) fn name(self) -> &'static str {
        let mut all = Unit::ALL.into_iter();
        let found = all.find(|(_, unit)| *unit == self);
        found.map_or("day", |(name, _)| name)
    }

    /// Its microseconds; those of a day for what has no fixed length.
    pub(super) const fn micros(self) -> i64 {
        const SECOND: i64 = 1_000_000;
        match self {
            Unit::Microsecond => 1,
            Unit::Millisecond => 1_000,
            Unit::Second => SECOND,
            Unit::Minute => 60 * SECOND,
            Unit::Hour => 3_600 * SECOND,
            Unit::Week => 7 * 86_400 * SECOND,
            Unit::Day | Unit::Month | Unit::Quarter | Unit::Year => 86_400 * SECOND,
        }
    }
}

/// In upper case, as it stands after an interval.
impl std::fmt::Display for Unit {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.name().to_ascii_uppercase())
    }
}

/// `+ - * / div %`
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Arithmetic {
    Add,
    Subtract,
    Multiply,
    Divide,
    IntegerDivide,
    Remainder,
}

impl Arithmetic {
    /// As it is written between its operands.
    pub(super) const fn symbol(self) -> &'static str {
        match self {
            Arithmetic::Add => "+",
            Arithmetic::Subtract => "-",
            Arithmetic::Multiply => "*",
            Arithmetic::Divide => "/",
            Arithmetic::IntegerDivide => "div",
            Arithmetic::Remainder => "%",
        }
    }
}

/// `= <> < <= > >=`
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Comparison {
    Equal,
    NotEqual,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
}

impl Comparison {
    /// As it is written between its operands.
    pub(super) const fn symbol(self) -> &'static str {
        match self {
            Comparison::Equal => "=",
            Comparison::NotEqual => "<>",
            Comparison::Less => "<",
            Comparison::LessOrEqual => "<=",
            Comparison::Greater => ">",
            Comparison::GreaterOrEqual => ">=",
        }
    }
}

/// What stands after IS.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Truth {
    Null,
    True,
    False,
    Unknown,
}

/// GREATEST or LEAST.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Extreme {
    Greatest,
    Least,
}

impl Node {
    pub(super) fn new(kind: Kind, data_type: impl Into<FieldType>) -> Node {
        Node {
            kind,
            data_type: data_type.into(),
        }
    }

    /// A node of type BOOLEAN.
    pub(super) fn boolean(kind: Kind) -> Node {
        Node::new(kind, FieldType::Boolean)
    }

    /// The node as a value of another type, by the rules of types and not because the text says so.
    pub(super) fn into_type(self, data_type: FieldType) -> Node {
        match self.kind {
            Kind::Null => Node::new(Kind::Literal(Scalar::Null), data_type),
            _ if self.data_type == data_type => self,
            _ => {
                let (value, written) = (Box::new(self), false);
                Node::new(Kind::Cast { value, written }, data_type)
            }
        }
    }

    /// Its type where DECIMALs are about: a whole number in the text has as many digits as are written.
    pub(super) fn narrow_type(&self) -> FieldType {
        match self.kind {
            Kind::Literal(Scalar::BigInt(value)) => {
                let digits = value.unsigned_abs().checked_ilog10().unwrap_or(0) + 1;
                Digits::new(u8::try_from(digits).unwrap_or(MOST_DIGITS), 0).into()
            }
            _ => self.data_type,
        }
    }

    /// Whether every value has no fraction, as far as the form of the expression says so.
    pub(super) fn is_whole(&self) -> bool {
        use super::functions::Function::{Abs, Ceil, Floor, Round, Sign, Trunc};
        match (&self.kind, self.data_type) {
            (_, FieldType::BigInt | FieldType::Decimal { scale: 0, .. }) => true,
            (Kind::Literal(Scalar::Double(value)), _) => value.fract() == 0.0,
            (Kind::Literal(Scalar::Null), _) => true,
            (Kind::Cast { value, .. } | Kind::Negate(value), _) => {
                value.data_type.is_numeric() && value.is_whole()
            }
            (Kind::Call(Floor | Ceil | Trunc | Sign, _), _) => true,
            // With a number of digits, it is taken for DECIMAL and BIGINT only.
            (Kind::Call(Round, _), FieldType::Double) => true,
            (Kind::Call(Abs, arguments), _) => arguments.iter().all(Node::is_whole),
            (
                Kind::Case {
                    branches,
                    otherwise,
                },
                _,
            ) => {
                let results = branches.iter().map(|(_, result)| result);
                results.chain(otherwise.as_deref()).all(Node::is_whole)
            }
            (Kind::Coalesce(values) | Kind::Extreme(_, values), _) => {
                values.iter().all(Node::is_whole)
            }
            (Kind::NullIf { value, .. }, _) => value.is_whole(),
            _ => false,
        }
    }
}
