use super::number::{count, number};
use super::svg::{Anchor, Drawing, WIDTH};

/// Lines over an axis.
#[derive(Debug)]
pub(super) struct Plot {
    pub(super) title: String,
    pub(super) x: Axis,
    pub(super) y: Axis,
    pub(super) lines: Vec<Line>,
    /// A horizontal bound, and what it says.
    pub(super) bound: Option<(f64, String)>,
    /// From the left to this x something else held, and what.
    pub(super) band: Option<(f64, String)>,
}

/// What an axis says and how it runs.
#[derive(Debug)]
pub(super) struct Axis {
    pub(super) name: String,
    pub(super) kind: Kind,
}

/// How an axis runs.
#[derive(Debug)]
pub(super) enum Kind {
    /// From 0.
    Linear,
    /// By powers of ten.
    Logarithm,
    /// These names at 0, 1, 2, …
    Names(Vec<String>),
}

/// One line.
#[derive(Debug)]
pub(super) struct Line {
    pub(super) name: String,
    pub(super) class: &'static str,
    pub(super) points: Vec<(f64, f64)>,
    pub(super) dots: bool,
}

const LEFT: f64 = 64.0;
const RIGHT: f64 = 148.0;
const TOP: f64 = 30.0;
const BOTTOM: f64 = 46.0;
const HEIGHT: f64 = 300.0;

impl Plot {
    pub(super) fn draw(&self) -> String {
        let points = || {
            self.lines
                .iter()
                .flat_map(|line| line.points.iter().copied())
        };
        let bound = self.bound.iter().map(|(value, _)| *value);
        let x = Scale::new(
            &self.x.kind,
            points().map(|point| point.0),
            (LEFT, WIDTH - RIGHT),
        );
        let y = Scale::new(
            &self.y.kind,
            points().map(|point| point.1).chain(bound),
            (HEIGHT - BOTTOM, TOP),
        );
        let mut drawing = Drawing::default();
        let (right, bottom) = (WIDTH - RIGHT, HEIGHT - BOTTOM);
        if let Some((until, text)) = &self.band {
            drawing.area(LEFT, TOP, x.at(*until) - LEFT, bottom - TOP, "band");
            drawing.text(LEFT + 8.0, TOP + 16.0, Anchor::Start, "soft", text);
        }
        for (value, label) in y.ticks(&self.y.kind) {
            drawing.line((LEFT, y.at(value)), (right, y.at(value)), "grid");
            drawing.text(LEFT - 8.0, y.at(value) + 4.0, Anchor::End, "soft", &label);
        }
        for (value, label) in x.ticks(&self.x.kind) {
            drawing.line((x.at(value), bottom), (x.at(value), bottom + 4.0), "axis");
            drawing.text(x.at(value), bottom + 18.0, Anchor::Middle, "soft", &label);
        }
        drawing.line((LEFT, bottom), (right, bottom), "axis");
        drawing.text(LEFT - 56.0, 14.0, Anchor::Start, "soft", &self.y.name);
        drawing.text(
            f64::midpoint(LEFT, right),
            HEIGHT - 8.0,
            Anchor::Middle,
            "soft",
            &self.x.name,
        );
        if let Some((value, text)) = &self.bound {
            drawing.line((LEFT, y.at(*value)), (right, y.at(*value)), "bound");
            drawing.text(
                right + 8.0,
                y.at(*value) + 4.0,
                Anchor::Start,
                "boundtext",
                text,
            );
        }
        let mut names: Vec<(f64, &Line)> = Vec::new();
        for line in &self.lines {
            let at: Vec<(f64, f64)> = line
                .points
                .iter()
                .map(|point| (x.at(point.0), y.at(point.1)))
                .collect();
            drawing.path(&at, line.class);
            if line.dots {
                at.iter()
                    .for_each(|point| drawing.dot(point.0, point.1, 3.6, line.class));
            }
            if let Some(last) = at.last() {
                names.push((last.1, line));
            }
        }
        let taken = self.bound.iter().map(|(value, _)| y.at(*value)).collect();
        for (place, line) in apart(names, taken) {
            drawing.text(right + 10.0, place + 4.0, Anchor::Start, "", &line.name);
            drawing.dot(right + 4.0, place, 3.0, line.class);
        }
        drawing.finish(HEIGHT, &self.title)
    }
}

/// Moves names that would lie upon each other, or upon what is there already, downwards.
fn apart(mut names: Vec<(f64, &Line)>, mut taken: Vec<f64>) -> Vec<(f64, &Line)> {
    names.retain(|(_, line)| !line.name.is_empty());
    names.sort_by(|one, other| one.0.total_cmp(&other.0));
    for (place, _) in &mut names {
        while let Some(other) = taken.iter().find(|other| (*place - **other).abs() < 16.0) {
            *place = other + 16.0;
        }
        taken.push(*place);
    }
    names
}

/// From values to places.
struct Scale {
    low: f64,
    high: f64,
    from: f64,
    to: f64,
    is_logarithm: bool,
}

impl Scale {
    fn new(kind: &Kind, values: impl Iterator<Item = f64> + Clone, (from, to): (f64, f64)) -> Self {
        let values = values.filter(|value| value.is_finite());
        let highest = values.clone().fold(f64::MIN_POSITIVE, f64::max);
        let lowest = values.filter(|value| *value > 0.0).fold(highest, f64::min);
        let (low, high) = match kind {
            Kind::Linear => (0.0, highest * 1.04),
            Kind::Logarithm => (lowest.log10().floor(), (highest.log10() - 0.01).ceil()),
            Kind::Names(names) => (-0.3, names.len() as f64 - 0.7),
        };
        Self {
            low,
            high: if high > low { high } else { low + 1.0 },
            from,
            to,
            is_logarithm: matches!(kind, Kind::Logarithm),
        }
    }

    fn at(&self, value: f64) -> f64 {
        let value = if self.is_logarithm {
            value.max(f64::MIN_POSITIVE).log10().max(self.low)
        } else {
            value
        };
        self.from + (value - self.low) / (self.high - self.low) * (self.to - self.from)
    }

    fn ticks(&self, kind: &Kind) -> Vec<(f64, String)> {
        match kind {
            Kind::Names(names) => (0..).map(f64::from).zip(names.iter().cloned()).collect(),
            Kind::Logarithm => {
                let powers = (self.low as i32)..=(self.high as i32);
                powers
                    .map(|power| (10_f64.powi(power), number_of_power(power)))
                    .collect()
            }
            Kind::Linear => {
                let step = round_step(self.high / 5.0);
                let count = (self.high / step).floor() as u32;
                (0..=count)
                    .map(|index| f64::from(index) * step)
                    .map(|value| (value, tick(value, step)))
                    .collect()
            }
        }
    }
}

/// Without digits that all of its axis has as 0.
fn tick(value: f64, step: f64) -> String {
    if step >= 1.0 {
        count(value.round() as u64)
    } else {
        number(value)
    }
}

fn number_of_power(power: i32) -> String {
    if power < 0 {
        format!("{}", 10_f64.powi(power))
    } else {
        number(10_f64.powi(power))
            .replace(".00", "")
            .replace(".0", "")
    }
}

/// 1, 2 or 5 times a power of ten.
fn round_step(rough: f64) -> f64 {
    let power = 10_f64.powf(rough.max(f64::MIN_POSITIVE).log10().floor());
    let steps = [1.0, 2.0, 5.0, 10.0];
    let fitting = steps.into_iter().find(|step| step * power >= rough);
    fitting.unwrap_or(10.0) * power
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn steps_are_round() {
        assert_eq!(round_step(0.9), 1.0);
        assert_eq!(round_step(1300.0), 2000.0);
        assert_eq!(round_step(21.0), 50.0);
    }

    #[test]
    fn names_do_not_lie_upon_each_other() {
        let line = |name: &str| Line {
            name: name.to_owned(),
            class: "own",
            points: Vec::new(),
            dots: false,
        };
        let (one, two) = (line("one"), line("two"));
        let places: Vec<f64> = apart(vec![(100.0, &one), (101.0, &two)], vec![99.0])
            .iter()
            .map(|(place, _)| *place)
            .collect();
        assert_eq!(places, [115.0, 131.0]);
    }

    #[test]
    fn a_chart_of_nothing_is_drawn_too() {
        for kind in [Kind::Linear, Kind::Logarithm, Kind::Names(Vec::new())] {
            let axis = |kind| Axis {
                name: "x".to_owned(),
                kind,
            };
            let plot = Plot {
                title: "nothing".to_owned(),
                x: axis(kind),
                y: axis(Kind::Logarithm),
                lines: Vec::new(),
                bound: None,
                band: None,
            };
            assert!(!plot.draw().contains("NaN"));
        }
    }
}
