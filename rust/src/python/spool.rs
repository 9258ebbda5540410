//! Erasing jobs that wait in a spool.

use std::path::PathBuf;

use pyo3::prelude::*;
use pyo3::types::{IntoPyDict, PyBytes, PyCFunction};

use super::convert::uuid_to_py;
use crate::queue::spool::{after_fork_in_child, erase_matching};

/// See `_core.pyi` for what users read.
#[pyfunction]
#[expect(clippy::needless_pass_by_value, reason = "as PyO3 hands over a path")]
pub fn erase_spooled<'py>(
    py: Python<'py>,
    directory: PathBuf,
    matches: &Bound<'py, PyAny>,
) -> PyResult<Vec<Bound<'py, PyAny>>> {
    let mut failure = None;
    let erased = erase_matching(&directory, |_, bytes| {
        if failure.is_some() {
            return false;
        }
        let answer = matches
            .call1((PyBytes::new(py, bytes),))
            .and_then(|answer| answer.is_truthy());
        answer.unwrap_or_else(|error| {
            failure = Some(error);
            false
        })
    })?;
    match failure {
        Some(error) => Err(error),
        None => erased.into_iter().map(|id| uuid_to_py(py, id)).collect(),
    }
}

/// Has children of forks let go of the spools that their parents have opened.
pub fn watch_forks(py: Python<'_>) -> PyResult<()> {
    let let_go = PyCFunction::new_closure(py, None, None, |_, _| after_fork_in_child())?;
    let hooks = [("after_in_child", let_go)].into_py_dict(py)?;
    py.import("os")?
        .call_method("register_at_fork", (), Some(&hooks))?;
    Ok(())
}
