//! A run, from the first process to the last comparison.

use std::fs::File;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use env::Env;
use tokio::sync::watch;
use tokio::task::JoinSet;

use crate::cluster::{Cluster, Means};
use crate::faults::Tormentor;
use crate::field::{Field, World};
use crate::live::Live;
use crate::options::{Options, Profile};
use crate::report::{FindingKind, Report};
use crate::tally::millis;
use crate::watch::Watch;
use crate::{Error, Result, clients, finish};

/// How long the cluster may take to be whole at first.
const UP_PATIENCE: Duration = Duration::from_secs(60);
/// Repair waits less for datanodes that may come back than it would: a run has minutes.
const SETTLE_MS: &str = "2000";

/// Where everything is kept; removed with the value, unless it is to stay.
struct Base {
    path: PathBuf,
    stays: bool,
}

impl Base {
    fn new(options: &Options) -> Result<Self> {
        let path = match &options.dir {
            Some(dir) => dir.clone(),
            None => {
                std::env::temp_dir().join(format!("distrifs-chaos-{}-{}", std::process::id(), options.seed))
            }
        };
        let failed = |error| Error::Local {
            path: path.clone(),
            error,
        };
        std::fs::create_dir_all(&path).map_err(failed)?;
        if std::fs::read_dir(&path).map_err(failed)?.next().is_some() {
            return Err(failed(std::io::ErrorKind::DirectoryNotEmpty.into()));
        }
        Ok(Self {
            path,
            stays: options.keep || options.dir.is_some(),
        })
    }
}

impl Drop for Base {
    fn drop(&mut self) {
        if !self.stays {
            // What is left of a temporary directory disturbs nobody.
            let _ = std::fs::remove_dir_all(&self.path);
        }
    }
}

/// Runs. Whoever listens to `live` sees how it goes.
///
/// # Errors
/// When the cluster can not be started, or something of this machine fails. What is wrong with the cluster is in the report.
pub async fn run(options: &Options, live: &watch::Sender<Live>) -> Result<Report> {
    if options.masters == 0 || options.datanodes == 0 {
        return Err(Error::Options(
            "a cluster has one master and one datanode at least",
        ));
    }
    // Dropped last: below the processes.
    let mut base = Base::new(options)?;
    let means = Means::here(&base.path);
    live.send_modify(|live| {
        live.phase = "starting".to_owned();
        live.total = options.time;
        live.remarks.clone_from(&means.missing);
    });
    let cluster = tokio::task::block_in_place(|| Cluster::start(options, &means, &base.path))?;
    let field = Arc::new(Field::new(options, &cluster.addresses, world(&base.path)?));
    let fs = field.client()?;
    let watch = Arc::new(Watch::new(Arc::clone(&field), fs.clone()));
    up(&field, &watch).await?;
    let set = fs.operations().set_setting("repair.settle_ms", SETTLE_MS).await;
    set.map_err(|error| Error::Cluster {
        what: "set repair.settle_ms",
        error,
    })?;

    let mut tasks = JoinSet::new();
    clients::spawn(&mut tasks, &field)?;
    let watching = tokio::spawn(Arc::clone(&watch).run());
    let mut tormentor = Tormentor::new(cluster, Arc::clone(&field), Arc::clone(&watch), &means);
    let begun = Instant::now();
    let tell = |phase: &str, tormentor: &Tormentor| tell(live, &field, phase, begun, tormentor);
    let tormented = tormentor
        .torment(options.time, |tormentor| tell("faults", tormentor))
        .await;
    let seconds = begun.elapsed().as_secs_f64();
    field.event("faults stop");
    field.stop();
    tormented?;
    tormentor.stop()?;
    tell("the last calls end", &tormentor);
    while let Some(ended) = tasks.join_next().await {
        if let Err(error) = ended {
            field.found(FindingKind::Stuck, "a client", &error.to_string());
        }
    }
    watching.abort();
    field.event("clients have ended");
    tormentor.look_for_dead();
    tell("healing", &tormentor);
    let calm = if options.profile == Profile::Files {
        options.detection()
    } else {
        Duration::ZERO
    };
    let healed = finish::heal(&field, &watch, calm).await;
    field.event(&format!("whole after {healed:?}"));
    tormentor.look_for_dead();
    tell("reading everything back", &tormentor);
    let files = finish::read_back(&field, &fs).await;
    tormentor.look_for_dead();
    field.event("the end");

    let findings = std::mem::take(&mut *field.findings());
    base.stays |= !findings.is_empty();
    if base.stays {
        // What was found must be told in any case.
        if let Err(error) = tokio::task::block_in_place(|| tormentor.cluster.keep()) {
            field.event(&format!("not everything could be kept: {error}"));
        }
    }
    let tally = field.tally();
    let (stall, stall_at) = tally.stall;
    Ok(Report {
        seed: options.seed,
        profile: options.profile,
        masters: options.masters,
        datanodes: options.datanodes,
        seconds,
        missing: means.missing,
        operations: tally.operations.clone(),
        faults: tally.faults.clone(),
        longest_stall_ms: millis(stall),
        longest_stall_at_ms: millis(stall_at),
        files,
        bytes_verified: tally.verified,
        healed_ms: healed.map(millis),
        findings,
        directory: base.stays.then(|| kept(&base.path)),
    })
}

/// The real world, where events are written to a file below `base`.
fn world(base: &Path) -> Result<World> {
    let path = base.join("events.log");
    let mut events = File::create(&path).map_err(|error| Error::Local { path, error })?;
    Ok(World {
        env: Arc::new(Env::real),
        events: Box::new(move |at, what| {
            // A record that can not be written is no reason to stop.
            let _ = writeln!(events, "{:9.3} {what}", at.as_secs_f64());
        }),
        processes: true,
        smaller: 1,
        clients: None,
        pace: 1,
    })
}

fn kept(path: &Path) -> PathBuf {
    path.canonicalize().unwrap_or_else(|_| path.to_owned())
}

/// Waits until the cluster that was started is whole.
async fn up(field: &Field, watch: &Watch) -> Result<()> {
    let begun = Instant::now();
    while !watch.ask().await {
        if begun.elapsed() > UP_PATIENCE {
            return Err(Error::NotUp {
                seconds: begun.elapsed().as_secs(),
                why: watch.why(),
            });
        }
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    field.event("the cluster is whole");
    Ok(())
}

fn tell(live: &watch::Sender<Live>, field: &Field, phase: &str, begun: Instant, tormentor: &Tormentor) {
    let (operations, verified) = {
        let tally = field.tally();
        (tally.operations(), tally.verified)
    };
    let findings = field.findings().len();
    live.send_modify(|live| {
        phase.clone_into(&mut live.phase);
        live.elapsed = begun.elapsed().min(live.total);
        live.operations = operations;
        live.verified = verified;
        live.faults = tormentor.begun;
        live.active = tormentor.active();
        live.findings = findings;
    });
}
