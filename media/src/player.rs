//! What is played, a frame at a time.

use std::collections::VecDeque;

use crate::convert::{Between, samples};
use crate::dtmf;
use crate::keys::{KeyStep, KeyWriter, Tone};
use crate::pcm::Pcm;
use crate::{Outcome, PlayId, RecordId, Source};

/// A row of things to play, one after another.
#[derive(Debug, Default)]
pub(crate) struct Player {
    queue: VecDeque<Item>,
}

#[derive(Debug)]
struct Item {
    owner: Owner,
    what: What,
}

/// Who wants to know when it was played.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Owner {
    /// A recording that begins after its beep.
    Beep(RecordId),
    /// Nobody.
    Nobody,
    /// The caller.
    Play(PlayId),
}

#[derive(Debug)]
enum What {
    Keys(KeyWriter),
    Row(Row),
}

/// What a tick sends.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Voice {
    /// A packet of a telephone event.
    Key {
        event: u8,
        ticks: u16,
        first: bool,
        end: bool,
    },
    /// Nothing is played.
    Nothing,
    /// A frame.
    Sound,
}

impl Player {
    /// Nothing is played, and nothing waits.
    pub(crate) fn is_idle(&self) -> bool {
        self.queue.is_empty()
    }

    /// Puts sources at the end of the row.
    pub(crate) fn push(
        &mut self,
        owner: Owner,
        what: Vec<Source>,
        times: u32,
    ) -> Result<(), String> {
        if what.len() > SOURCES_MAX {
            return Err("too many sources at once".to_owned());
        }
        self.enqueue(owner, What::Row(Row::new(what, times)))
    }

    /// Puts keys at the end of the row.
    pub(crate) fn push_keys(&mut self, owner: Owner, keys: &str) -> Result<(), String> {
        if keys.len() > KEYS_MAX {
            return Err("too many keys at once".to_owned());
        }
        self.enqueue(owner, What::Keys(KeyWriter::new(keys)))
    }

    /// Plays something before all else; false if there is no room for it.
    pub(crate) fn push_first(&mut self, owner: Owner, sound: Pcm) -> bool {
        let room = self.queue.len() < PLAYS_MAX;
        if room {
            let what = What::Row(Row::new(vec![Source::Pcm(sound)], 1));
            self.queue.push_front(Item { owner, what });
        }
        room
    }

    /// Takes out what belongs to `owner`; whether there was any.
    pub(crate) fn stop(&mut self, owner: Owner) -> bool {
        let before = self.queue.len();
        self.queue.retain(|item| item.owner != owner);
        self.queue.len() < before
    }

    /// Renders the next frame at `rate` into `out`, which is empty if there is none. Keys are
    /// events where the peer knows `events`, and tones otherwise. What was played to its end goes
    /// to `done`.
    pub(crate) fn render(
        &mut self,
        rate: u32,
        events: bool,
        out: &mut Vec<i16>,
        done: &mut Vec<(Owner, Outcome)>,
    ) -> Voice {
        out.clear();
        let wanted = samples(rate);
        while out.len() < wanted {
            let Some(item) = self.queue.front_mut() else {
                break;
            };
            if let What::Keys(keys) = &item.what
                && !events
            {
                item.what = What::Row(Row::new(tones(keys), 1));
            }
            let over = match &mut item.what {
                What::Row(row) => row.pull(rate, wanted, out),
                // What comes before the keys fills its frame first.
                What::Keys(_) if !out.is_empty() => break,
                What::Keys(keys) => match keys.step() {
                    KeyStep::Done => true,
                    KeyStep::Event {
                        event,
                        ticks,
                        first,
                        end,
                    } => {
                        return Voice::Key {
                            event,
                            ticks,
                            first,
                            end,
                        };
                    }
                    KeyStep::Pause => {
                        out.resize(wanted, 0);
                        false
                    }
                },
            };
            if over {
                done.push((item.owner, Outcome::Finished));
                self.queue.pop_front();
            }
        }
        if out.is_empty() {
            return Voice::Nothing;
        }
        out.resize(wanted, 0);
        Voice::Sound
    }

    fn enqueue(&mut self, owner: Owner, what: What) -> Result<(), String> {
        if self.queue.len() >= PLAYS_MAX {
            return Err("too much waits to be played".to_owned());
        }
        self.queue.push_back(Item { owner, what });
        Ok(())
    }
}

/// Sources in a row, some times over.
#[derive(Debug)]
struct Row {
    sources: Vec<Source>,
    /// Rounds to come after this one; `None` is without end.
    rounds: Option<u32>,
    at: usize,
    /// Samples of the source that were taken, at its own rate.
    position: usize,
    /// This round has given something to hear.
    sounded: bool,
    between: Between,
    /// Samples of a chunk that had no place in the last frame, at the rate of the frames.
    ready: VecDeque<i16>,
    chunk: Vec<i16>,
}

/// What a source gave.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Taken {
    /// All it has.
    End,
    /// Some.
    More,
    /// Nothing now, and more later.
    Starved,
}

impl Row {
    fn new(sources: Vec<Source>, times: u32) -> Self {
        Self {
            sources,
            rounds: times.checked_sub(1),
            at: 0,
            position: 0,
            sounded: false,
            between: Between::default(),
            ready: VecDeque::new(),
            chunk: Vec::new(),
        }
    }

    /// Fills `out` up to `wanted` samples; true when the row is over.
    fn pull(&mut self, rate: u32, wanted: usize, out: &mut Vec<i16>) -> bool {
        loop {
            let room = wanted.saturating_sub(out.len()).min(self.ready.len());
            out.extend(self.ready.drain(..room));
            if out.len() >= wanted {
                return false;
            }
            match self.take(rate) {
                Taken::More => self.sounded = true,
                Taken::Starved => {
                    out.resize(wanted, 0);
                    return false;
                }
                Taken::End => {
                    if self.ready.is_empty() && !self.advance() {
                        return true;
                    }
                }
            }
        }
    }

    /// Goes to the next source; false after the last of the last round.
    fn advance(&mut self) -> bool {
        self.at += 1;
        self.position = 0;
        if self.at < self.sources.len() {
            return true;
        }
        self.at = 0;
        // A round in which nothing is heard would never end.
        if !std::mem::replace(&mut self.sounded, false) {
            return false;
        }
        match &mut self.rounds {
            None => true,
            Some(0) => false,
            Some(rounds) => {
                *rounds -= 1;
                true
            }
        }
    }

    /// Takes 20 ms of the source, at the rate of the frames, into `ready`.
    fn take(&mut self, rate: u32) -> Taken {
        let Some(source) = self.sources.get_mut(self.at) else {
            return Taken::End;
        };
        self.chunk.clear();
        let (own, taken) = match source {
            Source::Pcm(pcm) => {
                let end = pcm
                    .samples
                    .len()
                    .min(self.position + samples(pcm.rate).max(1));
                let part = pcm.samples.get(self.position..end).unwrap_or_default();
                self.chunk.extend_from_slice(part);
                (
                    pcm.rate,
                    if part.is_empty() {
                        Taken::End
                    } else {
                        Taken::More
                    },
                )
            }
            Source::Silence(time) => {
                let total = time.as_millis() * u128::from(rate) / 1000;
                let total = usize::try_from(total).unwrap_or(usize::MAX);
                let count = total.saturating_sub(self.position).min(samples(rate));
                self.chunk.resize(count, 0);
                (rate, if count == 0 { Taken::End } else { Taken::More })
            }
            Source::Tone(cadence) => {
                if self.position == 0 {
                    cadence.restart();
                }
                self.chunk.resize(samples(TONE_RATE), 0);
                cadence.fill(&mut self.chunk);
                (TONE_RATE, Taken::More)
            }
            Source::Feed(feed) => {
                let more = feed.take(samples(feed.rate()), &mut self.chunk);
                let taken = match (self.chunk.is_empty(), more) {
                    (false, _) => Taken::More,
                    (true, true) => Taken::Starved,
                    (true, false) => Taken::End,
                };
                (feed.rate(), taken)
            }
        };
        self.position = self.position.saturating_add(self.chunk.len());
        if own == rate {
            self.ready.extend(&self.chunk);
            return taken;
        }
        let mut converted = Vec::with_capacity(samples(rate) + 8);
        self.between.process(&self.chunk, own, rate, &mut converted);
        self.ready.extend(converted);
        taken
    }
}

/// Keys as sources.
fn tones(keys: &KeyWriter) -> Vec<Source> {
    let silence = |millis| Source::Silence(std::time::Duration::from_millis(u64::from(millis)));
    let mut sources = Vec::new();
    for tone in keys.tones() {
        match tone {
            Tone::Pause(millis) => sources.push(silence(millis)),
            Tone::Key(key) => {
                sources.push(Source::Pcm(key_tone(key)));
                sources.push(silence(Tone::GAP_MS));
            }
        }
    }
    sources
}

/// A key as sound.
pub(crate) fn key_tone(key: char) -> Pcm {
    Pcm {
        rate: TONE_RATE,
        samples: dtmf::tone(key, TONE_RATE, Tone::KEY_MS).into(),
    }
}

/// The rate of tones that are made here.
const TONE_RATE: u32 = 8000;

/// Plays that wait in a session. A document asks for one at a time; a queue that is this long is of
/// a caller that never looks.
const PLAYS_MAX: usize = 64;

/// Sources of one play.
const SOURCES_MAX: usize = 256;

/// Keys of one row.
const KEYS_MAX: usize = 256;

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::Feed;

    fn pcm(samples: Vec<i16>) -> Source {
        Source::Pcm(Pcm {
            rate: 8000,
            samples: samples.into(),
        })
    }

    /// All that is heard until nothing is, or for `ticks`, and what is done.
    fn hear(player: &mut Player, ticks: usize) -> (Vec<i16>, Vec<Owner>) {
        let (mut heard, mut done, mut out) = (Vec::new(), Vec::new(), Vec::new());
        for _ in 0..ticks {
            if player.render(8000, true, &mut out, &mut done) == Voice::Nothing {
                break;
            }
            heard.extend_from_slice(&out);
        }
        (heard, done.into_iter().map(|(owner, _)| owner).collect())
    }

    #[test]
    fn a_row_twice_without_gaps_and_the_next() {
        let mut player = Player::default();
        let row = vec![pcm(vec![1; 100]), pcm(vec![2; 30])];
        player.push(Owner::Play(PlayId(1)), row, 2).unwrap();
        player
            .push(Owner::Play(PlayId(2)), vec![pcm(vec![3; 10])], 1)
            .unwrap();
        let (heard, done) = hear(&mut player, 100);
        let mut expected = vec![1; 100];
        expected.extend([2; 30]);
        expected.extend(expected.clone());
        expected.extend([3; 10]);
        expected.resize(320, 0);
        assert_eq!(heard, expected);
        assert_eq!(done, [Owner::Play(PlayId(1)), Owner::Play(PlayId(2))]);
        assert!(player.is_idle());
    }

    #[test]
    fn without_end_until_stopped() {
        let mut player = Player::default();
        let owner = Owner::Play(PlayId(1));
        player.push(owner, vec![pcm(vec![7; 33])], 0).unwrap();
        let (heard, done) = hear(&mut player, 500);
        assert_eq!(heard, vec![7; 500 * 160]);
        assert!(done.is_empty());
        assert!(player.stop(owner));
        assert!(!player.stop(owner));
        assert_eq!(hear(&mut player, 9).0, []);
    }

    #[test]
    fn nothing_without_end_ends() {
        let mut player = Player::default();
        for sources in [
            vec![],
            vec![pcm(vec![])],
            vec![Source::Silence(Duration::ZERO)],
        ] {
            player.push(Owner::Nobody, sources, 0).unwrap();
        }
        let (heard, done) = hear(&mut player, 9);
        assert_eq!((heard.len(), done.len()), (0, 3));
    }

    #[test]
    fn silence_is_as_long_as_it_says() {
        let mut player = Player::default();
        let row = vec![Source::Silence(Duration::from_millis(50)), pcm(vec![5; 80])];
        player.push(Owner::Nobody, row, 1).unwrap();
        let (heard, _) = hear(&mut player, 9);
        assert_eq!(heard.iter().position(|sample| *sample != 0), Some(400));
        assert_eq!(heard.len(), 480);
    }

    #[test]
    fn a_feed_waits_and_ends() {
        let mut player = Player::default();
        let feed = Feed::new(8000, Duration::from_secs(1), |_| {});
        let owner = Owner::Play(PlayId(4));
        player
            .push(owner, vec![Source::Feed(feed.clone())], 1)
            .unwrap();
        assert_eq!(hear(&mut player, 3).0, vec![0; 480]);
        feed.push(&[9; 200]);
        let mut expected = vec![9; 200];
        expected.resize(480, 0);
        assert_eq!(hear(&mut player, 3).0, expected);
        feed.end();
        assert_eq!(hear(&mut player, 3).1, [owner]);
    }

    #[test]
    fn keys_as_events_and_as_tones() {
        let mut player = Player::default();
        player
            .push(Owner::Nobody, vec![pcm(vec![1; 40])], 1)
            .unwrap();
        player.push_keys(Owner::Play(PlayId(3)), "5").unwrap();
        let (mut out, mut done) = (Vec::new(), Vec::new());
        assert_eq!(player.render(8000, true, &mut out, &mut done), Voice::Sound);
        let mut events = 0;
        let mut frames = 0;
        loop {
            match player.render(8000, true, &mut out, &mut done) {
                Voice::Key { event, .. } => {
                    assert_eq!(event, 5);
                    events += 1;
                }
                Voice::Sound => frames += 1,
                Voice::Nothing => break,
            }
        }
        assert_eq!((events, frames), (7, 3));
        player.push_keys(Owner::Nobody, "w5").unwrap();
        let mut heard = Vec::new();
        while player.render(8000, false, &mut out, &mut done) == Voice::Sound {
            heard.extend_from_slice(&out);
        }
        assert_eq!(heard.len(), 4000 + 800 + 800);
        assert!(heard[..4000].iter().all(|sample| *sample == 0));
        assert!(heard[4000..4800].iter().any(|sample| *sample > 1000));
    }

    #[test]
    fn bounds() {
        let mut player = Player::default();
        let taken = (0..100).filter(|_| player.push(Owner::Nobody, vec![], 1).is_ok());
        assert_eq!(taken.count(), PLAYS_MAX);
        assert!(!player.push_first(Owner::Nobody, key_tone('1')));
        let mut player = Player::default();
        assert!(player.push_keys(Owner::Nobody, &"1".repeat(1000)).is_err());
        assert!(
            player
                .push(Owner::Nobody, vec![pcm(vec![1]); 300], 1)
                .is_err()
        );
    }

    #[test]
    fn another_rate() {
        let mut player = Player::default();
        player
            .push(Owner::Nobody, vec![pcm(vec![1000; 1600])], 1)
            .unwrap();
        let (mut heard, mut done, mut out) = (Vec::new(), Vec::new(), Vec::new());
        while player.render(16_000, true, &mut out, &mut done) == Voice::Sound {
            assert_eq!(out.len(), 320);
            heard.extend_from_slice(&out);
        }
        assert!((3200..=3840).contains(&heard.len()), "{}", heard.len());
    }
}
