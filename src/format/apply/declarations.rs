//! What a manifest declares of the calculations of what it lists.

use std::collections::BTreeSet;

use super::super::{edit::ApplyError, manifest::Manifest};
use crate::calculation::{Declaration, Fingerprint};

/// What each fingerprint of the live segments and silent ranges stands for: as the base says, or as `declared` says.
pub fn declarations(
    manifest: &Manifest,
    declared: &[Declaration],
) -> Result<Vec<Declaration>, ApplyError> {
    let silent = manifest.silent.iter();
    let silent = silent.filter_map(|silent| silent.fingerprint.as_ref());
    let files = manifest.files().map(|segment| &segment.fingerprint);
    let of: BTreeSet<&Fingerprint> = files.chain(silent).collect();
    let known = || manifest.calculations.iter().chain(declared);
    let declarations = of.into_iter().map(|fingerprint| {
        let found = known().find(|known| known.fingerprint == *fingerprint);
        found.cloned().ok_or_else(|| ApplyError::Undeclared {
            what: bearer(manifest, fingerprint),
            fingerprint: fingerprint.clone(),
        })
    });
    declarations.collect()
}

/// The last silent range or file that has a fingerprint, for people.
fn bearer(manifest: &Manifest, fingerprint: &Fingerprint) -> String {
    let mut silent = manifest.silent.iter().rev();
    let silent = silent.find(|silent| silent.fingerprint.as_ref() == Some(fingerprint));
    let files = manifest
        .files()
        .filter(|one| one.fingerprint == *fingerprint);
    match (silent, files.last()) {
        (Some(silent), _) => format!("the silent range {}", silent.range),
        (None, file) => file.map(|file| file.path.to_string()).unwrap_or_default(),
    }
}
