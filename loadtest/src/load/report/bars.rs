use super::svg::{Anchor, Drawing, WIDTH};

/// Horizontal bars in groups, all on one scale from 0.
#[derive(Debug)]
pub(super) struct Bars {
    pub(super) title: String,
    pub(super) groups: Vec<Group>,
}

/// Bars below one heading.
#[derive(Debug)]
pub(super) struct Group {
    pub(super) head: String,
    pub(super) bars: Vec<Bar>,
}

/// One bar.
#[derive(Debug)]
pub(super) struct Bar {
    pub(super) name: String,
    pub(super) class: &'static str,
    pub(super) value: f64,
    /// The part of the value that is drawn darker; 0 where there is none.
    pub(super) dark: f64,
    /// Single rounds, drawn as dots.
    pub(super) rounds: Vec<f64>,
    /// What is written behind it.
    pub(super) label: String,
}

const LEFT: f64 = 178.0;
const RIGHT: f64 = 210.0;
const BAR: f64 = 20.0;
const STEP: f64 = 30.0;
const HEAD: f64 = 26.0;
const GAP: f64 = 14.0;

/// Nothing that is measured here is less; a scale has to have an end where all bars are 0.
const SMALLEST: f64 = 1e-6;

impl Bars {
    pub(super) fn draw(&self) -> String {
        let all = || self.groups.iter().flat_map(|group| &group.bars);
        let values = all().flat_map(|bar| bar.rounds.iter().copied().chain([bar.value]));
        let highest = values.fold(SMALLEST, f64::max);
        let scale = (WIDTH - LEFT - RIGHT) / highest;
        let mut drawing = Drawing::default();
        let mut y = 6.0;
        for group in &self.groups {
            drawing.text(0.0, y + 13.0, Anchor::Start, "head", &group.head);
            y += HEAD;
            for bar in &group.bars {
                bar.draw(&mut drawing, y, scale);
                y += STEP;
            }
            y += GAP;
        }
        let bottom = y - GAP;
        drawing.line((LEFT, HEAD), (LEFT, bottom - STEP + BAR + 2.0), "axis");
        drawing.finish(bottom, &self.title)
    }
}

impl Bar {
    fn draw(&self, drawing: &mut Drawing, y: f64, scale: f64) {
        let middle = y + BAR / 2.0;
        drawing.text(LEFT - 10.0, middle + 4.5, Anchor::End, "", &self.name);
        let light = if self.dark > 0.0 {
            format!("{} light", self.class)
        } else {
            self.class.to_owned()
        };
        drawing.area(LEFT, y, self.value * scale, BAR, &light);
        if self.dark > 0.0 {
            drawing.area(LEFT, y, self.dark.min(self.value) * scale, BAR, self.class);
        }
        let mut end = self.value;
        for &round in &self.rounds {
            drawing.dot(LEFT + round * scale, middle, 2.4, "round");
            end = end.max(round);
        }
        drawing.text(
            LEFT + end * scale + 9.0,
            middle + 4.5,
            Anchor::Start,
            "",
            &self.label,
        );
    }
}
