//! Calls: functions by name, and their arguments.

use serde_json::Value;

use super::{Parse, Parser};
use crate::condition::ast::{Ask, Changed, Each, Operand, Quantifier, Question, Side, Test};
use crate::condition::cursor::Literal;
use crate::condition::error::SyntaxError;
use crate::condition::path::{Field, Path};
use crate::condition::scalar::{Expected, Folded, Pattern, Scalar, Wildcards};
use crate::json::{Key, parse_scalar};

/// A function, and what its arguments are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Function {
    HasField,
    IsNull,
    FieldChanged,
    FieldChangedTo,
    FieldChangedFrom,
    Contains,
    StartsWith,
    EndsWith,
    Matches,
    Like,
    Ieq,
    Any,
    All,
    Size,
    Old,
    New,
    Time,
}

impl Function {
    /// Every function, in the order in which hints name them.
    pub(super) const ALL: [Self; 17] = [
        Self::HasField,
        Self::IsNull,
        Self::FieldChanged,
        Self::FieldChangedTo,
        Self::FieldChangedFrom,
        Self::Contains,
        Self::StartsWith,
        Self::EndsWith,
        Self::Matches,
        Self::Like,
        Self::Ieq,
        Self::Any,
        Self::All,
        Self::Size,
        Self::Old,
        Self::New,
        Self::Time,
    ];

    /// The name as it is written.
    pub(super) const fn as_str(self) -> &'static str {
        match self {
            Self::HasField => "has_field",
            Self::IsNull => "is_null",
            Self::FieldChanged => "field_changed",
            Self::FieldChangedTo => "field_changed_to",
            Self::FieldChangedFrom => "field_changed_from",
            Self::Contains => "contains",
            Self::StartsWith => "starts_with",
            Self::EndsWith => "ends_with",
            Self::Matches => "matches",
            Self::Like => "like",
            Self::Ieq => "ieq",
            Self::Any => "any",
            Self::All => "all",
            Self::Size => "size",
            Self::Old => "old",
            Self::New => "new",
            Self::Time => "time",
        }
    }

    /// How it is called.
    pub(super) const fn form(self) -> &'static str {
        match self {
            Self::HasField => "has_field('status')",
            Self::IsNull => "is_null(note)",
            Self::FieldChanged => "field_changed('status')",
            Self::FieldChangedTo => "field_changed_to('status', 'shipped')",
            Self::FieldChangedFrom => "field_changed_from('status', 'paid')",
            Self::Contains => "contains(tags, 'vip')",
            Self::StartsWith => "starts_with(sku, 'A-')",
            Self::EndsWith => "ends_with(file, '.pdf')",
            Self::Matches => "matches(sku, '^A-[0-9]+$')",
            Self::Like => "like(file, '*.pdf')",
            Self::Ieq => "ieq(status, 'shipped')",
            Self::Any => "any(items, qty > 1)",
            Self::All => "all(items, qty > 1)",
            Self::Size => "size(items) > 3",
            Self::Old => "old(total) < 100",
            Self::New => "new(total) >= 100",
            Self::Time => "time(due) < '2026-01-31T12:00:00Z'",
        }
    }

    /// How it is called, for who calls it otherwise.
    fn usage(self) -> String {
        let (name, form) = (self.as_str(), self.form());
        format!("`{name}` takes {}, as in {form}", self.arguments())
    }

    /// How many arguments it takes.
    const fn arguments(self) -> &'static str {
        match self {
            Self::HasField
            | Self::IsNull
            | Self::FieldChanged
            | Self::Size
            | Self::Old
            | Self::New
            | Self::Time => "1 argument",
            _ => "2 arguments",
        }
    }

    /// Whether the function looks at the whole event, so that it has no meaning for an element of an array.
    const fn needs_event(self) -> bool {
        matches!(
            self,
            Self::FieldChanged
                | Self::FieldChangedTo
                | Self::FieldChangedFrom
                | Self::Old
                | Self::New
                | Self::Any
                | Self::All
        )
    }
}

impl Parser<'_> {
    /// The rest of a call of `name`, which began at byte `start` and whose `(` has been taken.
    pub(super) fn call(&mut self, name: &str, start: usize) -> Parse<Question> {
        let Some(function) = Function::ALL
            .into_iter()
            .find(|function| function.as_str() == name)
        else {
            return Err(self.unknown_function(name, start));
        };
        if let Some(inside) = self.inside.filter(|_| function.needs_event()) {
            let message = format!("`{name}` cannot stand inside `{inside}`");
            let hint = match function {
                Function::Any | Function::All => {
                    "one level only; a path such as items[0].parts reaches further"
                }
                _ => "changes are those of the event, not of an element",
            };
            return Err(self.cursor.error(start, message, Some(hint)));
        }
        match function {
            Function::HasField => {
                let path = self.plain_target(function)?;
                self.close(function)?;
                Ok(Question::HasField(self.read(path, false)))
            }
            Function::FieldChanged | Function::FieldChangedTo | Function::FieldChangedFrom => {
                self.changed(function)
            }
            Function::Any | Function::All => self.each(function),
            Function::Size | Function::Old | Function::New | Function::Time => {
                let field = self.bare_field(function)?;
                self.close(function)?;
                match function {
                    Function::Time => self.time_comparison(field, start),
                    Function::Size => self.comparison(Operand::Size(field), start),
                    Function::Old => self.comparison(Operand::Side(Side::Old, field), start),
                    _ => self.comparison(Operand::Side(Side::New, field), start),
                }
            }
            _ => self.value_function(function),
        }
    }

    fn changed(&mut self, function: Function) -> Parse<Question> {
        let path = self.plain_target(function)?;
        let ask = if function == Function::FieldChanged {
            Ask::Any
        } else {
            self.comma(function)?;
            let expected = self.expected_value()?;
            if function == Function::FieldChangedTo {
                Ask::To(expected)
            } else {
                Ask::From(expected)
            }
        };
        self.close(function)?;
        Ok(Question::Changed(Changed { path, ask }))
    }

    fn each(&mut self, function: Function) -> Parse<Question> {
        let (quantifier, name) = match function {
            Function::Any => (Quantifier::Any, "any"),
            _ => (Quantifier::All, "all"),
        };
        let at = self.cursor.at();
        let field = self.bare_field(function)?;
        self.comma(function)?;
        self.deeper(at)?;
        self.inside = Some(name);
        let condition = self.or()?;
        self.inside = None;
        self.depth -= 1;
        if !self.cursor.take(")") {
            return Err(self.left_over("`&&`, `||` or `)`"));
        }
        Ok(Question::Each(Each {
            quantifier,
            field,
            condition,
        }))
    }

    /// A function of a value: the value, and what is asked of it.
    fn value_function(&mut self, function: Function) -> Parse<Question> {
        let operand = self.target(function)?;
        let test = if function == Function::IsNull {
            Test::IsNull
        } else {
            self.comma(function)?;
            self.cursor.skip_space();
            let at = self.cursor.at();
            let literal = self.argument()?;
            match (function, literal) {
                (Function::Contains, literal) => Test::Contains(Scalar::new(literal)),
                (Function::StartsWith, Value::String(text)) => Test::StartsWith(text),
                (Function::EndsWith, Value::String(text)) => Test::EndsWith(text),
                (Function::Like, Value::String(text)) => Test::Like(Wildcards::new(text)),
                (Function::Matches, Value::String(text)) => {
                    Test::Matches(Pattern::new(&text).map_err(|problem| {
                        self.cursor.error(at, &problem, pattern_hint(&problem))
                    })?)
                }
                (_, Value::String(text)) => Test::EqualsIgnoringCase(Folded::new(text)),
                (_, other) => {
                    let message = format!("`{}` needs a string, found {other}", function.as_str());
                    let hint = format!("quote it: '{other}'");
                    return Err(self.cursor.error(at, message, Some(&hint)));
                }
            }
        };
        self.close(function)?;
        Ok(Question::Value(operand, test))
    }

    /// The first argument of a function of a value: a key in quotes, a path that may end with `?`, or `@name`.
    fn target(&mut self, function: Function) -> Parse<Operand> {
        self.cursor.skip_space();
        if self.cursor.peek() == Some('@') {
            return self.envelope();
        }
        if let Some(path) = self.quoted_key()? {
            return Ok(Operand::Field(self.read(path, false)));
        }
        Ok(Operand::Field(self.bare_field(function)?))
    }

    /// A path that may end with `?`.
    fn bare_field(&mut self, function: Function) -> Parse<Field> {
        self.cursor.skip_space();
        let start = self.cursor.at();
        match self.cursor.take_name() {
            Some(name) => self.field(name, start),
            None => Err(self.no_target(function, "a path")),
        }
    }

    /// The first argument of a function that accepts a missing field: a key in quotes, or a path.
    fn plain_target(&mut self, function: Function) -> Parse<Path> {
        self.cursor.skip_space();
        let path = if let Some(path) = self.quoted_key()? {
            path
        } else {
            let start = self.cursor.at();
            match self.cursor.take_name() {
                Some(name) => self.path(name, start)?,
                None => return Err(self.no_target(function, "a path, or a key in quotes")),
            }
        };
        let at = self.cursor.at();
        if self.take_mark() {
            self.cursor.back_to(at);
            self.cursor.skip_space();
            let hint = format!(
                "`{}` is false for a missing field without it",
                function.as_str()
            );
            return Err(self.cursor.expected("`,` or `)`", Some(&hint)));
        }
        Ok(path)
    }

    fn quoted_key(&mut self) -> Parse<Option<Path>> {
        Ok(self.cursor.take_quoted()?.map(|key| Path {
            shown: key.clone(),
            first: Key::new(key),
            rest: Vec::new(),
        }))
    }

    fn no_target(&self, function: Function, what: &str) -> SyntaxError {
        let hint = match self.cursor.peek() {
            Some('@') if matches!(function, Function::Any | Function::All) => {
                "fields with `@` are no arrays".to_owned()
            }
            Some('@') => {
                "fields with `@` are text, always there and never among the changes".to_owned()
            }
            Some('\'' | '"') => "write the path without quotes".to_owned(),
            _ => format!("as in {}", function.form()),
        };
        self.cursor
            .expected(&format!("a field: {what}"), Some(&hint))
    }

    /// The comma before the second argument.
    fn comma(&mut self, function: Function) -> Parse<()> {
        self.cursor.skip_space();
        if self.cursor.take(",") {
            return Ok(());
        }
        let hint = function.usage();
        Err(self.cursor.expected("`,`", Some(&hint)))
    }

    /// The end of a call.
    fn close(&mut self, function: Function) -> Parse<()> {
        self.cursor.skip_space();
        if self.cursor.take(")") {
            return Ok(());
        }
        let hint = self
            .cursor
            .rest()
            .starts_with(',')
            .then(|| function.usage());
        Err(self.cursor.expected("`)`", hint.as_deref()))
    }

    /// The second argument of a function of a value.
    fn argument(&mut self) -> Parse<Value> {
        let at = self.cursor.at();
        match self.cursor.take_literal()? {
            Literal::Quoted(string) => Ok(Value::String(string)),
            Literal::Bare(_) if self.cursor.at() == at => Err(self.no_value()),
            Literal::Bare(value) => Ok(self.bare(value)),
        }
    }

    /// The value that a change is compared with.
    fn expected_value(&mut self) -> Parse<Expected> {
        self.cursor.skip_space();
        let at = self.cursor.at();
        match self.cursor.take_literal()? {
            Literal::Quoted(string) => {
                let spelled = parse_scalar(&string).map(Scalar::new);
                Ok(Expected {
                    value: Scalar::new(Value::String(string)),
                    spelled,
                })
            }
            Literal::Bare(_) if self.cursor.at() == at => Err(self.no_value()),
            Literal::Bare(value) => Ok(Expected {
                value: Scalar::new(self.bare(value)),
                spelled: None,
            }),
        }
    }

    fn no_value(&self) -> SyntaxError {
        let hint = match self.cursor.peek() {
            Some('@') => Some("the value is a literal, never a field"),
            _ => None,
        };
        self.cursor.expected("a value", hint)
    }
}

/// What people who write a pattern for another engine should know.
fn pattern_hint(problem: &str) -> Option<&'static str> {
    if problem.contains("look-around") {
        Some("patterns look neither ahead nor behind, so that matching takes linear time")
    } else if problem.contains("backreference") {
        Some("patterns do not refer back to a group, so that matching takes linear time")
    } else if problem.contains("when compiled") {
        Some("classes such as \\w hold all of Unicode; [A-Za-z0-9_] or (?-u:\\w) is smaller")
    } else {
        None
    }
}
