use std::fs;
use std::path::Path;
use std::process::Command;

use super::{Sound, channels};
use crate::Scratch;
use crate::webhook::python;

/// Wide enough for a voice that came through a telephone, which has no upper half of the spectrum.
const BEAMS: [&str; 6] = ["-beam", "1e-120", "-pbeam", "1e-120", "-wbeam", "1e-100"];

impl Sound {
    /// A sentence, spoken by espeak-ng, at 8 kHz.
    ///
    /// # Panics
    ///
    /// When the program is not there.
    #[must_use]
    pub fn spoken(sentence: &str) -> Self {
        let folder = Scratch::new("spoken");
        let file = folder.path().join("spoken.wav");
        let mut command = Command::new("espeak-ng");
        run(command
            .args(["-v", "en-us", "-s", "140", "-w"])
            .arg(&file)
            .arg(sentence));
        Self::read(&file)
            .expect("espeak-ng writes WAV")
            .at_rate(8000)
    }

    /// Which of these sentences pocketsphinx takes it for; nothing when it is none of them.
    ///
    /// # Panics
    ///
    /// When the program is not there.
    #[must_use]
    pub fn recognised(&self, sentences: &[&str]) -> String {
        let folder = Scratch::new("recognised");
        let choice = sentences.join(" | ");
        let grammar = format!("#JSGF V1.0;\ngrammar s;\npublic <s> = {choice} ;\n");
        let grammar = folder.write("sentences.jsgf", grammar);
        let margin = Self::silence(16_000, 0.5);
        let sound = margin.clone().then(&self.at_rate(16_000)).then(&margin);
        let file = folder.write("heard.wav", sound.wav(1));
        let mut command = Command::new("pocketsphinx_continuous");
        command.arg("-infile").arg(file).arg("-jsgf").arg(grammar);
        let words = run(command.args(["-logfn", "/dev/null"]).args(BEAMS));
        words.trim().to_owned()
    }

    /// As a file of another kind, by libsndfile or libgsm; `python/convert.py` says of which.
    ///
    /// # Panics
    ///
    /// When a library is not there.
    #[must_use]
    pub fn converted(&self, kind: &str) -> Vec<u8> {
        let folder = Scratch::new("converted");
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("python/convert.py");
        let (from, to) = (
            folder.write("from.wav", self.wav(1)),
            folder.path().join("to"),
        );
        run(Command::new(python())
            .arg(script)
            .arg(kind)
            .arg(from)
            .arg(&to));
        fs::read(to).expect("the script writes a file")
    }

    /// As MP3, by lame.
    ///
    /// # Panics
    ///
    /// When the program is not there.
    #[must_use]
    pub fn mp3(&self) -> Vec<u8> {
        let folder = Scratch::new("mp3");
        let (from, to) = (
            folder.write("from.wav", self.wav(1)),
            folder.path().join("to.mp3"),
        );
        run(Command::new("lame")
            .args(["--quiet", "-b", "64"])
            .arg(from)
            .arg(&to));
        fs::read(to).expect("lame writes a file")
    }

    /// The channels of an MP3 file, by lame.
    ///
    /// # Panics
    ///
    /// When lame does not take it for one.
    #[must_use]
    pub fn of_mp3(bytes: &[u8]) -> Vec<Self> {
        let folder = Scratch::new("mp3");
        let (from, to) = (
            folder.write("from.mp3", bytes),
            folder.path().join("to.wav"),
        );
        run(Command::new("lame")
            .args(["--quiet", "--decode"])
            .arg(from)
            .arg(&to));
        let file = fs::read(to).expect("lame writes a file");
        channels(&file).expect("lame writes WAV")
    }
}

fn run(command: &mut Command) -> String {
    let output = command.output();
    let output =
        output.unwrap_or_else(|error| panic!("{command:?} ({error}): is `make deps` done?"));
    let told = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{command:?}: {told}");
    String::from_utf8_lossy(&output.stdout).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_spoken_sentence_is_recognised() {
        let sentences = [
            "please call my sister tomorrow morning",
            "your order has been sent",
            "the weather is fine today",
        ];
        let telephone = |sentence| Sound::of_ulaw(&Sound::spoken(sentence).ulaw());
        for sentence in sentences {
            assert_eq!(telephone(sentence).recognised(&sentences), sentence);
        }
    }

    #[test]
    fn mp3_there_and_back_is_the_same_sound() {
        let sweep = Sound::sweep(8000, 300.0, 3000.0, 1.0);
        let again = Sound::of_mp3(&sweep.mp3());
        assert_eq!(again.len(), 1);
        assert!(again[0].find(&sweep).degree > 0.95, "{:?}", again[0]);
    }
}
