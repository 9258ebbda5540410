//! Where the queue's server is, and how a connection to it is made; everything above sees only the connection.

use std::time::Duration;

use redis::aio::MultiplexedConnection;
use redis::{AsyncConnectionConfig, Client, ConnectionAddr, ConnectionInfo, IntoConnectionInfo};

use super::QueueError;
use super::link::{CONNECT_TIMEOUT, classify};
use super::sentinel::Sentinels;
use super::tls::{self, TlsFiles};

/// Where a sentinel listens, if nothing else is said.
const SENTINEL_PORT: &str = ":26379";

/// What is needed to reach a server and to be let in.
#[derive(Clone, Default)]
pub struct Access {
    /// A url as the configuration allows it.
    pub url: String,
    /// Certificates, for a url that asks for TLS.
    pub tls: TlsFiles,
    /// Name and password at the sentinels, which know nothing of the servers' users.
    pub sentinel: (Option<String>, Option<String>),
}

/// Parts of a url: where the servers are, and what each of them is told.
pub(super) struct Places {
    /// The url of each host, with the credentials and the database of the whole.
    pub(super) servers: Vec<ConnectionInfo>,
    /// What sentinels call the group of servers.
    pub(super) service: Option<String>,
    /// Whether the servers are a cluster.
    pub(super) cluster: bool,
}

impl Places {
    /// Takes a url apart.
    ///
    /// # Errors
    ///
    /// `Unsuitable` where it is none.
    pub(super) fn of(url: &str) -> Result<Self, QueueError> {
        let unsuitable = || QueueError::Unsuitable("the url is not a Redis url".to_owned());
        let (scheme, rest) = url.split_once("://").ok_or_else(unsuitable)?;
        let scheme = scheme.to_ascii_lowercase();
        let Some((scheme, kind)) = scheme.split_once('+') else {
            let server = url.into_connection_info().map_err(|_| unsuitable())?;
            return Ok(Self {
                servers: vec![server],
                service: None,
                cluster: false,
            });
        };
        let (credentials, location) = match rest.rsplit_once('@') {
            Some((credentials, location)) => (format!("{credentials}@"), location),
            None => (String::new(), rest),
        };
        let (hosts, path) = location.split_once('/').unwrap_or((location, ""));
        let (service, db) = match kind {
            "sentinel" => {
                let (service, db) = path.split_once('/').unwrap_or((path, ""));
                (Some(service.to_owned()), db)
            }
            "cluster" => (None, ""),
            _ => return Err(unsuitable()),
        };
        let servers = hosts
            .split(',')
            .map(|host| {
                let has_port = host.contains(':') && !host.ends_with(']');
                let port = match kind {
                    "sentinel" if !has_port => SENTINEL_PORT,
                    _ => "",
                };
                format!("{scheme}://{credentials}{host}{port}/{db}").into_connection_info()
            })
            .collect::<Result<Vec<_>, _>>()
            .map_err(|_| unsuitable())?;
        Ok(Self {
            servers,
            service,
            cluster: kind == "cluster",
        })
    }
}

/// Longest that a TLS connection may take up to the end of the handshake. A server without TLS waits for ever for the end
/// of what it takes for a command; that has to be told before the time for the whole connection is over.
const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(3);

/// A place to connect to.
pub struct Endpoint {
    server: ConnectionInfo,
    sentinels: Option<Sentinels>,
    tls: TlsFiles,
    shown: String,
}

impl Endpoint {
    /// The place that a url names, where that is not a cluster. Nothing is connected or looked up yet.
    ///
    /// # Errors
    ///
    /// `Unsuitable` where the url is none.
    pub(super) fn new(access: &Access, places: Places) -> Result<Self, QueueError> {
        let Some(server) = places.servers.first().cloned() else {
            return Err(QueueError::Unsuitable("the url names no host".to_owned()));
        };
        let sentinels = places
            .service
            .map(|service| Sentinels::new(&places.servers, service, &access.sentinel));
        let shown = match &sentinels {
            Some(sentinels) => sentinels.to_string(),
            None => server.addr().to_string(),
        };
        Ok(Self {
            server,
            sentinels,
            tls: access.tls.clone(),
            shown,
        })
    }

    /// One server, with credentials and kind of connection of another.
    pub(super) fn at(server: &ConnectionInfo, host: &str, port: u16, tls: &TlsFiles) -> Self {
        let server = server.clone().set_addr(moved(server.addr(), host, port));
        Self::of(&server, tls)
    }

    /// One server.
    pub(super) fn of(server: &ConnectionInfo, tls: &TlsFiles) -> Self {
        Self {
            shown: server.addr().to_string(),
            server: server.clone(),
            sentinels: None,
            tls: tls.clone(),
        }
    }

    /// The address without credentials.
    pub fn shown(&self) -> &str {
        &self.shown
    }

    /// Makes a connection and logs in. A name is looked up each time, sentinels are asked each time and files are read
    /// each time, so that a server that has moved is found and a renewed certificate is taken up. Says which server
    /// sentinels have named.
    ///
    /// # Errors
    ///
    /// `Unavailable`, `Refused` or `Unsuitable`.
    pub(super) async fn connect(
        &self,
    ) -> Result<(MultiplexedConnection, Option<(String, u16)>), QueueError> {
        let Some(sentinels) = &self.sentinels else {
            return Ok((dial(&self.server, &self.tls).await?, None));
        };
        let (host, port) = sentinels.primary(&self.tls).await?;
        let server = moved(self.server.addr(), &host, port);
        let connection = dial(&self.server.clone().set_addr(server), &self.tls)
            .await
            .inspect_err(|_| sentinels.doubt())?;
        Ok((connection, Some((host, port))))
    }

    /// Whether sentinels name another server now than the one that a connection was made to.
    pub(super) async fn has_moved(&self, primary: Option<&(String, u16)>) -> bool {
        let (Some(sentinels), Some(primary)) = (&self.sentinels, primary) else {
            return false;
        };
        let named = sentinels.primary_lately(&self.tls).await;
        named.is_some_and(|named| named != *primary)
    }

    /// Notes that the server which was found is not the one that takes writes: the next connection asks another sentinel.
    pub(super) fn doubt(&self) {
        if let Some(sentinels) = &self.sentinels {
            sentinels.doubt();
        }
    }
}

/// Another address for the same kind of connection.
fn moved(address: &ConnectionAddr, host: &str, port: u16) -> ConnectionAddr {
    match address {
        ConnectionAddr::TcpTls { insecure, .. } => ConnectionAddr::TcpTls {
            host: host.to_owned(),
            port,
            insecure: *insecure,
            tls_params: None,
        },
        _ => ConnectionAddr::Tcp(host.to_owned(), port),
    }
}

/// Connects to one server and logs in.
pub(super) async fn dial(
    server: &ConnectionInfo,
    tls: &TlsFiles,
) -> Result<MultiplexedConnection, QueueError> {
    let at = server.addr().to_string();
    let is_tls = matches!(server.addr(), ConnectionAddr::TcpTls { .. });
    let client = if is_tls {
        Client::build_with_tls(server.clone(), tls.read()?)
            .map_err(|error| QueueError::Unsuitable(format!("TLS: {error}")))?
    } else {
        Client::open(server.clone()).map_err(|error| classify(&at, &error, false))?
    };
    let config = AsyncConnectionConfig::new()
        .set_connection_timeout(Some(if is_tls {
            HANDSHAKE_TIMEOUT
        } else {
            CONNECT_TIMEOUT
        }))
        .set_response_timeout(None);
    client
        .get_multiplexed_async_connection_with_config(&config)
        .await
        .map_err(|error| {
            let complaint = tls::complaint(&at, &error);
            complaint.unwrap_or_else(|| match server.addr() {
                ConnectionAddr::TcpTls { .. } if error.is_timeout() => QueueError::Unavailable(
                    format!("{at} does not answer a TLS handshake: it may be a port without TLS"),
                ),
                // What a server says that does not like our certificate comes after the handshake, and is lost with
                // the connection.
                ConnectionAddr::TcpTls { .. }
                    if error.is_connection_dropped() && !error.is_connection_refusal() =>
                {
                    QueueError::Unavailable(format!(
                        "{at} closes the connection after the TLS handshake: it may want another client certificate"
                    ))
                }
                _ => classify(&at, &error, false),
            })
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn endpoint(url: &str) -> Result<Endpoint, QueueError> {
        let access = Access {
            url: url.to_owned(),
            ..Access::default()
        };
        Endpoint::new(&access, Places::of(url)?)
    }

    #[test]
    fn an_endpoint_is_shown_without_its_credentials() {
        let shown = |url| endpoint(url).unwrap().shown().to_owned();
        assert_eq!(shown("redis://u:secret@h:7000/1"), "h:7000");
        assert_eq!(shown("rediss://:secret@h"), "h:6379");
        assert_eq!(shown("unix:///run/s.sock?pass=secret"), "/run/s.sock");
        assert_eq!(
            shown("redis+sentinel://u:secret@a:1,b/main/2"),
            "main at the sentinels a:1, b:26379"
        );
    }

    #[test]
    fn what_is_no_redis_url_is_refused_without_repeating_it() {
        for url in ["http://u:secret@h", "redis+x://u:secret@h", "secret"] {
            let Err(QueueError::Unsuitable(text)) = endpoint(url) else {
                panic!("{url} was taken");
            };
            assert!(!text.contains("secret"), "{text}");
        }
    }

    #[test]
    fn every_host_of_a_url_gets_the_credentials_and_the_database() {
        let places = Places::of("redis+sentinel://u:p%40@a:1,[::1]:2/main/3").unwrap();
        assert_eq!(places.service.as_deref(), Some("main"));
        for (server, address) in places.servers.iter().zip(["a:1", "::1:2"]) {
            assert_eq!(server.addr().to_string(), address);
            assert_eq!(server.redis_settings().username(), Some("u"));
            assert_eq!(server.redis_settings().password(), Some("p@"));
            assert_eq!(server.redis_settings().db(), 3);
        }
        let places = Places::of("rediss+cluster://a:1,b").unwrap();
        assert!(places.cluster);
        assert!(matches!(
            places.servers[1].addr(),
            ConnectionAddr::TcpTls { port: 6379, .. }
        ));
    }
}
