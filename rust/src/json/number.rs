//! Exact order of JSON numbers: no value is rounded before it is compared.

use std::cmp::Ordering;

use serde_json::Number;

/// 2^64 as a float: every integer we hold is below it, and it is exact.
const TWO_TO_64: f64 = 18_446_744_073_709_551_616.0;

/// Compares two JSON numbers by their exact numeric value, integers and floats alike.
///
/// `2^53 + 1` is greater than `2^53`, also when one of them is a float; `-0.0` equals `0`.
pub fn compare_numbers(left: &Number, right: &Number) -> Ordering {
    match (integer(left), integer(right)) {
        (Some(l), Some(r)) => l.cmp(&r),
        (Some(l), None) => compare_integer_float(l, float(right)),
        (None, Some(r)) => compare_integer_float(r, float(left)).reverse(),
        // JSON has no NaN, so the order of two floats is total.
        (None, None) => float(left)
            .partial_cmp(&float(right))
            .unwrap_or(Ordering::Equal),
    }
}

fn integer(number: &Number) -> Option<i128> {
    number
        .as_i64()
        .map(i128::from)
        .or_else(|| number.as_u64().map(i128::from))
}

fn float(number: &Number) -> f64 {
    number.as_f64().unwrap_or_default()
}

fn compare_integer_float(integer: i128, float: f64) -> Ordering {
    if float >= TWO_TO_64 {
        return Ordering::Less;
    }
    if float <= -TWO_TO_64 {
        return Ordering::Greater;
    }
    #[allow(clippy::cast_possible_truncation)]
    // the bounds above leave at most 65 bits before the point
    let whole = float.trunc() as i128;
    integer.cmp(&whole).then_with(|| {
        0.0_f64
            .partial_cmp(&float.fract())
            .unwrap_or(Ordering::Equal)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn order(left: &str, right: &str) -> Ordering {
        let number = |text: &str| serde_json::from_str::<Number>(text).expect("a number");
        let (l, r) = (number(left), number(right));
        assert_eq!(
            compare_numbers(&r, &l),
            compare_numbers(&l, &r).reverse(),
            "{left} {right}"
        );
        compare_numbers(&l, &r)
    }

    #[test]
    fn integers_and_floats_compare_by_exact_value() {
        assert_eq!(order("100", "100.00"), Ordering::Equal);
        assert_eq!(
            order("9007199254740993", "9007199254740992.0"),
            Ordering::Greater
        );
        assert_eq!(
            order("9007199254740993", "9007199254740994.0"),
            Ordering::Less
        );
        assert_eq!(
            order("18446744073709551615", "18446744073709551616"),
            Ordering::Less
        );
        assert_eq!(
            order("-9223372036854775808", "-9223372036854775808.0"),
            Ordering::Equal
        );
        assert_eq!(order("-1", "18446744073709551615"), Ordering::Less);
    }

    #[test]
    fn fractions_decide_when_the_whole_parts_are_equal() {
        assert_eq!(order("2", "2.5"), Ordering::Less);
        assert_eq!(order("-2", "-2.5"), Ordering::Greater);
        assert_eq!(order("0", "-0.0"), Ordering::Equal);
        assert_eq!(order("0", "5e-324"), Ordering::Less);
    }

    #[test]
    fn floats_far_outside_the_integers_compare_by_sign() {
        assert_eq!(order("18446744073709551615", "1e300"), Ordering::Less);
        assert_eq!(order("-9223372036854775808", "-1e300"), Ordering::Greater);
    }
}
