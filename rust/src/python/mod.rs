//! The Python face of the core: the only folder that imports `PyO3`.

mod backoff;
mod bridge;
mod calls;
mod condition;
mod convert;
mod enqueueing;
mod errors;
mod event;
mod explanation;
mod feed;
mod job;
mod jobs;
mod lane;
mod leases;
mod matcher;
mod module;
mod pipeline;
mod queue;
mod spool;
mod stats;
mod steps;
mod subject;
mod view;
mod waiting;
