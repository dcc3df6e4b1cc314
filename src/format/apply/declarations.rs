//! What a manifest declares of the calculations of what it lists.

use std::collections::BTreeSet;

use super::super::{edit::ApplyError, manifest::Manifest};
use crate::calculation::{Declaration, Fingerprint};

/// What each fingerprint of the live segments and silent ranges, those in pages among them, stands for: as the base says, or as
/// `declared` says.
pub fn declarations(
    manifest: &Manifest,
    declared: &[Declaration],
) -> Result<Vec<Declaration>, ApplyError> {
    let silent = manifest.open.silent.iter();
    let silent = silent.filter_map(|silent| silent.fingerprint.as_ref());
    let files = manifest.open.files().map(|segment| &segment.fingerprint);
    let of_pages = manifest.pages.iter().flat_map(|page| page.results.keys());
    let of: BTreeSet<&Fingerprint> = files.chain(silent).chain(of_pages).collect();
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

/// The last silent range, file or page that has a fingerprint, for people.
fn bearer(manifest: &Manifest, fingerprint: &Fingerprint) -> String {
    let mut silent = manifest.open.silent.iter().rev();
    if let Some(silent) = silent.find(|silent| silent.fingerprint.as_ref() == Some(fingerprint)) {
        return format!("the silent range {}", silent.range);
    }
    let files = manifest.open.files();
    let files = files.filter(|one| one.fingerprint == *fingerprint);
    let pages = manifest.pages.iter();
    let mut pages = pages.filter(|page| page.results.contains_key(fingerprint));
    let path = files.last().map(|file| &file.path);
    let path = path.or_else(|| Some(&pages.next_back()?.path));
    path.map(ToString::to_string).unwrap_or_default()
}
