//! What pocketsphinx writes: for each utterance a line with its words, and then, with `-time yes`,
//! a line for each word with its begin, its end and how sure it is.

/// Everything that was understood so far.
#[derive(Debug, Default)]
pub(super) struct Transcript {
    text: String,
    /// The sum of the words' certainty, and how many they are.
    sure: f32,
    words: u32,
}

/// What a line was.
#[derive(Debug, Eq, PartialEq)]
pub(super) enum Line {
    /// A new utterance: the text has grown.
    Utterance,
    /// Something about the words of the last one, or nothing.
    Detail,
}

impl Transcript {
    /// Takes the next line.
    pub(super) fn line(&mut self, line: &str) -> Line {
        if let Some((word, sure)) = timed(line) {
            if !is_noise(word) {
                self.sure += sure.clamp(0.0, 1.0);
                self.words = self.words.saturating_add(1);
            }
            return Line::Detail;
        }
        let before = self.text.len();
        for word in line.split_whitespace().filter(|word| !is_noise(word)) {
            if self.text.len() + word.len() >= TEXT_BYTES_MAX {
                break;
            }
            if !self.text.is_empty() {
                self.text.push(' ');
            }
            self.text.push_str(word);
        }
        if self.text.len() > before {
            Line::Utterance
        } else {
            Line::Detail
        }
    }

    /// All words so far.
    pub(super) fn text(&self) -> &str {
        &self.text
    }

    /// The mean certainty of the words; nothing for no words.
    pub(super) fn confidence(&self) -> f32 {
        if self.words == 0 || self.text.is_empty() {
            return 0.0;
        }
        self.sure / self.words as f32
    }
}

/// `word 0.440 0.680 0.999600`
fn timed(line: &str) -> Option<(&str, f32)> {
    let mut parts = line.split_whitespace();
    let word = parts.next()?;
    let _begin: f32 = parts.next()?.parse().ok()?;
    let _end: f32 = parts.next()?.parse().ok()?;
    let sure = parts.next()?.parse().ok()?;
    parts.next().is_none().then_some((word, sure))
}

/// `<sil>`, `[NOISE]`, `++UH++`.
fn is_noise(word: &str) -> bool {
    word.starts_with(['<', '[', '+'])
}

/// Ten minutes of the fastest speech are less.
const TEXT_BYTES_MAX: usize = 32 * 1024;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_and_their_certainty() {
        let mut transcript = Transcript::default();
        assert_eq!(transcript.confidence(), 0.0);
        let lines = [
            "hello [NOISE] world",
            "<s> 0.440 0.680 0.999600",
            "hello 0.690 0.830 0.5",
            "[NOISE] 0.84 0.9 0.1",
            "world(2) 0.840 1.060 1.000000",
            "",
            "again",
            "again 2.0 2.1 0.9",
        ];
        let utterances = lines
            .iter()
            .filter(|line| transcript.line(line) == Line::Utterance);
        assert_eq!(utterances.count(), 2);
        assert_eq!(transcript.text(), "hello world again");
        assert!((transcript.confidence() - 0.8).abs() < 1e-6);
    }

    #[test]
    fn the_text_is_bounded() {
        let mut transcript = Transcript::default();
        for _ in 0..20_000 {
            transcript.line("word word");
        }
        assert!(transcript.text().len() < TEXT_BYTES_MAX);
    }
}
