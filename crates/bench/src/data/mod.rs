//! Streams in, streams out, beside the bare limits.
//!
//! Every round measures each pair (DistriFS and its limit, where there is one) back to back; which of the two goes first alternates from
//! round to round, so that neither always finds the colder disk. A ratio is that of one round's pair.

mod peers;

use std::collections::BTreeMap;
use std::time::Instant;

use clap::{Args, ValueEnum};
use serde::Serialize;
use types::ByteSize;

use crate::bare::{Chain, Source};
use crate::cluster::{self, Cluster, DATANODES};
use crate::machine::Machine;
use crate::peers::PeerOptions;
use crate::report::{Report, print_columns, write_markdown};
use crate::samples::Samples;
use crate::system::System;
use crate::took::float;
use crate::{Common, payload, process, shown};

const GIB: f64 = 1_073_741_824.0;

/// What `bench data` takes.
#[derive(Debug, Args)]
pub(crate) struct Options {
    #[command(flatten)]
    common: Common,
    /// How much each write and each read moves.
    #[arg(long, default_value = "1GiB", value_name = "SIZE")]
    size: ByteSize,
    /// How many streams there are where there are many. Together they move as much as one stream does alone.
    #[arg(long, default_value_t = 16, value_name = "COUNT")]
    streams: usize,
    /// How often everything is measured.
    #[arg(long, default_value_t = 5, value_name = "COUNT")]
    rounds: u32,
    /// Only these [default: all].
    #[arg(long, value_name = "CASE", value_delimiter = ',')]
    cases: Vec<Case>,
    #[command(flatten)]
    peers: PeerOptions,
    /// How much a process of the bare write moves at once. More is not faster where three of them share two cores: 1 MiB
    /// takes two thirds more CPU time than 256 KiB, because a buffer has left the cache before its next use.
    #[arg(long, default_value = "256KiB", value_name = "SIZE")]
    bare_buffer: ByteSize,
}

/// The options, as they are written down.
#[derive(Debug, Serialize)]
struct Written {
    bytes: u64,
    streams: usize,
    rounds: u32,
    bare_buffer_bytes: u64,
}

/// What is compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ValueEnum)]
#[serde(rename_all = "kebab-case")]
enum Case {
    WriteReplication1,
    WriteReplication3,
    WriteManyReplication3,
    Read,
    ReadMany,
    ReadCold,
    ReadLocal,
    ReadManyLocal,
    ReadLocalCold,
}

/// Who does it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Who {
    Bare,
    System,
}

/// The figures of one side.
#[derive(Debug, Default, Clone, Serialize)]
struct Side {
    /// 10⁹ bytes a second.
    gigabytes_per_second: Samples,
    client_cpu_seconds_per_gib: Samples,
    server_cpu_seconds_per_gib: Samples,
}

/// The figures of one case.
#[derive(Debug, Serialize)]
struct Comparison {
    case: Case,
    bare: Side,
    distrifs: Side,
    /// Others, by name.
    peers: BTreeMap<&'static str, Side>,
    /// DistriFS's rate by the limit's, of the same round.
    ratio: Samples,
}

impl Case {
    const fn name(self) -> &'static str {
        match self {
            Self::WriteReplication1 => "write, replication 1",
            Self::WriteReplication3 => "write, replication 3",
            Self::WriteManyReplication3 => "write, replication 3, many streams",
            Self::Read => "read",
            Self::ReadMany => "read, many streams",
            Self::ReadCold => "read, cold",
            Self::ReadLocal => "read local",
            Self::ReadManyLocal => "read local, many streams",
            Self::ReadLocalCold => "read local, cold",
        }
    }

    /// Whether there is a limit of one bare process, or a chain of them.
    const fn has_limit(self) -> bool {
        matches!(
            self,
            Self::WriteReplication1 | Self::WriteReplication3 | Self::Read | Self::ReadLocal
        )
    }

    const fn replication(self) -> u16 {
        match self {
            Self::WriteReplication1 => 1,
            _ => 3,
        }
    }

    const fn writes(self) -> bool {
        matches!(
            self,
            Self::WriteReplication1 | Self::WriteReplication3 | Self::WriteManyReplication3
        )
    }

    const fn is_cold(self) -> bool {
        matches!(self, Self::ReadCold | Self::ReadLocalCold)
    }

    const fn is_local(self) -> bool {
        matches!(self, Self::ReadLocal | Self::ReadManyLocal | Self::ReadLocalCold)
    }

    const fn has_many(self) -> bool {
        matches!(
            self,
            Self::WriteManyReplication3 | Self::ReadMany | Self::ReadManyLocal
        )
    }
}

/// Measures, prints, writes down.
pub(crate) fn run(options: &Options) -> anyhow::Result<()> {
    let binary = cluster::binary(options.common.distrifs.as_deref())?;
    let machine = Machine::this();
    println!("machine: {}", machine.line());
    println!(
        "{} a time, {} rounds, {DATANODES} datanodes and the client on this machine",
        options.size, options.rounds
    );

    let base = crate::base(&options.common)?;
    let payload = payload::incompressible(usize::try_from(options.size.0)?);
    let bench = Bench {
        chain: Chain::start(base.path(), usize::try_from(options.bare_buffer.0)?)?,
        source: Source::start(base.path(), &payload)?,
        cluster: Cluster::start(&binary, base.path())?,
        payload,
        streams: options.streams.max(1),
    };
    let clients = Clients {
        near: System::connect(bench.cluster.master(), DATANODES)?,
        far: System::remote(bench.cluster.master(), DATANODES)?,
    };

    let cases = match &*options.cases {
        [] => Case::value_variants(),
        some => some,
    };
    let mut results: Vec<Comparison> = cases.iter().copied().map(Comparison::new).collect();
    for round in 0..options.rounds {
        for result in &mut results {
            bench.compare(&clients, round, result)?;
        }
        println!("round {} of {}", round + 1, options.rounds);
    }
    let peaks = Peaks::of(&bench.cluster)?;
    // The machine is theirs alone.
    drop(clients);
    bench.end();
    for peer in &options.peers.peers {
        let base = crate::base(&options.common)?;
        if let Err(error) = peers::measure(options, *peer, base.path(), &mut results) {
            println!("{} is left out: {error:#}", peer.name());
        }
    }
    print(options, &results, &peaks)?;
    let written = Written {
        bytes: options.size.0,
        streams: options.streams,
        rounds: options.rounds,
        bare_buffer_bytes: options.bare_buffer.0,
    };
    let report = Report {
        benchmark: "data",
        machine,
        options: written,
        results: Results {
            comparisons: results,
            peaks,
        },
    };
    report.write(options.common.json.as_deref())
}

/// What is written down.
#[derive(Debug, Serialize)]
struct Results {
    comparisons: Vec<Comparison>,
    peaks: Peaks,
}

/// The most memory that each kind of process had, all of the kind together.
#[derive(Debug, Serialize)]
struct Peaks {
    /// This one, which holds the payload besides.
    client_kib: u64,
    masters_kib: u64,
    datanodes_kib: u64,
}

impl Peaks {
    fn of(cluster: &Cluster) -> anyhow::Result<Self> {
        let (masters_kib, datanodes_kib) = cluster.peak_kib()?;
        Ok(Self {
            client_kib: process::own_peak_kib()?,
            masters_kib,
            datanodes_kib,
        })
    }
}

/// One that is given files of datanodes on its host, and one that is not.
struct Clients {
    near: System,
    far: System,
}

struct Bench {
    chain: Chain,
    source: Source,
    cluster: Cluster,
    payload: Vec<u8>,
    streams: usize,
}

impl Bench {
    /// Ends all that runs.
    fn end(self) {
        self.cluster.end();
    }

    /// Measures both sides of one case once.
    fn compare(&self, clients: &Clients, round: u32, result: &mut Comparison) -> anyhow::Result<()> {
        if !result.case.has_limit() {
            self.measure(clients, result.case, Who::System, &mut result.distrifs)?;
            return Ok(());
        }
        let order = if round.is_multiple_of(2) {
            [Who::Bare, Who::System]
        } else {
            [Who::System, Who::Bare]
        };
        let (mut bare, mut distrifs) = (0.0, 0.0);
        for who in order {
            match who {
                Who::Bare => bare = self.measure(clients, result.case, who, &mut result.bare)?,
                Who::System => distrifs = self.measure(clients, result.case, who, &mut result.distrifs)?,
            }
        }
        result.ratio.push(distrifs / bare);
        Ok(())
    }

    /// Does it once, notes what it took, and tidies up. Answers the rate.
    fn measure(&self, clients: &Clients, case: Case, who: Who, side: &mut Side) -> anyhow::Result<f64> {
        let system = match case.is_local() {
            true => &clients.near,
            false => &clients.far,
        };
        let dir = "/bench";
        if who == Who::System {
            system.mkdir(dir)?;
        }
        if (case.writes(), who) == (false, Who::System) {
            self.write(system, case, dir)?;
        }
        rustix::fs::sync();
        if case.is_cold() {
            self.cluster.uncache()?;
        }

        let servers_before = self.server_cpu(who, case)?;
        let client_before = process::own_cpu_seconds()?;
        let start = Instant::now();
        let moved = match (case, who) {
            (Case::ReadLocal, Who::Bare) => {
                self.source.read_file()?;
                self.payload.len()
            }
            (_, Who::Bare) if case.writes() => {
                self.chain.write(&self.payload, case.replication().into())?;
                self.payload.len()
            }
            (_, Who::Bare) => {
                self.source.read()?;
                self.payload.len()
            }
            (_, Who::System) if case.writes() => self.write(system, case, dir)?,
            (_, Who::System) => self.read(system, case, dir)?,
        };
        let elapsed = start.elapsed().as_secs_f64();
        let client = process::own_cpu_seconds()? - client_before;
        let servers = self.server_cpu(who, case)? - servers_before;

        let bytes = float(u64::try_from(moved)?);
        let rate = bytes / elapsed / 1e9;
        side.gigabytes_per_second.push(rate);
        side.client_cpu_seconds_per_gib.push(client / (bytes / GIB));
        side.server_cpu_seconds_per_gib.push(servers / (bytes / GIB));

        match who {
            Who::Bare => self.chain.clear()?,
            Who::System => {
                system.remove(dir)?;
                // Sidecars, identities and the like remain.
                self.cluster.settle(u64::try_from(self.payload.len())? / 16)?;
            }
        }
        Ok(rate)
    }

    /// What one stream of a case moves.
    fn share(&self, case: Case) -> &[u8] {
        let len = match case.has_many() {
            true => self.payload.len() / self.streams,
            false => self.payload.len(),
        };
        self.payload.get(..len).unwrap_or_default()
    }

    /// Stores the files of a case; says how many bytes they are.
    fn write(&self, system: &System, case: Case, dir: &str) -> anyhow::Result<usize> {
        let share = self.share(case);
        if case.has_many() {
            system.write_many(dir, self.streams, self.streams, share, case.replication())?;
            Ok(share.len() * self.streams)
        } else {
            system.write(&format!("{dir}/0"), share, case.replication())?;
            Ok(share.len())
        }
    }

    /// Reads them.
    fn read(&self, system: &System, case: Case, dir: &str) -> anyhow::Result<usize> {
        let len = self.share(case).len();
        if case.has_many() {
            system.read_many(dir, self.streams, self.streams, len)?;
            Ok(len * self.streams)
        } else {
            system.read(&format!("{dir}/0"), len)?;
            Ok(len)
        }
    }

    fn server_cpu(&self, who: Who, case: Case) -> anyhow::Result<f64> {
        match (who, case) {
            (Who::System, _) => self.cluster.cpu_seconds(),
            (Who::Bare, Case::ReadLocal) => Ok(0.0),
            (Who::Bare, Case::Read) => self.source.cpu_seconds(),
            (Who::Bare, _) => self.chain.cpu_seconds(),
        }
    }
}

impl Comparison {
    fn new(case: Case) -> Self {
        Self {
            case,
            bare: Side::default(),
            distrifs: Side::default(),
            peers: BTreeMap::new(),
            ratio: Samples::default(),
        }
    }
}

fn print(options: &Options, results: &[Comparison], peaks: &Peaks) -> anyhow::Result<()> {
    let heading = [
        "",
        "GB/s",
        "of the limit",
        "client CPU-s/GiB",
        "servers CPU-s/GiB",
    ];
    let mut rows = vec![heading.map(str::to_owned).to_vec()];
    for result in results {
        let row = |name: String, side: &Side, ratio: String| {
            vec![
                name,
                side.gigabytes_per_second.to_string(),
                ratio,
                side.client_cpu_seconds_per_gib.to_string(),
                side.server_cpu_seconds_per_gib.to_string(),
            ]
        };
        let name = result.case.name();
        if result.case.has_limit() {
            rows.push(row(format!("{name}: bare limit"), &result.bare, String::new()));
        }
        rows.push(row(
            format!("{name}: DistriFS"),
            &result.distrifs,
            if result.case.has_limit() {
                result.ratio.to_string()
            } else {
                String::new()
            },
        ));
        for (peer, side) in &result.peers {
            let times = result.distrifs.gigabytes_per_second.median() / side.gigabytes_per_second.median();
            rows.push(row(
                format!("{name}: {peer}"),
                side,
                format!("DistriFS is {times:.1} ×"),
            ));
        }
    }
    println!("\nmedian (min–max):");
    print_columns(&rows);
    println!(
        "\nmost memory: this process {} (the payload is {} of it), masters {}, datanodes {} together; many streams are {}",
        shown(peaks.client_kib * 1024),
        options.size,
        shown(peaks.masters_kib * 1024),
        shown(peaks.datanodes_kib * 1024),
        options.streams
    );
    println!(
        "\nbare write: {} pieces, each fsynced with its directory on every node of a chain of processes before its ack; \
         bare read: one TCP stream out of the page cache; bare local read: the file itself, out of the page cache",
        shown(64 << 20)
    );
    write_markdown(options.common.markdown.as_deref(), &rows)
}
