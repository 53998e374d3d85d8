//! A grammar (JSGF) of the phrases that a document hints at.

use super::dictionary::Dictionary;

/// A grammar in which each hint is one sentence, if the model knows the words of at least one hint.
///
/// Words are cut out of the hints as the dictionary spells them and nothing else is written, so that
/// a hint cannot become a rule. `$OOV_CLASS_DIGIT_SEQUENCE` stands for spoken digits; classes of
/// other names are left out, as are hints with a word that the model does not know.
pub(super) fn of_hints(hints: impl Iterator<Item = String>, words: &Dictionary) -> Option<String> {
    let mut sentences: Vec<String> = hints.filter_map(|hint| sentence(&hint, words)).collect();
    sentences.sort();
    sentences.dedup();
    if sentences.is_empty() {
        return None;
    }
    let digits = sentences.iter().any(|it| it.contains(DIGITS_RULE));
    let rule = if digits { DIGITS } else { "" };
    let choice = sentences.join(" | ");
    Some(format!(
        "#JSGF V1.0;\ngrammar hints;\n{rule}public <hint> = {choice};\n"
    ))
}

fn sentence(hint: &str, words: &Dictionary) -> Option<String> {
    let mut sentence = Vec::new();
    for part in hint.split_whitespace() {
        if part.starts_with('$') {
            let known = part.contains("DIGIT");
            known.then(|| sentence.push(DIGITS_RULE.to_owned()))?;
            continue;
        }
        for word in part.split(|c: char| !c.is_alphanumeric() && c != '\'') {
            spell(word, words, &mut sentence)?;
        }
    }
    (!sentence.is_empty()).then(|| sentence.join(" "))
}

/// Appends a word; a number becomes its digits.
fn spell(word: &str, words: &Dictionary, sentence: &mut Vec<String>) -> Option<()> {
    let word = word.trim_matches('\'').to_lowercase();
    if word.is_empty() {
        return Some(());
    }
    if word.bytes().all(|byte| byte.is_ascii_digit()) {
        let digits = word.bytes().map(|digit| usize::from(digit - b'0'));
        sentence.extend(
            digits
                .filter_map(|digit| NAMES.get(digit))
                .map(|it| (*it).to_owned()),
        );
        return Some(());
    }
    words.has(&word).then(|| sentence.push(word))
}

const DIGITS_RULE: &str = "<digits>";
const DIGITS: &str = "<digits> = ( zero | oh | one | two | three | four | five | six | seven | \
                      eight | nine )+;\n";
const NAMES: &[&str] = &[
    "zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine",
];

#[cfg(test)]
mod tests {
    use super::*;

    fn grammar(hints: &[&str]) -> Option<String> {
        let words = Dictionary::parse(
            "sales S EY L Z\nread R EH D\nread(2) R IY D\ndon't D OW N T\nthe DH AH\n",
        );
        of_hints(hints.iter().map(|hint| (*hint).to_owned()), &words)
    }

    fn choice(hints: &[&str]) -> Option<String> {
        let grammar = grammar(hints)?;
        let (_, choice) = grammar.split_once("<hint> = ")?;
        Some(choice.trim_end().trim_end_matches(';').to_owned())
    }

    #[test]
    fn hints_are_sentences() {
        assert_eq!(
            choice(&["Sales", "the sales!", "sales", "don't read"]).as_deref(),
            Some("don't read | sales | the sales")
        );
        assert_eq!(choice(&["read 41"]).as_deref(), Some("read four one"));
        let digits = grammar(&["the $OOV_CLASS_DIGIT_SEQUENCE"]).unwrap();
        assert!(digits.contains("public <hint> = the <digits>;"), "{digits}");
        assert!(digits.contains("<digits> = ( zero"), "{digits}");
    }

    #[test]
    fn what_the_model_does_not_know_is_left_out() {
        assert_eq!(choice(&["sales xyzzy", "read"]).as_deref(), Some("read"));
        assert_eq!(choice(&["xyzzy", "", "$MONEY", "…"]), None);
    }

    #[test]
    fn a_hint_cannot_become_a_rule() {
        let hint = "sales; public <x> = <y>* /1/ {tag} \"q\" // read";
        assert_eq!(choice(&[hint]), None);
        assert_eq!(
            choice(&["sales;|(read)*[the]<"]).as_deref(),
            Some("sales read the")
        );
    }
}
