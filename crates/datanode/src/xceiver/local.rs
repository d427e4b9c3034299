//! REQUEST_SHORT_CIRCUIT_FDS: the files of a finished replica, to a program on this host, which reads and checks for itself.
//!
//! Files are handed over only on the socket that listens for programs on this host; who may write to that may have any replica
//! that is here. On a connection of the network the answer says where that socket is, when the program seems to be on
//! this host.
//!
//! # What becomes of a replica that a program holds
//! It stays what it is, or ends. Sidecars are replaced, never written again, and entries of packs are appended: so what the program
//! compares bytes with is the generation that it was given, also when the replica is deleted, gets a new generation, or moves to
//! another pack; its space is free when the last one closes it. Of one that is cut, what is behind the cut does not match any
//! more. A program that reads what does not match its sums comes back over the network, and there it is judged as for any other.

use std::path::PathBuf;

use env::Env;
use env::net::LocalListener;
use transfer::{LOCAL_FILES_VERSION, pb};
use wire::Writer;

use super::deadline::{Lost, within};
use super::read::open;
use super::request::{Context, Next, answer};
use crate::config::{Config, LocalSocket};
use crate::refusal::{refuse, response};

/// The socket's name in a directory of the datanode.
const FILE: &str = "local.sock";

/// Listens for programs on this host, where that is wanted. Where it is not possible, it goes on without.
pub(crate) fn listen(env: &Env, config: &Config) -> Option<LocalListener> {
    let path = match &config.local_socket {
        LocalSocket::Off => return None,
        LocalSocket::InDirectory => config.dirs.first()?.join(FILE),
        LocalSocket::At(path) => path.clone(),
    };
    // Programs have other working directories.
    let path: PathBuf = std::path::absolute(&path).unwrap_or(path);
    match env.net.listen_local(&path, config.local_socket_mode) {
        Ok(listener) => Some(listener),
        Err(error) => {
            tracing::warn!(path = %path.display(), %error, "programs on this host read over the network: no socket for them");
            None
        }
    }
}

/// Carries a REQUEST_SHORT_CIRCUIT_FDS out.
pub(super) async fn serve(
    context: &Context<'_>,
    op: &pb::OpRequestShortCircuitAccessProto,
    writer: &mut Writer,
) -> Result<Next, Lost> {
    let limit = context.timeouts().idle;
    if op.max_version < LOCAL_FILES_VERSION {
        let why = format!(
            "the files of replicas are of version {LOCAL_FILES_VERSION} here, which is newer than {}: read over the network",
            op.max_version
        );
        let mut response = response(refuse(pb::Status::ErrorUnsupported, why));
        response.short_circuit_access_version = Some(LOCAL_FILES_VERSION);
        within(limit, writer.write_response(&response)).await?;
        return Ok(Next::Request);
    }
    if !writer.is_local() {
        return tell_where(context, writer).await;
    }
    let opened = (context.replicas)
        .block(&op.header.block)
        .and_then(|block| open(context, &block));
    let replica = match opened {
        Ok(replica) => replica,
        Err(refusal) => return answer(context.node, writer, refusal).await,
    };
    let Some(files) = replica.descriptors() else {
        let why = "this datanode's disk has no files to hand over";
        return answer(context.node, writer, refuse(pb::Status::ErrorUnsupported, why)).await;
    };
    let handing_over = pb::BlockOpResponseProto::handing_over(pb::LocalReplicaProto {
        datanode_uuid: Some(context.node.id.to_string()),
        socket_path: None,
        generation: Some(replica.generation().as_u64()),
        length: Some(replica.len()),
        data_at: Some(files.data_at),
        sums_at: Some(files.sums_at),
    });
    let both = [files.data, files.sums.unwrap_or(files.data)];
    let given = match files.sums {
        Some(_) => &both[..],
        None => &both[..1],
    };
    within(limit, writer.write_files(&handing_over, given)).await?;
    Ok(Next::Request)
}

/// Says where to ask for files.
async fn tell_where(context: &Context<'_>, writer: &mut Writer) -> Result<Next, Lost> {
    let why = "files are handed over on the socket for programs on this host only";
    let mut response = response(refuse(pb::Status::ErrorUnsupported, why));
    let socket = context.node.local_socket.as_ref();
    response.local = socket
        .filter(|_| writer.stays_on_host())
        .map(|path| pb::LocalReplicaProto {
            datanode_uuid: Some(context.node.id.to_string()),
            socket_path: Some(path.to_string_lossy().into_owned()),
            ..Default::default()
        });
    within(context.timeouts().idle, writer.write_response(&response)).await?;
    Ok(Next::Request)
}
