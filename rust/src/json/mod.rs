//! JSON values: strict reading, exact comparison of numbers, and equality by value.
//!
//! Values are `serde_json::Value` with the order of keys kept. Integers are exact up to 64 bits, signed and
//! unsigned; larger ones are read as `f64`. What a lenient reader would let pass is refused wherever it stands:
//! `NaN`, numbers beyond `f64`, lone surrogates, and nesting deeper than [`MAX_DEPTH`].

mod equal;
mod number;
mod place;
mod read;

pub use equal::json_semantic_eq;
pub use number::compare_numbers;
pub use place::{Place, Step};
pub use read::{ReadError, Strict, parse_scalar};

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
