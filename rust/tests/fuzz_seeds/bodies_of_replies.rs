//! What must hold whatever a server answers: the bodies of the fuzz targets for records and replies.
//!
//! A reply is given over a socket of this machine, so that the reader of the protocol, the classes of errors and the
//! readers of each step's reply are all passed, as they are in a worker.

use std::collections::VecDeque;
use std::io::{BufRead, BufReader, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::{Arc, LazyLock, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use _core::queue::facts::ServerFacts;
use _core::queue::record::{Failure, FinishedJob, History, MAX_HISTORY_BYTES};
use _core::queue::view::JobView;
use _core::queue::{
    Access, Ack, Due, Found, Incarnation, Lane, LaneOptions, Listing, Member, Nack, NewJob, Place,
    Priority, QueueError, RedisQueue, Source, Token, Verdict,
};
use bytes::Bytes;
use tokio::runtime::{Builder, Runtime};
use tokio::time::timeout;
use uuid::Uuid;

/// Longest that a step may take: the deadline of a reply, and a machine that does other things.
const LONGEST: Duration = Duration::from_secs(20);
/// Longest text of an error: an answer of a server is repeated in it, and a server is trusted with its length.
const LONGEST_ERROR: usize = 8192;
const PASSWORD: &str = "hunter2canary";
const MARKER: &[u8] = b"fraiseql_observers:1";
const INFO: &str = "redis_version:7.2.4\r\nrun_id:abc\r\nrole:master\r\nmaxmemory_policy:noeviction\r\naof_enabled:1\r\n";

/// What is kept beside a job reads as something bounded that is written as itself, or as nothing.
pub fn record(data: &[u8]) {
    let Some((&sort, data)) = data.split_first() else {
        return;
    };
    let (history, _) = History::unpack(Some(data));
    let packed = history.pack();
    assert!(packed.len() <= MAX_HISTORY_BYTES);
    let (again, corrupt) = History::unpack(Some(&packed));
    assert!(!corrupt, "what is written reads");
    assert_eq!(again.attempts_ever, history.attempts_ever);
    // Texts that are longer than any that is written are cut once, when they are written again.
    let failure = Failure::unpack(&Failure::unpack(data).pack());
    assert_eq!(Failure::unpack(&failure.pack()), failure);
    if let Some(finished) = FinishedJob::unpack(data) {
        assert!(FinishedJob::unpack(&finished.pack()).is_some());
    }
    let text = String::from_utf8_lossy(data);
    for fsync in [None, Some("always"), Some("everysec")] {
        if let Err(error) = ServerFacts::read(&text, fsync) {
            assert!(!error.to_string().is_empty());
        }
    }
    let bytes = || Some(Bytes::copy_from_slice(data));
    let time_ms = i64::from(sort) - 7;
    let places = [
        Place::Pending,
        Place::Scheduled(time_ms),
        Place::Parked(time_ms),
        Place::Dead(time_ms),
    ];
    let found = Found {
        place: places[usize::from(sort) % places.len()].clone(),
        member: Member::from_bytes(data.get(..17).unwrap_or_default()),
        bytes: bytes(),
        history: bytes(),
        failure: bytes(),
        crashes: u32::from(sort),
    };
    let view = JobView::of(&lane(), Uuid::nil(), found).expect("the job is somewhere");
    let told = (
        view.state(),
        view.attempt(),
        view.last_error(),
        view.retry_at(),
        view.parked(),
        view.reason(),
        view.died_at(),
        view.ended(),
    );
    assert!(!told.0.as_str().is_empty());
}

/// Whatever a server answers to a step is a result or an error within bounds and in time, and the next step is answered
/// by its own answer.
pub fn reply(data: &[u8]) {
    let Some((&step, answer)) = data.split_first() else {
        return;
    };
    let mut harness = HARNESS.lock().unwrap_or_else(PoisonError::into_inner);
    harness.feed(usize::from(step), answer);
}

static HARNESS: LazyLock<Mutex<Harness>> = LazyLock::new(|| Mutex::new(Harness::new()));

/// What the server answers.
#[derive(Default)]
struct Answers {
    /// To `INFO`, where it is not the good one.
    info: Option<Vec<u8>>,
    /// To `CONFIG`, where it is not the good one.
    config: Option<Vec<u8>>,
    /// To the script that claims a lane, where it is not the good one.
    claim: Option<Vec<u8>>,
    /// To everything else.
    other: Vec<u8>,
    /// Whether what was given leaves the stream at the start of a reply; else the connection is closed after it.
    whole: bool,
}

struct Harness {
    runtime: Runtime,
    answers: Arc<Mutex<Answers>>,
    url: String,
    queue: RedisQueue,
}

impl Harness {
    fn new() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port is free");
        let port = listener.local_addr().expect("it is bound").port();
        let answers = Arc::new(Mutex::new(Answers::default()));
        let given = Arc::clone(&answers);
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let given = Arc::clone(&given);
                thread::spawn(move || {
                    // A client that leaves in the middle is none of our business.
                    let _ = converse(&stream, &given);
                    let _ = stream.shutdown(Shutdown::Both);
                });
            }
        });
        let url = format!("redis://user:{PASSWORD}@127.0.0.1:{port}/0");
        Self {
            runtime: Builder::new_current_thread()
                .enable_all()
                .build()
                .expect("a runtime starts"),
            queue: queue(&url),
            answers,
            url,
        }
    }

    fn feed(&mut self, step: usize, answer: &[u8]) {
        let greeting = step % (STEPS + 3) >= STEPS;
        {
            let mut answers = self.answers.lock().unwrap_or_else(PoisonError::into_inner);
            let given = Some(answer.to_vec());
            *answers = match step % (STEPS + 3) {
                STEPS => Answers {
                    info: given,
                    ..Answers::default()
                },
                step if step == STEPS + 1 => Answers {
                    config: given,
                    ..Answers::default()
                },
                step if step == STEPS + 2 => Answers {
                    claim: given,
                    ..Answers::default()
                },
                _ => Answers {
                    other: answer.to_vec(),
                    ..Answers::default()
                },
            };
            answers.whole = is_whole(answer);
        }
        if greeting {
            // A greeting is given on a new connection only.
            self.queue = queue(&self.url);
        }
        let told = self.runtime.block_on(async {
            timeout(LONGEST, act(&self.queue, step % (STEPS + 3)))
                .await
                .expect("a step ends in time")
        });
        if let Err(error) = told {
            let text = error.to_string();
            assert!(!text.contains(PASSWORD), "{text}");
            assert!(text.len() <= LONGEST_ERROR, "{} bytes", text.len());
        }
        let mut answers = self.answers.lock().unwrap_or_else(PoisonError::into_inner);
        let was_whole = answers.whole;
        *answers = Answers {
            other: b":1\r\n".to_vec(),
            whole: true,
            ..Answers::default()
        };
        drop(answers);
        if !was_whole {
            // What a server says unasked is taken for its next answer, by any client: that connection is left.
            self.queue = queue(&self.url);
        }
        let next = self.runtime.block_on(async {
            timeout(LONGEST, self.queue.pass_on_wake(&lane()))
                .await
                .expect("the next step ends in time")
        });
        next.expect("the next step is answered by its own answer");
    }
}

fn queue(url: &str) -> RedisQueue {
    let access = Access {
        url: url.to_owned(),
        ..Access::default()
    };
    let options = LaneOptions {
        shards: 1,
        max_pending: 0,
        dedupe_window_ms: 3_600_000,
        completed_retention_max: 100,
        completed_retention_ms: 3_600_000,
        dead_letter_max: 100,
        max_crashes: 3,
        batch_size: 10,
        lease_duration_ms: 30_000,
    };
    RedisQueue::new(&access, "fuzz", options, false).expect("the url is one")
}

fn lane() -> Lane {
    Lane {
        queue: "default".to_owned(),
        shard: 0,
    }
}

/// How many steps there are.
const STEPS: usize = 20;

/// Takes one step, whatever it is answered.
async fn act(queue: &RedisQueue, step: usize) -> Result<(), QueueError> {
    let lane = lane();
    let who = Incarnation::named("w");
    let member = Member::new(Uuid::nil(), Priority::Default);
    let token = Token { member, call: 1 };
    match step {
        0 => queue.join(&lane, &who, "{}").await.map(drop),
        1 => queue.beat(&lane, &who, &[member]).await.map(drop),
        2 => queue.hold(&lane).await.map(drop),
        3 => queue
            .turn(&lane, &who, 1, 10, Source::Pending)
            .await
            .map(drop),
        4 => queue
            .turn(&lane, &who, 2, 1, Source::Suspects)
            .await
            .map(drop),
        5 => {
            let ack = Ack {
                token,
                record: Vec::new(),
            };
            queue.ack(&lane, &who, &[ack.clone(), ack]).await.map(drop)
        }
        6 => {
            let nack = Nack {
                token,
                verdict: Verdict::Retry(5),
                history: Vec::new(),
                failure: Vec::new(),
                record: Vec::new(),
            };
            queue.nack(&lane, &who, &[nack]).await.map(drop)
        }
        7 => queue
            .release(&lane, &who, &[token], Source::Pending)
            .await
            .map(drop),
        8 => queue.leave(&lane, &who).await.map(drop),
        9 => queue.reclaim(&lane, &who, b"{}").await.map(drop),
        10 => {
            let job = NewJob {
                member,
                due: Due::Now,
                bytes: Bytes::from_static(b"{}"),
            };
            queue.enqueue(&lane, &[job]).await.map(drop)
        }
        11 => queue.find(&lane, Uuid::nil()).await.map(drop),
        12 => queue.stats(&lane).await.map(drop),
        13 => queue.list(&lane, Listing::Pending, 0, 5).await.map(drop),
        14 => queue.list(&lane, Listing::Dead, 0, 5).await.map(drop),
        15 => queue.bytes_of(&lane, &[member]).await.map(drop),
        16 => queue.recent(&lane, 5).await.map(drop),
        17 => queue.cancel(&lane, member).await.map(drop),
        18 => queue
            .replay(&lane, &[(member, 1, Vec::new())])
            .await
            .map(drop),
        19 => queue.unpark(&lane, &[member], None).await.map(drop),
        _ => queue.open(&lane).await.map(drop),
    }
}

/// Whether these bytes are one reply to a command and nothing else, so that the next one begins behind it.
fn is_whole(answer: &[u8]) -> bool {
    length(answer, 0) == Some(answer.len())
        && redis::parse_redis_value(answer).is_ok()
        && !matches!(answer.first(), Some(b'>' | b'|'))
}

/// How many bytes the first value takes; nothing where it is not all there, or nested deeper than any reply of ours.
fn length(bytes: &[u8], depth: u8) -> Option<usize> {
    let line = bytes.windows(2).position(|pair| pair == b"\r\n")? + 2;
    let (&sign, rest) = bytes.split_first()?;
    let number = std::str::from_utf8(rest.get(..line.checked_sub(3)?)?)
        .ok()
        .and_then(|text| text.parse::<i64>().ok());
    let values = match sign {
        b'$' | b'=' | b'!' => {
            let Ok(size) = usize::try_from(number?) else {
                return Some(line);
            };
            return line
                .checked_add(size)?
                .checked_add(2)
                .filter(|end| *end <= bytes.len());
        }
        b'*' | b'~' | b'>' => number?.max(0),
        b'%' => number?.max(0).checked_mul(2)?,
        b'|' => return None,
        _ => 0,
    };
    let mut end = line;
    for _ in 0..values {
        end += length(
            &bytes[end..],
            depth.checked_add(1).filter(|depth| *depth < 64)?,
        )?;
    }
    Some(end)
}

/// Answers the commands of one connection until it ends.
fn converse(stream: &TcpStream, answers: &Mutex<Answers>) -> std::io::Result<()> {
    let mut commands = BufReader::new(stream.try_clone()?);
    let mut out = stream.try_clone()?;
    out.set_nodelay(true)?;
    while let Some(words) = command(&mut commands)? {
        let (answer, given) = {
            let answers = answers.lock().unwrap_or_else(PoisonError::into_inner);
            let (good, other) = match words[0].to_ascii_uppercase().as_slice() {
                b"CLIENT" | b"AUTH" | b"SELECT" => (Some(b"+OK\r\n".to_vec()), None),
                b"PING" => (Some(b"+PONG\r\n".to_vec()), None),
                b"INFO" => (Some(bulk(INFO.as_bytes())), answers.info.clone()),
                b"CONFIG" => (
                    Some(b"*2\r\n$11\r\nappendfsync\r\n$8\r\neverysec\r\n".to_vec()),
                    answers.config.clone(),
                ),
                _ if words.iter().any(|word| word == MARKER) => {
                    (Some(bulk(MARKER)), answers.claim.clone())
                }
                _ => (None, Some(answers.other.clone())),
            };
            match (good, other) {
                (_, Some(given)) => (given, !answers.whole),
                (good, None) => (good.unwrap_or_default(), false),
            }
        };
        out.write_all(&answer)?;
        if given {
            break;
        }
    }
    Ok(())
}

fn bulk(bytes: &[u8]) -> Vec<u8> {
    let mut text = format!("${}\r\n", bytes.len()).into_bytes();
    text.extend_from_slice(bytes);
    text.extend_from_slice(b"\r\n");
    text
}

/// Reads one command; nothing where the client has left.
fn command(commands: &mut impl BufRead) -> std::io::Result<Option<VecDeque<Vec<u8>>>> {
    let Some(count) = number(commands, b'*')? else {
        return Ok(None);
    };
    let mut words = VecDeque::new();
    for _ in 0..count {
        let Some(length) = number(commands, b'$')? else {
            return Ok(None);
        };
        let mut word = vec![0; length + 2];
        commands.read_exact(&mut word)?;
        word.truncate(length);
        words.push_back(word);
    }
    Ok(Some(words))
}

fn number(commands: &mut impl BufRead, sign: u8) -> std::io::Result<Option<usize>> {
    let mut line = Vec::new();
    commands.read_until(b'\n', &mut line)?;
    let digits = line.strip_prefix(&[sign]).unwrap_or_default();
    Ok(std::str::from_utf8(digits)
        .ok()
        .and_then(|text| text.trim().parse().ok()))
}
