//! Walking a tree of the cluster, and doing several things at once.

use std::collections::VecDeque;

use client::{FileStatus, FileSystem, ListPages};
use tokio::task::JoinSet;
use types::FsPath;

use crate::failure::{Exit, Failure, Result, Tally};
use crate::progress::Progress;
use crate::remote::join;

/// Everything below a directory, parents before their children, in the order of names. One page of entries is held for
/// each level.
pub(crate) struct Walk {
    fs: FileSystem,
    levels: Vec<Level>,
}

struct Level {
    path: FsPath,
    pages: ListPages,
    entries: VecDeque<FileStatus>,
}

impl Walk {
    /// Begins at the directory `path`, which is not among what is found.
    pub(crate) fn below(fs: &FileSystem, path: &FsPath) -> Self {
        let mut walk = Self {
            fs: fs.clone(),
            levels: Vec::new(),
        };
        walk.enter(path);
        walk
    }

    fn enter(&mut self, path: &FsPath) {
        self.levels.push(Level {
            path: path.clone(),
            pages: self.fs.list(path),
            entries: VecDeque::new(),
        });
    }

    /// The next file or directory, with its path; none behind the last. After an error the walk goes on with what is not
    /// below the directory that could not be listed.
    pub(crate) async fn next(&mut self) -> Option<Result<(FsPath, FileStatus)>> {
        loop {
            let level = self.levels.last_mut()?;
            if let Some(status) = level.entries.pop_front() {
                let path = match join(&level.path, &status.name) {
                    Ok(path) => path,
                    Err(failure) => return Some(Err(failure)),
                };
                if status.is_directory() {
                    self.enter(&path);
                }
                return Some(Ok((path, status)));
            }
            match level.pages.next_page().await {
                Ok(Some(page)) => level.entries = page.into(),
                Ok(None) => drop(self.levels.pop()),
                Err(error) => {
                    let failure = Failure::from_client(&level.path, &error);
                    self.levels.pop();
                    return Some(Err(failure));
                }
            }
        }
    }
}

/// Runs several tasks at once, at most so many, and counts their failures.
pub(crate) struct Pool {
    limit: usize,
    running: JoinSet<Result<()>>,
    tally: Tally,
    progress: Option<Progress>,
}

impl Pool {
    /// An empty pool. Failures are told around `progress`.
    pub(crate) fn new(limit: usize, progress: Option<&Progress>) -> Self {
        Self {
            limit: limit.max(1),
            running: JoinSet::new(),
            tally: Tally::default(),
            progress: progress.cloned(),
        }
    }

    /// Starts a task, when there is room for it.
    ///
    /// # Errors
    /// When an earlier one failed so that going on makes no sense.
    pub(crate) async fn start(
        &mut self,
        task: impl Future<Output = Result<()>> + Send + 'static,
    ) -> Result<()> {
        while self.running.len() >= self.limit {
            self.reap().await?;
        }
        self.running.spawn(task);
        Ok(())
    }

    /// Takes note of a failure outside of the tasks.
    ///
    /// # Errors
    /// When it is one after which going on makes no sense.
    pub(crate) fn fail(&mut self, failure: Failure) -> Result<()> {
        let tally = &mut self.tally;
        match &self.progress {
            Some(progress) => progress.suspend(|| tally.add(failure)),
            None => tally.add(failure),
        }
    }

    async fn reap(&mut self) -> Result<()> {
        match self.running.join_next().await {
            None | Some(Ok(Ok(()))) => Ok(()),
            Some(Ok(Err(failure))) => self.fail(failure),
            Some(Err(error)) => Err(Failure::new(Exit::Failed, "a task of this command", error)),
        }
    }

    /// Waits until all running tasks are done.
    ///
    /// # Errors
    /// As [`Pool::start`].
    pub(crate) async fn drain(&mut self) -> Result<()> {
        while !self.running.is_empty() {
            self.reap().await?;
        }
        Ok(())
    }

    /// Waits for all tasks.
    ///
    /// # Errors
    /// With the status of the first failure, when there was one.
    pub(crate) async fn finish(mut self) -> Result<()> {
        self.drain().await?;
        self.tally.finish()
    }
}
