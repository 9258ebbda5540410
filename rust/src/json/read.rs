//! A strict reader of JSON texts, on top of `serde_json`.
//!
//! `serde_json` already refuses `NaN`, numbers beyond `f64`, lone surrogates and raw control characters in what it
//! reads into values; so everything is read into values, ignored fields too. This module adds the depth limit, counted
//! in levels from the outermost container, and the place of a mistake.

use std::cell::RefCell;
use std::fmt;

use serde::de::{self, DeserializeSeed, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Number, Value};

use super::{MAX_DEPTH, Place, Step};

/// Why a text is not the JSON that we read, and where.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct ReadError {
    /// The value that is wrong, from the outermost one.
    pub place: Place,
    /// What is wrong with it.
    pub problem: String,
}

/// A reading in progress: collects the place of the first mistake.
#[derive(Debug, Default)]
pub struct Strict {
    place: RefCell<Place>,
}

impl Strict {
    /// Reads one whole JSON text with `seed`; anything but white space after it is a mistake.
    ///
    /// # Errors
    ///
    /// `ReadError` if the text is not strict JSON or the seed refuses it.
    pub fn read<'de, S: DeserializeSeed<'de>>(
        &self,
        text: &'de str,
        seed: S,
    ) -> Result<S::Value, ReadError> {
        let mut reader = serde_json::Deserializer::from_str(text);
        // Our own limit counts the outermost level as 1; the reader's would refuse level 128.
        reader.disable_recursion_limit();
        seed.deserialize(&mut reader)
            .and_then(|value| reader.end().map(|()| value))
            .map_err(|error| ReadError {
                place: self.place.take(),
                problem: error.to_string(),
            })
    }

    /// A seed for any value; a container there is at level `level`.
    pub fn value(&self, level: usize) -> ValueSeed<'_> {
        ValueSeed {
            reading: self,
            level,
        }
    }

    /// Notes that an error is leaving a container in which its value was found by `step`.
    pub fn leave(&self, step: Step) {
        self.place.borrow_mut().leave(step);
    }
}

/// Reads any JSON value; see [`Strict::value`].
#[derive(Debug, Clone, Copy)]
pub struct ValueSeed<'a> {
    reading: &'a Strict,
    level: usize,
}

impl ValueSeed<'_> {
    fn check_level<E: de::Error>(self) -> Result<(), E> {
        if self.level > MAX_DEPTH {
            return Err(E::custom(format_args!(
                "nested deeper than {MAX_DEPTH} levels"
            )));
        }
        Ok(())
    }

    fn inner(self) -> Self {
        Self {
            level: self.level + 1,
            ..self
        }
    }
}

impl<'de> DeserializeSeed<'de> for ValueSeed<'_> {
    type Value = Value;

    fn deserialize<D: de::Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for ValueSeed<'_> {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Bool(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(Value::Number(value.into()))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(Value::Number(value.into()))
    }

    fn visit_f64<E: de::Error>(self, value: f64) -> Result<Value, E> {
        Number::from_f64(value)
            .map(Value::Number)
            .ok_or_else(|| E::custom("number out of range"))
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(Value::String(value.to_owned()))
    }

    fn visit_string<E>(self, value: String) -> Result<Value, E> {
        Ok(Value::String(value))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Value, A::Error> {
        self.check_level()?;
        let mut array = Vec::new();
        loop {
            match items.next_element_seed(self.inner()) {
                Ok(Some(item)) => array.push(item),
                Ok(None) => return Ok(Value::Array(array)),
                Err(error) => {
                    self.reading.leave(Step::Index(array.len()));
                    return Err(error);
                }
            }
        }
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Value, A::Error> {
        self.check_level()?;
        let mut object = Map::new();
        while let Some(key) = entries.next_key::<String>()? {
            match entries.next_value_seed(self.inner()) {
                Ok(value) => object.insert(key, value),
                Err(error) => {
                    self.reading.leave(Step::Key(key));
                    return Err(error);
                }
            };
        }
        Ok(Value::Object(object))
    }
}

/// Reads a text as one JSON scalar: null, a boolean, a number or a string; `None` for anything else.
///
/// A number beyond `f64` is none, an integer beyond 64 bits is an `f64`.
pub fn parse_scalar(text: &str) -> Option<Value> {
    let first = text
        .trim_start_matches([' ', '\t', '\n', '\r'])
        .chars()
        .next()?;
    if matches!(first, '[' | '{') {
        return None;
    }
    serde_json::from_str(text).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn read(text: &str) -> Result<Value, ReadError> {
        let strict = Strict::default();
        strict.read(text, strict.value(1))
    }

    fn problem(text: &str) -> String {
        read(text).expect_err(text).problem
    }

    #[test]
    fn integers_are_exact_to_64_bits_and_floats_beyond() {
        assert_eq!(read("18446744073709551615"), Ok(json!(u64::MAX)));
        assert_eq!(read("-9223372036854775808"), Ok(json!(i64::MIN)));
        assert_eq!(
            read("18446744073709551616"),
            Ok(json!(18_446_744_073_709_551_616.0_f64))
        );
        assert_eq!(
            read("-9223372036854775809"),
            Ok(json!(-9_223_372_036_854_775_808.0_f64))
        );
    }

    #[test]
    fn numbers_beyond_the_floats_are_refused_and_underflow_is_zero() {
        assert!(problem("1e400").contains("number out of range"));
        assert!(problem(&"9".repeat(400)).contains("number out of range"));
        assert_eq!(read("1e-400"), Ok(json!(0.0)));
        assert_eq!(read("0e400"), Ok(json!(0.0)));
        assert_eq!(
            read(&format!("0.{}1e400", "0".repeat(500))),
            Ok(json!(1e-101))
        );
    }

    #[test]
    fn what_a_lenient_reader_lets_pass_is_refused() {
        let bad = [
            "NaN",
            "Infinity",
            "-Infinity",
            r#""\ud800""#,
            r#"{"\udc00": 1}"#,
            "\u{feff}1",
            "01",
            "1 2",
            "[1,]",
            "",
        ];
        for text in bad {
            assert!(read(text).is_err(), "{text:?}");
        }
    }

    #[test]
    fn the_level_limit_counts_the_outermost_container_as_one() {
        let nested = |levels: usize| format!("{}{}", "[".repeat(levels), "]".repeat(levels));
        assert!(read(&nested(MAX_DEPTH)).is_ok());
        assert!(problem(&nested(MAX_DEPTH + 1)).contains("nested deeper than 128 levels"));
    }

    #[test]
    fn the_last_of_two_equal_keys_wins() {
        assert_eq!(
            read(r#"{"a": 1, "b": 2, "a": 3}"#),
            Ok(json!({"a": 3, "b": 2}))
        );
    }

    #[test]
    fn a_mistake_is_named_by_its_place() {
        let error = read(r#"{"a": [0, {"b c": 1e999}]}"#).expect_err("beyond f64");
        assert_eq!(error.place.to_string(), r#"a[1]["b c"]"#);
    }

    #[test]
    fn scalars_are_told_from_containers_and_rubbish() {
        assert_eq!(parse_scalar(" 1e2 "), Some(json!(100.0)));
        assert_eq!(parse_scalar(r#""a""#), Some(json!("a")));
        for text in ["[1]", " {}", "", "007", "1e400", "shipped", "+1", "1 2"] {
            assert_eq!(parse_scalar(text), None, "{text:?}");
        }
    }
}
