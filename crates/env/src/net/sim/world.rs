//! Who is there, what is under way, and what arrives.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::io;
use std::net::SocketAddr;
use std::task::Waker;
use std::time::Duration;

use fastrand::Rng;

use super::{address, split};

/// Bytes of one direction of a connection that are sent and not read yet, at most.
const WINDOW_BYTES: usize = 512 << 10;
/// Connections that nobody has accepted yet, of one listener.
const BACKLOG: usize = 1024;
/// The first port that is given to those who do not ask for one.
const PORT_FIRST: u16 = 40_000;
/// After how long a host asks again that was not answered.
const AGAIN: Duration = Duration::from_secs(1);

/// What goes over a connection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Segment {
    /// Somebody connects.
    Open,
    /// He may.
    Opened,
    /// Bytes.
    Data(Vec<u8>),
    /// There will be no more.
    End,
    /// There is no such connection any more.
    Reset,
}

/// Something that has arrived.
#[derive(Debug)]
pub struct Delivered<'a> {
    /// Who sent it.
    pub from: &'a str,
    /// At whom.
    pub to: &'a str,
    /// The number of the connection.
    pub connection: u64,
    /// What.
    pub segment: &'a Segment,
}

/// Something on its way to one side of a connection.
#[derive(Debug)]
struct Event {
    connection: u64,
    to: usize,
    segment: Segment,
}

#[derive(Debug)]
struct Listening {
    backlog: VecDeque<u64>,
    waker: Option<Waker>,
}

#[derive(Debug)]
struct Host {
    name: String,
    down: bool,
    life: u64,
    port_next: u16,
    listening: BTreeMap<u16, Listening>,
}

/// One side of a connection.
#[derive(Debug)]
pub(super) struct Side {
    pub(super) host: usize,
    pub(super) address: SocketAddr,
    /// The process that has it lives, and has not closed it.
    pub(super) open: bool,
    pub(super) established: bool,
    /// It has said that there will be no more.
    pub(super) ended: bool,
    /// The other one has.
    pub(super) end_seen: bool,
    pub(super) reset: Option<io::ErrorKind>,
    pub(super) ready: VecDeque<Vec<u8>>,
    /// How much of the first one was read.
    pub(super) read: usize,
    /// Bytes that it has sent and the other one has not read.
    pub(super) under_way: usize,
    pub(super) reader: Option<Waker>,
    pub(super) writer: Option<Waker>,
    /// When the last segment to it arrives: none comes earlier.
    due: Duration,
}

impl Side {
    fn new(host: usize, address: SocketAddr) -> Self {
        Self {
            host,
            address,
            open: true,
            established: false,
            ended: false,
            end_seen: false,
            reset: None,
            ready: VecDeque::new(),
            read: 0,
            under_way: 0,
            reader: None,
            writer: None,
            due: Duration::ZERO,
        }
    }

    pub(super) const fn room(&self) -> usize {
        WINDOW_BYTES.saturating_sub(self.under_way)
    }

    /// Wakes whoever waits for it, and notes its host among the `woken`.
    fn wake(&mut self, woken: &mut BTreeSet<usize>) {
        for waker in [self.reader.take(), self.writer.take()].into_iter().flatten() {
            waker.wake();
            woken.insert(self.host);
        }
    }

    /// Wakes whoever waits for room.
    pub(super) fn wake_writer(&mut self, woken: &mut BTreeSet<usize>) {
        if let Some(writer) = self.writer.take() {
            writer.wake();
            woken.insert(self.host);
        }
    }
}

/// The side that connects, and the one that is connected to.
pub(super) type Connection = [Side; 2];

pub(super) struct World {
    now: Duration,
    rng: Rng,
    delay: (Duration, Duration),
    hosts: Vec<Host>,
    names: BTreeMap<String, usize>,
    number: u64,
    /// What is under way, by when it arrives.
    events: BTreeMap<(Duration, u64), Event>,
    /// What waits for a way, or for a host, in order.
    held: Vec<Event>,
    /// Hosts on which somebody was woken.
    pub(super) woken: BTreeSet<usize>,
    pub(super) connections: BTreeMap<u64, Connection>,
    pub(super) cut: BTreeSet<(usize, usize)>,
    pub(super) slow: BTreeMap<(usize, usize), Duration>,
}

impl World {
    pub(super) fn new(seed: u64, delay: (Duration, Duration)) -> Self {
        Self {
            now: Duration::ZERO,
            rng: Rng::with_seed(seed),
            delay,
            hosts: Vec::new(),
            names: BTreeMap::new(),
            number: 0,
            events: BTreeMap::new(),
            held: Vec::new(),
            woken: BTreeSet::new(),
            connections: BTreeMap::new(),
            cut: BTreeSet::new(),
            slow: BTreeMap::new(),
        }
    }

    pub(super) fn add(&mut self, name: &str) -> super::HostId {
        let number = self.hosts.len();
        self.names.insert(name.to_owned(), number);
        self.hosts.push(Host {
            name: name.to_owned(),
            down: false,
            life: 0,
            port_next: PORT_FIRST,
            listening: BTreeMap::new(),
        });
        super::HostId(number)
    }

    /// The host that `own` calls so.
    pub(super) fn find(&self, own: usize, host: &str) -> Option<usize> {
        if matches!(host, "localhost" | "127.0.0.1" | "0.0.0.0") {
            return Some(own);
        }
        if let Some(known) = self.names.get(host) {
            return Some(*known);
        }
        (0..self.hosts.len()).find(|&number| address(number, 0).ip().to_string() == host)
    }

    pub(super) fn resolve(&self, own: usize, address_text: &str) -> io::Result<SocketAddr> {
        let (name, port) = split(address_text)?;
        let unknown = || io::Error::new(io::ErrorKind::NotFound, format!("there is no host {name}"));
        Ok(address(self.find(own, name).ok_or_else(unknown)?, port))
    }

    pub(super) fn life(&self, host: usize) -> u64 {
        self.hosts.get(host).map_or(0, |host| host.life)
    }

    pub(super) fn listen(&mut self, host: usize, port: u16) -> io::Result<SocketAddr> {
        let here = self.hosts.get_mut(host).ok_or(io::ErrorKind::NotFound)?;
        let port = if port == 0 { here.port() } else { port };
        if here.listening.contains_key(&port) {
            return Err(io::ErrorKind::AddrInUse.into());
        }
        let listening = Listening {
            backlog: VecDeque::new(),
            waker: None,
        };
        here.listening.insert(port, listening);
        Ok(address(host, port))
    }

    pub(super) fn unlisten(&mut self, host: usize, port: u16) {
        let gone = self
            .hosts
            .get_mut(host)
            .and_then(|host| host.listening.remove(&port));
        for connection in gone.into_iter().flat_map(|listening| listening.backlog) {
            self.close(connection, 1);
        }
    }

    /// The next connection that somebody has made to this listener.
    pub(super) fn accept(&mut self, host: usize, port: u16, waker: &Waker) -> Option<u64> {
        let listening = self.hosts.get_mut(host)?.listening.get_mut(&port)?;
        let next = listening.backlog.pop_front();
        if next.is_none() {
            listening.waker = Some(waker.clone());
        }
        next
    }

    pub(super) fn open(&mut self, from: usize, there: SocketAddr) -> u64 {
        let id = self.number();
        let port = self.hosts.get_mut(from).map_or(0, Host::port);
        let to = (0..self.hosts.len()).find(|&host| address(host, 0).ip() == there.ip());
        // Whoever resolved the address has found the host.
        let mut sides = [
            Side::new(from, address(from, port)),
            Side::new(to.unwrap_or(from), there),
        ];
        sides[1].open = false;
        self.connections.insert(id, sides);
        self.send(id, 1, Segment::Open);
        id
    }

    /// Sends to side `to` of a connection.
    pub(super) fn send(&mut self, connection: u64, to: usize, segment: Segment) {
        let Some(sides) = self.connections.get_mut(&connection) else {
            return;
        };
        let (Some(from_host), Some(side)) = (sides.get(1 - to).map(|side| side.host), sides.get_mut(to))
        else {
            return;
        };
        let (least, most) = self.delay;
        let spread = u64::try_from((most.saturating_sub(least)).as_micros()).unwrap_or(0);
        let more = self
            .slow
            .get(&(from_host, side.host))
            .copied()
            .unwrap_or_default();
        let delay = least + Duration::from_micros(self.rng.u64(..=spread)) + more;
        let due = side.due.max(self.now + delay);
        side.due = due;
        self.number += 1;
        let event = Event {
            connection,
            to,
            segment,
        };
        self.events.insert((due, self.number), event);
    }

    /// When the next of what is under way arrives.
    pub(super) fn next(&self) -> Option<Duration> {
        self.events.first_key_value().map(|((due, _), _)| *due)
    }

    pub(super) fn deliver(&mut self, now: Duration, mut observe: impl FnMut(&super::Delivered)) {
        self.now = now;
        while let Some(entry) = self.events.first_entry() {
            if entry.key().0 > now {
                break;
            }
            let event = entry.remove();
            self.arrive(event, &mut observe);
        }
    }

    fn arrive(&mut self, event: Event, observe: &mut impl FnMut(&super::Delivered)) {
        let Some(sides) = self.connections.get_mut(&event.connection) else {
            return;
        };
        let (Some(from), Some(side)) = (
            sides.get(1 - event.to).map(|side| side.host),
            sides.get_mut(event.to),
        ) else {
            return;
        };
        let to = side.host;
        let down = self.hosts.get(to).is_some_and(|host| host.down);
        if down || self.cut.contains(&(from, to)) {
            if event.segment == Segment::Open {
                self.number += 1;
                self.events.insert((self.now + AGAIN, self.number), event);
            } else {
                self.held.push(event);
            }
            return;
        }
        let name = |host: usize| self.hosts.get(host).map_or("?", |host| host.name.as_str());
        observe(&super::Delivered {
            from: name(from),
            to: name(to),
            connection: event.connection,
            segment: &event.segment,
        });
        match event.segment {
            Segment::Open => return self.asked(event.connection, to),
            Segment::Reset => {
                side.reset.get_or_insert(io::ErrorKind::ConnectionReset);
                side.wake(&mut self.woken);
                return;
            }
            _ if !side.open => return self.send(event.connection, 1 - event.to, Segment::Reset),
            Segment::Opened => side.established = true,
            Segment::Data(bytes) => side.ready.push_back(bytes),
            Segment::End => side.end_seen = true,
        }
        side.wake(&mut self.woken);
    }

    /// Somebody asks for a connection to `host`.
    fn asked(&mut self, connection: u64, host: usize) {
        let Some([caller, called]) = self.connections.get_mut(&connection) else {
            return;
        };
        let port = called.address.port();
        let listening = self
            .hosts
            .get_mut(host)
            .and_then(|host| host.listening.get_mut(&port));
        match listening {
            Some(listening) if listening.backlog.len() < BACKLOG => {
                called.open = true;
                called.established = true;
                listening.backlog.push_back(connection);
                if let Some(waker) = listening.waker.take() {
                    waker.wake();
                    self.woken.insert(host);
                }
                self.send(connection, 0, Segment::Opened);
            }
            _ => {
                caller.reset = Some(io::ErrorKind::ConnectionRefused);
                self.send(connection, 0, Segment::Reset);
            }
        }
    }

    /// A side is closed by its process.
    pub(super) fn close(&mut self, connection: u64, side: usize) {
        self.end_of(connection, side);
        let Some(sides) = self.connections.get_mut(&connection) else {
            return;
        };
        if let Some(side) = sides.get_mut(side) {
            side.open = false;
            side.ready.clear();
        }
        self.forget(connection);
    }

    /// A side will send no more.
    pub(super) fn end_of(&mut self, connection: u64, side: usize) {
        let Some(here) = self
            .connections
            .get_mut(&connection)
            .and_then(|sides| sides.get_mut(side))
        else {
            return;
        };
        if here.open && !here.ended {
            here.ended = true;
            self.send(connection, 1 - side, Segment::End);
        }
    }

    /// Nobody has it any more. One that is being asked for stays until it is answered.
    fn forget(&mut self, connection: u64) {
        let gone = self
            .connections
            .get(&connection)
            .is_some_and(|sides| sides.iter().all(|side| !side.open));
        if gone {
            self.connections.remove(&connection);
        }
    }

    pub(super) fn mend(&mut self, from: usize, to: usize) {
        self.cut.remove(&(from, to));
        self.release();
    }

    /// What waited arrives next, if nothing else holds it.
    fn release(&mut self) {
        for event in std::mem::take(&mut self.held) {
            self.number += 1;
            self.events.insert((self.now, self.number), event);
        }
    }

    pub(super) fn reset_between(&mut self, one: usize, other: usize) -> usize {
        let between = |sides: &Connection| {
            let hosts = (sides[0].host, sides[1].host);
            hosts == (one, other) || hosts == (other, one)
        };
        let found: Vec<u64> = self
            .connections
            .iter()
            .filter(|(_, sides)| between(sides))
            .map(|(id, _)| *id)
            .collect();
        for id in &found {
            self.send(*id, 0, Segment::Reset);
            self.send(*id, 1, Segment::Reset);
        }
        found.len()
    }

    /// The process on a host is no more. Its peers are told when the host still can.
    pub(super) fn end(&mut self, host: usize, tells: bool) {
        let Some(here) = self.hosts.get_mut(host) else {
            return;
        };
        here.life += 1;
        here.down = !tells;
        here.listening.clear();
        let ids: Vec<u64> = self.connections.keys().copied().collect();
        for id in ids {
            for number in 0..2 {
                let Some(side) = self
                    .connections
                    .get_mut(&id)
                    .and_then(|sides| sides.get_mut(number))
                else {
                    continue;
                };
                if side.host == host && side.open {
                    side.open = false;
                    side.reader = None;
                    side.writer = None;
                    if tells {
                        self.send(id, 1 - number, Segment::Reset);
                    }
                }
            }
            self.forget(id);
        }
    }

    pub(super) fn power_on(&mut self, host: usize) {
        if let Some(host) = self.hosts.get_mut(host) {
            host.down = false;
        }
        self.release();
    }

    fn number(&mut self) -> u64 {
        self.number += 1;
        self.number
    }
}

impl Host {
    fn port(&mut self) -> u16 {
        let port = self.port_next;
        self.port_next = self.port_next.checked_add(1).unwrap_or(PORT_FIRST);
        port
    }
}
