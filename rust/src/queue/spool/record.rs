//! One record of a spool file: jobs of one lane that were accepted together.
//!
//! A head of a mark, the length and a checksum, then the level, the lane, and the jobs. The mark lets a reader find the
//! next record behind a damaged one. A job can be erased in place: its bytes become zeros and its flag says so.

use uuid::Uuid;

use crate::queue::{Due, Durability, Lane, Member, NewJob};

/// What each record begins with: no valid UTF-8, so that no job's text holds it by chance.
pub(super) const MARK: [u8; 4] = [0xf5, b'j', b's', 0x01];

/// The last byte of the mark of a record that is done before others that stand in front of it. One byte is written whole
/// or not at all.
pub(super) const DONE: u8 = 0x7e;

/// Bytes before the body: mark, length, checksum.
pub(super) const HEAD: usize = 4 + 4 + 8;

/// Jobs of one lane, and how durable the queue shall keep them.
#[derive(Clone, Debug)]
pub(super) struct Record {
    pub(super) lane: Lane,
    pub(super) level: Option<Durability>,
    /// An erased job is nothing.
    pub(super) jobs: Vec<Option<NewJob>>,
}

#[cfg(test)]
impl Record {
    /// Does what a mistake of ours would do, where a test asks for it.
    pub(super) fn panic_if_asked(&self) {
        let mut jobs = self.jobs.iter().flatten();
        assert!(jobs.all(|job| &job.bytes[..] != b"panic"));
    }
}

/// The part of a job in a body that is erased, and its flag before it.
pub(super) struct JobPlace {
    /// Where the flag is.
    pub(super) flag: usize,
    /// Where the job's bytes are.
    pub(super) bytes: std::ops::Range<usize>,
}

fn checksum(body: &[u8]) -> [u8; 8] {
    let digest = sha1_smol::Sha1::from(body).digest().bytes();
    let mut sum = [0; 8];
    sum.copy_from_slice(&digest[..8]);
    sum
}

/// Puts the head before a body.
pub(super) fn sealed(body: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(HEAD + body.len());
    bytes.extend(MARK);
    bytes.extend(u32::try_from(body.len()).unwrap_or(u32::MAX).to_le_bytes());
    bytes.extend(checksum(body));
    bytes.extend(body);
    bytes
}

/// The length of the body that a head announces.
pub(super) fn body_length(head: &[u8]) -> Option<usize> {
    let length = head.get(..HEAD).filter(|head| is_mark(head))?[MARK.len()..].first_chunk::<4>()?;
    usize::try_from(u32::from_le_bytes(*length)).ok()
}

/// Whether bytes begin as a record does.
pub(super) fn is_mark(bytes: &[u8]) -> bool {
    bytes.starts_with(&MARK) || is_done(bytes)
}

/// Whether bytes begin as a record that is done.
pub(super) fn is_done(bytes: &[u8]) -> bool {
    bytes.starts_with(&MARK[..3]) && bytes.get(3) == Some(&DONE)
}

/// Whether a body is the one that its head was made for.
pub(super) fn is_whole(head: &[u8], body: &[u8]) -> bool {
    head.get(8..HEAD) == Some(&checksum(body))
}

impl Record {
    /// The bytes of a record, head included.
    pub(super) fn encode(&self) -> Vec<u8> {
        let mut body = vec![match self.level {
            None => 0,
            Some(Durability::Memory) => 1,
            Some(Durability::Process) => 2,
            Some(Durability::Disk) => 3,
            Some(Durability::Replica(count)) => 16 + count,
        }];
        body.extend(self.lane.shard.to_le_bytes());
        let queue = self.lane.queue.as_bytes();
        body.extend(u16::try_from(queue.len()).unwrap_or(u16::MAX).to_le_bytes());
        body.extend(queue);
        body.extend(
            u32::try_from(self.jobs.len())
                .unwrap_or(u32::MAX)
                .to_le_bytes(),
        );
        for job in self.jobs.iter().flatten() {
            body.push(1);
            body.extend(job.member.as_bytes());
            let (kind, at) = match job.due {
                Due::Now => (0, 0),
                Due::After(ms) => (1, i64::try_from(ms).unwrap_or(i64::MAX)),
                Due::At(ms) => (2, ms),
            };
            body.push(kind);
            body.extend(at.to_le_bytes());
            body.extend(
                u32::try_from(job.bytes.len())
                    .unwrap_or(u32::MAX)
                    .to_le_bytes(),
            );
            body.extend(&job.bytes);
        }
        sealed(&body)
    }

    /// Reads a body; nothing where it is none.
    pub(super) fn decode(body: &[u8]) -> Option<Self> {
        let mut record = None;
        let places = walk(body, &mut record)?;
        let mut record = record?;
        for place in places {
            record.jobs.push(job_at(body, &place).ok()?);
        }
        Some(record)
    }

    /// Where the jobs of a body are.
    pub(super) fn places(body: &[u8]) -> Option<Vec<JobPlace>> {
        walk(body, &mut None)
    }
}

/// Bytes of a job between its flag and its own bytes: member, kind of due time, due time, length.
const JOB_HEAD: usize = 17 + 1 + 8 + 4;

fn walk(body: &[u8], record: &mut Option<Record>) -> Option<Vec<JobPlace>> {
    let mut rest = Reader { bytes: body, at: 0 };
    let level = match rest.take(1)?[0] {
        0 => None,
        1 => Some(Durability::Memory),
        2 => Some(Durability::Process),
        3 => Some(Durability::Disk),
        count => Some(Durability::Replica(count.checked_sub(16)?)),
    };
    let shard = u16::from_le_bytes(rest.array()?);
    let length = u16::from_le_bytes(rest.array()?);
    let queue = String::from_utf8(rest.take(usize::from(length))?.to_vec()).ok()?;
    let count = u32::from_le_bytes(rest.array()?);
    let mut places = Vec::new();
    for _ in 0..count {
        let flag = rest.at;
        rest.take(1 + JOB_HEAD - 4)?;
        let length = usize::try_from(u32::from_le_bytes(rest.array()?)).ok()?;
        let start = rest.at;
        rest.take(length)?;
        places.push(JobPlace {
            flag,
            bytes: start..start + length,
        });
    }
    *record = Some(Record {
        lane: Lane { queue, shard },
        level,
        jobs: Vec::with_capacity(places.len()),
    });
    (rest.at == body.len()).then_some(places)
}

/// Bytes that are no job.
struct NoJob;

/// The job at a place of a body; nothing where it was erased.
fn job_at(body: &[u8], place: &JobPlace) -> Result<Option<NewJob>, NoJob> {
    let mut rest = Reader {
        bytes: body,
        at: place.flag,
    };
    if rest.take(1).ok_or(NoJob)?[0] == 0 {
        return Ok(None);
    }
    let member = rest.take(17).and_then(Member::from_bytes).ok_or(NoJob)?;
    let kind = rest.take(1).ok_or(NoJob)?[0];
    let at = i64::from_le_bytes(rest.array().ok_or(NoJob)?);
    let due = match kind {
        0 => Due::Now,
        1 => Due::After(u64::try_from(at).map_err(|_| NoJob)?),
        _ => Due::At(at),
    };
    Ok(Some(NewJob {
        member,
        due,
        bytes: body[place.bytes.clone()].to_vec().into(),
    }))
}

/// Erases a job in a body: nothing of it is left but its length.
pub(super) fn erase(body: &mut [u8], place: &JobPlace) {
    body[place.flag..place.flag + 1 + JOB_HEAD - 4].fill(0);
    body[place.bytes.clone()].fill(0);
}

/// Whether a job in a body has not been erased, and its id.
pub(super) fn id_at(body: &[u8], place: &JobPlace) -> Option<Uuid> {
    let id = body.get(place.flag + 1..place.flag + 17)?;
    (body[place.flag] == 1)
        .then(|| Uuid::from_slice(id).ok())
        .flatten()
}

/// Bytes that are read from the front.
pub(super) struct Reader<'a> {
    pub(super) bytes: &'a [u8],
    /// How far.
    pub(super) at: usize,
}

impl<'a> Reader<'a> {
    pub(super) fn take(&mut self, count: usize) -> Option<&'a [u8]> {
        let taken = self.bytes.get(self.at..self.at.checked_add(count)?)?;
        self.at += count;
        Some(taken)
    }

    pub(super) fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        self.take(N)?.try_into().ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::queue::Priority;

    fn record() -> Record {
        let job = |due, text: &[u8]| {
            Some(NewJob {
                member: Member::new(Uuid::new_v4(), Priority::High),
                due,
                bytes: text.to_vec().into(),
            })
        };
        Record {
            lane: Lane {
                queue: "mail".to_owned(),
                shard: 7,
            },
            level: Some(Durability::Replica(2)),
            jobs: vec![
                job(Due::Now, b"one"),
                job(Due::At(-5), b""),
                job(Due::After(9), b"three"),
            ],
        }
    }

    #[test]
    fn what_is_written_is_read_again() {
        let written = record();
        let bytes = written.encode();
        let (head, body) = bytes.split_at(HEAD);
        assert_eq!(body_length(head), Some(body.len()));
        assert!(is_whole(head, body));
        let read = Record::decode(body).unwrap();
        assert_eq!(format!("{read:?}"), format!("{written:?}"));
    }

    #[test]
    fn no_cut_and_no_flipped_bit_is_taken_for_a_record() {
        let bytes = record().encode();
        let (head, body) = bytes.split_at(HEAD);
        for cut in 0..body.len() {
            assert!(Record::decode(&body[..cut]).is_none(), "cut at {cut}");
        }
        for at in 0..body.len() {
            let mut bad = body.to_vec();
            bad[at] ^= 4;
            assert!(!is_whole(head, &bad));
            let _ = Record::decode(&bad);
        }
    }

    #[test]
    fn an_erased_job_leaves_nothing_and_its_neighbours_alone() {
        let bytes = record().encode();
        let mut body = bytes[HEAD..].to_vec();
        let places = Record::places(&body).unwrap();
        assert!(id_at(&body, &places[0]).is_some());
        erase(&mut body, &places[0]);
        assert!(id_at(&body, &places[0]).is_none());
        assert!(!body.windows(3).any(|part| part == b"one"));
        let read = Record::decode(&body).unwrap();
        let left: Vec<bool> = read.jobs.iter().map(Option::is_some).collect();
        assert_eq!(left, [false, true, true]);
    }
}
