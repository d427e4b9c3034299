//! One stream in, one stream out, beside the bare limits.
//!
//! Every round measures each pair (DistriFS and its limit) back to back; which of the two goes first alternates from
//! round to round, so that neither always finds the colder disk. A ratio is that of one round's pair.

use std::time::Instant;

use clap::Args;
use serde::Serialize;
use types::ByteSize;

use crate::bare::{Chain, Source};
use crate::cluster::{self, Cluster, DATANODES};
use crate::machine::Machine;
use crate::report::{Report, print_columns};
use crate::samples::Samples;
use crate::system::System;
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
    /// How often everything is measured.
    #[arg(long, default_value_t = 5, value_name = "COUNT")]
    rounds: u32,
    /// How much a process of the bare write moves at once. More is not faster where three of them share two cores: 1 MiB
    /// takes two thirds more CPU time than 256 KiB, because a buffer has left the cache before its next use.
    #[arg(long, default_value = "256KiB", value_name = "SIZE")]
    bare_buffer: ByteSize,
}

/// The options, as they are written down.
#[derive(Debug, Serialize)]
struct Written {
    bytes: u64,
    rounds: u32,
    bare_buffer_bytes: u64,
}

/// What is compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
enum Case {
    WriteReplication1,
    WriteReplication3,
    Read,
}

/// Who does it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Who {
    Bare,
    System,
}

/// The figures of one side.
#[derive(Debug, Default, Serialize)]
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
    /// DistriFS's rate by the limit's, of the same round.
    ratio: Samples,
}

impl Case {
    const ALL: [Self; 3] = [Self::WriteReplication1, Self::WriteReplication3, Self::Read];

    const fn name(self) -> &'static str {
        match self {
            Self::WriteReplication1 => "write, replication 1",
            Self::WriteReplication3 => "write, replication 3",
            Self::Read => "read",
        }
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
    };
    let system = System::connect(bench.cluster.master(), DATANODES)?;

    let mut results: Vec<Comparison> = Case::ALL.into_iter().map(Comparison::new).collect();
    for round in 0..options.rounds {
        for result in &mut results {
            bench.compare(&system, round, result)?;
        }
        println!("round {} of {}", round + 1, options.rounds);
    }
    print(&results);
    let written = Written {
        bytes: options.size.0,
        rounds: options.rounds,
        bare_buffer_bytes: options.bare_buffer.0,
    };
    let report = Report {
        benchmark: "data",
        machine,
        options: written,
        results,
    };
    report.write(options.common.json.as_deref())
}

struct Bench {
    chain: Chain,
    source: Source,
    cluster: Cluster,
    payload: Vec<u8>,
}

impl Bench {
    /// Measures both sides of one case once.
    fn compare(&self, system: &System, round: u32, result: &mut Comparison) -> anyhow::Result<()> {
        let order = if round.is_multiple_of(2) {
            [Who::Bare, Who::System]
        } else {
            [Who::System, Who::Bare]
        };
        let (mut bare, mut distrifs) = (0.0, 0.0);
        for who in order {
            match who {
                Who::Bare => bare = self.measure(system, result.case, who, &mut result.bare)?,
                Who::System => distrifs = self.measure(system, result.case, who, &mut result.distrifs)?,
            }
        }
        result.ratio.push(distrifs / bare);
        Ok(())
    }

    /// Does it once, notes what it took, and tidies up. Answers the rate.
    fn measure(&self, system: &System, case: Case, who: Who, side: &mut Side) -> anyhow::Result<f64> {
        let path = "/bench";
        if (case, who) == (Case::Read, Who::System) {
            system.write(path, &self.payload, 3)?;
        }
        rustix::fs::sync();

        let servers_before = self.server_cpu(who, case)?;
        let client_before = process::own_cpu_seconds()?;
        let start = Instant::now();
        match (case, who) {
            (Case::WriteReplication1, Who::Bare) => self.chain.write(&self.payload, 1)?,
            (Case::WriteReplication3, Who::Bare) => self.chain.write(&self.payload, 3)?,
            (Case::Read, Who::Bare) => self.source.read()?,
            (Case::WriteReplication1, Who::System) => system.write(path, &self.payload, 1)?,
            (Case::WriteReplication3, Who::System) => system.write(path, &self.payload, 3)?,
            (Case::Read, Who::System) => system.read(path, self.payload.len())?,
        }
        let elapsed = start.elapsed().as_secs_f64();
        let client = process::own_cpu_seconds()? - client_before;
        let servers = self.server_cpu(who, case)? - servers_before;

        #[expect(clippy::cast_precision_loss, reason = "far below 2^52 bytes")]
        let bytes = self.payload.len() as f64;
        let rate = bytes / elapsed / 1e9;
        side.gigabytes_per_second.push(rate);
        side.client_cpu_seconds_per_gib.push(client / (bytes / GIB));
        side.server_cpu_seconds_per_gib.push(servers / (bytes / GIB));

        match who {
            Who::Bare => self.chain.clear()?,
            Who::System => {
                system.remove(path)?;
                // Sidecars, identities and the like remain.
                self.cluster.settle(u64::try_from(self.payload.len())? / 16)?;
            }
        }
        Ok(rate)
    }

    fn server_cpu(&self, who: Who, case: Case) -> anyhow::Result<f64> {
        match (who, case) {
            (Who::System, _) => self.cluster.cpu_seconds(),
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
            ratio: Samples::default(),
        }
    }
}

fn print(results: &[Comparison]) {
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
        rows.push(row(format!("{name}: bare limit"), &result.bare, String::new()));
        rows.push(row(
            format!("{name}: DistriFS"),
            &result.distrifs,
            result.ratio.to_string(),
        ));
    }
    println!("\nmedian (min–max):");
    print_columns(&rows);
    println!(
        "\nbare write: {} pieces, each fsynced with its directory on every node of a chain of processes before its ack; \
         bare read: one TCP stream out of the page cache",
        shown(64 << 20)
    );
}
