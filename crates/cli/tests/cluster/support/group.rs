//! Several masters and their datanodes.

use std::path::Path;

use env::net::ReservedPort;
use serde_json::Value;
use tempfile::TempDir;

use super::{Client, Network, Role, until};

/// The flags of every master. The waits are short, so that tests are.
const MASTER: [&str; 4] = ["--heartbeat-interval", "300ms", "--dead-after", "2s"];
/// The flag of masters that elect nobody only because the machine is busy.
const CALM: [&str; 2] = ["--election-timeout", "2s"];
const DATANODE: [&str; 2] = ["--abandoned-write-timeout", "5s"];

/// Which master it is: its place in [`Group::masters`].
pub(crate) type Place = usize;

/// A running cluster of several masters, in a directory of its own. Dropping it kills everything.
#[derive(Debug)]
pub(crate) struct Group {
    pub(crate) masters: Vec<Role>,
    pub(crate) addresses: Vec<String>,
    pub(crate) datanodes: Vec<Role>,
    /// Knows all masters that there were at the start.
    pub(crate) client: Client,
    /// Where they are not all on this machine. The masters are on its first machines, all others on the last.
    pub(crate) network: Option<Network>,
    dir: TempDir,
}

/// Where a master listens.
struct Seat {
    address: String,
    /// Where that is on this machine.
    port: Option<ReservedPort>,
}

impl Seat {
    /// One of this machine.
    fn here() -> Self {
        let port = ReservedPort::on("127.0.0.1").unwrap();
        Self {
            address: port.address().to_string(),
            port: Some(port),
        }
    }
}

/// A master that listens where the others look for it.
fn master(base: &Path, name: &str, own: Seat, all: &[String], calm: bool) -> Role {
    let (host, port) = own.address.rsplit_once(':').unwrap();
    let mut options: Vec<String> = MASTER.map(str::to_owned).to_vec();
    options.extend(["--masters".to_owned(), all.join(",")]);
    if calm {
        options.extend(CALM.map(str::to_owned));
    }
    options.extend(["--listen".to_owned(), host.to_owned()]);
    let mut role = Role::new(base, "master", name, options);
    role.set_ports(
        ["--master-port", port, "--http-port", "0"]
            .map(str::to_owned)
            .to_vec(),
        own.port,
    );
    role
}

impl Group {
    /// So many masters and datanodes, all there, with a leader.
    pub(crate) fn start(masters: usize, datanodes: usize) -> Self {
        Self::place((0..masters).map(|_| Seat::here()), datanodes, None, false)
    }

    /// The same, where no master is to be elected without a reason, however busy the machine is.
    pub(crate) fn start_calm(masters: usize, datanodes: usize) -> Self {
        Self::place((0..masters).map(|_| Seat::here()), datanodes, None, true)
    }

    /// The same with each master on a machine of its own; none where that is impossible.
    pub(crate) fn start_apart(masters: usize, datanodes: usize, calm: bool) -> Option<Self> {
        let network = Network::new(masters + 1)?;
        let seats = (0..masters).map(|place| Seat {
            address: format!("{}:9800", network.address(place)),
            port: None,
        });
        let seats: Vec<_> = seats.collect();
        Some(Self::place(seats, datanodes, Some(network), calm))
    }

    fn place(
        seats: impl IntoIterator<Item = Seat>,
        datanodes: usize,
        network: Option<Network>,
        calm: bool,
    ) -> Self {
        let seats: Vec<_> = seats.into_iter().collect();
        let addresses: Vec<_> = seats.iter().map(|seat| seat.address.clone()).collect();
        let dir = tempfile::Builder::new()
            .prefix("distrifs-group-")
            .tempdir()
            .unwrap();
        let mut client = Client::new(&addresses.join(","), dir.path());
        if let Some(network) = &network {
            client = client.on(&network.host(addresses.len()));
        }
        let roles = seats.into_iter().enumerate().map(|(place, own)| {
            let mut role = master(
                dir.path(),
                &format!("master-{}", place + 1),
                own,
                &addresses,
                calm,
            );
            if let Some(network) = &network {
                role.set_host(network.host(place));
            }
            role
        });
        let mut group = Self {
            masters: roles.collect(),
            client,
            addresses,
            datanodes: Vec::new(),
            network,
            dir,
        };
        for master in &mut group.masters {
            master.spawn();
        }
        for _ in 0..datanodes {
            group.add_datanode();
        }
        group.ready();
        group
    }

    fn add_datanode(&mut self) {
        let masters = self.addresses.join(",");
        self.add_datanode_at(&masters);
    }

    /// Starts one more datanode, which is told of the masters at these addresses; does not wait for it.
    pub(crate) fn add_datanode_at(&mut self, masters: &str) {
        let mut options = vec!["--master".to_owned(), masters.to_owned()];
        options.extend(DATANODE.map(str::to_owned));
        let name = format!("datanode-{}", self.datanodes.len() + 1);
        let outside = self.masters.len();
        if let Some(network) = &self.network {
            options.extend(["--listen".to_owned(), network.address(outside)]);
        }
        let mut datanode = Role::new(self.dir.path(), "datanode", &name, options);
        if let Some(network) = &self.network {
            datanode.set_host(network.host(outside));
        }
        datanode.spawn();
        self.datanodes.push(datanode);
    }

    /// Waits until every process that runs serves, and the cluster has a leader that knows all datanodes.
    pub(crate) fn ready(&mut self) {
        for role in self.masters.iter_mut().chain(&mut self.datanodes) {
            if role.is_running() {
                role.ready();
            }
        }
        self.leader();
        let running = self.datanodes.iter().filter(|node| node.is_running()).count();
        self.wait_for_datanodes(running);
    }

    /// Waits until the leader hears of exactly so many datanodes.
    pub(crate) fn wait_for_datanodes(&self, count: usize) {
        until(&format!("{count} datanodes are there"), || {
            (self.client.live_datanodes() == Some(count)).then_some(())
        });
    }

    /// What the masters say of themselves.
    pub(crate) fn look(&self) -> Value {
        let done = self.client.run(&["admin", "masters", "--json"]);
        serde_json::from_slice(&done.stdout).unwrap_or(Value::Null)
    }

    /// Waits until a master that answers leads; answers which.
    pub(crate) fn leader(&self) -> Place {
        until("a master leads", || self.leader_now())
    }

    /// Waits until another master leads than this one.
    pub(crate) fn leader_other_than(&self, before: Place) -> Place {
        until("another master leads", || {
            self.leader_now().filter(|place| *place != before)
        })
    }

    fn leader_now(&self) -> Option<Place> {
        let seen = self.look();
        let leader = seen["leader"].as_str()?;
        let masters = seen["masters"].as_array()?;
        let leads = |one: &&Value| one["id"] == leader && one["role"] == "leader" && one["answers"] == true;
        let address = masters.iter().find(leads)?["address"].as_str()?;
        self.addresses.iter().position(|known| known == address)
    }

    /// A master that does not lead.
    pub(crate) fn standby(&self) -> Place {
        let leader = self.leader();
        (0..self.masters.len()).find(|place| *place != leader).unwrap()
    }

    /// The addresses of the members that answer, in order.
    pub(crate) fn members(&self) -> Vec<String> {
        let seen = self.look();
        let Some(masters) = seen["masters"].as_array() else {
            return Vec::new();
        };
        let voters = masters
            .iter()
            .filter(|one| one["answers"] == true && (one["role"] == "leader" || one["role"] == "follower"));
        let mut addresses: Vec<String> = voters
            .filter_map(|one| one["address"].as_str().map(str::to_owned))
            .collect();
        addresses.sort();
        addresses
    }

    /// Waits until exactly these masters are members, answer, and have all that the leader has.
    pub(crate) fn wait_for_members(&self, places: &[Place]) {
        let mut wanted: Vec<_> = places
            .iter()
            .map(|place| self.addresses[*place].clone())
            .collect();
        wanted.sort();
        until(&format!("the members are {wanted:?}"), || {
            let lags = self.look()["masters"]
                .as_array()?
                .iter()
                .any(|one| one["lag"].as_u64().unwrap_or(0) > 0);
            (self.members() == wanted && !lags).then_some(())
        });
    }

    /// Starts one more master, which knows the others and belongs to no group yet.
    pub(crate) fn spawn_master(&mut self) -> Place {
        let seat = Seat::here();
        self.addresses.push(seat.address.clone());
        let name = format!("master-{}", self.masters.len() + 1);
        let mut role = master(self.dir.path(), &name, seat, &self.addresses, false);
        role.start();
        self.masters.push(role);
        self.masters.len() - 1
    }

    /// `kill -9` of every process that runs.
    pub(crate) fn kill_all(&mut self) {
        for role in self.datanodes.iter_mut().chain(&mut self.masters) {
            if role.is_running() {
                role.kill();
            }
        }
    }

    /// A client that knows only this master, on its machine.
    pub(crate) fn client_of(&self, place: Place) -> Client {
        let client = Client::new(&self.addresses[place], self.dir.path());
        match &self.network {
            None => client,
            Some(network) => client.on(&network.host(place)),
        }
    }

    /// A directory for a test's own files.
    pub(crate) fn dir(&self) -> &Path {
        self.dir.path()
    }

    /// Stores a file; its content follows from the seed.
    pub(crate) fn put(&self, path: &str, content: super::Content) {
        let source = self.dir().join(format!("source{}", path.replace('/', "-")));
        content.write_file(&source);
        self.client.ok(&["put", source.to_str().unwrap(), path]);
        std::fs::remove_file(source).unwrap();
    }

    /// Reads a file and compares it.
    pub(crate) fn assert_has(&self, path: &str, content: super::Content) {
        let read = self.client.ok(&["cat", path]);
        assert_eq!(super::digest_of(read.as_slice()), content.digest(), "{path}");
    }
}
