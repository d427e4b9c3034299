//! Why a datanode is in its state, and what it waits for.

use std::time::Duration;

use placement::{Admin, Node, Request};
use proto::v1::ErrorCode;
use types::{ByteSize, DatanodeId, about_duration};

use super::chunk::next;
use super::{Explanation, Paragraph};
use crate::cluster::Cluster;
use crate::core::Core;
use crate::rejection::Rejection;

/// Why a node is in its state, would or would not take a chunk now, and, when it is being drained, what it waits for.
///
/// # Errors
/// `NOT_FOUND` when the cluster has no such node.
pub(crate) fn explain_node(core: &Core, datanode: DatanodeId) -> Result<Explanation, Rejection> {
    let now = core.now();
    let bytes = core.config.chunk_size.bytes();
    let mut cluster = core.cluster();
    let takes = takes(&mut cluster, datanode, now, bytes);
    let Some(node) = cluster.view.node(datanode) else {
        let why = format!("the cluster has no datanode {datanode}");
        return Err(Rejection::new(ErrorCode::NotFound, why));
    };
    let mut state = vec![
        format!("{:?}: {}", node.liveness, cluster.view.why(node, now)),
        format!("in rack {}, with {} data streams", node.rack, node.busy_streams()),
    ];
    state.extend(node.slow.iter().map(|slow| format!("slow: {slow}")));
    let mut paragraphs = vec![
        Paragraph::new("state", state),
        Paragraph::new("volumes", volumes(&cluster, node)),
        Paragraph::new("new chunks", vec![takes]),
    ];
    paragraphs.extend(leaving(&cluster, node, now));
    Ok(Explanation {
        subject: format!("datanode {} ({datanode})", node.address()),
        condition: None,
        paragraphs,
    })
}

/// Whether it would take a chunk of so many bytes now; if not, why.
fn takes(cluster: &mut Cluster, datanode: DatanodeId, now: Duration, bytes: u64) -> String {
    let choice = cluster.choose(&Request {
        now,
        count: usize::MAX,
        bytes,
        existing: &[],
        exclude: &[],
        client_host: "",
        key: 0,
    });
    match choice
        .refusals
        .iter()
        .find(|refusal| refusal.datanode == datanode)
    {
        Some(refusal) => format!("it would take none of {}: {}", ByteSize(bytes), refusal.reason),
        None => format!("it would take one of {}", ByteSize(bytes)),
    }
}

fn volumes(cluster: &Cluster, node: &Node) -> Vec<String> {
    let volume = |storage: &placement::Storage| {
        let reported = &storage.reported;
        let directory = cluster.volume_extra(reported.id).directory;
        let state = match (&reported.failed, &storage.slow) {
            (Some(why), _) => format!("; failed: {why}"),
            (None, Some(slow)) => format!("; slow: {slow}"),
            (None, None) => String::new(),
        };
        format!(
            "{directory} ({}): {} replicas, {} of {} free{state}",
            reported.id,
            cluster.replicas.storage_count(reported.id),
            ByteSize(reported.available),
            ByteSize(reported.capacity)
        )
    };
    cluster.volumes_of(node).map(volume).collect()
}

fn leaving(cluster: &Cluster, node: &Node, now: Duration) -> Option<Paragraph> {
    let lines = match node.admin.at(now) {
        Admin::InService => return None,
        Admin::Decommissioned => vec!["it is drained, and may be switched off".to_owned()],
        Admin::Maintenance { until } => vec![format!(
            "it is in maintenance for {} more: its chunks are not copied elsewhere, but for last copies",
            about_duration(until.saturating_sub(now))
        )],
        Admin::Decommissioning => match cluster.left_on(node.id) {
            _ if !cluster.has_told(node.id) => vec![
                "it is being decommissioned; it has not told all that it has since this master started, so that nobody knows \
                 what is needed of it"
                    .to_owned(),
            ],
            None => vec!["it is being decommissioned; what is needed of it is being counted".to_owned()],
            Some(left) => {
                let mut lines = vec![format!(
                    "it is being decommissioned: {} replicas on it are still needed, because their chunks have too few \
                     on datanodes that stay",
                    left.replicas
                )];
                for &chunk in &left.examples {
                    let next = next(cluster, chunk, now).join("; ");
                    lines.push(format!("chunk {chunk}: {next}"));
                }
                lines
            }
        },
    };
    Some(Paragraph::new("leaving", lines))
}
