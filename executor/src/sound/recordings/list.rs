//! The list of an account's recordings: which page of it is asked for, and how it is told.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde_json::{Value, json};
use url::form_urlencoded::{Serializer, parse};

use crate::{Sid, SidKind};

/// Where a recording stands in the list: the newest is the first.
pub(super) type Place = (SystemTime, Sid);

/// Which page is asked for, in the words of the provider's API.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Query {
    /// Recordings of a page.
    pub(super) size: usize,
    /// Only those that are older than this one.
    pub(super) after: Option<Place>,
    /// Only those of this call.
    pub(super) call: Option<Sid>,
    /// The number of the page, which is told and nothing else: pages are found by `after`.
    page: u32,
}

impl Query {
    /// Reads a query string.
    ///
    /// # Errors
    ///
    /// What of it is not understood. Nothing is passed over: a filter that is not there would let
    /// recordings through.
    pub(super) fn parse(query: &str) -> Result<Self, String> {
        let mut parsed = Self {
            size: SIZE,
            after: None,
            call: None,
            page: 0,
        };
        for (name, value) in parse(query.as_bytes()) {
            let understood = match &*name {
                "PageSize" => size(&value).map(|size| parsed.size = size),
                "Page" => value.parse().ok().map(|page| parsed.page = page),
                "PageToken" => read(&value).map(|place| parsed.after = Some(place)),
                "CallSid" => sid(&value, SidKind::Call).map(|sid| parsed.call = Some(sid)),
                _ => None,
            };
            understood.ok_or_else(|| format!("{} is not understood", short(&name)))?;
        }
        Ok(parsed)
    }

    /// The page as an object: what is on it, and where the next one is if there is more than that.
    pub(super) fn page(self, account: Sid, recordings: &[Value], next: Option<Place>) -> Value {
        let start = self.size.saturating_mul(self.page as usize);
        let first = Self {
            after: None,
            page: 0,
            ..self
        };
        let next = next.map(|place| Self {
            after: Some(place),
            page: self.page.saturating_add(1),
            ..self
        });
        json!({
            "recordings": recordings,
            "page": self.page,
            "page_size": self.size,
            "start": start,
            "end": start.saturating_add(recordings.len()).saturating_sub(1),
            "uri": self.uri(account),
            "first_page_uri": first.uri(account),
            "next_page_uri": next.map(|next| next.uri(account)),
            "previous_page_uri": null,
        })
    }

    fn uri(self, account: Sid) -> String {
        let mut query = Serializer::new(String::new());
        if let Some(call) = self.call {
            query.append_pair("CallSid", &call.to_string());
        }
        query.append_pair("PageSize", &self.size.to_string());
        query.append_pair("Page", &self.page.to_string());
        if let Some(place) = self.after {
            query.append_pair("PageToken", &token(place));
        }
        let query = query.finish();
        format!("/2010-04-01/Accounts/{account}/Recordings.json?{query}")
    }
}

/// As the provider has it, a page that is larger than it may be is cut.
fn size(text: &str) -> Option<usize> {
    let size = text.parse().ok().filter(|size| *size > 0);
    size.map(|size: usize| size.min(SIZE_MAX))
}

fn sid(text: &str, kind: SidKind) -> Option<Sid> {
    text.parse().ok().filter(|sid: &Sid| sid.kind() == kind)
}

/// A place as text, which holds also when the recording is gone.
fn token((started, sid): Place) -> String {
    let since = started.duration_since(UNIX_EPOCH).unwrap_or_default();
    format!("PA{:x}-{sid}", since.as_nanos())
}

fn read(token: &str) -> Option<Place> {
    let (nanos, text) = token.strip_prefix("PA")?.split_once('-')?;
    let since = Duration::from_nanos(u64::from_str_radix(nanos, 16).ok()?);
    Some((
        UNIX_EPOCH.checked_add(since)?,
        sid(text, SidKind::Recording)?,
    ))
}

fn short(text: &str) -> String {
    text.chars().take(40).collect()
}

/// Recordings of a page, unless another number is asked for.
const SIZE: usize = 50;

/// Of the largest page.
pub(super) const SIZE_MAX: usize = 1000;

#[cfg(test)]
mod tests {
    use super::*;

    fn recording(number: u8) -> Sid {
        Sid::new(SidKind::Recording, [number; 16])
    }

    #[test]
    fn queries() {
        let plain = Query::parse("").unwrap();
        assert_eq!((plain.size, plain.page), (50, 0));
        assert_eq!((plain.after, plain.call), (None, None));
        let call = Sid::new(SidKind::Call, [1; 16]);
        let all = format!("PageSize=7&Page=3&CallSid={call}");
        let all = Query::parse(&all).unwrap();
        assert_eq!((all.size, all.page, all.call), (7, 3, Some(call)));
        assert_eq!(Query::parse("PageSize=5000").unwrap().size, 1000);
        for odd in [
            "PageSize=0",
            "PageSize=-1",
            "PageSize=x",
            "Page=x",
            "PageToken=",
            "PageToken=PA0",
            "PageToken=PA-RE00",
            "PageToken=PAfffffffffffffffff-RE00",
            "CallSid=CA1",
            "CallSid=",
            "DateCreated=2026-01-01",
            "pagesize=1",
        ] {
            assert!(Query::parse(odd).is_err(), "{odd}");
        }
        let other_kind = format!("PageToken=PA0-{call}");
        assert!(Query::parse(&other_kind).is_err());
    }

    #[test]
    fn a_page_leads_to_the_next_one() {
        let account = Sid::new(SidKind::Account, [2; 16]);
        let call = Sid::new(SidKind::Call, [1; 16]);
        let query = Query::parse(&format!("PageSize=2&CallSid={call}")).unwrap();
        let place = (UNIX_EPOCH + Duration::new(1_700_000_000, 7), recording(3));
        let page = query.page(account, &[json!(1), json!(2)], Some(place));
        assert_eq!((&page["start"], &page["end"]), (&json!(0), &json!(1)));
        let next = page["next_page_uri"].as_str().unwrap();
        let (path, asked) = next.split_once('?').unwrap();
        assert_eq!(
            path,
            format!("/2010-04-01/Accounts/{account}/Recordings.json")
        );
        let next = Query::parse(asked).unwrap();
        assert_eq!((next.after, next.call), (Some(place), Some(call)));
        assert_eq!((next.size, next.page), (2, 1));
        let last = next.page(account, &[json!(3)], None);
        assert_eq!(last["next_page_uri"], Value::Null);
        assert_eq!((&last["start"], &last["end"]), (&json!(2), &json!(2)));
        assert_eq!(last["first_page_uri"], page["uri"]);
        let empty = query.page(account, &[], None);
        assert_eq!((&empty["start"], &empty["end"]), (&json!(0), &json!(0)));
    }
}
