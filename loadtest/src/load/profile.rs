use std::fs;
use std::path::Path;

use serde::{Deserialize, Serialize};

use super::{Failure, Order};

/// Who makes the calls.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Engine {
    /// Our own: open loop, both sides in one process.
    #[default]
    Generator,
    /// One SIPp a kind of call, and one that is called.
    Sipp,
}

/// A load with a name, and what has to come out of it.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Profile {
    /// Its name.
    pub name: String,
    /// What it is, in a sentence.
    pub about: String,
    /// Who makes the calls where nobody says otherwise.
    #[serde(default)]
    pub engine: Engine,
    /// The load.
    pub load: Order,
    /// What has to come out.
    #[serde(default)]
    pub expect: Expect,
}

/// The bounds of a good run; what is left out is not judged.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Expect {
    /// Failed calls in 100, at most.
    pub failed_percent: Option<f64>,
    /// Repeated messages to 100 calls, at most.
    pub retransmissions_percent: Option<f64>,
    /// Answered calls that could not be ended, in 100 answered ones, at most.
    pub established_failed_percent: Option<f64>,
    /// Good calls a second in any three seconds after the best three, in per cent of those, at least.
    pub goodput_percent_of_peak: Option<f64>,
    /// Growth of memory after the warm-up, in per cent of it a minute, at most.
    pub memory_percent_a_minute: Option<f64>,
}

impl Profile {
    /// All of `loadtest/profiles/profiles.toml`, in its order.
    ///
    /// # Errors
    ///
    /// When the file cannot be read.
    pub fn all() -> Result<Vec<Self>, Failure> {
        #[derive(Deserialize)]
        #[serde(deny_unknown_fields)]
        struct File {
            profile: Vec<Profile>,
        }
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("profiles/profiles.toml");
        let failure =
            |error: &dyn std::fmt::Display| Failure(format!("{}: {error}", path.display()));
        let text = fs::read_to_string(&path).map_err(|error| failure(&error))?;
        let file: File = toml::from_str(&text).map_err(|error| failure(&error))?;
        Ok(file.profile)
    }

    /// The one of this name.
    ///
    /// # Errors
    ///
    /// When there is none; the message names those that there are.
    pub fn named(name: &str) -> Result<Self, Failure> {
        let all = Self::all()?;
        let names: Vec<String> = all.iter().map(|profile| profile.name.clone()).collect();
        let found = all.into_iter().find(|profile| profile.name == name);
        found.ok_or_else(|| {
            Failure(format!(
                "no profile {name:?}; there are {}",
                names.join(", ")
            ))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_profile_has_calls_and_bounds() {
        let all = Profile::all().unwrap();
        assert!(all.len() >= 8);
        for profile in all {
            assert!(profile.load.calls() > 0, "{} makes no calls", profile.name);
            let expect = &profile.expect;
            let bounds = [expect.failed_percent, expect.goodput_percent_of_peak];
            assert!(
                bounds.iter().any(Option::is_some),
                "{} cannot fail",
                profile.name
            );
            for kind in profile.load.mix.keys() {
                let scenario = Path::new(env!("CARGO_MANIFEST_DIR"))
                    .join(format!("scenarios/load/{kind}.xml"));
                assert!(
                    scenario.is_file(),
                    "{} has no scenario for {kind}",
                    profile.name
                );
            }
        }
        assert!(
            Profile::named("nonsense")
                .unwrap_err()
                .to_string()
                .contains("steady")
        );
    }
}
