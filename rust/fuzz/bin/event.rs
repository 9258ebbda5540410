#![no_main]

#[path = "../../tests/fuzz_seeds/bodies.rs"]
#[allow(dead_code)] // each program takes one of them
mod bodies;

libfuzzer_sys::fuzz_target!(|data: &[u8]| bodies::event(data));
