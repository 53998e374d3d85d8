use std::fmt::Write as _;

use super::goals::goals;
use super::html::commands;
use super::sections::Section;
use crate::load::Figures;

/// The whole report as Markdown, with the charts as files beside it.
pub(super) fn page(figures: &Figures, sections: &[Section]) -> String {
    let mut text = String::new();
    let mut push = |line: &str| writeln!(text, "{line}").unwrap_or_default();
    push("# Load report\n");
    push(&format!(
        "Measured {} in {:.0} minutes by `make load-report{}`. The same as one page: [report.html](report.html); the figures: \
         [figures.json](figures.json), every run: [runs.jsonl](runs.jsonl).\n",
        figures.date,
        figures.seconds / 60.0,
        if figures.quick { " QUICK=1" } else { "" }
    ));
    if figures.quick {
        push(
            "**A quick look, with few and short rounds: for the way of it, not for its figures.**\n",
        );
    }
    push("| what | goal | measured | |\n|---|---|---|---|");
    for goal in goals(figures) {
        let held = match goal.held {
            Some(true) => "reached",
            Some(false) => "**missed**",
            None => "not known",
        };
        push(&format!(
            "| {} | {} | {} | {held} |",
            goal.what, goal.goal, goal.measured
        ));
    }
    for section in sections {
        push(&format!("\n## {}\n\n{}\n", section.title, section.lead));
        for chart in &section.charts {
            push(&format!("![{}]({}.svg)\n", chart.title, chart.name));
        }
        push(&format!("| {} |", section.head.join(" | ")));
        push(&format!("|{}", "---|".repeat(section.head.len())));
        for row in &section.rows {
            push(&format!("| {} |", row.join(" | ")));
        }
        for note in &section.notes {
            push(&format!("\n- {note}"));
        }
    }
    if !figures.troubles.is_empty() {
        push("\n## What could not be measured\n");
        for trouble in &figures.troubles {
            push(&format!("- {}", trouble.replace('\n', " ")));
        }
    }
    push("\n## The machine, the programs, the commands\n");
    for (name, value) in super::html::machine(figures) {
        push(&format!("- {name}: {value}"));
    }
    push("\n```text");
    for line in commands() {
        push(&line);
    }
    push("```");
    text
}
