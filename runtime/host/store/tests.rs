use super::*;
use std::collections::BTreeMap;

fn content(store: &Store) -> BTreeMap<Vec<u8>, Vec<u8>> {
    store.rows().unwrap().map(|row| row.map(|(key, value)| (key.to_vec(), value.to_vec())).unwrap()).collect()
}

fn batch(changes: &[(&str, Option<&str>)]) -> Batch {
    let mut batch = Batch::default();
    for (key, value) in changes {
        match value {
            Some(value) => batch.put(key, value),
            None => batch.delete(key),
        }
    }
    batch
}

#[test]
fn what_was_appended_is_there_after_opening_again() {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(folder.path().join("a.store")).unwrap();
    store.append(batch(&[("a", Some("1")), ("b", Some("2"))])).unwrap();
    store.append(batch(&[("a", None), ("c", Some("3")), ("c", Some("4"))])).unwrap();
    let expected = BTreeMap::from([(b"b".to_vec(), b"2".to_vec()), (b"c".to_vec(), b"4".to_vec())]);
    assert_eq!(content(&store), expected);
    drop(store);
    assert_eq!(content(&Store::open(folder.path().join("a.store")).unwrap()), expected);
}

#[test]
fn a_folder_that_cannot_be_made_is_named() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("file"), "").unwrap();
    let error = Store::open(folder.path().join("file/tsa.db.store")).unwrap_err().to_string();
    assert!(error.starts_with("cannot open the store in `"), "{error}");
    assert!(error.contains("file/tsa.db.store`: "), "{error}");
    assert!(!error.contains("FjallError"), "{error}");
}

#[test]
fn two_cannot_have_it_open() {
    let folder = tempfile::tempdir().unwrap();
    let _store = Store::open(folder.path()).unwrap();
    let error = Store::open(folder.path()).unwrap_err().to_string();
    assert!(error.ends_with("another process has it open"), "{error}");
}

#[tokio::test]
async fn d2_what_is_appended_is_synced_within_100_ms() {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(folder.path()).unwrap();
    let attending = tokio::spawn({
        let store = store.clone();
        async move { store.attend(&Clock::system(), false).await }
    });
    let began = std::time::Instant::now();
    let number = store.append(batch(&[("a", Some("1"))])).unwrap();
    assert!(*store.0.synced.borrow() < number);
    store.synced(number).await.unwrap();
    assert!(began.elapsed() >= GATHER, "it gathers first");
    attending.abort();
}

#[tokio::test(start_paused = true)]
async fn d2_group_commit_syncs_before_it_answers() {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(folder.path()).unwrap();
    let attending = tokio::spawn({
        let store = store.clone();
        async move { store.attend(&Clock::system(), true).await }
    });
    let began = tokio::time::Instant::now();
    let waiting = (0..20).map(|n| {
        let store = store.clone();
        async move {
            let number = store.append(batch(&[(&n.to_string(), Some("x"))])).unwrap();
            store.synced(number).await.unwrap();
        }
    });
    futures_util::future::join_all(waiting).await;
    assert_eq!(began.elapsed(), Duration::ZERO, "no gathering");
    assert_eq!(*store.0.synced.borrow(), 20);
    attending.abort();
}

#[test]
fn d3_a_failed_batch_is_undone_when_the_store_opens_again() {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(folder.path()).unwrap();
    store.append(batch(&[("a", Some("1"))])).unwrap();
    // As if a batch had failed after it reached the journal.
    store.append(batch(&[("a", Some("half done")), ("b", Some("half done"))])).unwrap();
    store.lock().go_down("disk full".to_owned(), batch(&[("a", Some("1")), ("b", None)]));
    let refused = store.append(batch(&[("c", Some("3"))])).unwrap_err();
    assert!(matches!(refused, Error::Down { .. }), "{refused}");
    store.reopen().unwrap();
    assert_eq!(content(&store), BTreeMap::from([(b"a".to_vec(), b"1".to_vec())]));
    store.append(batch(&[("c", Some("3"))])).unwrap();
    assert_eq!(content(&store).len(), 2);
}
