//! JSON: strict reading into one canonical text, and exact comparison of values in it.
//!
//! What we keep of JSON is its canonical text: no white space, each key once, strings and numbers written in one way.
//! Equal texts are equal values, so most comparisons are comparisons of bytes, and a value is found in the text
//! without building anything. Integers are exact up to 64 bits, signed and unsigned; larger ones are read as `f64`.
//! What a lenient reader would let pass is refused wherever it stands: `NaN`, numbers beyond `f64`, lone surrogates,
//! and nesting deeper than [`MAX_DEPTH`].

mod document;
mod equal;
mod number;
mod place;
mod raw;
mod read;
mod writer;

pub use document::{Document, Key};
pub use equal::json_semantic_eq;
pub use number::compare_numbers;
pub use place::{Place, Step};
pub use raw::Raw;
pub use read::{ReadError, Strict, WriteSeed, parse_scalar};
pub use writer::{Keys, Writer, write_text};

use serde_json::Value;

/// The deepest nesting that is read, in levels of arrays and objects; the outermost one is level 1.
///
/// It bounds the stack that any walk over a value needs.
pub const MAX_DEPTH: usize = 128;

/// The JSON name of a value's type, as error texts use it.
pub fn type_name(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "boolean",
        Value::Number(_) => "number",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    }
}
