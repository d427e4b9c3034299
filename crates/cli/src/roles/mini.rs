//! `mini`: a whole cluster in one process. The parts are the same as those of `master` and `datanode`.

use std::path::{Path, PathBuf};

use datanode::Datanode;
use env::Env;
use futures_util::future::{join_all, select_all, try_join_all};
use master::Master;

use super::options::{Listen, StartArgs, bare, no_master_named, port};
use super::ready::{Ready, reachable};
use super::stop::shut_down;
use super::{datanode as datanode_role, master as master_role};
use crate::config::{Key, MiniFlags, Settings};
use crate::failure::{Exit, Failure, Result};
use crate::output::{Out, Style, note, paint};
use crate::signals;

/// Run a whole cluster in one process: a master and datanodes
///
/// It begins with an empty directory or goes on where it stopped. What was acknowledged is there again, also after
/// kill -9. Without --datanodes an existing cluster gets as many as it has directories for.
#[derive(Debug, clap::Args)]
#[command(after_help = AFTER_HELP)]
pub(crate) struct Args {
    /// How many datanodes [default: 3, or as many as the directory has]
    #[arg(long, value_name = "NUMBER", value_parser = clap::value_parser!(u16).range(1..=64))]
    datanodes: Option<u16>,
    #[command(flatten)]
    start: StartArgs,
    #[command(flatten)]
    pub(crate) settings: MiniFlags,
}

const AFTER_HELP: &str = "\
Examples:
  distrifs mini                                    # ports 9800, 9870 and 9866 to 9868
  distrifs mini --dir ./cluster --datanodes 5
  distrifs mini --dir \"$(mktemp -d)\" --ports auto --ready-file ready.json &   # for scripts

The ready file: {\"master\": \"host:port\", \"http\": \"host:port\", \"datanodes\": [\"host:port\", …]}.
Ctrl-C or SIGTERM stops it; the data stays.";

/// Datanodes when nobody says how many.
const DATANODES: u16 = 3;

/// Runs it until it is told to stop.
pub(crate) async fn run(args: &Args, settings: &Settings) -> Result<Exit> {
    no_master_named("mini", settings)?;
    let dir = match settings.path(Key::StoragePath) {
        Some(dir) => dir.to_path_buf(),
        None => default_dir(&|name| std::env::var(name).ok())?,
    };
    let existing = existing_datanodes(&dir);
    let count = match (args.datanodes, existing) {
        (Some(count), existing) => {
            if count < existing {
                note(&format!(
                    "{} has {existing} datanodes; chunks that only those beyond the first {count} have can not be read",
                    dir.display()
                ));
            }
            count
        }
        (None, 0) => DATANODES,
        (None, existing) => existing,
    };
    let listen = Listen::of(settings, &args.start, Key::MasterPort, "127.0.0.1");
    let http = listen.with_port(port(settings, &args.start, Key::HttpPort));
    let mut config = master_role::config(settings, &dir.join("master"), count.min(DATANODES));
    config.listen = listen.address();
    config.http = http.address();
    let replication = config.replication;
    let master = Master::start(Env::real(), config).await;
    let master = master.map_err(|error| master_role::refused("mini", &error))?;
    let address = reachable(master.grpc_addr(), None);

    let first = port(settings, &args.start, Key::DataPort);
    let started = start_datanodes(settings, &dir, count, &listen, first, &address).await;
    let nodes = match started {
        Ok(nodes) => nodes,
        Err(failure) => return shut_down(master.shutdown(), Some(failure)).await,
    };
    let ready = Ready {
        master: address,
        http: Some(reachable(master.http_addr(), None)),
        datanodes: nodes
            .iter()
            .map(|node| reachable(node.data_addr(), None))
            .collect(),
    };
    let serve = async {
        join_all(nodes.iter().map(Datanode::registered)).await;
        if let Some(file) = &args.start.ready_file {
            ready.write(file)?;
        }
        greet(
            settings,
            &ready,
            &master.cluster_id().to_string(),
            replication,
            &dir,
        )?;
        std::future::pending::<Result<()>>().await
    };
    let failure = tokio::select! {
        _ = signals::stop() => None,
        failure = master.failed() => Some(Failure::new(Exit::Failed, "mini: master", failure)),
        (failure, n, _) = select_all(nodes.iter().map(|node| Box::pin(node.failed()))) =>
            Some(Failure::new(Exit::Failed, format_args!("mini: datanode {}", n + 1), failure)),
        failed = serve => failed.err(),
    };
    let shutdown = async {
        join_all(nodes.into_iter().map(Datanode::shutdown)).await;
        master.shutdown().await;
    };
    shut_down(shutdown, failure).await
}

async fn start_datanodes(
    settings: &Settings,
    dir: &Path,
    count: u16,
    listen: &Listen,
    first: u16,
    master: &str,
) -> Result<Vec<Datanode>> {
    try_join_all((0..count).map(async |n| {
        let port = match first {
            0 => 0,
            first => first.checked_add(n).ok_or_else(|| {
                Failure::usage("mini", format_args!("there are no {count} ports from {first} on"))
            })?,
        };
        let own = dir.join(format!("datanode-{}", n + 1));
        let mut config = datanode_role::config(settings, vec![own], vec![master.to_owned()]);
        config.listen = listen.with_port(port).address();
        config.advertise_host = match listen.host.as_str() {
            "0.0.0.0" | "[::]" => None,
            host => Some(bare(host).to_owned()),
        };
        let started = Datanode::start(Env::real(), config).await;
        started.map_err(|error| datanode_role::refused(&format!("mini: datanode {}", n + 1), &error))
    }))
    .await
}

/// Where the data is when nobody says where: a directory of the user's, always the same one.
fn default_dir(env: &dyn Fn(&str) -> Option<String>) -> Result<PathBuf> {
    let absolute = |name| env(name).map(PathBuf::from).filter(|path| path.is_absolute());
    absolute("XDG_DATA_HOME")
        .or_else(|| absolute("HOME").map(|home| home.join(".local/share")))
        .map(|data| data.join("distrifs/mini"))
        .ok_or_else(|| {
            Failure::usage("mini", "there is no home directory to keep the data in")
                .next("say where: distrifs mini --dir DIR")
        })
}

/// How many datanodes a directory was used with before.
fn existing_datanodes(dir: &Path) -> u16 {
    (1..=64)
        .take_while(|n| dir.join(format!("datanode-{n}")).is_dir())
        .last()
        .unwrap_or(0)
}

fn greet(settings: &Settings, ready: &Ready, cluster: &str, replication: u16, dir: &Path) -> Result<()> {
    let mut out = Out::stdout()?;
    let coloured = out.coloured();
    let bold = |text: &str| paint(coloured, Style::Bold, text);
    let http = ready.http.as_deref().unwrap_or_default();
    out.line(&format!("{} cluster {cluster}", bold("DistriFS serves:")))?;
    out.line(&format!(
        "  master     {} (gRPC), http://{http} (health)",
        ready.master
    ))?;
    out.line(&format!("  datanodes  {}", ready.datanodes.join(" ")))?;
    out.line(&format!("  replicas   {replication} of each chunk"))?;
    out.line(&format!("  data       {}", dir.display()))?;
    out.line("")?;
    out.line(&bold("Try, in another terminal:"))?;
    for command in commands(&program(), master_flag(settings, &ready.master).as_deref()) {
        out.line(&format!("  {command}"))?;
    }
    out.line("")?;
    out.line("Ctrl-C stops it; the data stays.")?;
    out.flush()
}

/// The flag that a client needs to find this cluster; none where it looks there anyway.
fn master_flag(settings: &Settings, address: &str) -> Option<String> {
    let usual = address == "127.0.0.1:9800"
        && ![Key::Master, Key::MasterHost, Key::MasterPort]
            .into_iter()
            .any(|key| settings.is_set(key));
    (!usual).then(|| format!(" --master {address}"))
}

fn commands(program: &str, master: Option<&str>) -> [String; 3] {
    let master = master.unwrap_or_default();
    [
        format!("echo 'hello, cluster' | {program} put --overwrite - /hello.txt{master}"),
        format!("{program} ls -lh /{master}"),
        format!("{program} cat /hello.txt{master}"),
    ]
}

/// How this program can be called from a shell: by its name where it is on the PATH, else by its path.
fn program() -> String {
    let Ok(exe) = std::env::current_exe() else {
        return "distrifs".to_owned();
    };
    let same = |candidate: PathBuf| candidate.canonicalize().is_ok_and(|candidate| candidate == exe);
    let path = std::env::var_os("PATH").unwrap_or_default();
    if std::env::split_paths(&path).any(|dir| same(dir.join("distrifs"))) {
        return "distrifs".to_owned();
    }
    let shown = std::env::current_dir()
        .ok()
        .and_then(|here| {
            exe.strip_prefix(here)
                .ok()
                .map(|below| Path::new(".").join(below))
        })
        .unwrap_or(exe);
    let shown = shown.to_string_lossy();
    if shown
        .bytes()
        .all(|b| b.is_ascii_alphanumeric() || b"/._-+".contains(&b))
    {
        shown.into_owned()
    } else {
        format!("'{}'", shown.replace('\'', "'\\''"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Flag;

    #[test]
    fn the_default_directory_is_the_users() {
        let dir = |pairs: &'static [(&str, &str)]| {
            default_dir(&|name| {
                pairs
                    .iter()
                    .find(|(known, _)| *known == name)
                    .map(|(_, value)| (*value).to_owned())
            })
        };
        assert_eq!(
            dir(&[("HOME", "/home/ann")]).unwrap(),
            Path::new("/home/ann/.local/share/distrifs/mini")
        );
        assert_eq!(
            dir(&[("HOME", "/home/ann"), ("XDG_DATA_HOME", "/data")]).unwrap(),
            Path::new("/data/distrifs/mini")
        );
        assert!(dir(&[("HOME", "relative")]).is_err());
    }

    #[test]
    fn a_directory_knows_how_many_datanodes_it_had() {
        let dir = tempfile::tempdir().unwrap();
        assert_eq!(existing_datanodes(dir.path()), 0);
        for n in [1, 2, 4] {
            std::fs::create_dir(dir.path().join(format!("datanode-{n}"))).unwrap();
        }
        assert_eq!(existing_datanodes(dir.path()), 2);
    }

    #[test]
    fn commands_name_the_master_where_clients_would_not_find_it() {
        let settings = |flags: &[Flag]| Settings::load(flags, &|_| None, None).unwrap();
        assert_eq!(master_flag(&settings(&[]), "127.0.0.1:9800"), None);
        assert_eq!(
            master_flag(&settings(&[]), "127.0.0.1:4711").as_deref(),
            Some(" --master 127.0.0.1:4711")
        );
        let set = Flag {
            key: Key::MasterPort,
            text: "9800".to_owned(),
        };
        assert!(master_flag(&settings(&[set]), "127.0.0.1:9800").is_some());
        for command in commands("distrifs", Some(" --master m:1")) {
            assert!(command.ends_with(" --master m:1"));
        }
    }
}
