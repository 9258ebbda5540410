"""Mistakes in what conditions mean. The property tests catch each, by a reference written from the outside."""

from __future__ import annotations

from typing import Final

from tests.sabotage.mistake import Mistake

_AGREE: Final = "tests/property/test_conditions.py"
_EVAL: Final = "rust/src/condition/eval.rs"
_AST: Final = "rust/src/condition/ast.rs"
_PARSE: Final = "rust/src/condition/parse"

CONDITION_MISTAKES: Final = (
    Mistake(
        "the operands of a comparison are swapped",
        _EVAL,
        "op.holds(compare_numbers(&left, right))",
        "op.holds(compare_numbers(right, &left))",
        _AGREE,
    ),
    Mistake(
        "`>=` means `>`",
        _AST,
        "Self::Ge => order.is_ge(),",
        "Self::Ge => order.is_gt(),",
        _AGREE,
    ),
    Mistake(
        "integers are compared as floats",
        "rust/src/json/number.rs",
        "(Some(l), Some(r)) => l.cmp(&r),",
        "(Some(_), Some(_)) => float(left).total_cmp(&float(right)),",
        _AGREE,
    ),
    Mistake(
        "a null field counts as missing",
        _EVAL,
        "        self.path.walk(fields.field(self.slot, &self.path.first)?)\n",
        "        let found = self.path.walk(fields.field(self.slot, &self.path.first)?);\n"
        "        found.filter(|value| !value.is_null())\n",
        _AGREE,
    ),
    Mistake(
        "`!` swallows an error",
        _EVAL,
        "Self::Not(operand) => operand.evaluate(fields).map(|truth| !truth),",
        "Self::Not(operand) => Ok(!operand.evaluate(fields).unwrap_or(true)),",
        _AGREE,
    ),
    Mistake(
        "`&&` and `||` go from right to left",
        _EVAL,
        "    for operand in operands {\n        if operand.evaluate",
        "    for operand in operands.iter().rev() {\n        if operand.evaluate",
        _AGREE,
    ),
    Mistake(
        "an operand that decides hides an earlier error",
        _EVAL,
        "        if operand.evaluate(fields)? == deciding {\n            return Ok(true);\n        }\n    }\n",
        "        if operand.evaluate(fields) == Ok(deciding) {\n            return Ok(true);\n        }\n    }\n"
        "    for operand in operands {\n        operand.evaluate(fields)?;\n    }\n",
        _AGREE,
    ),
    Mistake(
        "`?` makes a missing field true",
        _EVAL,
        "        if self.optional {\n            Ok(false)\n",
        "        if self.optional {\n            Ok(true)\n",
        _AGREE,
    ),
    Mistake(
        "a quoted number is a number in a comparison",
        f"{_PARSE}/leaf.rs",
        "Literal::Quoted(string) => Value::String(string),",
        "Literal::Quoted(string) => crate::json::parse_scalar(&string).unwrap_or(Value::String(string)),",
        _AGREE,
    ),
    Mistake(
        "a quoted number is only a string in field_changed_to",
        f"{_PARSE}/call.rs",
        "let spelled = parse_scalar(&string).map(Scalar::new);",
        'let spelled = parse_scalar("").map(Scalar::new);',
        _AGREE,
    ),
    Mistake(
        "an untracked update has not changed",
        _EVAL,
        "if event.changes.is_none() && event.event_type == EventKind::Updated {",
        "if event.changes.is_none() && event.event_type == EventKind::Updated && path.is_empty() {",
        _AGREE,
    ),
    Mistake(
        "what is inserted had a value before",
        _EVAL,
        "(Self::Old, EventKind::Created) | (Self::New, EventKind::Deleted) => None,",
        "(Self::New, EventKind::Deleted) => None,",
        _AGREE,
    ),
    Mistake(
        "`all` of nothing is false",
        _EVAL,
        "        Ok(!deciding)\n",
        "        Ok(false)\n",
        _AGREE,
    ),
    Mistake(
        "a string has the size of its bytes",
        _EVAL,
        "value.string()?.chars().count()",
        "value.string()?.len()",
        _AGREE,
    ),
    Mistake(
        "`&&` binds looser than `||`",
        f"{_PARSE}/mod.rs",
        'self.chain("||", "or", Self::and)?',
        'self.chain("&&", "and", Self::and)?',
        _AGREE,
    ),
)
