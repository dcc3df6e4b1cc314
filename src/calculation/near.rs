//! The name that somebody may have meant.

use crate::events::Identifier;

/// The name that is most like `wanted`, which is in lower case, as SQL writes it; `None` when none is like it.
pub(super) fn near<'n>(wanted: &str, names: impl Iterator<Item = &'n str>) -> Option<String> {
    names
        .map(|name| (strsim::osa_distance(&name.to_lowercase(), wanted), name))
        .min()
        .filter(|(distance, name)| *distance <= 2 && *distance < name.len())
        .map(|(_, name)| Identifier(name).to_string())
}
