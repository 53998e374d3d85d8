use super::{Engine, Failure, Order, Place, Profile, Subject, Tally, Trial, sipp_engine};

/// Runs a load on a fresh subject.
///
/// # Errors
///
/// When somebody who is needed does not start.
pub fn run_profile(
    profile: &Profile,
    order: &Order,
    engine: Engine,
    subject: Subject,
    place: Place,
) -> Result<Tally, Failure> {
    let running = subject.start(place)?;
    match engine {
        Engine::Sipp => sipp_engine::run(order, &profile.name, &running),
        Engine::Generator => {
            let outcome = Trial::begin(order, place, &[running.process.id()]).finish()?;
            Ok(Tally::of(&profile.name, subject, &outcome))
        }
    }
}
