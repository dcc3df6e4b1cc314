//! How operations bind, for printing them.

use super::tree::{Arithmetic, Kind, Node};

/// Operations that are read from left to right.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Binding {
    Or,
    And,
    Sum,
    Product,
    Concatenation,
}

impl Binding {
    pub(super) fn of(node: &Node) -> Option<Binding> {
        match &node.kind {
            Kind::Or(..) => Some(Binding::Or),
            Kind::And(..) => Some(Binding::And),
            Kind::Arithmetic(op, ..) => Some(Binding::of_arithmetic(*op)),
            Kind::Concatenation(..) => Some(Binding::Concatenation),
            Kind::Cast { value, written } if !written => Binding::of(value),
            _ => None,
        }
    }

    pub(super) fn of_arithmetic(op: Arithmetic) -> Binding {
        match op {
            Arithmetic::Add | Arithmetic::Subtract => Binding::Sum,
            _ => Binding::Product,
        }
    }
}
