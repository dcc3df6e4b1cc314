use super::*;

fn pipeline() -> Pipeline {
    Pipeline {
        cluster_id: Some("cluster".into()),
        group: "recalc_group".into(),
        events_topic: "events".into(),
        events_topic_id: Some("topic".into()),
        events_partitions: None,
        results_topic: "results".into(),
        results_partitions: 1,
    }
}

#[test]
fn only_the_stores_own_cluster_can_say_that_its_topic_is_no_more() {
    let of = |cluster: Option<&str>, topic: Option<Option<&str>>| {
        let topic = topic.map(|id| id.map(str::to_owned));
        let compared = compare(&pipeline(), cluster.map(str::to_owned), topic);
        compared.err().map(|error| error.is_gone())
    };
    assert_eq!(of(Some("cluster"), Some(Some("topic"))), None);
    assert_eq!(of(None, Some(None)), None);
    assert_eq!(of(Some("cluster"), Some(Some("another"))), Some(true));
    assert_eq!(of(Some("cluster"), None), Some(true));
    assert_eq!(of(Some("another"), Some(Some("another"))), Some(false));
    assert_eq!(of(Some("another"), None), Some(false));
    assert_eq!(of(None, Some(Some("another"))), Some(false));
    assert_eq!(of(None, None), Some(false));
}

#[test]
fn a_topic_that_one_answer_does_not_know_is_there() {
    let mut answers = vec![Some("it"), None];
    let said = said_again(|| Ok::<_, ()>(answers.pop().expect("asked no more")));
    assert_eq!(said, Ok(Some("it")));
    assert_eq!(said_again(|| Err::<Option<()>, _>("away")), Err("away"));
}
