//! A synthesizer with a memory.

use std::fmt;
use std::sync::Arc;

use crate::ErrorCode;
use crate::sound::audio::Pcm;
use crate::sound::memo::Memo;
use crate::sound::{SoundError, audio};

use super::{TEXT_BYTES_MAX, TextToSpeech, Utterance};

/// Remembers what was said by voice, language and text. Clones share the memory.
#[derive(Clone)]
pub struct Speaker {
    engine: Arc<dyn TextToSpeech>,
    memo: Memo<Utterance, Pcm>,
}

impl Speaker {
    /// A memory of at most `bytes_max` before a synthesizer.
    pub fn new(engine: Arc<dyn TextToSpeech>, bytes_max: usize) -> Self {
        Self {
            engine,
            memo: Memo::new(bytes_max),
        }
    }

    /// The speech of a text: remembered, or rendered once for all who ask meanwhile. Dropping the
    /// future gives the rendering up, unless somebody else waits for it.
    ///
    /// # Errors
    ///
    /// 13520 or 13521 for what cannot be said, 12400 for what this machine or the service could
    /// not do.
    pub async fn say(&self, utterance: &Utterance) -> Result<Pcm, SoundError> {
        check(utterance)?;
        if let Some(pcm) = self.memo.find(utterance) {
            return Ok(pcm);
        }
        let (engine, memo, wanted) = (
            Arc::clone(&self.engine),
            self.memo.clone(),
            utterance.clone(),
        );
        let render = || async move {
            let pcm = engine.render(&wanted).await?;
            let bytes = audio::bytes(&pcm) + 2 * weight(&wanted);
            memo.keep(wanted, pcm.clone(), bytes);
            Ok(pcm)
        };
        self.memo.share(utterance.clone(), render).await
    }
}

impl fmt::Debug for Speaker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Speaker").finish_non_exhaustive()
    }
}

fn check(utterance: &Utterance) -> Result<(), SoundError> {
    if utterance.text.trim().is_empty() {
        return Err(SoundError::new(
            ErrorCode::SAY_TEXT,
            "there is no text to say",
        ));
    }
    if weight(utterance) > TEXT_BYTES_MAX {
        let detail = format!("the text has more than {TEXT_BYTES_MAX} bytes");
        return Err(SoundError::new(ErrorCode::SAY_TEXT_LONG, detail));
    }
    Ok(())
}

/// The bytes of all texts of an utterance.
fn weight(utterance: &Utterance) -> usize {
    utterance.text.len()
        + utterance.ssml.as_ref().map_or(0, String::len)
        + utterance.voice.as_ref().map_or(0, String::len)
        + utterance.language.len()
}
