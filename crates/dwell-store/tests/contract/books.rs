//! The contract of books. Each test is a function of books, and runs on all of them.

use dwell_store::{Books, BooksOptions, Changes, DiskBooks, MemoryBooks, Offset, StoreError};
use proptest::prelude::*;

const SMALL: BooksOptions = BooksOptions { cache_bytes: 1 << 20, buffer_bytes: 16 << 10 };

fn each(test: fn(&dyn Books)) {
    test(&MemoryBooks::new());
    let folder = tempfile::tempdir().unwrap();
    test(&DiskBooks::open(folder.path(), SMALL).unwrap());
}

fn put(books: &dyn Books, offset: u64, entries: &[(&str, &str)]) {
    let mut changes = Changes::up_to(Offset::new(offset));
    for (key, value) in entries {
        changes.put(*key, *value);
    }
    books.commit(&changes).unwrap();
}

fn load(books: &dyn Books, key: &str) -> Option<String> {
    let found = books.load(&[key.as_bytes()]).unwrap().remove(0);
    found.map(|value| String::from_utf8(value).unwrap())
}

fn scan(books: &dyn Books, prefix: &str, after: Option<&str>, most: usize) -> Vec<String> {
    let found = books.scan(prefix.as_bytes(), after.map(str::as_bytes), most).unwrap();
    found.into_iter().map(|(key, _)| String::from_utf8(key).unwrap()).collect()
}

#[test]
fn empty_books_begin_at_zero() {
    each(|books| {
        assert_eq!(books.offset(), Offset::ZERO);
        assert_eq!(load(books, "ada"), None);
        assert_eq!(scan(books, "", None, 10), [""; 0]);
        assert_eq!(books.sync().unwrap(), Offset::ZERO);
    });
}

#[test]
fn a_commit_puts_deletes_and_moves_the_offset() {
    each(|books| {
        put(books, 3, &[("ada", "1"), ("bob", "2")]);
        let mut changes = Changes::up_to(Offset::new(5));
        changes.put("ada", "3");
        changes.delete("bob");
        changes.delete("nobody");
        assert_eq!((changes.len(), changes.is_empty()), (3, false));
        books.commit(&changes).unwrap();
        let loaded = books.load(&[b"bob", b"ada", b"ada"]).unwrap();
        assert_eq!(loaded, [None, Some(b"3".to_vec()), Some(b"3".to_vec())]);
        assert_eq!(books.offset(), Offset::new(5));
        assert_eq!(books.sync().unwrap(), Offset::new(5));
    });
}

#[test]
fn of_one_key_the_later_write_counts() {
    each(|books| {
        let mut changes = Changes::up_to(Offset::new(1));
        changes.put("a", "1");
        changes.delete("a");
        changes.delete("b");
        changes.put("b", "1");
        changes.put("c", "1");
        changes.put("c", "2");
        books.commit(&changes).unwrap();
        assert_eq!((load(books, "a"), load(books, "b"), load(books, "c")), (None, Some("1".into()), Some("2".into())));
    });
}

#[test]
fn an_offset_never_falls_and_a_refused_commit_changes_nothing() {
    each(|books| {
        put(books, 7, &[("ada", "1")]);
        let mut changes = Changes::up_to(Offset::new(6));
        changes.put("ada", "2");
        assert!(matches!(books.commit(&changes), Err(StoreError::Backwards { .. })));
        let mut changes = Changes::up_to(Offset::new(8));
        changes.put("ada", "2");
        changes.put(vec![b'k'; 40_000], "2");
        assert!(matches!(books.commit(&changes), Err(StoreError::Option { .. })));
        assert_eq!((load(books, "ada"), books.offset()), (Some("1".into()), Offset::new(7)));
        put(books, 7, &[("ada", "3")]);
        assert_eq!(load(books, "ada"), Some("3".into()));
    });
}

#[test]
fn scans_are_in_order_by_prefix_and_page_by_page() {
    each(|books| {
        put(books, 1, &[("u/b", ""), ("u/a", ""), ("u", ""), ("t/z", ""), ("u/c", ""), ("v", ""), ("", "empty")]);
        assert_eq!(scan(books, "u/", None, 10), ["u/a", "u/b", "u/c"]);
        assert_eq!(scan(books, "u/", None, 2), ["u/a", "u/b"]);
        assert_eq!(scan(books, "u/", Some("u/b"), 2), ["u/c"]);
        assert_eq!(scan(books, "u/", Some("u/aa"), 2), ["u/b", "u/c"]);
        assert_eq!(scan(books, "u/", Some("u/c"), 2), [""; 0]);
        assert_eq!(scan(books, "u/", Some("a"), 1), ["u/a"]);
        assert_eq!(scan(books, "", None, 100), ["", "t/z", "u", "u/a", "u/b", "u/c", "v"]);
        assert_eq!(scan(books, "u/", None, 0), [""; 0]);
    });
}

#[test]
fn keys_are_bytes_and_the_greatest_prefix_ends() {
    each(|books| {
        let mut changes = Changes::up_to(Offset::new(1));
        changes.put([0xff, 0xff], "1");
        changes.put([0xff, 0xff, 0x00], "2");
        changes.put([0xff], "3");
        changes.put([0x00], "4");
        books.commit(&changes).unwrap();
        let found = books.scan(&[0xff, 0xff], None, 10).unwrap();
        assert_eq!(found.len(), 2);
    });
}

#[test]
fn books_on_disk_are_the_same_after_opening_again() {
    let folder = tempfile::tempdir().unwrap();
    let books = DiskBooks::open(folder.path(), SMALL).unwrap();
    put(&books, 4, &[("ada", "1")]);
    assert!(matches!(DiskBooks::open(folder.path(), SMALL), Err(StoreError::Locked { .. })));
    drop(books);
    let books = DiskBooks::open(folder.path(), SMALL).unwrap();
    assert_eq!((load(&books, "ada"), books.offset()), (Some("1".into()), Offset::new(4)));
}

#[test]
fn books_that_a_crash_left_half_made_are_made_anew() {
    let folder = tempfile::tempdir().unwrap();
    let making = folder.path().join("making");
    std::fs::create_dir_all(&making).unwrap();
    // The store below refuses to open this.
    std::fs::write(making.join("0.jnl"), b"half").unwrap();
    let books = DiskBooks::open(folder.path(), SMALL).unwrap();
    put(&books, 4, &[("ada", "1")]);
    drop(books);
    assert_eq!(load(&DiskBooks::open(folder.path(), SMALL).unwrap(), "ada"), Some("1".into()));
    assert!(!making.exists());
}

type Write = (Vec<u8>, Option<Vec<u8>>);

fn commits() -> impl Strategy<Value = Vec<Vec<Write>>> {
    let key = proptest::collection::vec(0..3_u8, 0..4);
    let value = proptest::option::weighted(0.7, proptest::collection::vec(any::<u8>(), 0..20));
    proptest::collection::vec(proptest::collection::vec((key, value), 0..12), 1..12)
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(24) })]

    #[test]
    fn books_on_disk_are_like_those_in_memory(commits in commits(), prefix in proptest::collection::vec(0..3_u8, 0..3)) {
        let folder = tempfile::tempdir().unwrap();
        let mut books = DiskBooks::open(folder.path(), SMALL).unwrap();
        let model = MemoryBooks::new();
        for (at, writes) in commits.into_iter().enumerate() {
            let mut changes = Changes::up_to(Offset::new(at as u64));
            for (key, value) in writes {
                match value {
                    Some(value) => changes.put(key, value),
                    None => changes.delete(key),
                }
            }
            books.commit(&changes).unwrap();
            model.commit(&changes).unwrap();
            if at % 5 == 4 {
                drop(books);
                books = DiskBooks::open(folder.path(), SMALL).unwrap();
            }
            prop_assert_eq!(books.offset(), model.offset());
            prop_assert_eq!(books.scan(b"", None, 1_000).unwrap(), model.scan(b"", None, 1_000).unwrap());
            let after = books.scan(&prefix, None, 1).unwrap().pop().map(|(key, _)| key);
            let page = (books.scan(&prefix, after.as_deref(), 3).unwrap(), model.scan(&prefix, after.as_deref(), 3).unwrap());
            prop_assert_eq!(page.0, page.1);
        }
    }
}

#[test]
fn a_copy_is_of_one_commit_while_commits_go_on() {
    let folder = tempfile::tempdir().unwrap();
    let books = DiskBooks::open(&folder.path().join("books"), SMALL).unwrap();
    // Each commit writes its own number under every key: a copy of two commits would hold two numbers.
    let keys: Vec<String> = (0..500).map(|at| format!("key{at:03}")).collect();
    let commit = |number: u64| {
        let value = format!("{number:0100}");
        put(&books, number, &keys.iter().map(|key| (key.as_str(), value.as_str())).collect::<Vec<_>>());
    };
    commit(1);
    let done = std::sync::atomic::AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let mut number = 1;
            while !done.load(std::sync::atomic::Ordering::Relaxed) {
                number += 1;
                commit(number);
            }
        });
        for round in 0..5 {
            let to = folder.path().join(format!("copy{round}"));
            let about = books.copy_to(&to).unwrap();
            let copy = DiskBooks::open(&to, SMALL).unwrap();
            assert_eq!(about, copy.read_all().unwrap());
            assert_eq!((about.entries, copy.offset()), (500, about.offset));
            let expected = format!("{:0100}", about.offset.number());
            for key in &keys {
                assert_eq!(load(&copy, key).as_deref(), Some(expected.as_str()), "{key} of copy {round}");
            }
            // Never over what is there.
            drop(copy);
            assert!(matches!(books.copy_to(&to), Err(StoreError::Books { what: "copy", .. })));
        }
        done.store(true, std::sync::atomic::Ordering::Relaxed);
    });
}
