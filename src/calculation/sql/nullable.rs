//! Whether an expression can be NULL at all.

use arrow_schema::Schema;

use super::{
    functions::Function,
    tree::{Kind, Node, Scalar},
};

/// Whether the expression is NULL for some row, as far as its form says so: never `false` where a row can be NULL.
pub(super) fn is_nullable(node: &Node, fields: &Schema) -> bool {
    let nullable = |node: &Node| is_nullable(node, fields);
    match &node.kind {
        Kind::Null | Kind::Literal(Scalar::Null) | Kind::NullIf { .. } => true,
        Kind::Literal(_) | Kind::Is { .. } | Kind::Distinct { .. } => false,
        Kind::Field(index) => fields.field(*index).is_nullable(),
        Kind::Cast { value, .. }
        | Kind::Negate(value)
        | Kind::Not(value)
        | Kind::Shift { value, .. } => nullable(value),
        Kind::Arithmetic(_, left, right)
        | Kind::Compare(_, left, right)
        | Kind::And(left, right)
        | Kind::Or(left, right)
        | Kind::Concatenation(left, right) => nullable(left) || nullable(right),
        Kind::Like { value, pattern, .. } => nullable(value) || nullable(pattern),
        Kind::In { value, list, .. } => nullable(value) || list.iter().any(nullable),
        Kind::Between {
            value, low, high, ..
        } => [value, low, high].into_iter().any(|node| nullable(node)),
        Kind::Case {
            branches,
            otherwise,
        } => {
            let result = |(_, result): &(Node, Node)| nullable(result);
            otherwise.as_deref().is_none_or(nullable) || branches.iter().any(result)
        }
        // NULL only where all of them are.
        Kind::Coalesce(values) | Kind::Extreme(_, values) => values.iter().all(nullable),
        // There may be nothing at the path.
        Kind::Call(Function::JsonExtractString, _) => true,
        // No other function makes NULL of what is not.
        Kind::Call(_, arguments) => arguments.iter().any(nullable),
    }
}
