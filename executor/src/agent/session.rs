//! What the two ends of a leg have described to each other (RFC 3264).

use bytes::Bytes;

use crate::sdp::{self, Origin};

/// What both sides of a leg have described.
#[derive(Debug)]
pub(crate) struct Session {
    pub(crate) origin: Origin,
    told: Told,
    /// What the peer said last.
    pub(crate) heard: Option<Bytes>,
}

/// What we said last.
#[derive(Clone, Debug, Default)]
pub(crate) struct Told {
    body: Option<Bytes>,
    /// What the other leg said, if that is what we passed on.
    source: Option<Bytes>,
}

impl Session {
    pub(crate) fn new(origin: Origin, heard: Option<Bytes>) -> Self {
        Self {
            origin,
            told: Told::default(),
            heard,
        }
    }

    /// What the other leg said, under our origin; the same text again if it is the same as before
    /// (RFC 3264 §8: the version counts changes).
    pub(crate) fn pass_on(&mut self, heard: &Bytes) -> Bytes {
        if let Told {
            body: Some(body),
            source: Some(source),
        } = &self.told
            && source == heard
        {
            return body.clone();
        }
        self.origin.version += 1;
        let body = sdp::with_origin(heard, &self.origin);
        self.told = Told {
            body: Some(body.clone()),
            source: Some(heard.clone()),
        };
        body
    }

    /// A description of our own, likewise; `None` if there is no common codec.
    pub(crate) fn describe(&mut self, write: impl Fn(&Origin) -> Option<Bytes>) -> Option<Bytes> {
        let mut body = write(&self.origin)?;
        if self.told.body.as_ref() != Some(&body) {
            self.origin.version += 1;
            body = write(&self.origin)?;
        }
        self.told = Told {
            body: Some(body.clone()),
            source: None,
        };
        Some(body)
    }

    /// Whether the peer knows what the other leg says.
    pub(crate) fn knows(&self, heard: &Bytes) -> bool {
        self.told
            .source
            .as_ref()
            .is_some_and(|source| sdp::same_way(source, heard))
    }

    /// Whether the peer was last told a description of ours.
    pub(crate) fn is_ours(&self) -> bool {
        self.told.body.is_some() && self.told.source.is_none()
    }

    /// What the peer was told last, to go back to it.
    pub(crate) fn last_told(&self) -> Told {
        self.told.clone()
    }

    /// The peer refused what it was told: it knows what it knew before.
    pub(crate) fn told_again(&mut self, before: Told) {
        self.told = before;
    }

    /// Nobody knows what the peer knows: it is told again.
    pub(crate) fn forget_told(&mut self) {
        self.told = Told::default();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_version_counts_changes() {
        let origin = Origin {
            id: 1,
            version: 0,
            address: "127.0.0.1".parse().unwrap(),
        };
        let mut session = Session::new(origin, None);
        let heard = Bytes::from_static(b"v=0\r\no=a 1 1 IN IP4 192.0.2.1\r\ns=-\r\n");
        let first = session.pass_on(&heard);
        assert!(first.starts_with(b"v=0\r\no=hookswitch 1 1 IN IP4 127.0.0.1\r\n"));
        assert_eq!(session.pass_on(&heard), first);
        assert!(session.knows(&heard) && !session.is_ours());
        let before = session.last_told();
        let rtp = "127.0.0.1:20000".parse().unwrap();
        let ours = session
            .describe(|origin| Some(sdp::offer(origin, rtp)))
            .unwrap();
        assert!(session.is_ours() && !session.knows(&heard));
        assert_eq!(
            session
                .describe(|origin| Some(sdp::offer(origin, rtp)))
                .unwrap(),
            ours
        );
        session.told_again(before);
        assert!(session.knows(&heard));
    }
}
