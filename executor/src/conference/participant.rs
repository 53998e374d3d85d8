//! Who takes part in a conference.

use crate::Sid;
use crate::run::ConferencePlan;
use crate::twiml::{Beep, JitterBuffer};

/// How a leg takes part in a room.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Member<K> {
    /// The others do not hear it.
    pub muted: bool,
    /// Only this one hears it.
    pub coach: Option<K>,
    /// The others hear a beep now.
    pub beep_on_enter: bool,
    /// They will hear one when it goes.
    pub beep_on_exit: bool,
    /// How much delay smooths its sound.
    pub jitter_buffer: JitterBuffer,
}

/// A participant.
#[derive(Clone, Debug)]
pub(super) struct Participant<K> {
    pub(super) key: K,
    pub(super) call_sid: Sid,
    pub(super) label: Option<String>,
    pub(super) muted: bool,
    pub(super) coach: Option<(Sid, K)>,
    pub(super) beep: Beep,
    pub(super) start_on_enter: bool,
    pub(super) end_on_exit: bool,
    pub(super) jitter_buffer: JitterBuffer,
    pub(super) speaks: bool,
}

impl<K: Copy> Participant<K> {
    pub(super) fn new(key: K, call_sid: Sid, plan: &ConferencePlan) -> Self {
        Self {
            key,
            call_sid,
            label: plan.label.clone(),
            muted: plan.muted,
            coach: None,
            beep: plan.beep,
            start_on_enter: plan.start_on_enter,
            end_on_exit: plan.end_on_exit,
            jitter_buffer: plan.jitter_buffer,
            speaks: false,
        }
    }

    /// How it takes part; `enters` if the others are to hear that.
    pub(super) fn member(&self, enters: bool) -> Member<K> {
        Member {
            muted: self.muted,
            coach: self.coach.map(|(_, key)| key),
            beep_on_enter: enters && self.beep.on_enter(),
            beep_on_exit: self.beep.on_exit(),
            jitter_buffer: self.jitter_buffer,
        }
    }

    /// The parameters of an event about it.
    pub(super) fn params(&self) -> Vec<(&'static str, String)> {
        let mut params = vec![
            ("CallSid", self.call_sid.to_string()),
            ("Muted", self.muted.to_string()),
            // Only the provider's API puts somebody on hold.
            ("Hold", "false".to_owned()),
            ("Coaching", self.coach.is_some().to_string()),
        ];
        if let Some((call, _)) = self.coach {
            params.push(("CallSidToCoach", call.to_string()));
        }
        params.push(("EndConferenceOnExit", self.end_on_exit.to_string()));
        params.push(("StartConferenceOnEnter", self.start_on_enter.to_string()));
        if let Some(label) = &self.label {
            params.push(("ParticipantLabel", label.clone()));
        }
        params
    }
}
