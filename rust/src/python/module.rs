//! The list of what `fraiseql_observers._core` exports.

use pyo3::prelude::*;

/// The extension module `fraiseql_observers._core`.
#[pymodule(name = "_core")]
mod core_module {
    use pyo3::prelude::*;
    use pyo3::types::PyTuple;

    use crate::metrics::DURATION_BUCKETS;
    use crate::queue::durability::MOST_REPLICAS;

    #[pymodule_export]
    use crate::python::backoff::{calculate_backoff, draw_delay};
    #[pymodule_export]
    use crate::python::condition::Condition;
    #[pymodule_export]
    use crate::python::event::EntityEvent;
    #[pymodule_export]
    use crate::python::explanation::{
        ElementExplanation, Explanation, LeafExplanation, RuleExplanation,
    };
    #[pymodule_export]
    use crate::python::feed::{PyFeed, PyLeasedJob, counters_snapshot};
    #[pymodule_export]
    use crate::python::job::PyJob;
    #[pymodule_export]
    use crate::python::jobs::PyQueue;
    #[pymodule_export]
    use crate::python::lane::{PyBlockingLane, PyLane};
    #[pymodule_export]
    use crate::python::leases::{PyFound, PyLease, PyTurn};
    #[pymodule_export]
    use crate::python::matcher::RuleMatcher;
    #[pymodule_export]
    use crate::python::pipeline::{PyPipeline, PySummary};
    #[pymodule_export]
    use crate::python::queue::{PyMemoryQueue, PyQueueOptions, PyRedisQueue};
    #[pymodule_export]
    use crate::python::spool::erase_spooled;
    #[pymodule_export]
    use crate::python::stats::{PyServerFacts, PyStats};
    #[pymodule_export]
    use crate::python::subject::subject_owns;
    #[pymodule_export]
    use crate::python::view::{PyAttempt, PyJobView};

    #[pymodule_init]
    fn init(m: &Bound<'_, PyModule>) -> PyResult<()> {
        m.add("MOST_REPLICAS", MOST_REPLICAS)?;
        m.add("DURATION_BUCKETS", PyTuple::new(m.py(), DURATION_BUCKETS)?)?;
        crate::python::spool::watch_forks(m.py())?;
        m.add("__version__", env!("CARGO_PKG_VERSION"))
    }
}
