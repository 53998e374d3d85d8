//! The ring tones of countries, by ITU-T E.180 supplement 2 (the list of tones in national
//! networks), for every code that `<Dial ringTone>` knows.

use super::{Cadence, Sound, Step};

/// The ring tone of a country by its code (`us`, `uk`, `us-old`, …), in any case.
#[must_use]
pub fn ring_tone(country: &str) -> Option<Cadence> {
    let steps: &'static [Step] = match country.to_ascii_lowercase().as_str() {
        "at" => const { &once(Sound::Single(420.0), 1000, 5000) },
        // The supplement has 400 Hz with side bands, which is this pair.
        "au" => const { &twice(Sound::Both(413.0, 438.0)) },
        "be" => const { &once(Sound::Single(425.0), 1000, 3000) },
        "cl" => const { &once(Sound::Single(400.0), 1000, 3000) },
        "cn" => const { &once(Sound::Single(450.0), 1000, 4000) },
        "es" => const { &once(Sound::Single(425.0), 1500, 3000) },
        "fr" => const { &once(Sound::Single(440.0), 1500, 3500) },
        "hu" => const { &once(Sound::Single(425.0), 1250, 3750) },
        "il" => const { &once(Sound::Single(400.0), 1000, 3000) },
        "in" => const { &twice(Sound::Modulated(400.0, 25.0)) },
        "jp" => const { &once(Sound::Modulated(400.0, 16.0), 1000, 2000) },
        "my" => const { &twice(Sound::Single(425.0)) },
        "nz" | "uk" => const { &twice(Sound::Both(400.0, 450.0)) },
        "ph" => const { &once(Sound::Both(425.0, 480.0), 1000, 4000) },
        "pt" | "se" => const { &once(Sound::Single(425.0), 1000, 5000) },
        "sg" => const { &twice(Sound::Modulated(425.0, 24.0)) },
        "th" => const { &once(Sound::Single(400.0), 1000, 4000) },
        "tw" => const { &once(Sound::Both(440.0, 480.0), 1000, 2000) },
        "us" => const { &once(Sound::Both(440.0, 480.0), 2000, 4000) },
        // Before the precise tones of the sixties.
        "us-old" => const { &once(Sound::Modulated(420.0, 40.0), 2000, 4000) },
        "za" => const { &twice(Sound::Modulated(400.0, 33.0)) },
        "bg" | "br" | "ch" | "cz" | "de" | "dk" | "ee" | "fi" | "gr" | "it" | "lt" | "mx"
        | "nl" | "no" | "pl" | "ru" | "ve" => const { &once(Sound::Single(425.0), 1000, 4000) },
        _ => return None,
    };
    Some(Cadence::new(steps))
}

/// One ring and a pause.
const fn once(sound: Sound, on: u64, off: u64) -> [Step; 2] {
    [Step::on(sound, on), Step::off(off)]
}

/// Two short rings and a pause.
const fn twice(sound: Sound) -> [Step; 4] {
    let ring = Step::on(sound, 400);
    [ring, Step::off(200), ring, Step::off(2000)]
}

#[cfg(test)]
mod tests {
    use super::*;

    /// All codes of `<Dial ringTone>`.
    const CODES: &str = "at au bg br be ch cl cn cz de dk ee es fi fr gr hu il in it lt jp mx my nl \
                         no nz ph pl pt ru se sg th uk us us-old tw ve za";

    #[test]
    fn every_code_has_a_tone_that_can_be_heard() {
        for code in CODES.split_whitespace() {
            let mut cadence = ring_tone(code).unwrap_or_else(|| panic!("no tone for {code}"));
            let period = cadence.period();
            assert!((20_000..=52_000).contains(&period), "{code}: {period}");
            let mut first = [0; 1600];
            cadence.fill(&mut first);
            let loudest = first.iter().map(|sample| sample.unsigned_abs()).max();
            assert!(
                (6500..11_000).contains(&loudest.unwrap()),
                "{code}: {loudest:?}"
            );
            // The pause is at the end.
            assert_eq!(cadence.at(period - 1), 0, "{code}");
        }
        assert_eq!(CODES.split_whitespace().count(), 40);
    }

    #[test]
    fn codes_are_read_in_any_case_and_others_not_at_all() {
        assert!(ring_tone("US").is_some());
        for code in ["", "xx", "u", "us ", "automatic"] {
            assert!(ring_tone(code).is_none(), "{code}");
        }
    }
}
