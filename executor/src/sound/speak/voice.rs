//! From the names of voices and languages that documents use to voices that espeak-ng has.

use super::polly;

/// A voice of the synthesizer. Both parts come from tables of this program, never from a document.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Voice {
    /// Its name for a language.
    id: &'static str,
    gender: Gender,
}

/// The two kinds of voices that documents can ask for.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Gender {
    Female,
    Male,
}

impl Voice {
    /// The voice for the attributes of a `<Say>`. A named voice brings its own language; a name
    /// that is not known leaves the choice to the language, and an unknown language is English.
    pub(super) fn choose(voice: Option<&str>, language: &str) -> Self {
        let named = voice.and_then(|voice| named(voice.trim()));
        let (gender, own) = named.unwrap_or((Gender::Male, None));
        let id = own
            .as_deref()
            .and_then(language_id)
            .or_else(|| language_id(language))
            .unwrap_or(ENGLISH);
        Self { id, gender }
    }

    /// The same kind of voice for another language, if there is one.
    pub(super) fn in_language(self, language: &str) -> Option<Self> {
        language_id(language).map(|id| Self { id, ..self })
    }

    /// Its attributes in markup, where it cannot be named.
    pub(super) fn attributes(self) -> String {
        let gender = match self.gender {
            Gender::Female => "female",
            Gender::Male => "male",
        };
        format!(" xml:lang=\"{}\" gender=\"{gender}\"", self.id)
    }

    /// Its name for the synthesizer.
    pub(super) fn espeak(self) -> String {
        match self.gender {
            Gender::Female => format!("{}+f2", self.id),
            Gender::Male => self.id.to_owned(),
        }
    }
}

/// What a voice's name says: its kind, and its language if it has one of its own.
fn named(voice: &str) -> Option<(Gender, Option<String>)> {
    match voice {
        "man" => return Some((Gender::Male, None)),
        "woman" | "alice" => return Some((Gender::Female, None)),
        _ => {}
    }
    if let Some(name) = voice.strip_prefix("Polly.") {
        // `Polly.Joanna-Neural` is `Polly.Joanna` made in another way.
        let name = name.split('-').next().unwrap_or(name);
        return polly::find(name).map(|(gender, language)| (gender, Some(language.to_owned())));
    }
    // `Google.en-US-Wavenet-C`, `Google.en-US-Chirp3-HD-Aoede`.
    let name = voice.strip_prefix("Google.")?;
    let mut parts = name.split('-');
    let (language, region) = (parts.next()?, parts.next()?);
    let gender = match parts.next_back() {
        Some("B" | "D" | "I" | "J") => Gender::Male,
        _ => Gender::Female,
    };
    Some((gender, Some(format!("{language}-{region}"))))
}

/// The synthesizer's voice for a language tag: that of the whole tag, or else of its first part.
fn language_id(tag: &str) -> Option<&'static str> {
    let tag = tag.trim();
    let whole = |row: &&(&str, &'static str)| row.0.eq_ignore_ascii_case(tag);
    if let Some((_, id)) = REGIONS.iter().find(whole) {
        return Some(id);
    }
    let first = tag.split(['-', '_']).next().unwrap_or(tag);
    if let Some((_, id)) = RENAMED.iter().find(|row| row.0.eq_ignore_ascii_case(first)) {
        return Some(id);
    }
    LANGUAGES
        .iter()
        .find(|id| id.eq_ignore_ascii_case(first))
        .copied()
}

const ENGLISH: &str = "en-us";

/// Tags whose voice is another than that of their first part.
const REGIONS: &[(&str, &str)] = &[
    ("cmn-CN", "cmn"),
    ("en-AU", "en-gb"),
    ("en-GB", "en-gb"),
    ("en-GB-WLS", "en-gb"),
    ("en-IE", "en-gb"),
    ("en-IN", "en-gb"),
    ("en-NZ", "en-gb"),
    ("en-SG", "en-gb"),
    ("en-ZA", "en-gb"),
    ("es-ES", "es"),
    ("fr-BE", "fr-be"),
    ("fr-CH", "fr-ch"),
    ("pt-PT", "pt"),
    ("zh-HK", "yue"),
    ("zh-MO", "yue"),
];

/// First parts of tags that the synthesizer knows under another name.
const RENAMED: &[(&str, &str)] = &[
    ("arb", "ar"),
    ("en", "en-us"),
    ("es", "es-419"),
    ("fr", "fr-fr"),
    ("iw", "he"),
    ("no", "nb"),
    ("pt", "pt-br"),
    ("zh", "cmn"),
];

/// Languages under their own name.
const LANGUAGES: &[&str] = &[
    "af", "am", "ar", "as", "az", "be", "bg", "bn", "bs", "ca", "cmn", "cs", "cy", "da", "de",
    "el", "et", "eu", "fa", "fi", "ga", "gd", "gu", "he", "hi", "hr", "hu", "hy", "id", "is", "it",
    "ja", "ka", "kk", "kn", "ko", "ky", "la", "lb", "lt", "lv", "mi", "mk", "ml", "mr", "ms", "mt",
    "my", "nb", "ne", "nl", "or", "pa", "pl", "ro", "ru", "sd", "si", "sk", "sl", "sq", "sr", "sv",
    "sw", "ta", "te", "th", "tr", "tt", "uk", "ur", "uz", "vi", "yue",
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_documents_become_voices() {
        for (voice, language, chosen) in [
            (None, "en-US", "en-us"),
            (Some("man"), "en-US", "en-us"),
            (Some("woman"), "en-US", "en-us+f2"),
            (Some("alice"), "de-DE", "de+f2"),
            (Some("woman"), "zh-HK", "yue+f2"),
            (Some("woman"), "pt-PT", "pt+f2"),
            (Some("Polly.Joanna"), "en-US", "en-us+f2"),
            (Some("Polly.Matthew-Neural"), "en-US", "en-us"),
            (Some("Polly.Celine"), "en-US", "fr-fr+f2"),
            (Some("Polly.Céline"), "en-US", "fr-fr+f2"),
            (Some("Google.de-DE-Standard-B"), "en-US", "de"),
            (Some("Google.en-GB-Chirp3-HD-Aoede"), "en-US", "en-gb+f2"),
            (Some("Polly.Nobody"), "es-MX", "es-419"),
            (Some("../../etc/passwd"), "en-GB", "en-gb"),
            (None, "xx-YY", "en-us"),
            (None, "", "en-us"),
            (None, "NB-no", "nb"),
        ] {
            let found = Voice::choose(voice, language).espeak();
            assert_eq!(found, chosen, "{voice:?} {language}");
        }
    }

    #[test]
    fn every_polly_voice_has_a_language_of_the_table() {
        for (name, _, language) in polly::VOICES {
            assert!(language_id(language).is_some(), "{name}");
        }
    }

    /// The synthesizer of this machine has all voices of the tables.
    #[test]
    fn every_voice_is_installed() {
        let listed = std::process::Command::new("espeak-ng")
            .arg("--voices")
            .output();
        let listed = listed.expect("espeak-ng is installed: make deps").stdout;
        let listed = String::from_utf8_lossy(&listed).into_owned();
        let has = |id: &str| {
            listed
                .lines()
                .any(|line| line.split_whitespace().nth(1) == Some(id))
        };
        let tables = REGIONS.iter().chain(RENAMED).map(|(_, id)| id);
        for id in tables.chain(LANGUAGES) {
            assert!(has(id), "{id}");
        }
    }
}
