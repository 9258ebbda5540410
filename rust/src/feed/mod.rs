//! The feed: what a worker process does with the queue, in the core's own threads.
//!
//! It leases jobs for free slots, renews the lease, watches deadlines and writes outcomes in batches. The worker only takes
//! jobs, says when it begins one, and reports how it ended; nothing here waits for the worker, and nothing needs the
//! interpreter to keep a lease.
//!
//! ```text
//! lease task ─► a turn on each lane ─► inbox ─► worker: begin … report ─► outbox ─► outcome task of the lane ─► ack / nack / release
//! beat task of each lane ─► lease renewed, or lost: what runs under it is cancelled
//! watch task ─► deadlines of running jobs
//! fitness task ─► leasing stops while the server must not hold jobs
//! tend task ─► parked jobs, rotation of the sets of ended ids
//! ```

mod audit;
mod beat;
mod clock_watch;
mod deal;
mod face;
mod fitness;
mod job;
mod lane;
mod lease;
mod listen;
mod loss;
mod outbox;
mod outcome;
mod report;
mod shared;
mod tend;
#[cfg(test)]
mod tests;
mod turn;
mod unheld;
mod watch;
mod watchdog;

pub use face::{CloseReport, Feed, FeedOptions};
pub use job::{Cause, LeasedJob};
pub use report::Report;
pub use shared::News;
