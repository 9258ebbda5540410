//! Names of files that others change or remove.

use super::*;

#[test]
fn a_file_for_another_server_is_left_alone_until_its_name_says_that_it_is_for_any() {
    let folder = Folder::new();
    let store = folder.open();
    store.append(&[record("a", &["1"])], LIMIT).unwrap();
    let there = Target::new("t", "redis://elsewhere");
    let other = Store::open(&folder.0, there, 1 << 20).unwrap();
    drop(store);
    other.adopt().unwrap();
    assert!(drained(&other).is_empty());
    let [path] = folder.files(ENDING).try_into().unwrap();
    let (name, _) = path.to_str().unwrap().split_once('.').unwrap();
    fs::rename(&path, format!("{name}.{ENDING}")).unwrap();
    other.adopt().unwrap();
    assert_eq!(drained(&other), ["1"]);
    assert!(folder.files(ENDING).is_empty());
}

#[test]
fn a_directory_that_somebody_empties_loses_nothing_that_is_taken_later() {
    let folder = Folder::new();
    let store = folder.open();
    store.append(&[record("a", &["before"])], LIMIT).unwrap();
    for entry in fs::read_dir(&folder.0).unwrap() {
        fs::remove_file(entry.unwrap().path()).unwrap();
    }
    store.append(&[record("a", &["after"])], LIMIT).unwrap();
    // Both lock the same file again.
    let frozen = fs::File::open(folder.0.join("lock")).unwrap();
    frozen.lock().unwrap();
    assert!(store.append(&[record("a", &["x"])], LIMIT).is_err());
    frozen.unlock().unwrap();
    // The process that was killed then has left what it took since.
    store.abandon();
    drop(store);
    assert_eq!(drained(&folder.adopting()), ["after"]);
    // Without a kill it has what was removed, too.
    let store = folder.open();
    store.append(&[record("a", &["before"])], LIMIT).unwrap();
    fs::remove_file(&folder.files(ENDING)[0]).unwrap();
    store.append(&[record("a", &["after"])], LIMIT).unwrap();
    assert_eq!(drained(&store), ["before", "after"]);
    assert_eq!(store.jobs(), 0);
}

#[test]
fn a_refused_record_can_come_back_while_its_file_is_in_use() {
    let folder = Folder::new();
    let store = folder.open();
    for text in ["bad 1", "bad 2", "good"] {
        store.append(&[record("a", &[text])], LIMIT).unwrap();
    }
    for text_of_it in ["bad 1", "bad 2"] {
        store.begin();
        let batch = store.next(1).unwrap().unwrap();
        assert_eq!(text(&batch), text_of_it);
        store.refused(&batch, Duration::ZERO).unwrap();
        for aside in folder.files("refused") {
            fs::rename(&aside, aside.with_extension(ENDING)).unwrap();
        }
    }
    assert_eq!(folder.files(ENDING).len(), 3);
    store.adopt().unwrap();
    let mut texts = drained(&store);
    texts.sort();
    assert_eq!(texts, ["bad 1", "bad 2", "good"]);
}
