//! A simulation, from the first process to the last comparison.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufWriter, Write};
use std::rc::Rc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::{Context as _, anyhow};
use chaos::{Field, FindingKind, Watch, World};
use env::random::SeededRandom;
use env::{Env, Inline};
use tokio::task::JoinSet;

use crate::cluster::{Cluster, SMALLER};
use crate::faults::Faults;
use crate::invariants::Invariants;
use crate::names::Names;
use crate::options::{Options, Plant};
use crate::report::{Counts, Report};
use crate::simulation::Simulation;
use crate::speech;
use crate::torment::{Orders, torment};
use crate::trace::Trace;
use crate::weather::Forecast;

/// How long a simulation may last, beyond the time in which faults happen.
const END: Duration = Duration::from_secs(1_800);
/// Debug builds of servers take more than threads have by themselves.
const STACK_BYTES: usize = 64 << 20;
/// How long the cluster may take to be whole at first.
const UP_PATIENCE: Duration = Duration::from_secs(60);

/// Simulates. Once in a process: its time and random numbers are the simulation's from then on.
///
/// # Errors
/// When the simulation itself is not possible. What is wrong with the cluster is in the report.
pub fn run(options: &Options) -> anyhow::Result<Report> {
    if let Some(planted) = options.plant {
        sow(planted)?;
    }
    crate::clock::begin(options.seed);
    // A new thread: what this one has got from the system before, as the seeds of its hash maps, is not the simulation's.
    std::thread::scope(|scope| {
        let simulating = std::thread::Builder::new()
            .name("simulation".to_owned())
            .stack_size(STACK_BYTES)
            .spawn_scoped(scope, || simulate(options))?;
        simulating
            .join()
            .map_err(|_| anyhow!("the simulation itself has panicked"))?
    })
}

/// Makes the product have a bug, if it is one of its own.
fn sow(planted: Plant) -> anyhow::Result<()> {
    anyhow::ensure!(
        planted.is_possible(),
        "this build can not have that bug: build the simulator with `--features bugs`"
    );
    #[cfg(feature = "bugs")]
    if let Plant::Bug(bug) = planted {
        plant::plant(bug);
    }
    Ok(())
}

fn simulate(options: &Options) -> anyhow::Result<Report> {
    let _inline = Inline::enter();
    speech::listen(&options.log);
    let out = match &options.trace {
        Some(path) => {
            let file = File::create(path).with_context(|| format!("could not write {}", path.display()))?;
            Some(Box::new(BufWriter::new(file)) as Box<dyn Write>)
        }
        None => None,
    };
    let trace = Trace::new(out);
    let began = processor_time();
    let mut simulation = Simulation::new(options.seed, options.plant, trace.clone());
    let cluster = Cluster::add(&mut simulation, options)?;
    for number in cluster.masters.iter().chain(&cluster.datanodes) {
        simulation.start(*number)?;
    }
    simulation.start(cluster.client)?;
    let mut faults = Faults::new(&cluster, options, simulation.random.u64(..));
    let forecast = Forecast::new(&cluster, simulation.hosts.len(), simulation.random.u64(..));
    let orders = Orders::default();

    let events: Arc<Mutex<Vec<String>>> = Arc::default();
    let field = Arc::new(field(&simulation, &cluster, options, &events)?);
    let done: Rc<RefCell<Option<Outcome>>> = Rc::default();
    let client = simulation
        .hosts
        .get(cluster.client)
        .and_then(|host| host.running.as_ref())
        .ok_or_else(|| anyhow!("no client runs"))?;
    let telling = Rc::clone(&done);
    let names: Arc<Names> = Arc::default();
    let (story_field, story_names) = (Arc::clone(&field), Arc::clone(&names));
    let (given, quiet) = (orders.clone(), options.quiet);
    client.process.spawn(async move {
        let outcome = story(&story_field, &story_names, &given, forecast, quiet).await;
        *telling.borrow_mut() = Some(outcome);
    });

    let mut invariants = Invariants::new(options.pace);
    let mut found_at = None;
    let end = options.time + END;
    while done.borrow().is_none() && simulation.now < end {
        simulation.step(
            faults
                .next()
                .map_or(invariants.next(), |next| next.min(invariants.next())),
        );
        for event in events.lock().unwrap_or_else(PoisonError::into_inner).drain(..) {
            trace.tell(event);
        }
        for panic in speech::panics() {
            field.found(FindingKind::Died, "a panic", &panic);
        }
        for (number, how) in simulation.ended() {
            if !faults.ended(&simulation, number) {
                let name = simulation
                    .hosts
                    .get(number)
                    .map(|host| host.name.clone())
                    .unwrap_or_default();
                field.found(FindingKind::Died, &name, &how);
            }
        }
        while let Some(order) = orders.take() {
            faults.carry_out(&mut simulation, order)?;
        }
        faults.pass(&mut simulation)?;
        for what in invariants.look(&simulation) {
            found(&field, &what);
        }
        if found_at.is_none() && !field.findings().is_empty() {
            found_at = Some(simulation.now);
            trace.found();
            // Whoever torments is told.
            simulation.poke(cluster.client);
        }
    }
    if done.borrow().is_none() {
        field.found(FindingKind::Stuck, "the simulation", "it has no end");
    }
    if field.findings().is_empty() {
        for what in invariants.look_at_rest(&simulation) {
            found(&field, &what);
        }
    }
    trace.flush();
    let outcome = done.borrow_mut().take().unwrap_or_default();
    let took = processor_time().saturating_sub(began);
    let mut report = report(options, &simulation, &field, &faults, outcome, took);
    report.operations.extend(names.counts());
    report.peaks = invariants.peaks();
    report.found_s = found_at.map(|at| at.as_secs_f64());
    Ok(report)
}

/// An invariant does not hold. More of the same says nothing new.
fn found(field: &Field, what: &str) {
    if field.findings().is_empty() {
        field.found(FindingKind::Undone, "an invariant", what);
    }
}

#[derive(Debug, Default)]
struct Outcome {
    files: u64,
    /// When the faults could begin.
    begun: Option<Duration>,
    healed: Option<Duration>,
}

fn field(
    simulation: &Simulation,
    cluster: &Cluster,
    options: &Options,
    events: &Arc<Mutex<Vec<String>>>,
) -> anyhow::Result<Field> {
    let host = simulation
        .hosts
        .get(cluster.client)
        .ok_or_else(|| anyhow!("there is no client"))?;
    let running = host.running.as_ref().ok_or_else(|| anyhow!("no client runs"))?;
    let env = host.env(&running.process, &simulation.network, 0);
    let clients = AtomicU64::new(options.seed);
    let sink = Arc::clone(events);
    let world = World {
        env: Arc::new(move || Env {
            random: Arc::new(SeededRandom::new(clients.fetch_add(1, Ordering::Relaxed))),
            ..env.clone()
        }),
        events: Box::new(move |_, what| {
            sink.lock()
                .unwrap_or_else(PoisonError::into_inner)
                .push(what.to_owned());
        }),
        processes: false,
        smaller: SMALLER,
        clients: Some((4, 3)),
        pace: options.pace,
    };
    let run = chaos::Options {
        binary: std::path::PathBuf::new(),
        time: options.time,
        datanodes: options.datanodes,
        masters: options.masters,
        seed: options.seed,
        profile: options.profile,
        dir: None,
        keep: false,
        heal_timeout: Duration::from_secs(120),
    };
    Ok(Field::new(&run, &cluster.addresses, world))
}

/// What the clients' host does.
async fn story(
    field: &Arc<Field>,
    names: &Arc<Names>,
    orders: &Orders,
    forecast: Forecast,
    quiet: bool,
) -> Outcome {
    let fs = match field.client() {
        Ok(fs) => fs,
        Err(error) => {
            field.found(FindingKind::Died, "a client", &error.to_string());
            return Outcome::default();
        }
    };
    let watch = Arc::new(Watch::new(Arc::clone(field), fs.clone()));
    let begun = tokio::time::Instant::now();
    while !watch.ask().await {
        if begun.elapsed() > UP_PATIENCE {
            field.found(FindingKind::Unhealed, "the new cluster", &watch.why());
            return Outcome::default();
        }
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    field.event("the cluster is whole");
    if let Err(error) = fs.operations().set_setting("repair.settle_ms", "2000").await {
        field.event(&format!("repair.settle_ms is not set: {error}"));
    }
    let mut tasks = JoinSet::new();
    let spawned = chaos::spawn_clients(&mut tasks, field).and_then(|()| names.spawn(&mut tasks, field));
    if let Err(error) = spawned {
        field.found(FindingKind::Died, "clients", &error.to_string());
    }
    let watching = tokio::spawn(Arc::clone(&watch).run());
    let time = field.options.time;
    let faults_begun = field.now();
    if quiet {
        tokio::time::sleep(time).await;
    } else {
        torment(field, &watch, orders, forecast, time).await;
    }
    field.event("faults stop");
    field.stop();
    while let Some(ended) = tasks.join_next().await {
        if let Err(error) = ended {
            field.found(FindingKind::Stuck, "a client", &error.to_string());
        }
    }
    watching.abort();
    field.event("clients have ended");
    names.check(field);
    let calm = field.options.detection();
    let healed = chaos::heal(field, &watch, calm).await;
    field.event(&format!("whole after {healed:?}"));
    let files = chaos::read_back(field, &fs).await;
    field.event("the end");
    Outcome {
        files,
        begun: Some(faults_begun),
        healed,
    }
}

fn report(
    options: &Options,
    simulation: &Simulation,
    field: &Field,
    faults: &Faults,
    outcome: Outcome,
    took: Duration,
) -> Report {
    let (operations, bytes_verified) = field.counts();
    let findings: Vec<String> = field
        .findings()
        .iter()
        .map(|found| format!("{} {}: {}", found.kind.name(), found.subject, found.what))
        .collect();
    Report {
        seed: options.seed,
        cluster: format!(
            "{} masters, {} datanodes of {} disks, {:?}",
            options.masters, options.datanodes, options.dirs, options.profile
        ),
        simulated_s: simulation.now.as_secs_f64(),
        took_s: took.as_secs_f64(),
        trace: simulation.trace.sum(),
        operations: operations
            .into_iter()
            .map(|(operation, counts)| {
                let counts = Counts {
                    done: counts.done,
                    refused: counts.refused,
                    unknown: counts.unknown,
                };
                (operation.name().to_owned(), counts)
            })
            .collect(),
        faults: faults.counts.clone(),
        happened: faults.happened.clone(),
        begun_s: outcome.begun.map(|at| at.as_secs_f64()),
        found_s: None,
        peaks: BTreeMap::new(),
        files: outcome.files,
        bytes_verified,
        healed_s: outcome.healed.map(|time| time.as_secs_f64()),
        events: if findings.is_empty() {
            Vec::new()
        } else {
            simulation.trace.last()
        },
        findings,
    }
}

/// Processor time of this process.
#[expect(unsafe_code, reason = "a system call that fills a structure")]
fn processor_time() -> Duration {
    let mut time = libc::timespec {
        tv_sec: 0,
        tv_nsec: 0,
    };
    // SAFETY: `time` lives, and is as the call wants it.
    unsafe {
        libc::syscall(
            libc::SYS_clock_gettime,
            libc::CLOCK_PROCESS_CPUTIME_ID,
            &raw mut time,
        );
    }
    Duration::new(
        u64::try_from(time.tv_sec).unwrap_or(0),
        u32::try_from(time.tv_nsec).unwrap_or(0),
    )
}
