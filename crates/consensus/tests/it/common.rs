//! A state machine that remembers what was applied to it, and a world to run it in.

use std::io;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};

use consensus::{Group, Image, LogCommand, OpenError, RestoreError, Settings, StateMachine};
use env::Env;
use env::clock::RealClock;
use env::disk::Disk;
use env::net::Network;
use env::random::SeededRandom;

#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Append(pub(crate) String);

impl LogCommand for Append {
    type DecodeError = std::io::Error;

    fn op_code(&self) -> u8 {
        9
    }

    fn encode(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(self.0.as_bytes());
    }

    fn decode(op: u8, payload: &[u8]) -> Result<Self, Self::DecodeError> {
        match (op, String::from_utf8(payload.to_vec())) {
            (9, Ok(text)) if text != "undecodable" => Ok(Self(text)),
            _ => Err(std::io::Error::other("not an append")),
        }
    }
}

/// Answers with how many commands were applied.
#[derive(Debug, Default)]
pub(crate) struct History(Mutex<Vec<String>>);

impl History {
    pub(crate) fn commands(&self) -> Vec<String> {
        self.0.lock().unwrap().clone()
    }
}

impl StateMachine for History {
    type Command = Append;
    type Outcome = u64;
    type Image = Saved;

    fn apply_batch(&self, _first_index: u64, batch: Vec<Append>, _awaited: bool) -> Vec<u64> {
        let mut commands = self.0.lock().unwrap();
        let applied = batch.into_iter().map(|command| {
            assert_ne!(command.0, "panic");
            commands.push(command.0);
            commands.len() as u64
        });
        applied.collect()
    }

    fn image(&self) -> Saved {
        Saved(self.commands())
    }

    fn restore(&self, input: &mut dyn io::Read) -> Result<(), RestoreError> {
        let mut text = String::new();
        input.read_to_string(&mut text)?;
        *self.0.lock().unwrap() = text.lines().map(str::to_owned).collect();
        Ok(())
    }
}

/// One command a line.
pub(crate) struct Saved(Vec<String>);

impl Image for Saved {
    fn save(&self, out: &mut dyn io::Write) -> io::Result<()> {
        self.0.iter().try_for_each(|command| writeln!(out, "{command}"))
    }
}

pub(crate) fn world(disk: Arc<dyn Disk>, seed: u64) -> Env {
    Env {
        clock: Arc::new(RealClock::new()),
        disk,
        net: Network::real(),
        random: Arc::new(SeededRandom::new(seed)),
    }
}

pub(crate) fn directory() -> PathBuf {
    PathBuf::from("/meta")
}

pub(crate) async fn open(env: &Env) -> Result<(Group<History>, Arc<History>), OpenError> {
    let history = Arc::new(History::default());
    let settings = Settings {
        segment_bytes: 4096 + 512,
        ..Settings::default()
    };
    let group = Group::open(env, &directory(), Arc::clone(&history), settings).await?;
    Ok((group, history))
}

pub(crate) fn append(text: impl Into<String>) -> Append {
    Append(text.into())
}
