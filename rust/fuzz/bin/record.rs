#![no_main]

#[path = "../../tests/fuzz_seeds/bodies_of_replies.rs"]
#[allow(dead_code)] // each program takes one of them
mod bodies_of_replies;

libfuzzer_sys::fuzz_target!(|data: &[u8]| bodies_of_replies::record(data));
