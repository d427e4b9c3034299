//! The project's own commands: `cargo xtask gate` and its friends.
//!
//! `gate` is the one read-only check that people and CI both run; `fix` is the command that writes. The long runs of the
//! cluster tests, which the gate thins out, each have a command of their own. `dist` builds the program that is handed out.

mod dist;
mod fix;
mod fuzz;
mod gate;
mod layers;
mod long;
mod step;
mod workspace;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// The project's own commands.
#[derive(Debug, Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask")]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Check everything and change nothing: format, lints, layers, tests, docs. Stops at the first failure.
    Gate,
    /// Check only that pure crates are pure and that arrows between crates point down.
    Layers,
    /// Format the code and apply clippy's suggestions.
    Fix,
    /// Build what is handed out: optimised for what a cluster was seen to do (llvm-tools; half an hour on two processors).
    Dist,
    /// Every file size with every chunk size through a cluster of real processes (release build, several minutes).
    Matrix,
    /// 10,000 small files in one recursive put and get (release build).
    SmallFiles,
    /// Every stage of writing a file with every participant killed in it (release build, minutes).
    Deaths,
    /// 10 GiB through a pipe, with the client's memory watched (release build; needs 30 GiB of disk).
    SoakPipe,
    /// An hour of clusters in the simulator, from seeds that nobody has tried (release build).
    SoakSimulation,
    /// Any bytes for every decoder that meets bytes from outside, guided by coverage (nightly toolchain).
    Fuzz {
        /// Only this one of `fuzz/fuzz_targets` [default: all, one after the other].
        target: Option<String>,
        /// How long each is run.
        #[arg(long, default_value_t = 60)]
        seconds: u64,
    },
    /// Looks for every bug that can be planted, in the simulator (release build with these bugs, minutes).
    Plants,
}

fn main() -> ExitCode {
    let done = match Arguments::parse().command {
        Command::Gate => gate::run(),
        Command::Layers => layers::run(),
        Command::Fix => fix::run(),
        Command::Dist => dist::run(),
        Command::Matrix => long::matrix(),
        Command::SmallFiles => long::small_files(),
        Command::Deaths => long::deaths(),
        Command::SoakPipe => long::soak_pipe(),
        Command::SoakSimulation => long::soak_simulation(),
        Command::Fuzz { target, seconds } => fuzz::run(target.as_deref(), seconds),
        Command::Plants => long::plants(),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}
