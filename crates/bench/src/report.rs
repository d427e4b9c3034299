//! What a run prints and writes down.

use std::fs;
use std::path::Path;

use anyhow::Context as _;
use serde::Serialize;

use crate::machine::Machine;

/// A whole run.
#[derive(Debug, Serialize)]
pub(crate) struct Report<O, R> {
    pub benchmark: &'static str,
    pub machine: Machine,
    pub options: O,
    pub results: R,
}

impl<O: Serialize, R: Serialize> Report<O, R> {
    /// Writes the report to `file`, where one was asked for.
    pub(crate) fn write(&self, file: Option<&Path>) -> anyhow::Result<()> {
        let Some(file) = file else {
            return Ok(());
        };
        let mut text = serde_json::to_string_pretty(self)?;
        text.push('\n');
        fs::write(file, text).with_context(|| format!("cannot write {}", file.display()))?;
        println!("written to {}", file.display());
        Ok(())
    }
}

/// Writes rows to `file`, where one was asked for, as a table of Markdown: the first row is its heading.
pub(crate) fn write_markdown(file: Option<&Path>, rows: &[Vec<String>]) -> anyhow::Result<()> {
    let Some(file) = file else {
        return Ok(());
    };
    fs::write(file, markdown(rows)).with_context(|| format!("cannot write {}", file.display()))?;
    println!("written to {}", file.display());
    Ok(())
}

fn markdown(rows: &[Vec<String>]) -> String {
    let mut text = String::new();
    for (number, row) in rows.iter().enumerate() {
        text.push_str(&format!("| {} |\n", row.join(" | ")));
        if number == 0 {
            let line: Vec<_> = (0..row.len())
                .map(|column| if column == 0 { "---" } else { "---:" })
                .collect();
            text.push_str(&format!("| {} |\n", line.join(" | ")));
        }
    }
    text
}

/// Prints rows in columns: the first to the left, the others to the right.
pub(crate) fn print_columns(rows: &[Vec<String>]) {
    let columns = rows.iter().map(Vec::len).max().unwrap_or_default();
    let widths: Vec<usize> = (0..columns)
        .map(|column| {
            let cells = rows.iter().filter_map(|row| row.get(column));
            cells.map(|cell| cell.chars().count()).max().unwrap_or_default()
        })
        .collect();
    for row in rows {
        let mut line = String::new();
        for (column, (cell, width)) in row.iter().zip(&widths).enumerate() {
            if column == 0 {
                line.push_str(&format!("{cell:<width$}"));
            } else {
                line.push_str(&format!("  {cell:>width$}"));
            }
        }
        println!("{}", line.trim_end());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_of_markdown_has_a_line_below_its_heading() {
        let rows = [["", "GB/s"], ["read", "1.40"]].map(|row| row.map(str::to_owned).to_vec());
        assert_eq!(markdown(&rows), "|  | GB/s |\n| --- | ---: |\n| read | 1.40 |\n");
    }
}
