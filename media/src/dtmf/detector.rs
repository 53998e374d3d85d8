//! Finding keys in sound at 8 kHz.
//!
//! Blocks that overlap by half are measured at the eight tones by the Goertzel algorithm. A block
//! holds a key if one tone of each group stands out and hardly anything else is in it; a key is
//! pressed when four blocks in a row (32 ms) hold it. Speech holds such pairs for a moment, but not
//! that pure and not that long.

use std::collections::VecDeque;
use std::f32::consts::TAU;

use super::{COLUMNS, KEYS, ROWS};

const RATE: f32 = 8000.0;

/// Samples in a block: 12.75 ms. Bins of 78 Hz take tones that are 1.5 % off (Q.24 §2.2), and leave
/// out the neighbours, which are 73 Hz away at least.
const BLOCK: usize = 102;

/// Samples from one block to the next.
const HOP: usize = BLOCK / 2;

/// Blocks in a row that make a key: 32 ms, so that the 40 ms of Q.24 §2.4 always hold them, and
/// 23 ms never do.
const PRESSED: u8 = 4;

/// Blocks in a row without the key that make it released. Q.24 wants a break of 10 ms to be passed
/// over and one of 40 ms to be a pause.
const RELEASED: u8 = 4;

/// The weakest amplitude of a tone: -40 dBm0.
const AMPLITUDE_MIN: f32 = 230.0;

/// How much stronger the column may be than the row: the 8 dB that networks allow (Q.24 §2.3), and
/// 1 dB by which each tone blurs the measure of the other.
const TWIST: f32 = 8.0;

/// How much stronger the row may be than the column: 6 dB, and the same.
const TWIST_REVERSE: f32 = 5.0;

/// How far a tone stands out of the others of its group: 8 dB.
const STANDS_OUT: f32 = 6.3;

/// The least share of both tones in the power of a block. A tone that is 1.5 % off keeps about 0.7
/// of its own; noise of -15 dB costs 0.03.
const SHARE_MIN: f32 = 0.68;

/// The most of twice a tone's frequency beside the tone: -10 dB. Voices have harmonics, keys have
/// none.
const HARMONIC_MAX: f32 = 0.1;

/// Where a row's second harmonic is nearer to the column than this, it cannot be told from it.
const HARMONIC_APART_HZ: f64 = 120.0;

/// Keys that were found and not asked for yet; more at once only come from a caller that pushes
/// seconds of sound.
const WAITING_MAX: usize = 32;

/// Finds the keys in a stream of sound at 8 kHz.
#[derive(Debug)]
pub struct Detector {
    /// Sound that is not yet measured; less than a block between two pushes.
    window: Vec<f32>,
    rows: [Filter; 4],
    columns: [Filter; 4],
    /// Filters at twice the frequency.
    row_harmonics: [Filter; 4],
    column_harmonics: [Filter; 4],
    /// What the last block held, and how many before it the same.
    seen: Option<char>,
    times: u8,
    /// The key that is down, and for how many blocks it has not been seen.
    down: Option<char>,
    away: u8,
    waiting: VecDeque<char>,
}

impl Default for Detector {
    fn default() -> Self {
        Self::new()
    }
}

impl Detector {
    /// A detector that has heard nothing yet.
    #[must_use]
    pub fn new() -> Self {
        Self {
            window: Vec::with_capacity(4 * BLOCK),
            rows: ROWS.map(Filter::new),
            columns: COLUMNS.map(Filter::new),
            row_harmonics: ROWS.map(|tone| Filter::new(2.0 * tone)),
            column_harmonics: COLUMNS.map(|tone| Filter::new(2.0 * tone)),
            seen: None,
            times: 0,
            down: None,
            away: 0,
            waiting: VecDeque::new(),
        }
    }

    /// Listens to the next samples, and tells a key once it has been down for 32 ms.
    ///
    /// A frame of 20 ms holds at most one; of a longer piece, further keys come with the pushes
    /// that follow.
    pub fn push(&mut self, pcm: &[i16]) -> Option<char> {
        self.window
            .extend(pcm.iter().map(|&sample| f32::from(sample)));
        let window = std::mem::take(&mut self.window);
        let mut used = 0;
        while let Some(block) = window.get(used..used + BLOCK) {
            let key = self.measure(block);
            self.follow(key);
            used += HOP;
        }
        self.window = window;
        self.window.drain(..used);
        self.waiting.pop_front()
    }

    /// What a block holds.
    fn measure(&self, block: &[f32]) -> Option<char> {
        let power: f32 = block.iter().map(|sample| sample * sample).sum();
        // A filter gives (amplitude · n / 2)²; the power of such a tone is n / 2 · amplitude².
        let half = BLOCK as f32 / 2.0;
        let least = (AMPLITUDE_MIN * half).powi(2);
        if power * half < 2.0 * least {
            return None;
        }
        let (row, row_power) = strongest(&self.rows, block)?;
        let (column, column_power) = strongest(&self.columns, block)?;
        let both = row_power + column_power;
        let alone = row_power >= least
            && column_power >= least
            && column_power <= row_power * TWIST
            && row_power <= column_power * TWIST_REVERSE
            && both >= SHARE_MIN * half * power;
        if !alone || self.is_voice(block, (row, row_power), (column, column_power)) {
            return None;
        }
        KEYS.get(row)?.get(column).copied()
    }

    /// Whether one of the tones comes with its second harmonic.
    fn is_voice(&self, block: &[f32], row: (usize, f32), column: (usize, f32)) -> bool {
        let beside = |harmonics: &[Filter; 4], (index, power): (usize, f32)| {
            harmonics
                .get(index)
                .is_some_and(|filter| filter.power(block) > HARMONIC_MAX * power)
        };
        let tones = ROWS.get(row.0).zip(COLUMNS.get(column.0));
        let apart = tones.is_some_and(|(low, high)| (2.0 * low - high).abs() > HARMONIC_APART_HZ);
        (apart && beside(&self.row_harmonics, row)) || beside(&self.column_harmonics, column)
    }

    /// Takes what a block held into account.
    fn follow(&mut self, key: Option<char>) {
        self.times = match key == self.seen {
            true => self.times.saturating_add(1),
            false => 1,
        };
        self.seen = key;
        if key == self.down {
            self.away = 0;
            return;
        }
        self.away = self.away.saturating_add(1);
        if self.away >= RELEASED {
            self.down = None;
        }
        if key.is_some() && self.times >= PRESSED {
            self.down = key;
            self.away = 0;
            if self.waiting.len() < WAITING_MAX {
                self.waiting.extend(key);
            }
        }
    }
}

/// The Goertzel algorithm at one frequency.
#[derive(Clone, Copy, Debug)]
struct Filter {
    /// Twice the cosine of the angle between two samples.
    coefficient: f32,
}

impl Filter {
    fn new(hertz: f64) -> Self {
        Self {
            coefficient: 2.0 * (TAU * hertz as f32 / RATE).cos(),
        }
    }

    /// The squared magnitude of the block's component at the frequency.
    fn power(&self, block: &[f32]) -> f32 {
        let (mut one, mut two) = (0.0, 0.0);
        for sample in block {
            let next = sample + self.coefficient * one - two;
            two = one;
            one = next;
        }
        one * one + two * two - self.coefficient * one * two
    }
}

/// The tone of a group that stands out of the others.
fn strongest(group: &[Filter; 4], block: &[f32]) -> Option<(usize, f32)> {
    let powers = group.map(|filter| filter.power(block));
    let (index, best) = powers
        .iter()
        .copied()
        .enumerate()
        .max_by(|(_, one), (_, other)| one.total_cmp(other))?;
    let clear = |(other, power): (usize, &f32)| other == index || best >= STANDS_OUT * power;
    powers
        .iter()
        .enumerate()
        .all(clear)
        .then_some((index, best))
}
