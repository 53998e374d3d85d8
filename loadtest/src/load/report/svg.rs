//! What both kinds of charts are made of.

use std::fmt::Write as _;

use crate::load::Subject;

/// The width of every chart; they scale with the page.
pub(super) const WIDTH: f64 = 760.0;

/// A drawing in the making.
#[derive(Debug, Default)]
pub(super) struct Drawing(String);

/// Where a text stands by its point.
#[derive(Clone, Copy, Debug)]
pub(super) enum Anchor {
    Start,
    Middle,
    End,
}

impl Drawing {
    pub(super) fn text(&mut self, x: f64, y: f64, anchor: Anchor, class: &str, text: &str) {
        let anchor = match anchor {
            Anchor::Start => "start",
            Anchor::Middle => "middle",
            Anchor::End => "end",
        };
        let text = escape(text);
        self.push(&format!("<text x=\"{x:.1}\" y=\"{y:.1}\" text-anchor=\"{anchor}\" class=\"{class}\">{text}</text>"));
    }

    pub(super) fn line(&mut self, from: (f64, f64), to: (f64, f64), class: &str) {
        let ((a, b), (c, d)) = (from, to);
        self.push(&format!(
            "<line x1=\"{a:.1}\" y1=\"{b:.1}\" x2=\"{c:.1}\" y2=\"{d:.1}\" class=\"{class}\"/>"
        ));
    }

    pub(super) fn area(&mut self, x: f64, y: f64, width: f64, height: f64, class: &str) {
        let (width, height) = (width.max(0.0), height.max(0.0));
        self.push(&format!(
            "<rect x=\"{x:.1}\" y=\"{y:.1}\" width=\"{width:.1}\" height=\"{height:.1}\" rx=\"2\" class=\"{class}\"/>"
        ));
    }

    pub(super) fn dot(&mut self, x: f64, y: f64, radius: f64, class: &str) {
        self.push(&format!(
            "<circle cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"{radius}\" class=\"{class}\"/>"
        ));
    }

    pub(super) fn path(&mut self, points: &[(f64, f64)], class: &str) {
        let mut data = String::new();
        for (index, (x, y)) in points.iter().enumerate() {
            let verb = if index == 0 { 'M' } else { 'L' };
            write!(data, "{verb}{x:.1} {y:.1}").unwrap_or_default();
        }
        self.push(&format!("<path d=\"{data}\" class=\"{class}\"/>"));
    }

    /// The whole of it, with a title for those who cannot see it.
    pub(super) fn finish(self, height: f64, title: &str) -> String {
        let title = escape(title);
        format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {height}\" role=\"img\" aria-label=\"{title}\">\n{}</svg>\n",
            self.0
        )
    }

    fn push(&mut self, element: &str) {
        self.0.push_str(element);
        self.0.push('\n');
    }
}

/// The class of a subject's colour.
pub(super) fn colour(subject: Subject) -> &'static str {
    match subject {
        Subject::BareRelay => "relay",
        Subject::Hookswitch => "own",
        Subject::HookswitchTuned => "owntuned",
        Subject::KamailioPackaged => "packaged",
        Subject::KamailioTuned => "tuned",
    }
}

/// The colours and letters of every chart, in the page and in a file of its own.
pub(super) const STYLE: &str = "
svg { --ink: #1c2330; --soft: #5b6577; --grid: #e3e7ee; --own: #1d5fd6; --owntuned: #0a2f7d; --relay: #8b96a8; --tuned: #d0670a; --packaged: #e8b07a;
  --band: #f1f4f9; --bad: #c62f2f; font-family: system-ui, 'Segoe UI', Roboto, 'DejaVu Sans', sans-serif; font-size: 13px }
@media (prefers-color-scheme: dark) {
  svg { --ink: #e7ebf2; --soft: #9ba7ba; --grid: #2a3342; --own: #6ba1ff; --owntuned: #bcd5ff; --relay: #7d899d; --tuned: #f39a45; --packaged: #a86f3b;
    --band: #1b222d; --bad: #ff7a7a }
}
svg text { fill: var(--ink) }
svg .soft { fill: var(--soft); font-size: 12px }
svg .head { font-weight: 600 }
svg .grid { stroke: var(--grid) }
svg .axis { stroke: var(--soft) }
svg .band { fill: var(--band) }
svg .bound { stroke: var(--bad); stroke-dasharray: 5 4 }
svg .boundtext { fill: var(--bad); font-size: 12px }
svg path { fill: none; stroke-width: 2.2; stroke-linejoin: round }
svg .own { --c: var(--own) } svg .owntuned { --c: var(--owntuned) } svg .relay { --c: var(--relay) } svg .tuned { --c: var(--tuned) } svg .packaged { --c: var(--packaged) }
svg path.own, svg path.owntuned, svg path.relay, svg path.tuned, svg path.packaged { stroke: var(--c) }
svg path.ideal { stroke: var(--soft); stroke-dasharray: 2 4; stroke-width: 1.4 }
svg rect.own, svg rect.owntuned, svg rect.relay, svg rect.tuned, svg rect.packaged, svg circle.own, svg circle.owntuned, svg circle.relay, svg circle.tuned, svg circle.packaged { fill: var(--c) }
svg rect.light { opacity: .55 }
svg circle.round { fill: var(--ink); opacity: .55 }
";

/// A chart as a file that needs no page.
pub(super) fn alone(svg: &str) -> String {
    let paper = "svg { background: #fff }\n@media (prefers-color-scheme: dark) { svg { background: #10151d } }\n";
    svg.replacen(">\n", &format!(">\n<style>{STYLE}{paper}</style>\n"), 1)
}

/// Text that may stand in HTML and SVG.
pub(super) fn escape(text: &str) -> String {
    let text = text.replace('&', "&amp;").replace('<', "&lt;");
    text.replace('>', "&gt;").replace('"', "&quot;")
}
