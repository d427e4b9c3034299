//! The id of a request: what a person or a program asked for, on its way through the servers that take part.

use std::fmt;
use std::str::FromStr;

use crate::ClientId;

/// Goes with every call to a master and every request on the data plane, and is told in logs. 0 is none.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub struct TraceId(pub u64);

impl TraceId {
    /// That of all that a client asks, where nothing finer is known: a command is a client.
    #[must_use]
    #[expect(
        clippy::cast_possible_truncation,
        reason = "half of a random number is one, too"
    )]
    pub const fn of(client: ClientId) -> Self {
        Self(client.0 as u64)
    }

    /// Whether there is one.
    #[must_use]
    pub const fn is_some(self) -> bool {
        self.0 != 0
    }
}

impl fmt::Display for TraceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

impl FromStr for TraceId {
    type Err = std::num::ParseIntError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        u64::from_str_radix(text, 16).map(Self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_read_as_it_is_told() {
        let id = TraceId::of(ClientId(0xfff0_0000_0000_0000_0123));
        assert_eq!(id.to_string(), "0000000000000123");
        assert_eq!(id.to_string().parse(), Ok(id));
        assert!(id.is_some() && !TraceId::default().is_some());
        assert!("not one".parse::<TraceId>().is_err());
    }
}
