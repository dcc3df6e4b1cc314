//! What is different, outcome by outcome.

use super::*;

#[tokio::test]
async fn both_values_of_every_difference_are_told_and_written_down() {
    let store = Store::memory();
    let old = evaluator(AB, "square(a)");
    let mut chain = bind(&store, &old).await;
    let payloads = [
        r#"{"a":2,"b":3}"#,
        r#"{"a":5}"#,
        r#"{"b":6}"#,
        r#"{"a":1,"b":1}"#,
        "no JSON",
    ];
    snapshot(&mut chain, &old, &payloads).await;
    let now = evaluator(AB, "square(b)");
    let chain = chain_of(&store, 0, &now).await;
    let recalculator = recalculator(now);
    let newest = chain.newest().unwrap();
    let listed = crate::format::Listed::open_list_of(newest);
    let range = outdated(&listed, &recalculator.evaluator.declaration(), None).remove(0);
    let repair = recalculator.recalculate(&chain, &range).await.unwrap();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("differences.parquet");
    let mut file = DifferencesFile::create(&path).unwrap();
    let mut found = Vec::new();
    each_difference("events", Partition(0), repair.files(), |one| {
        found.push((one.offset, one.was.clone(), one.is.clone()));
        Ok(file.add(Partition(0), one)?)
    })
    .unwrap();
    file.close().unwrap();
    let [first, second, third] = &found[..] else {
        panic!("{found:?}")
    };
    let result =
        |a: &str, b: &str, result: &str| format!("{{\"a\":{a},\"b\":{b},\"result\":{result}}}");
    let both = |a, b, was, is| (result(a, b, was), result(a, b, is));
    let (was, is) = both("2", "3", "4", "9");
    assert_eq!(*first, (0, was, is));
    let (was, is) = both("5", "null", "25", "null");
    assert_eq!(*second, (1, was, is));
    let (was, is) = both("null", "6", "null", "36");
    assert_eq!(*third, (2, was, is));
    let bytes = bytes::Bytes::from(std::fs::read(&path).unwrap());
    let builder = parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder::try_new(bytes);
    let rows = builder.unwrap().build().unwrap().next().unwrap().unwrap();
    assert_eq!(text(&rows, "kafka_offset"), ["0", "1", "2"]);
    assert_eq!(text(&rows, "was")[0], first.1);
    assert_eq!(text(&rows, "is")[2], third.2);
}
