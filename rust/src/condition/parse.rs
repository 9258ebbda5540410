//! Text to tree, by recursive descent.

use serde_json::Value;

use super::ast::{
    Changed, Compare, Expected, Field, Leaf, Node, Op, Path, Question, Scalar, Segment,
};
use super::cursor::{Cursor, Literal, is_word};
use super::error::SyntaxError;
use super::{MAX_DEPTH, MAX_NODES, MAX_SEGMENTS, MAX_TEXT_BYTES};
use crate::json::{Key, parse_scalar};

/// The functions of the language, as hints name them.
const FUNCTIONS: &str = "has_field, field_changed, field_changed_to, field_changed_from";

/// What a text turned out to be.
pub(super) struct Parsed {
    pub root: Node,
    pub keys: Vec<Key>,
    pub warnings: Vec<String>,
}

/// Parses a whole text.
pub(super) fn parse(text: &str) -> Result<Parsed, SyntaxError> {
    let mut parser = Parser {
        cursor: Cursor::new(text),
        depth: 0,
        nodes: 0,
        keys: Vec::new(),
        warnings: Vec::new(),
        last_bare: None,
    };
    if text.len() > MAX_TEXT_BYTES {
        let message = format!(
            "the text has {} bytes, at most {MAX_TEXT_BYTES} are allowed",
            text.len()
        );
        return Err(parser.cursor.error(0, message, None));
    }
    if text.trim().is_empty() {
        return Err(parser
            .cursor
            .error(0, "a condition must not be blank", None));
    }
    let root = parser.or()?;
    if parser.cursor.peek().is_some() {
        return Err(parser.left_over("`&&`, `||` or the end"));
    }
    Ok(Parsed {
        root,
        keys: parser.keys,
        warnings: parser.warnings,
    })
}

struct Parser<'t> {
    cursor: Cursor<'t>,
    /// Parentheses and `!` that are open.
    depth: usize,
    nodes: usize,
    keys: Vec<Key>,
    warnings: Vec<String>,
    /// The last literal without quotes and the byte where it ended: what it swallowed explains many mistakes.
    last_bare: Option<(&'t str, usize)>,
}

type Parse<T> = Result<T, SyntaxError>;

impl Parser<'_> {
    fn or(&mut self) -> Parse<Node> {
        let (first, others) = self.chain("||", "or", Self::and)?;
        Ok(match first {
            first if others.is_empty() => first,
            Node::Or(firsts) => Node::Or(joined(firsts, others)),
            first => Node::Or(joined(vec![first], others)),
        })
    }

    fn and(&mut self) -> Parse<Node> {
        let (first, others) = self.chain("&&", "and", Self::not)?;
        Ok(match first {
            first if others.is_empty() => first,
            Node::And(firsts) => Node::And(joined(firsts, others)),
            first => Node::And(joined(vec![first], others)),
        })
    }

    /// One or more operands between which stands `sign` or `word`; white space after them is taken as well.
    fn chain(
        &mut self,
        sign: &str,
        word: &str,
        operand: fn(&mut Self) -> Parse<Node>,
    ) -> Parse<(Node, Vec<Node>)> {
        let first = operand(self)?;
        let mut others = Vec::new();
        loop {
            self.cursor.skip_space();
            let at = self.cursor.at();
            if !self.cursor.take(sign) && !self.cursor.take_word(word) {
                return Ok((first, others));
            }
            self.count_node(at)?;
            others.push(operand(self)?);
        }
    }

    fn not(&mut self) -> Parse<Node> {
        self.cursor.skip_space();
        let at = self.cursor.at();
        let sign = self.cursor.rest().starts_with('!') && !self.cursor.rest().starts_with("!=");
        if !(sign && self.cursor.take("!")
            || self.at_not_operator() && self.cursor.take_word("not"))
        {
            return self.primary();
        }
        self.count_node(at)?;
        self.deeper(at)?;
        let operand = self.not()?;
        self.depth -= 1;
        Ok(Node::Not(Box::new(operand)))
    }

    /// Whether a `not` that comes next is the operator: it is a field where what follows can only follow a field.
    fn at_not_operator(&self) -> bool {
        let Some(after) = self.cursor.rest().strip_prefix("not") else {
            return false;
        };
        let next = after.trim_start();
        let is_field = after.starts_with(is_word)
            || after.starts_with(['.', '['])
            || next.starts_with(['?', '=', '<', '>'])
            || next.starts_with("!=")
            || at_list(next)
            || word(next, "not").is_some_and(at_list);
        !is_field
    }

    fn primary(&mut self) -> Parse<Node> {
        let start = self.cursor.at();
        if self.cursor.take("(") {
            self.deeper(start)?;
            let inner = self.or()?;
            if !self.cursor.take(")") {
                return Err(self.left_over("`&&`, `||` or `)`"));
            }
            self.depth -= 1;
            return Ok(inner);
        }
        let Some(name) = self.cursor.take_name() else {
            return Err(self.no_operand());
        };
        let after_name = self.cursor.at();
        self.cursor.skip_space();
        let leaf = if name != "in" && self.cursor.take("(") {
            self.function(name, start)?
        } else {
            self.cursor.back_to(after_name);
            let path = self.path(name, start)?;
            self.comparison(path)?
        };
        self.count_node(start)?;
        Ok(Node::Leaf(Box::new(leaf)))
    }

    fn no_operand(&self) -> SyntaxError {
        let hint = match self.cursor.peek() {
            Some('\'' | '"') => Some("the field stands on the left, the value on the right"),
            Some(c) if c.is_numeric() || c == '-' => {
                Some("the field stands on the left, the value on the right")
            }
            _ => None,
        };
        self.cursor
            .expected("a field, a function, `!` or `(`", hint)
    }

    /// The rest of a path whose first name has been taken from byte `start` on.
    fn path(&mut self, first: &str, start: usize) -> Parse<Path> {
        let mut rest = Vec::new();
        loop {
            let at = self.cursor.at();
            let segment = if self.cursor.take(".") {
                let name = self
                    .cursor
                    .take_name()
                    .ok_or_else(|| self.cursor.expected("a name after `.`", None))?;
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
            return Err(self.cursor.expected(what, None));
        }
        let index = digits
            .parse()
            .map_err(|_| self.cursor.error(at, "an index beyond 64 bits", None))?;
        Ok(Segment::Index(index))
    }

    fn comparison(&mut self, path: Path) -> Parse<Leaf> {
        self.cursor.skip_space();
        let optional = self.cursor.take("?");
        self.cursor.skip_space();
        let at = self.cursor.at();
        let op = self.op()?;
        self.cursor.skip_space();
        let literal = match self.cursor.take_literal()? {
            Literal::Quoted(string) => Value::String(string),
            Literal::Bare(value) => self.bare(value),
        };
        if op.is_order() && !literal.is_number() {
            self.warn(
                at,
                &format!(
                    "`{}` needs a number; with {literal} it is an error each time",
                    op.as_str()
                ),
            );
        }
        Ok(Leaf::Compare(Compare {
            field: self.field(path),
            optional,
            op,
            literal: Scalar::new(literal),
        }))
    }

    fn op(&mut self) -> Parse<Op> {
        let at = self.cursor.at();
        let Some(op) = Op::ALL.into_iter().find(|op| self.cursor.take(op.as_str())) else {
            return Err(self.no_op());
        };
        // No literal starts like this, so the signs belong together.
        let rest = self.cursor.rest();
        let signs = rest
            .find(|c| !matches!(c, '=' | '!' | '<' | '>'))
            .unwrap_or(rest.len());
        if signs > 0 {
            let run = self.cursor.slice(at, self.cursor.at() + signs);
            let hint = (run == "<>").then_some("use `!=`");
            return Err(self
                .cursor
                .error(at, format!("`{run}` is no operator"), hint));
        }
        Ok(op)
    }

    fn no_op(&self) -> SyntaxError {
        let rest = self.cursor.rest();
        let hint = if rest.starts_with("=>") {
            Some("use `>=`")
        } else if rest.starts_with("=<") {
            Some("use `<=`")
        } else if rest.starts_with('=') {
            Some("use `==` to compare")
        } else if at_list(rest) || word(rest, "not").is_some_and(at_list) {
            Some("compare with each value, joined by `||` or `&&`")
        } else {
            upper_case_hint(rest)
        };
        self.cursor
            .expected("`==`, `!=`, `>`, `<`, `>=` or `<=`", hint)
    }

    fn function(&mut self, name: &str, start: usize) -> Parse<Leaf> {
        let leaf = match name {
            "has_field" => {
                let path = self.target()?;
                Leaf::HasField(self.field(path))
            }
            "field_changed" => Leaf::Changed(Changed {
                path: self.target()?,
                question: Question::Any,
            }),
            "field_changed_to" | "field_changed_from" => {
                let path = self.target()?;
                self.cursor.skip_space();
                if !self.cursor.take(",") {
                    return Err(self.cursor.expected("`,` and a value", None));
                }
                let expected = self.expected_value()?;
                let question = if name == "field_changed_to" {
                    Question::To(expected)
                } else {
                    Question::From(expected)
                };
                Leaf::Changed(Changed { path, question })
            }
            _ => {
                let hint = format!("the functions are {FUNCTIONS}");
                return Err(self.cursor.error(
                    start,
                    format!("unknown function `{name}`"),
                    Some(&hint),
                ));
            }
        };
        self.cursor.skip_space();
        if self.cursor.take(")") {
            return Ok(leaf);
        }
        let hint = self
            .cursor
            .rest()
            .starts_with(',')
            .then(|| format!("`{name}` takes no more arguments"));
        Err(self.cursor.expected("`)`", hint.as_deref()))
    }

    /// The first argument of a function: a quoted top-level key, taken literally, or a path.
    fn target(&mut self) -> Parse<Path> {
        self.cursor.skip_space();
        if let Some(key) = self.cursor.take_quoted()? {
            return Ok(Path {
                shown: key.clone(),
                first: Key::new(key),
                rest: Vec::new(),
            });
        }
        let start = self.cursor.at();
        match self.cursor.take_name() {
            Some(name) => self.path(name, start),
            None => Err(self
                .cursor
                .expected("a field: a path, or a key in quotes", None)),
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
            Literal::Bare(_) if self.cursor.at() == at => {
                Err(self.cursor.expected("a value", None))
            }
            Literal::Bare(value) => Ok(Expected {
                value: Scalar::new(self.bare(value)),
                spelled: None,
            }),
        }
    }

    /// Notes a literal without quotes that has just been taken, and warns if it is no JSON scalar.
    fn bare(&mut self, value: Value) -> Value {
        let end = self.cursor.at();
        if let Value::String(text) = &value {
            let start = end - text.len();
            let warning = if text.is_empty() {
                "nothing stands after the operator, so it compares with the empty string; write '' to say so".to_owned()
            } else {
                format!("`{text}` is read as a string; quote it to say so")
            };
            self.warn(start, &warning);
            self.last_bare = Some((self.cursor.slice(start, end), end));
        }
        value
    }

    fn field(&mut self, path: Path) -> Field {
        let slot = self
            .keys
            .iter()
            .position(|key| *key == path.first)
            .unwrap_or_else(|| {
                self.keys.push(path.first.clone());
                self.keys.len() - 1
            });
        Field { path, slot }
    }

    fn warn(&mut self, at: usize, text: &str) {
        let offset = self.cursor.slice(0, at).chars().count();
        self.warnings.push(format!("{text} (offset {offset})"));
    }

    fn count_node(&mut self, at: usize) -> Parse<()> {
        self.nodes += 1;
        if self.nodes > MAX_NODES {
            return Err(self.cursor.error(
                at,
                format!("more than {MAX_NODES} comparisons, calls and operators"),
                None,
            ));
        }
        Ok(())
    }

    fn deeper(&mut self, at: usize) -> Parse<()> {
        self.depth += 1;
        if self.depth > MAX_DEPTH {
            return Err(self.cursor.error(
                at,
                format!("nested deeper than {MAX_DEPTH} levels"),
                None,
            ));
        }
        Ok(())
    }

    /// The error for text that cannot follow a complete operand, with what was probably meant.
    fn left_over(&self, what: &str) -> SyntaxError {
        let rest = self.cursor.rest();
        let swallowed = self
            .last_bare
            .filter(|(_, end)| self.cursor.slice(*end, self.cursor.at()).trim().is_empty());
        let hint = match (rest.chars().next(), swallowed) {
            (Some('&'), _) => Some("use `&&`".to_owned()),
            (Some('|'), _) => Some("use `||`".to_owned()),
            (Some('[' | '(' | '?' | '@'), _) => Some(
                "the right side of a comparison is a literal, never a field or a function"
                    .to_owned(),
            ),
            (Some(_), Some((word @ ("and" | "or" | "not" | "in"), _))) => Some(format!(
                "`{word}` was read as the value to compare with; quote the value"
            )),
            (Some(_), Some(_)) => Some("quote a value that is not one word or number".to_owned()),
            (Some('\''), None) => {
                Some("single quotes know no escapes; use double quotes around a `'`".to_owned())
            }
            _ => upper_case_hint(rest).map(str::to_owned),
        };
        self.cursor.expected(what, hint.as_deref())
    }
}

/// The operands of a chain whose first operand, in parentheses or not, is a chain of the same operator.
fn joined(mut firsts: Vec<Node>, others: Vec<Node>) -> Vec<Node> {
    firsts.extend(others);
    firsts
}

/// The text after `word`, if `text` starts with it, and the white space after it.
fn word<'t>(text: &'t str, word: &str) -> Option<&'t str> {
    let after = text.strip_prefix(word)?;
    (!after.starts_with(is_word)).then(|| after.trim_start())
}

/// Whether `text` starts with `in (`.
fn at_list(text: &str) -> bool {
    word(text, "in").is_some_and(|after| after.starts_with('('))
}

fn upper_case_hint(text: &str) -> Option<&'static str> {
    ["AND", "OR", "NOT", "IN"]
        .iter()
        .any(|upper| word(text, upper).is_some())
        .then_some("operators are written in lower case")
}
