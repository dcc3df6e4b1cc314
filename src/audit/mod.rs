//! stub
use std::{sync::Arc, time::Duration};
use crate::{calculation::{Calculation, Fields}, snapshot::Segment, store::Store};
/// f
#[derive(Debug)]
pub struct Finding;
impl std::fmt::Display for Finding { fn fmt(&self, _f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result { Ok(()) } }
/// c
pub struct Checked { /// c
 pub checked: usize, /// f
 pub findings: Vec<Finding> }
/// c
pub async fn check_segments(_s: &Store, _f: &Fields, _c: &Arc<dyn Calculation>, segments: Vec<Segment>, _l: Duration) -> Checked { Checked { checked: segments.len(), findings: Vec::new() } }
