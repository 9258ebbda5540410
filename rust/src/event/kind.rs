//! What happened to an entity, by its wire words.

/// What happened to the entity. The wire words are upper case and exact.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[allow(clippy::exhaustive_enums)] // the wire format knows these four; the matcher's index counts on it
pub enum EventKind {
    /// `INSERT`.
    Created,
    /// `UPDATE`.
    Updated,
    /// `DELETE`.
    Deleted,
    /// `CUSTOM`.
    Custom,
}

impl EventKind {
    /// Every kind, in the order of their declaration.
    pub const ALL: [Self; 4] = [Self::Created, Self::Updated, Self::Deleted, Self::Custom];

    /// The word on the wire.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Created => "INSERT",
            Self::Updated => "UPDATE",
            Self::Deleted => "DELETE",
            Self::Custom => "CUSTOM",
        }
    }

    /// Reads the exact wire word, as events have it.
    pub fn from_wire(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == word)
    }

    /// Reads the wire word in any case, as configuration files have it.
    pub fn from_any_case(word: &str) -> Option<Self> {
        Self::ALL
            .into_iter()
            .find(|kind| kind.as_str().eq_ignore_ascii_case(word))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_exact_wire_word_is_a_kind_in_an_event() {
        for kind in EventKind::ALL {
            assert_eq!(EventKind::from_wire(kind.as_str()), Some(kind));
            assert_eq!(
                EventKind::from_any_case(&kind.as_str().to_lowercase()),
                Some(kind)
            );
        }
        assert_eq!(EventKind::from_wire("insert"), None);
        assert_eq!(EventKind::from_any_case("created"), None);
    }
}
