//! The core of `fraiseql_observers`: conditions, matching, job bytes, backoff and the queue.
//!
//! Only the `python` folder knows that an interpreter exists; everything else is plain Rust.

pub mod backoff;
pub mod clock;
pub mod condition;
pub mod event;
pub mod instant;
pub mod job;
pub mod json;
pub mod queue;
pub mod runtime;
pub mod matcher;

#[cfg(feature = "python")]
mod python;
