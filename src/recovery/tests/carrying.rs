//! What was published with another `--carry`.

use super::{resuming::counted_apart, *};

#[test]
fn what_was_published_with_another_carry_is_replayed_as_it_was_and_stored_first() {
    let fields = || crate::events::Fields::parse("number BIGINT NOT NULL").unwrap();
    let evaluator = |carry: &str| {
        let square = crate::calculation::builtin("square").unwrap();
        let evaluator = crate::calculation::Evaluator::new(fields(), square).unwrap();
        evaluator.with_carry(Carry::parse(carry).unwrap_or_default())
    };
    for (before, now) in [("key", ""), ("", "key"), ("timestamp", "key,timestamp")] {
        let (then, now) = (evaluator(before), evaluator(now));
        let mut facts = counted_apart(1_470, 10);
        facts.calculation = now.declaration();
        facts.carry_choices = now.carry_choices().clone();
        let Some(Authored::Ours(metadata)) = facts
            .committed
            .as_mut()
            .map(|committed| &mut committed.authored)
        else {
            panic!("a commit of ours")
        };
        metadata.fingerprint = then.fingerprint().clone();
        let limits = metadata.limits;
        let decision = plan(&facts, &Policy::default());
        let Plan::Replay(replay) = decision.plan else {
            panic!("{:?}", decision.plan)
        };
        assert_eq!(replay.carried, Some(then.carry()));
        assert_eq!(
            (replay.replaces.clone(), replay.limits),
            (None, Some(limits))
        );
        // It must give the same outcomes of each kind, and be stored before the next commit.
        assert!(matches!(replay.expected, Expected::OfEachKind(_)));
        assert!(replay.stores_first() && decision.commit.is_none());
        assert!(
            decision.notes[0].contains("as it is"),
            "{:?}",
            decision.notes
        );
        // The same fields of another calculation are another one, whatever is carried.
        facts.carry_choices = CarryChoices::default();
        let Plan::Replay(replay) = plan(&facts, &Policy::default()).plan else {
            panic!("a replay")
        };
        assert_eq!(replay.carried, None);
        assert!(replay.replaces.is_some());
    }
}
