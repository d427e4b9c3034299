//! The ready file: where a server is, for scripts, written whole once it serves.

use std::io::Write as _;
use std::net::SocketAddr;
use std::path::Path;

use serde::Serialize;

use crate::failure::{Failure, Result};

/// The addresses of a server, or of a whole cluster in one process. Each is `host:port`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct Ready {
    /// The gRPC address of the master: here, or the one that a datanode reports to.
    pub(crate) master: String,
    /// The gRPC addresses of all masters, where there are several.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) masters: Vec<String>,
    /// The HTTP address of the (first) master, or of the datanode.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) http: Option<String>,
    /// The data addresses of the datanodes in this process.
    pub(crate) datanodes: Vec<String>,
    /// The HTTP addresses of the datanodes, where there are several servers in this process.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) datanodes_http: Vec<String>,
}

impl Ready {
    /// Writes the file: a reader sees no file or all of it.
    ///
    /// # Errors
    /// When it can not be written.
    pub(crate) fn write(&self, path: &Path) -> Result<()> {
        let write = || {
            let mut name = path.file_name().unwrap_or_default().to_owned();
            name.push(format!(".{}.tmp", std::process::id()));
            let temporary = path.with_file_name(name);
            let mut text = serde_json::to_string(self)?;
            text.push('\n');
            let mut file = std::fs::File::create(&temporary)?;
            file.write_all(text.as_bytes())?;
            file.sync_all()?;
            std::fs::rename(&temporary, path)
        };
        write().map_err(|error| Failure::local(format_args!("--ready-file {}", path.display()), &error))
    }
}

/// How others on this machine reach what listens on `address`.
pub(crate) fn reachable(address: SocketAddr, advertised: Option<&str>) -> String {
    let host = match advertised {
        Some(host) if host.contains(':') && !host.starts_with('[') => format!("[{host}]"),
        Some(host) => host.to_owned(),
        None if address.ip().is_unspecified() && address.is_ipv6() => "[::1]".to_owned(),
        None if address.ip().is_unspecified() => "127.0.0.1".to_owned(),
        None if address.is_ipv6() => format!("[{}]", address.ip()),
        None => address.ip().to_string(),
    };
    format!("{host}:{}", address.port())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_file_has_the_agreed_form() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("ready.json");
        let ready = Ready {
            master: "127.0.0.1:1".to_owned(),
            masters: Vec::new(),
            http: Some("127.0.0.1:2".to_owned()),
            datanodes: vec!["127.0.0.1:3".to_owned(), "127.0.0.1:4".to_owned()],
            datanodes_http: Vec::new(),
        };
        ready.write(&path).unwrap();
        assert_eq!(
            std::fs::read_to_string(&path).unwrap(),
            "{\"master\":\"127.0.0.1:1\",\"http\":\"127.0.0.1:2\",\"datanodes\":[\"127.0.0.1:3\",\"127.0.0.1:4\"]}\n"
        );
        let names = std::fs::read_dir(directory.path()).unwrap().count();
        assert_eq!(names, 1, "no temporary file is left");
        assert!(ready.write(Path::new("/nonexistent/ready")).is_err());
    }

    #[test]
    fn an_address_of_all_is_reached_locally() {
        let of = |text: &str, advertised| reachable(text.parse().unwrap(), advertised);
        assert_eq!(of("0.0.0.0:1", None), "127.0.0.1:1");
        assert_eq!(of("[::]:1", None), "[::1]:1");
        assert_eq!(of("10.0.0.1:1", None), "10.0.0.1:1");
        assert_eq!(of("0.0.0.0:1", Some("node-1")), "node-1:1");
        assert_eq!(of("0.0.0.0:1", Some("fe80::1")), "[fe80::1]:1");
    }
}
