//! DistriFS as its users meet it: through the SDK, in this process.

use anyhow::bail;

/// A client.
pub(crate) struct System;

impl System {
    pub(crate) fn connect(_master: &str, _datanodes: usize) -> anyhow::Result<Self> {
        bail!("the client does not exist yet");
    }
    pub(crate) fn write(&self, _path: &str, _payload: &[u8], _replication: u16) -> anyhow::Result<()> {
        Ok(())
    }
    pub(crate) fn read(&self, _path: &str, _length: usize) -> anyhow::Result<()> {
        Ok(())
    }
    pub(crate) fn remove(&self, _path: &str) -> anyhow::Result<()> {
        Ok(())
    }
    pub(crate) fn mkdir(&self, _path: &str) -> anyhow::Result<()> {
        Ok(())
    }
    pub(crate) fn write_many(
        &self,
        _dir: &str,
        _files: usize,
        _writers: usize,
        _p: &[u8],
        _r: u16,
    ) -> anyhow::Result<()> {
        Ok(())
    }
    pub(crate) fn read_many(
        &self,
        _dir: &str,
        _files: usize,
        _readers: usize,
        _length: usize,
    ) -> anyhow::Result<()> {
        Ok(())
    }
}
