//! A disk that fails, or a process that is killed, at each change of a file in turn.

use std::cell::Cell;
use std::collections::HashSet;
use std::io;

use super::*;

thread_local! {
    /// Changes that go well before one fails, and whether all after it fail too, as those of a process that is killed.
    static FAULT: Cell<Option<(u32, bool)>> = const { Cell::new(None) };
}

/// Lets a change of a file fail when it is its turn.
pub(in crate::queue::spool) fn change() -> io::Result<()> {
    FAULT.with(|fault| match fault.get() {
        None => Ok(()),
        Some((0, lasts)) => {
            fault.set(lasts.then_some((0, true)));
            Err(io::Error::other("as a test has asked for"))
        }
        Some((left, lasts)) => {
            fault.set(Some((left - 1, lasts)));
            Ok(())
        }
    })
}

/// What is written of bytes whose writing is about to fail.
pub(in crate::queue::spool) fn part_of(bytes: &[u8]) -> &[u8] {
    match FAULT.get() {
        Some((0, _)) => &bytes[..bytes.len() / 2],
        _ => bytes,
    }
}

/// What became of jobs before the end of a process.
#[derive(Default)]
struct Seen {
    confirmed: HashSet<&'static str>,
    delivered: Vec<String>,
    erased: bool,
}

/// Takes jobs, delivers some, has others wait, be refused and erased; errors are passed over as producers and the replay do.
fn work(folder: &Folder, store: &Store, seen: &mut Seen) {
    let take = |text: &'static str, seen: &mut Seen| {
        if store.append(&[record(&text[..1], &[text])], LIMIT).is_ok() {
            seen.confirmed.insert(text);
        }
    };
    for text in ["a1", "b1", "a2", "c1"] {
        take(text, seen);
    }
    store.begin();
    while let Ok(Some(batch)) = store.next(1) {
        match text(&batch).as_str() {
            "b1" => store.wait(&batch),
            "c1" => {
                let _ = store.refused(&batch, Duration::ZERO);
            }
            text => {
                seen.delivered.push(text.to_owned());
                let _ = store.done(&batch);
            }
        }
        // Where the disk does not let a batch go it comes again in the next pass.
    }
    store.end();
    for text in ["a3", "a4"] {
        take(text, seen);
    }
    seen.erased = erase_matching(&folder.0, |_, bytes| bytes == b"a3").is_ok();
    take("b2", seen);
    // All but what is taken at last.
    store.begin();
    while let Ok(Some(batch)) = store.next(100) {
        seen.delivered
            .extend(text(&batch).split(' ').map(str::to_owned));
        let _ = store.done(&batch);
    }
    take("a5", seen);
}

/// Runs the work with a fault at one change, and says whether it came so far.
fn is_survived(at: u32, killed: bool) -> bool {
    let folder = Folder::new();
    let store = folder.open();
    let mut seen = Seen::default();
    FAULT.set(Some((at, killed)));
    work(&folder, &store, &mut seen);
    let came_so_far = !matches!(FAULT.take(), Some((left, _)) if left > 0);
    if killed {
        store.abandon();
    }
    drop(store);
    for aside in folder.files("refused") {
        fs::rename(&aside, aside.with_extension(ENDING)).unwrap();
    }
    seen.delivered.extend(drained(&folder.adopting()));
    let case = format!("at {at}, killed: {killed}");
    for text in &seen.confirmed {
        let times = seen.delivered.iter().filter(|seen| seen == text).count();
        // One that was on its way is sent again; an erasure that was cut off is finished, or was never begun.
        let expected = match (*text, seen.erased) {
            ("a3", true) => 0..=0,
            ("a3", false) => 0..=3,
            _ => 1..=3,
        };
        assert!(expected.contains(&times), "{text} {times} times {case}");
    }
    assert!(folder.files("damaged").is_empty(), "{case}");
    assert!(folder.files(ENDING).is_empty(), "{case}");
    came_so_far
}

#[test]
fn no_fault_of_the_disk_and_no_kill_loses_what_was_confirmed() {
    for killed in [false, true] {
        let changes = (0..1_000).take_while(|at| is_survived(*at, killed)).count();
        assert!(changes > 20, "only {changes} changes, killed: {killed}");
    }
}
