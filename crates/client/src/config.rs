//! Settings of a client. Every wait has a limit here.

use std::time::Duration;

use types::limits::{CHECKSUM_UNIT_BYTES, PACKET_DATA_BYTES_MAX, REPLICATION_MAX};
use types::{ByteSize, ChunkSize};

use crate::Error;

/// How long to wait for what.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Timeouts {
    /// One attempt of one call to a master.
    pub call: Duration,
    /// A call to the masters with all its retries: while they elect a leader, and while a cluster that has just started
    /// waits in safe mode for its datanodes.
    pub call_total: Duration,
    /// Closing a file: the master answers when enough datanodes have confirmed that they have its chunks on disk, or
    /// refuses when they do not (after 30 s, if it is not set otherwise).
    pub close: Duration,
    /// Connecting to a datanode, and its answer to a request.
    pub connect: Duration,
    /// The next acknowledgement of a pipeline with one datanode; a fifth is added for each further one, so that datanodes
    /// can notice their neighbours first. Who does not acknowledge for so long is dropped from the pipeline.
    pub ack: Duration,
    /// The acknowledgement of a chunk's end: every datanode syncs the chunk to its disk before it answers.
    pub finish: Duration,
    /// A replica that sends nothing for so long while it is being read is given up for the next one.
    pub read_stall: Duration,
}

impl Default for Timeouts {
    fn default() -> Self {
        Self {
            call: Duration::from_secs(10),
            call_total: Duration::from_secs(60),
            close: Duration::from_secs(40),
            connect: Duration::from_secs(5),
            ack: Duration::from_secs(10),
            finish: Duration::from_secs(45),
            read_stall: Duration::from_secs(6),
        }
    }
}

/// Settings of a [`FileSystem`](crate::FileSystem).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Config {
    /// The masters, `host:port` each; a leading `http://` is ignored. Some of them are enough: they name the others, and the
    /// leader among them.
    pub masters: Vec<String>,
    /// Who asks. Permissions are checked against this.
    pub user: String,
    /// The groups the user is in, the primary one first.
    pub groups: Vec<String>,
    /// The host that this process runs on, as its datanode (if there is one) calls itself: that datanode is preferred.
    pub host: Option<String>,
    /// Replicas of new files; none: as the cluster is set.
    pub replication: Option<u16>,
    /// Chunk size of new files; none: as the cluster is set.
    pub chunk_size: Option<ChunkSize>,
    /// Whether replicas on this host are read from their files, where their datanode hands them over.
    pub local_reads: bool,
    /// Data bytes in one packet that is written: a multiple of 512.
    pub packet_bytes: u32,
    /// Bytes that one writer may have sent and not acknowledged; they are kept for sending again.
    pub window_bytes: u64,
    /// Bytes that one stream reads ahead of its reader.
    pub read_ahead_bytes: u64,
    /// Bytes of packets, written and read ahead, of all files together. See [`FileSystem`](crate::FileSystem) for the
    /// exact bound.
    pub memory_budget: u64,
    /// How long to wait for what.
    pub timeouts: Timeouts,
}

impl Config {
    /// The defaults, for `masters` and `user`.
    #[must_use]
    pub fn new(masters: Vec<String>, user: impl Into<String>) -> Self {
        Self {
            masters,
            user: user.into(),
            groups: Vec::new(),
            host: None,
            replication: None,
            chunk_size: None,
            local_reads: true,
            packet_bytes: 512 << 10,
            window_bytes: 16 << 20,
            read_ahead_bytes: 8 << 20,
            memory_budget: 64 << 20,
            timeouts: Timeouts::default(),
        }
    }

    /// # Errors
    /// [`Error::Config`] when the settings can not work together.
    pub(crate) fn check(&self) -> Result<(), Error> {
        let fail = |why: String| Err(Error::Config(why));
        let packet = u64::from(self.packet_bytes);
        if self.masters.is_empty() {
            return fail("no master is named; give at least one as host:port".into());
        }
        if self.packet_bytes == 0
            || !self.packet_bytes.is_multiple_of(CHECKSUM_UNIT_BYTES)
            || self.packet_bytes > PACKET_DATA_BYTES_MAX
        {
            return fail(format!(
                "packet size {} must be a multiple of {CHECKSUM_UNIT_BYTES} bytes, at most {}",
                self.packet_bytes,
                ByteSize(PACKET_DATA_BYTES_MAX.into())
            ));
        }
        if self.window_bytes < packet {
            return fail(format!(
                "the window of {} holds no packet of {}",
                ByteSize(self.window_bytes),
                ByteSize(packet)
            ));
        }
        if self.memory_budget < packet {
            return fail(format!(
                "the memory budget of {} holds no packet of {}",
                ByteSize(self.memory_budget),
                ByteSize(packet)
            ));
        }
        match self.replication {
            Some(replicas) if !(1..=REPLICATION_MAX).contains(&replicas) => fail(format!(
                "replication {replicas} is not between 1 and {REPLICATION_MAX}"
            )),
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_defaults_are_valid_and_nonsense_is_not() {
        let good = Config::new(vec!["localhost:9800".into()], "me");
        assert_eq!(good.check(), Ok(()));
        for bad in [
            Config::new(vec![], "me"),
            Config {
                packet_bytes: 0,
                ..good.clone()
            },
            Config {
                packet_bytes: 1000,
                ..good.clone()
            },
            Config {
                window_bytes: 1,
                ..good.clone()
            },
            Config {
                memory_budget: 1 << 10,
                ..good.clone()
            },
            Config {
                replication: Some(0),
                ..good.clone()
            },
        ] {
            assert!(matches!(bad.check(), Err(Error::Config(_))), "{bad:?}");
        }
    }
}
