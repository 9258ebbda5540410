//! TLS: the files that it takes, and what a failed handshake means. Certificates are always checked; there is no way to
//! switch that off, and nothing falls back to a connection without TLS.

use std::error::Error;
use std::fs;
use std::path::{Path, PathBuf};

use redis::{ClientTlsConfig, RedisError, TlsCertificates};

use super::QueueError;

/// Paths of PEM files; each is read again for each new connection.
#[derive(Clone, Debug, Default)]
pub struct TlsFiles {
    /// Authorities that may have signed the server's certificate; without it those that browsers trust.
    pub ca: Option<PathBuf>,
    /// Our own certificate and its private key, for a server that asks for one.
    pub identity: Option<(PathBuf, PathBuf)>,
}

impl TlsFiles {
    /// Reads what is there now.
    ///
    /// # Errors
    ///
    /// `Unsuitable` where a file cannot be read.
    pub(super) fn read(&self) -> Result<TlsCertificates, QueueError> {
        rely_on_ring();
        let client_tls = match &self.identity {
            Some((certificate, key)) => Some(ClientTlsConfig {
                client_cert: read(certificate)?,
                client_key: read(key)?,
            }),
            None => None,
        };
        Ok(TlsCertificates {
            client_tls,
            root_cert: self.ca.as_deref().map(read).transpose()?,
        })
    }
}

fn read(path: &Path) -> Result<Vec<u8>, QueueError> {
    fs::read(path)
        .map_err(|error| QueueError::Unsuitable(format!("TLS: {}: {error}", path.display())))
}

/// rustls has no cryptography of its own and panics where none was chosen.
fn rely_on_ring() {
    // An error here means that one was chosen before.
    let _ = rustls::crypto::ring::default_provider().install_default();
}

/// What a failed handshake means, if that is what an error is: it will fail again until somebody changes something.
pub(super) fn complaint(at: &str, error: &RedisError) -> Option<QueueError> {
    match cause(error)? {
        rustls::Error::AlertReceived(alert) => Some(QueueError::Refused(format!(
            "{at}: TLS: the server refuses our side of the handshake: {alert:?}"
        ))),
        rustls::Error::InvalidMessage(_) => {
            Some(QueueError::Unsuitable(format!("{at} does not speak TLS")))
        }
        error => Some(QueueError::Unsuitable(format!("{at}: TLS: {error}"))),
    }
}

/// The error of rustls below an error of the client.
fn cause(error: &RedisError) -> Option<&rustls::Error> {
    let mut next: Option<&(dyn Error + 'static)> = error.source();
    while let Some(error) = next {
        if let Some(found) = error.downcast_ref::<rustls::Error>() {
            return Some(found);
        }
        next = match error.downcast_ref::<std::io::Error>() {
            Some(error) => error.get_ref().map(|inner| inner as &(dyn Error + 'static)),
            None => error.source(),
        };
    }
    None
}
