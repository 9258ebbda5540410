//! Reading the replies of scripts; what does not have the shape that a script promises is `Corrupt`.

use bytes::Bytes;
use redis::Value;

use super::{Member, QueueError};

fn unexpected(wanted: &str) -> QueueError {
    QueueError::Corrupt(format!("a script did not answer with {wanted}"))
}

pub(super) fn array(value: Value) -> Result<std::vec::IntoIter<Value>, QueueError> {
    match value {
        Value::Array(items) | Value::Set(items) => Ok(items.into_iter()),
        Value::Nil => Ok(Vec::new().into_iter()),
        _ => Err(unexpected("a list")),
    }
}

pub(super) fn next(items: &mut std::vec::IntoIter<Value>) -> Result<Value, QueueError> {
    items.next().ok_or_else(|| unexpected("as many values"))
}

#[expect(
    clippy::cast_possible_truncation,
    reason = "scores are whole milliseconds, far below 2^53"
)]
pub(super) fn int(value: &Value) -> Result<i64, QueueError> {
    match value {
        Value::Int(number) => Ok(*number),
        Value::BulkString(bytes) => std::str::from_utf8(bytes)
            .ok()
            .and_then(|text| text.parse::<f64>().ok())
            .map(|number| number as i64)
            .ok_or_else(|| unexpected("a number")),
        Value::Double(number) => Ok(*number as i64),
        _ => Err(unexpected("a number")),
    }
}

pub(super) fn count(value: &Value) -> Result<u64, QueueError> {
    Ok(u64::try_from(int(value)?).unwrap_or(0))
}

pub(super) fn bytes(value: Value) -> Result<Bytes, QueueError> {
    match value {
        Value::BulkString(bytes) => Ok(bytes.into()),
        Value::SimpleString(text) => Ok(text.into_bytes().into()),
        Value::Okay => Ok(Bytes::from_static(b"OK")),
        _ => Err(unexpected("a string")),
    }
}

/// A string, or nothing where it is nil or empty.
pub(super) fn maybe_bytes(value: Value) -> Result<Option<Bytes>, QueueError> {
    match value {
        Value::Nil | Value::Boolean(false) => Ok(None),
        value => Ok(Some(bytes(value)?).filter(|bytes| !bytes.is_empty())),
    }
}

pub(super) fn text(value: Value) -> Result<String, QueueError> {
    String::from_utf8(bytes(value)?.into()).map_err(|_| unexpected("a text"))
}

/// A text to be shown: what is none is shown as far as it is one.
pub(super) fn shown(value: Value) -> Result<String, QueueError> {
    Ok(String::from_utf8_lossy(&bytes(value)?).into_owned())
}

pub(super) fn member(value: Value) -> Result<Member, QueueError> {
    Member::from_bytes(&bytes(value)?).ok_or_else(|| unexpected("a member"))
}

pub(super) fn members(value: Value) -> Result<Vec<Member>, QueueError> {
    array(value)?.map(member).collect()
}

/// The members of what is stored, without entries that foreign hands have put among them.
pub(super) fn stored_members(value: Value) -> Result<Vec<Member>, QueueError> {
    Ok(array(value)?
        .filter_map(|entry| member(entry).ok())
        .collect())
}

/// One digit per job, in the order of the call.
pub(super) fn digits(value: Value, expected: usize) -> Result<Vec<u8>, QueueError> {
    let digits = bytes(value)?;
    if digits.len() == expected && digits.iter().all(u8::is_ascii_digit) {
        Ok(digits.into())
    } else {
        Err(unexpected("one digit per job"))
    }
}

/// A flat list of names and values.
pub(super) fn pairs(value: Value) -> Result<Vec<(Value, Value)>, QueueError> {
    if let Value::Map(pairs) = value {
        return Ok(pairs);
    }
    let mut items = array(value)?;
    let mut pairs = Vec::new();
    while let Some(name) = items.next() {
        pairs.push((name, next(&mut items)?));
    }
    Ok(pairs)
}
