//! Addresses of masters, as people write them.

/// The port of a master's gRPC when an address names none.
pub(crate) const MASTER_PORT: u16 = 9800;

/// Reads `HOST[:PORT]`, with or without `http://` before and slashes behind, and writes `HOST:PORT`.
///
/// # Errors
/// With what is expected instead.
pub(crate) fn normalize_master(text: &str) -> Result<String, String> {
    let expected = || format!("{text:?} is not the address of a master: expected HOST:PORT");
    let address = match text.split_once("://") {
        Some(("http" | "grpc", rest)) => rest,
        Some((scheme, _)) => return Err(format!("{text:?}: {scheme}:// is not spoken; expected HOST:PORT")),
        None => text,
    };
    let address = address.trim_end_matches('/');
    let (host, port) = match address.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        Some((host, rest)) => (
            format!("[{host}]"),
            rest.strip_prefix(':').or(rest.is_empty().then_some("")),
        ),
        None => match address.split_once(':') {
            Some((host, port)) => (host.to_owned(), Some(port)),
            None => (address.to_owned(), Some("")),
        },
    };
    let port = match port {
        Some("") => MASTER_PORT,
        Some(port) => port.parse().map_err(|_| expected())?,
        None => return Err(expected()),
    };
    if host.is_empty() || host.contains(['/', ' ', '@']) {
        return Err(expected());
    }
    Ok(format!("{host}:{port}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_read_with_and_without_scheme_and_port() {
        for (text, address) in [
            ("localhost:9800", "localhost:9800"),
            ("localhost", "localhost:9800"),
            ("http://localhost:8000", "localhost:8000"),
            ("http://localhost:8000/", "localhost:8000"),
            ("[::1]:5", "[::1]:5"),
            ("[::1]", "[::1]:9800"),
        ] {
            assert_eq!(normalize_master(text).unwrap(), address);
        }
    }

    #[test]
    fn what_is_no_address_is_refused() {
        for text in [
            "",
            ":9800",
            "a:b",
            "a:99999",
            "https://a:1",
            "a/b:1",
            "[::1]x",
            "a b:1",
        ] {
            assert!(normalize_master(text).is_err(), "{text}");
        }
    }
}
