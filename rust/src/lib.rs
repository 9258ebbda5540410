//! The core of `fraiseql_observers`: conditions, matching, job bytes, backoff and the queue.
//!
//! Only the `python` folder knows that an interpreter exists; everything else is plain Rust.

pub mod backoff;
pub mod clock;
pub mod condition;
pub mod doorbell;
pub mod event;
pub mod feed;
pub mod instant;
pub mod job;
pub mod json;
pub mod matcher;
pub mod metrics;
pub mod pipeline;
pub mod policy;
pub mod queue;
pub mod runtime;
pub mod subject;

#[cfg(feature = "python")]
mod python;
