//! What a server says, and what is done about it.

use media::Feed;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::protocol::CloseFrame;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;

use crate::sound::{SoundError, audio};
use crate::{ErrorCode, Warning};

use super::message::Said;

/// Takes the messages of one server.
pub(super) struct Inbound {
    stream_sid: String,
    /// Where its sound goes; a one-way stream has nowhere.
    feed: Option<Feed>,
    /// What was told already: each number counts once a stream.
    told: Vec<ErrorCode>,
}

/// What a message means for the stream.
#[derive(Debug, PartialEq)]
pub(super) enum Verdict {
    GoOn,
    Odd(Warning),
    /// The server ends it, as it should or not.
    Over(Option<SoundError>),
}

impl Inbound {
    pub(super) fn new(stream_sid: String, feed: Option<Feed>) -> Self {
        Self {
            stream_sid,
            feed,
            told: Vec::new(),
        }
    }

    pub(super) fn take(&mut self, message: Message) -> Verdict {
        match message {
            Message::Text(text) => match Said::parse(text.as_str(), &self.stream_sid) {
                Ok(said) => self.act(said),
                Err(why) => self.invalid(why),
            },
            Message::Binary(_) => self.odd(ErrorCode::STREAM_MALFORMED, "it is binary"),
            Message::Close(frame) => Verdict::Over(self.closed(frame)),
            // The library answers a ping by itself.
            Message::Ping(_) | Message::Pong(_) | Message::Frame(_) => Verdict::GoOn,
        }
    }

    fn act(&mut self, said: Said) -> Verdict {
        let Some(feed) = &self.feed else {
            return self.invalid("the stream goes one way");
        };
        let taken = match said {
            Said::Media(ulaw) => feed.push(&audio::from_ulaw(&ulaw)) == ulaw.len(),
            Said::Mark(name) => feed.mark(name),
            Said::Clear => {
                feed.clear();
                true
            }
        };
        if taken {
            Verdict::GoOn
        } else {
            self.invalid("too much waits to be played: the rest is lost")
        }
    }

    fn invalid(&mut self, why: &str) -> Verdict {
        self.odd(ErrorCode::STREAM_MESSAGE, why)
    }

    fn odd(&mut self, code: ErrorCode, why: &str) -> Verdict {
        if self.told.contains(&code) {
            return Verdict::GoOn;
        }
        self.told.push(code);
        let message = format!("a message of the stream's server does not count: {why}");
        Verdict::Odd(Warning::new(code, message))
    }

    /// The server of a bidirectional stream closes it when it is done; that of another one has no
    /// reason to.
    fn closed(&self, frame: Option<CloseFrame>) -> Option<SoundError> {
        let code = frame.as_ref().map_or(CloseCode::Status, |frame| frame.code);
        let normal = matches!(
            code,
            CloseCode::Normal | CloseCode::Away | CloseCode::Status
        );
        if normal && self.feed.is_some() {
            return None;
        }
        let code = u16::from(code);
        let detail = format!("the stream's server closed the connection with {code}");
        Some(SoundError::new(ErrorCode::STREAM_CLOSE, detail))
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn two_way() -> (Inbound, Feed) {
        let feed = Feed::new(8000, Duration::from_millis(100), |_| {});
        (Inbound::new("MZ1".to_owned(), Some(feed.clone())), feed)
    }

    fn code(verdict: &Verdict) -> Option<u32> {
        match verdict {
            Verdict::Odd(warning) => Some(warning.code.number()),
            Verdict::Over(Some(error)) => Some(error.code.number()),
            Verdict::GoOn | Verdict::Over(None) => None,
        }
    }

    fn media(bytes: usize) -> Message {
        use base64::Engine;
        let payload = base64::engine::general_purpose::STANDARD.encode(vec![0xff; bytes]);
        let json = serde_json::json!({
            "event": "media", "streamSid": "MZ1", "media": {"payload": payload},
        });
        Message::text(json.to_string())
    }

    #[test]
    fn sound_goes_to_the_feed_and_no_more_than_it_holds() {
        let (mut inbound, feed) = two_way();
        assert_eq!(inbound.take(media(700)), Verdict::GoOn);
        assert_eq!(feed.len(), 700);
        assert_eq!(code(&inbound.take(media(700))), Some(31951));
        assert_eq!(feed.len(), 800);
        let clear = Message::text(r#"{"event":"clear","streamSid":"MZ1"}"#);
        assert_eq!(inbound.take(clear), Verdict::GoOn);
        assert_eq!(feed.len(), 0);
        assert_eq!(inbound.take(media(0)), Verdict::GoOn);
    }

    #[test]
    fn each_oddity_is_told_once() {
        let (mut inbound, _) = two_way();
        assert_eq!(code(&inbound.take(Message::text("{"))), Some(31951));
        assert_eq!(inbound.take(Message::text("{")), Verdict::GoOn);
        assert_eq!(code(&inbound.take(Message::binary(vec![1]))), Some(31950));
        assert_eq!(inbound.take(Message::binary(vec![1])), Verdict::GoOn);
        let mut one_way = Inbound::new("MZ1".to_owned(), None);
        assert_eq!(code(&one_way.take(media(1))), Some(31951));
    }

    #[test]
    fn who_may_close() {
        let close = |code: u16| {
            let frame = CloseFrame {
                code: code.into(),
                reason: "".into(),
            };
            Message::Close(Some(frame))
        };
        let (mut inbound, _) = two_way();
        assert_eq!(inbound.take(close(1000)), Verdict::Over(None));
        assert_eq!(inbound.take(Message::Close(None)), Verdict::Over(None));
        assert_eq!(code(&inbound.take(close(1011))), Some(31921));
        let mut one_way = Inbound::new("MZ1".to_owned(), None);
        assert_eq!(code(&one_way.take(close(1000))), Some(31921));
    }
}
