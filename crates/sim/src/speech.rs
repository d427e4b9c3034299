//! What servers and libraries say (`tracing`), and what they panic about.

use std::cell::RefCell;
use std::io::{self, Write};

use tracing_subscriber::EnvFilter;

thread_local! {
    static SAID: RefCell<Vec<String>> = const { RefCell::new(Vec::new()) };
    static PANICS: RefCell<Vec<String>> = const { RefCell::new(Vec::new()) };
}

/// Listens from now on.
pub(crate) fn listen(filter: &str) {
    // There may be one already: of another simulation in this process, as tests make them.
    let _ = tracing_subscriber::fmt()
        .with_env_filter(EnvFilter::new(filter))
        .without_time()
        .with_ansi(false)
        .with_writer(|| Line(Vec::new()))
        .try_init();
    std::panic::set_hook(Box::new(|panic| {
        eprintln!("{panic}");
        PANICS.with_borrow_mut(|panics| panics.push(panic.to_string()));
    }));
}

/// What was said since the last time.
pub(crate) fn said() -> Vec<String> {
    SAID.take()
}

/// Panics since the last time.
pub(crate) fn panics() -> Vec<String> {
    PANICS.take()
}

struct Line(Vec<u8>);

impl Write for Line {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Drop for Line {
    fn drop(&mut self) {
        let text = String::from_utf8_lossy(&self.0).trim_end().to_owned();
        if !text.is_empty() {
            SAID.with_borrow_mut(|said| said.push(text));
        }
    }
}
