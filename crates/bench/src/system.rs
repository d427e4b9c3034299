//! DistriFS as its users meet it: through the SDK, in this process, with its defaults.

use std::future::Future;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail, ensure};
use client::{Config, CreateOptions, FileSystem};
use env::Env;
use tokio::runtime::Runtime;
use tokio::task::JoinSet;
use types::FsPath;

/// Who the benchmark is to the cluster: its superuser.
pub(crate) const USER: &str = "bench";

/// How long datanodes may take to report to the master.
const REGISTRATION_TIMEOUT: Duration = Duration::from_secs(30);
/// What is handed over at once.
const SLICE_BYTES: usize = 1 << 20;

/// A client and the threads it runs on.
pub(crate) struct System {
    runtime: Runtime,
    fs: FileSystem,
}

impl System {
    /// A client of the cluster of `master`, once so many datanodes are there.
    pub(crate) fn connect(master: &str, datanodes: usize) -> anyhow::Result<Self> {
        Self::of(&[master.to_owned()], datanodes)
    }

    /// The same with several masters.
    pub(crate) fn of(masters: &[String], datanodes: usize) -> anyhow::Result<Self> {
        Self::with(Config::new(masters.to_vec(), USER), datanodes)
    }

    /// One that reads everything over the network.
    pub(crate) fn remote(master: &str, datanodes: usize) -> anyhow::Result<Self> {
        let mut config = Config::new(vec![master.to_owned()], USER);
        config.local_reads = false;
        Self::with(config, datanodes)
    }

    fn with(config: Config, datanodes: usize) -> anyhow::Result<Self> {
        let runtime = Runtime::new()?;
        let fs = runtime.block_on(async { FileSystem::connect(Env::real(), config) })?;
        let start = Instant::now();
        loop {
            let space = runtime.block_on(fs.cluster_space())?;
            let live = space.datanodes.iter().filter(|node| node.live).count();
            if live >= datanodes {
                return Ok(Self { runtime, fs });
            }
            if start.elapsed() > REGISTRATION_TIMEOUT {
                bail!("{live} of {datanodes} datanodes have come");
            }
            std::thread::sleep(Duration::from_millis(100));
        }
    }

    /// Stores `payload` under `path`. Returns when it is acknowledged.
    pub(crate) fn write(&self, path: &str, payload: &[u8], replication: u16) -> anyhow::Result<()> {
        self.runtime
            .block_on(write(&self.fs, &parse(path)?, payload, replication))
    }

    /// Reads `path` once, from beginning to end, and forgets it.
    pub(crate) fn read(&self, path: &str, length: usize) -> anyhow::Result<()> {
        self.runtime.block_on(read(&self.fs, &parse(path)?, length))
    }

    /// Removes `path`.
    pub(crate) fn remove(&self, path: &str) -> anyhow::Result<()> {
        Ok(self.runtime.block_on(self.fs.delete(&parse(path)?, true))?)
    }

    /// Makes a directory.
    pub(crate) fn mkdir(&self, path: &str) -> anyhow::Result<()> {
        Ok(self
            .runtime
            .block_on(self.fs.mkdir(&parse(path)?, 0o755, false))?)
    }

    /// Stores `payload` in so many new files below `dir`, `writers` at a time.
    pub(crate) fn write_many(
        &self,
        dir: &str,
        files: usize,
        writers: usize,
        payload: &[u8],
        replication: u16,
    ) -> anyhow::Result<()> {
        let payload: Arc<[u8]> = payload.into();
        self.many(dir, files, writers, move |fs, path| {
            let payload = Arc::clone(&payload);
            async move { write(&fs, &path, &payload, replication).await }
        })
    }

    /// Reads so many files below `dir`, `readers` at a time.
    pub(crate) fn read_many(
        &self,
        dir: &str,
        files: usize,
        readers: usize,
        length: usize,
    ) -> anyhow::Result<()> {
        self.many(dir, files, readers, move |fs, path| async move {
            read(&fs, &path, length).await
        })
    }

    /// Removes so many files below `dir` one by one, `workers` at a time.
    pub(crate) fn remove_many(&self, dir: &str, files: usize, workers: usize) -> anyhow::Result<()> {
        self.many(dir, files, workers, move |fs, path| async move {
            Ok(fs.delete(&path, false).await?)
        })
    }

    /// Does `work` to the files `dir/0`, `dir/1`, …, spread over `workers` tasks.
    fn many<W, F>(&self, dir: &str, files: usize, workers: usize, work: W) -> anyhow::Result<()>
    where
        W: Fn(FileSystem, FsPath) -> F + Clone + Send + 'static,
        F: Future<Output = anyhow::Result<()>> + Send + 'static,
    {
        self.runtime.block_on(async {
            let mut tasks = JoinSet::new();
            for worker in 0..workers {
                let (fs, dir, work) = (self.fs.clone(), dir.to_owned(), work.clone());
                tasks.spawn(async move {
                    for number in (worker..files).step_by(workers) {
                        work(fs.clone(), parse(&format!("{dir}/{number}"))?).await?;
                    }
                    anyhow::Ok(())
                });
            }
            while let Some(done) = tasks.join_next().await {
                done.context("a worker panicked")??;
            }
            Ok(())
        })
    }
}

async fn write(fs: &FileSystem, path: &FsPath, payload: &[u8], replication: u16) -> anyhow::Result<()> {
    let options = CreateOptions {
        overwrite: true,
        replication: Some(replication),
        ..CreateOptions::default()
    };
    let mut writer = fs.create(path, options).await?;
    for slice in payload.chunks(SLICE_BYTES) {
        writer.write(slice).await?;
    }
    let status = writer.close().await?;
    ensure!(
        status.len == u64::try_from(payload.len())?,
        "{} of {} bytes were stored",
        status.len,
        payload.len()
    );
    Ok(())
}

async fn read(fs: &FileSystem, path: &FsPath, length: usize) -> anyhow::Result<()> {
    let mut stream = fs.open(path).await?.stream_all();
    let mut received = 0;
    while let Some(part) = stream.next().await {
        received += part?.len();
    }
    ensure!(received == length, "{received} of {length} bytes came");
    Ok(())
}

fn parse(path: &str) -> anyhow::Result<FsPath> {
    FsPath::parse(path).with_context(|| format!("not a path: {path}"))
}
