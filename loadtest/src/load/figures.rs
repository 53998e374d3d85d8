use std::fs;
use std::path::Path;
use std::process::Command;

use serde::{Deserialize, Serialize};

use super::accounting::load_average;
use super::bench::{Bench, Scale};
use super::experiment::{
    Capacity, Cost, Growth, Latency, Memory, Overload, Reload, Soak, Start, Tombstones, capacities,
    costs, growths, latencies, memories, overload, reload, soak, starts, tombstones,
};
use super::subject::versions;
use super::{Failure, Machine, Place, Subject};

/// Everything that a report shows.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Figures {
    /// When it was begun, in UTC.
    pub date: String,
    /// How long it took, in seconds.
    pub seconds: f64,
    /// Whether it was only a look.
    pub quick: bool,
    /// Where.
    pub machine: Machine,
    /// What a call costs.
    pub costs: Vec<Cost>,
    /// How many calls a second one core takes.
    pub capacities: Vec<Capacity>,
    /// How long messages are under way.
    pub latencies: Vec<Latency>,
    /// Memory of calls that ring.
    pub memories: Vec<Memory>,
    /// Memory of finished transactions.
    pub tombstones: Option<Tombstones>,
    /// What makes calls dearer.
    pub growths: Vec<Growth>,
    /// From the start to the first answer.
    pub starts: Vec<Start>,
    /// From SIGHUP to the first answer of the new configuration.
    pub reload: Option<Reload>,
    /// A long time at one rate.
    pub soak: Option<Soak>,
    /// More than one core can take.
    pub overload: Option<Overload>,
    /// What could not be measured.
    pub troubles: Vec<String>,
}

/// What a report is made of, in the order in which it is measured.
pub const PARTS: [&str; 10] = [
    "starts",
    "reload",
    "costs",
    "capacities",
    "latencies",
    "memories",
    "tombstones",
    "growths",
    "overload",
    "soak",
];

/// Calls a second.
const CAPACITY_UNKNOWN: f64 = 2000.0;

/// The name of the file of figures.
const FILE: &str = "figures.json";

impl Figures {
    /// Measures everything, or the parts of these names ([`PARTS`]), and leaves the figures, with the raw results, in
    /// this folder.
    ///
    /// # Errors
    ///
    /// When the folder cannot be written, a port is taken, or there is no part of a name. What cannot be measured is named in `troubles`.
    pub fn measure(
        scale: Scale,
        only: &[&str],
        place: Place,
        folder: &Path,
    ) -> Result<Self, Failure> {
        if let Some(name) = only.iter().find(|name| !PARTS.contains(name)) {
            return Err(Failure(format!(
                "no part {name:?}; there are {}",
                PARTS.join(", ")
            )));
        }
        place.is_free()?;
        let mut figures = Self {
            date: utc(),
            quick: scale.is_quick,
            machine: Machine::here(),
            ..Self::default()
        };
        // Before the first file is written: git calls the tree changed after it.
        figures.machine.versions = versions();
        let mut bench = Bench::new(scale, place, folder)?;
        for part in PARTS {
            if only.is_empty() || only.contains(&part) {
                figures.part(part, &mut bench);
            }
        }
        figures.machine.load_after = load_average();
        figures.seconds = bench.elapsed();
        figures.troubles = bench.troubles;
        figures.write(folder)?;
        Ok(figures)
    }

    fn part(&mut self, name: &str, bench: &mut Bench) {
        let all: Vec<Subject> = Subject::ALL
            .into_iter()
            .filter(|subject| subject.is_here())
            .collect();
        let proxies: Vec<Subject> = [Subject::Hookswitch, Subject::KamailioTuned]
            .into_iter()
            .filter(|subject| subject.is_here())
            .collect();
        match name {
            "starts" => self.starts = starts(bench, &proxies),
            "reload" => self.reload = bench.attempt(name, |bench| reload(bench).map(Some)),
            "costs" => self.costs = costs(bench, &all),
            "capacities" => self.capacities = capacities(bench, &all),
            "latencies" => self.latencies = latencies(bench, &self.capacities),
            "memories" => self.memories = memories(bench, &proxies),
            "tombstones" => {
                self.tombstones = bench.attempt(name, |bench| tombstones(bench).map(Some))
            }
            "growths" => self.growths = growths(bench, self.own_capacity()),
            "overload" => self.overload = Some(overload(bench, self.own_capacity())),
            _ => self.soak = bench.attempt(name, |bench| soak(bench).map(Some)),
        }
    }

    /// The figures that an earlier run has left.
    ///
    /// # Errors
    ///
    /// When there are none.
    pub fn read(folder: &Path) -> Result<Self, Failure> {
        let path = folder.join(FILE);
        let failure =
            |error: &dyn std::fmt::Display| Failure(format!("{}: {error}", path.display()));
        let text = fs::read_to_string(&path).map_err(|error| failure(&error))?;
        serde_json::from_str(&text).map_err(|error| failure(&error))
    }

    fn write(&self, folder: &Path) -> Result<(), Failure> {
        let path = folder.join(FILE);
        let text =
            serde_json::to_string_pretty(self).map_err(|error| Failure(error.to_string()))?;
        fs::write(&path, text + "\n")
            .map_err(|error| Failure(format!("{}: {error}", path.display())))
    }

    /// The cost of a subject at a rate.
    #[must_use]
    pub fn cost(&self, subject: Subject, rate: u64) -> Option<&Cost> {
        self.costs
            .iter()
            .find(|cost| cost.subject == subject && cost.rate == rate)
    }

    /// The rates of the comparison.
    #[must_use]
    pub fn rates(&self) -> Vec<u64> {
        let mut rates: Vec<u64> = self.costs.iter().map(|cost| cost.rate).collect();
        rates.dedup();
        rates
    }

    /// Calls a second; where nobody has searched, something that every machine can do.
    fn own_capacity(&self) -> f64 {
        let own = self
            .capacity(Subject::Hookswitch)
            .and_then(|capacity| capacity.rates.median());
        own.filter(|rate| *rate > 0.0).unwrap_or(CAPACITY_UNKNOWN)
    }

    /// The capacity of a subject.
    #[must_use]
    pub fn capacity(&self, subject: Subject) -> Option<&Capacity> {
        self.capacities
            .iter()
            .find(|capacity| capacity.subject == Some(subject))
    }
}

fn utc() -> String {
    let output = Command::new("date")
        .args(["-u", "+%Y-%m-%d %H:%M UTC"])
        .output();
    output.map_or_else(
        |_| String::new(),
        |output| String::from_utf8_lossy(&output.stdout).trim().to_owned(),
    )
}
