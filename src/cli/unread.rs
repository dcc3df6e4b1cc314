//! What could not be read, for people.

use super::out::shown;
use crate::audit::Unread;

/// What could not be read, and so was not checked.
pub(super) fn unread_text(unread: &Unread) -> String {
    format!(
        "could not be checked: {}, partition {}, offsets {}-{}\n  {}\n  {}\n",
        shown(&unread.topic),
        unread.partition,
        unread.start,
        unread.end,
        shown(&unread.detail),
        shown(&unread.remedy)
    )
}
