//! The report: one list of sections, written as Markdown with plots beside it and as one HTML page that needs nothing
//! else.

mod bars;
mod goals;
mod html;
mod markdown;
mod number;
mod plot;
mod sections;
mod svg;

use std::fs;
use std::path::Path;

use super::{Failure, Figures};

/// Writes the pages of these figures into a folder.
///
/// # Errors
///
/// When it cannot be written.
pub fn render(figures: &Figures, folder: &Path) -> Result<(), Failure> {
    let sections = sections::sections(figures);
    let write = |name: &str, text: &str| {
        let path = folder.join(name);
        fs::write(&path, text).map_err(|error| Failure(format!("{}: {error}", path.display())))
    };
    for section in &sections {
        for chart in &section.charts {
            write(&format!("{}.svg", chart.name), &svg::alone(&chart.svg))?;
        }
    }
    write("README.md", &markdown::page(figures, &sections))?;
    write("report.html", &html::page(figures, &sections))
}
