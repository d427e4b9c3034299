//! Small files per second. There is no limit to set it against; it is a figure to watch.

use clap::Args;
use serde::Serialize;
use types::ByteSize;

use crate::cluster::{self, Cluster, DATANODES};
use crate::machine::Machine;
use crate::report::{Report, print_columns};
use crate::samples::Samples;
use crate::system::System;
use crate::took::Took;
use crate::{Common, payload};

/// What `bench small` takes.
#[derive(Debug, Args)]
pub(crate) struct Options {
    #[command(flatten)]
    common: Common,
    /// How many files a round creates, and then reads.
    #[arg(long, default_value_t = 2000, value_name = "COUNT")]
    files: usize,
    /// How large each is.
    #[arg(long, default_value = "4KiB", value_name = "SIZE")]
    size: ByteSize,
    /// How many are in flight at once.
    #[arg(long, default_value_t = 32, value_name = "COUNT")]
    writers: usize,
    /// The replication factor.
    #[arg(long, default_value_t = 3, value_name = "COUNT")]
    replication: u16,
    /// How often everything is measured.
    #[arg(long, default_value_t = 3, value_name = "COUNT")]
    rounds: u32,
}

/// The options, as they are written down.
#[derive(Debug, Serialize)]
struct Written {
    files: usize,
    bytes: u64,
    writers: usize,
    replication: u16,
    rounds: u32,
}

/// The figures.
#[derive(Debug, Default, Serialize)]
struct Results {
    /// Created, written and closed (durable) per second.
    writes_per_second: Samples,
    /// Opened and read whole per second.
    reads_per_second: Samples,
    write_client_cpu_seconds_per_1000: Samples,
    write_server_cpu_seconds_per_1000: Samples,
    read_client_cpu_seconds_per_1000: Samples,
    read_server_cpu_seconds_per_1000: Samples,
}

/// Measures, prints, writes down.
pub(crate) fn run(options: &Options) -> anyhow::Result<()> {
    let binary = cluster::binary(options.common.distrifs.as_deref())?;
    let machine = Machine::this();
    println!("machine: {}", machine.line());
    println!(
        "{} files of {}, {} in flight, replication {}, {} rounds, {DATANODES} datanodes and the client on this machine",
        options.files, options.size, options.writers, options.replication, options.rounds
    );
    let base = crate::base(&options.common)?;
    let cluster = Cluster::start(&binary, base.path())?;
    let system = System::connect(cluster.master(), DATANODES)?;
    let payload = payload::incompressible(usize::try_from(options.size.0)?);

    let files = u64::try_from(options.files)?;
    let mut results = Results::default();
    for round in 0..options.rounds {
        let dir = format!("/small-{round}");
        system.mkdir(&dir)?;
        let (took, ()) = Took::of(
            || cluster.cpu_seconds(),
            || {
                system.write_many(
                    &dir,
                    options.files,
                    options.writers,
                    &payload,
                    options.replication,
                )
            },
        )?;
        results.writes_per_second.push(took.rate(files));
        results
            .write_client_cpu_seconds_per_1000
            .push(per_1000(took.client_micros(files)));
        results
            .write_server_cpu_seconds_per_1000
            .push(per_1000(took.server_micros(files)));
        let (took, ()) = Took::of(
            || cluster.cpu_seconds(),
            || system.read_many(&dir, options.files, options.writers, payload.len()),
        )?;
        results.reads_per_second.push(took.rate(files));
        results
            .read_client_cpu_seconds_per_1000
            .push(per_1000(took.client_micros(files)));
        results
            .read_server_cpu_seconds_per_1000
            .push(per_1000(took.server_micros(files)));
        println!("round {} of {}", round + 1, options.rounds);
    }
    print(&results);
    let written = Written {
        files: options.files,
        bytes: options.size.0,
        writers: options.writers,
        replication: options.replication,
        rounds: options.rounds,
    };
    let report = Report {
        benchmark: "small",
        machine,
        options: written,
        results,
    };
    report.write(options.common.json.as_deref())
}

/// CPU seconds for each thousand.
fn per_1000(micros: f64) -> f64 {
    micros / 1_000.0
}

fn print(results: &Results) {
    let heading = ["", "files/s", "client CPU-s/1000", "servers CPU-s/1000"];
    let row = |name: &str, rate: &Samples, client: &Samples, servers: &Samples| {
        vec![
            name.to_owned(),
            format!("{rate:.0}"),
            client.to_string(),
            servers.to_string(),
        ]
    };
    println!("\nmedian (min–max):");
    print_columns(&[
        heading.map(str::to_owned).to_vec(),
        row(
            "created, written, closed",
            &results.writes_per_second,
            &results.write_client_cpu_seconds_per_1000,
            &results.write_server_cpu_seconds_per_1000,
        ),
        row(
            "opened, read",
            &results.reads_per_second,
            &results.read_client_cpu_seconds_per_1000,
            &results.read_server_cpu_seconds_per_1000,
        ),
    ]);
}
