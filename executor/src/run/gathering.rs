//! `<Gather>`: prompts that the first key or word stops, then input until something ends it.
//!
//! ```text
//! files of the prompts ─► prompts ─► timeout ─► end
//!                            │ key      │ key: timeout again
//!                            └──────────┴─────► numDigits, finishOnKey ─► end
//! recogniser (from the first prompt if it may be interrupted):
//!                            speech ─► no timeout any more ─► result ─► end
//! ```

use std::time::Duration;

use crate::twiml::{Gather, Prompt, SpeechInput};
use crate::webhook::{Purpose, Request};

use super::phase::{Gathering, Phase};
use super::{Action, Heard, Listen, MediaId, MediaKind, MediaOutcome, Run, Speech, TimerKind};

impl Run {
    pub(super) fn gather(&mut self, verb: Box<Gather>) {
        let files = self.prompt_files(&verb.prompts);
        let prompts = verb.prompts.clone().into();
        self.phase = Phase::Gathering(Gathering {
            verb,
            prompts,
            prompt: None,
            listening: None,
            digits: String::new(),
            partials: 0,
        });
        if files.is_empty() {
            return self.gather_begins();
        }
        let media = self.start_media(MediaKind::Fetch(files));
        if let Phase::Gathering(gathering) = &mut self.phase {
            gathering.prompt = Some(media);
        }
    }

    /// The files that are played, each once.
    fn prompt_files(&mut self, prompts: &[Prompt]) -> Vec<url::Url> {
        let mut files = Vec::new();
        for prompt in prompts {
            if let Prompt::Play(play) = prompt
                && let Some(url) = self.play_url(play)
                && !files.contains(&url)
            {
                files.push(url);
            }
        }
        files
    }

    /// The recogniser listens from the start if speech may stop the prompts.
    fn gather_begins(&mut self) {
        let Phase::Gathering(gathering) = &self.phase else {
            return;
        };
        if gathering
            .verb
            .speech
            .as_ref()
            .is_some_and(|speech| speech.barge_in)
        {
            self.listen();
        }
        self.gather_next_prompt();
    }

    fn listen(&mut self) {
        let Phase::Gathering(gathering) = &self.phase else {
            return;
        };
        let Some(speech) = &gathering.verb.speech else {
            return;
        };
        if gathering.listening.is_none() && gathering.digits.is_empty() {
            let media = self.start_media(MediaKind::Listen(Box::new(listen(speech))));
            if let Phase::Gathering(gathering) = &mut self.phase {
                gathering.listening = Some(media);
            }
        }
    }

    /// A prompt is over, or the files are there.
    pub(super) fn gather_prompt_ended(&mut self) {
        let Phase::Gathering(gathering) = &mut self.phase else {
            return;
        };
        gathering.prompt = None;
        let untouched = gathering.prompts.len() == gathering.verb.prompts.len();
        if untouched && gathering.listening.is_none() {
            self.gather_begins();
        } else {
            self.gather_next_prompt();
        }
    }

    /// The next prompt, or the wait for input.
    fn gather_next_prompt(&mut self) {
        while let Phase::Gathering(gathering) = &mut self.phase {
            let Some(prompt) = gathering.prompts.pop_front() else {
                return self.gather_wait();
            };
            let kind = match prompt {
                Prompt::Pause(pause) => {
                    self.start_timer(TimerKind::Pause, pause.length);
                    return;
                }
                Prompt::Play(play) => self.play_url(&play).map(|url| MediaKind::Play {
                    url,
                    times: play.times,
                }),
                Prompt::Say(say) => Some(MediaKind::Speak(say)),
            };
            if let Some(kind) = kind {
                let media = self.start_media(kind);
                if let Phase::Gathering(gathering) = &mut self.phase {
                    gathering.prompt = Some(media);
                }
                return;
            }
        }
    }

    /// `timeout` counts from the end of the prompts, and again from each key.
    fn gather_wait(&mut self) {
        self.listen();
        let Phase::Gathering(gathering) = &self.phase else {
            return;
        };
        let timeout = gathering.verb.timeout;
        self.start_timer(TimerKind::GatherInput, timeout);
    }

    /// Input begins: no more prompts.
    fn stop_prompts(&mut self) {
        if let Phase::Gathering(gathering) = &mut self.phase {
            gathering.prompts.clear();
            if let Some(media) = gathering.prompt.take() {
                self.act(Action::StopMedia(media));
            }
        }
        self.stop_timer(TimerKind::Pause);
    }

    /// Keys count, or the time is over: nobody listens any more.
    fn stop_listening(&mut self) {
        if let Phase::Gathering(gathering) = &mut self.phase
            && let Some(media) = gathering.listening.take()
        {
            self.act(Action::StopMedia(media));
        }
        self.stop_timer(TimerKind::SpeechResult);
    }

    pub(super) fn gather_digit(&mut self, digit: char) {
        let Phase::Gathering(gathering) = &self.phase else {
            return;
        };
        if !gathering.verb.dtmf {
            return;
        }
        self.stop_prompts();
        self.stop_listening();
        let Phase::Gathering(gathering) = &mut self.phase else {
            return;
        };
        if gathering.verb.finish_on_key == Some(digit) {
            return self.gather_ended(None);
        }
        gathering.digits.push(digit);
        let enough = gathering.verb.digits_max.unwrap_or(DIGITS_MAX) as usize;
        if gathering.digits.len() >= enough {
            self.gather_ended(None)
        } else {
            self.gather_wait()
        }
    }

    /// What the recogniser tells before its end.
    pub(super) fn speech(&mut self, id: MediaId, speech: Speech) {
        let Phase::Gathering(gathering) = &self.phase else {
            return;
        };
        let Some(input) = gathering
            .verb
            .speech
            .as_ref()
            .filter(|_| gathering.listening == Some(id))
        else {
            return;
        };
        let longest = input.length_max + RESULT_TIME;
        match speech {
            Speech::Started => {
                self.stop_prompts();
                self.stop_timer(TimerKind::GatherInput);
                self.start_timer(TimerKind::SpeechResult, longest);
            }
            Speech::Partial { text, stability } => self.partial_result(&text, stability),
        }
    }

    fn partial_result(&mut self, text: &str, stability: f32) {
        let Phase::Gathering(gathering) = &mut self.phase else {
            return;
        };
        let link = gathering.verb.speech.as_ref();
        let Some(link) = link.and_then(|speech| speech.partial_result.clone()) else {
            return;
        };
        if gathering.partials == PARTIALS_MAX {
            return;
        }
        let number = gathering.partials;
        gathering.partials += 1;
        let Some(hook) = self.resolve_or_warn(&link, "partialResultCallback") else {
            return;
        };
        let params = vec![
            ("UnstableSpeechResult".to_owned(), text.to_owned()),
            ("Stability".to_owned(), share(stability)),
            ("SequenceNumber".to_owned(), number.to_string()),
        ];
        let id = self.next_fetch_id();
        let call_status = self.call_status();
        self.act(Action::StatusCallback(Box::new(Request {
            id,
            url: hook.url,
            method: hook.method,
            purpose: Purpose::PartialResult,
            call_status,
            params,
        })));
    }

    /// The recogniser is at its end. One that failed leaves the keys.
    pub(super) fn gather_heard(&mut self, outcome: MediaOutcome) {
        let Phase::Gathering(gathering) = &mut self.phase else {
            return;
        };
        gathering.listening = None;
        self.stop_timer(TimerKind::SpeechResult);
        match outcome {
            MediaOutcome::Heard(heard) if !heard.text.trim().is_empty() => {
                self.stop_prompts();
                self.gather_ended(Some(heard));
            }
            MediaOutcome::Failed(_) => self.gather_without_speech(),
            _ => {
                self.stop_prompts();
                self.gather_ended(None);
            }
        }
    }

    /// Keys may still come, as long as a prompt is heard or the time is not over.
    fn gather_without_speech(&mut self) {
        let Phase::Gathering(gathering) = &mut self.phase else {
            return;
        };
        let mut verb = gathering.verb.clone();
        verb.speech = None;
        gathering.verb = verb;
        let busy = gathering.prompt.is_some()
            || self.timer_runs(TimerKind::Pause)
            || self.timer_runs(TimerKind::GatherInput);
        if !busy {
            self.gather_wait();
        }
    }

    /// No key and no word in time.
    pub(super) fn gather_timed_out(&mut self) {
        self.gather_ended(None);
    }

    /// The input is over: `action` with it, or the next verb without any.
    pub(super) fn gather_ended(&mut self, heard: Option<Heard>) {
        if !matches!(self.phase, Phase::Gathering(_)) {
            return;
        }
        self.stop_listening();
        self.stop_timer(TimerKind::GatherInput);
        let Phase::Gathering(gathering) = std::mem::replace(&mut self.phase, Phase::Idle) else {
            return;
        };
        self.took_time();
        let verb = gathering.verb;
        let params = match heard {
            Some(heard) => vec![
                ("SpeechResult".to_owned(), heard.text),
                ("Confidence".to_owned(), share(heard.confidence)),
            ],
            None if gathering.digits.is_empty() && !verb.action_on_empty_result => {
                self.trace("Gather", "no input");
                return self.advance();
            }
            None if !verb.dtmf => vec![("SpeechResult".to_owned(), String::new())],
            None => vec![("Digits".to_owned(), gathering.digits)],
        };
        self.follow(Purpose::GatherAction, &verb.action, params);
    }
}

fn listen(speech: &SpeechInput) -> Listen {
    Listen {
        language: speech.language.clone(),
        hints: speech.hints.clone(),
        silence: speech.timeout,
        length_max: speech.length_max,
        partial: speech.partial_result.is_some(),
        profanity_filter: speech.profanity_filter,
        model: speech.model.clone(),
        enhanced: speech.enhanced,
    }
}

/// A number from 0 to 1, whatever the recogniser thinks.
fn share(value: f32) -> String {
    let value = if value.is_finite() { value } else { 0.0 };
    format!("{}", value.clamp(0.0, 1.0))
}

/// Without `numDigits` there is still an end.
const DIGITS_MAX: u32 = 256;
/// How long a recogniser may think after the longest speech.
const RESULT_TIME: Duration = Duration::from_secs(15);
/// Partial results of one `<Gather>` that are told.
const PARTIALS_MAX: u32 = 600;
