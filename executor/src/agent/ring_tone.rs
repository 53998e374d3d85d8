//! Which country's ring tone a caller hears.

use crate::run::{DialPlan, DialTo};

/// The country code for `media::tone::ring_tone`: what the document says, otherwise that of the
/// first number that is called, otherwise `us`.
pub(super) fn country(plan: &DialPlan) -> &str {
    if let Some(country) = &plan.ring_tone {
        return country;
    }
    let number = plan.targets.iter().find_map(|target| match &target.to {
        DialTo::Number(number) => number.strip_prefix('+'),
        _ => None,
    });
    number.map_or("us", of_number)
}

/// The country of a number without its `+` (ITU-T E.164).
fn of_number(number: &str) -> &'static str {
    let found = PREFIXES
        .iter()
        .filter(|(prefix, _)| number.starts_with(prefix))
        .max_by_key(|(prefix, _)| prefix.len());
    found.map_or("us", |(_, country)| country)
}

/// Country calling codes of the countries whose tones are known.
const PREFIXES: [(&str, &str); 39] = [
    ("1", "us"),
    ("27", "za"),
    ("30", "gr"),
    ("31", "nl"),
    ("32", "be"),
    ("33", "fr"),
    ("34", "es"),
    ("351", "pt"),
    ("358", "fi"),
    ("359", "bg"),
    ("36", "hu"),
    ("370", "lt"),
    ("372", "ee"),
    ("39", "it"),
    ("41", "ch"),
    ("420", "cz"),
    ("43", "at"),
    ("44", "uk"),
    ("45", "dk"),
    ("46", "se"),
    ("47", "no"),
    ("48", "pl"),
    ("49", "de"),
    ("52", "mx"),
    ("55", "br"),
    ("56", "cl"),
    ("58", "ve"),
    ("60", "my"),
    ("61", "au"),
    ("63", "ph"),
    ("64", "nz"),
    ("65", "sg"),
    ("66", "th"),
    ("7", "ru"),
    ("81", "jp"),
    ("86", "cn"),
    ("886", "tw"),
    ("91", "in"),
    ("972", "il"),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_longest_prefix_decides() {
        assert_eq!(of_number("14155550100"), "us");
        assert_eq!(of_number("4420"), "uk");
        assert_eq!(of_number("35312345"), "us");
        assert_eq!(of_number("35112345"), "pt");
        assert_eq!(of_number("886912"), "tw");
        assert_eq!(of_number(""), "us");
    }

    #[test]
    fn every_tone_is_known() {
        for (_, country) in PREFIXES {
            assert!(::media::tone::ring_tone(country).is_some(), "{country}");
        }
    }
}
