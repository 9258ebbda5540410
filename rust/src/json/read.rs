//! A strict reader of JSON texts, on top of `serde_json`.
//!
//! `serde_json` already refuses `NaN`, numbers beyond `f64`, lone surrogates and raw control characters in what it
//! hands over; so everything is handed over, ignored fields too. This module adds the depth limit, counted in levels
//! from the outermost container, and the place of a mistake.

use std::cell::RefCell;
use std::fmt;

use serde::de::{self, DeserializeSeed, MapAccess, SeqAccess, Visitor};
use serde_json::Value;

use super::writer::OpenObject;
use super::{Keys, MAX_DEPTH, Place, Step, Writer};

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

    /// A seed that writes any value in canonical form; a container there is at level `level`.
    pub fn write<'a>(&'a self, writer: &'a mut Writer, level: usize) -> WriteSeed<'a> {
        WriteSeed {
            reading: self,
            writer,
            level,
        }
    }

    /// Notes that an error is leaving a container in which its value was found by `step`.
    pub fn leave(&self, step: Step) {
        self.place.borrow_mut().leave(step);
    }
}

/// Reads any JSON value and writes it in canonical form; see [`Strict::write`].
#[derive(Debug)]
pub struct WriteSeed<'a> {
    reading: &'a Strict,
    writer: &'a mut Writer,
    level: usize,
}

impl WriteSeed<'_> {
    fn check_level<E: de::Error>(&self) -> Result<(), E> {
        if self.level > MAX_DEPTH {
            return Err(E::custom(format_args!(
                "nested deeper than {MAX_DEPTH} levels"
            )));
        }
        Ok(())
    }

    fn inner(&mut self) -> WriteSeed<'_> {
        WriteSeed {
            reading: self.reading,
            writer: self.writer,
            level: self.level + 1,
        }
    }
}

impl<'de> DeserializeSeed<'de> for WriteSeed<'_> {
    type Value = ();

    fn deserialize<D: de::Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for WriteSeed<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_unit<E>(self) -> Result<(), E> {
        self.writer.null();
        Ok(())
    }

    fn visit_bool<E>(self, value: bool) -> Result<(), E> {
        self.writer.boolean(value);
        Ok(())
    }

    fn visit_i64<E>(self, value: i64) -> Result<(), E> {
        self.writer.signed(value);
        Ok(())
    }

    fn visit_u64<E>(self, value: u64) -> Result<(), E> {
        self.writer.unsigned(value);
        Ok(())
    }

    fn visit_f64<E: de::Error>(self, value: f64) -> Result<(), E> {
        if self.writer.float(value) {
            Ok(())
        } else {
            Err(E::custom("number out of range"))
        }
    }

    fn visit_str<E>(self, value: &str) -> Result<(), E> {
        self.writer.text(value);
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(mut self, mut items: A) -> Result<(), A::Error> {
        self.check_level()?;
        self.writer.begin_array();
        for index in 0.. {
            match items.next_element_seed(ItemSeed {
                seed: self.inner(),
                index,
            }) {
                Ok(Some(())) => {}
                Ok(None) => break,
                Err(error) => {
                    self.reading.leave(Step::Index(index));
                    return Err(error);
                }
            }
        }
        self.writer.end_array();
        Ok(())
    }

    fn visit_map<A: MapAccess<'de>>(mut self, mut entries: A) -> Result<(), A::Error> {
        self.check_level()?;
        let object = self.writer.begin_object();
        while entries
            .next_key_seed(KeySeed {
                writer: self.writer,
                object: &object,
            })?
            .is_some()
        {
            let inner = self.writer.bytes();
            if let Err(error) = entries.next_value_seed(self.inner()) {
                self.reading.leave(Step::Key(self.writer.key_before(inner)));
                return Err(error);
            }
        }
        self.writer.end_object(&object, Keys::LastWins);
        Ok(())
    }
}

/// Writes the separator before an item, once it is known that there is one.
struct ItemSeed<'a> {
    seed: WriteSeed<'a>,
    index: usize,
}

impl<'de> DeserializeSeed<'de> for ItemSeed<'_> {
    type Value = ();

    fn deserialize<D: de::Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        self.seed.writer.item(self.index);
        self.seed.deserialize(deserializer)
    }
}

/// Writes a key as it is read.
struct KeySeed<'a> {
    writer: &'a mut Writer,
    object: &'a OpenObject,
}

impl<'de> DeserializeSeed<'de> for KeySeed<'_> {
    type Value = ();

    fn deserialize<D: de::Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl Visitor<'_> for KeySeed<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a string")
    }

    fn visit_str<E>(self, key: &str) -> Result<(), E> {
        self.writer.key(self.object, key);
        Ok(())
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

    fn read(text: &str) -> Result<String, ReadError> {
        let strict = Strict::default();
        let mut writer = Writer::default();
        strict.read(text, strict.write(&mut writer, 1))?;
        Ok(String::from_utf8(writer.raw().json().to_vec()).expect("UTF-8"))
    }

    fn canonical(text: &str) -> String {
        read(text).unwrap_or_else(|error| panic!("{text}: {error:?}"))
    }

    fn problem(text: &str) -> String {
        read(text).expect_err(text).problem
    }

    #[test]
    fn a_text_is_written_in_canonical_form() {
        assert_eq!(
            canonical(
                " { \"a\" : [ 1 , 2.50 , -0 , null , true , { } , [ ] ] , \"\\u0062\\/\" : \"\\u00e9\\n\" } "
            ),
            "{\"a\":[1,2.5,-0.0,null,true,{},[]],\"b/\":\"é\\n\"}"
        );
    }

    #[test]
    fn integers_are_exact_to_64_bits_and_floats_beyond() {
        assert_eq!(canonical("18446744073709551615"), "18446744073709551615");
        assert_eq!(canonical("-9223372036854775808"), "-9223372036854775808");
        assert_eq!(canonical("18446744073709551616"), "1.8446744073709552e+19");
        assert_eq!(canonical("-9223372036854775809"), "-9.223372036854776e+18");
    }

    #[test]
    fn numbers_beyond_the_floats_are_refused_and_underflow_is_zero() {
        assert!(problem("1e400").contains("number out of range"));
        assert!(problem(&"9".repeat(400)).contains("number out of range"));
        assert_eq!(canonical("1e-400"), "0.0");
        assert_eq!(canonical("0e400"), "0.0");
        assert_eq!(canonical(&format!("0.{}1e400", "0".repeat(500))), "1e-101");
    }

    #[test]
    fn what_a_lenient_reader_lets_pass_is_refused() {
        for text in [
            "NaN",
            "Infinity",
            "-Infinity",
            r#""\ud800""#,
            r#"{"\udc00": 1}"#,
            "\u{feff}1",
            "01",
            "1 2",
            "[1,]",
            "{\"a\":1,}",
            "{1:1}",
            "\"\n\"",
            "",
        ] {
            assert!(read(text).is_err(), "{text:?}");
        }
    }

    #[test]
    fn the_level_limit_counts_the_outermost_container_as_one() {
        let nested = |levels: usize| format!("{}{}", "[".repeat(levels), "]".repeat(levels));
        assert_eq!(canonical(&nested(MAX_DEPTH)), nested(MAX_DEPTH));
        assert!(problem(&nested(MAX_DEPTH + 1)).contains("nested deeper than 128 levels"));
        let objects =
            |levels: usize| format!("{}1{}", r#"{"a":"#.repeat(levels), "}".repeat(levels));
        assert_eq!(canonical(&objects(MAX_DEPTH)), objects(MAX_DEPTH));
        assert!(problem(&objects(MAX_DEPTH + 1)).contains("nested deeper than 128 levels"));
    }

    #[test]
    fn the_last_of_two_equal_keys_wins() {
        assert_eq!(
            canonical(r#"{"a": 1, "b": 2, "\u0061": {"c": 1, "c": 3}}"#),
            r#"{"a":{"c":3},"b":2}"#
        );
    }

    #[test]
    fn a_mistake_is_named_by_its_place() {
        for (text, place) in [
            (r#"{"a": [0, {"b c": 1e999}]}"#, r#"a[1]["b c"]"#),
            (r#"{"a": {"x": 1, "y": {"z": [1, NaN]}}}"#, "a.y.z[1]"),
            (r#"{"a": {"x": 1}, "b": tru}"#, "b"),
            ("[1, 2", "[2]"),
        ] {
            assert_eq!(read(text).expect_err(text).place.to_string(), place);
        }
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
