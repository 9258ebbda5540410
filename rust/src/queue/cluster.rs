//! The queue on a cluster: each lane is on the node that serves its slot, and each node is a queue on one server.
//!
//! A lane's keys share one hash tag and so one of the 16384 slots. Which node serves a slot changes with a failover and when
//! slots are moved. What a node answers then is followed; where one is gone, the others are asked who has taken over.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use redis::ConnectionInfo;
use tokio::time::{Instant, timeout};

use super::endpoint::{Access, Endpoint, Places};
use super::facts::ServerFacts;
use super::keys::Keys;
use super::link::Link;
use super::redis::wait_on;
use super::slots::{SlotMap, slot_of};
use super::tls::TlsFiles;
use super::{Engine, Lane, LaneOptions, QueueError, RedisQueue};

/// Longest that one node is listened to when it is asked for the slots.
const PATIENCE: Duration = Duration::from_secs(1);

/// Shortest time between two looks at the slots, while one of them cannot be served.
const SHORTEST: Duration = Duration::from_millis(100);

/// Times that one call is sent on: a slot is moved once at a time.
const MOST_REDIRECTS: usize = 5;

/// The queue on a cluster.
pub struct ClusterQueue {
    /// The nodes that the url names.
    seeds: Vec<ConnectionInfo>,
    tls: TlsFiles,
    prefix: String,
    options: LaneOptions,
    manual_clock: bool,
    shown: String,
    known: Mutex<Known>,
    /// When the slots were last looked at; held while they are.
    looked: tokio::sync::Mutex<Option<Instant>>,
    /// A connection to block on for each lane, and which node it goes to: no command waits on several slots.
    waits: Mutex<HashMap<Lane, (String, Arc<Link>)>>,
}

/// A node: its queue is always one on a server.
struct Node {
    endpoint: Arc<Endpoint>,
    engine: Arc<Engine>,
}

#[derive(Default)]
struct Known {
    slots: SlotMap,
    nodes: HashMap<String, Node>,
    /// The node that last did not do what the slots promise.
    doubtful: Option<String>,
}

/// The node of a lane.
pub(super) struct Home {
    /// Host and port.
    pub(super) address: String,
    /// Its queue.
    pub(super) engine: Arc<Engine>,
}

impl Home {
    /// Its queue on a server.
    pub(super) fn queue(&self) -> Result<&RedisQueue, QueueError> {
        match &*self.engine {
            Engine::Redis(queue) => Ok(queue),
            _ => Err(QueueError::Unsuitable("no node of a cluster".to_owned())),
        }
    }
}

impl ClusterQueue {
    /// A queue that connects when it is first used.
    ///
    /// # Errors
    ///
    /// `Unsuitable` where no node is named.
    pub(super) fn new(
        access: &Access,
        places: Places,
        prefix: &str,
        options: LaneOptions,
        manual_clock: bool,
    ) -> Result<Self, QueueError> {
        let seeds = places.servers;
        if seeds.is_empty() {
            return Err(QueueError::Unsuitable("the url names no host".to_owned()));
        }
        let hosts: Vec<String> = seeds.iter().map(|seed| seed.addr().to_string()).collect();
        Ok(Self {
            seeds,
            tls: access.tls.clone(),
            prefix: prefix.to_owned(),
            options,
            manual_clock,
            shown: format!("the cluster at {}", hosts.join(", ")),
            known: Mutex::default(),
            looked: tokio::sync::Mutex::default(),
            waits: Mutex::default(),
        })
    }

    /// The bounds that this queue keeps.
    pub(super) const fn options(&self) -> &LaneOptions {
        &self.options
    }

    /// Whether the time is read from a key that tests set.
    pub(super) const fn has_manual_clock(&self) -> bool {
        self.manual_clock
    }

    /// The way of one call to the node of a lane.
    pub(super) fn way<'a>(&'a self, lane: &'a Lane) -> Way<'a> {
        Way {
            cluster: self,
            slot: self.slot(lane),
            left: MOST_REDIRECTS,
        }
    }

    /// Waits until there may be work on a lane.
    pub(super) async fn wait_for_wake(&self, lane: &Lane) -> Result<bool, QueueError> {
        let home = self.home(self.slot(lane)).await?;
        let link = {
            let mut waits = self.waits.lock().unwrap_or_else(PoisonError::into_inner);
            let known = self.known();
            let endpoint = known.nodes.get(&home.address).map(|node| &node.endpoint);
            match (waits.get(lane), endpoint) {
                (Some((address, link)), _) if *address == home.address => Arc::clone(link),
                (_, Some(endpoint)) => {
                    let link = Arc::new(Link::new(endpoint));
                    waits.insert(lane.clone(), (home.address.clone(), Arc::clone(&link)));
                    link
                }
                (_, None) => {
                    return Err(QueueError::Unavailable(format!("{} is gone", home.address)));
                }
            }
        };
        let keys = home.queue()?.keys(lane);
        let result = wait_on(&link, &[keys.wake.as_str()]).await;
        self.judge(self.slot(lane), &home.address, result)
    }

    /// Asks each node anew what it is and keeps; says so of the one that keeps least. An error where one of them must
    /// not hold jobs.
    pub(super) async fn look(&self) -> Result<ServerFacts, QueueError> {
        // Somebody has to have asked for the slots.
        self.home(0).await?;
        let homes: Vec<Home> = {
            let known = self.known();
            let nodes = known
                .nodes
                .iter()
                .filter(|(address, _)| known.slots.names(address));
            nodes
                .map(|(address, node)| Home {
                    address: address.clone(),
                    engine: Arc::clone(&node.engine),
                })
                .collect()
        };
        let mut answer: Result<ServerFacts, _> = Err(QueueError::Unavailable(format!(
            "{} does not answer",
            self.shown
        )));
        for home in homes {
            match home.queue()?.look().await {
                Err(error) if error.transient() => self.doubt(&home.address),
                Ok(facts) => match &answer {
                    Ok(least) if least.keeps() <= facts.keeps() => {}
                    _ => answer = Ok(facts),
                },
                error => return error,
            }
        }
        answer
    }

    /// The node of a lane.
    pub(super) async fn home_of(&self, lane: &Lane) -> Result<Home, QueueError> {
        self.home(self.slot(lane)).await
    }

    /// Learns from the answer of a node about a lane; what sends on is a passing state from here on.
    pub(super) fn learn<T>(
        &self,
        lane: &Lane,
        address: &str,
        result: Result<T, QueueError>,
    ) -> Result<T, QueueError> {
        self.judge(self.slot(lane), address, result)
    }

    fn judge<T>(
        &self,
        slot: u16,
        address: &str,
        result: Result<T, QueueError>,
    ) -> Result<T, QueueError> {
        match &result {
            Err(QueueError::Elsewhere(other)) => {
                self.known().slots.moved(slot, other);
                Err(QueueError::Unavailable(format!(
                    "{address} sends on to {other}"
                )))
            }
            Err(error) if error.transient() => {
                self.doubt(address);
                result
            }
            _ => result,
        }
    }

    fn slot(&self, lane: &Lane) -> u16 {
        slot_of(&Keys::tag(&self.prefix, lane))
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn doubt(&self, address: &str) {
        self.known().doubtful = Some(address.to_owned());
    }

    fn at(&self, known: &mut Known, address: &str) -> Home {
        let node = known.nodes.entry(address.to_owned()).or_insert_with(|| {
            let (host, port) = split(address);
            let endpoint = Arc::new(Endpoint::at(&self.seeds[0], host, port, &self.tls));
            let queue = RedisQueue::at(
                &endpoint,
                &self.prefix,
                self.options.clone(),
                self.manual_clock,
            );
            Node {
                endpoint,
                engine: Arc::new(Engine::Redis(Box::new(queue))),
            }
        });
        Home {
            address: address.to_owned(),
            engine: Arc::clone(&node.engine),
        }
    }

    async fn home(&self, slot: u16) -> Result<Home, QueueError> {
        {
            let mut known = self.known();
            let owner = known.slots.owner(slot).map(str::to_owned);
            if let Some(address) = owner.filter(|address| known.doubtful.as_ref() != Some(address))
            {
                return Ok(self.at(&mut known, &address));
            }
        }
        let looked = self.ask_for_slots().await;
        let mut known = self.known();
        match known.slots.owner(slot).map(str::to_owned) {
            Some(address) => Ok(self.at(&mut known, &address)),
            None => Err(looked.err().unwrap_or_else(|| {
                QueueError::Unavailable(format!("{}: no node serves slot {slot}", self.shown))
            })),
        }
    }

    /// Asks the nodes, one after the other, who serves what; not again before a while has passed.
    async fn ask_for_slots(&self) -> Result<(), QueueError> {
        let mut looked = self.looked.lock().await;
        if looked.is_some_and(|at| at.elapsed() < SHORTEST) {
            return Ok(());
        }
        let mut answer = Err(QueueError::Unavailable(format!(
            "{} does not answer",
            self.shown
        )));
        for endpoint in self.askable() {
            match timeout(PATIENCE, SlotMap::ask(&endpoint)).await {
                // A node that is new or was reset belongs to no cluster yet, or not any more: the others know better.
                Ok(Ok(slots)) if slots.is_empty() => {
                    if answer.as_ref().is_err_and(QueueError::transient) {
                        answer = Err(QueueError::Unavailable(format!(
                            "{} knows of no node that serves slots",
                            endpoint.shown()
                        )));
                    }
                }
                Ok(Ok(slots)) => {
                    let mut known = self.known();
                    known.nodes.retain(|address, _| slots.names(address));
                    known.slots = slots;
                    known.doubtful = None;
                    answer = Ok(());
                    break;
                }
                // What a person has to put right says more than a node that is away.
                Ok(Err(error)) if !error.transient() => answer = Err(error),
                Ok(Err(_)) | Err(_) => {}
            }
        }
        *looked = Some(Instant::now());
        answer
    }

    /// Where to ask: nodes that have not failed, the one that has, the nodes of the url.
    fn askable(&self) -> Vec<Arc<Endpoint>> {
        let known = self.known();
        let mut nodes: Vec<(&String, &Node)> = known.nodes.iter().collect();
        fastrand::shuffle(&mut nodes);
        nodes.sort_by_key(|(address, _)| known.doubtful.as_ref() == Some(*address));
        let seeds = self
            .seeds
            .iter()
            .map(|seed| Arc::new(Endpoint::of(seed, &self.tls)));
        nodes
            .into_iter()
            .map(|(_, node)| Arc::clone(&node.endpoint))
            .chain(seeds)
            .collect()
    }
}

/// One call on its way to the node of a lane.
pub(super) struct Way<'a> {
    cluster: &'a ClusterQueue,
    slot: u16,
    left: usize,
}

impl Way<'_> {
    /// The node to ask now.
    pub(super) async fn home(&self) -> Result<Home, QueueError> {
        self.cluster.home(self.slot).await
    }

    /// The answer for the caller, unless the node has sent the call on.
    pub(super) fn arrived<T>(
        &mut self,
        home: &Home,
        result: Result<T, QueueError>,
    ) -> Option<Result<T, QueueError>> {
        let sent_on = matches!(result, Err(QueueError::Elsewhere(_)));
        let result = self.cluster.judge(self.slot, &home.address, result);
        if !sent_on || self.left == 0 {
            return Some(result);
        }
        self.left -= 1;
        None
    }
}

/// Host and port of an address; the host of an IPv6 address may stand in brackets or not.
fn split(address: &str) -> (&str, u16) {
    let (host, port) = address.rsplit_once(':').unwrap_or((address, ""));
    (host.trim_matches(['[', ']']), port.parse().unwrap_or(6379))
}
