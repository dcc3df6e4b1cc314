//! Kafka's answers by what follows from them.

use rdkafka::error::RDKafkaErrorCode as Code;

/// Answers that refuse who we are, or what we may do.
pub(super) fn is_denied(code: Code) -> bool {
    is_definite(code)
        || matches!(
            code,
            Code::TopicAuthorizationFailed
                | Code::GroupAuthorizationFailed
                | Code::ClusterAuthorizationFailed
                | Code::TransactionalIdAuthorizationFailed
                | Code::UnsupportedSASLMechanism
        )
}

/// Answers of a group's coordinator to a member that it will not take in.
pub(super) fn is_refusal(code: Code) -> bool {
    matches!(
        code,
        Code::InvalidSessionTimeout | Code::GroupAuthorizationFailed | Code::InvalidGroupId
    )
}

/// Answers that waiting does not change.
pub(super) fn is_definite(code: Code) -> bool {
    matches!(
        code,
        Code::Authentication | Code::SSL | Code::SaslAuthenticationFailed
    )
}

/// Answers of a group that has moved on: it divides its partitions anew, or has given this member up. They refuse nothing
/// of what was to be committed; the group itself tells what follows.
pub(super) fn is_membership(code: Code) -> bool {
    matches!(
        code,
        Code::IllegalGeneration
            | Code::UnknownMemberId
            | Code::RebalanceInProgress
            | Code::MemberIdRequired
            | Code::FencedInstanceId
            | Code::FencedMemberEpoch
            | Code::StaleMemberEpoch
            | Code::UnreleasedInstanceId
            | Code::AssignmentLost
    )
}

/// Answers that are about the network or a broker that is moving.
pub(super) fn is_passing(code: Code) -> bool {
    matches!(
        code,
        Code::BrokerTransportFailure
            | Code::AllBrokersDown
            | Code::Resolve
            | Code::OperationTimedOut
            | Code::RequestTimedOut
            | Code::WaitingForCoordinator
            | Code::NotCoordinator
            | Code::CoordinatorNotAvailable
            | Code::CoordinatorLoadInProgress
            | Code::NotLeaderForPartition
            | Code::LeaderNotAvailable
            | Code::NetworkException
    )
}
