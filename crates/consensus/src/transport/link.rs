//! The connections to one master.
//!
//! A connection is made when it is first used. One that has not answered for [`SILENT`] while something was asked over it
//! is replaced at the next use: TCP alone would go on with it for many seconds after the network, or the peer, is back.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use env::net::Network;
use proto::v1::consensus_client::ConsensusClient;
use tokio::time::Instant;
use tonic::transport::{Channel, Endpoint};

use super::MESSAGE_BYTES_MAX;

/// A connection that leaves questions unanswered for so long is made anew.
const SILENT: Duration = Duration::from_millis(300);

/// How long a connection may take to come about.
const CONNECT: Duration = Duration::from_millis(500);

/// What a connection is for. Each kind has its own, so that no kind delays another.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Kind {
    /// Heartbeats, votes and questions.
    Small,
    /// Entries.
    Entries,
    /// Checkpoints.
    Checkpoint,
}

/// A connection to one address, made as often as it takes.
#[derive(Debug)]
pub(crate) struct Link {
    network: Network,
    endpoint: Endpoint,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    /// How many connections there were.
    number: u64,
    channel: Option<Channel>,
    /// Since when something is asked over it that is not answered.
    asked: Option<Instant>,
}

/// A use of a connection, to tell how it went.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Use(u64);

impl Link {
    /// # Errors
    /// When `address` is none.
    pub(crate) fn new(network: &Network, address: &str) -> Result<Self, tonic::transport::Error> {
        let endpoint = env::net::endpoint(address)?
            .connect_timeout(CONNECT)
            .http2_keep_alive_interval(Duration::from_secs(1))
            .keep_alive_timeout(Duration::from_secs(3));
        Ok(Self {
            network: network.clone(),
            endpoint,
            state: Mutex::default(),
        })
    }

    /// The way to the peer, for one question.
    pub(crate) fn client(&self) -> (ConsensusClient<Channel>, Use) {
        let now = Instant::now();
        let mut state = self.state();
        if state
            .asked
            .is_some_and(|asked| now.duration_since(asked) > SILENT)
        {
            state.drop_connection();
        }
        state.asked.get_or_insert(now);
        let channel = match &state.channel {
            Some(channel) => channel.clone(),
            None => {
                state.number += 1;
                let channel = env::net::connect(&self.network, &self.endpoint);
                state.channel.insert(channel).clone()
            }
        };
        let client = ConsensusClient::new(channel)
            .max_decoding_message_size(MESSAGE_BYTES_MAX)
            .max_encoding_message_size(MESSAGE_BYTES_MAX);
        (client, Use(state.number))
    }

    /// The peer has answered.
    pub(crate) fn answered(&self, used: Use) {
        let mut state = self.state();
        if state.number == used.0 {
            state.asked = None;
        }
    }

    /// The peer has not answered in time: the next question goes over a new connection.
    pub(crate) fn silent(&self, used: Use) {
        let mut state = self.state();
        if state.number == used.0 {
            state.drop_connection();
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn drop_connection(&mut self) {
        (self.channel, self.asked) = (None, None);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_connection_that_stays_silent_is_replaced() {
        let link = Link::new(&Network::real(), "127.0.0.1:1").unwrap();
        let (_, first) = link.client();
        tokio::time::advance(SILENT).await;
        assert_eq!(link.client().1.0, first.0, "it may still answer");
        tokio::time::advance(Duration::from_millis(1)).await;
        let (_, second) = link.client();
        assert_ne!(second.0, first.0);
        link.answered(first);
        link.silent(first);
        assert_eq!(
            link.client().1.0,
            second.0,
            "what was said of the first says nothing of the second"
        );
        link.answered(second);
        tokio::time::advance(SILENT * 2).await;
        assert_eq!(link.client().1.0, second.0, "nothing was asked meanwhile");
        link.silent(second);
        assert_ne!(link.client().1.0, second.0);
    }

    #[test]
    fn what_is_no_address_is_refused() {
        assert!(Link::new(&Network::real(), "not an address").is_err());
    }
}
