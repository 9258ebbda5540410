//! Where the queue's server is, and how a connection to it is made; everything above sees only the connection.

use redis::aio::MultiplexedConnection;
use redis::{AsyncConnectionConfig, Client, ConnectionAddr, ConnectionInfo, IntoConnectionInfo};

use super::QueueError;
use super::link::{CONNECT_TIMEOUT, classify};
use super::tls::{self, TlsFiles};

/// What is needed to reach a server and to be let in.
#[derive(Clone, Debug, Default)]
pub struct Access {
    /// A url as the configuration allows it.
    pub url: String,
    /// Certificates, for a url that asks for TLS.
    pub tls: TlsFiles,
}

/// A place to connect to.
pub struct Endpoint {
    server: ConnectionInfo,
    tls: TlsFiles,
    shown: String,
}

impl Endpoint {
    /// The place that a url names. Nothing is connected or looked up yet.
    ///
    /// # Errors
    ///
    /// `Unsuitable` where the url is none.
    pub fn new(access: &Access) -> Result<Self, QueueError> {
        let server = access
            .url
            .as_str()
            .into_connection_info()
            .map_err(|_| QueueError::Unsuitable("the url is not a Redis url".to_owned()))?;
        Ok(Self {
            shown: server.addr().to_string(),
            server,
            tls: access.tls.clone(),
        })
    }

    /// The address without credentials.
    pub fn shown(&self) -> &str {
        &self.shown
    }

    /// Makes a connection and logs in. A name is looked up each time, and files are read each time, so that a server
    /// that has moved is found and a renewed certificate is taken up.
    ///
    /// # Errors
    ///
    /// `Unavailable`, `Refused` or `Unsuitable`.
    pub async fn connect(&self) -> Result<MultiplexedConnection, QueueError> {
        let config = AsyncConnectionConfig::new()
            .set_connection_timeout(Some(CONNECT_TIMEOUT))
            .set_response_timeout(None);
        self.client(&self.server)?
            .get_multiplexed_async_connection_with_config(&config)
            .await
            .map_err(|error| {
                tls::complaint(&self.shown, &error)
                    .unwrap_or_else(|| classify(&self.shown, &error, false))
            })
    }

    fn client(&self, server: &ConnectionInfo) -> Result<Client, QueueError> {
        if matches!(server.addr(), ConnectionAddr::TcpTls { .. }) {
            let certificates = self.tls.read()?;
            return Client::build_with_tls(server.clone(), certificates)
                .map_err(|error| QueueError::Unsuitable(format!("TLS: {error}")));
        }
        Client::open(server.clone()).map_err(|error| classify(&self.shown, &error, false))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn endpoint(url: &str) -> Result<Endpoint, QueueError> {
        Endpoint::new(&Access {
            url: url.to_owned(),
            tls: TlsFiles::default(),
        })
    }

    #[test]
    fn an_endpoint_is_shown_without_its_credentials() {
        let shown = |url| endpoint(url).unwrap().shown().to_owned();
        assert_eq!(shown("redis://u:secret@h:7000/1"), "h:7000");
        assert_eq!(shown("rediss://:secret@h"), "h:6379");
        assert_eq!(shown("unix:///run/s.sock?pass=secret"), "/run/s.sock");
    }

    #[test]
    fn what_is_no_redis_url_is_refused_without_repeating_it() {
        let Err(QueueError::Unsuitable(text)) = endpoint("http://u:secret@h") else {
            panic!("an http url was taken");
        };
        assert!(!text.contains("secret"), "{text}");
    }
}
