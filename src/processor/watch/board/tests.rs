//! What is on the board, and when it goes away.

use super::*;

fn board() -> Board {
    Board::of(about(), 2, Stop::default())
}

/// A process about which nothing is known.
pub(in crate::processor) fn about() -> About {
    let text = String::new;
    About {
        version: text(),
        instance: text(),
        calculation: text(),
        condition: None,
        publish: None,
        carry: None,
        fields: text(),
        group: text(),
        events: text(),
        results: text(),
        rejects: text(),
        brokers: "kafka:9092".to_owned(),
        store: text(),
        memory: 0,
    }
}

fn moment(seconds: u64) -> Moment {
    Moment(Duration::from_secs(seconds))
}

fn reasons(board: &Board) -> Vec<Reason> {
    board.look().troubles.iter().map(|one| one.reason).collect()
}

#[test]
fn a_trouble_is_over_when_its_work_ends_or_says_so() {
    let board = board();
    let store = board.trouble(&[Partition(3)]);
    let broker = board.trouble(&[]);
    assert!(reasons(&board).is_empty());
    store.is(Reason::Store, "away");
    broker.is(Reason::Broker, "gone");
    assert_eq!(reasons(&board), [Reason::Store, Reason::Broker]);
    broker.is_over();
    assert_eq!(reasons(&board), [Reason::Store]);
    drop(store);
    assert!(reasons(&board).is_empty());
}

#[test]
fn a_trouble_keeps_its_beginning_while_its_reason_is_the_same() {
    let board = board();
    let trouble = board.trouble(&[]);
    trouble.is(Reason::Store, "first");
    let first = board.look().troubles[0].clone();
    std::thread::sleep(Duration::from_millis(2));
    trouble.is(Reason::Store, "second");
    let second = board.look().troubles[0].clone();
    assert_eq!(
        (second.since, second.text.as_str()),
        (first.since, "second")
    );
    trouble.is(Reason::Broker, "third");
    assert!(board.look().troubles[0].since > first.since);
}

#[test]
fn a_worker_is_seen_once_it_shows_itself() {
    let board = board();
    assert_eq!(board.look().workers, [None, None]);
    assert_eq!(board.look().ticks, [None, None]);
    let view = WorkerView {
        name: "one".to_owned(),
        ..WorkerView::default()
    };
    board.show(1, view);
    board.tick(1);
    let seen = board.look();
    assert_eq!(seen.workers[0], None);
    assert_eq!(
        seen.workers[1].as_ref().map(|one| one.name.as_str()),
        Some("one")
    );
    assert!(seen.ticks[1].is_some_and(|tick| tick <= seen.now));
}

#[test]
fn a_broker_that_does_not_answer_is_trouble_after_a_while_until_it_answers() {
    let mut contact = Contact::default();
    let trouble = |contact: &Contact, at| contact.trouble(moment(at), "kafka:9092");
    contact.asked = Some(moment(10));
    assert_eq!(trouble(&contact, 14), None);
    let silent = trouble(&contact, 16).unwrap();
    assert_eq!(silent.text, "no answer from Kafka at kafka:9092");
    contact.said = Some("connection refused".to_owned());
    let silent = trouble(&contact, 16).unwrap();
    assert!(silent.text.ends_with("kafka:9092: connection refused"));
    // It failed in the end, and again; both are one outage.
    contact.answered(Some("timed out".to_owned()), moment(40));
    contact.asked = Some(moment(42));
    contact.answered(Some("timed out again".to_owned()), moment(72));
    let failed = trouble(&contact, 73).unwrap();
    assert_eq!(
        (failed.since, failed.text.as_str()),
        (moment(10), "timed out again")
    );
    contact.asked = Some(moment(74));
    assert!(trouble(&contact, 75).is_some());
    contact.answered(None, moment(76));
    assert_eq!(trouble(&contact, 80), None);
}
