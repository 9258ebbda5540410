//! The Python face of the core: the only folder that imports `PyO3`.

mod backoff;
mod condition;
mod convert;
mod errors;
mod event;
mod matcher;
mod module;
