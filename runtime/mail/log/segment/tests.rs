use super::*;

const LIMITS: Limits = Limits { max_file_bytes: 1_000, max_age: Some(Duration::from_secs(10)), compression_level: 0 };

fn now(seconds: u64) -> Now {
    Now { time: Time::from_secs(1_769_860_800).after(Duration::from_secs(seconds)), instant: Instant::now() }
}

fn line(text: &str) -> Line {
    Line { place: 0, bytes: format!("{text}\n").into_bytes(), taken: 0 }
}

fn place(folder: &Path) -> Place {
    Place { folder: folder.to_owned(), ..Place::default() }
}

fn files(folder: &Path) -> Vec<(String, bool, io::Result<String>)> {
    let mut found: Vec<_> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| {
            let path = entry.unwrap().path();
            let text = zstd::decode_all(File::open(&path).unwrap()).map(|bytes| String::from_utf8(bytes).unwrap());
            let closed = fs::metadata(&path).unwrap().permissions().readonly();
            (path.file_name().unwrap().to_str().unwrap().to_owned(), closed, text)
        })
        .collect();
    found.sort_by(|a, b| a.0.cmp(&b.0));
    found
}

#[tokio::test(start_paused = true)]
async fn a_file_comes_with_its_first_line_and_is_closed_when_it_is_old() {
    let folder = tempfile::tempdir().unwrap();
    let header = Some(b"id,code\n".to_vec());
    let mut segments = Segments::new(vec![Place { suffix: "_x".to_owned(), header, ..place(folder.path()) }], LIMITS);
    segments.prepare().unwrap();
    assert!(files(folder.path()).is_empty());
    assert_eq!(segments.due(), None);
    segments.write(&mut line("one"), now(0)).unwrap();
    assert_eq!(files(folder.path())[0].0, "20260131-120000.000000_x");
    assert_eq!(segments.due(), Some(Instant::now() + FLUSH));
    tokio::time::advance(FLUSH).await;
    segments.tend(Instant::now()).unwrap();
    assert_eq!(segments.due(), Some(Instant::now() + Duration::from_secs(9)));
    tokio::time::advance(Duration::from_secs(9)).await;
    segments.tend(Instant::now()).unwrap();
    let found = files(folder.path());
    assert_eq!((found[0].1, found[0].2.as_deref().unwrap()), (true, "id,code\none\n"));
    segments.write(&mut line("two"), now(0)).unwrap();
    segments.close().unwrap();
    let found = files(folder.path());
    assert_eq!(found[1].0, "20260131-120000.000001_x", "names that are taken are passed over");
    assert_eq!((found[1].1, found[1].2.as_deref().unwrap()), (true, "id,code\ntwo\n"));
}

#[tokio::test(start_paused = true)]
async fn a_large_file_is_closed_at_once() {
    let folder = tempfile::tempdir().unwrap();
    let mut segments = Segments::new(vec![place(folder.path())], Limits { max_file_bytes: 1, ..LIMITS });
    for text in ["a", "b", "c"] {
        segments.write(&mut line(text), now(0)).unwrap();
    }
    let texts: Vec<_> = files(folder.path()).into_iter().map(|(_, closed, text)| (closed, text.unwrap())).collect();
    assert_eq!(texts, [(true, "a\n".to_owned()), (true, "b\n".to_owned()), (true, "c\n".to_owned())]);
    assert_eq!(segments.due(), None);
}

#[test]
fn what_another_process_left_open_is_closed() {
    let folder = tempfile::tempdir().unwrap();
    for name in ["20260131-115959.999999", "20260131-115959.9_y", "notes.txt"] {
        fs::write(folder.path().join(name), "").unwrap();
    }
    Segments::new(vec![place(folder.path())], LIMITS).prepare().unwrap();
    let closed: Vec<_> = files(folder.path()).into_iter().map(|(name, closed, _)| (name, closed)).collect();
    let expected = [("20260131-115959.999999", true), ("20260131-115959.9_y", false), ("notes.txt", false)];
    assert_eq!(closed, expected.map(|(name, closed)| (name.to_owned(), closed)));
}

#[tokio::test(start_paused = true)]
async fn a_full_disk_loses_nothing() {
    let folder = tempfile::tempdir().unwrap();
    // Every write to it fails for want of room.
    let full = folder.path().join("20260131-120000.000000");
    let mut segments = Segments::new(vec![place(folder.path())], LIMITS);
    segments.open[0] = Some(Segment {
        path: full.clone(),
        encoder: Encoder::new(OpenOptions::new().write(true).open("/dev/full").unwrap(), 0).unwrap(),
        bytes: 0,
        since: Instant::now(),
        dirty: None,
        header: Vec::new(),
    });
    let mut first = line("first");
    segments.write(&mut first, now(0)).unwrap();
    assert_eq!(first.taken, 6, "compressed, and not yet written");
    tokio::time::advance(FLUSH).await;
    for _ in 0..3 {
        assert_eq!(segments.tend(Instant::now()).unwrap_err().kind(), io::ErrorKind::StorageFull);
    }
    // There is room again.
    let file = File::create(&full).unwrap();
    *segments.open[0].as_mut().unwrap().encoder.get_mut() = file;
    segments.tend(Instant::now()).unwrap();
    segments.write(&mut line("second"), now(0)).unwrap();
    segments.close().unwrap();
    assert_eq!(files(folder.path())[0].2.as_deref().unwrap(), "first\nsecond\n");
}
