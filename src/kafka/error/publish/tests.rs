use super::*;

fn failure(code: Code, fatal: bool, retriable: bool, requires_abort: bool) -> Failure {
    Failure {
        code,
        text: code.to_string(),
        fatal,
        retriable,
        requires_abort,
    }
}

#[test]
fn a_failure_of_the_transaction_protocol_says_what_to_do_next() {
    for (code, fatal, retriable, abort, expected) in [
        (
            Code::OperationTimedOut,
            false,
            true,
            false,
            Disposition::Retry,
        ),
        (
            Code::ConcurrentTransactions,
            false,
            true,
            false,
            Disposition::Retry,
        ),
        (
            Code::UnknownMemberId,
            false,
            false,
            true,
            Disposition::Abort,
        ),
        (
            Code::OffsetMetadataTooLarge,
            false,
            false,
            true,
            Disposition::Abort,
        ),
        (
            Code::MessageSizeTooLarge,
            false,
            false,
            true,
            Disposition::Abort,
        ),
        (Code::Fenced, true, false, false, Disposition::Rebuild),
        (Code::Fenced, true, true, true, Disposition::Rebuild),
        (Code::State, false, false, false, Disposition::Rebuild),
        (Code::Conflict, false, false, false, Disposition::Rebuild),
        (
            Code::TopicAuthorizationFailed,
            false,
            false,
            true,
            Disposition::Fatal,
        ),
        (
            Code::TransactionalIdAuthorizationFailed,
            true,
            false,
            false,
            Disposition::Fatal,
        ),
        (
            Code::UnknownTopicOrPartition,
            false,
            false,
            true,
            Disposition::Fatal,
        ),
    ] {
        let found = disposition(&failure(code, fatal, retriable, abort));
        assert_eq!(found, expected, "{code:?}");
    }
}

#[test]
fn a_group_that_has_moved_on_refuses_nothing_in_either_delivery() {
    for code in [
        Code::IllegalGeneration,
        Code::UnknownMemberId,
        Code::RebalanceInProgress,
        Code::FencedInstanceId,
        Code::StaleMemberEpoch,
    ] {
        let exactly_once = PublishError::Transaction {
            publisher: "p".into(),
            doing: "add offsets to the transaction",
            why: None,
            source: failure(code, false, false, true),
        };
        let at_least_once = PublishError::from(KafkaError::Call {
            doing: "commit offsets".into(),
            why: None,
            source: failure(code, false, false, false),
        });
        for error in [exactly_once, at_least_once] {
            assert!(error.has_group_moved_on(), "{error}");
            assert_eq!(error.disposition(), Disposition::Abort, "{error}");
            assert!(!error.is_outage() && !error.needs_a_person(), "{error}");
        }
    }
    let away = PublishError::from(KafkaError::NotAMember { group: "g".into() });
    assert!(away.has_group_moved_on() && away.disposition() == Disposition::Abort);
    let refused = PublishError::from(KafkaError::Call {
        doing: "commit offsets".into(),
        why: None,
        source: failure(Code::OffsetMetadataTooLarge, false, false, false),
    });
    assert!(!refused.has_group_moved_on() && refused.disposition() == Disposition::Fatal);
}

#[test]
fn a_refused_message_is_never_simply_sent_again() {
    for (code, fatal, expected) in [
        (Code::MessageSizeTooLarge, false, Disposition::Abort),
        (Code::MessageTimedOut, false, Disposition::Abort),
        (Code::PurgeQueue, false, Disposition::Abort),
        (Code::InvalidProducerEpoch, false, Disposition::Rebuild),
        (Code::Fatal, true, Disposition::Rebuild),
        (Code::UnknownPartition, false, Disposition::Fatal),
    ] {
        let error = PublishError::Refused {
            publisher: "p".into(),
            topic: "t".into(),
            partition: 0,
            source: failure(code, fatal, false, false),
        };
        assert_eq!(error.disposition(), expected, "{code:?}");
    }
}
