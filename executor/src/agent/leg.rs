//! One leg of a call: its dialog, its session, and the requests under way in it.

use std::net::SocketAddr;
use std::time::Duration;

use ::media::codec::Codec;
use bytes::Bytes;
use sip::{ClientId, Instant, Reply, Request, Response, ServerId};

use crate::Sid;
use crate::dialog::{Dialog, FORWARDS};
use crate::digest::Authorization;
use crate::gauges::Held;
use crate::media::{LegMedia, OpenError, Owner};
use crate::sdp::{Description, Negotiation, Ours};

use super::LegKey;
use super::callee::Callee;
use super::core::{Accepted, Core, Purpose, Sent, acknowledgement, finished};
use super::dial::Dial;
use super::hears::Hears;
use super::journal::LegTag;
use super::path::Path;
use super::recorder::Recorder;
use super::refer::Referred;
use super::reliable::Reliable;
use super::script::Script;
use super::timer::{Due, Timer};
use super::transfer::Referral;

/// A leg.
pub(crate) struct Leg {
    pub(crate) key: LegKey,
    pub(crate) sid: Sid,
    pub(crate) account: Sid,
    pub(crate) tag: LegTag,
    pub(crate) dialog: Dialog,
    /// The way that the INVITE came or went.
    pub(crate) path: Path,
    pub(crate) state: State,
    /// What both sides have described.
    pub(crate) negotiation: Negotiation,
    /// An INVITE of the peer that waits for our answer or for its ACK.
    pub(crate) invited: Option<Invited>,
    /// An INVITE of ours.
    pub(crate) inviting: Option<Inviting>,
    /// REFERs that were sent.
    pub(crate) referred: Referred,
    /// Our end of its media.
    pub(crate) media: Option<LegMedia>,
    /// The document that runs on the leg.
    pub(crate) script: Option<Script>,
    /// The `<Dial>` of its document.
    pub(crate) dial: Option<Dial>,
    /// Recordings of its `<Dial>`s so far.
    pub(crate) tapes: u64,
    /// Earlier `<Dial>`s that are not over: one that is set aside while its callee is transferred,
    /// and those whose recording is being written.
    pub(crate) aside: Vec<Dial>,
    /// A REFER of the peer that is being worked off.
    pub(crate) referral: Option<Referral>,
    /// There was a REFER of the peer before.
    pub(crate) was_referred: bool,
    /// What it hears of its `<Dial>`.
    pub(crate) hears: Hears,
    /// The conference whose room it is in.
    pub(crate) seat: Option<Sid>,
    /// What a callee's leg has beside.
    pub(crate) callee: Option<Box<Callee>>,
    /// What the leg to a recording server has beside.
    pub(crate) recorder: Option<Box<Recorder>>,
    pub(crate) _held: Held,
}

/// How far a leg is.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum State {
    /// The INVITE has no final response.
    Early,
    /// It has a 2xx.
    Confirmed,
    /// BYE was sent, and waits for its answer.
    Leaving(ClientId),
    /// Nothing is left to do.
    Gone,
}

/// An INVITE of the peer.
pub(crate) struct Invited {
    pub(crate) server: ServerId,
    pub(crate) request: Request,
    pub(crate) number: u32,
    /// It made the dialog.
    pub(crate) initial: bool,
    /// What it offers.
    pub(crate) offer: Option<Description>,
    /// What we have described in a response to it: one answer to one offer.
    pub(crate) described: Option<Bytes>,
    /// That was an offer: the ACK has the answer.
    pub(crate) offered: bool,
    /// The caller wants provisional responses that it acknowledges.
    pub(crate) reliable: Option<Reliable>,
    pub(crate) answered: Option<Answered>,
}

/// A 2xx that waits for its ACK.
pub(crate) struct Answered {
    wire: Bytes,
    interval: Duration,
    deadline: Instant,
    timer: Timer,
}

/// An INVITE of ours.
#[derive(Debug)]
pub(crate) struct Inviting {
    pub(crate) client: ClientId,
    pub(crate) body: Option<Bytes>,
    pub(crate) number: u32,
    path: Path,
    before: Dialog,
    uri: String,
    authorization: Option<Authorization>,
}

/// What became of the wait for an ACK.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum AckWait {
    GivenUp,
    Repeated,
}

impl Leg {
    /// A leg whose INVITE has no final response, and nothing besides.
    pub(crate) fn new(
        core: &Core,
        key: LegKey,
        account: Sid,
        tag: LegTag,
        dialog: Dialog,
        path: Path,
        negotiation: Negotiation,
    ) -> Self {
        Self {
            key,
            sid: tag.leg,
            account,
            tag,
            dialog,
            path,
            state: State::Early,
            negotiation,
            invited: None,
            inviting: None,
            referred: Referred::default(),
            media: None,
            script: None,
            dial: None,
            tapes: 0,
            aside: Vec::new(),
            referral: None,
            was_referred: false,
            hears: Hears::default(),
            seat: None,
            callee: None,
            recorder: None,
            _held: Held::new(&core.gauges, |gauges| &gauges.legs, 1),
        }
    }

    pub(crate) fn is_over(&self) -> bool {
        matches!(self.state, State::Leaving(_) | State::Gone)
    }

    /// Sends a request in the dialog.
    pub(crate) fn send(
        &mut self,
        core: &mut Core,
        purpose: Purpose,
        method: &str,
        headers: &[(&str, &[u8])],
        body: Option<(&str, Bytes)>,
    ) -> Option<ClientId> {
        let path = core.way(&self.dialog.next_hop(), &self.path);
        let via = core.via(&path);
        let mut request = self.dialog.request(method, &via, FORWARDS)?;
        for (name, value) in headers {
            request.headers.append(name.as_bytes(), value).ok()?;
        }
        finished(&mut request, body);
        core.send(
            &self.tag,
            Sent {
                leg: self.key,
                purpose,
            },
            &path,
            &request,
        )
    }

    /// What we are called in the dialog. A recording client says that it is one (RFC 7866 §6.1.1).
    pub(crate) fn contact(&self, core: &Core, path: &Path) -> String {
        let feature = self.recorder.as_ref().map_or("", |_| ";+sip.src");
        core.names.contact(path) + feature
    }

    /// Sends the INVITE that makes the dialog, with a body of some type, and with credentials if it
    /// was challenged.
    pub(crate) fn invite(
        &mut self,
        core: &mut Core,
        forwards: u32,
        headers: &[(&str, &[u8])],
        body: Option<(&str, Bytes)>,
        authorization: Option<Authorization>,
    ) -> bool {
        let path = core.way(&self.dialog.next_hop(), &self.path);
        let via = core.via(&path);
        let Some(mut request) = self.dialog.request("INVITE", &via, forwards) else {
            return false;
        };
        let contact = self.contact(core, &path);
        let fixed: [(&str, &[u8]); 3] = [
            ("Contact", contact.as_bytes()),
            ("Allow", ALLOW),
            ("User-Agent", PRODUCT),
        ];
        let credentials = authorization.as_ref().map(Authorization::header);
        for (name, value) in fixed.iter().chain(headers).chain(&credentials) {
            if request.headers.append(name.as_bytes(), value).is_err() {
                return false;
            }
        }
        finished(&mut request, body.clone());
        let sent = Sent {
            leg: self.key,
            purpose: Purpose::Invite,
        };
        let Some(client) = core.send(&self.tag, sent, &path, &request) else {
            return false;
        };
        self.inviting = Some(Inviting {
            client,
            body: body.map(|(_, body)| body),
            number: self.dialog.local_seq(),
            path,
            before: self.dialog.clone(),
            uri: String::from_utf8_lossy(request.uri_bytes()).into_owned(),
            authorization,
        });
        true
    }

    /// Takes the 2xx to our INVITE and acknowledges it (RFC 3261 §13.2.2.4).
    pub(crate) fn acknowledge(
        &mut self,
        core: &mut Core,
        inviting: &Inviting,
        response: &Response,
    ) {
        self.dialog.establish(response);
        let path = core.way(&self.dialog.next_hop(), &self.path);
        let via = core.via(&path);
        let credentials = inviting.authorization.as_ref();
        let Some(ack) = acknowledgement(&self.dialog, inviting.number, &via, credentials) else {
            return;
        };
        core.send_alone(&self.tag, path, ack.clone());
        let accepted = Accepted {
            tag: self.tag.clone(),
            dialog: inviting.before.clone(),
            number: inviting.number,
            leg: self.key,
            path: inviting.path,
            authorization: inviting.authorization.clone(),
            acks: vec![(self.dialog.remote_tag.clone(), path, ack)],
        };
        core.accepted.insert(inviting.client, accepted);
    }

    /// Answers an INVITE of the peer with 200 and repeats that until the ACK (§13.3.1.4).
    pub(crate) fn accept(&mut self, core: &mut Core, body: Bytes) {
        let path = core.way(&self.dialog.next_hop(), &self.path);
        let contact = self.contact(core, &path);
        let Some(invited) = &mut self.invited else {
            return;
        };
        let response = Reply::new(&invited.request, 200, "OK")
            .to_tag(&self.dialog.local_tag)
            .record_route()
            .header("Contact", contact)
            .header("Allow", ALLOW)
            .header("Server", PRODUCT)
            .body("application/sdp", body)
            .build();
        core.respond(&self.tag, invited.server, &response);
        let t1 = core.settings.timers.t1;
        invited.answered = Some(Answered {
            wire: response.to_bytes(),
            interval: t1,
            deadline: core.now + t1 * 64,
            timer: core.start_timer(t1, Due::Answer(self.key)),
        });
        self.state = State::Confirmed;
    }

    /// The ACK did not come yet: the 200 once more, or the end (§13.3.1.4).
    pub(crate) fn ack_overdue(&mut self, core: &mut Core) -> Option<AckWait> {
        let invited = self.invited.as_mut()?;
        let answered = invited.answered.as_mut()?;
        if core.now >= answered.deadline {
            return Some(AckWait::GivenUp);
        }
        core.layer
            .respond(invited.server, 200, answered.wire.clone(), core.now);
        answered.interval = (answered.interval * 2).min(core.settings.timers.t2);
        let left = answered.deadline - core.now;
        answered.timer = core.start_timer(answered.interval.min(left), Due::Answer(self.key));
        Some(AckWait::Repeated)
    }

    /// Answers an INVITE of the peer with a final error.
    pub(crate) fn reject(
        &mut self,
        core: &mut Core,
        status: u16,
        reason: &str,
        headers: &[(&str, &str)],
    ) {
        let Some(invited) = self.invited.take_if(|invited| invited.answered.is_none()) else {
            return;
        };
        let mut reply = Reply::new(&invited.request, status, reason).to_tag(&self.dialog.local_tag);
        for (name, value) in headers {
            reply = reply.header(name, value);
        }
        core.respond(&self.tag, invited.server, &reply.build());
        if invited.initial {
            self.state = State::Gone;
        }
    }

    /// Ends the leg: CANCEL before the answer, BYE after it.
    pub(crate) fn hang_up(&mut self, core: &mut Core) {
        match self.state {
            State::Leaving(_) | State::Gone => return,
            State::Early => {
                if let Some(inviting) = &self.inviting {
                    // The leg stays until the INVITE is over: a 2xx may be on its way (§9.1).
                    core.layer.cancel(inviting.client, None, core.now);
                } else {
                    self.reject(core, 480, "Temporarily Unavailable", &[]);
                    self.state = State::Gone;
                }
            }
            State::Confirmed => {
                self.reject(core, 487, "Request Terminated", &[]);
                let bye = self.send(core, Purpose::Bye, "BYE", &[], None);
                self.state = bye.map_or(State::Gone, State::Leaving);
                self.invited = None;
            }
        }
        self.release();
    }

    /// The peer ended the leg, or the dialog is lost.
    pub(crate) fn gone(&mut self, core: &mut Core) {
        self.reject(core, 487, "Request Terminated", &[]);
        self.state = State::Gone;
        self.invited = None;
        self.release();
    }

    /// Opens our end of the media, if it is not open; where it is, as the peer is told.
    pub(crate) fn open_media(&mut self, core: &Core) -> Result<SocketAddr, OpenError> {
        let local = match &self.media {
            Some(media) => media.local(),
            None => {
                let owner = Owner {
                    leg: self.key,
                    account: self.account,
                    call: self.sid,
                };
                let media = core.studio.open(self.path.local.ip(), owner)?;
                let local = media.local();
                self.media = Some(media);
                local
            }
        };
        let told = core.settings.media_address.unwrap_or_else(|| local.ip());
        Ok(SocketAddr::new(told, local.port()))
    }

    /// An offer of ours; `prefer` goes before the other codecs.
    pub(crate) fn offer(&mut self, core: &Core, prefer: Option<Codec>) -> Result<Bytes, OpenError> {
        if let Some(recorder) = &mut self.recorder {
            return Ok(recorder.offer());
        }
        let rtp = self.open_media(core)?;
        let codecs = &core.settings.codecs;
        Ok(self.negotiation.offer(&Ours {
            rtp,
            codecs,
            prefer,
        }))
    }

    /// Our answer to an offer of the peer's. `Err`: the status that refuses it.
    pub(crate) fn answer(&mut self, core: &Core, offer: &Description) -> Result<Bytes, u16> {
        if let Some(recorder) = &mut self.recorder {
            return recorder.answer(offer).ok_or(488);
        }
        let rtp = self
            .open_media(core)
            .map_err(|error| self.no_media(&error))?;
        let ours = Ours {
            rtp,
            codecs: &core.settings.codecs,
            prefer: None,
        };
        let body = self.negotiation.answer(offer, &ours).ok_or(488u16)?;
        self.connect_media();
        Ok(body)
    }

    /// What the INVITE of the peer is answered with: an answer to its offer, or an offer of ours;
    /// the same each time. `Err`: the status that refuses it.
    pub(crate) fn described(&mut self, core: &Core) -> Result<Bytes, u16> {
        let Some(invited) = &mut self.invited else {
            return Err(500);
        };
        if let Some(body) = &invited.described {
            return Ok(body.clone());
        }
        let offer = invited.offer.clone();
        let offered = offer.is_none();
        let body = match &offer {
            Some(offer) => self.answer(core, offer)?,
            None => self
                .offer(core, None)
                .map_err(|error| self.no_media(&error))?,
        };
        if let Some(invited) = &mut self.invited {
            invited.described = Some(body.clone());
            invited.offered = offered;
        }
        Ok(body)
    }

    /// The peer's answer to an offer of ours; `false` if there is nothing to talk with.
    pub(crate) fn answered(&mut self, answer: &[u8]) -> bool {
        let Ok(answer) = Description::parse(answer) else {
            return false;
        };
        if let Some(recorder) = &mut self.recorder {
            return recorder.answered(&answer);
        }
        let usable = self.negotiation.answered(&answer);
        self.connect_media();
        usable
    }

    /// Tells our media what was agreed with the peer.
    fn connect_media(&mut self) {
        if let (Some(media), Some(agreed)) = (&mut self.media, self.negotiation.agreed()) {
            media.connect(agreed);
        }
    }

    /// No port, or no room, is left: 503.
    fn no_media(&self, error: &OpenError) -> u16 {
        tracing::error!(call = %self.tag.leg, %error, "no media");
        503
    }

    /// Our end of its media, while there is one.
    pub(crate) fn session(&self) -> Option<&::media::Session> {
        self.media.as_ref()?.session()
    }

    fn release(&mut self) {
        if let Some(media) = &mut self.media {
            media.close();
        }
        if let Some(recorder) = &mut self.recorder {
            recorder.close();
        }
    }
}

impl Inviting {
    pub(crate) fn uri(&self) -> &str {
        &self.uri
    }
}

/// The methods that we take.
pub(crate) const ALLOW: &[u8] =
    b"INVITE, ACK, CANCEL, BYE, OPTIONS, INFO, UPDATE, NOTIFY, PRACK, REFER";

/// User-Agent and Server.
pub(crate) const PRODUCT: &[u8] = b"Hookswitch";
