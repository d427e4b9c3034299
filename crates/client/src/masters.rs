//! Which master to ask: the resolver over several of them.
//!
//! Channels connect when they are first used and again whenever the connection is lost. All calls go to one master, the
//! current one, until it turns out to be no use ([`Masters::give_up`]); then to the one that it named instead, else to
//! the next. A master named in an answer joins the list, which stays bounded.

use std::sync::{Mutex, PoisonError};

use env::net::Network;
use proto::v1::namespace_client::NamespaceClient;
use tonic::transport::Channel;

use crate::Error;

pub(crate) type Client = NamespaceClient<Channel>;

/// More than any cluster has; answers can not make the list grow past it.
const MASTERS_MAX: usize = 32;

/// The largest answer of a master: a full page of the longest names fits many times.
const ANSWER_BYTES_MAX: usize = 64 << 20;

pub(crate) struct Masters {
    network: Network,
    known: Mutex<Known>,
}

struct Known {
    masters: Vec<Master>,
    current: usize,
}

struct Master {
    address: String,
    channel: Option<Channel>,
}

/// A master to ask, with its name for messages and for [`Masters::give_up`].
pub(crate) struct Chosen {
    pub(crate) address: String,
    pub(crate) client: Client,
}

/// `host:port` of what a user writes: `host:port`, `http://host:port`, `http://host:port/`.
fn bare(address: &str) -> &str {
    let address = address.trim();
    address
        .strip_prefix("http://")
        .unwrap_or(address)
        .trim_end_matches('/')
}

impl Masters {
    /// # Errors
    /// [`Error::Config`] when an address can not be one.
    pub(crate) fn new(network: Network, addresses: &[String]) -> Result<Self, Error> {
        let mut masters: Vec<Master> = Vec::new();
        for address in addresses.iter().map(|address| bare(address)) {
            let valid = address
                .rsplit_once(':')
                .is_some_and(|(host, port)| !host.is_empty() && port.parse::<u16>().is_ok());
            if !valid || env::net::endpoint(address).is_err() {
                return Err(Error::Config(format!(
                    "{address:?} is not the address of a master; write it as host:port"
                )));
            }
            if !masters.iter().any(|known| known.address == address) {
                masters.push(Master {
                    address: address.to_owned(),
                    channel: None,
                });
            }
        }
        Ok(Self {
            network,
            known: Mutex::new(Known { masters, current: 0 }),
        })
    }

    fn known(&self) -> std::sync::MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Every master that is known.
    pub(crate) fn addresses(&self) -> Vec<String> {
        self.known()
            .masters
            .iter()
            .map(|master| master.address.clone())
            .collect()
    }

    /// The current master.
    ///
    /// # Errors
    /// When its address can not be one, in words.
    pub(crate) fn current(&self) -> Result<Chosen, String> {
        let mut known = self.known();
        let current = known.current;
        let master = known.masters.get_mut(current).ok_or("no master is known")?;
        let channel = match &master.channel {
            Some(channel) => channel.clone(),
            None => {
                let channel = env::net::channel(&self.network, &master.address)
                    .map_err(|error| format!("{}: {error}", master.address))?;
                master.channel.insert(channel).clone()
            }
        };
        Ok(Chosen {
            address: master.address.clone(),
            client: Client::new(channel).max_decoding_message_size(ANSWER_BYTES_MAX),
        })
    }

    /// Turns from the master at `address`, unless somebody else did already: to the first of `instead`, else to the next.
    pub(crate) fn give_up(&self, address: &str, instead: &[String]) {
        let mut known = self.known();
        if known
            .masters
            .get(known.current)
            .is_none_or(|master| master.address != address)
        {
            return;
        }
        let named = instead
            .iter()
            .map(|named| bare(named))
            .find(|named| *named != address);
        if let Some(named) = named {
            if let Some(position) = known.masters.iter().position(|master| master.address == named) {
                known.current = position;
                return;
            }
            if known.masters.len() < MASTERS_MAX && env::net::endpoint(named).is_ok() {
                known.masters.push(Master {
                    address: named.to_owned(),
                    channel: None,
                });
                known.current = known.masters.len() - 1;
                return;
            }
        }
        known.current = (known.current + 1) % known.masters.len().max(1);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn masters(addresses: &[&str]) -> Result<Masters, Error> {
        let addresses: Vec<_> = addresses.iter().map(ToString::to_string).collect();
        Masters::new(Network::real(), &addresses)
    }

    #[test]
    fn addresses_are_read_with_and_without_the_scheme() {
        let masters = masters(&["http://a:1/", " a:1", "b:2"]).unwrap();
        assert_eq!(masters.addresses(), ["a:1", "b:2"]);
        for bad in ["a", "a:", ":1", "a:99999", "a b:1", ""] {
            assert!(
                matches!(super::tests::masters(&[bad]), Err(Error::Config(_))),
                "{bad:?}"
            );
        }
    }

    #[tokio::test]
    async fn turns_to_the_next_or_to_the_one_that_was_named() {
        let masters = masters(&["a:1", "b:2", "c:3"]).unwrap();
        let current = || masters.current().unwrap().address;
        assert_eq!(current(), "a:1");
        masters.give_up("a:1", &[]);
        assert_eq!(current(), "b:2");
        masters.give_up("a:1", &[]);
        assert_eq!(current(), "b:2", "somebody else turned from it already");
        masters.give_up("b:2", &["http://d:4".into()]);
        assert_eq!(current(), "d:4");
        masters.give_up("d:4", &["a:1".into()]);
        assert_eq!(current(), "a:1");
    }
}
