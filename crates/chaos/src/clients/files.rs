//! A client that works on whole files and on names, of which it is the only writer.

use std::sync::Arc;
use std::time::{Duration, Instant};

use client::FileSystem;
use fastrand::Rng;

use super::bounded;
use super::change::Changer;
use crate::field::Field;
use crate::model::{Name, State};
use crate::tally::{Operation, Outcome};

/// Names that it uses at a time. One whose state is not certain any more is left, and a new one taken.
const NAMES: usize = 14;
/// Between two calls, at most.
const PAUSE_MS: u64 = 80;

pub(super) struct Writer {
    field: Arc<Field>,
    fs: FileSystem,
    number: usize,
    random: Rng,
    names: Vec<Name>,
    made: u64,
}

impl Writer {
    pub(super) fn new(field: Arc<Field>, fs: FileSystem, number: usize) -> Self {
        let random = Rng::with_seed(field.options.seed.wrapping_mul(1000).wrapping_add(number as u64));
        Self {
            field,
            fs,
            number,
            random,
            names: Vec::new(),
            made: 0,
        }
    }

    pub(super) async fn run(mut self) {
        let field = Arc::clone(&self.field);
        let who = format!("writer {}", self.number);
        while !field.stopped() {
            {
                let _gate = field.gate.read().await;
                bounded(&field, &who, Box::pin(self.step())).await;
            }
            let pause = self.random.u64(..PAUSE_MS);
            field.pause(Duration::from_millis(pause)).await;
        }
    }

    async fn step(&mut self) {
        self.renew_names();
        let Some(name) = self.random.choice(&self.names).cloned() else {
            return;
        };
        let field = Arc::clone(&self.field);
        let fs = self.fs.clone();
        let changer = Changer {
            field: &field,
            fs: &fs,
        };
        let possible = field.model().possible(&name);
        let there = matches!(possible.as_slice(), [State::File(_)]);
        let fixed = field.model().is_certain(&name);
        match self.random.u32(0..100) {
            // A file whose length is not certain can only be opened for more: that tells.
            _ if !fixed => self.append(&changer, &name).await,
            ..3 if field.processes => changer.killed_put(&name, self.random.u64(1..3_000_000)).await,
            _ if !there && self.random.u32(0..6) == 0 => {
                if let Some(writer) = changer.create(&name).await {
                    self.more(&changer, &name, writer).await;
                }
            }
            _ if !there => changer.put(&name, self.length(), false).await,
            ..30 => changer.put(&name, self.length(), true).await,
            30..58 => self.append(&changer, &name).await,
            58..66 => {
                let len = length_of(&possible);
                changer.truncate(&name, self.random.u64(..=len)).await;
            }
            66..71 => {
                let other = self.random.choice(&self.names).cloned();
                let there = |name: &Name| {
                    let model = field.model();
                    model.is_certain(name) && matches!(model.possible(name).as_slice(), [State::File(_)])
                };
                if let Some(other) = other.filter(|other| *other != name && there(other)) {
                    changer.concat(&name, &other).await;
                }
            }
            71..84 => {
                let other = self.random.choice(&self.names).cloned();
                match other.filter(|other| *other != name && field.model().is_certain(other)) {
                    Some(other) => changer.rename(&name, &other).await,
                    None => changer.delete(&name).await,
                }
            }
            _ => changer.delete(&name).await,
        }
    }

    async fn append(&mut self, changer: &Changer<'_>, name: &Name) {
        if let Some(writer) = changer.append(name).await {
            self.more(changer, name, writer).await;
        }
    }

    /// Some pieces, some of them synced, and the end.
    async fn more(&mut self, changer: &Changer<'_>, name: &Name, mut writer: client::FileWriter) {
        let begun = Instant::now();
        for _ in 0..self.random.u32(0..4) {
            let len = self.length() / 2;
            if let Err(error) = changer.grow(name, &mut writer, len).await {
                return changer.failed(Operation::Append, name, &error, begun);
            }
            let synced = Instant::now();
            let (operation, done) = match self.random.u32(0..3) {
                0 => (Operation::Sync, writer.hsync().await),
                1 => (Operation::Flush, writer.hflush().await),
                _ => continue,
            };
            match done {
                Ok(()) => {
                    if operation == Operation::Sync {
                        self.field.model().synced(name, writer.position());
                    }
                    self.field.ended(operation, Outcome::Done, synced);
                }
                Err(error) => return changer.failed(operation, name, &error, synced),
            }
        }
        changer.close(name, writer, begun).await;
    }

    fn length(&mut self) -> u64 {
        let smaller = self.field.smaller;
        match self.random.u32(0..20) {
            0 => 0,
            1..=4 => self.random.u64(1..1_500),
            5..=10 => self.random.u64(1_500..65_536) / smaller,
            11..=17 => self.random.u64(65_536..1_100_000) / smaller,
            _ => self.random.u64(1_100_000..3_500_000) / smaller,
        }
    }

    fn renew_names(&mut self) {
        let model = self.field.model();
        self.names
            .retain(|name| model.is_certain(name) || model.is_one_file(name));
        drop(model);
        while self.names.len() < NAMES {
            self.made += 1;
            self.names
                .push(format!("/chaos/w{}/f{}", self.number, self.made).into());
        }
    }
}

/// The length of the one file that is possible.
fn length_of(possible: &[State]) -> u64 {
    match possible {
        [State::File(file)] => file.content.len(),
        _ => 0,
    }
}
