//! Whose data a job holds: found in its bytes, whatever state they are in.

use std::borrow::Cow;

use serde::Deserialize;
use serde_json::value::RawValue;
use uuid::Uuid;

use crate::job::SCHEMA;

/// Somebody or something whose data can be asked to be forgotten.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Subject {
    /// One entity.
    Entity {
        /// Its type.
        entity_type: String,
        /// Its id.
        entity_id: Uuid,
    },
    /// Everything of a tenant.
    Tenant(String),
    /// Everything that a user did, or that was done in a user's name.
    User(String),
}

/// The parts of a job that say whose it is.
#[derive(Deserialize)]
struct Envelope<'a> {
    schema: u32,
    #[serde(borrow)]
    event: &'a RawValue,
}

#[derive(Deserialize)]
struct Owners<'a> {
    #[serde(borrow)]
    entity_type: Cow<'a, str>,
    entity_id: Uuid,
    #[serde(borrow, default)]
    tenant_id: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    user_id: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    acting_for: Option<Cow<'a, str>>,
}

impl Subject {
    /// Whether a job's bytes hold data of the subject.
    ///
    /// Of a job the event decides, by its envelope. Bytes that are no job of this version cannot be read like that: they
    /// are the subject's where its id stands anywhere in them.
    pub fn owns(&self, bytes: &[u8]) -> bool {
        read(bytes).map_or_else(|| self.is_named_in(bytes), |owners| self.is_one_of(&owners))
    }

    fn is_one_of(&self, owners: &Owners<'_>) -> bool {
        match self {
            Self::Entity {
                entity_type,
                entity_id,
            } => *entity_id == owners.entity_id && *entity_type == owners.entity_type,
            Self::Tenant(tenant) => owners.tenant_id.as_deref() == Some(tenant),
            Self::User(user) => {
                let named = [&owners.user_id, &owners.acting_for];
                named.into_iter().any(|name| name.as_deref() == Some(user))
            }
        }
    }

    fn is_named_in(&self, bytes: &[u8]) -> bool {
        let name = match self {
            Self::Entity { entity_id, .. } => entity_id.to_string(),
            // In its quotes, so that a short name is not found in every word that contains it.
            Self::Tenant(name) | Self::User(name) => {
                serde_json::to_string(name).expect("a text is JSON")
            }
        };
        let by_id = matches!(self, Self::Entity { .. });
        bytes.windows(name.len()).any(|window| {
            window == name.as_bytes() || (by_id && window.eq_ignore_ascii_case(name.as_bytes()))
        })
    }
}

fn read(bytes: &[u8]) -> Option<Owners<'_>> {
    let envelope: Envelope<'_> = serde_json::from_slice(bytes).ok()?;
    if envelope.schema > SCHEMA {
        return None;
    }
    serde_json::from_str(envelope.event.get()).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    const ID: &str = "00112233-4455-6677-8899-aabbccddeeff";

    fn job(owner: &str, schema: u32) -> Vec<u8> {
        format!(
            r#"{{"schema":{schema},"id":"x","event":{{"entity_type":"Order","entity_id":"{ID}","data":{{"a":"t9"}}{owner}}}}}"#
        )
        .into_bytes()
    }

    fn entity(entity_type: &str, entity_id: &str) -> Subject {
        Subject::Entity {
            entity_type: entity_type.to_owned(),
            entity_id: entity_id.parse().expect("a UUID"),
        }
    }

    #[test]
    fn the_envelope_of_the_event_decides() {
        let bytes = job(
            r#","tenant_id":"t1","user_id":"ann","acting_for":"b\u00e9a""#,
            1,
        );
        assert!(entity("Order", ID).owns(&bytes));
        assert!(!entity("Invoice", ID).owns(&bytes));
        assert!(!entity("Order", "00112233-4455-6677-8899-aabbccddee00").owns(&bytes));
        assert!(Subject::Tenant("t1".to_owned()).owns(&bytes));
        assert!(!Subject::Tenant("t".to_owned()).owns(&bytes));
        assert!(!Subject::Tenant("ann".to_owned()).owns(&bytes));
        // What the data says is no owner.
        assert!(!Subject::Tenant("t9".to_owned()).owns(&bytes));
        assert!(Subject::User("ann".to_owned()).owns(&bytes));
        assert!(Subject::User("béa".to_owned()).owns(&bytes));
        assert!(!Subject::User("t1".to_owned()).owns(&bytes));
        assert!(!Subject::User("ann".to_owned()).owns(&job(r#","user_id":null"#, 1)));
    }

    #[test]
    fn bytes_that_are_no_job_of_ours_are_searched_for_the_id() {
        let newer = job(r#","tenant_id":"t1""#, 2);
        assert!(Subject::Tenant("t1".to_owned()).owns(&newer));
        assert!(Subject::Tenant("t9".to_owned()).owns(&newer));
        assert!(entity("Whatever", ID).owns(&newer));
        let rubbish = format!("\u{1}{{\"who\":\"ann\" {}", ID.to_uppercase());
        assert!(entity("Order", ID).owns(rubbish.as_bytes()));
        assert!(Subject::User("ann".to_owned()).owns(rubbish.as_bytes()));
        assert!(!Subject::User("an".to_owned()).owns(rubbish.as_bytes()));
        assert!(!Subject::User("ann".to_owned()).owns(b""));
        assert!(!Subject::User(String::new()).owns(b"{}"));
    }
}
