//! Carries out faults: on hosts, disks, clocks, and the network between them.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::time::Duration;

use chaos::plan::{Fault, Kind, Target};
use env::disk::{Disk as _, Effect, Fault as DiskFault, Op, SimDisk};
use fastrand::Rng;

use crate::cluster::Cluster;
use crate::coverage::State;
use crate::options::{Options, Plant};
use crate::report::Happened;
use crate::simulation::{Death, Simulation};
use crate::weather::{Weather, What};

/// What a disk takes for a sync when nothing is wrong with it.
const SYNC: Duration = Duration::from_micros(400);
/// Files that rot at a time, at most.
const ROTTEN_MAX: usize = 6;
/// How long a server that has ended by itself stays away.
const RESTART: Duration = Duration::from_secs(1);

const WITHOUT_POWER: &str = ", without power";
const CUT_ONE_WAY: &str = "cut off one way";
const CUT_PARTLY: &str = "cut off from some";
const MISDIRECTED: &str = "write misdirected";
/// Writes that go to the right place before one that does not, at most.
const WELL_DIRECTED_MAX: u64 = 20;
/// In the paths of what replicas are in, and of nothing else.
const REPLICAS: [&str; 3] = ["/tmp", "/chunks", "/packs"];

/// The names of all kinds of faults that can happen.
pub(crate) fn kinds() -> Vec<String> {
    let mut kinds: Vec<String> = Kind::ALL.iter().map(|kind| kind.name().to_owned()).collect();
    kinds.extend([Kind::Kill, Kind::Blackout].map(|kind| format!("{}{WITHOUT_POWER}", kind.name())));
    kinds.extend([CUT_ONE_WAY, CUT_PARTLY, MISDIRECTED].map(str::to_owned));
    kinds.extend(What::NAMES.map(str::to_owned));
    kinds
}

/// What whoever torments wants done.
#[derive(Debug, Clone)]
pub(crate) enum Order {
    Begin(Fault),
    End(Fault),
    Weather(Weather),
    /// No more faults of any kind.
    Calm,
}

impl Order {
    /// What a fault is called that can be left out: the order that begins it, and the one that ends it.
    fn key(&self) -> Option<String> {
        match self {
            Self::Begin(fault) | Self::End(fault) => Some(format!("f{}", fault.number)),
            Self::Weather(weather) => Some(format!("w{}", weather.number)),
            Self::Calm => None,
        }
    }
}

/// What is wrong at the moment.
pub(crate) struct Faults {
    cluster: Cluster,
    plant: Option<Plant>,
    /// What each fault chooses follows from this and its number, so that it is the same without those before it.
    seed: u64,
    random: Rng,
    /// Faults that are left out.
    skip: BTreeSet<String>,
    /// Ways that are cut, by the number of the fault.
    cut: BTreeMap<u64, Vec<(usize, usize)>>,
    /// Hosts that a fault keeps from running.
    held: BTreeMap<usize, u64>,
    /// Weather that passes, and when.
    passing: Vec<(Duration, Weather)>,
    /// Hosts whose disks have failed calls, and when last: that their servers end is no wonder.
    failing: BTreeMap<usize, Duration>,
    /// Servers that have ended by themselves, and when they start again.
    restarting: BTreeMap<usize, Duration>,
    /// How often each happened, by how the cluster was.
    pub(crate) counts: BTreeMap<String, BTreeMap<String, u64>>,
    /// Which happened, in order.
    pub(crate) happened: Vec<Happened>,
}

impl Faults {
    pub(crate) fn new(cluster: &Cluster, options: &Options, seed: u64) -> Self {
        Self {
            cluster: cluster.clone(),
            plant: options.plant,
            seed,
            random: Rng::with_seed(seed),
            skip: options.skip.clone(),
            cut: BTreeMap::new(),
            held: BTreeMap::new(),
            passing: Vec::new(),
            failing: BTreeMap::new(),
            restarting: BTreeMap::new(),
            counts: BTreeMap::new(),
            happened: Vec::new(),
        }
    }

    pub(crate) fn carry_out(&mut self, simulation: &mut Simulation, order: Order) -> std::io::Result<()> {
        if let Some(key) = order.key()
            && self.skip.contains(&key)
        {
            return Ok(());
        }
        match order {
            Order::Begin(fault) => {
                simulation
                    .trace
                    .tell(format_args!("FAULT {fault}, for {:?}", fault.lasts));
                self.happens(simulation, format!("f{}", fault.number), &fault.to_string());
                self.random = Rng::with_seed(self.seed.wrapping_add(fault.number));
                self.begin(simulation, &fault);
            }
            Order::End(fault) => {
                simulation.trace.tell(format_args!("fault ends: {fault}"));
                self.end(simulation, &fault)?;
            }
            Order::Weather(weather) => {
                simulation.trace.tell(format_args!("WEATHER {weather:?}"));
                let host = simulation
                    .hosts
                    .get(weather.host)
                    .map_or("", |host| host.name.as_str());
                let what = format!("{host}: {}", weather.what.name());
                self.happens(simulation, format!("w{}", weather.number), &what);
                self.blow(simulation, weather);
            }
            Order::Calm => self.calm(simulation)?,
        }
        Ok(())
    }

    /// What passes by itself.
    pub(crate) fn pass(&mut self, simulation: &mut Simulation) -> std::io::Result<()> {
        let now = simulation.now;
        let over: Vec<Weather> = {
            let (over, rest) = self.passing.drain(..).partition(|(until, _)| *until <= now);
            self.passing = rest;
            let over: Vec<(Duration, Weather)> = over;
            over.into_iter().map(|(_, weather)| weather).collect()
        };
        for weather in over {
            self.clear(simulation, &weather);
        }
        let due: Vec<usize> = self
            .restarting
            .iter()
            .filter(|(host, at)| **at <= now && !self.held.contains_key(*host))
            .map(|(host, _)| *host)
            .collect();
        for host in due {
            self.restarting.remove(&host);
            simulation.start(host)?;
        }
        Ok(())
    }

    /// When the next of what passes by itself is due.
    pub(crate) fn next(&self) -> Option<Duration> {
        let passing = self.passing.iter().map(|(until, _)| *until);
        let restarting = self.restarting.iter();
        let restarting = restarting.filter(|(host, _)| !self.held.contains_key(*host));
        passing.chain(restarting.map(|(_, at)| *at)).min()
    }

    /// A server has ended by itself. Answers whether that is no wonder. It is started again soon.
    pub(crate) fn ended(&mut self, simulation: &Simulation, host: usize) -> bool {
        self.restarting.insert(host, simulation.now + RESTART);
        let held = self.held.contains_key(&host);
        let failing = self
            .failing
            .get(&host)
            .is_some_and(|last| simulation.now < *last + Duration::from_secs(60));
        held || failing
    }

    fn count(&mut self, simulation: &Simulation, what: &str) {
        let state = State::of(simulation).name().to_owned();
        *self
            .counts
            .entry(what.to_owned())
            .or_default()
            .entry(state)
            .or_default() += 1;
    }

    fn happens(&mut self, simulation: &Simulation, key: String, what: &str) {
        self.happened.push(Happened {
            key,
            at_s: simulation.now.as_secs_f64(),
            what: what.to_owned(),
        });
    }

    fn hosts(&self, target: &Target) -> Vec<usize> {
        let datanode = |number: &usize| self.cluster.datanodes.get(*number).copied();
        match target {
            Target::Datanode(one) => datanode(one).into_iter().collect(),
            Target::Datanodes(one, two) => [one, two].into_iter().filter_map(datanode).collect(),
            Target::Master(number) => self.cluster.masters.get(*number).copied().into_iter().collect(),
            Target::All => {
                let all = self.cluster.masters.iter().chain(&self.cluster.datanodes);
                all.copied().collect()
            }
        }
    }

    fn begin(&mut self, simulation: &mut Simulation, fault: &Fault) {
        let hosts = self.hosts(&fault.target);
        let power = self.random.bool();
        let misdirects = fault.kind == Kind::Rot && self.random.u8(..3) == 0;
        let name = match fault.kind {
            Kind::Rot if misdirects => MISDIRECTED.to_owned(),
            Kind::Kill | Kind::Blackout if power => format!("{}{WITHOUT_POWER}", fault.kind.name()),
            kind => kind.name().to_owned(),
        };
        let death = if power { Death::Power } else { Death::Kill };
        match fault.kind {
            Kind::Cut => {
                let (how, ways) = self.ways(simulation, &hosts);
                self.count(simulation, how);
                for (from, to) in &ways {
                    cut(simulation, *from, *to);
                }
                self.cut.insert(fault.number, ways);
                return;
            }
            _ => self.count(simulation, &name),
        }
        for host in hosts {
            match fault.kind {
                Kind::Kill | Kind::Blackout => {
                    self.held.insert(host, fault.number);
                    simulation.kill(host, death);
                }
                Kind::Restart => {
                    self.held.insert(host, fault.number);
                    if let Some(running) = simulation.hosts.get(host).and_then(|host| host.running.as_ref()) {
                        running.stop();
                    }
                    simulation.poke(host);
                }
                Kind::Stop => {
                    if let Some(host) = simulation.hosts.get_mut(host) {
                        host.paused = true;
                    }
                }
                Kind::Fill => {
                    if let Some(host) = simulation.hosts.get(host) {
                        let room = self.random.u64(..64 << 10);
                        host.disk.set_capacity(host.disk.used() + room);
                    }
                }
                Kind::Rot => {
                    if let Some(host) = simulation.hosts.get(host) {
                        let done = if misdirects {
                            Vec::from_iter(misdirect(&host.disk, &mut self.random))
                        } else {
                            spoil(&host.disk, &mut self.random)
                        };
                        for what in done {
                            simulation.trace.tell(format_args!("{}: {what}", host.name));
                        }
                    }
                }
                Kind::Wipe | Kind::WipeTwo => {
                    self.held.insert(host, fault.number);
                    simulation.kill(host, Death::Power);
                    if let Some(host) = simulation.hosts.get_mut(host) {
                        host.disk = new_disk(self.plant);
                    }
                }
                Kind::Cut => {}
            }
        }
    }

    fn end(&mut self, simulation: &mut Simulation, fault: &Fault) -> std::io::Result<()> {
        if self.cut.remove(&fault.number).is_some() {
            simulation.network.mend_all();
            self.again(simulation);
        }
        for host in self.hosts(&fault.target) {
            match fault.kind {
                Kind::Stop => simulation.resume(host),
                Kind::Fill => {
                    if let Some(host) = simulation.hosts.get(host) {
                        host.disk.set_capacity(u64::MAX >> 20);
                    }
                }
                Kind::Kill | Kind::Blackout | Kind::Wipe | Kind::WipeTwo | Kind::Restart => {
                    if self.held.get(&host) == Some(&fault.number) {
                        self.held.remove(&host);
                        if fault.kind == Kind::Restart {
                            // It had its time to stop.
                            simulation.kill(host, Death::Kill);
                        }
                        simulation.start(host)?;
                    }
                }
                Kind::Rot => {
                    // No write goes astray any more.
                    if let Some(host) = simulation.hosts.get(host) {
                        usual(&host.disk, self.plant);
                    }
                }
                Kind::Cut => {}
            }
        }
        Ok(())
    }

    /// What is cut when these hosts are cut off: everything, one direction of everything, or a part. With its name.
    fn ways(&mut self, simulation: &Simulation, hosts: &[usize]) -> (&'static str, Vec<(usize, usize)>) {
        let kind = self.random.u32(0..4);
        let mut ways = Vec::new();
        for other in 0..simulation.hosts.len() {
            for host in hosts.iter().filter(|host| **host != other) {
                // A part: about half of the others.
                if kind == 3 && self.random.bool() {
                    continue;
                }
                if kind != 1 {
                    ways.push((*host, other));
                }
                if kind != 2 {
                    ways.push((other, *host));
                }
            }
        }
        let how = match kind {
            0 => Kind::Cut.name(),
            3 => CUT_PARTLY,
            _ => CUT_ONE_WAY,
        };
        (how, ways)
    }

    /// Cuts and slow ways that are still in force.
    fn again(&self, simulation: &Simulation) {
        for (from, to) in self.cut.values().flatten() {
            cut(simulation, *from, *to);
        }
        for (_, weather) in &self.passing {
            if let What::Slow { to, by } = weather.what {
                slow(simulation, weather.host, to, by);
            }
        }
    }

    fn blow(&mut self, simulation: &mut Simulation, weather: Weather) {
        self.count(simulation, weather.what.name());
        let Some(host) = simulation.hosts.get(weather.host) else {
            return;
        };
        match weather.what {
            What::Slow { to, by } => slow(simulation, weather.host, to, by),
            What::Reset { to } => {
                if let Some(other) = simulation.hosts.get(to) {
                    simulation.network.reset(host.id, other.id);
                }
            }
            What::Jump { by_ms } => {
                host.skew_ms
                    .fetch_add(by_ms, std::sync::atomic::Ordering::Relaxed);
            }
            What::SlowDisk { by } => host
                .disk
                .faults()
                .add(DiskFault::always(Op::SyncData, Effect::Delay(by))),
            What::DiskFails { op, skip } => {
                self.failing.insert(weather.host, simulation.now);
                host.disk
                    .faults()
                    .add(DiskFault::once(op, skip, Effect::Fail(libc::EIO)));
            }
        }
        if !weather.lasts.is_zero() {
            self.passing.push((simulation.now + weather.lasts, weather));
        }
    }

    fn clear(&mut self, simulation: &Simulation, weather: &Weather) {
        let Some(host) = simulation.hosts.get(weather.host) else {
            return;
        };
        match weather.what {
            What::Slow { .. } => {
                simulation.network.mend_all();
                self.again(simulation);
            }
            What::SlowDisk { .. } | What::DiskFails { .. } => {
                if matches!(weather.what, What::DiskFails { .. }) {
                    self.failing.insert(weather.host, simulation.now);
                }
                usual(&host.disk, self.plant);
            }
            What::Reset { .. } | What::Jump { .. } => {}
        }
    }

    /// Everything works again; servers that are away start.
    fn calm(&mut self, simulation: &mut Simulation) -> std::io::Result<()> {
        self.cut.clear();
        self.passing.clear();
        self.held.clear();
        simulation.network.mend_all();
        for number in 0..simulation.hosts.len() {
            simulation.resume(number);
            if let Some(host) = simulation.hosts.get(number) {
                usual(&host.disk, self.plant);
                host.disk.set_capacity(u64::MAX >> 20);
            }
            if !self.restarting.contains_key(&number) {
                simulation.start(number)?;
            }
        }
        Ok(())
    }
}

/// A disk with nothing wrong.
pub(crate) fn new_disk(plant: Option<Plant>) -> SimDisk {
    let disk = SimDisk::new();
    usual(&disk, plant);
    disk
}

/// Nothing is wrong with it any more.
fn usual(disk: &SimDisk, plant: Option<Plant>) {
    disk.faults().clear();
    let (op, paths): (_, &[&str]) = match plant {
        None | Some(Plant::Bug(_)) => (Op::SyncData, &[]),
        Some(Plant::ReplicaSync) => (Op::SyncData, &REPLICAS),
        Some(Plant::ReplicaNameSync) => (Op::SyncDir, &REPLICAS),
        Some(Plant::LogSync) => (Op::SyncData, &["/meta"]),
    };
    for path in paths {
        disk.faults().add(DiskFault::always(op, Effect::Lie).on(path));
    }
    for op in [Op::SyncData, Op::SyncDir] {
        disk.faults().add(DiskFault::always(op, Effect::Delay(SYNC)));
    }
}

fn cut(simulation: &Simulation, from: usize, to: usize) {
    if let (Some(from), Some(to)) = (simulation.hosts.get(from), simulation.hosts.get(to)) {
        simulation.network.cut(from.id, to.id);
    }
}

fn slow(simulation: &Simulation, from: usize, to: usize, by: Duration) {
    if let (Some(from), Some(to)) = (simulation.hosts.get(from), simulation.hosts.get(to)) {
        simulation.network.slow(from.id, to.id, by);
    }
}

/// The files of finished replicas on a disk.
fn finished(disk: &SimDisk) -> Vec<PathBuf> {
    let is_finished = |path: &PathBuf| {
        path.components()
            .any(|part| matches!(part.as_os_str().to_str(), Some("chunks" | "packs")))
    };
    disk.files().into_iter().filter(is_finished).collect()
}

/// Has a write to one of the replicas that are being written go into one that is finished. Says what will be done.
fn misdirect(disk: &SimDisk, random: &mut Rng) -> Option<String> {
    let files = finished(disk);
    let path = random.choice(&files)?;
    let len = disk.open(path, env::disk::Open::Read).ok()?.size().ok()?;
    let (offset, skip) = (random.u64(..=len), random.u64(..WELL_DIRECTED_MAX));
    let effect = Effect::Elsewhere {
        path: path.clone(),
        offset,
    };
    disk.faults()
        .add(DiskFault::once(Op::Write, skip, effect).on("chunk-"));
    Some(format!(
        "a write to a replica, {skip} later, goes to byte {offset} of {}",
        path.display()
    ))
}

/// Spoils some of the finished replicas on a disk. Says what was done.
fn spoil(disk: &SimDisk, random: &mut Rng) -> Vec<String> {
    let files = finished(disk);
    let count = random.usize(1..=ROTTEN_MAX);
    let mut done = Vec::new();
    for path in random.choose_multiple(&files, count) {
        let Ok(file) = disk.open(path, env::disk::Open::Read) else {
            continue;
        };
        let len = file.size().unwrap_or(0);
        if len == 0 || random.u8(..10) == 0 {
            if disk.remove_file(path).is_ok() {
                done.push(format!("{} is gone", path.display()));
            }
            continue;
        }
        let (at, bit) = (random.u64(..len), random.u32(..8));
        if disk.corrupt(path, at, 1 << bit).is_ok() {
            done.push(format!("bit {bit} of byte {at} of {} is wrong", path.display()));
        }
    }
    done
}
