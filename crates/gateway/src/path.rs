//! Paths of files in paths of URLs.

use percent_encoding::{AsciiSet, CONTROLS, percent_decode_str, utf8_percent_encode};
use types::FsPath;

/// What stands for something else in the path of a URL, or for nothing at all.
const ESCAPED: &AsciiSet = &CONTROLS
    .add(b' ')
    .add(b'"')
    .add(b'#')
    .add(b'%')
    .add(b'<')
    .add(b'>')
    .add(b'?')
    .add(b'[')
    .add(b'\\')
    .add(b']')
    .add(b'^')
    .add(b'`')
    .add(b'{')
    .add(b'|')
    .add(b'}');

/// The path that follows `prefix` in the path of a URL. Slashes too many are left out, as HDFS does it.
///
/// # Errors
/// What is wrong with it, in words.
pub(crate) fn of_url(url: &str, prefix: &str) -> Result<FsPath, String> {
    let rest = url.strip_prefix(prefix).unwrap_or_default();
    let text = percent_decode_str(rest)
        .decode_utf8()
        .map_err(|_| format!("{rest}: the path is not UTF-8"))?;
    parse(&text)
}

/// A path as somebody wrote it.
///
/// # Errors
/// What is wrong with it, in words.
pub(crate) fn parse(text: &str) -> Result<FsPath, String> {
    let parts: Vec<_> = text.split('/').filter(|part| !part.is_empty()).collect();
    FsPath::parse(&format!("/{}", parts.join("/"))).map_err(|error| error.to_string())
}

/// A path as a part of a URL.
pub(crate) fn to_url(path: &FsPath) -> String {
    utf8_percent_encode(path.as_str(), ESCAPED).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_survives_the_way_through_a_url() {
        for text in ["/", "/a b/ü+%25?#", "/x/[1]\"{}|\\^`"] {
            let path = FsPath::parse(text).unwrap();
            let url = format!("/webhdfs/v1{}", to_url(&path));
            assert_eq!(of_url(&url, "/webhdfs/v1"), Ok(path), "{url}");
            assert!(url.is_ascii(), "{url}");
        }
        assert_eq!(of_url("/webhdfs/v1", "/webhdfs/v1").unwrap().as_str(), "/");
        assert_eq!(
            of_url("/webhdfs/v1//a//b/", "/webhdfs/v1").unwrap().as_str(),
            "/a/b"
        );
        assert!(of_url("/webhdfs/v1/%ff", "/webhdfs/v1").is_err());
        assert!(of_url("/webhdfs/v1/a/../b", "/webhdfs/v1").is_err());
    }
}
