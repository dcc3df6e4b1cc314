//! Why there is no query.

/// No engine computes the calculation, or only by a text that is too long.
#[derive(Debug, thiserror::Error)]
#[error(
    "{0} is not a SQL expression that DuckDB and Spark both compute, or has a text of more than 1 MiB there; `snapback verify` proves its results"
)]
pub struct NoQuery(pub String);
