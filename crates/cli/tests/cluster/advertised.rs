//! Servers that are called by other addresses than they listen on.

use env::net::ReservedPort;

use crate::support::{Cluster, Content, Relay, Role};

/// A datanode that listens on a port of its own, and says that it is somewhere else.
fn datanode(cluster: &Cluster, name: &str, advertise: impl FnOnce(&str) -> String) -> Role {
    let port = ReservedPort::on("127.0.0.1").unwrap();
    let listens = port.address().to_string();
    let mut datanode = cluster.new_datanode(name);
    let flags = [
        "--data-port",
        &port.number().to_string(),
        "--datanode-http-port",
        "0",
        "--advertise",
        &advertise(&listens),
    ];
    datanode.set_ports(flags.map(str::to_owned).to_vec(), Some(port));
    datanode
}

#[test]
fn datanodes_behind_other_addresses_are_called_by_those() {
    let mut cluster = Cluster::start(0);
    let mut relays = Vec::new();
    for name in ["datanode-1", "datanode-2"] {
        let mut node = datanode(&cluster, name, |listens| {
            let relay = Relay::to(listens);
            let address = relay.address.clone();
            relays.push(relay);
            address
        });
        assert_eq!(node.start().datanodes, [relays.last().unwrap().address.clone()]);
        cluster.datanodes.push(node);
    }
    cluster.wait_for_datanodes(2);
    let content = Content::new(70, 3_000_000);
    let source = cluster.dir().join("source");
    content.write_file(&source);
    cluster
        .client
        .ok(&["put", "--replication", "2", source.to_str().unwrap(), "/f"]);
    let read = || cluster.client.ok(&["get", "--local-reads", "no", "/f", "-"]);
    assert_eq!(crate::support::digest_of(read().as_slice()), content.digest());
    let nodes = String::from_utf8(cluster.client.ok(&["nodes", "list"])).unwrap();
    assert!(
        relays.iter().all(|relay| nodes.contains(&relay.address)),
        "{nodes}"
    );
    // It is the relay that they came through.
    relays.iter().for_each(Relay::hold);
    let held = cluster
        .client
        .run(&["get", "--local-reads", "no", "--timeout", "2s", "/f", "-"]);
    assert!(
        !held.status.success(),
        "it was not read through the addresses that are advertised"
    );
}

#[test]
fn an_address_that_nobody_reaches_is_named_with_what_to_do() {
    let mut cluster = Cluster::start(0);
    let nowhere = ["127.0.0.1:1", "127.0.0.1:2"];
    for (n, nowhere) in nowhere.into_iter().enumerate() {
        let mut node = datanode(&cluster, &format!("datanode-{n}"), |_| nowhere.to_owned());
        node.start();
        cluster.datanodes.push(node);
    }
    cluster.wait_for_datanodes(2);
    let source = cluster.dir().join("source");
    Content::new(71, 1000).write_file(&source);
    let complaint = cluster
        .client
        .fails(&["put", "--replication", "2", source.to_str().unwrap(), "/f"]);
    let named = nowhere
        .iter()
        .any(|address| complaint.contains(&format!("no way leads from here to {address}")));
    assert!(
        named && complaint.contains("--advertise HOST[:PORT]"),
        "{complaint}"
    );
}
