//! The slots of a cluster: which one a key is in, and which node serves it.

use redis::Value;

use super::endpoint::Endpoint;
use super::link::{classify, send};
use super::{QueueError, reply};

/// Slots of every cluster.
const SLOTS: u16 = 16_384;

/// The slot of a hash tag: CRC16 (XMODEM) modulo the number of slots.
///
/// Source: "Redis cluster specification", section "Key distribution model".
pub(super) fn slot_of(tag: &str) -> u16 {
    let crc = tag.bytes().fold(0_u16, |crc, byte| {
        (0..8).fold(crc ^ (u16::from(byte) << 8), |crc, _| {
            if crc & 0x8000 == 0 {
                crc << 1
            } else {
                (crc << 1) ^ 0x1021
            }
        })
    });
    crc % SLOTS
}

/// Which node serves which slots.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct SlotMap {
    /// First and last slot, host and port; in no order.
    ranges: Vec<(u16, u16, String)>,
}

impl SlotMap {
    /// Asks a node.
    ///
    /// # Errors
    ///
    /// `Unsuitable` where it is none of a cluster; see [`QueueError`].
    pub(super) async fn ask(endpoint: &Endpoint) -> Result<Self, QueueError> {
        let mut command = redis::cmd("CLUSTER");
        command.arg("SLOTS");
        // A connection of its own: a replica answers too, and no command waits behind this one.
        let (mut connection, _) = endpoint.connect().await?;
        match send(&mut connection, &command).await {
            Ok(answer) => Self::read(answer, endpoint.shown()),
            Err(error)
                if error
                    .detail()
                    .is_some_and(|text| text.contains("cluster support disabled")) =>
            {
                Err(QueueError::Unsuitable(format!(
                    "{} is no node of a cluster: the url must begin with redis://",
                    endpoint.shown()
                )))
            }
            Err(error) => Err(classify(endpoint.shown(), &error, false)),
        }
    }

    /// Reads the answer of the node at `asked`, which may leave its own name out.
    fn read(answer: Value, asked: &str) -> Result<Self, QueueError> {
        let mut ranges = Vec::new();
        for range in reply::array(answer)? {
            let mut items = reply::array(range)?;
            let first = slot(&reply::next(&mut items)?)?;
            let last = slot(&reply::next(&mut items)?)?;
            let mut node = reply::array(reply::next(&mut items)?)?;
            let host = match reply::next(&mut node)? {
                Value::Nil => String::new(),
                host => reply::text(host)?,
            };
            let port = reply::count(&reply::next(&mut node)?)?;
            let host = match host.as_str() {
                "" | "?" => asked.rsplit_once(':').map_or(asked, |(host, _)| host),
                host => host,
            };
            ranges.push((first, last, format!("{host}:{port}")));
        }
        Ok(Self { ranges })
    }

    /// Whether no node serves any slot.
    pub(super) fn is_empty(&self) -> bool {
        self.ranges.is_empty()
    }

    /// Host and port of the node that serves a slot.
    pub(super) fn owner(&self, slot: u16) -> Option<&str> {
        self.ranges
            .iter()
            .find(|(first, last, _)| (*first..=*last).contains(&slot))
            .map(|(_, _, address)| address.as_str())
    }

    /// Whether a node serves any slot.
    pub(super) fn names(&self, address: &str) -> bool {
        self.ranges.iter().any(|(_, _, known)| known == address)
    }

    /// Notes that a slot is served by another node now.
    pub(super) fn moved(&mut self, slot: u16, address: &str) {
        if self.owner(slot) != Some(address) {
            // The first range that holds a slot counts. The whole map replaces what gathers here when it is next read.
            self.ranges
                .retain(|(first, last, _)| first != last || *first != slot);
            self.ranges.insert(0, (slot, slot, address.to_owned()));
        }
    }
}

fn slot(value: &Value) -> Result<u16, QueueError> {
    u16::try_from(reply::int(value)?)
        .ok()
        .filter(|slot| *slot < SLOTS)
        .ok_or_else(|| QueueError::Corrupt("a slot that no cluster has".to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bulk(text: &str) -> Value {
        Value::BulkString(text.into())
    }

    fn range(first: i64, last: i64, host: Value, port: i64) -> Value {
        let node = Value::Array(vec![
            host,
            Value::Int(port),
            bulk("id"),
            Value::Array(vec![]),
        ]);
        Value::Array(vec![Value::Int(first), Value::Int(last), node])
    }

    #[test]
    fn a_slot_is_what_the_specification_says() {
        // The check value of CRC16 XMODEM, and what CLUSTER KEYSLOT answers.
        assert_eq!(slot_of("123456789"), 0x31C3);
        assert_eq!(slot_of("foo"), 12_182);
        assert_eq!(slot_of(""), 0);
    }

    #[test]
    fn a_map_knows_the_owner_of_each_slot() {
        let answer = Value::Array(vec![
            range(0, 100, bulk("10.0.0.1"), 7000),
            range(200, 16_383, Value::Nil, 7001),
        ]);
        let map = SlotMap::read(answer, "seed:7001").unwrap();
        assert_eq!(map.owner(100), Some("10.0.0.1:7000"));
        assert_eq!(map.owner(150), None);
        assert_eq!(map.owner(200), Some("seed:7001"));
        assert!(map.names("seed:7001") && !map.names("seed:7000"));
    }

    #[test]
    fn a_slot_that_has_moved_is_the_other_nodes() {
        let answer = Value::Array(vec![range(0, 16_383, bulk("a"), 1)]);
        let mut map = SlotMap::read(answer, "a:1").unwrap();
        for address in ["b:1", "c:1", "c:1", "a:1", "b:1"] {
            map.moved(5, address);
            assert_eq!(map.owner(5), Some(address));
            assert!(map.ranges.len() <= 2, "{map:?}");
        }
        assert_eq!(map.owner(6), Some("a:1"));
    }

    #[test]
    fn rubbish_is_no_map() {
        for answer in [
            Value::Int(1),
            Value::Array(vec![Value::Int(1)]),
            Value::Array(vec![range(0, 16_384, bulk("a"), 1)]),
            Value::Array(vec![range(-1, 5, bulk("a"), 1)]),
        ] {
            assert!(matches!(
                SlotMap::read(answer, "a:1"),
                Err(QueueError::Corrupt(_))
            ));
        }
    }
}
