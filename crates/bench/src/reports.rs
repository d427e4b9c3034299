//! What it costs to compare what a storage has with what a master believes: by fingerprints, and by a full list.
//!
//! All in one thread, without a wire: what is measured is bytes, and the processor's time on either side, to make messages and
//! to take them. The datanode's index is an ordered map, as the chunk store's is. Three reports:
//!
//! - *list*: every replica in parts, taken by the master's map;
//! - *fingerprints*: 4,096 sums, which both sides keep up as replicas come and go, compared;
//! - *repair*: the same with some changes that the master has missed, and the list of the buckets that differ.
//!
//! And what keeping the sums up costs a change.

use std::collections::{BTreeMap, HashSet};
use std::time::Instant;

use anyhow::{Context as _, ensure};
use clap::Args;
use placement::{Buckets, ReplicaMap};
use prost::Message as _;
use proto::v1;
use serde::Serialize;
use types::fingerprint::{Fingerprint, bucket_of};
use types::{ByteSize, ChunkExtent, ChunkId, Generation, StorageId};

use crate::machine::Machine;
use crate::report::{Report, print_columns};
use crate::samples::Samples;
use crate::took::float;

/// Replicas in one part of a list, as datanodes send it.
const PART: usize = 10_000;

/// What `bench reports` takes.
#[derive(Debug, Args)]
pub(crate) struct Options {
    /// Replicas of the storage.
    #[arg(long, default_value_t = 1_000_000, value_name = "COUNT")]
    replicas: u64,
    /// Replicas that the master has missed, where it has.
    #[arg(long, default_value_t = 100, value_name = "COUNT")]
    missed: u64,
    /// Rounds.
    #[arg(long, default_value_t = 5, value_name = "COUNT")]
    rounds: u32,
    /// Also write everything that was measured to this file, as JSON.
    #[arg(long, value_name = "FILE")]
    json: Option<std::path::PathBuf>,
}

#[derive(Debug, Serialize)]
struct Written {
    replicas: u64,
    missed: u64,
    rounds: u32,
}

/// One kind of report.
#[derive(Debug, Default, Serialize)]
struct Cost {
    bytes: u64,
    datanode_ms: Samples,
    master_ms: Samples,
}

#[derive(Debug, Default, Serialize)]
struct Results {
    list: Cost,
    fingerprints: Cost,
    repair: Cost,
    /// Replicas that are listed to repair what was missed.
    relisted: u64,
    /// To keep the sums up, for a replica that comes or goes.
    change_ns: Samples,
}

/// Measures, prints, writes down.
pub(crate) fn run(options: &Options) -> anyhow::Result<()> {
    let machine = Machine::this();
    println!("machine: {}", machine.line());
    ensure!(
        (1..=options.replicas).contains(&options.missed),
        "between one and all of the replicas can be missed"
    );
    let mut results = Results::default();
    let mut sides = Sides::new(options.replicas)?;
    for _ in 0..options.rounds.max(1) {
        round(&mut sides, options, &mut results)?;
    }
    print(options, &results);
    let report = Report {
        benchmark: "reports",
        machine,
        options: Written {
            replicas: options.replicas,
            missed: options.missed,
            rounds: options.rounds,
        },
        results,
    };
    report.write(options.json.as_deref())
}

/// The datanode, and the master.
struct Sides {
    storage: StorageId,
    index: BTreeMap<ChunkId, (Generation, u64)>,
    sums: Fingerprint,
    map: ReplicaMap,
}

impl Sides {
    fn new(replicas: u64) -> anyhow::Result<Self> {
        let mut sides = Self {
            storage: StorageId::from_random_bytes([7; 16]),
            index: BTreeMap::new(),
            sums: Fingerprint::default(),
            map: ReplicaMap::new(),
        };
        for number in 1..=replicas {
            let extent = extent(number)?;
            sides.index.insert(extent.chunk, (extent.generation, extent.len));
            sides.sums.add(extent);
            sides.map.received(sides.storage, extent);
        }
        Ok(sides)
    }

    /// What the datanode lists of some buckets, or (none) of all: messages, and how many replicas.
    fn list(&self, buckets: Option<&HashSet<u32>>) -> (Vec<Vec<u8>>, u64) {
        let listed = buckets.map_or_else(Vec::new, |buckets| buckets.iter().copied().collect());
        let (mut messages, mut count) = (Vec::new(), 0);
        let new = || v1::BlockReportPart {
            datanode_id: vec![1; 16].into(),
            storage_id: self.storage.0.as_bytes().to_vec().into(),
            buckets: listed.clone(),
            ..Default::default()
        };
        let mut part = new();
        for (chunk, (generation, len)) in &self.index {
            let wanted = |buckets: &HashSet<u32>| {
                u32::try_from(bucket_of(*chunk)).is_ok_and(|bucket| buckets.contains(&bucket))
            };
            if !buckets.is_none_or(wanted) {
                continue;
            }
            part.chunks.push(chunk.as_u64());
            part.generations.push(generation.as_u64());
            part.lengths.push(*len);
            count += 1;
            if part.chunks.len() == PART {
                messages.push(std::mem::replace(&mut part, new()).encode_to_vec());
            }
        }
        part.last_of_storage = true;
        messages.push(part.encode_to_vec());
        (messages, count)
    }

    /// The master takes a list. How many replicas appeared or are gone.
    fn take(&mut self, messages: &[Vec<u8>], buckets: &Buckets) -> anyhow::Result<usize> {
        let mut report = placement::Report::new(self.storage, buckets.clone());
        let mut changed = 0;
        for message in messages {
            let part = v1::BlockReportPart::decode(message.as_slice())?;
            let entries = part.chunks.iter().zip(&part.generations).zip(&part.lengths);
            let listed = entries
                .map(|((&chunk, &generation), &len)| {
                    Ok(ChunkExtent {
                        chunk: ChunkId::new(chunk)?,
                        generation: Generation(generation),
                        len,
                    })
                })
                .collect::<Result<Vec<_>, types::ChunkIdError>>()?;
            changed += report.add(&mut self.map, &listed).appeared.len();
        }
        report.seal();
        loop {
            let (summary, done) = report.finish(&mut self.map, PART);
            changed += summary.gone.len();
            if done {
                return Ok(changed);
            }
        }
    }

    /// The datanode's message of sums.
    fn tell_sums(&self) -> Vec<u8> {
        let message = v1::FingerprintsRequest {
            datanode_id: vec![1; 16].into(),
            storages: vec![v1::StorageFingerprint {
                storage_id: self.storage.0.as_bytes().to_vec().into(),
                sums: self.sums.to_bytes().into(),
            }],
        };
        message.encode_to_vec()
    }

    /// The master compares them, and answers.
    fn compare(&self, message: &[u8]) -> anyhow::Result<Vec<u8>> {
        let request = v1::FingerprintsRequest::decode(message)?;
        let told = request.storages.first().context("no storage")?;
        let sums = Fingerprint::from_bytes(&told.sums).context("no sums")?;
        let buckets = self.map.differing(self.storage, &sums);
        let differing = (!buckets.is_empty()).then(|| v1::DifferingBuckets {
            storage_id: told.storage_id.clone(),
            buckets,
        });
        let answer = v1::FingerprintsResponse {
            term: 1,
            differing: differing.into_iter().collect(),
        };
        Ok(answer.encode_to_vec())
    }
}

fn round(sides: &mut Sides, options: &Options, results: &mut Results) -> anyhow::Result<()> {
    // A list of everything.
    let (made, (messages, _)) = timed(|| sides.list(None));
    let (taken, changed) = timed(|| sides.take(&messages, &Buckets::all()));
    ensure!(changed? == 0, "both sides know the same");
    let bytes = messages.iter().map(|message| message.len() as u64).sum();
    results.list.add(bytes, made, taken);

    // Sums, that agree.
    let (made, message) = timed(|| sides.tell_sums());
    let (taken, answer) = timed(|| sides.compare(&message));
    let answer = answer?;
    ensure!(
        v1::FingerprintsResponse::decode(answer.as_slice())?
            .differing
            .is_empty(),
        "both sides know the same"
    );
    let bytes = message.len() as u64 + answer.len() as u64;
    results.fingerprints.add(bytes, made, taken);

    // Sums that do not, and what follows.
    for number in 0..options.missed {
        let chunk = extent(1 + number * (options.replicas / options.missed))?.chunk;
        ensure!(sides.map.deleted(sides.storage, chunk), "it was known");
    }
    let (told, message) = timed(|| sides.tell_sums());
    let (compared, answer) = timed(|| sides.compare(&message));
    let answer = answer?;
    let (listed, (messages, buckets, relisted)) = {
        let (seconds, done) = timed(|| {
            let response = v1::FingerprintsResponse::decode(answer.as_slice())?;
            let differing = response.differing.into_iter().next().context("they differ")?;
            let buckets: HashSet<u32> = differing.buckets.iter().copied().collect();
            let (messages, relisted) = sides.list(Some(&buckets));
            Ok::<_, anyhow::Error>((messages, differing.buckets, relisted))
        });
        (seconds, done?)
    };
    let (taken, changed) = timed(|| sides.take(&messages, &Buckets::of(&buckets)));
    let changed = changed?;
    ensure!(
        changed as u64 == options.missed,
        "{changed} of {} that were missed are known again",
        options.missed
    );
    let bytes = [&message, &answer]
        .into_iter()
        .chain(&messages)
        .map(|message| message.len() as u64)
        .sum();
    results.repair.add(bytes, told + listed, compared + taken);
    results.relisted = relisted;

    // Every replica goes and comes once.
    let extents: Vec<_> = sides
        .index
        .iter()
        .map(|(&chunk, &(generation, len))| ChunkExtent {
            chunk,
            generation,
            len,
        })
        .collect();
    let (seconds, ()) = timed(|| {
        for &extent in &extents {
            sides.sums.remove(extent);
        }
        for &extent in &extents {
            sides.sums.add(extent);
        }
    });
    results
        .change_ns
        .push(seconds * 1e9 / (2.0 * float(options.replicas)));
    Ok(())
}

impl Cost {
    fn add(&mut self, bytes: u64, datanode: f64, master: f64) {
        self.bytes = bytes;
        self.datanode_ms.push(datanode * 1e3);
        self.master_ms.push(master * 1e3);
    }

    fn row(&self, what: &str, list: &Self) -> Vec<String> {
        let total = |cost: &Self| cost.datanode_ms.median() + cost.master_ms.median();
        vec![
            what.to_owned(),
            ByteSize(self.bytes).to_string(),
            format!("{:.2}", self.datanode_ms),
            format!("{:.2}", self.master_ms),
            format!("{:.4}", float(self.bytes) / float(list.bytes)),
            format!("{:.4}", total(self) / total(list)),
        ]
    }
}

fn print(options: &Options, results: &Results) {
    println!(
        "one storage with {} replicas; {} missed where some were ({} listed again)\n",
        options.replicas, options.missed, results.relisted
    );
    let head = [
        "report",
        "bytes",
        "datanode ms",
        "master ms",
        "bytes / list",
        "CPU / list",
    ];
    let rows = [
        head.map(str::to_owned).to_vec(),
        results.list.row("full list", &results.list),
        results.fingerprints.row("fingerprints, equal", &results.list),
        results
            .repair
            .row("fingerprints, and what differs", &results.list),
    ];
    print_columns(&rows);
    println!(
        "\nto keep the sums up: {:.1} ns a change, on either side",
        results.change_ns
    );
}

fn extent(number: u64) -> anyhow::Result<ChunkExtent> {
    Ok(ChunkExtent {
        chunk: ChunkId::new(number)?,
        generation: Generation(1 + number % 3),
        len: 64 << 20,
    })
}

fn timed<T>(work: impl FnOnce() -> T) -> (f64, T) {
    let begun = Instant::now();
    let done = work();
    (begun.elapsed().as_secs_f64(), done)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_round_finds_what_was_missed_and_costs_less_than_a_list() {
        let options = Options {
            replicas: 20_000,
            missed: 3,
            rounds: 1,
            json: None,
        };
        let mut results = Results::default();
        let mut sides = Sides::new(options.replicas).unwrap();
        for _ in 0..2 {
            round(&mut sides, &options, &mut results).unwrap();
        }
        assert!(results.fingerprints.bytes > 64 << 10);
        assert!(results.list.bytes > 20_000 * 6);
        assert!(results.relisted >= 3 && results.relisted < 100);
    }
}
