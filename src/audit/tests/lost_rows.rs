//! A row that is gone from a file whose digest agrees.

use super::{
    fixture::{bind, chain, get, is_bad, layout, snapshot},
    forging::{history, replay, rewrite},
    rows::without,
};
use crate::{
    format::Edit,
    model::{Digest, Offset, Partition},
    query::{QueryError, lookup},
    store::Store,
};

#[tokio::test]
async fn a_lost_row_is_no_absent_offset_where_nothing_but_rejects_is_stored() {
    let store = Store::memory();
    let mut chain = chain(&store, 0).await;
    bind(&mut chain, 0).await;
    snapshot(&mut chain, 0, 21, |offset| !is_bad(offset)).await;
    let mut history = history(&store, 0).await;
    for (edit, _) in &mut history {
        let Edit::Append {
            segments, counts, ..
        } = edit
        else {
            continue;
        };
        let [rejects] = &mut segments[..] else {
            panic!("there are results")
        };
        let file = get(&store, &rejects.path).await;
        let (file, _) = rewrite(file, *counts, |batch| without(batch, 3));
        (rejects.bytes, rejects.digest) = (file.len() as u64, Digest::of(&file));
        store.put(&rejects.path, file).await.unwrap();
    }
    replay(&store, 0, history).await;
    let look = async |offset| {
        let offset = Offset::new(offset).unwrap();
        lookup(&store, &layout(), Partition(0), offset).await
    };
    for (offset, fate) in [(20, "reject"), (2, "absent")] {
        let found = serde_json::to_value(look(offset).await.unwrap()).unwrap();
        assert_eq!(found["fate"], fate, "{offset}");
    }
    let error = look(3).await.unwrap_err();
    let QueryError::Damaged { detail, .. } = &error else {
        panic!("{error}")
    };
    assert_eq!(detail, "it has no row of this offset, which is not absent");
}
