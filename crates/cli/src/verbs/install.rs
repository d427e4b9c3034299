//! `install`: what a shell and `man` want to know of this program, made from its own command line.

use std::fs;
use std::path::{Path, PathBuf};

use clap_complete::Shell;

use crate::failure::{Failure, Result};
use crate::output::Out;

/// Write the shells' completions and the manual pages
///
/// Below the prefix: share/bash-completion/completions, share/zsh/site-functions, share/fish/vendor_completions.d, share/man/man1.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  distrifs install /usr/local\n  distrifs install ~/.local")]
pub(crate) struct Args {
    /// Below which directory
    #[arg(value_name = "PREFIX")]
    prefix: PathBuf,
}

/// Where the shells look.
const SHELLS: [(Shell, &str, &str); 3] = [
    (Shell::Bash, "share/bash-completion/completions", "distrifs"),
    (Shell::Zsh, "share/zsh/site-functions", "_distrifs"),
    (Shell::Fish, "share/fish/vendor_completions.d", "distrifs.fish"),
];

/// Writes them.
pub(crate) fn run(args: &Args, command: &clap::Command) -> Result<()> {
    let mut out = Out::stdout()?;
    for (shell, dir, name) in SHELLS {
        let mut text = Vec::new();
        clap_complete::generate(shell, &mut command.clone(), "distrifs", &mut text);
        let path = args.prefix.join(dir).join(name);
        write(&path, &text)?;
        out.line(&path.display().to_string())?;
    }
    let dir = args.prefix.join("share/man/man1");
    for (name, page) in pages(command) {
        let path = dir.join(format!("{name}.1"));
        write(&path, &page)?;
    }
    out.line(&format!("{}/distrifs*.1", dir.display()))?;
    out.flush()
}

/// A manual page for each command, with its name.
fn pages(command: &clap::Command) -> Vec<(String, Vec<u8>)> {
    let mut pages = Vec::new();
    let mut whole = command.clone();
    // Commands below others get their whole names by this.
    whole.build();
    let mut all = vec![whole];
    while let Some(command) = all.pop() {
        let below = command.get_subcommands();
        all.extend(
            below
                .filter(|below| !below.is_hide_set() && below.get_name() != "help")
                .cloned(),
        );
        let name = command
            .get_display_name()
            .unwrap_or(command.get_name())
            .to_owned();
        let mut page = Vec::new();
        // Writing to memory does not fail.
        let _ = clap_mangen::Man::new(command).render(&mut page);
        pages.push((name, page));
    }
    pages
}

fn write(path: &Path, text: &[u8]) -> Result<()> {
    let written = path
        .parent()
        .map_or(Ok(()), fs::create_dir_all)
        .and_then(|()| fs::write(path, text));
    written.map_err(|error| Failure::local(path.display(), &error))
}

#[cfg(test)]
mod tests {
    #[test]
    fn every_command_has_a_page() {
        let pages = super::pages(&crate::cli::command());
        let names: Vec<_> = pages.iter().map(|(name, _)| name.as_str()).collect();
        for name in [
            "distrifs",
            "distrifs-put",
            "distrifs-nodes-decommission",
            "distrifs-admin-masters",
        ] {
            assert!(names.contains(&name), "{name}");
        }
        assert!(pages.iter().all(|(_, page)| page.len() > 200));
    }
}
