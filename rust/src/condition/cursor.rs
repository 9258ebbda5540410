//! Reading tokens. What a token is depends on where it stands, so the parser asks for the one that it expects.

use serde_json::Value;

use super::error::SyntaxError;
use crate::json::parse_scalar;

/// A literal as it was written.
pub(super) enum Literal {
    /// In quotes: a string.
    Quoted(String),
    /// Without quotes: a JSON scalar if it spells one, else the string itself.
    Bare(Value),
}

/// The text and how far it has been read.
pub(super) struct Cursor<'t> {
    text: &'t str,
    at: usize,
}

/// Whether `c` may stand in a name after its first character.
pub(super) fn is_word(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

fn is_bare(c: char) -> bool {
    c.is_alphanumeric() || matches!(c, '.' | '-')
}

impl<'t> Cursor<'t> {
    pub fn new(text: &'t str) -> Self {
        Self { text, at: 0 }
    }

    /// The byte that is read next.
    pub fn at(&self) -> usize {
        self.at
    }

    /// The text that is left.
    pub fn rest(&self) -> &'t str {
        &self.text[self.at..]
    }

    /// The text that has been read.
    pub fn before(&self) -> &'t str {
        &self.text[..self.at]
    }

    /// The text from byte `start` to here.
    pub fn since(&self, start: usize) -> &'t str {
        &self.text[start..self.at]
    }

    /// The text from byte `start` to byte `end`.
    pub fn slice(&self, start: usize, end: usize) -> &'t str {
        &self.text[start..end]
    }

    /// Forgets everything from byte `at` on.
    pub fn back_to(&mut self, at: usize) {
        self.at = at;
    }

    /// The next character, or `None` at the end.
    pub fn peek(&self) -> Option<char> {
        self.rest().chars().next()
    }

    /// An error at byte `at`.
    pub fn error(&self, at: usize, message: impl Into<String>, hint: Option<&str>) -> SyntaxError {
        SyntaxError::new(self.text, at, message, hint.map(str::to_owned))
    }

    /// An error that says what was expected here, and what stands here instead.
    pub fn expected(&self, what: &str, hint: Option<&str>) -> SyntaxError {
        let found = match self.peek() {
            None => "the end".to_owned(),
            Some(c) if is_word(c) => format!("`{}`", leading(self.rest(), is_word)),
            Some(c) => format!("`{c}`"),
        };
        self.error(self.at, format!("expected {what}, found {found}"), hint)
    }

    pub fn skip_space(&mut self) {
        self.at = self.text.len() - self.rest().trim_start().len();
    }

    /// Takes `token` if it comes next.
    pub fn take(&mut self, token: &str) -> bool {
        let found = self.rest().starts_with(token);
        if found {
            self.at += token.len();
        }
        found
    }

    /// Takes the word operator `word` if it comes next and touches no other letter, digit or `_`.
    pub fn take_word(&mut self, word: &str) -> bool {
        leading(self.rest(), is_word) == word && self.take(word)
    }

    /// Takes a name, if one comes next.
    pub fn take_name(&mut self) -> Option<&'t str> {
        let first = self.peek()?;
        if !first.is_alphabetic() && first != '_' {
            return None;
        }
        let name = leading(self.rest(), is_word);
        self.at += name.len();
        Some(name)
    }

    /// Takes a run of ASCII digits; it may be empty.
    pub fn take_digits(&mut self) -> &'t str {
        let digits = leading(self.rest(), |c| c.is_ascii_digit());
        self.at += digits.len();
        digits
    }

    /// Takes a string in single or double quotes, if one comes next.
    ///
    /// # Errors
    ///
    /// `SyntaxError` if it does not end, or is no JSON string where the quotes are double.
    pub fn take_quoted(&mut self) -> Result<Option<String>, SyntaxError> {
        let start = self.at;
        let unterminated = |cursor: &Self, quote: char| {
            let hint = format!("close it with {quote}");
            cursor.error(start, "unterminated string", Some(&hint))
        };
        if self.take("'") {
            let length = self
                .rest()
                .find('\'')
                .ok_or_else(|| unterminated(self, '\''))?;
            let string = self.rest()[..length].to_owned();
            self.at += length + 1;
            return Ok(Some(string));
        }
        if !self.take("\"") {
            return Ok(None);
        }
        let mut escaped = false;
        let length = self
            .rest()
            .find(|c| match c {
                _ if escaped => {
                    escaped = false;
                    false
                }
                '\\' => {
                    escaped = true;
                    false
                }
                c => c == '"',
            })
            .ok_or_else(|| unterminated(self, '"'))?;
        self.at += length + 1;
        let json = self.since(start);
        let string = serde_json::from_str(json).map_err(|error| {
            // The reader adds its own line and column, which count from the quote.
            let problem = error.to_string();
            let problem = problem.split(" at line").next().unwrap_or_default();
            self.error(
                start,
                format!("not a JSON string: {problem}"),
                Some("single quotes know no escapes"),
            )
        })?;
        Ok(Some(string))
    }

    /// Takes a literal. A bare one may be empty.
    ///
    /// # Errors
    ///
    /// As [`Cursor::take_quoted`].
    pub fn take_literal(&mut self) -> Result<Literal, SyntaxError> {
        if let Some(string) = self.take_quoted()? {
            return Ok(Literal::Quoted(string));
        }
        let text = leading(self.rest(), is_bare);
        self.at += text.len();
        Ok(Literal::Bare(
            parse_scalar(text).unwrap_or_else(|| Value::String(text.to_owned())),
        ))
    }
}

/// The longest beginning of `text` whose characters all satisfy `allowed`.
fn leading(text: &str, allowed: impl Fn(char) -> bool) -> &str {
    text.find(|c| !allowed(c)).map_or(text, |end| &text[..end])
}
