//! What is said of a range that was not made.

use std::time::Duration;

use super::{super::RescueError, *};
use crate::{
    audit::{RepairError, Unmade},
    kafka::KafkaError,
};

#[test]
fn only_what_the_topics_do_not_have_is_gone() {
    let out = || {
        Box::new(KafkaError::OutOfRange {
            topic: "results".to_owned(),
            partition: PARTITION,
            offset: at(10),
        })
    };
    let unmade = |error| RescueError::Make(error).unmade();
    let gone = unmade(RecalculateError::not_published(range(), "there are 3"));
    assert!(matches!(gone, Ok(Unmade::Gone(_))), "{gone:?}");
    let not = unmade(RecalculateError::not_taken(range(), "there is no topic"));
    assert!(matches!(not, Ok(Unmade::NotTaken(_))), "{not:?}");
    for error in [
        RecalculateError::Hidden {
            range: range(),
            hidden: "it".to_owned(),
        },
        RecalculateError::Published {
            range: range(),
            source: out(),
        },
        RecalculateError::NotInLog {
            needs: "it is damaged".to_owned(),
            range: range(),
            source: out(),
        },
        RecalculateError::TooMuch { range: range() },
        RecalculateError::NoEvents {
            needs: "it is damaged".to_owned(),
        },
    ] {
        let left = unmade(error);
        assert!(matches!(left, Ok(Unmade::Left(_))), "{left:?}");
    }
    // A broker that does not answer says nothing.
    let away = unmade(RecalculateError::Published {
        range: range(),
        source: Box::new(KafkaError::Idle {
            topic: "results".to_owned(),
            partition: PARTITION,
            range: range(),
            position: at(10),
            waited: Duration::from_secs(30),
            why: None,
        }),
    });
    assert!(matches!(away, Err(RepairError::Read(_))), "{away:?}");
}
