use super::goals::{Goal, goals};
use super::number::{bytes, count, number, times};
use super::sections::Section;
use super::svg::{STYLE, escape};
use crate::load::{Figures, Subject};

/// The whole report as a page that needs nothing else.
pub(super) fn page(figures: &Figures, sections: &[Section]) -> String {
    let mut body = String::new();
    let mut push = |part: &str| {
        body.push_str(part);
        body.push('\n');
    };
    push("<header><h1>Hookswitch <span>load report</span></h1>");
    push(&format!(
        "<p class=\"when\">{} · {} · {} · Linux {}</p>",
        escape(&figures.date),
        escape(&figures.machine.processor),
        escape(&figures.machine.system),
        escape(&figures.machine.kernel)
    ));
    if figures.quick {
        push(
            "<p class=\"warn\">A quick look, with few and short rounds: for the way of it, not for its figures.</p>",
        );
    }
    push("</header><div class=\"tiles\">");
    tiles(figures).iter().for_each(|tile| push(tile));
    push(
        "</div><section><h2>Goals</h2><div class=\"scroll\"><table class=\"goals\"><tr><th>What</th><th>Goal</th><th>Measured</th><th></th></tr>",
    );
    goals(figures).iter().for_each(|goal| push(&goal_row(goal)));
    push("</table></div></section>");
    sections
        .iter()
        .for_each(|section| push(&section_part(section)));
    if !figures.troubles.is_empty() {
        push("<section><h2>What could not be measured</h2><ul>");
        figures
            .troubles
            .iter()
            .for_each(|trouble| push(&format!("<li>{}</li>", escape(trouble))));
        push("</ul></section>");
    }
    push("<section><h2>The machine, the programs, the commands</h2><dl>");
    for (name, value) in machine(figures) {
        push(&format!(
            "<dt>{}</dt><dd>{}</dd>",
            escape(&name),
            escape(&value)
        ));
    }
    push(&format!(
        "</dl><pre>{}</pre></section>",
        escape(&commands().join("\n"))
    ));
    format!(
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <title>Hookswitch load report</title>\n<style>{PAGE_STYLE}{STYLE}</style>\n</head>\n<body>\n<main>\n{body}</main>\n</body>\n</html>\n"
    )
}

/// What a visitor should take along.
fn tiles(figures: &Figures) -> Vec<String> {
    let tile = |figure: String, what: &str, beside: String| {
        format!(
            "<div class=\"tile\"><b>{}</b><span>{}</span><small>{}</small></div>",
            escape(&figure),
            escape(what),
            escape(&beside)
        )
    };
    let mut tiles = Vec::new();
    let rate = figures.rates().first().copied().unwrap_or(0);
    if let Some(own) = figures.cost(Subject::Hookswitch, rate) {
        let against = |subject| {
            times(
                figures
                    .cost(subject, rate)
                    .and_then(|other| own.cpu_us.ratio_to(&other.cpu_us)),
            )
        };
        let beside = format!(
            "{} of the bare relay, {} of Kamailio tuned",
            against(Subject::BareRelay),
            against(Subject::KamailioTuned)
        );
        let figure = own
            .cpu_us
            .median()
            .map_or_else(|| "–".to_owned(), |us| format!("{} µs", number(us)));
        tiles.push(tile(
            figure,
            &format!("of processor a call, at {} calls/s", count(rate)),
            beside,
        ));
    }
    if let Some(own) = figures.capacity(Subject::Hookswitch) {
        let median = own.rates.median();
        let other = figures
            .capacity(Subject::KamailioTuned)
            .and_then(|other| other.rates.median());
        let figure = median.map_or_else(|| "–".to_owned(), number);
        let beside = format!(
            "{} of Kamailio tuned",
            times(median.zip(other).map(|(own, other)| own / other))
        );
        tiles.push(tile(
            figure,
            "calls/s on one core, nothing repeated",
            beside,
        ));
    }
    let highest = figures
        .latencies
        .iter()
        .filter(|latency| latency.subject == Subject::Hookswitch)
        .max_by_key(|latency| latency.rate);
    if let Some(own) = highest {
        let figure = own
            .p99
            .median()
            .map_or_else(|| "–".to_owned(), |us| format!("{} µs", number(us)));
        let relay = figures
            .latencies
            .iter()
            .find(|it| it.rate == own.rate && it.subject == Subject::BareRelay);
        let beside = format!(
            "{} of the bare relay",
            times(relay.and_then(|relay| own.p99.ratio_to(&relay.p99)))
        );
        tiles.push(tile(
            figure,
            &format!("added p99 at {} calls/s", count(own.rate)),
            beside,
        ));
    }
    if let Some(own) = figures
        .memories
        .iter()
        .find(|memory| memory.subject == Subject::Hookswitch)
    {
        let other = figures
            .memories
            .iter()
            .find(|memory| memory.subject == Subject::KamailioTuned);
        let beside = other.map_or_else(String::new, |other| {
            format!("Kamailio: {}", bytes(other.bytes_per_call()))
        });
        tiles.push(tile(
            bytes(own.bytes_per_call()),
            "of memory a call that rings",
            beside,
        ));
    }
    tiles
}

fn goal_row(goal: &Goal) -> String {
    let (class, word) = match goal.held {
        Some(true) => ("good", "reached"),
        Some(false) => ("bad", "missed"),
        None => ("none", "not known"),
    };
    format!(
        "<tr><td>{}</td><td>{}</td><td>{}</td><td><span class=\"{class}\">{word}</span></td></tr>",
        escape(&goal.what),
        escape(&goal.goal),
        escape(&goal.measured)
    )
}

fn section_part(section: &Section) -> String {
    let mut text = format!(
        "<section><h2>{}</h2><p>{}</p>",
        escape(section.title),
        escape(&section.lead)
    );
    for chart in &section.charts {
        // A chart that is all of its section needs no name of its own.
        let caption = if chart.title == section.title {
            String::new()
        } else {
            format!("<figcaption>{}</figcaption>", escape(&chart.title))
        };
        text.push_str(&format!("<figure>{caption}{}</figure>", chart.svg));
    }
    let cells = |cells: &mut dyn Iterator<Item = &str>, tag: &str| {
        let cells: String = cells
            .map(|cell| format!("<{tag}>{}</{tag}>", escape(cell)))
            .collect();
        format!("<tr>{cells}</tr>")
    };
    text.push_str("<div class=\"scroll\"><table>");
    if section.head.iter().any(|head| !head.is_empty()) {
        text.push_str(&cells(&mut section.head.iter().copied(), "th"));
    }
    for row in &section.rows {
        text.push_str(&cells(&mut row.iter().map(String::as_str), "td"));
    }
    text.push_str("</table></div>");
    if !section.notes.is_empty() {
        let notes: String = section
            .notes
            .iter()
            .map(|note| format!("<li>{}</li>", escape(note)))
            .collect();
        text.push_str(&format!("<ul class=\"notes\">{notes}</ul>"));
    }
    text + "</section>"
}

/// What has to be said of the machine, by name.
pub(super) fn machine(figures: &Figures) -> Vec<(String, String)> {
    let machine = &figures.machine;
    let governor = if machine.governor.is_empty() {
        "not shown by this machine"
    } else {
        &machine.governor
    };
    let mut all: Vec<(String, String)> = [
        ("processor", machine.processor.clone()),
        ("memory", format!("{} MiB", count(machine.memory_mib))),
        (
            "system",
            format!("{}, Linux {}", machine.system, machine.kernel),
        ),
        ("frequency governor", governor.to_owned()),
        (
            "load average",
            format!(
                "{} before, {} after",
                machine.load_before, machine.load_after
            ),
        ),
    ]
    .into_iter()
    .map(|(name, value)| (name.to_owned(), value))
    .collect();
    all.extend(machine.versions.iter().cloned());
    all.push((
        "OpenSIPS".to_owned(),
        "not measured: Debian 12 has no package of it".to_owned(),
    ));
    all
}

/// How everything was started.
pub(super) fn commands() -> Vec<String> {
    let mut lines = vec![
        "make load-report                     everything here, again".to_owned(),
        "make load PROFILE=mixed              one load profile".to_owned(),
        String::new(),
        "# the subjects, each on core 1 (taskset -c 1)".to_owned(),
    ];
    lines.extend(
        Subject::ALL
            .iter()
            .map(|subject| subject.command().to_owned()),
    );
    lines.push(String::new());
    lines.push("# the generator, on core 0".to_owned());
    lines.push(
        "generate --target 127.0.0.1:5060 --caller 127.0.0.1:5080 --callee 127.0.0.1:5070 --steps 8:2000 --warmup 1.5 --cooldown 0.5 --watch-pid PID"
            .to_owned(),
    );
    lines
}

const PAGE_STYLE: &str = "
:root { --paper: #f6f8fb; --card: #fff; --ink: #1c2330; --soft: #5b6577; --rule: #e3e7ee; --accent: #1d5fd6;
  --good: #12733f; --good-paper: #dff5e8; --bad: #a32222; --bad-paper: #fde4e4; color-scheme: light dark }
@media (prefers-color-scheme: dark) { :root { --paper: #0b0f15; --card: #10151d; --ink: #e7ebf2; --soft: #9ba7ba; --rule: #232c3a;
  --accent: #6ba1ff; --good: #7fdca6; --good-paper: #12301f; --bad: #ff9d9d; --bad-paper: #3a1717 } }
* { box-sizing: border-box }
body { margin: 0; background: var(--paper); color: var(--ink); font: 16px/1.55 system-ui, 'Segoe UI', Roboto, 'DejaVu Sans', sans-serif }
main { max-width: 1040px; margin: 0 auto; padding: 40px 20px 80px }
h1 { font-size: 34px; margin: 0; letter-spacing: -.02em } h1 span { color: var(--soft); font-weight: 400 }
h2 { font-size: 21px; margin: 0 0 8px; letter-spacing: -.01em }
.when, p { color: var(--soft) } .when { margin: 6px 0 24px } p { margin: 0 0 18px; max-width: 76ch }
.warn { background: var(--bad-paper); color: var(--bad); padding: 10px 14px; border-radius: 8px }
.tiles { display: grid; grid-template-columns: repeat(auto-fit, minmax(210px, 1fr)); gap: 14px; margin-bottom: 22px }
.tile { background: var(--card); border: 1px solid var(--rule); border-radius: 12px; padding: 18px 20px; display: flex; flex-direction: column }
.tile b { font-size: 30px; letter-spacing: -.02em; color: var(--accent) } .tile small { color: var(--soft); margin-top: 6px }
section { background: var(--card); border: 1px solid var(--rule); border-radius: 12px; padding: 24px 26px; margin-bottom: 22px }
figure { margin: 0 0 20px } figcaption { font-weight: 600; font-size: 14px; margin-bottom: 6px } svg { display: block; width: 100%; height: auto }
.scroll { overflow-x: auto }
table { border-collapse: collapse; width: 100%; font-size: 14px; font-variant-numeric: tabular-nums }
th { text-align: left; font-weight: 600; color: var(--soft); font-size: 12.5px; vertical-align: bottom }
th, td { padding: 7px 14px 7px 0; border-bottom: 1px solid var(--rule) } tr:last-child td { border-bottom: 0 }
td:not(:first-child) { white-space: nowrap } .goals td:nth-child(3) { white-space: normal }
.good, .bad, .none { padding: 2px 10px; border-radius: 99px; font-size: 12.5px; white-space: nowrap }
.good { color: var(--good); background: var(--good-paper) } .bad { color: var(--bad); background: var(--bad-paper) } .none { color: var(--soft) }
.notes { color: var(--soft); font-size: 14px; padding-left: 18px; margin: 14px 0 0 }
dl { display: grid; grid-template-columns: max-content 1fr; gap: 4px 20px; margin: 0 0 18px; font-size: 14px } dt { color: var(--soft) } dd { margin: 0 }
pre { background: var(--paper); border: 1px solid var(--rule); border-radius: 8px; padding: 14px 16px; overflow-x: auto; font-size: 12.5px; margin: 0 }
";
