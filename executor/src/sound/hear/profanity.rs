//! Stars for swear words, as `profanityFilter` wants: the first letter stays.

/// The text with its swear words starred out.
pub(super) fn starred(text: &str) -> String {
    let stars = |word: &str| {
        let mut letters = word.chars();
        let first = letters.next().map(String::from).unwrap_or_default();
        first + &"*".repeat(letters.count())
    };
    let words = text.split(' ').map(|word| {
        let plain = word.trim_matches(|c: char| !c.is_alphanumeric());
        if is_swear_word(&plain.to_lowercase()) {
            word.replacen(plain, &stars(plain), 1)
        } else {
            word.to_owned()
        }
    });
    words.collect::<Vec<_>>().join(" ")
}

fn is_swear_word(word: &str) -> bool {
    WORDS.iter().any(|stem| {
        word.strip_prefix(stem)
            .is_some_and(|rest| ENDINGS.contains(&rest))
    })
}

const ENDINGS: &[&str] = &["", "s", "es", "ed", "er", "ers", "in", "ing", "y"];
const WORDS: &[&str] = &[
    "asshole",
    "bastard",
    "bitch",
    "bullshit",
    "cunt",
    "fuck",
    "motherfuck",
    "shit",
    "slut",
    "whore",
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_swear_words_get_stars() {
        assert_eq!(starred("oh shit, it is off"), "oh s***, it is off");
        assert_eq!(starred("Fucking hell"), "F****** hell");
        assert_eq!(starred("shitake class"), "shitake class");
        assert_eq!(starred(""), "");
    }
}
