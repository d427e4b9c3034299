//! The figures of all rounds, and how they are shown.

use serde::Serialize;

use crate::metadata::operation::Operation;
use crate::metadata::round::Measured;
use crate::report::print_columns;
use crate::samples::Samples;

/// One operation in one setting.
#[derive(Debug, Serialize)]
pub(crate) struct Figure {
    pub system: &'static str,
    pub masters: usize,
    pub callers: usize,
    /// Operations in one message.
    pub batch: u64,
    pub operation: Operation,
    pub per_second: Samples,
    /// Of the empty calls of the same round.
    pub share_of_empty: Samples,
    /// Of the bare calls of the same round.
    pub share_of_bare: Samples,
    pub client_cpu_micros: Samples,
    pub server_cpu_micros: Samples,
}

/// In which setting something was measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Setting {
    pub system: &'static str,
    pub masters: usize,
    pub callers: usize,
    pub batch: u64,
}

/// All of them, in the order in which they were first measured.
#[derive(Debug, Default, Serialize)]
#[serde(transparent)]
pub(crate) struct Figures(Vec<Figure>);

impl Figures {
    /// Takes a round's figures in.
    pub(crate) fn push(&mut self, setting: Setting, round: &[Measured]) {
        let yardstick = |operation| {
            let measured = round.iter().find(|measured| measured.operation == operation)?;
            Some(measured.took.rate(measured.count)).filter(|rate| *rate > 0.0)
        };
        let (empty, bare) = (yardstick(Operation::Ping), yardstick(Operation::Bare));
        for measured in round {
            let rate = measured.took.rate(measured.count);
            let figure = self.of(setting, measured.operation);
            figure.per_second.push(rate);
            if let Some(empty) = empty {
                figure.share_of_empty.push(rate / empty);
            }
            if let Some(bare) = bare {
                figure.share_of_bare.push(rate / bare);
            }
            figure
                .client_cpu_micros
                .push(measured.took.client_micros(measured.count));
            figure
                .server_cpu_micros
                .push(measured.took.server_micros(measured.count));
        }
    }

    fn of(&mut self, setting: Setting, operation: Operation) -> &mut Figure {
        let place = match self.place(setting, operation) {
            Some(place) => place,
            None => {
                self.0.push(Figure {
                    system: setting.system,
                    masters: setting.masters,
                    callers: setting.callers,
                    batch: setting.batch,
                    operation,
                    per_second: Samples::default(),
                    share_of_empty: Samples::default(),
                    share_of_bare: Samples::default(),
                    client_cpu_micros: Samples::default(),
                    server_cpu_micros: Samples::default(),
                });
                self.0.len() - 1
            }
        };
        #[expect(
            clippy::indexing_slicing,
            reason = "the place was found, or has just been made"
        )]
        &mut self.0[place]
    }

    fn place(&self, setting: Setting, operation: Operation) -> Option<usize> {
        self.0.iter().position(|figure| {
            figure.operation == operation
                && figure.system == setting.system
                && figure.masters == setting.masters
                && figure.callers == setting.callers
                && figure.batch == setting.batch
        })
    }

    /// The figure of an operation, if it was measured.
    pub(crate) fn get(&self, setting: Setting, operation: Operation) -> Option<&Figure> {
        self.0.get(self.place(setting, operation)?)
    }

    /// Prints a table for each setting.
    pub(crate) fn print(&self) {
        let mut shown: Vec<Setting> = Vec::new();
        for figure in &self.0 {
            let setting = figure.setting();
            if !shown.contains(&setting) {
                shown.push(setting);
                self.print_setting(setting);
            }
        }
    }

    fn print_setting(&self, setting: Setting) {
        let how = match setting.batch {
            1 => "each in a call of its own".to_owned(),
            batch => format!("{batch} in a message"),
        };
        let masters = if setting.masters == 1 { "master" } else { "masters" };
        println!(
            "\n{}, {} {masters}, {} callers, {how}; median (min–max):",
            setting.system, setting.masters, setting.callers
        );
        let heading = [
            "",
            "per second",
            "of empty calls",
            "client CPU-µs",
            "servers CPU-µs",
        ];
        let mut rows = vec![heading.map(str::to_owned).to_vec()];
        for figure in self.0.iter().filter(|figure| figure.setting() == setting) {
            rows.push(vec![
                figure.operation.name().to_owned(),
                format!("{:.0}", figure.per_second),
                figure.share_of_empty.to_string(),
                format!("{:.0}", figure.client_cpu_micros),
                format!("{:.0}", figure.server_cpu_micros),
            ]);
        }
        print_columns(&rows);
    }
}

impl Figure {
    const fn setting(&self) -> Setting {
        Setting {
            system: self.system,
            masters: self.masters,
            callers: self.callers,
            batch: self.batch,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::took::Took;

    const SETTING: Setting = Setting {
        system: "test",
        masters: 1,
        callers: 64,
        batch: 1,
    };

    fn measured(operation: Operation, count: u64) -> Measured {
        let took = Took {
            seconds: 1.0,
            client_cpu: 0.1,
            server_cpu: 0.2,
        };
        Measured {
            operation,
            count,
            took,
        }
    }

    #[test]
    fn shares_are_of_the_empty_calls_of_the_same_round() {
        let mut figures = Figures::default();
        figures.push(
            SETTING,
            &[
                measured(Operation::Bare, 400),
                measured(Operation::Ping, 1_000),
                measured(Operation::Stat, 500),
            ],
        );
        figures.push(
            SETTING,
            &[measured(Operation::Ping, 2_000), measured(Operation::Stat, 500)],
        );
        let stat = figures.get(SETTING, Operation::Stat).unwrap();
        assert_eq!(stat.share_of_empty.median(), 0.375);
        assert_eq!(stat.share_of_bare.median(), 1.25);
        assert_eq!(stat.per_second.median(), 500.0);
        assert_eq!(stat.server_cpu_micros.median(), 400.0);
        assert!(figures.get(SETTING, Operation::Create).is_none());
        let other = Setting { batch: 64, ..SETTING };
        assert!(figures.get(other, Operation::Stat).is_none());
    }
}
