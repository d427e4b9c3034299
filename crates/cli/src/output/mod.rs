//! What is printed: answers on stdout, everything else on stderr.
//!
//! Colours and progress only on a terminal, and no colours when `NO_COLOR` is set. With `--json`, stdout is one JSON
//! document.

mod columns;
mod human;
mod json;
mod stdout;

use std::io::{IsTerminal, Write};

pub(crate) use columns::{Align, Columns};
pub(crate) use human::{iso_time, mode_text, short_time, size};
pub(crate) use json::JsonArray;
pub(crate) use stdout::{Out, stdout_file};

use crate::failure::Report;

/// A style of the terminal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Style {
    /// What went wrong.
    Error,
    /// A directory.
    Directory,
    /// A heading.
    Bold,
    /// What matters less.
    Dim,
}

/// Whether to colour what goes to `stream`.
pub(crate) fn colours(stream: &impl IsTerminal) -> bool {
    let set = |name| std::env::var_os(name).is_some_and(|value| !value.is_empty());
    stream.is_terminal() && !set("NO_COLOR") && std::env::var_os("TERM").is_none_or(|term| term != "dumb")
}

/// `text` in `style`, when `on`.
pub(crate) fn paint(on: bool, style: Style, text: &str) -> String {
    let code = match style {
        Style::Error => "1;31",
        Style::Directory => "1;34",
        Style::Bold => "1",
        Style::Dim => "2",
    };
    if on {
        format!("\x1b[{code}m{text}\x1b[0m")
    } else {
        text.to_owned()
    }
}

/// Tells a failure: `distrifs: <what>: <why>`, and what to do next on a line of its own.
pub(crate) fn tell(report: &Report) {
    let stderr = std::io::stderr();
    let name = paint(colours(&stderr), Style::Error, "distrifs:");
    let mut text = format!("{name} {}: {}\n", report.what, report.why);
    if let Some(next) = &report.next {
        text.push_str("  ");
        text.push_str(next);
        text.push('\n');
    }
    // Where stderr is gone too there is nobody left to tell.
    let _ = stderr.lock().write_all(text.as_bytes());
}

/// A remark on stderr that is no failure.
pub(crate) fn note(text: &str) {
    let _ = writeln!(std::io::stderr().lock(), "distrifs: {text}");
}
