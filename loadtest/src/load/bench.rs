use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

use serde::Serialize;

use super::{Failure, Order, Place, Running, Subject, Trial};
use crate::generator::Report;

/// How much is measured.
#[derive(Clone, Copy, Debug)]
pub struct Scale {
    /// Rounds in which the subjects take turns.
    pub rounds: usize,
    /// Seconds of the measured window of a run.
    pub window: f64,
    /// Calls a second of the comparison.
    pub rates: &'static [u64],
    /// Rounds of the search for the capacity.
    pub searches: usize,
    /// Calls that are held at a time to see their memory.
    pub held: u64,
    /// Counts of calls in progress between which the cost of a call is compared.
    pub in_progress: &'static [u64],
    /// Seconds of the soak, and of its warm-up.
    pub soak: (f64, f64),
    /// Starts and reloads.
    pub starts: usize,
    /// Targets of the reload.
    pub targets: usize,
    /// Whether this is only a look.
    pub is_quick: bool,
}

impl Scale {
    /// The whole report, below 20 minutes.
    pub const FULL: Self = Self {
        rounds: 3,
        window: 5.0,
        rates: &[2000, 5000],
        searches: 2,
        held: 10_000,
        in_progress: &[10, 1000, 100_000],
        soak: (150.0, 60.0),
        starts: 9,
        targets: 10_000,
        is_quick: false,
    };

    /// A look, below 4 minutes.
    pub const QUICK: Self = Self {
        rounds: 1,
        window: 2.5,
        rates: &[2000],
        searches: 1,
        held: 5000,
        in_progress: &[10, 10_000],
        soak: (12.0, 5.0),
        starts: 3,
        targets: 10_000,
        is_quick: true,
    };

    /// Whether it can be done at all, in seconds: for the tests of the suite.
    pub const TINY: Self = Self {
        rounds: 1,
        window: 0.5,
        rates: &[50],
        searches: 1,
        held: 50,
        in_progress: &[5, 50],
        soak: (3.0, 1.0),
        starts: 1,
        targets: 100,
        is_quick: true,
    };
}

/// Where the experiments run, and what they leave behind beside their figures.
#[derive(Debug)]
pub struct Bench {
    /// How much.
    pub scale: Scale,
    /// Where.
    pub place: Place,
    /// What could not be measured, and why.
    pub troubles: Vec<String>,
    began: Instant,
    log: fs::File,
}

/// A line of the raw record.
#[derive(Serialize)]
struct Record<'a> {
    experiment: &'a str,
    subject: Subject,
    order: &'a Order,
    outcome: Report,
}

impl Bench {
    /// Begins a record of raw results in this folder.
    ///
    /// # Errors
    ///
    /// When it cannot be written.
    pub fn new(scale: Scale, place: Place, folder: &Path) -> Result<Self, Failure> {
        let file: PathBuf = folder.join(RAW);
        let made = fs::create_dir_all(folder).and_then(|()| fs::File::create(&file));
        let log = made.map_err(|error| Failure(format!("{}: {error}", file.display())))?;
        Ok(Self {
            scale,
            place,
            troubles: Vec::new(),
            began: Instant::now(),
            log,
        })
    }

    /// Seconds since the begin.
    #[must_use]
    pub fn elapsed(&self) -> f64 {
        self.began.elapsed().as_secs_f64()
    }

    /// Says where the report is.
    pub fn say(&self, what: &str) {
        eprintln!("{:>5.0} s  {what}", self.elapsed());
    }

    /// One load on a subject that was started for it.
    ///
    /// # Errors
    ///
    /// When it could not take place.
    pub fn fresh(
        &mut self,
        experiment: &str,
        subject: Subject,
        order: &Order,
    ) -> Result<Report, Failure> {
        let running = subject.start(self.place)?;
        self.on(experiment, &running, order)
    }

    /// One load on a subject that runs.
    ///
    /// # Errors
    ///
    /// When it could not take place.
    pub fn on(
        &mut self,
        experiment: &str,
        running: &Running,
        order: &Order,
    ) -> Result<Report, Failure> {
        thread::sleep(SETTLE);
        let outcome = Trial::begin(order, self.place, &[running.process.id()]).finish()?;
        self.keep(experiment, running.subject, order, &outcome);
        let watched = outcome.subject();
        self.say(&format!(
            "{experiment}: {} {}: {:.1} µs a call, {:.0} % of its core; {} good, {} failed, {} repeated{}",
            running.subject.label(),
            order.steps,
            watched.cpu_us_per_call,
            100.0 * watched.cpu_share,
            outcome.calls.good,
            outcome.calls.failed,
            outcome.retransmissions_total,
            if outcome.generator_saturated { "; generator late" } else { "" }
        ));
        Ok(outcome)
    }

    /// The figures of an experiment, or a note that there are none.
    pub fn attempt<T: Default>(
        &mut self,
        what: &str,
        run: impl FnOnce(&mut Self) -> Result<T, Failure>,
    ) -> T {
        run(self).unwrap_or_else(|failure| {
            self.trouble(what, &failure);
            T::default()
        })
    }

    /// Notes that something could not be measured.
    pub fn trouble(&mut self, what: &str, failure: &Failure) {
        self.say(&format!("{what}: {failure}"));
        self.troubles.push(format!("{what}: {failure}"));
    }

    fn keep(&mut self, experiment: &str, subject: Subject, order: &Order, outcome: &Report) {
        let record = Record {
            experiment,
            subject,
            order,
            outcome: Report {
                // The one run whose seconds are of interest has them in the figures.
                seconds: Vec::new(),
                ..outcome.clone()
            },
        };
        // The record is beside the point of a run that has taken place.
        if let Ok(line) = serde_json::to_string(&record) {
            writeln!(self.log, "{line}").ok();
        }
    }
}

/// The name of the raw record.
const RAW: &str = "runs.jsonl";

/// Between the start of a subject and its load.
const SETTLE: Duration = Duration::from_millis(300);
