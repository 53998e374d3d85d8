//! `<Gather>`: prompts that the first key stops, then keys until something ends them.

use crate::twiml::{Gather, GatherInput, Prompt};
use crate::webhook::Purpose;

use super::phase::{Gathering, Phase};
use super::{Action, MediaKind, Run, TimerKind};

impl Run {
    pub(super) fn gather(&mut self, verb: Box<Gather>) {
        let prompts = verb.prompts.clone().into();
        let digits = String::new();
        let gathering = Gathering {
            verb,
            prompts,
            prompt: None,
            digits,
        };
        self.phase = Phase::Gathering(gathering);
        self.gather_prompt_ended();
    }

    /// The next prompt, or the wait for a key.
    pub(super) fn gather_prompt_ended(&mut self) {
        while let Phase::Gathering(gathering) = &mut self.phase {
            gathering.prompt = None;
            let Some(prompt) = gathering.prompts.pop_front() else {
                return self.gather_wait();
            };
            let kind = match prompt {
                Prompt::Pause(pause) => {
                    self.start_timer(TimerKind::Pause, pause.length);
                    return;
                }
                Prompt::Play(play) => self.play_file(&play),
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
        let Phase::Gathering(gathering) = &self.phase else {
            return;
        };
        let timeout = gathering.verb.timeout;
        self.start_timer(TimerKind::GatherInput, timeout);
    }

    pub(super) fn gather_digit(&mut self, digit: char) {
        let Phase::Gathering(gathering) = &mut self.phase else {
            return;
        };
        if gathering.verb.input == GatherInput::Speech {
            return;
        }
        gathering.prompts.clear();
        if let Some(media) = gathering.prompt.take() {
            self.act(Action::StopMedia(media));
        }
        self.stop_timer(TimerKind::Pause);
        let Phase::Gathering(gathering) = &mut self.phase else {
            return;
        };
        if gathering.verb.finish_on_key == Some(digit) {
            return self.gather_ended();
        }
        gathering.digits.push(digit);
        let enough = gathering.verb.digits_max.unwrap_or(DIGITS_MAX) as usize;
        if gathering.digits.len() >= enough {
            self.gather_ended()
        } else {
            self.gather_wait()
        }
    }

    /// The input is over: `action` with the digits, or the next verb without any.
    pub(super) fn gather_ended(&mut self) {
        if !matches!(self.phase, Phase::Gathering(_)) {
            return;
        }
        self.stop_timer(TimerKind::GatherInput);
        let Phase::Gathering(gathering) = std::mem::replace(&mut self.phase, Phase::Idle) else {
            return;
        };
        self.took_time();
        if gathering.digits.is_empty() && !gathering.verb.action_on_empty_result {
            self.trace("Gather", "no input");
            return self.advance();
        }
        let params = vec![("Digits".to_owned(), gathering.digits)];
        self.follow(Purpose::GatherAction, &gathering.verb.action, params);
    }
}

/// Without `numDigits` there is still an end.
const DIGITS_MAX: u32 = 256;
