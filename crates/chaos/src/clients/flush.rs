//! A client that keeps files open, and flushes them piece by piece.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use client::{FileSystem, FileWriter};
use fastrand::Rng;

use super::bounded;
use super::change::Changer;
use crate::field::Field;
use crate::model::Name;
use crate::tally::{Operation, Outcome};

/// Files of each client.
const FILES: usize = 10;
/// Of these, open at a time.
const OPEN_MAX: usize = 4;
/// A file that is so long is given up for another one.
const LENGTH_MAX: u64 = 4 << 20;
/// Between two calls, at most.
const PAUSE_MS: u64 = 100;

pub(super) struct Writer {
    field: Arc<Field>,
    fs: FileSystem,
    number: usize,
    random: Rng,
    names: Vec<Name>,
    open: BTreeMap<Name, FileWriter>,
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
            open: BTreeMap::new(),
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
        for (name, writer) in std::mem::take(&mut self.open) {
            let fs = self.fs.clone();
            let changer = Changer {
                field: &field,
                fs: &fs,
            };
            bounded(&field, &who, changer.close(&name, writer, Instant::now())).await;
        }
    }

    async fn step(&mut self) {
        let field = Arc::clone(&self.field);
        let fs = self.fs.clone();
        let changer = Changer {
            field: &field,
            fs: &fs,
        };
        let place = self.random.usize(..FILES);
        let Some(name) = self.names.get(place).cloned() else {
            return self.create(&changer).await;
        };
        let writer = match self.open.remove(&name) {
            Some(writer) => writer,
            None if self.open.len() >= OPEN_MAX => {
                let Some(other) = self.open.keys().next().cloned() else {
                    return;
                };
                if let Some(writer) = self.open.remove(&other) {
                    changer.close(&other, writer, Instant::now()).await;
                }
                return;
            }
            None => match changer.append(&name).await {
                Some(writer) => writer,
                None => return,
            },
        };
        self.flush(&changer, name, writer).await;
    }

    async fn create(&mut self, changer: &Changer<'_>) {
        self.made += 1;
        let name: Name = format!("/chaos/w{}/f{}", self.number, self.made).into();
        if let Some(writer) = changer.create(&name).await {
            self.names.push(Arc::clone(&name));
            self.flush(changer, name, writer).await;
        }
    }

    /// A piece more, for all to see.
    async fn flush(&mut self, changer: &Changer<'_>, name: Name, mut writer: FileWriter) {
        let begun = Instant::now();
        let smaller = self.field.smaller;
        let len = match self.random.u32(0..4) {
            0 => self.random.u64(1..600),
            1 | 2 => self.random.u64(600..20_000),
            _ => self.random.u64(20_000..200_000) / smaller,
        };
        let sync = self.random.u32(0..5) == 0;
        let operation = if sync { Operation::Sync } else { Operation::Flush };
        let flushed = async {
            changer.grow(&name, &mut writer, len).await?;
            if sync {
                writer.hsync().await
            } else {
                writer.hflush().await
            }
        };
        if let Err(error) = flushed.await {
            // It is given up; whoever opens it for more learns how much is there.
            return changer.failed(operation, &name, &error, begun);
        }
        let len = writer.position();
        self.field.model().sure(&name, len);
        self.field.ended(operation, Outcome::Done, begun);
        if len > LENGTH_MAX / smaller {
            self.names.retain(|known| *known != name);
            changer.close(&name, writer, Instant::now()).await;
        } else if self.random.u32(0..12) == 0 {
            changer.close(&name, writer, Instant::now()).await;
        } else {
            self.open.insert(name, writer);
        }
    }
}
