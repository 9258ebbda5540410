//! Whom spooled jobs are for: a prefix of keys on a server.

use std::path::Path;

use crate::queue::endpoint::Places;

/// The queue that jobs are for.
#[derive(Clone)]
pub(super) struct Target {
    /// The prefix of its keys.
    pub(super) prefix: String,
    /// What stands for its server in names of files.
    pub(super) server: String,
}

impl Target {
    /// The queue with a prefix on the server that a url names.
    ///
    /// Who asks, how it is encrypted and in which order hosts are named makes no other server of it.
    pub(super) fn new(prefix: &str, url: &str) -> Self {
        let text = Places::of(url).map_or_else(|_| url.to_owned(), |places| said(&places));
        let mut server = sha1_smol::Sha1::from(text).digest().to_string();
        server.truncate(8);
        Self {
            prefix: prefix.to_owned(),
            server,
        }
    }

    /// Whether a file is for the server, or by its name for any: `name.server.spool`, `name.spool`.
    pub(super) fn is_named_by(&self, path: &Path) -> bool {
        let stem = path.file_stem().map(Path::new);
        let server = stem.and_then(Path::extension);
        server.is_none_or(|server| server == self.server.as_str())
    }
}

fn said(places: &Places) -> String {
    let mut hosts: Vec<String> = places
        .servers
        .iter()
        .map(|server| server.addr().to_string().to_lowercase())
        .collect();
    hosts.sort_unstable();
    hosts.dedup();
    let db = places
        .servers
        .first()
        .map_or(0, |server| server.redis_settings().db());
    let service = places.service.as_deref().unwrap_or_default();
    format!("{} {service} {db}", hosts.join(","))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_is_the_same_whoever_asks_it_and_in_whatever_order() {
        let server = |url| Target::new("t", url).server;
        for (one, other) in [
            ("redis://localhost", "rediss://u:p@LOCALHOST:6379/0"),
            ("unix:///a?db=1", "unix:///a?db=1&pass=x"),
            (
                "redis+cluster://a,b:7000",
                "rediss+cluster://u:p@b:7000,a:6379",
            ),
            (
                "redis+sentinel://a,b/main",
                "redis+sentinel://:p@b,a:26379/main/0",
            ),
            ("embedded:///a", "embedded:///a"),
        ] {
            assert_eq!(server(one), server(other), "{one}");
        }
        let different = [
            "redis://localhost",
            "redis://localhost:6380",
            "redis://localhost/1",
            "unix:///a",
            "unix:///a?db=1",
            "redis+cluster://a,b",
            "redis+sentinel://a,b/main",
            "redis+sentinel://a,b/other",
            "embedded:///a",
            "embedded:///b",
        ];
        let servers: std::collections::HashSet<_> =
            different.iter().map(|url| server(url)).collect();
        assert_eq!(servers.len(), different.len());
    }

    #[test]
    fn the_name_of_a_file_says_which_server_it_is_for_or_that_it_is_for_any() {
        let target = Target::new("t", "redis://localhost");
        let named = |name: &str| target.is_named_by(Path::new(name));
        assert!(named(&format!("/a.b/1-2-3.{}.spool", target.server)));
        assert!(named("/a.b/1-2-3.spool"));
        assert!(!named("/a.b/1-2-3.00000000.spool"));
    }
}
