//! What `mini` says when it serves.

use std::path::{Path, PathBuf};

use super::super::ready::Ready;
use crate::config::{Key, Settings};
use crate::failure::Result;
use crate::output::{Out, Style, paint};

/// Says what there is now, and what can be tried.
pub(super) fn greet(
    settings: &Settings,
    ready: &Ready,
    cluster: &str,
    replication: u16,
    dir: &Path,
) -> Result<()> {
    let mut out = Out::stdout()?;
    let coloured = out.coloured();
    let bold = |text: &str| paint(coloured, Style::Bold, text);
    let http = ready.http.as_deref().unwrap_or_default();
    out.line(&format!("{} cluster {cluster}", bold("DistriFS serves:")))?;
    match ready.masters.is_empty() {
        true => out.line(&format!("  master     {} (gRPC)", ready.master))?,
        false => out.line(&format!("  masters    {} (gRPC)", ready.masters.join(" ")))?,
    }
    out.line(&format!("  console    http://{http}/"))?;
    out.line(&format!("  datanodes  {}", ready.datanodes.join(" ")))?;
    out.line(&format!("  replicas   {replication} of each chunk"))?;
    out.line(&format!("  data       {}", dir.display()))?;
    out.line("")?;
    out.line(&bold("Try, in another terminal:"))?;
    for command in commands(&program(), master_flag(settings, &ready.master).as_deref()) {
        out.line(&format!("  {command}"))?;
    }
    if !ready.masters.is_empty() {
        let flag = master_flag(settings, &ready.master).unwrap_or_default();
        out.line(&format!("  {} admin masters{flag}", program()))?;
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
