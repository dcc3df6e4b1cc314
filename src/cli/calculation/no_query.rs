//! Why there is no query.

/// No engine computes the calculation.
#[derive(Debug, thiserror::Error)]
#[error(
    "{0} is not a SQL expression that DuckDB and Spark both compute; `snapback verify` proves its results"
)]
pub struct NoQuery(pub String);
