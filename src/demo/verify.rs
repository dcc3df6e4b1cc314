//! The audit, as the demo's last check.

use crate::{
    audit::{self, AuditError, Finding, Level, Options},
    calculation::builtin,
    events::Fields,
    format::Layout,
    store::Store,
};

/// What `snapback verify` finds wrong. An audit that could not be made has found something, too.
pub(super) async fn findings(store: &Store, layout: &Layout) -> Vec<String> {
    match verified(store, layout).await {
        Ok(findings) => findings,
        Err(error) => vec![error.to_string()],
    }
}

async fn verified(store: &Store, layout: &Layout) -> Result<Vec<String>, AuditError> {
    let fields = Fields::default();
    let calculation = builtin("square")?;
    let options = Options::default();
    let report = audit::verify(
        store,
        layout,
        Level::Semantic,
        &fields,
        &calculation,
        &options,
        &|_| {},
    );
    let findings = report.await?.findings;
    let damage = findings.iter().filter(|finding| finding.is_damage());
    Ok(damage.map(Finding::to_string).collect())
}
