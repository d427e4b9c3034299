//! How many proposals a second a group of one makes durable, by the number of callers.
//!
//! `cargo run --release -p consensus --example propose_rate [DIRECTORY] [SECONDS]`
//!
//! The directory decides which disk is measured; the working directory by default. Each caller proposes commands of 128
//! bytes, one after the other. Beside the rates, what the disk gives: syncs of 4 KiB writes to a preallocated file.

use std::io;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use consensus::{Group, Image, LogCommand, RestoreError, Settings, StateMachine};
use env::Env;
use env::disk::Open;

struct Bytes([u8; 128]);

impl LogCommand for Bytes {
    type DecodeError = std::array::TryFromSliceError;

    fn op_code(&self) -> u8 {
        1
    }

    fn encode(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.0);
    }

    fn decode(_op: u8, payload: &[u8]) -> Result<Self, Self::DecodeError> {
        payload.try_into().map(Self)
    }
}

#[derive(Default)]
struct Counter(AtomicU64);

impl StateMachine for Counter {
    type Command = Bytes;
    type Outcome = u64;

    type Image = Saved;

    fn apply_batch(&self, _first_index: u64, commands: Vec<Bytes>, _awaited: bool) -> Vec<u64> {
        commands
            .iter()
            .map(|_| self.0.fetch_add(1, Ordering::Relaxed) + 1)
            .collect()
    }

    fn image(&self) -> Saved {
        Saved(self.0.load(Ordering::Relaxed))
    }

    fn restore(&self, input: &mut dyn io::Read) -> Result<(), RestoreError> {
        let mut bytes = [0; 8];
        input.read_exact(&mut bytes)?;
        self.0.store(u64::from_le_bytes(bytes), Ordering::Relaxed);
        Ok(())
    }
}

struct Saved(u64);

impl Image for Saved {
    fn save(&self, out: &mut dyn io::Write) -> io::Result<()> {
        out.write_all(&self.0.to_le_bytes())
    }
}

type Failed = Box<dyn std::error::Error + Send + Sync>;

#[tokio::main]
async fn main() -> Result<(), Failed> {
    let mut arguments = std::env::args().skip(1);
    let parent = arguments.next().unwrap_or_else(|| ".".to_owned());
    let seconds = arguments.next().map_or(Ok(2), |text| text.parse())?;
    let directory = tempfile::tempdir_in(parent)?;
    let env = Env::real();
    println!(
        "bare syncs of 4 KiB: {:.0}/s",
        bare_syncs(&env, directory.path())?
    );
    for callers in [1, 8, 64, 256] {
        let path = directory.path().join(callers.to_string());
        let (rate, p50, p99) = measure(&env, &path, callers, Duration::from_secs(seconds)).await?;
        println!("{callers:4} callers: {rate:8.0} proposals/s   p50 {p50:?}   p99 {p99:?}");
    }
    Ok(())
}

fn bare_syncs(env: &Env, directory: &Path) -> Result<f64, Failed> {
    let file = env.disk.open(&directory.join("bare"), Open::CreateNew)?;
    file.write_all_at(&vec![0; 16 << 20], 0)?;
    file.sync_data()?;
    let start = Instant::now();
    let mut syncs = 0_u32;
    while start.elapsed() < Duration::from_secs(1) {
        file.write_all_at(&[1; 4096], u64::from(syncs % 4096) * 4096)?;
        file.sync_data()?;
        syncs += 1;
    }
    Ok(f64::from(syncs) / start.elapsed().as_secs_f64())
}

async fn measure(
    env: &Env,
    path: &Path,
    callers: u32,
    time: Duration,
) -> Result<(f64, Duration, Duration), Failed> {
    let group = Arc::new(Group::open(env, path, Arc::new(Counter::default()), Settings::default()).await?);
    let start = Instant::now();
    let tasks: Vec<_> = (0..callers)
        .map(|_| {
            let group = Arc::clone(&group);
            tokio::spawn(async move {
                let mut latencies = Vec::new();
                while start.elapsed() < time {
                    let asked = Instant::now();
                    group.propose(Bytes([7; 128])).await?;
                    latencies.push(asked.elapsed());
                }
                Ok::<_, Failed>(latencies)
            })
        })
        .collect();
    let mut latencies = Vec::new();
    for task in tasks {
        latencies.extend(task.await??);
    }
    let elapsed = start.elapsed().as_secs_f64();
    group.close().await;
    latencies.sort();
    let at = |share: usize| {
        latencies
            .get(latencies.len() * share / 100)
            .copied()
            .unwrap_or_default()
    };
    let rate = f64::from(u32::try_from(latencies.len())?) / elapsed;
    Ok((rate, at(50), at(99)))
}
