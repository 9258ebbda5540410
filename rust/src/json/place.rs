//! Where in a JSON value something is wrong, for error texts.

use std::fmt::{self, Write as _};

/// The longest place that an error text shows, in characters; deeper steps become an ellipsis.
const MAX_SHOWN: usize = 200;

/// One step from a container to a value in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// The key of an object.
    Key(String),
    /// The position in an array.
    Index(usize),
}

/// The way from the outermost value to the one that is wrong: `data.items[3]["a b"]`.
///
/// Steps are collected innermost first, as an error travels outwards.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Place {
    inner_first: Vec<Step>,
}

impl Place {
    /// Records that the value was found by `step` in the container around it.
    pub fn leave(&mut self, step: Step) {
        self.inner_first.push(step);
    }

    /// Whether nothing was recorded: the outermost value itself is meant.
    pub fn is_outermost(&self) -> bool {
        self.inner_first.is_empty()
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut text = String::new();
        for step in self.inner_first.iter().rev() {
            match step {
                Step::Index(index) => write!(text, "[{index}]")?,
                Step::Key(key) if is_plain(key) => {
                    if !text.is_empty() {
                        text.push('.');
                    }
                    text.push_str(key);
                }
                Step::Key(key) => write!(text, "[{key:?}]")?,
            }
            if text.len() > MAX_SHOWN {
                let shown: String = text.chars().take(MAX_SHOWN).collect();
                return write!(f, "{shown}…");
            }
        }
        f.write_str(&text)
    }
}

fn is_plain(key: &str) -> bool {
    !key.is_empty() && key.chars().all(|c| c.is_alphanumeric() || c == '_')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_reads_from_the_outside_in() {
        let mut place = Place::default();
        place.leave(Step::Key("a b".into()));
        place.leave(Step::Index(3));
        place.leave(Step::Key("items".into()));
        place.leave(Step::Key("data".into()));
        assert_eq!(place.to_string(), r#"data.items[3]["a b"]"#);
    }

    #[test]
    fn a_long_place_is_cut() {
        let mut place = Place::default();
        (0..200).for_each(|_| place.leave(Step::Key("abc".into())));
        assert_eq!(place.to_string().chars().count(), MAX_SHOWN + 1);
    }
}
