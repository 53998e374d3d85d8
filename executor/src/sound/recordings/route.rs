//! What a path names.

use crate::{Sid, SidKind};

use super::store::Kind;

/// What a path names.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Target {
    /// All recordings of an account.
    All(Sid),
    /// One of them.
    One(Route),
}

/// A recording of an account, as something.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Route {
    pub(super) account: Sid,
    pub(super) sid: Sid,
    pub(super) kind: Kind,
}

impl Target {
    /// Reads `/2010-04-01/Accounts/AC…/Recordings` and `…/Recordings/RE…`, with an ending or
    /// without.
    pub(super) fn parse(path: &str) -> Option<Self> {
        let rest = path.strip_prefix("/2010-04-01/Accounts/")?;
        let (account, rest) = rest.split_once('/')?;
        let of_kind = |text: &str, kind| {
            let sid: Sid = text.parse().ok()?;
            (sid.kind() == kind).then_some(sid)
        };
        let account = of_kind(account, SidKind::Account)?;
        if matches!(rest, "Recordings" | "Recordings.json") {
            return Some(Self::All(account));
        }
        let name = rest.strip_prefix("Recordings/")?;
        let (sid, kind) = match name.split_once('.') {
            None | Some((_, "wav")) => (name.split('.').next()?, Kind::Wav),
            Some((sid, "mp3")) => (sid, Kind::Mp3),
            Some((sid, "json")) => (sid, Kind::Description),
            Some(_) => return None,
        };
        Some(Self::One(Route {
            account,
            sid: of_kind(sid, SidKind::Recording)?,
            kind,
        }))
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
        let kind = |path: &str| match Target::parse(path)? {
            Target::All(_) => None,
            Target::One(route) => Some(route.kind),
        };
        assert_eq!(kind(&format!("{base}{sid}")), Some(Kind::Wav));
        assert_eq!(kind(&format!("{base}{sid}.wav")), Some(Kind::Wav));
        assert_eq!(kind(&format!("{base}{sid}.mp3")), Some(Kind::Mp3));
        assert_eq!(kind(&format!("{base}{sid}.json")), Some(Kind::Description));
        let all = base.trim_end_matches('/');
        for path in [all.to_owned(), format!("{all}.json")] {
            let found = Target::parse(&path);
            assert_eq!(found, Some(Target::All(account.parse().unwrap())));
        }
        for odd in [
            base.clone(),
            format!("{all}.xml"),
            format!("{all}.json/"),
            format!("/2010-04-01/Accounts/{sid}/Recordings.json"),
            format!("{base}{sid}.wav.mp3"),
            format!("{base}{sid}/"),
            format!("{base}{account}"),
            format!("{base}../{sid}"),
            format!("{base}%52E{}", "0b".repeat(16)),
            format!("/2010-04-01/Accounts/{sid}/Recordings/{sid}"),
            "/".to_owned(),
        ] {
            assert_eq!(Target::parse(&odd), None, "{odd}");
        }
    }
}
