//! How fast checkpoints are written and read here, and what others feel of it:
//!
//! `cargo run --release -p checkpoint --example speed -- [DIRECTORY [MEBIBYTES [MEBIBYTES PER SECOND]]]`
//!
//! While one is written at its pace, two threads do what a master does for its requests: one works for 50 µs every
//! millisecond, one appends to a file and syncs it every two milliseconds. How late they are is printed beside how late they
//! are when nothing is written.
#![expect(clippy::unwrap_used, reason = "an example stops at the first failure")]

use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use checkpoint::{Header, Pace, newest, write};
use env::disk::{Disk, Open, RealDisk};
use types::{Term, UnixMillis};

fn main() {
    let mut args = std::env::args().skip(1);
    let directory = args.next().map_or_else(std::env::temp_dir, PathBuf::from);
    let mut number = |default: u64| args.next().map_or(default, |text| text.parse().unwrap());
    let (mebibytes, rate) = (number(600), number(64));
    let directory = directory.join(format!("checkpoint-speed.{}", std::process::id()));
    let disk: Arc<dyn Disk> = Arc::new(RealDisk);
    disk.create_dir_all(&directory).unwrap();
    run(&disk, &directory, mebibytes, rate);
    std::fs::remove_dir_all(&directory).unwrap();
}

fn run(disk: &Arc<dyn Disk>, directory: &Path, mebibytes: u64, rate: u64) {
    let bytes = mebibytes << 20;
    let seconds = |since: Instant| since.elapsed().as_secs_f64();
    let speed = |seconds: f64| mebibytes as f64 / seconds;

    let started = Instant::now();
    save(disk, directory, 1, bytes, Pace::FULL);
    let took = seconds(started);
    println!(
        "written as fast as it goes: {mebibytes} MiB in {took:.2} s, {:.0} MiB/s",
        speed(took)
    );

    for what in ["read, checked", "read again"] {
        let started = Instant::now();
        let found = newest(&**disk, directory).unwrap().unwrap();
        let took = seconds(started);
        println!(
            "{what}: {took:.2} s, {:.0} MiB/s ({} blocks)",
            speed(took),
            found.totals().blocks
        );
    }
    let started = Instant::now();
    let mut reader = newest_unchecked(disk, directory).open();
    let (mut sum, mut piece) = (0_u64, vec![0; 64 << 10]);
    loop {
        match reader.read(&mut piece).unwrap() {
            0 => break,
            read => sum += piece.iter().take(read).map(|byte| u64::from(*byte)).sum::<u64>(),
        }
    }
    let took = seconds(started);
    println!(
        "read by who adds up its bytes: {took:.2} s, {:.0} MiB/s (sum {sum})",
        speed(took)
    );

    let alone = beside(disk, directory, || thread::sleep(Duration::from_secs(5)));
    println!("late without a checkpoint:    {alone}");
    let mut took = 0.0;
    let paced = beside(disk, directory, || {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let (disk, directory) = (Arc::clone(disk), directory.to_owned());
        let started = Instant::now();
        runtime.block_on(env::background("checkpoint", move || {
            save(&disk, &directory, 2, bytes, Pace::at(rate << 20));
        }));
        took = seconds(started);
    });
    println!("late beside one at {rate} MiB/s: {paced}");
    println!("  it took {took:.1} s, {:.0} MiB/s", speed(took));
}

fn newest_unchecked(disk: &Arc<dyn Disk>, directory: &Path) -> checkpoint::Checkpoint {
    let kept = checkpoint::kept(&**disk, directory).unwrap();
    kept.whole.into_iter().next().unwrap()
}

/// Something that is made while it is written, 1,000 bytes at a time, as a page of records is.
fn save(disk: &Arc<dyn Disk>, directory: &Path, index: u64, bytes: u64, pace: Pace) {
    let header = Header {
        term: Term(1),
        index,
        written: UnixMillis(0),
        membership: Vec::new(),
    };
    let mut page = [0_u8; 1000];
    write(disk, directory, &header, pace, |out| {
        let mut number = 0_u64;
        let mut left = bytes;
        while left > 0 {
            for place in page.chunks_mut(8) {
                number = number.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                place.copy_from_slice(&number.to_le_bytes());
            }
            let length = usize::try_from(left).unwrap_or(usize::MAX).min(page.len());
            out.write_all(page.split_at(length).0)?;
            left -= length as u64;
        }
        Ok(())
    })
    .unwrap();
}

/// How late things were: the middle, one in a hundred, one in a thousand, the worst.
struct Late {
    work: Vec<Duration>,
    sync: Vec<Duration>,
}

impl std::fmt::Display for Late {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let part = |all: &[Duration]| {
            let mut all = all.to_vec();
            all.sort();
            let at = |permille: usize| {
                let last = all.len().saturating_sub(1);
                let found = all.get((all.len() * permille / 1000).min(last));
                found.copied().unwrap_or_default().as_secs_f64() * 1e3
            };
            format!(
                "p50 {:.2}, p99 {:.2}, p99.9 {:.2}, max {:.2} ms",
                at(500),
                at(990),
                at(999),
                at(1000)
            )
        };
        write!(f, "work {}; sync {}", part(&self.work), part(&self.sync))
    }
}

/// Measures while `f` runs.
fn beside(disk: &Arc<dyn Disk>, directory: &Path, f: impl FnOnce()) -> Late {
    let stop = AtomicBool::new(false);
    thread::scope(|scope| {
        let work = scope.spawn(|| {
            let mut late = Vec::new();
            while !stop.load(Ordering::Relaxed) {
                let due = Instant::now() + Duration::from_millis(1);
                thread::sleep(Duration::from_millis(1));
                let until = due + Duration::from_micros(50);
                while Instant::now() < until {
                    std::hint::spin_loop();
                }
                late.push(until.elapsed());
            }
            late
        });
        let sync = scope.spawn(|| {
            let file = disk.open(&directory.join("log"), Open::CreateTruncate).unwrap();
            let (mut late, mut end) = (Vec::new(), 0);
            while !stop.load(Ordering::Relaxed) {
                thread::sleep(Duration::from_millis(2));
                let started = Instant::now();
                file.write_all_at(&[1; 200], end).unwrap();
                file.sync_data().unwrap();
                end += 200;
                late.push(started.elapsed());
            }
            late
        });
        f();
        stop.store(true, Ordering::Relaxed);
        Late {
            work: work.join().unwrap(),
            sync: sync.join().unwrap(),
        }
    })
}
