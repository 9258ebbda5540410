//! TLS: the files that it takes, and what a failed handshake means. Certificates are always checked; there is no way to
//! switch that off, and nothing falls back to a connection without TLS.

use std::error::Error;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

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
    Some(QueueError::Refused(match cause(error)? {
        rustls::Error::AlertReceived(alert) => {
            format!("{at}: TLS: the server refuses our side of the handshake: {alert:?}")
        }
        rustls::Error::InvalidMessage(_) => format!("{at} does not speak TLS"),
        error => format!("{at}: TLS: {error}"),
    }))
}

/// The error of rustls below an error of the client.
fn cause(error: &RedisError) -> Option<&rustls::Error> {
    let mut next: Option<&(dyn Error + 'static)> = error.source();
    while let Some(error) = next {
        if let Some(found) = error.downcast_ref::<rustls::Error>() {
            return Some(found);
        }
        // The client shares its errors, and an error of input wraps what it was made of: both hide it from `source`.
        next = if let Some(shared) = error.downcast_ref::<Arc<dyn Error + Send + Sync>>() {
            Some(shared.as_ref())
        } else if let Some(wrapped) = error.downcast_ref::<std::io::Error>() {
            wrapped
                .get_ref()
                .map(|inner| inner as &(dyn Error + 'static))
        } else {
            error.source()
        };
    }
    None
}

#[cfg(test)]
mod tests {
    use std::io;

    use super::*;

    fn handshake(error: rustls::Error) -> Option<QueueError> {
        let error = io::Error::new(io::ErrorKind::InvalidData, error);
        complaint("h:1", &RedisError::from(error))
    }

    #[test]
    fn a_failed_handshake_is_no_passing_state() {
        let expired = rustls::Error::InvalidCertificate(rustls::CertificateError::Expired);
        let text = handshake(expired).unwrap().to_string();
        assert!(
            text.contains("h:1: TLS: invalid peer certificate: Expired"),
            "{text}"
        );
        let asked = rustls::Error::AlertReceived(rustls::AlertDescription::CertificateRequired);
        assert!(
            matches!(handshake(asked), Some(QueueError::Refused(text)) if text.contains("CertificateRequired"))
        );
    }

    #[test]
    fn a_lost_connection_is_no_failed_handshake() {
        let lost = io::Error::from(io::ErrorKind::ConnectionReset);
        assert_eq!(complaint("h:1", &RedisError::from(lost)), None);
    }
}
