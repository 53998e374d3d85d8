//! The load suite with a handful of calls: it has to be there when somebody wants to measure. No figure counts here.

use loadtest::load::{Engine, Place, Profile, Subject, Tally, run_profile};

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
