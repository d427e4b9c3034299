//! Many whole files at once: for programs that have them in memory.
//!
//! Nothing here is special to small files: it keeps so many under way that those which are small share messages, as they do for
//! any callers that come at about the same time.

use bytes::Bytes;
use futures_util::StreamExt as _;
use futures_util::stream;
use types::FsPath;

use crate::{CreateOptions, Error, FileStatus, FileSystem};

/// Files under way at once: enough to fill the messages of every stage.
const UNDER_WAY: usize = 256;

impl FileSystem {
    /// Makes a file with these bytes. When this returns, it is durable and visible, as after
    /// [`FileWriter::close`](crate::FileWriter::close).
    ///
    /// # Errors
    /// As [`FileSystem::create`], and as [`FileWriter::close`](crate::FileWriter::close); there is no file then, but for one that
    /// was to appear at its creation.
    pub async fn put(
        &self,
        path: &FsPath,
        options: CreateOptions,
        bytes: &[u8],
    ) -> Result<FileStatus, Error> {
        let mut file = self.create(path, options).await?;
        file.write(bytes).await?;
        file.close().await
    }

    /// As [`FileSystem::put`] of each of many files, several at a time; the answers are in the order of the files. Each succeeds or
    /// fails for itself.
    pub async fn put_many(
        &self,
        files: Vec<(FsPath, Bytes)>,
        options: &CreateOptions,
    ) -> Vec<Result<FileStatus, Error>> {
        let put =
            |(path, bytes): (FsPath, Bytes)| async move { self.put(&path, options.clone(), &bytes).await };
        stream::iter(files).map(put).buffered(UNDER_WAY).collect().await
    }

    /// All bytes of a file, which must fit into memory.
    ///
    /// # Errors
    /// As [`FileSystem::open`], and as [`FileReader::read_at`](crate::FileReader::read_at).
    pub async fn get(&self, path: &FsPath) -> Result<Bytes, Error> {
        let mut stream = self.open(path).await?.stream_all();
        let first = match stream.next().await {
            None => return Ok(Bytes::new()),
            Some(first) => first?,
        };
        let Some(second) = stream.next().await else {
            return Ok(first);
        };
        let mut all = Vec::from(first);
        all.extend_from_slice(&second?);
        while let Some(part) = stream.next().await {
            all.extend_from_slice(&part?);
        }
        Ok(all.into())
    }

    /// As [`FileSystem::get`] of each of many files, several at a time; the answers are in the order of the paths.
    pub async fn get_many(&self, paths: &[FsPath]) -> Vec<Result<Bytes, Error>> {
        stream::iter(paths)
            .map(|path| self.get(path))
            .buffered(UNDER_WAY)
            .collect()
            .await
    }
}
