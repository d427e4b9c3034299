//! Where bytes are moved: datanodes that serve HTTP.

use std::sync::Arc;
use std::time::Duration;

use axum::http::Uri;
use client::{Error, FileSystem, NodeDetail, NodeLiveness};
use env::Env;
use types::{AdminState, DatanodeId, FsPath};

use crate::moment::OfTheMoment;

/// How long what is known of the datanodes is good for.
const FRESH: Duration = Duration::from_secs(1);

/// What is said where there is nobody to be sent to.
pub(crate) const NOBODY_SERVES: &str = "no datanode that serves HTTP is live: see `distrifs nodes`";

/// The datanodes, as the leader told a moment ago.
pub(crate) struct Nodes {
    env: Env,
    fs: FileSystem,
    known: OfTheMoment<Arc<[NodeDetail]>>,
}

impl Nodes {
    pub(crate) fn new(env: Env, fs: FileSystem) -> Self {
        Self {
            env,
            fs,
            known: OfTheMoment::new(FRESH),
        }
    }

    /// Who has the byte at `offset` of a file, or else anybody; the HTTP address. Of a file that is not there, or may not be read
    /// by whom `fs` is, that is said.
    pub(crate) async fn reader(
        &self,
        fs: &FileSystem,
        path: &FsPath,
        offset: u64,
    ) -> Result<Option<String>, Error> {
        let found = fs.locations(path, offset..offset.saturating_add(1)).await?;
        let near: Vec<_> = found
            .iter()
            .flat_map(|chunk| chunk.replicas.iter().map(|node| node.id))
            .collect();
        Ok(to_read(&self.all().await?, &near, self.env.random.u64()))
    }

    /// Who takes bytes from `host`; the HTTP address.
    pub(crate) async fn writer(&self, host: Option<&str>) -> Result<Option<String>, Error> {
        Ok(to_write(&self.all().await?, host, self.env.random.u64()))
    }

    /// All of them. One asks, and the others wait for the same answer.
    pub(crate) async fn all(&self) -> Result<Arc<[NodeDetail]>, Error> {
        let operations = self.fs.operations();
        let ask = async move || Ok(operations.nodes().await?.into());
        self.known.get(ask).await
    }
}

/// What was asked for, at `address`. A user who was named by a header is named in it: it is not sent along by those who follow.
pub(crate) fn location(address: &str, uri: &Uri, by_header: Option<&str>) -> String {
    let mut query = uri.query().unwrap_or_default().to_owned();
    if let Some(user) = by_header {
        let separator = if query.is_empty() { "" } else { "&" };
        let user: String = form_urlencoded::byte_serialize(user.as_bytes()).collect();
        query.push_str(&format!("{separator}user.name={user}"));
    }
    format!("http://{address}{}?{query}", uri.path())
}

/// Where to read: the first of `near` that serves HTTP, else any. The HTTP address.
fn to_read(nodes: &[NodeDetail], near: &[DatanodeId], random: u64) -> Option<String> {
    let near = near.iter().find_map(|id| {
        let node = nodes.iter().find(|node| node.id == *id)?;
        node.http.clone().filter(|_| is_there(node))
    });
    near.or_else(|| any(nodes, is_there, random))
}

/// Where to write: the one on the host that asks, if there is one, else any that takes part.
fn to_write(nodes: &[NodeDetail], host: Option<&str>, random: u64) -> Option<String> {
    let takes = |node: &NodeDetail| is_there(node) && node.admin == AdminState::InService;
    let own = |node: &NodeDetail| {
        let its = node.address.rsplit_once(':').map(|(host, _)| host);
        takes(node) && host.is_some() && its == host
    };
    let alone = nodes.iter().filter(|node| own(node)).count() == 1;
    if alone {
        return any(nodes, own, random);
    }
    any(nodes, takes, random).or_else(|| any(nodes, is_there, random))
}

fn is_there(node: &NodeDetail) -> bool {
    matches!(node.liveness, NodeLiveness::Live | NodeLiveness::Late)
}

fn any(nodes: &[NodeDetail], is: impl Fn(&NodeDetail) -> bool, random: u64) -> Option<String> {
    let fit: Vec<_> = nodes
        .iter()
        .filter(|node| is(node))
        .filter_map(|node| node.http.as_deref())
        .collect();
    let count = u64::try_from(fit.len()).ok().filter(|count| *count > 0)?;
    let chosen = usize::try_from(random % count).ok()?;
    fit.get(chosen).map(|address| (*address).to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn node(n: u8, liveness: NodeLiveness, http: bool) -> NodeDetail {
        NodeDetail {
            id: DatanodeId::from_random_bytes([n; 16]),
            address: format!("host-{n}:9866"),
            http: http.then(|| format!("host-{n}:9864")),
            received_bytes: 0,
            sent_bytes: 0,
            rack: "/r".to_owned(),
            liveness,
            admin: AdminState::InService,
            silent: None,
            streams: 0,
            transfers: 0,
            slow: None,
            volumes: Vec::new(),
            draining: None,
        }
    }

    #[test]
    fn who_is_sent_on_stays_who_he_is() {
        let at = |uri: &'static str, user| location("d:1", &Uri::from_static(uri), user);
        assert_eq!(at("/f?a=1", None), "http://d:1/f?a=1");
        assert_eq!(at("/f?a=1", Some("a b&c")), "http://d:1/f?a=1&user.name=a+b%26c");
        assert_eq!(at("/f", Some("ann")), "http://d:1/f?user.name=ann");
    }

    #[test]
    fn who_reads_goes_to_a_replica_and_never_to_the_dead() {
        let nodes = [
            node(1, NodeLiveness::Dead, true),
            node(2, NodeLiveness::Live, true),
            node(3, NodeLiveness::Late, true),
            node(4, NodeLiveness::Live, false),
        ];
        let ids = |of: &[usize]| -> Vec<_> { of.iter().map(|n| nodes[n - 1].id).collect() };
        let to = |near: &[usize], random| to_read(&nodes, &ids(near), random).unwrap();
        assert_eq!(to(&[1, 3], 0), "host-3:9864");
        assert_eq!(to(&[4, 2], 0), "host-2:9864");
        assert_eq!(
            (to(&[], 0), to(&[], 1)),
            ("host-2:9864".into(), "host-3:9864".into())
        );
        assert_eq!(to_read(&nodes[..1], &[], 0), None);
        assert_eq!(to_read(&[], &[], 7), None);
    }

    #[test]
    fn who_writes_stays_on_his_host_and_off_those_that_leave() {
        let mut nodes = [
            node(1, NodeLiveness::Live, true),
            node(2, NodeLiveness::Live, true),
        ];
        assert_eq!(
            to_write(&nodes, Some("host-2"), 0).as_deref(),
            Some("host-2:9864")
        );
        assert_eq!(
            to_write(&nodes, Some("elsewhere"), 0).as_deref(),
            Some("host-1:9864")
        );
        nodes[0].admin = AdminState::Decommissioning {
            since: types::UnixMillis(1),
        };
        assert_eq!(to_write(&nodes, None, 0).as_deref(), Some("host-2:9864"));
        assert_eq!(
            to_write(&nodes[..1], None, 0).as_deref(),
            Some("host-1:9864"),
            "better than none"
        );
    }
}
