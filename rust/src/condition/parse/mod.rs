//! Text to tree, by recursive descent: the operators here, their operands in `leaf`, calls in `call`.

mod call;
mod hint;
mod leaf;

use super::ast::{Leaf, Node, Operand, Question};
use super::cursor::{Cursor, is_word};
use super::error::SyntaxError;
use super::path::{Field, Path};
use super::warning::Warning;
use super::{MAX_DEPTH, MAX_NODES, MAX_TEXT_BYTES};
use crate::json::Key;
use hint::{at_list, word};

/// What a text turned out to be.
pub(super) struct Parsed {
    pub root: Node,
    pub keys: Vec<Key>,
    pub warnings: Vec<Warning>,
}

/// Parses a whole text.
pub(super) fn parse(text: &str) -> Result<Parsed, SyntaxError> {
    let mut parser = Parser {
        cursor: Cursor::new(text),
        depth: 0,
        nodes: 0,
        inside: None,
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
    /// Parentheses, `!`, `any` and `all` that are open.
    depth: usize,
    nodes: usize,
    /// The `any` or `all` whose condition is being read: its fields are those of an element.
    inside: Option<&'static str>,
    /// The top-level keys of the event's data that the condition reads.
    keys: Vec<Key>,
    warnings: Vec<Warning>,
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
        let question = if self.cursor.peek() == Some('@') {
            let operand = self.envelope()?;
            self.comparison(operand, start)?
        } else {
            let Some(name) = self.cursor.take_name() else {
                return Err(self.no_operand());
            };
            let after_name = self.cursor.at();
            self.cursor.skip_space();
            if name != "in" && self.cursor.take("(") {
                self.call(name, start)?
            } else {
                self.cursor.back_to(after_name);
                let field = self.field(name, start)?;
                self.comparison(Operand::Field(field), start)?
            }
        };
        self.count_node(start)?;
        Ok(self.leaf(start, question))
    }

    fn leaf(&self, start: usize, question: Question) -> Node {
        let end = start + self.cursor.since(start).trim_end().len();
        Node::Leaf(Box::new(Leaf {
            span: start..end,
            question,
        }))
    }

    /// A field of the data, or of an element.
    fn read(&mut self, path: Path, optional: bool) -> Field {
        let slot = if self.inside.is_some() {
            0
        } else {
            self.keys
                .iter()
                .position(|key| *key == path.first)
                .unwrap_or_else(|| {
                    self.keys.push(path.first.clone());
                    self.keys.len() - 1
                })
        };
        Field {
            path,
            slot,
            optional,
        }
    }

    fn warn(&mut self, at: usize, text: impl Into<String>) {
        self.warnings.push(Warning {
            at,
            text: text.into(),
        });
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
}

/// The operands of a chain whose first operand, in parentheses or not, is a chain of the same operator.
fn joined(mut firsts: Vec<Node>, others: Vec<Node>) -> Vec<Node> {
    firsts.extend(others);
    firsts
}
