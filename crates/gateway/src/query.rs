//! What stands behind the question mark.

use std::str::FromStr;

/// The parameters of a request. Their names are taken in any case, as HDFS does it.
#[derive(Debug, Clone, Default)]
pub(crate) struct Query(Vec<(String, String)>);

impl Query {
    pub(crate) fn parse(text: Option<&str>) -> Self {
        let pairs = form_urlencoded::parse(text.unwrap_or_default().as_bytes());
        Self(
            pairs
                .map(|(name, value)| (name.to_ascii_lowercase(), value.into_owned()))
                .collect(),
        )
    }

    /// A parameter, unless it is empty.
    pub(crate) fn text(&self, name: &str) -> Option<&str> {
        let found = self.0.iter().find(|(known, _)| known == name);
        found
            .map(|(_, value)| value.as_str())
            .filter(|value| !value.is_empty())
    }

    /// A number.
    ///
    /// # Errors
    /// When it is none, in words.
    pub(crate) fn number<T: FromStr>(&self, name: &str) -> Result<Option<T>, String> {
        self.read(name, "a number in range", |text| text.parse().ok())
    }

    /// `true` or `false`.
    ///
    /// # Errors
    /// When it is neither, in words.
    pub(crate) fn flag(&self, name: &str) -> Result<Option<bool>, String> {
        self.read(name, "true or false", |text| {
            match text.to_ascii_lowercase().as_str() {
                "true" => Some(true),
                "false" => Some(false),
                _ => None,
            }
        })
    }

    /// Permission bits, in octal.
    ///
    /// # Errors
    /// When it is none, in words.
    pub(crate) fn mode(&self, name: &str) -> Result<Option<u16>, String> {
        self.read(name, "octal permission bits up to 1777", octal_mode)
    }

    fn read<T>(&self, name: &str, what: &str, read: impl Fn(&str) -> Option<T>) -> Result<Option<T>, String> {
        let Some(text) = self.text(name) else {
            return Ok(None);
        };
        match read(text) {
            Some(value) => Ok(Some(value)),
            None => Err(format!("parameter {name}: {text:?} is not {what}")),
        }
    }
}

/// Permission bits, in octal.
pub(crate) fn octal_mode(text: &str) -> Option<u16> {
    u16::from_str_radix(text, 8).ok().filter(|mode| *mode <= 0o1777)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parameters_are_read_or_refused() {
        let query = Query::parse(Some(
            "OP=open&offset=7&overwrite=TRUE&permission=755&user.name=a%20b&empty=",
        ));
        assert_eq!(query.text("op"), Some("open"));
        assert_eq!(query.text("user.name"), Some("a b"));
        assert_eq!((query.text("empty"), query.text("other")), (None, None));
        assert_eq!(query.number::<u64>("offset"), Ok(Some(7)));
        assert_eq!(query.flag("overwrite"), Ok(Some(true)));
        assert_eq!(query.mode("permission"), Ok(Some(0o755)));
        let wrong = Query::parse(Some("offset=-1&overwrite=1&permission=9"));
        assert!(wrong.number::<u64>("offset").is_err());
        assert!(wrong.flag("overwrite").is_err() && wrong.mode("permission").is_err());
    }
}
