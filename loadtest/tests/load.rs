//! The load suite with a handful of calls: it has to be there when somebody wants to measure. No figure counts here.

use std::fs;

use loadtest::Scratch;
use loadtest::load::{Engine, Figures, Place, Profile, Scale, Subject, Tally, render, run_profile};

/// Every profile by this engine; returns what came.
fn every_profile(engine: Engine) {
    for profile in Profile::all().expect("the profiles can be read") {
        let order = profile.load.clone().tiny();
        let place = Place::free();
        let tally = run_profile(&profile, &order, engine, Subject::Hookswitch, place);
        complete(&tally.expect("everybody starts"));
    }
}

fn complete(tally: &Tally) {
    assert!(tally.started > 5, "{tally:#?}");
    assert_eq!(tally.good, tally.started, "{tally:#?}");
    assert!(tally.cpu_us_per_call > 0.0, "{tally:#?}");
}

#[test]
fn sipp_makes_every_profile() {
    every_profile(Engine::Sipp);
}

#[test]
fn kamailio_does_the_same_job() {
    let profile = Profile::named("mixed").unwrap();
    let order = profile.load.clone().tiny();
    let tally = run_profile(
        &profile,
        &order,
        Engine::Sipp,
        Subject::KamailioTuned,
        Place::free(),
    );
    complete(&tally.unwrap());
}

#[test]
fn the_generator_makes_every_profile() {
    every_profile(Engine::Generator);
}

#[test]
fn a_report_is_made_of_a_handful_of_calls() {
    let folder = Scratch::new("report");
    let figures = Figures::measure(Scale::TINY, &[], Place::free(), folder.path());
    let figures = figures.expect("the folder can be written");
    assert_eq!(figures.troubles, Vec::<String>::new());
    render(&figures, folder.path()).expect("the folder can be written");
    let read = |name: &str| fs::read_to_string(folder.path().join(name)).expect(name);
    let (page, text) = (read("report.html"), read("README.md"));
    for section in [
        "Processor time",
        "one core",
        "Latency",
        "Memory",
        "Start and reload",
        "Overload",
        "Soak",
    ] {
        assert!(
            page.contains(section) && text.contains(section),
            "no {section} in\n{text}"
        );
    }
    for chart in ["cost", "capacity", "memory", "overload", "soak"] {
        let svg = read(&format!("{chart}.svg"));
        assert!(
            svg.contains("</svg>") && !svg.contains("NaN"),
            "{chart}: {svg}"
        );
    }
    // Everything is in the page itself.
    assert!(!page.contains("src=") && !page.contains("href=\"http"));
    // What was written can be read, and gives the same page.
    let again = Figures::read(folder.path()).expect("the figures can be read");
    render(&again, folder.path()).expect("the folder can be written");
    assert_eq!(read("report.html"), page);
    assert!(read("runs.jsonl").lines().count() > 10);
}

#[test]
fn calls_with_sound_are_made_and_counted() {
    let outcome = loadtest::sounding::run(&loadtest::sounding::Order::TINY);
    assert!(outcome.is_complete(), "{outcome}");
    assert_eq!(outcome.most, outcome.calls, "{outcome}");
    // Half of the time they are played to.
    assert!(outcome.packets.received > 6 * 100, "{outcome}");
    assert_eq!(outcome.packets.lost, 0, "{outcome}");
    assert!(outcome.cpu_percent_per_call > 0.0, "{outcome}");
}
