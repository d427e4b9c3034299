//! Small files per second, beside the bare limit: a program that stores as many copies of each as files of its own, each synced with
//! its directory, without a network, names, or checksums.

use std::fs::{self, File};
use std::io::{Read as _, Write as _};
use std::path::{Path, PathBuf};

use anyhow::ensure;
use clap::Args;
use serde::Serialize;
use types::ByteSize;

use crate::cluster::{self, Cluster, DATANODES};
use crate::machine::Machine;
use crate::peers::{Deed, Load, PeerOptions, Running, in_threads};
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
    #[command(flatten)]
    peers: PeerOptions,
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

/// The figures of one system and one size.
#[derive(Debug, Serialize)]
struct Results {
    system: &'static str,
    bytes: u64,
    /// Created, written and closed.
    write: Side,
    /// Opened and read whole.
    read: Side,
    /// Removed one by one.
    removal: Side,
}

#[derive(Debug, Default, Serialize)]
struct Side {
    files_per_second: Samples,
    client_cpu_seconds_per_1000: Samples,
    server_cpu_seconds_per_1000: Samples,
}

/// The bare limit, and ourselves, as they are called.
const BARE: &str = "bare limit";
const DISTRIFS: &str = "DistriFS";

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
    let mut results = Vec::new();
    {
        let base = crate::base(&options.common)?;
        let bare = Bare(base.path().join("bare"));
        let cluster = Cluster::start(&binary, base.path())?;
        let system = match options.remote {
            true => System::remote(cluster.master(), DATANODES)?,
            false => System::connect(cluster.master(), DATANODES)?,
        };
        for size in &options.size {
            results.push(measure(options, BARE, *size, |deed, load, payload| {
                Took::of(|| Ok(0.0), || bare.does(deed, load, payload)).map(|(took, ())| took)
            })?);
            results.push(measure(options, DISTRIFS, *size, |deed, load, payload| {
                let servers = || cluster.cpu_seconds();
                let (dir, files, at_a_time) = (load.dir, load.files, load.at_a_time);
                if deed == Deed::Write {
                    system.mkdir(dir)?;
                }
                let took = match deed {
                    Deed::Write => Took::of(servers, || {
                        system.write_many(dir, files, at_a_time, payload, load.replication)
                    }),
                    Deed::Read => Took::of(servers, || system.read_many(dir, files, at_a_time, load.bytes)),
                    Deed::Remove => Took::of(servers, || system.remove_many(dir, files, at_a_time)),
                };
                Ok(took?.0)
            })?);
        }
        drop(system);
        cluster.end();
    }
    for peer in &options.peers.peers {
        let base = crate::base(&options.common)?;
        let mut running = match Running::start(*peer, &options.peers.peer_scripts, base.path()) {
            Ok(running) => running,
            Err(error) => {
                println!("{} is left out: {error:#}", peer.name());
                continue;
            }
        };
        for size in &options.size {
            results.push(measure(options, peer.name(), *size, |deed, load, _| {
                running.took(deed, load)
            })?);
        }
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

/// All rounds of one system with files of one size.
fn measure(
    options: &Options,
    system: &'static str,
    size: ByteSize,
    mut does: impl FnMut(Deed, &Load<'_>, &[u8]) -> anyhow::Result<Took>,
) -> anyhow::Result<Results> {
    let payload = payload::incompressible(usize::try_from(size.0)?);
    let files = u64::try_from(options.files)?;
    let mut results = Results {
        system,
        bytes: size.0,
        write: Side::default(),
        read: Side::default(),
        removal: Side::default(),
    };
    for round in 0..options.rounds {
        let load = Load {
            dir: &format!("/small-{}-{round}", size.0),
            files: options.files,
            at_a_time: options.writers,
            bytes: payload.len(),
            replication: options.replication,
        };
        rustix::fs::sync();
        for (deed, side) in [
            (Deed::Write, &mut results.write),
            (Deed::Read, &mut results.read),
            (Deed::Remove, &mut results.removal),
        ] {
            let took = does(deed, &load, &payload)?;
            side.files_per_second.push(took.rate(files));
            side.client_cpu_seconds_per_1000
                .push(took.client_micros(files) / 1_000.0);
            side.server_cpu_seconds_per_1000
                .push(took.server_micros(files) / 1_000.0);
        }
        println!("{system}, {size}: round {} of {}", round + 1, options.rounds);
    }
    Ok(results)
}

/// Files of its own below a directory, one for each copy, in a directory for each.
struct Bare(PathBuf);

impl Bare {
    fn does(&self, deed: Deed, load: &Load<'_>, payload: &[u8]) -> anyhow::Result<()> {
        let base = self.0.join(load.dir.trim_start_matches('/'));
        let copies: Vec<_> = (0..load.replication.max(1))
            .map(|copy| base.join(copy.to_string()))
            .collect();
        if deed == Deed::Write {
            copies.iter().try_for_each(fs::create_dir_all)?;
        }
        in_threads(load.files, load.at_a_time, |number| {
            let name = number.to_string();
            match deed {
                Deed::Write => copies.iter().try_for_each(|dir| Self::store(dir, &name, payload)),
                Deed::Read => Self::read(copies.first(), &name, payload.len()),
                Deed::Remove => Ok(copies
                    .iter()
                    .try_for_each(|dir| fs::remove_file(dir.join(&name)))?),
            }
        })?;
        Ok(())
    }

    fn store(dir: &Path, name: &str, payload: &[u8]) -> anyhow::Result<()> {
        let mut file = File::create(dir.join(name))?;
        file.write_all(payload)?;
        file.sync_data()?;
        Ok(File::open(dir)?.sync_all()?)
    }

    fn read(dir: Option<&PathBuf>, name: &str, len: usize) -> anyhow::Result<()> {
        let mut bytes = Vec::with_capacity(len);
        if let Some(dir) = dir {
            File::open(dir.join(name))?.read_to_end(&mut bytes)?;
        }
        ensure!(
            bytes.len() == len,
            "{} of {len} bytes came of {name}",
            bytes.len()
        );
        Ok(())
    }
}

fn print(options: &Options, results: &[Results]) -> anyhow::Result<()> {
    let heading = [
        "",
        "files/s",
        "DistriFS is",
        "client CPU-s/1000",
        "servers CPU-s/1000",
    ];
    let mut rows = vec![heading.map(str::to_owned).to_vec()];
    for size in &options.size {
        let of_size = || results.iter().filter(|result| result.bytes == size.0);
        for (what, side) in [
            (
                "created, written, closed",
                (|of| &of.write) as fn(&Results) -> &Side,
            ),
            ("opened, read", |of| &of.read),
            ("removed", |of| &of.removal),
        ] {
            let ours = of_size().find(|result| result.system == DISTRIFS);
            let ours = ours.map_or(0.0, |ours| side(ours).files_per_second.median());
            for result in of_size() {
                let figures = side(result);
                let times = ours / figures.files_per_second.median();
                rows.push(vec![
                    format!("{size} {what}: {}", result.system),
                    format!("{:.0}", figures.files_per_second),
                    match result.system {
                        DISTRIFS => String::new(),
                        _ => format!("{times:.2} ×"),
                    },
                    figures.client_cpu_seconds_per_1000.to_string(),
                    figures.server_cpu_seconds_per_1000.to_string(),
                ]);
            }
        }
    }
    println!("\nmedian (min–max):");
    print_columns(&rows);
    println!(
        "\n{BARE}: {} files for each, synced one by one with their directories, by {} threads; read from one of them, out of the page cache",
        options.replication, options.writers
    );
    write_markdown(options.common.markdown.as_deref(), &rows)
}
