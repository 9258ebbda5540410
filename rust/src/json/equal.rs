//! Equality of JSON values as conditions mean it.

use serde_json::Value;

use super::compare_numbers;

/// Compares two JSON values: numbers by exact value at every level, everything else strictly.
///
/// `100` equals `100.00`; a number never equals a string; the order of keys in an object does not matter.
pub fn json_semantic_eq(left: &Value, right: &Value) -> bool {
    match (left, right) {
        (Value::Null, Value::Null) => true,
        (Value::Bool(l), Value::Bool(r)) => l == r,
        (Value::Number(l), Value::Number(r)) => compare_numbers(l, r).is_eq(),
        (Value::String(l), Value::String(r)) => l == r,
        (Value::Array(l), Value::Array(r)) => {
            l.len() == r.len() && l.iter().zip(r).all(|(l, r)| json_semantic_eq(l, r))
        }
        (Value::Object(l), Value::Object(r)) => {
            l.len() == r.len()
                && l.iter()
                    .all(|(key, l)| r.get(key).is_some_and(|r| json_semantic_eq(l, r)))
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn numbers_are_equal_by_value_at_every_level() {
        assert!(json_semantic_eq(&json!(100), &json!(100.0)));
        assert!(json_semantic_eq(
            &json!({"a": [1, {"b": 2.0}]}),
            &json!({"a": [1.0, {"b": 2}]})
        ));
        assert!(!json_semantic_eq(
            &json!(9_007_199_254_740_993_u64),
            &json!(9_007_199_254_740_992.0)
        ));
    }

    #[test]
    fn other_types_are_equal_only_when_identical() {
        assert!(!json_semantic_eq(&json!(1), &json!("1")));
        assert!(!json_semantic_eq(&json!(1), &json!(true)));
        assert!(!json_semantic_eq(&json!(null), &json!(false)));
        assert!(!json_semantic_eq(&json!([1, 2]), &json!([2, 1])));
        assert!(!json_semantic_eq(&json!([1]), &json!([1, 2])));
        assert!(!json_semantic_eq(&json!({"a": 1}), &json!({"b": 1})));
    }

    #[test]
    fn the_order_of_keys_does_not_matter() {
        assert!(json_semantic_eq(
            &json!({"a": 1, "b": 2}),
            &json!({"b": 2, "a": 1})
        ));
    }
}
