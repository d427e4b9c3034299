//! Small files per second. There is no limit to set it against; it is a figure to watch.

use clap::Args;
use serde::Serialize;
use types::ByteSize;

use crate::cluster::{self, Cluster, DATANODES};
use crate::machine::Machine;
use crate::report::{Report, print_columns, write_markdown};
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
    /// How large each is; several sizes are measured one after the other.
    #[arg(long, default_value = "4KiB", value_name = "SIZE", value_delimiter = ',')]
    size: Vec<ByteSize>,
    /// Reads over the network what could be read from files of datanodes on this host.
    #[arg(long)]
    remote: bool,
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
    writers: usize,
    replication: u16,
    rounds: u32,
    remote: bool,
}

/// The figures of one size.
#[derive(Debug, Default, Serialize)]
struct Results {
    bytes: u64,
    /// Created, written and closed (durable) per second.
    writes_per_second: Samples,
    /// Opened and read whole per second.
    reads_per_second: Samples,
    /// Removed one by one per second.
    removals_per_second: Samples,
    write_client_cpu_seconds_per_1000: Samples,
    write_server_cpu_seconds_per_1000: Samples,
    read_client_cpu_seconds_per_1000: Samples,
    read_server_cpu_seconds_per_1000: Samples,
    removal_client_cpu_seconds_per_1000: Samples,
    removal_server_cpu_seconds_per_1000: Samples,
}

/// Measures, prints, writes down.
pub(crate) fn run(options: &Options) -> anyhow::Result<()> {
    let binary = cluster::binary(options.common.distrifs.as_deref())?;
    let machine = Machine::this();
    println!("machine: {}", machine.line());
    let sizes: Vec<_> = options.size.iter().map(ToString::to_string).collect();
    println!(
        "{} files of {}, {} in flight, replication {}, {} rounds, {DATANODES} datanodes and the client on this machine",
        options.files,
        sizes.join(" and of "),
        options.writers,
        options.replication,
        options.rounds
    );
    let base = crate::base(&options.common)?;
    let cluster = Cluster::start(&binary, base.path())?;
    let system = match options.remote {
        true => System::remote(cluster.master(), DATANODES)?,
        false => System::connect(cluster.master(), DATANODES)?,
    };
    let mut results = Vec::new();
    for size in &options.size {
        results.push(measure(options, &cluster, &system, *size)?);
    }
    print(options, &results)?;
    let written = Written {
        files: options.files,
        writers: options.writers,
        replication: options.replication,
        rounds: options.rounds,
        remote: options.remote,
    };
    let report = Report {
        benchmark: "small",
        machine,
        options: written,
        results,
    };
    report.write(options.common.json.as_deref())
}

/// All rounds with files of one size.
fn measure(options: &Options, cluster: &Cluster, system: &System, size: ByteSize) -> anyhow::Result<Results> {
    let payload = payload::incompressible(usize::try_from(size.0)?);
    let files = u64::try_from(options.files)?;
    let mut results = Results {
        bytes: size.0,
        ..Results::default()
    };
    let servers = || cluster.cpu_seconds();
    for round in 0..options.rounds {
        let dir = format!("/small-{}-{round}", size.0);
        system.mkdir(&dir)?;
        let (took, ()) = Took::of(servers, || {
            system.write_many(
                &dir,
                options.files,
                options.writers,
                &payload,
                options.replication,
            )
        })?;
        results.writes_per_second.push(took.rate(files));
        results
            .write_client_cpu_seconds_per_1000
            .push(per_1000(took.client_micros(files)));
        results
            .write_server_cpu_seconds_per_1000
            .push(per_1000(took.server_micros(files)));
        let (took, ()) = Took::of(servers, || {
            system.read_many(&dir, options.files, options.writers, payload.len())
        })?;
        results.reads_per_second.push(took.rate(files));
        results
            .read_client_cpu_seconds_per_1000
            .push(per_1000(took.client_micros(files)));
        results
            .read_server_cpu_seconds_per_1000
            .push(per_1000(took.server_micros(files)));
        let (took, ()) = Took::of(servers, || {
            system.remove_many(&dir, options.files, options.writers)
        })?;
        results.removals_per_second.push(took.rate(files));
        results
            .removal_client_cpu_seconds_per_1000
            .push(per_1000(took.client_micros(files)));
        results
            .removal_server_cpu_seconds_per_1000
            .push(per_1000(took.server_micros(files)));
        println!("{size}: round {} of {}", round + 1, options.rounds);
    }
    Ok(results)
}

/// CPU seconds for each thousand.
fn per_1000(micros: f64) -> f64 {
    micros / 1_000.0
}

fn print(options: &Options, results: &[Results]) -> anyhow::Result<()> {
    let heading = ["", "files/s", "client CPU-s/1000", "servers CPU-s/1000"];
    let mut rows = vec![heading.map(str::to_owned).to_vec()];
    for result in results {
        let mut row = |what: &str, rate: &Samples, client: &Samples, servers: &Samples| {
            rows.push(vec![
                format!("{} {what}", ByteSize(result.bytes)),
                format!("{rate:.0}"),
                client.to_string(),
                servers.to_string(),
            ]);
        };
        row(
            "created, written, closed",
            &result.writes_per_second,
            &result.write_client_cpu_seconds_per_1000,
            &result.write_server_cpu_seconds_per_1000,
        );
        row(
            "opened, read",
            &result.reads_per_second,
            &result.read_client_cpu_seconds_per_1000,
            &result.read_server_cpu_seconds_per_1000,
        );
        row(
            "removed",
            &result.removals_per_second,
            &result.removal_client_cpu_seconds_per_1000,
            &result.removal_server_cpu_seconds_per_1000,
        );
    }
    println!("\nmedian (min–max):");
    print_columns(&rows);
    write_markdown(options.common.markdown.as_deref(), &rows)
}
