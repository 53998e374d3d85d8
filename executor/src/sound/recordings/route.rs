//! What a path names.

use crate::{Sid, SidKind};

use super::store::Kind;

/// A recording of an account, as something.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Route {
    pub(super) account: Sid,
    pub(super) sid: Sid,
    pub(super) kind: Kind,
}

impl Route {
    /// Reads `/2010-04-01/Accounts/AC…/Recordings/RE…`, with an ending or without.
    pub(super) fn parse(path: &str) -> Option<Self> {
        let rest = path.strip_prefix("/2010-04-01/Accounts/")?;
        let (account, rest) = rest.split_once('/')?;
        let name = rest.strip_prefix("Recordings/")?;
        let (sid, kind) = match name.split_once('.') {
            None | Some((_, "wav")) => (name.split('.').next()?, Kind::Wav),
            Some((sid, "mp3")) => (sid, Kind::Mp3),
            Some((sid, "json")) => (sid, Kind::Description),
            Some(_) => return None,
        };
        let of_kind = |text: &str, kind| {
            let sid: Sid = text.parse().ok()?;
            (sid.kind() == kind).then_some(sid)
        };
        Some(Self {
            account: of_kind(account, SidKind::Account)?,
            sid: of_kind(sid, SidKind::Recording)?,
            kind,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths() {
        let account = format!("AC{}", "0a".repeat(16));
        let sid = format!("RE{}", "0b".repeat(16));
        let base = format!("/2010-04-01/Accounts/{account}/Recordings/");
        let kind = |path: &str| Route::parse(path).map(|route| route.kind);
        assert_eq!(kind(&format!("{base}{sid}")), Some(Kind::Wav));
        assert_eq!(kind(&format!("{base}{sid}.wav")), Some(Kind::Wav));
        assert_eq!(kind(&format!("{base}{sid}.mp3")), Some(Kind::Mp3));
        assert_eq!(kind(&format!("{base}{sid}.json")), Some(Kind::Description));
        for odd in [
            format!("{base}{sid}.wav.mp3"),
            format!("{base}{sid}/"),
            format!("{base}{account}"),
            format!("{base}../{sid}"),
            format!("{base}%52E{}", "0b".repeat(16)),
            format!("/2010-04-01/Accounts/{sid}/Recordings/{sid}"),
            "/".to_owned(),
        ] {
            assert_eq!(Route::parse(&odd), None, "{odd}");
        }
    }
}
