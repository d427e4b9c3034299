//! How far a transfer is: a bar on a terminal, nothing in a pipe; and the sums at its end.

use std::io::IsTerminal;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use indicatif::{HumanDuration, ProgressBar, ProgressDrawTarget, ProgressStyle};
use serde_json::json;
use tokio::time::Instant;
use types::ByteSize;

use crate::failure::Result;
use crate::output::Out;

/// Counts what has been moved. Cloning is cheap; clones count together.
#[derive(Debug, Clone)]
pub(crate) struct Progress(Arc<Counts>);

#[derive(Debug)]
struct Counts {
    started: Instant,
    files: AtomicU64,
    directories: AtomicU64,
    bytes: AtomicU64,
    bar: Option<ProgressBar>,
}

const KNOWN: &str =
    "{spinner} {msg:20!} {bytes:>11} of {total_bytes:<11} [{bar:24}] {bytes_per_sec:>13}  {eta} left";
const UNKNOWN: &str = "{spinner} {msg:20!} {bytes:>11}  {bytes_per_sec:>13}  {elapsed}";

impl Progress {
    /// Begins. `quiet`: no bar even on a terminal. `known`: whether lengths are known before their bytes come.
    pub(crate) fn start(quiet: bool, known: bool) -> Self {
        let visible = !quiet && std::io::stderr().is_terminal();
        let bar = visible.then(|| {
            let style = ProgressStyle::with_template(if known { KNOWN } else { UNKNOWN });
            let style = style
                .unwrap_or_else(|_| ProgressStyle::default_bar())
                .progress_chars("=> ");
            let target = ProgressDrawTarget::stderr_with_hz(10);
            let bar = ProgressBar::with_draw_target(known.then_some(0), target).with_style(style);
            bar.enable_steady_tick(Duration::from_millis(200));
            bar
        });
        Self(Arc::new(Counts {
            started: Instant::now(),
            files: AtomicU64::new(0),
            directories: AtomicU64::new(0),
            bytes: AtomicU64::new(0),
            bar,
        }))
    }

    /// So many more bytes will come, of the file `name`.
    pub(crate) fn expect(&self, name: &str, bytes: u64) {
        if let Some(bar) = &self.0.bar {
            bar.inc_length(bytes);
            bar.set_message(name.to_owned());
        }
    }

    /// So many bytes have been moved.
    pub(crate) fn moved(&self, bytes: usize) {
        let bytes = u64::try_from(bytes).unwrap_or(u64::MAX);
        self.0.bytes.fetch_add(bytes, Ordering::Relaxed);
        if let Some(bar) = &self.0.bar {
            bar.inc(bytes);
        }
    }

    /// A file is done.
    pub(crate) fn file(&self) {
        self.0.files.fetch_add(1, Ordering::Relaxed);
    }

    /// A directory is done.
    pub(crate) fn directory(&self) {
        self.0.directories.fetch_add(1, Ordering::Relaxed);
    }

    /// Runs `print` while the bar is not drawn.
    pub(crate) fn suspend<T>(&self, print: impl FnOnce() -> T) -> T {
        match &self.0.bar {
            Some(bar) => bar.suspend(print),
            None => print(),
        }
    }

    /// The end, without a word.
    pub(crate) fn clear(&self) {
        if let Some(bar) = &self.0.bar {
            bar.finish_and_clear();
        }
    }

    /// The end: the sums, as JSON on stdout or in one line on a terminal.
    ///
    /// # Errors
    /// When stdout can not be written to.
    pub(crate) fn finish(&self, json: bool) -> Result<()> {
        let elapsed = self.0.started.elapsed();
        let [files, directories, bytes] =
            [&self.0.files, &self.0.directories, &self.0.bytes].map(|count| count.load(Ordering::Relaxed));
        let rate = rate(bytes, elapsed);
        if let Some(bar) = &self.0.bar {
            bar.finish_and_clear();
            let noun = if files == 1 { "file" } else { "files" };
            let (size, rate) = (ByteSize(bytes), ByteSize(rate));
            crate::output::note(&format!(
                "{files} {noun}, {size} in {} ({rate}/s)",
                if elapsed.as_secs() < 10 {
                    format!("{:.1} s", elapsed.as_secs_f64())
                } else {
                    HumanDuration(elapsed).to_string()
                }
            ));
        }
        if json {
            let document = json!({
                "files": files,
                "directories": directories,
                "bytes": bytes,
                "seconds": elapsed.as_secs_f64(),
                "bytes_per_second": rate,
            });
            let mut out = Out::stdout()?;
            out.line(&document.to_string())?;
            out.flush()?;
        }
        Ok(())
    }
}

fn rate(bytes: u64, elapsed: Duration) -> u64 {
    let ms = elapsed.as_millis().max(1);
    u64::try_from(u128::from(bytes) * 1000 / ms).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_templates_are_valid() {
        for template in [KNOWN, UNKNOWN] {
            assert!(ProgressStyle::with_template(template).is_ok());
        }
    }

    #[test]
    fn rates() {
        assert_eq!(rate(3000, Duration::from_millis(1500)), 2000);
        assert_eq!(rate(5, Duration::ZERO), 5000);
    }
}
