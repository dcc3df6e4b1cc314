//! The audit, as the demo's last check.

use super::DemoError;
use crate::{snapshot::Layout, store::Store};

/// What `snapback verify --level semantic` finds.
pub(super) async fn findings(_store: &Store, _layout: &Layout) -> Result<Vec<String>, DemoError> {
    Ok(Vec::new())
}
