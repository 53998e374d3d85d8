use std::thread;
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

use crate::load::bench::Bench;
use crate::load::subject::own_configuration;
use crate::load::variant::{with_probe, with_targets};
use crate::load::{Failure, Place, Rounds, Subject};
use crate::{Draft, Peer};

/// From the start of the program to its first answer.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Start {
    /// Whose.
    pub subject: Subject,
    /// ms to the first answered OPTIONS.
    pub ms: Rounds,
}

/// From SIGHUP to the first answer by the new configuration.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Reload {
    /// Targets of the new configuration.
    pub targets: u64,
    /// ms.
    pub ms: Rounds,
    /// The longest time in which no question was answered meanwhile, in ms.
    pub silence_ms: Rounds,
}

/// How long anything here may take.
const PATIENCE: Duration = Duration::from_secs(10);

/// Between two questions.
const PACE: Duration = Duration::from_micros(500);

/// Starts each subject again and again.
pub(crate) fn starts(bench: &mut Bench, subjects: &[Subject]) -> Vec<Start> {
    let mut all = Vec::new();
    for &subject in subjects {
        let mut ms = Rounds::default();
        for _ in 0..bench.scale.starts {
            match start(bench.place, subject) {
                Ok(elapsed) => ms.0.push(elapsed.as_secs_f64() * 1000.0),
                Err(failure) => bench.trouble(&format!("start of {}", subject.label()), &failure),
            }
        }
        bench.say(&format!("start: {}: {:.1?} ms", subject.label(), ms.0));
        all.push(Start { subject, ms });
    }
    all
}

fn start(place: Place, subject: Subject) -> Result<Duration, Failure> {
    let text = subject.configuration()?;
    let mut asker = Asker::new(place);
    let began = Instant::now();
    let _running = subject.launch(place, &text)?;
    while began.elapsed() < PATIENCE {
        if asker.ask("").is_some() {
            return Ok(began.elapsed());
        }
    }
    Err(Failure(format!("{} does not answer", subject.label())))
}

/// Reloads a configuration with many targets, again and again, each time with another answer to the same question.
///
/// # Errors
///
/// When the new configuration does not come.
pub(crate) fn reload(bench: &Bench) -> Result<Reload, Failure> {
    let own = own_configuration()?;
    let targets = bench.scale.targets as u64;
    let running = Subject::Hookswitch.start_with(bench.place, &with_probe(&own, OLD))?;
    let (mut ms, mut silence_ms) = (Rounds::default(), Rounds::default());
    let mut asker = Asker::new(bench.place);
    for round in 0..bench.scale.starts {
        let status = NEW + (round % 2) as u16;
        let text = with_targets(&with_probe(&own, status), targets);
        let began = running.reload(&text);
        let (mut heard, mut silence) = (began, Duration::ZERO);
        loop {
            if began.elapsed() > PATIENCE {
                let log = running.process.output();
                return Err(Failure(format!(
                    "the new configuration does not come: {log}"
                )));
            }
            let answer = asker.ask("probe@");
            silence = silence.max(heard.elapsed());
            if answer.is_some() {
                heard = Instant::now();
            }
            if answer == Some(status) {
                break;
            }
        }
        ms.0.push(began.elapsed().as_secs_f64() * 1000.0);
        silence_ms.0.push(silence.as_secs_f64() * 1000.0);
        thread::sleep(Duration::from_millis(200));
    }
    bench.say(&format!("reload of {targets} targets: {:.1?} ms", ms.0));
    Ok(Reload {
        targets,
        ms,
        silence_ms,
    })
}

/// The answers before the first reload, and by turns after it.
const OLD: u16 = 480;
const NEW: u16 = 486;

/// Asks with OPTIONS, a new transaction each time.
struct Asker {
    place: Place,
    peer: Peer,
    asked: Option<Instant>,
}

impl Asker {
    fn new(place: Place) -> Self {
        Self {
            place,
            peer: Peer::bind(),
            asked: None,
        }
    }

    /// The status of whatever comes within the pace.
    fn ask(&mut self, user: &str) -> Option<u16> {
        // A question a pace: one that nobody hears is not waited for.
        if self.asked.is_none_or(|asked| asked.elapsed() >= PACE) {
            let uri = format!("sip:{user}{}", self.place.edge);
            let draft = Draft::new("OPTIONS", &uri, &self.peer);
            self.peer.send(self.place.edge, draft.text());
            self.asked = Some(Instant::now());
        }
        self.peer.receive(PACE)?.status()
    }
}
