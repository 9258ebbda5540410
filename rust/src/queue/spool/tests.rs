//! A spool's files under restarts, damage and several owners.

use std::fs;
use std::path::PathBuf;
use std::time::Duration;

use uuid::Uuid;

use super::file::{ENDING, START};
use super::record::Record;
use super::redo::{Change, note};
use super::store::{Batch, Store};
use super::target::Target;
use super::{NotTaken, Spool, SpoolSettings, erase_matching};
use crate::queue::{Due, Lane, Member, NewJob, Priority};

pub(super) mod disk;
mod names;

/// Where the first record is.
const HEAD: usize = 96;

/// How long a lock is waited for.
const LIMIT: Duration = Duration::from_millis(50);

/// The server that jobs are for, where nothing else is said.
const SERVER: &str = "redis://localhost";

fn target(prefix: &str) -> Target {
    Target::new(prefix, SERVER)
}

/// A directory that goes with the test.
struct Folder(PathBuf);

impl Folder {
    fn new() -> Self {
        let path = std::env::temp_dir().join(format!("spool-{}", Uuid::new_v4().simple()));
        Self(path)
    }

    fn open(&self) -> Store {
        Store::open(&self.0, target("t"), 1 << 20).unwrap()
    }

    /// A store that has taken over whatever is there.
    fn adopting(&self) -> Store {
        let store = self.open();
        store.adopt().unwrap();
        store
    }

    fn files(&self, ending: &str) -> Vec<PathBuf> {
        let mut paths: Vec<_> = fs::read_dir(&self.0)
            .unwrap()
            .map(|entry| entry.unwrap().path())
            .filter(|path| path.extension().is_some_and(|found| found == ending))
            .collect();
        paths.sort();
        paths
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn record(queue: &str, texts: &[&str]) -> Record {
    let job = |text: &&str| {
        Some(NewJob {
            member: Member::new(Uuid::new_v4(), Priority::Default),
            due: Due::Now,
            bytes: text.as_bytes().to_vec().into(),
        })
    };
    Record {
        lane: Lane {
            queue: queue.to_owned(),
            shard: 0,
        },
        level: None,
        jobs: texts.iter().map(job).collect(),
    }
}

/// Takes everything out of a store, in order.
fn drained(store: &Store) -> Vec<String> {
    let mut texts = Vec::new();
    while let Some(batch) = store.next(100).unwrap() {
        for job in &batch.jobs {
            texts.push(String::from_utf8(job.bytes.to_vec()).unwrap());
        }
        store.done(&batch).unwrap();
    }
    texts
}

#[test]
fn what_was_taken_comes_back_in_order_and_leaves_nothing() {
    let folder = Folder::new();
    let store = folder.open();
    store
        .append(&[record("a", &["1", "2"]), record("b", &["3"])], LIMIT)
        .unwrap();
    store.append(&[record("a", &["4"])], LIMIT).unwrap();
    assert_eq!(store.jobs(), 4);
    assert_eq!(drained(&store), ["1", "2", "3", "4"]);
    assert_eq!(store.jobs(), 0);
    let [own] = folder.files(ENDING).try_into().unwrap();
    assert_eq!(fs::metadata(own).unwrap().len(), START);
    drop(store);
    assert!(folder.files(ENDING).is_empty());
}

#[test]
fn what_was_replayed_is_not_replayed_again_after_a_restart() {
    let folder = Folder::new();
    let store = folder.open();
    store
        .append(&[record("a", &["1"]), record("b", &["2"])], LIMIT)
        .unwrap();
    let batch = store.next(100).unwrap().unwrap();
    store.done(&batch).unwrap();
    drop(store);
    assert_eq!(drained(&folder.adopting()), ["2"]);
}

#[test]
fn a_file_is_adopted_when_its_owner_is_gone_and_not_before() {
    let folder = Folder::new();
    let (first, second) = (folder.open(), folder.open());
    first.append(&[record("a", &["1"])], LIMIT).unwrap();
    second.append(&[record("a", &["2"])], LIMIT).unwrap();
    second.adopt().unwrap();
    assert_eq!(second.jobs(), 1);
    drop(first);
    second.adopt().unwrap();
    assert_eq!(drained(&second), ["1", "2"]);
}

#[test]
fn a_record_that_was_cut_short_is_dropped_and_the_ones_before_it_stay() {
    let folder = Folder::new();
    let store = folder.open();
    store
        .append(&[record("a", &["whole"]), record("a", &["torn"])], LIMIT)
        .unwrap();
    drop(store);
    let [path] = folder.files(ENDING).try_into().unwrap();
    let bytes = fs::read(&path).unwrap();
    let whole = HEAD + record("a", &["whole"]).encode().len();
    for length in whole + 1..bytes.len() {
        fs::write(&path, &bytes[..length]).unwrap();
        let store = folder.adopting();
        assert_eq!(drained(&store), ["whole"], "cut at {length}");
        drop(store);
        assert!(folder.files("damaged").is_empty());
    }
    // A file system may have made room for it and never written it.
    let mut zeros = bytes[..whole].to_vec();
    zeros.resize(bytes.len(), 0);
    fs::write(&path, zeros).unwrap();
    assert_eq!(drained(&folder.adopting()), ["whole"]);
}

#[test]
fn a_damaged_record_is_put_aside_and_the_others_go_on() {
    let first = record("a", &["first"]).encode().len();
    let second = record("a", &["second"]).encode().len();
    for at in 0..second {
        let folder = Folder::new();
        let store = folder.open();
        let records = [
            record("a", &["first"]),
            record("a", &["second"]),
            record("a", &["third"]),
        ];
        store.append(&records, LIMIT).unwrap();
        drop(store);
        let [path] = folder.files(ENDING).try_into().unwrap();
        let mut bytes = fs::read(&path).unwrap();
        bytes[HEAD + first + at] ^= 0x10;
        fs::write(&path, &bytes).unwrap();
        assert_eq!(
            drained(&folder.adopting()),
            ["first", "third"],
            "damaged at {at}"
        );
        let [aside] = folder.files("damaged").try_into().unwrap();
        assert_eq!(fs::read(aside).unwrap().len(), second);
    }
}

#[test]
fn a_spool_that_is_full_takes_nothing_more_and_loses_nothing() {
    let folder = Folder::new();
    let store = Store::open(&folder.0, target("t"), 400).unwrap();
    let mut taken = 0;
    let error = loop {
        match store.append(&[record("a", &["x"])], LIMIT) {
            Ok(()) => taken += 1,
            Err(error) => break error,
        }
    };
    assert!(error.to_string().contains("the spool is full"), "{error}");
    assert!(taken > 1);
    assert_eq!(drained(&store).len(), taken);
    store.append(&[record("a", &["x"])], LIMIT).unwrap();
}

#[test]
fn a_job_is_erased_whoever_owns_its_file() {
    let folder = Folder::new();
    let store = folder.open();
    store
        .append(
            &[
                record("a", &["keep 1", "erase me"]),
                record("a", &["erase too"]),
                record("a", &["keep 2"]),
            ],
            LIMIT,
        )
        .unwrap();
    let erased = erase_matching(&folder.0, |_, bytes| bytes.starts_with(b"erase")).unwrap();
    assert_eq!(erased.len(), 2);
    let [path] = folder.files(ENDING).try_into().unwrap();
    let left = fs::read(path).unwrap();
    for gone in [&b"erase"[..], erased[0].as_bytes(), erased[1].as_bytes()] {
        assert!(!left.windows(gone.len()).any(|part| part == gone));
    }
    assert_eq!(drained(&store), ["keep 1", "keep 2"]);
    assert!(erase_matching(&folder.0, |_, _| true).unwrap().is_empty());
}

#[test]
fn a_foreign_file_is_left_alone() {
    let folder = Folder::new();
    drop(folder.open());
    let path = folder.0.join(format!("theirs.{ENDING}"));
    fs::write(
        &path,
        "this is somebody else's, and longer than any head of ours",
    )
    .unwrap();
    let store = folder.adopting();
    assert!(drained(&store).is_empty());
    assert!(path.exists());
}

fn text(batch: &Batch) -> String {
    let texts: Vec<_> = batch
        .jobs
        .iter()
        .map(|job| String::from_utf8_lossy(&job.bytes))
        .collect();
    texts.join(" ")
}

#[test]
fn a_lane_that_has_to_wait_holds_up_no_other_even_over_a_restart() {
    let folder = Folder::new();
    let store = folder.open();
    for (queue, text) in [("a", "1"), ("b", "2"), ("a", "3"), ("b", "4"), ("c", "5")] {
        store.append(&[record(queue, &[text])], LIMIT).unwrap();
    }
    store.begin();
    let mut taken = Vec::new();
    while let Some(batch) = store.next(1).unwrap() {
        if batch.noted.queue == "a" {
            store.wait(&batch);
        } else {
            taken.push(text(&batch));
            store.done(&batch).unwrap();
        }
    }
    assert!(store.end());
    assert_eq!(taken, ["2", "4", "5"]);
    assert_eq!(store.jobs(), 2);
    // New jobs of other lanes do not have to stand behind.
    let lane = |queue: &str| record(queue, &[]).lane;
    assert!(store.is_ahead_of(&lane("a")));
    assert!(!store.is_ahead_of(&lane("b")));
    store.append(&[record("b", &["6"])], LIMIT).unwrap();
    assert!(store.is_ahead_of(&lane("b")));
    drop(store);
    assert_eq!(drained(&folder.adopting()), ["1", "3", "6"]);
    assert!(folder.files(ENDING).is_empty());
}

#[test]
fn calls_that_were_refused_together_come_one_by_one_and_whole() {
    let folder = Folder::new();
    let store = folder.open();
    for texts in [&["1", "2"][..], &["3", "4"], &["5"], &["6"]] {
        store.append(&[record("a", texts)], LIMIT).unwrap();
    }
    store.begin();
    // Three jobs fit into a call of the queue, but no half of a producer's call.
    let batch = store.next(3).unwrap().unwrap();
    assert_eq!(text(&batch), "1 2");
    store.done(&batch).unwrap();
    let batch = store.next(3).unwrap().unwrap();
    assert_eq!(text(&batch), "3 4 5");
    store.wait(&batch);
    for expected in ["3 4", "5"] {
        let batch = store.next(3).unwrap().unwrap();
        assert_eq!(text(&batch), expected);
        store.done(&batch).unwrap();
    }
    assert_eq!(drained(&store), ["6"]);
}

#[test]
fn what_is_refused_for_good_is_put_aside_after_a_while_and_can_come_back() {
    let folder = Folder::new();
    let store = folder.open();
    for text in ["bad", "good"] {
        store.append(&[record("a", &[text])], LIMIT).unwrap();
    }
    let refuse = |patience| {
        store.begin();
        let batch = store.next(1).unwrap().unwrap();
        assert_eq!(text(&batch), "bad");
        store.refused(&batch, patience).unwrap();
    };
    refuse(Duration::from_secs(60));
    assert!(store.next(1).unwrap().is_none());
    assert!(store.end());
    refuse(Duration::ZERO);
    assert_eq!(drained(&store), ["good"]);
    drop(store);
    let [aside] = folder.files("refused").try_into().unwrap();
    let found = erase_matching(&folder.0, |_, bytes| {
        assert_eq!(bytes, b"bad");
        false
    });
    assert!(found.unwrap().is_empty());
    fs::rename(&aside, aside.with_extension(ENDING)).unwrap();
    assert_eq!(drained(&folder.adopting()), ["bad"]);
}

#[test]
fn a_file_that_cannot_be_opened_keeps_no_other_from_being_replayed() {
    let folder = Folder::new();
    drop(folder.open());
    // No right to read would not stop root.
    fs::create_dir(folder.0.join(format!("0.{ENDING}"))).unwrap();
    let store = folder.open();
    store.append(&[record("a", &["1"])], LIMIT).unwrap();
    drop(store);
    let store = folder.adopting();
    assert_eq!(drained(&store), ["1"]);
}

#[test]
fn a_lock_that_nobody_gives_back_is_not_waited_for_for_ever() {
    let folder = Folder::new();
    let store = folder.open();
    let frozen = fs::File::open(folder.0.join("lock")).unwrap();
    frozen.lock().unwrap();
    let error = store.append(&[record("a", &["1"])], LIMIT).unwrap_err();
    assert_eq!(error.kind(), std::io::ErrorKind::TimedOut);
    assert!(store.adopt().is_err());
    frozen.unlock().unwrap();
    store.append(&[record("a", &["2"])], LIMIT).unwrap();
    assert_eq!(drained(&store), ["2"]);
}

#[test]
fn a_file_for_another_queue_is_left_to_others() {
    let folder = Folder::new();
    let store = folder.open();
    store.append(&[record("a", &["1"])], LIMIT).unwrap();
    drop(store);
    let other = Store::open(&folder.0, target("other"), 1 << 20).unwrap();
    other.adopt().unwrap();
    assert!(drained(&other).is_empty());
    assert_eq!(drained(&folder.adopting()), ["1"]);
    assert!(Store::open(&folder.0, target(&"x".repeat(65)), 1 << 20).is_err());
}

#[test]
fn an_erasure_that_a_crash_has_cut_off_is_finished_and_damages_nothing() {
    let folder = Folder::new();
    let store = folder.open();
    store
        .append(
            &[record("a", &["erase", "keep 1"]), record("a", &["keep 2"])],
            LIMIT,
        )
        .unwrap();
    drop(store);
    let [path] = folder.files(ENDING).try_into().unwrap();
    let before = fs::read(&path).unwrap();
    assert_eq!(
        erase_matching(&folder.0, |_, bytes| bytes == b"erase")
            .unwrap()
            .len(),
        1
    );
    let after = fs::read(&path).unwrap();
    assert!(!folder.0.join("erasing").exists());
    for cut in HEAD + 4..before.len() {
        fs::write(&path, [&after[..cut], &before[cut..]].concat()).unwrap();
        let change = Change {
            place: START + 4,
            bytes: after[HEAD + 4..].to_vec(),
        };
        let name = path.file_name().unwrap().to_str().unwrap();
        note(&folder.0, name, &[change]).unwrap();
        drop(folder.adopting());
        assert_eq!(fs::read(&path).unwrap(), after, "cut at {cut}");
    }
    assert_eq!(drained(&folder.adopting()), ["keep 1", "keep 2"]);
    assert!(folder.files("damaged").is_empty());
}

#[test]
fn a_panic_leaves_the_outcome_unknown_and_the_spool_goes_on() {
    let folder = Folder::new();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    let settings = SpoolSettings {
        directory: folder.0.clone(),
        max_bytes: 1 << 20,
        key_prefix: "t".to_owned(),
        server: SERVER.to_owned(),
    };
    let spool = Spool::open(&settings, runtime.handle()).unwrap();
    let taken = |text| {
        let record = record("a", &[text]);
        let jobs = record.jobs.into_iter().flatten().collect();
        let taking = spool.take(record.lane, jobs, None, Duration::from_secs(5));
        runtime.block_on(taking)
    };
    for _ in 0..2 {
        assert!(matches!(taken("panic"), Err(NotTaken::Unknown(_))));
        taken("1").unwrap();
    }
    assert!(spool.has_backlog());
}
