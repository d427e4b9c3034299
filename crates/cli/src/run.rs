//! From a command line to an exit status: the configuration, the log, the runtime, the command.

use std::io::IsTerminal as _;
use std::path::Path;
use std::time::Duration;

use env::Env;
use tracing::Instrument as _;

use crate::cli::{Cli, Command};
use crate::config::{Flag, Key, Settings};
use crate::failure::{Exit, Failure, Result};
use crate::identity::Identity;
use crate::output::note;
use crate::{logging, reach, roles, signals, traces, verbs};

/// How long blocking work (the removal of a temporary file) may go on when a command has ended.
const GRACE: Duration = Duration::from_secs(2);

/// What a master logs. Raft would tell twenty times a second of each master that is away.
const MASTER_LOG: &str = "info,openraft=warn,openraft::core::heartbeat=error";

/// What a client command works with.
pub(crate) struct Context {
    /// The cluster.
    pub(crate) fs: client::FileSystem,
    /// The configuration in force.
    pub(crate) settings: Settings,
    /// Permission bits that new files and directories do not get.
    pub(crate) umask: u16,
}

/// Runs the command.
///
/// # Errors
/// When it fails.
pub(crate) fn run(cli: Cli) -> Result<Exit> {
    let mut flags = cli.settings.given().to_vec();
    flags.extend_from_slice(own_flags(&cli.command));
    let settings = settings(&flags, cli.config.as_deref())?;
    let again = || self::settings(&flags, cli.config.as_deref());
    match cli.command {
        Command::Config(args) => verbs::config::run(&args, &settings).map(|()| Exit::Done),
        Command::Install(args) => verbs::install::run(&args, &crate::cli::command()).map(|()| Exit::Done),
        Command::Mini(args) => serve(
            &settings,
            &again,
            ("mini", "warn,openraft=error"),
            roles::mini::run(&args, &settings),
        ),
        Command::Master(args) => serve(
            &settings,
            &again,
            ("master", MASTER_LOG),
            roles::master::run(&args, &settings),
        ),
        Command::Datanode(args) => serve(
            &settings,
            &again,
            ("datanode", "info"),
            roles::datanode::run(&args, &settings, &again),
        ),
        Command::Chaos(args) => serve(&settings, &again, ("chaos", "error"), verbs::chaos::run(&args)),
        Command::Healthcheck(args) => alone(&settings, verbs::healthcheck::run(&args, &settings)),
        Command::Admin(args) if args.is_offline() => {
            logging::start(&settings, "error");
            verbs::admin::offline(&args).map(|()| Exit::Done)
        }
        command => ask(settings, command, &cli.name),
    }
}

/// The settings that the command itself has flags for.
fn own_flags(command: &Command) -> &[Flag] {
    match command {
        Command::Mini(args) => args.settings.given(),
        Command::Master(args) => args.settings.given(),
        Command::Datanode(args) => args.settings.given(),
        Command::Config(args) => args.settings.given(),
        Command::Healthcheck(args) => args.settings.given(),
        Command::Logs(args) => args.settings.given(),
        Command::Put(args) => args.settings.given(),
        Command::Get(args) => args.settings.given(),
        Command::Cp(args) => args.settings.given(),
        _ => &[],
    }
}

fn settings(flags: &[Flag], named: Option<&Path>) -> Result<Settings> {
    let env = |name: &str| std::env::var(name).ok();
    Settings::load(flags, &env, named).map_err(|error| {
        Failure::usage("configuration", error)
            .next("`distrifs config --help` lists every setting and where it can be set")
    })
}

fn runtime() -> Result<tokio::runtime::Runtime> {
    tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(|error| Failure::local("can not start threads", &error))
}

fn serve(
    settings: &Settings,
    again: &dyn Fn() -> Result<Settings>,
    (role, level): (&'static str, &str),
    server: impl Future<Output = Result<Exit>>,
) -> Result<Exit> {
    logging::start(settings, level);
    env::raise_descriptor_limit();
    let runtime = runtime()?;
    let sending = runtime.block_on(async { traces::send(settings, role) })?;
    let outcome = runtime.block_on(async {
        tokio::select! {
            outcome = server => outcome,
            never = log_as_configured(again) => match never {},
        }
    });
    sending.end();
    runtime.shutdown_timeout(GRACE);
    outcome
}

/// Reads the configuration again on SIGHUP, for what is logged. What is wrong with it is logged: the server goes on.
async fn log_as_configured(again: &dyn Fn() -> Result<Settings>) -> std::convert::Infallible {
    let mut reloads = signals::Reloads::listen();
    loop {
        reloads.next().await;
        match again() {
            Ok(settings) => logging::again(&settings),
            Err(Failure::Tell(report)) => tracing::error!(
                why = report.why,
                "the configuration can not be read; what is logged stays as it is"
            ),
            Err(_) => {}
        }
    }
}

/// Runs what needs no connection to the masters.
fn alone(settings: &Settings, command: impl Future<Output = Result<()>>) -> Result<Exit> {
    logging::start(settings, "error");
    runtime()?.block_on(command).map(|()| Exit::Done)
}

fn ask(settings: Settings, command: Command, name: &str) -> Result<Exit> {
    logging::start(&settings, "error");
    let umask = take_umask();
    let runtime = runtime()?;
    let sending = runtime.block_on(async { traces::send(&settings, "client") })?;
    let outcome = runtime.block_on(async {
        let fs = connect(&settings).await?;
        let root = tracing::debug_span!(target: "request", traces::ROOT, id = %fs.trace(), operation = name);
        tokio::spawn(say_what_is_waited_for(fs.waiting()));
        let context = Context { fs, settings, umask };
        tokio::select! {
            biased;
            signal = signals::stop() => Err(Failure::Told(signal)),
            outcome = verb(&context, command).instrument(root) => outcome,
        }
    });
    sending.end();
    runtime.shutdown_timeout(GRACE);
    outcome.map(|()| Exit::Done)
}

/// Says on a terminal, once, what a command waits for when it waits for the cluster.
async fn say_what_is_waited_for(mut waiting: tokio::sync::watch::Receiver<Option<String>>) {
    if !std::io::stderr().is_terminal() {
        return;
    }
    let said = waiting.wait_for(Option::is_some).await;
    if let Ok(Some(what)) = said.as_deref() {
        note(&format!("waits for the cluster: {what}"));
    }
}

async fn connect(settings: &Settings) -> Result<client::FileSystem> {
    let identity = Identity::of(settings);
    let mut config = client::Config::new(settings.masters(), identity.user);
    config.groups = identity.groups;
    config.replication = settings.number(Key::ReplicationFactor);
    config.chunk_size = settings.chunk_size(Key::ChunkSize);
    if let Some(bytes) = settings.bytes(Key::MemoryBudget) {
        config.memory_budget = bytes;
    }
    config.local_reads = settings.text(Key::LocalReads) != Some("no");
    if let Some(patience) = settings.duration(Key::Timeout) {
        config.timeouts.call = config.timeouts.call.min(patience);
        config.timeouts.call_total = patience;
    }
    let env = Env::real();
    reach::any(&env, &config.masters, settings.duration(Key::Timeout)).await?;
    let fs =
        client::FileSystem::connect(env, config).map_err(|error| Failure::from_client("connect", &error))?;
    tracing::debug!(target: "request", id = %fs.trace(), "what is asked goes by this id in logs");
    Ok(fs)
}

async fn verb(context: &Context, command: Command) -> Result<()> {
    match command {
        Command::Ls(args) => verbs::ls::run(context, &args).await,
        Command::Stat(args) => verbs::stat::run(context, &args).await,
        Command::Put(args) => verbs::put::run(context, &args).await,
        Command::Append(args) => verbs::append::run(context, &args).await,
        Command::Truncate(args) => verbs::truncate::run(context, &args).await,
        Command::Concat(args) => verbs::concat::run(context, &args).await,
        Command::Get(args) => verbs::get::run(context, &args).await,
        Command::Getrange(args) => verbs::getrange::run(context, &args).await,
        Command::Cat(args) => verbs::cat::run(context, &args).await,
        Command::Head(args) => verbs::head::run(context, &args).await,
        Command::Tail(args) => verbs::tail::run(context, &args).await,
        Command::Mkdir(args) => verbs::mkdir::run(context, &args).await,
        Command::Rm(args) => verbs::rm::run(context, &args).await,
        Command::Mv(args) => verbs::mv::run(context, &args).await,
        Command::Cp(args) => verbs::cp::run(context, &args).await,
        Command::Touch(args) => verbs::touch::run(context, &args).await,
        Command::Du(args) => verbs::du::run(context, &args).await,
        Command::Df(args) => verbs::df::run(context, &args).await,
        Command::Chmod(args) => verbs::chmod::run(context, &args).await,
        Command::Chown(args) => verbs::chown::run(context, &args).await,
        Command::Setrep(args) => verbs::setrep::run(context, &args).await,
        Command::Checksum(args) => verbs::checksum::run(context, &args).await,
        Command::Test(args) => verbs::test::run(context, &args).await,
        Command::Status(args) => verbs::status::run(context, &args).await,
        Command::Health(args) => verbs::health::run(context, &args).await,
        Command::Fsck(args) => verbs::fsck::run(context, &args).await,
        Command::Explain(args) => verbs::explain::run(context, &args).await,
        Command::Nodes(args) => verbs::nodes::run(context, &args).await,
        Command::Top(args) => verbs::top::run(context, &args).await,
        Command::Logs(args) => verbs::logs::run(context, &args).await,
        Command::Rebalance(args) => verbs::rebalance::run(context, &args).await,
        Command::Admin(args) => verbs::admin::online(context, &args).await,
        Command::Mini(_)
        | Command::Master(_)
        | Command::Datanode(_)
        | Command::Chaos(_)
        | Command::Config(_)
        | Command::Healthcheck(_)
        | Command::Install(_) => {
            unreachable!(
                "servers, `chaos`, `config`, `healthcheck` and `install` are run without a connection"
            )
        }
    }
}

/// The umask can only be read by setting it; no other thread runs yet that could make a file in between.
fn take_umask() -> u16 {
    let mask = rustix::process::umask(rustix::fs::Mode::empty());
    rustix::process::umask(mask);
    u16::try_from(mask.bits() & 0o777).unwrap_or(0o022)
}
