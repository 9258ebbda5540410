//! What goes into the steps of a lane and comes out of them, as Python has it.

use pyo3::IntoPyObjectExt;
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyList};

use super::calls::mark_to_py;
use crate::queue::{
    Ack, AckOutcome, Beat, Cancelled, Due, Letters, Listed, Listing, Member, Nack, NewJob,
    Priority, Reclaimed, RecordEntry, Source, Token, Verdict,
};

/// A job: its member, when it is due (`("now", 0)`, `("after", ms)`, `("at", ms)`), its bytes.
pub type JobFromPy = (Vec<u8>, (String, i64), Vec<u8>);
/// A token: a member and the lease call that took it.
pub type TokenFromPy = (Vec<u8>, u64);
/// An ack: a token and the record that is kept.
pub type AckFromPy = (Vec<u8>, u64, Vec<u8>);
/// A nack: a token, the verdict (`("retry", ms)`, `("dead", 0)`, `("log", 0)`, `("park", until_ms)`), history, failure, record.
pub type NackFromPy = (Vec<u8>, u64, (String, i64), Vec<u8>, Vec<u8>, Vec<u8>);

pub fn member(bytes: &[u8]) -> PyResult<Member> {
    Member::from_bytes(bytes)
        .ok_or_else(|| PyValueError::new_err("a member is 16 bytes of an id and one of c, h, d, l"))
}

pub fn members(all: &[Vec<u8>]) -> PyResult<Vec<Member>> {
    all.iter().map(|bytes| member(bytes)).collect()
}

pub fn tokens(all: &[TokenFromPy]) -> PyResult<Vec<Token>> {
    all.iter()
        .map(|(bytes, call)| token(bytes, *call))
        .collect()
}

fn token(bytes: &[u8], call: u64) -> PyResult<Token> {
    Ok(Token {
        member: member(bytes)?,
        call,
    })
}

pub fn new_jobs(all: Vec<JobFromPy>) -> PyResult<Vec<NewJob>> {
    all.into_iter()
        .map(|(bytes, (when, ms), job)| {
            Ok(NewJob {
                member: member(&bytes)?,
                due: match when.as_str() {
                    "now" => Due::Now,
                    "after" => Due::After(unsigned(ms)?),
                    "at" => Due::At(ms),
                    _ => return Err(PyValueError::new_err("a job is due now, after or at")),
                },
                bytes: job.into(),
            })
        })
        .collect()
}

pub fn acks(all: Vec<AckFromPy>) -> PyResult<Vec<Ack>> {
    all.into_iter()
        .map(|(bytes, call, record)| {
            Ok(Ack {
                token: token(&bytes, call)?,
                record,
            })
        })
        .collect()
}

pub fn nacks(all: Vec<NackFromPy>) -> PyResult<Vec<Nack>> {
    all.into_iter()
        .map(|(bytes, call, (verdict, ms), history, failure, record)| {
            Ok(Nack {
                token: token(&bytes, call)?,
                verdict: match verdict.as_str() {
                    "retry" => Verdict::Retry(unsigned(ms)?),
                    "dead" => Verdict::Dead,
                    "log" => Verdict::Log,
                    "park" => Verdict::Park(ms),
                    _ => {
                        return Err(PyValueError::new_err(
                            "a verdict is retry, dead, log or park",
                        ));
                    }
                },
                history,
                failure,
                record,
            })
        })
        .collect()
}

pub fn source(word: &str) -> PyResult<Source> {
    [Source::Pending, Source::Suspects]
        .into_iter()
        .find(|source| source.as_str() == word)
        .ok_or_else(|| PyValueError::new_err("a source is pending or suspects"))
}

pub fn listing(word: &str) -> PyResult<Listing> {
    match word {
        "pending" => Ok(Listing::Pending),
        "scheduled" => Ok(Listing::Scheduled),
        "parked" => Ok(Listing::Parked),
        "running" => Ok(Listing::Running),
        "dead" => Ok(Listing::Dead),
        _ => Err(PyValueError::new_err(
            "a listing is pending, scheduled, parked, running or dead",
        )),
    }
}

fn unsigned(ms: i64) -> PyResult<u64> {
    u64::try_from(ms).map_err(|_| PyValueError::new_err("a time from now is not negative"))
}

pub fn to_py<T: for<'py> IntoPyObject<'py>>(py: Python<'_>, value: T) -> PyResult<Py<PyAny>> {
    value.into_py_any(py)
}

pub fn beat_to_py(py: Python<'_>, beat: Beat) -> PyResult<Py<PyAny>> {
    let Beat {
        alive, cancelled, ..
    } = beat;
    (alive, members_to_py(py, &cancelled)?).into_py_any(py)
}

pub fn acks_to_py(py: Python<'_>, outcomes: Vec<AckOutcome>) -> PyResult<Py<PyAny>> {
    let words: Vec<&str> = outcomes
        .into_iter()
        .map(|outcome| match outcome {
            AckOutcome::Acked => "acked",
            AckOutcome::Already => "already",
            AckOutcome::Lost => "lost",
        })
        .collect();
    words.into_py_any(py)
}

pub fn reclaimed_to_py(py: Python<'_>, reclaimed: Reclaimed) -> PyResult<Py<PyAny>> {
    let Reclaimed {
        moved,
        held,
        buried,
        refused,
        overwritten: _,
    } = reclaimed;
    (moved, held, members_to_py(py, &buried)?, refused).into_py_any(py)
}

pub fn cancelled_to_py(py: Python<'_>, cancelled: Cancelled) -> PyResult<Py<PyAny>> {
    match cancelled {
        Cancelled::Pending => "pending",
        Cancelled::Scheduled => "scheduled",
        Cancelled::Running => "running",
        Cancelled::Dead => "dead",
        Cancelled::Ended => "ended",
        Cancelled::Missing => "missing",
    }
    .into_py_any(py)
}

pub fn listed_to_py(py: Python<'_>, listed: Vec<Listed>) -> PyResult<Py<PyAny>> {
    let list = PyList::empty(py);
    for entry in listed {
        list.append((PyBytes::new(py, entry.member.as_bytes()), entry.time_ms))?;
    }
    Ok(list.into_any().unbind())
}

/// Letters as tuples of member, time of death in ms, bytes, failure and history; the mark of the last; whether more follow.
pub fn letters_to_py(py: Python<'_>, page: Letters) -> PyResult<Py<PyAny>> {
    let letters = PyList::empty(py);
    for letter in page.letters {
        letters.append((
            PyBytes::new(py, letter.member.as_bytes()),
            letter.died_at_ms,
            letter.bytes.map(|bytes| PyBytes::new(py, &bytes)),
            letter.failure.map(|bytes| PyBytes::new(py, &bytes)),
            letter.history.map(|bytes| PyBytes::new(py, &bytes)),
        ))?;
    }
    (letters, mark_to_py(py, page.last.as_ref()), page.more).into_py_any(py)
}

pub fn priority(letter: char) -> PyResult<Priority> {
    u8::try_from(letter)
        .ok()
        .and_then(Priority::from_letter)
        .ok_or_else(|| PyValueError::new_err("a priority letter is one of c, h, d, l"))
}

/// An entry of records, and those that are to stay.
pub fn redaction(
    (id, records): (Vec<u8>, Vec<u8>),
    stay: Vec<Vec<u8>>,
) -> (RecordEntry, Vec<bytes::Bytes>) {
    let entry = RecordEntry {
        id: id.into(),
        records: records.into(),
    };
    (entry, stay.into_iter().map(Into::into).collect())
}

pub fn entries_to_py(py: Python<'_>, entries: Vec<RecordEntry>) -> PyResult<Py<PyAny>> {
    let list = PyList::empty(py);
    for entry in entries {
        list.append((
            PyBytes::new(py, &entry.id),
            PyBytes::new(py, &entry.records),
        ))?;
    }
    Ok(list.into_any().unbind())
}

pub fn records_to_py(py: Python<'_>, records: Vec<bytes::Bytes>) -> PyResult<Py<PyAny>> {
    let list = PyList::new(
        py,
        records.into_iter().map(|record| PyBytes::new(py, &record)),
    )?;
    Ok(list.into_any().unbind())
}

fn members_to_py<'py>(py: Python<'py>, members: &[Member]) -> PyResult<Bound<'py, PyList>> {
    PyList::new(
        py,
        members
            .iter()
            .map(|member| PyBytes::new(py, member.as_bytes())),
    )
}
