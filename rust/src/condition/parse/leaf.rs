//! Fields and comparisons: what stands left of an operator, the operator, and the literals right of it.

use serde_json::Value;

use super::{Parse, Parser};
use crate::condition::ast::{Membership, Op, Operand, Question, Test, TimeTest};
use crate::condition::cursor::Literal;
use crate::condition::path::{Envelope, Field, Path, Segment};
use crate::condition::scalar::{Moment, Scalar};
use crate::condition::{MAX_LIST_ITEMS, MAX_SEGMENTS};
use crate::instant::Instant;
use crate::json::Key;

impl Parser<'_> {
    /// The rest of a field whose first name has been taken from byte `start` on, and the `?` that may follow.
    pub(super) fn field(&mut self, first: &str, start: usize) -> Parse<Field> {
        let path = self.path(first, start)?;
        let optional = self.take_mark();
        Ok(self.read(path, optional))
    }

    /// Takes a `?`, and white space before it.
    pub(super) fn take_mark(&mut self) -> bool {
        let at = self.cursor.at();
        self.cursor.skip_space();
        let found = self.cursor.take("?");
        if !found {
            self.cursor.back_to(at);
        }
        found
    }

    /// The rest of a path whose first name has been taken from byte `start` on.
    pub(super) fn path(&mut self, first: &str, start: usize) -> Parse<Path> {
        let mut rest = Vec::new();
        loop {
            let at = self.cursor.at();
            let segment = if self.cursor.take(".") {
                let name = self.cursor.take_name().ok_or_else(|| {
                    let digit = self.cursor.peek().is_some_and(|c| c.is_ascii_digit());
                    let hint = digit.then_some("an item of a list is written [0]");
                    self.cursor.expected("a name after `.`", hint)
                })?;
                Segment::Key(Key::new(name))
            } else if self.cursor.take("[") {
                let segment = self.subscript()?;
                if !self.cursor.take("]") {
                    return Err(self.cursor.expected("`]`", None));
                }
                segment
            } else {
                break;
            };
            rest.push(segment);
            if rest.len() >= MAX_SEGMENTS {
                return Err(self.cursor.error(
                    at,
                    format!("a path has at most {MAX_SEGMENTS} steps"),
                    None,
                ));
            }
        }
        Ok(Path {
            first: Key::new(first),
            rest,
            shown: self.cursor.since(start).to_owned(),
        })
    }

    fn subscript(&mut self) -> Parse<Segment> {
        let what = "an index or a key in double quotes";
        if self.cursor.peek() == Some('\'') {
            return Err(self.cursor.expected(what, Some("use double quotes here")));
        }
        if let Some(key) = self.cursor.take_quoted()? {
            return Ok(Segment::Key(Key::new(key)));
        }
        let at = self.cursor.at();
        let digits = self.cursor.take_digits();
        if digits.is_empty() {
            let hint = match self.cursor.peek() {
                Some('-') => Some("indexes count from the start, and are not negative"),
                Some('*' | ']') => Some("every item is asked by all(items, qty > 1), some by any"),
                _ => None,
            };
            return Err(self.cursor.expected(what, hint));
        }
        let index = digits
            .parse()
            .map_err(|_| self.cursor.error(at, "an index beyond 64 bits", None))?;
        Ok(Segment::Index(index))
    }

    /// `@name`, which comes next.
    pub(super) fn envelope(&mut self) -> Parse<Operand> {
        let start = self.cursor.at();
        self.cursor.take("@");
        if self.cursor.take_name().is_none() {
            return Err(self.cursor.expected("a name after `@`", None));
        }
        let written = self.cursor.since(start);
        Envelope::ALL
            .into_iter()
            .find(|envelope| envelope.as_str() == written)
            .map(Operand::Envelope)
            .ok_or_else(|| {
                let hint = format!(
                    "there are {}",
                    Envelope::ALL.map(Envelope::as_str).join(", ")
                );
                let message = format!("unknown field `{written}`");
                self.cursor.error(start, message, Some(&hint))
            })
    }

    /// The rest of a comparison, or of a search in a list, after its operand.
    pub(super) fn comparison(&mut self, operand: Operand, start: usize) -> Parse<Question> {
        self.cursor.skip_space();
        if let Some(membership) = self.membership() {
            let list = self.list(|parser| {
                let literal = parser.literal()?;
                Ok(Scalar::new(literal))
            })?;
            return Ok(Question::Value(operand, Test::In(membership, list)));
        }
        let at = self.cursor.at();
        let op = self.op(start)?;
        self.cursor.skip_space();
        let literal = self.literal()?;
        if op.is_order() && !literal.is_number() {
            self.warn(
                at,
                format!(
                    "`{}` needs a number; with {literal} it is an error each time",
                    op.as_str()
                ),
            );
        }
        Ok(Question::Value(
            operand,
            Test::Compare(op, Scalar::new(literal)),
        ))
    }

    /// As `comparison`, for a point in time.
    pub(super) fn time_comparison(&mut self, field: Field, start: usize) -> Parse<Question> {
        self.cursor.skip_space();
        if let Some(membership) = self.membership() {
            let list = self.list(Self::moment)?;
            return Ok(Question::Time(field, TimeTest::In(membership, list)));
        }
        let op = self.op(start)?;
        self.cursor.skip_space();
        let moment = self.moment()?;
        Ok(Question::Time(field, TimeTest::Compare(op, moment)))
    }

    /// A literal of a comparison. One without quotes may be empty.
    pub(super) fn literal(&mut self) -> Parse<Value> {
        Ok(match self.cursor.take_literal()? {
            Literal::Quoted(string) => Value::String(string),
            Literal::Bare(value) => self.bare(value),
        })
    }

    fn moment(&mut self) -> Parse<Moment> {
        let start = self.cursor.at();
        let literal = self.cursor.take_literal()?;
        let written = match literal {
            Literal::Quoted(string) => Some(string),
            Literal::Bare(_) => None,
        };
        let at = written.as_deref().and_then(Instant::parse_rfc3339);
        match (at, written) {
            (Some(at), Some(written)) => Ok(Moment { at, written }),
            (_, written) => {
                self.cursor.back_to(start);
                let hint = if self.cursor.rest().starts_with("now") {
                    "conditions know no clock, so that they answer alike each time"
                } else if written.is_some() {
                    "write '2026-01-31T12:00:00Z', with an offset such as +01:00 or Z"
                } else {
                    "quote it, as in '2026-01-31T12:00:00Z'"
                };
                Err(self.cursor.error(
                    start,
                    "expected an RFC 3339 date and time in quotes",
                    Some(hint),
                ))
            }
        }
    }

    /// Takes `in` or `not in`, if a list follows, and the `(` of the list.
    fn membership(&mut self) -> Option<Membership> {
        let start = self.cursor.at();
        let membership = if self.cursor.take_word("not") {
            self.cursor.skip_space();
            Membership::NotIn
        } else {
            Membership::In
        };
        if self.cursor.take_word("in") {
            self.cursor.skip_space();
            if self.cursor.take("(") {
                return Some(membership);
            }
        }
        self.cursor.back_to(start);
        None
    }

    /// The items of a list whose `(` has been taken, and its `)`.
    fn list<T>(&mut self, item: impl Fn(&mut Self) -> Parse<T>) -> Parse<Vec<T>> {
        let mut items = Vec::new();
        loop {
            self.cursor.skip_space();
            if items.len() == MAX_LIST_ITEMS {
                return Err(self.cursor.error(
                    self.cursor.at(),
                    format!("a list has at most {MAX_LIST_ITEMS} items"),
                    None,
                ));
            }
            items.push(item(self)?);
            self.cursor.skip_space();
            if self.cursor.take(")") {
                return Ok(items);
            }
            if !self.cursor.take(",") {
                return Err(self.left_over("`,` or `)`"));
            }
        }
    }

    fn op(&mut self, start: usize) -> Parse<Op> {
        let at = self.cursor.at();
        let Some(op) = Op::ALL.into_iter().find(|op| self.cursor.take(op.as_str())) else {
            return Err(self.no_op(start));
        };
        // No literal starts like this, so the signs belong together.
        let rest = self.cursor.rest();
        let signs = rest
            .find(|c| !matches!(c, '=' | '!' | '<' | '>'))
            .unwrap_or(rest.len());
        if signs > 0 {
            let run = self.cursor.slice(at, self.cursor.at() + signs);
            let hint = match run {
                "===" => Some("use `==`"),
                "<>" | "!==" => Some("use `!=`"),
                _ => None,
            };
            return Err(self
                .cursor
                .error(at, format!("`{run}` is no operator"), hint));
        }
        Ok(op)
    }

    /// Notes a literal without quotes that has just been taken, and warns if it is no JSON scalar.
    pub(super) fn bare(&mut self, value: Value) -> Value {
        let end = self.cursor.at();
        if let Value::String(text) = &value {
            let start = end - text.len();
            let warning = match text.as_str() {
                "" => "nothing stands after the operator, so it compares with the empty string; write '' to say so".to_owned(),
                word if word.eq_ignore_ascii_case("null") || word == "None" => {
                    format!("`{word}` is read as a string; JSON's null is written `null`")
                }
                word if word.eq_ignore_ascii_case("true") || word.eq_ignore_ascii_case("false") => {
                    format!("`{word}` is read as a string; JSON's is written `{}`", word.to_lowercase())
                }
                word if looks_like_number(word) => {
                    format!("`{word}` is no JSON number and is read as a string; quote it to say so")
                }
                word => format!("`{word}` is read as a string; quote it to say so"),
            };
            self.warn(start, warning);
            self.last_bare = Some((self.cursor.slice(start, end), end));
        }
        value
    }
}

fn looks_like_number(word: &str) -> bool {
    word.trim_start_matches(['-', '.'])
        .starts_with(char::is_numeric)
}
