//! Connections within a machine: Unix-domain sockets, over which open files can be handed over.
//!
//! Who may connect is decided by the permissions of the socket's file, and by those of the directories above it.

use std::io::{self, IoSlice, IoSliceMut};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{FileTypeExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustix::fs::{Mode, OFlags};
use rustix::net::{
    AddressFamily, RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer,
    SendAncillaryMessage, SendFlags, SocketAddrUnix, SocketFlags, SocketType,
};

use super::stream::TcpStream;
use crate::disk::{File, received};

/// Files that are handed over at once, at most.
pub const FILES_MAX: usize = 2;

/// What fits into the address of a socket.
const ADDRESS_MAX: usize = 100;

/// A listening socket. Its file is removed when it is dropped.
#[derive(Debug)]
pub struct LocalListener {
    listener: tokio::net::UnixListener,
    path: PathBuf,
}

impl LocalListener {
    /// Listens at `path`, for those whom `mode` lets write to it. What an earlier process left there is replaced; where one
    /// still listens, it is an error.
    pub(super) fn bind(path: &Path, mode: u32) -> io::Result<Self> {
        make_room(path)?;
        let socket = rustix::net::socket_with(
            AddressFamily::UNIX,
            SocketType::STREAM,
            SocketFlags::CLOEXEC | SocketFlags::NONBLOCK,
            None,
        )?;
        let address = Address::of(path)?;
        rustix::net::bind(&socket, &address.socket)?;
        // Nobody can connect before it listens: so nobody gets in by the permissions that it was made with.
        let listening = std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode))
            .and_then(|()| Ok(rustix::net::listen(&socket, 128)?))
            .and_then(|()| tokio::net::UnixListener::from_std(socket.into()));
        match listening {
            Ok(listener) => Ok(Self {
                listener,
                path: path.to_owned(),
            }),
            Err(error) => {
                let _ = std::fs::remove_file(path);
                Err(error)
            }
        }
    }

    /// Waits for the next connection.
    ///
    /// # Errors
    /// As the system answers. Some errors pass (too many open files): wait a little and call again.
    pub async fn accept(&self) -> io::Result<TcpStream> {
        let (stream, _) = self.listener.accept().await?;
        Ok(TcpStream::from_local(stream))
    }

    /// Where it listens.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }
}

impl Drop for LocalListener {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.path);
    }
}

/// Removes the socket of a process that is gone.
fn make_room(path: &Path) -> io::Result<()> {
    match std::fs::symlink_metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(error),
        Ok(there) if !there.file_type().is_socket() => {
            let why = format!("{} is there already, and is no socket", path.display());
            return Err(io::Error::new(io::ErrorKind::AlreadyExists, why));
        }
        Ok(_) => {}
    }
    let probe = rustix::net::socket_with(
        AddressFamily::UNIX,
        SocketType::STREAM,
        SocketFlags::CLOEXEC | SocketFlags::NONBLOCK,
        None,
    )?;
    let address = Address::of(path)?;
    match rustix::net::connect(&probe, &address.socket) {
        // Nobody listens.
        Err(rustix::io::Errno::CONNREFUSED) => std::fs::remove_file(path),
        _ => {
            let why = format!("another process listens at {}", path.display());
            Err(io::Error::new(io::ErrorKind::AddrInUse, why))
        }
    }
}

/// A connection to who listens at `path`.
pub(super) async fn connect(path: &Path) -> io::Result<TcpStream> {
    let address = Address::of(path)?;
    let stream = tokio::net::UnixStream::connect(&address.path).await?;
    Ok(TcpStream::from_local(stream))
}

/// The address of a socket. A path that is too long for one is shortened through an open directory.
struct Address {
    path: PathBuf,
    socket: SocketAddrUnix,
    _directory: Option<OwnedFd>,
}

impl Address {
    fn of(path: &Path) -> io::Result<Self> {
        let (mut short, mut directory) = (path.to_owned(), None);
        if path.as_os_str().as_bytes().len() > ADDRESS_MAX {
            let (Some(parent), Some(name)) = (path.parent(), path.file_name()) else {
                return Err(io::ErrorKind::InvalidInput.into());
            };
            let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
            let open = rustix::fs::open(parent, flags, Mode::empty())?;
            short = PathBuf::from(format!("/proc/self/fd/{}", open.as_raw_fd())).join(name);
            directory = Some(open);
        }
        Ok(Self {
            socket: SocketAddrUnix::new(&short)?,
            path: short,
            _directory: directory,
        })
    }
}

/// Sends one byte, and files with it. Would block when there is no room.
pub(super) fn send(socket: impl AsFd, byte: u8, files: &[BorrowedFd<'_>]) -> io::Result<()> {
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(FILES_MAX))];
    let mut control = SendAncillaryBuffer::new(&mut space);
    if files.len() > FILES_MAX || !control.push(SendAncillaryMessage::ScmRights(files)) {
        return Err(io::ErrorKind::InvalidInput.into());
    }
    let sent = rustix::net::sendmsg(
        socket,
        &[IoSlice::new(&[byte])],
        &mut control,
        SendFlags::NOSIGNAL,
    )?;
    match sent {
        0 => Err(io::ErrorKind::WriteZero.into()),
        _ => Ok(()),
    }
}

/// Takes one byte, and the files that come with it. Would block when nothing is there yet.
pub(super) fn receive(socket: impl AsFd) -> io::Result<(u8, Vec<Arc<dyn File>>)> {
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(FILES_MAX))];
    let mut control = RecvAncillaryBuffer::new(&mut space);
    let mut byte = [0];
    let came = rustix::net::recvmsg(
        socket,
        &mut [IoSliceMut::new(&mut byte)],
        &mut control,
        RecvFlags::CMSG_CLOEXEC,
    )?;
    if came.bytes == 0 {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    let rights = control.drain().filter_map(|message| match message {
        RecvAncillaryMessage::ScmRights(files) => Some(files),
        _ => None,
    });
    Ok((byte[0], rights.flatten().map(received).collect()))
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    use super::*;
    use crate::disk::{Disk, Open, RealDisk, read_exact_at};
    use crate::net::Network;

    async fn pair(path: &Path) -> (TcpStream, TcpStream, LocalListener) {
        let network = Network::real();
        let listener = network.listen_local(path, 0o600).unwrap();
        let (there, here) = tokio::join!(network.connect_local(path), listener.accept());
        (there.unwrap(), here.unwrap(), listener)
    }

    #[tokio::test]
    async fn files_are_handed_over_behind_bytes() {
        let directory = tempfile::tempdir().unwrap();
        let file = RealDisk
            .open(&directory.path().join("file"), Open::CreateNew)
            .unwrap();
        file.write_all_at(b"content", 0).unwrap();
        let (there, here, _listener) = pair(&directory.path().join("socket")).await;
        let (_, mut to) = here.into_split();
        let (mut from, _keep) = there.into_split();
        to.write_all(b"first").await.unwrap();
        let fd = file.descriptor().unwrap();
        to.send_files(7, &[fd, fd]).await.unwrap();
        drop(file);
        let mut first = [0; 5];
        from.read_exact(&mut first).await.unwrap();
        assert_eq!(&first, b"first");
        let (byte, files) = from.receive_files().await.unwrap();
        assert_eq!((byte, files.len()), (7, 2));
        let mut content = [0; 7];
        read_exact_at(&*files[1], &mut content, 0).unwrap();
        assert_eq!(&content, b"content");
        drop(to);
        assert!(from.receive_files().await.is_err(), "the end");
    }

    #[tokio::test]
    async fn the_socket_has_its_permissions_and_goes_with_the_listener() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("socket");
        let listener = Network::real().listen_local(&path, 0o620).unwrap();
        let mode = std::fs::metadata(&path).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o620);
        let taken = Network::real().listen_local(&path, 0o600).unwrap_err();
        assert_eq!(taken.kind(), io::ErrorKind::AddrInUse, "{taken}");
        drop(listener);
        assert!(!path.exists());
        std::fs::write(&path, "mine").unwrap();
        let in_the_way = Network::real().listen_local(&path, 0o600).unwrap_err();
        assert_eq!(in_the_way.kind(), io::ErrorKind::AlreadyExists);
    }

    #[tokio::test]
    async fn what_a_dead_process_left_is_replaced_and_paths_may_be_long() {
        let directory = tempfile::tempdir().unwrap();
        let deep = directory.path().join("d".repeat(150));
        std::fs::create_dir(&deep).unwrap();
        let path = deep.join("socket");
        // Bound, and never unlinked.
        let left = Address::of(&path).unwrap();
        drop(std::os::unix::net::UnixListener::bind(&left.path).unwrap());
        assert!(path.exists());
        let (mut there, mut here, _listener) = pair(&path).await;
        there.write_all(b"x").await.unwrap();
        assert_eq!(here.read_u8().await.unwrap(), b'x');
    }

    #[tokio::test]
    async fn no_file_goes_over_a_network() {
        let listener = Network::real().listen("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let stream = Network::real().connect(&address).await.unwrap();
        assert!(!stream.is_local());
        let (from, to) = stream.into_split();
        let refused = to.send_files(0, &[]).await.unwrap_err();
        assert_eq!(refused.kind(), io::ErrorKind::Unsupported);
        let refused = from.receive_files().await.err().unwrap();
        assert_eq!(refused.kind(), io::ErrorKind::Unsupported);
    }
}
