//! Recordings that are written down: after their `<Record>`, and after their call if it takes that
//! long.

use tokio::sync::watch;

use crate::gauges::Held;
use crate::observer::CallEvent;
use crate::run::{Trace, TranscriptionPlan};
use crate::sound::SoundError;
use crate::task::Task;
use crate::webhook::CallStatus;
use crate::{ErrorCode, Sid, SidKind};

use super::core::Core;
use super::journal::LegTag;
use super::script::{Script, Teller};

/// Ends the transcriptions that are under way, or wait, when the executor ends.
#[derive(Debug)]
pub(crate) struct Transcriptions(watch::Sender<bool>);

impl Default for Transcriptions {
    fn default() -> Self {
        Self(watch::Sender::new(false))
    }
}

impl Transcriptions {
    /// There is no time left: who waits for a text is told now that there is none.
    pub(crate) fn give_up(&self) {
        self.0.send_replace(true);
    }
}

/// Writes a recording down in a task of its own.
pub(crate) fn transcribe(
    core: &Core,
    random: [u8; 16],
    tag: &LegTag,
    script: &Script,
    plan: TranscriptionPlan,
) {
    let Some(recording) = plan.recording.sid else {
        return;
    };
    let sid = Sid::new(SidKind::Transcription, random);
    let held = Held::new(&core.gauges, |gauges| &gauges.transcriptions, 1);
    let teller = Teller::new(core, tag, &script.context);
    let alive = std::sync::Arc::downgrade(&script.alive);
    let sound = core.studio.sound().clone();
    let mut stops = core.transcriptions.0.subscribe();
    let given_up = async move {
        // The sender is gone only with the user agent, and its end is the same.
        stops.wait_for(|given_up| *given_up).await.ok();
    };
    Task::spawn(&core.gauges, async move {
        let _held = held;
        let result = tokio::select! {
            result = sound.transcribe(recording) => result,
            () = given_up => Err(SoundError::new(ErrorCode::SPEECH, "the executor ends")),
        };
        let status = match alive.upgrade() {
            Some(_) => plan.call_status,
            None => CallStatus::Completed,
        };
        note(&teller, sid, recording, &plan, &result);
        let told = plan.told(sid, result.as_deref().ok(), status);
        if let Some(telling) = told.and_then(|request| teller.begin(request)) {
            telling.await;
        }
    })
    .detach();
}

/// Puts the end of a transcription into the record of the call: with its text, if nobody else gets it.
fn note(
    teller: &Teller,
    sid: Sid,
    recording: Sid,
    plan: &TranscriptionPlan,
    result: &Result<String, SoundError>,
) {
    let text = match result {
        Ok(text) if plan.callback.is_none() => format!("{sid} of {recording}: {text}"),
        Ok(_) => format!("{sid} of {recording} is done"),
        Err(error) => {
            let text = format!("{recording} is not transcribed: {}", error.detail);
            return teller.journal.notice(&teller.tag, error.code, text);
        }
    };
    let topic = "transcription";
    let trace = CallEvent::Trace(Trace { topic, text });
    teller.journal.record(&teller.tag, trace);
}
