//! The bodies of the fuzz targets over every seed, and over what chance makes of the seeds: no tool of fuzzing is needed.

mod bodies;
mod bodies_of_replies;

use std::fs;
use std::path::Path;

use proptest::prelude::*;
use proptest::sample::{Index, select};
use proptest::test_runner::{Config, TestRunner};

/// The mutations of seeds that one run makes for each target.
const MUTATIONS: u32 = 3_000;

#[test]
fn conditions_hold_what_they_promise_for_seeds_and_their_mutations() {
    replay("condition", bodies::condition);
}

#[test]
fn events_hold_what_they_promise_for_seeds_and_their_mutations() {
    replay("event", bodies::event);
}

#[test]
fn jobs_hold_what_they_promise_for_seeds_and_their_mutations() {
    replay("job", bodies::job);
}

#[test]
fn records_hold_what_they_promise_for_seeds_and_their_mutations() {
    replay("record", bodies_of_replies::record);
}

#[test]
fn replies_hold_what_they_promise_for_seeds_and_their_mutations() {
    replay("reply", bodies_of_replies::reply);
}

fn replay(target: &str, body: fn(&[u8])) {
    let seeds = seeds(target);
    for (name, seed) in &seeds {
        // The name of a seed that fails is the last one printed.
        println!("{target}/{name}");
        body(seed);
    }
    let seeds: Vec<Vec<u8>> = seeds.into_iter().map(|(_, seed)| seed).collect();
    let config = Config {
        cases: MUTATIONS,
        failure_persistence: None, // a failure prints its bytes, which become a seed
        ..Config::default()
    };
    TestRunner::new(config)
        .run(&mutated(seeds), |bytes| {
            body(&bytes);
            Ok(())
        })
        .unwrap_or_else(|error| panic!("{target}: {error}"));
}

fn seeds(target: &str) -> Vec<(String, Vec<u8>)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("rust/tests/fuzz_seeds/seeds")
        .join(target);
    let mut seeds: Vec<(String, Vec<u8>)> = fs::read_dir(&folder)
        .expect("the seeds are in the repository")
        .map(|entry| {
            let path = entry.expect("the folder is readable").path();
            let name = path
                .file_name()
                .expect("a file has a name")
                .to_string_lossy()
                .into_owned();
            (name, fs::read(path).expect("a seed is readable"))
        })
        .collect();
    seeds.sort();
    assert!(!seeds.is_empty(), "{} is empty", folder.display());
    seeds
}

/// What may happen to a piece of a text: it goes, it comes twice, or another one comes in its place.
#[derive(Debug, Clone)]
enum Mutation {
    Remove,
    Repeat,
    Replace(Vec<u8>),
}

/// Seeds with one to four pieces changed.
fn mutated(seeds: Vec<Vec<u8>>) -> impl Strategy<Value = Vec<u8>> {
    let piece = (select(seeds.clone()), any::<Index>(), 1_usize..12).prop_map(|(seed, at, len)| {
        let (from, to) = range(&seed, at, len);
        seed[from..to].to_vec()
    });
    let byte = prop_oneof![
        prop::num::u8::ANY,
        select(&b"\"'\\()[]{},.:?!&|=<>@-019aeu"[..])
    ];
    let mutation = prop_oneof![
        1 => Just(Mutation::Remove),
        1 => Just(Mutation::Repeat),
        2 => byte.prop_map(|byte| Mutation::Replace(vec![byte])),
        2 => piece.prop_map(Mutation::Replace),
    ];
    let step = (any::<Index>(), 0_usize..8, mutation);
    (select(seeds), prop::collection::vec(step, 1..=4)).prop_map(|(mut text, steps)| {
        for (at, len, mutation) in steps {
            let (from, to) = range(&text, at, len);
            match mutation {
                Mutation::Remove => drop(text.drain(from..to)),
                Mutation::Repeat => text.splice(to..to, text[from..to].to_vec()).for_each(drop),
                Mutation::Replace(piece) => text.splice(from..to, piece).for_each(drop),
            }
        }
        text
    })
}

fn range(text: &[u8], at: Index, len: usize) -> (usize, usize) {
    let from = at.index(text.len() + 1);
    (from, text.len().min(from + len))
}
