use std::f64::consts::TAU;

use super::Sound;

/// Where a piece of sound was found in another, and how like itself it was.
#[derive(Clone, Copy, Debug)]
pub struct Likeness {
    /// Seconds from the begin of what was searched; negative where the begin of the source was missed.
    pub at: f64,
    /// 1 for the same sound however loud, near 0 for anything else.
    pub degree: f64,
}

impl Sound {
    /// The place where `source` fits best (normalised cross-correlation over every lag).
    ///
    /// A jitter buffer that runs dry puts a frame in, and moves all that follows: so the source may also fit in pieces, each of
    /// which is within [`MOVED`] of its place.
    ///
    /// # Panics
    ///
    /// When they are of two rates.
    #[must_use]
    pub fn find(&self, source: &Self) -> Likeness {
        let mut best = self.find_whole(source);
        if best.degree > 0.0 {
            best.degree = best.degree.max(self.likeness_of_pieces(source, best.at));
        }
        best
    }

    /// The mean degree of the pieces of `source`, by their energy, near where they are if it begins at `at`.
    fn likeness_of_pieces(&self, source: &Self, at: f64) -> f64 {
        let (mut alike, mut all) = (0.0, 0.0);
        let mut from = 0.0;
        while from < source.seconds() {
            let piece = source.part(from, from + PIECE);
            let energy = sums_between(&running_energy(&piece.samples), 0, piece.samples.len());
            let place = at + from;
            let near = self.part((place - MOVED).max(0.0), (place + PIECE + MOVED).max(0.0));
            alike += near.find_whole(&piece).degree * energy;
            all += energy;
            from += PIECE;
        }
        if all > 0.0 { alike / all } else { 0.0 }
    }

    fn find_whole(&self, source: &Self) -> Likeness {
        assert_eq!(self.rate, source.rate, "two rates");
        let none = Likeness {
            at: 0.0,
            degree: 0.0,
        };
        if self.samples.is_empty() || source.samples.is_empty() {
            return none;
        }
        let products = products(&self.samples, &source.samples);
        let sums = running_energy(&self.samples);
        let norm = sums_between(&running_energy(&source.samples), 0, source.samples.len());
        let length = source.samples.len() as isize;
        let mut best = none;
        // Where only a part overlaps, all of the source's energy counts: half a source is half alike.
        for lag in -(length - 1)..self.samples.len() as isize {
            let from = lag.max(0) as usize;
            let to = (lag + length).min(self.samples.len() as isize) as usize;
            let heard = sums_between(&sums, from, to);
            if heard <= 0.0 || norm <= 0.0 {
                continue;
            }
            let place = lag.rem_euclid(products.len() as isize) as usize;
            let degree = products[place] / (heard * norm).sqrt();
            if degree > best.degree {
                let at = lag as f64 / f64::from(self.rate);
                best = Likeness { at, degree };
            }
        }
        best
    }

    /// Every place, in order, where `source` is heard with at least this degree.
    #[must_use]
    pub fn find_all(&self, source: &Self, degree: f64) -> Vec<Likeness> {
        let mut found = Vec::new();
        let mut parts = vec![0.0..self.seconds()];
        while let Some(part) = parts.pop() {
            if part.end - part.start < source.seconds() * 0.8 || found.len() >= 64 {
                continue;
            }
            let mut best = self.part(part.start, part.end).find(source);
            if best.degree < degree {
                continue;
            }
            best.at += part.start;
            parts.push(part.start..best.at);
            parts.push(best.at + source.seconds()..part.end);
            found.push(best);
        }
        found.sort_by(|one, other| one.at.total_cmp(&other.at));
        found
    }
}

/// Seconds of a piece.
const PIECE: f64 = 0.25;

/// How far a piece may be from its place, in seconds: three frames.
const MOVED: f64 = 0.06;

fn running_energy(samples: &[i16]) -> Vec<f64> {
    let mut sum = 0.0;
    let mut sums = vec![0.0];
    sums.extend(samples.iter().map(|sample| {
        sum += f64::from(*sample).powi(2);
        sum
    }));
    sums
}

fn sums_between(sums: &[f64], from: usize, to: usize) -> f64 {
    sums[to.max(from)] - sums[from]
}

/// For every lag the sum of the products, at `lag` modulo the length.
fn products(heard: &[i16], source: &[i16]) -> Vec<f64> {
    let size = (heard.len() + source.len()).next_power_of_two();
    let spectrum = |samples: &[i16]| {
        let mut values: Vec<Complex> = samples
            .iter()
            .map(|sample| Complex(f64::from(*sample), 0.0))
            .collect();
        values.resize(size, Complex(0.0, 0.0));
        transform(&mut values, -1.0);
        values
    };
    let (heard, source) = (spectrum(heard), spectrum(source));
    let mut both: Vec<Complex> = heard
        .iter()
        .zip(&source)
        .map(|(one, other)| one.times(Complex(other.0, -other.1)))
        .collect();
    transform(&mut both, 1.0);
    both.iter().map(|value| value.0 / size as f64).collect()
}

#[derive(Clone, Copy)]
struct Complex(f64, f64);

impl Complex {
    fn times(self, other: Self) -> Self {
        Self(
            self.0 * other.0 - self.1 * other.1,
            self.0 * other.1 + self.1 * other.0,
        )
    }
}

/// The discrete Fourier transform in place (radix 2); the length is a power of two.
fn transform(values: &mut [Complex], sign: f64) {
    let count = values.len();
    if count < 2 {
        return;
    }
    let bits = count.trailing_zeros();
    for index in 0..count {
        let mirrored = index.reverse_bits() >> (usize::BITS - bits);
        if index < mirrored {
            values.swap(index, mirrored);
        }
    }
    let turns: Vec<Complex> = (0..count / 2)
        .map(|step| {
            let angle = sign * TAU * step as f64 / count as f64;
            Complex(angle.cos(), angle.sin())
        })
        .collect();
    let mut half = 1;
    while half < count {
        for block in values.chunks_exact_mut(2 * half) {
            let (low, high) = block.split_at_mut(half);
            for (step, (one, other)) in low.iter_mut().zip(high).enumerate() {
                let turned = other.times(turns[step * (count / 2 / half)]);
                *other = Complex(one.0 - turned.0, one.1 - turned.1);
                *one = Complex(one.0 + turned.0, one.1 + turned.1);
            }
        }
        half *= 2;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sweep_is_found_where_it_is() {
        let sweep = Sound::sweep(8000, 300.0, 3000.0, 1.0);
        let quiet = Sound {
            rate: 8000,
            samples: sweep.samples.iter().map(|sample| sample / 4).collect(),
        };
        let heard = Sound::tone(8000, 500, 0.7).then(&quiet).padded(3.0);
        let found = heard.find(&sweep);
        assert!(
            found.degree > 0.99 && (found.at - 0.7).abs() < 0.001,
            "{found:?}"
        );
    }

    #[test]
    fn something_else_is_not_it() {
        let sweep = Sound::sweep(8000, 300.0, 3000.0, 1.0);
        for other in [
            Sound::tone(8000, 500, 2.0),
            Sound::sweep(8000, 3000.0, 300.0, 1.0),
            Sound::silence(8000, 1.0),
        ] {
            let found = other.find(&sweep);
            assert!(found.degree < 0.4, "{found:?}");
        }
    }

    #[test]
    fn half_of_it_is_half_alike() {
        let sweep = Sound::sweep(8000, 300.0, 3000.0, 1.0);
        let found = sweep.part(0.5, 1.0).padded(2.0).find(&sweep);
        assert!((found.at + 0.5).abs() < 0.001, "{found:?}");
        assert!((0.6..0.8).contains(&found.degree), "{found:?}");
    }

    #[test]
    fn frames_that_were_put_in_or_left_out_are_borne() {
        let sweep = Sound::sweep(8000, 400.0, 2800.0, 2.0);
        let gap = Sound::silence(8000, 0.02);
        let late = sweep
            .part(0.0, 0.96)
            .then(&gap)
            .then(&sweep.part(0.96, 2.0));
        let cut = sweep.part(0.0, 0.96).then(&sweep.part(0.98, 2.0));
        for heard in [late, cut] {
            let heard = Sound::silence(8000, 0.5).then(&heard).padded(3.0);
            assert!(heard.find_whole(&sweep).degree < 0.9);
            assert!(heard.find(&sweep).degree > 0.95, "{:?}", heard.find(&sweep));
        }
        // In another order it is another sound.
        let mixed = sweep.part(1.0, 2.0).then(&sweep.part(0.0, 1.0));
        assert!(mixed.find(&sweep).degree < 0.8, "{:?}", mixed.find(&sweep));
    }

    #[test]
    fn every_repetition_is_found() {
        let sweep = Sound::sweep(8000, 300.0, 3000.0, 0.5);
        let heard = Sound::silence(8000, 0.3).then(&sweep.clone().padded(0.8).times(3));
        let found = heard.find_all(&sweep, 0.9);
        let places: Vec<_> = found.iter().map(|one| (one.at * 10.0).round()).collect();
        assert_eq!(places, [3.0, 11.0, 19.0]);
    }
}
