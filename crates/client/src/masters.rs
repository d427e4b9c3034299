//! Which master to ask: the resolver over several of them.
//!
//! Channels connect when they are first used and again whenever the connection is lost. All calls go to one master, the
//! current one, until it turns out to be no use ([`Masters::give_up`]) or another one is heard to lead
//! ([`Masters::heard`]). Masters named in answers join the list, which stays bounded.
//!
//! # Whom to believe
//! A term has one leader. What a master says of itself is believed unless a later term is known; what it says of another
//! only when the term is later than any known: a master that was cut off knows leaders of the past.

use std::sync::{Mutex, MutexGuard, PoisonError};

use env::net::Network;
use proto::v1::MastersResponse;
use proto::v1::admin_client::AdminClient;
use proto::v1::namespace_client::NamespaceClient;
use proto::v1::operations_client::OperationsClient;
use tokio::sync::watch;
use tonic::transport::Channel;

use crate::Error;

/// More than any cluster has; answers can not make the list grow past it.
const MASTERS_MAX: usize = 32;

/// The largest answer of a master: a full page of the longest names fits many times.
const ANSWER_BYTES_MAX: usize = 64 << 20;

pub(crate) struct Masters {
    network: Network,
    known: Mutex<Known>,
    /// How often another master was heard to lead.
    turned: watch::Sender<u64>,
    /// Held by the one call that looks for the leader, for all that wait.
    pub(crate) searching: tokio::sync::Mutex<()>,
}

struct Known {
    masters: Vec<Master>,
    current: usize,
    /// Whose turn it is when nobody is named: everybody's, in the end, however hints go round.
    turn: usize,
    /// The leader of the latest term that was heard of.
    leader: Option<Leader>,
}

struct Master {
    address: String,
    channel: Option<Channel>,
}

struct Leader {
    address: String,
    term: u64,
}

/// A master to ask, with its name for messages and for [`Masters::give_up`].
#[derive(Clone)]
pub(crate) struct Connection {
    pub(crate) address: String,
    channel: Channel,
}

impl Connection {
    pub(crate) fn namespace(&self) -> NamespaceClient<Channel> {
        NamespaceClient::new(self.channel.clone()).max_decoding_message_size(ANSWER_BYTES_MAX)
    }

    pub(crate) fn operations(&self) -> OperationsClient<Channel> {
        OperationsClient::new(self.channel.clone()).max_decoding_message_size(ANSWER_BYTES_MAX)
    }

    pub(crate) fn admin(&self) -> AdminClient<Channel> {
        AdminClient::new(self.channel.clone()).max_decoding_message_size(ANSWER_BYTES_MAX)
    }
}

/// `host:port` of what a user writes: `host:port`, `http://host:port`, `http://host:port/`.
fn bare(address: &str) -> &str {
    let address = address.trim();
    address
        .strip_prefix("http://")
        .unwrap_or(address)
        .trim_end_matches('/')
}

fn is_address(address: &str) -> bool {
    address
        .rsplit_once(':')
        .is_some_and(|(host, port)| !host.is_empty() && port.parse::<u16>().is_ok_and(|port| port > 0))
        && env::net::endpoint(address).is_ok()
}

impl Known {
    /// Where `address` is in the list, which it joins if there is room.
    fn position(&mut self, address: &str) -> Option<usize> {
        let found = self.masters.iter().position(|master| master.address == address);
        if found.is_some() || self.masters.len() >= MASTERS_MAX || !is_address(address) {
            return found;
        }
        self.masters.push(Master {
            address: address.to_owned(),
            channel: None,
        });
        Some(self.masters.len() - 1)
    }

    /// The next master whose turn it is, other than the current one if there is another.
    fn next(&mut self) -> usize {
        let count = self.masters.len().max(1);
        self.turn = (self.turn + 1) % count;
        if self.turn == self.current {
            self.turn = (self.turn + 1) % count;
        }
        self.turn
    }

    fn is_current(&self, address: &str) -> bool {
        self.masters
            .get(self.current)
            .is_some_and(|master| master.address == address)
    }
}

impl Masters {
    /// # Errors
    /// [`Error::Config`] when an address can not be one.
    pub(crate) fn new(network: Network, addresses: &[String]) -> Result<Self, Error> {
        let mut known = Known {
            masters: Vec::new(),
            current: 0,
            turn: 0,
            leader: None,
        };
        for address in addresses.iter().map(|address| bare(address)) {
            if known.position(address).is_none() {
                return Err(Error::Config(if is_address(address) {
                    format!("more than {MASTERS_MAX} masters are named")
                } else {
                    format!("{address:?} is not the address of a master; write it as host:port")
                }));
            }
        }
        Ok(Self {
            network,
            known: Mutex::new(known),
            turned: watch::channel(0).0,
            searching: tokio::sync::Mutex::default(),
        })
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Every master that is known.
    pub(crate) fn addresses(&self) -> Vec<String> {
        let known = self.known();
        known
            .masters
            .iter()
            .map(|master| master.address.clone())
            .collect()
    }

    /// How many masters are known.
    pub(crate) fn count(&self) -> usize {
        self.known().masters.len()
    }

    /// The current master.
    ///
    /// # Errors
    /// When its address can not be one, in words.
    pub(crate) fn current(&self) -> Result<Connection, String> {
        let mut known = self.known();
        let current = known.current;
        let master = known.masters.get_mut(current).ok_or("no master is known")?;
        self.connection(master)
    }

    /// Every master that is known and can be asked.
    pub(crate) fn all(&self) -> Vec<Connection> {
        let mut known = self.known();
        let connections = known.masters.iter_mut().map(|master| self.connection(master));
        connections.filter_map(Result::ok).collect()
    }

    fn connection(&self, master: &mut Master) -> Result<Connection, String> {
        let channel = match &master.channel {
            Some(channel) => channel.clone(),
            None => {
                let channel = env::net::channel(&self.network, &master.address)
                    .map_err(|error| format!("{}: {error}", master.address))?;
                master.channel.insert(channel).clone()
            }
        };
        Ok(Connection {
            address: master.address.clone(),
            channel,
        })
    }

    /// Adds masters to the list.
    pub(crate) fn learn<'a>(&self, addresses: impl IntoIterator<Item = &'a str>) {
        let mut known = self.known();
        for address in addresses {
            known.position(bare(address));
        }
    }

    /// Turns from the master at `address`, unless somebody else did already: to the first of `instead`, else to the next.
    pub(crate) fn give_up(&self, address: &str, instead: &[String]) {
        let mut known = self.known();
        if !known.is_current(address) {
            return;
        }
        let named = instead
            .iter()
            .map(|named| bare(named))
            .find(|named| *named != address);
        known.current = match named.and_then(|named| known.position(named)) {
            Some(position) => position,
            None => known.next(),
        };
    }

    /// Takes notice of what the master at `from` says about who leads. True when that is another one than the current,
    /// and to be believed; it is the current one then.
    pub(crate) fn heard(&self, from: &str, said: &MastersResponse) -> bool {
        let mut known = self.known();
        for master in &said.masters {
            known.position(bare(&master.address));
        }
        if said.leader == 0 {
            return false;
        }
        let of_itself = said.asked == said.leader;
        let latest = known.leader.as_ref().map_or(0, |leader| leader.term);
        if said.term < latest || (said.term == latest && !of_itself) {
            return false;
        }
        let leader = said.masters.iter().find(|master| master.id == said.leader);
        let address = match leader {
            _ if of_itself => from,
            Some(leader) => bare(&leader.address),
            None => return false,
        };
        let Some(position) = known.position(address) else {
            return false;
        };
        known.leader = Some(Leader {
            address: address.to_owned(),
            term: said.term,
        });
        if position == known.current {
            return false;
        }
        // The connection to a master that hangs is of no use when it is back.
        let before = known.current;
        if let Some(master) = known.masters.get_mut(before) {
            master.channel = None;
        }
        known.current = position;
        drop(known);
        self.turned.send_modify(|count| *count += 1);
        true
    }

    /// To wait for another master that leads; see [`Masters::leads_elsewhere`].
    pub(crate) fn turned(&self) -> watch::Receiver<u64> {
        self.turned.subscribe()
    }

    /// Whether the leader of the latest term that was heard of is known to be another master.
    pub(crate) fn leads_elsewhere(&self, address: &str) -> bool {
        let known = self.known();
        known
            .leader
            .as_ref()
            .is_some_and(|leader| leader.address != address)
    }
}

#[cfg(test)]
mod tests {
    use proto::v1::MasterStatus;

    use super::*;

    fn masters(addresses: &[&str]) -> Result<Masters, Error> {
        let addresses: Vec<_> = addresses.iter().map(ToString::to_string).collect();
        Masters::new(Network::real(), &addresses)
    }

    /// What master `asked` says: `leader` leads term `term`. The masters 1, 2, … are at `a:1`, `b:2`, ….
    fn said(asked: u64, leader: u64, term: u64) -> MastersResponse {
        let status = |(id, address): (u64, &str)| MasterStatus {
            id,
            address: address.to_owned(),
            ..Default::default()
        };
        MastersResponse {
            asked,
            leader,
            term,
            masters: (1..).zip(["a:1", "b:2", "c:3"]).map(status).collect(),
            ..Default::default()
        }
    }

    #[test]
    fn addresses_are_read_with_and_without_the_scheme() {
        let masters = masters(&["http://a:1/", " a:1", "b:2"]).unwrap();
        assert_eq!(masters.addresses(), ["a:1", "b:2"]);
        for bad in ["a", "a:", ":1", "a:99999", "a b:1", "a:0", ""] {
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
        masters.give_up("a:1", &["not an address".into()]);
        assert_eq!(current(), "c:3", "b:2 had its turn");
    }

    #[tokio::test]
    async fn everybody_has_a_turn() {
        let masters = masters(&["a:1", "b:2", "c:3"]).unwrap();
        let mut seen = Vec::new();
        for _ in 0..3 {
            // Each answer of `a` and `b` names the other; at times nobody is believed.
            masters.give_up("a:1", &["b:2".into()]);
            masters.give_up("b:2", &["a:1".into()]);
            masters.give_up("a:1", &[]);
            seen.push(masters.current().unwrap().address);
            masters.give_up("b:2", &["a:1".into()]);
            masters.give_up("c:3", &["a:1".into()]);
        }
        assert!(seen.contains(&"c:3".to_owned()), "{seen:?}");
    }

    #[tokio::test]
    async fn a_leader_of_a_later_term_is_believed_and_one_of_the_past_only_about_itself() {
        let masters = masters(&["a:1"]).unwrap();
        let current = || masters.current().unwrap().address;
        assert!(!masters.heard("a:1", &said(1, 0, 9)), "there is none");
        assert!(masters.heard("b:2", &said(2, 3, 5)));
        assert_eq!(current(), "c:3");
        assert_eq!(masters.count(), 3, "they were all named");
        assert!(!masters.heard("b:2", &said(2, 1, 4)), "a term of the past");
        assert!(
            !masters.heard("b:2", &said(2, 1, 5)),
            "hearsay about a term that is known"
        );
        assert_eq!(current(), "c:3");
        // Calls went elsewhere, because it could not be reached for a moment.
        masters.give_up("c:3", &[]);
        assert_eq!(current(), "b:2");
        assert!(!masters.heard("b:2", &said(2, 3, 5)));
        assert!(masters.heard("c:3", &said(3, 3, 5)), "it says so itself");
        assert!(!masters.heard("c:3", &said(3, 3, 6)), "still the same one");
        assert!(masters.leads_elsewhere("b:2") && !masters.leads_elsewhere("c:3"));
    }

    #[tokio::test]
    async fn a_leader_without_an_address_and_a_list_without_end_are_ignored() {
        let masters = masters(&["a:1"]).unwrap();
        assert!(!masters.heard("a:1", &said(1, 77, 5)));
        let mut many = said(1, 0, 1);
        many.masters = (1..1000)
            .map(|port| MasterStatus {
                address: format!("m:{port}"),
                ..Default::default()
            })
            .collect();
        masters.heard("a:1", &many);
        assert_eq!(masters.count(), MASTERS_MAX);
    }
}
