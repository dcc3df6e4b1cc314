//! Points on the way of history that is made another: corrected, recalculated, given up, made pages of, collected.

use snapback::failpoint::Point;

use super::super::scene::Scene;
use crate::a_long_history;
use crate::corrections;
use crate::outside::{LIMIT, Pipeline};
use crate::pages;
use crate::recalculation;
use crate::repair;
use crate::support::eventually;

/// What is published and not stored comes from an older calculation.
pub(super) fn correcting(scene: &mut Scene, point: Point) {
    scene.becomes(corrections::crashed, corrections::check_corrected);
    scene.flags.extend(corrections::DOUBLE.map(str::to_owned));
    let life = scene.life();
    scene.dies_at(point, 0, life, |_, _| {});
}

/// Stored history is brought under another calculation.
pub(super) fn recalculating(scene: &mut Scene, point: Point) {
    old_history(scene);
    let life = scene.life();
    scene.dies_at(point, 2, life, |_, _| {});
}

pub(super) fn old_history(scene: &mut Scene) {
    scene.becomes(recalculation::history, recalculation::check_recalculated);
    scene.flags.extend(recalculation::NEW.map(str::to_owned));
    scene
        .flags
        .extend(recalculation::RECALCULATE.map(str::to_owned));
}

/// A process is suspended between the new segments of a range and their manifest; another takes over, and appends first:
/// something else, or the same range.
pub(super) fn recalculating_too_late(scene: &mut Scene, point: Point) {
    old_history(scene);
    let actions = format!("repair-put=1*sleep(3000);{}=return", point.name());
    let mut suspended = scene.life().env("FAILPOINTS", actions).spawn();
    let segments = recalculation::SEGMENTS;
    eventually(LIMIT, "new segments without a manifest", || {
        let put = scene.objects("corrections/partition=0");
        let there = scene.objects("results/partition=0").len() > segments;
        (there && !put.is_empty()).then_some(())
    });
    suspended.signal(libc::SIGSTOP);
    scene.pipeline.send(0, recalculation::EVENTS);
    let flags = scene.flags.clone();
    if point == Point::RepairLost {
        // The successor leaves the range as it is.
        let setting = scene.flags.iter_mut().find(|flag| *flag == "recalculate");
        *setting.expect("the setting") = "keep".to_owned();
    }
    scene.life_to_end().run().expect_code(0);
    scene.flags = flags;
    suspended.signal(libc::SIGCONT);
    scene.died_at(point, suspended, &mut |_, _| {});
}

/// A processor makes a page of segments that nothing joins any more.
pub(super) fn sealing(scene: &mut Scene, point: Point) {
    scene.becomes(pages::closed_segments, pages::check);
    let life = scene.life();
    scene.dies_at(point, 0, life, |scene, _| pages::feed(&scene.pipeline));
}

/// A segment of a page is damaged, and `repair` is about to change the page.
pub(super) fn reopening(scene: &mut Scene, point: Point) {
    scene.becomes(pages::one_page, pages::check);
    let segment = scene.objects("results/partition=0").remove(1);
    scene.damage(&segment);
    let repair = pages::repair(&scene.pipeline);
    scene.dies_at(point, 0, repair, |_, _| {});
    pages::repair(&scene.pipeline).run().expect_code(0);
}

/// A history that is old and at rest, of which `gc` dies.
pub(super) fn collecting(scene: &mut Scene, point: Point) {
    scene.becomes(
        a_long_history::with_something_of_everything,
        Pipeline::check,
    );
    let gc = a_long_history::gc(&scene.pipeline, &["--apply"]);
    scene.dies_at(point, 0, gc, |_, _| {});
}

/// A range whose events are partly gone is recorded as lost by a command that dies; once more, it makes the rest again.
pub(super) fn giving_up(scene: &mut Scene, point: Point) {
    scene.becomes(
        repair::losses::with_a_range_that_is_gone,
        repair::losses::check,
    );
    let accepting = repair::losses::accepting(&scene.pipeline);
    scene.dies_at(point, 0, accepting, |_, _| {});
    let again = repair::losses::accepting(&scene.pipeline).run();
    // It has found files that the first one had not moved away yet.
    let again = again.expect_code(1);
    assert!(
        again.stdout.contains(
            r#""lost":[{"partition":0,"start":0,"end":20,"kept":{"start":20,"end":40}}]"#
        ),
        "{again:?}"
    );
}
