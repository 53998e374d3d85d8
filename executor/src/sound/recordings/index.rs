//! All recordings by identifier and by age, and which of them have to go.

use std::collections::{BTreeSet, HashMap};
use std::ops::Bound;
use std::time::{Duration, SystemTime};

use crate::Sid;

use super::entry::{Done, Entry};
use super::list::Place;

/// The table of recordings.
#[derive(Debug, Default)]
pub(super) struct Index {
    entries: HashMap<Sid, Entry>,
    /// The finished ones, the oldest first.
    finished: BTreeSet<(SystemTime, Sid)>,
    /// Those that go on, the oldest first.
    going_on: BTreeSet<(SystemTime, Sid)>,
    /// Those of each account, the oldest first.
    of_accounts: HashMap<Sid, BTreeSet<Place>>,
    /// What the finished ones take.
    bytes: u64,
}

/// The bounds.
#[derive(Clone, Copy, Debug)]
pub(super) struct Bounds {
    pub(super) bytes_max: u64,
    pub(super) count_max: usize,
    pub(super) age_max: Duration,
}

impl Index {
    pub(super) fn find(&self, sid: Sid) -> Option<Entry> {
        self.entries.get(&sid).copied()
    }

    /// So many recordings of an account, the newest first; all older than one, if that is given.
    pub(super) fn of_account(
        &self,
        account: Sid,
        than: Option<Place>,
        most: usize,
    ) -> Vec<(Sid, Entry)> {
        let end = than.map_or(Bound::Unbounded, Bound::Excluded);
        self.of_accounts
            .get(&account)
            .into_iter()
            .flat_map(|places| places.range((Bound::Unbounded, end)).rev())
            .take(most)
            .filter_map(|(_, sid)| Some((*sid, self.find(*sid)?)))
            .collect()
    }

    pub(super) fn len(&self) -> usize {
        self.entries.len()
    }

    pub(super) fn insert(&mut self, sid: Sid, entry: Entry) {
        self.remove(sid);
        match entry.done {
            Some(done) => {
                self.finished.insert((entry.started, sid));
                self.bytes = self.bytes.saturating_add(done.bytes);
            }
            None => {
                self.going_on.insert((entry.started, sid));
            }
        }
        let of_account = self.of_accounts.entry(entry.of.account).or_default();
        of_account.insert((entry.started, sid));
        self.entries.insert(sid, entry);
    }

    pub(super) fn remove(&mut self, sid: Sid) -> Option<Entry> {
        let entry = self.entries.remove(&sid)?;
        match entry.done {
            Some(done) => {
                self.finished.remove(&(entry.started, sid));
                self.bytes = self.bytes.saturating_sub(done.bytes);
            }
            None => {
                self.going_on.remove(&(entry.started, sid));
            }
        }
        if let Some(places) = self.of_accounts.get_mut(&entry.of.account) {
            places.remove(&(entry.started, sid));
            if places.is_empty() {
                self.of_accounts.remove(&entry.of.account);
            }
        }
        Some(entry)
    }

    /// A finished recording takes more than it did.
    pub(super) fn grow(&mut self, sid: Sid, bytes: u64) {
        if let Some(mut entry) = self.find(sid)
            && let Some(Done { bytes: before, .. }) = &mut entry.done
        {
            *before = before.saturating_add(bytes);
            self.insert(sid, entry);
        }
    }

    /// Takes out what is too old or too much, with room for `more` recordings.
    pub(super) fn sweep(&mut self, now: SystemTime, bounds: Bounds, more: usize) -> Vec<Sid> {
        let mut gone = Vec::new();
        while let Some((started, sid)) = self.going_on.first().copied() {
            if now.duration_since(started).unwrap_or_default() <= GOING_ON_MAX {
                break;
            }
            self.remove(sid);
            gone.push(sid);
        }
        while let Some((started, sid)) = self.finished.first().copied() {
            let age = now.duration_since(started).unwrap_or_default();
            let too_many = self.len() + more > bounds.count_max;
            if age <= bounds.age_max && self.bytes <= bounds.bytes_max && !too_many {
                break;
            }
            self.remove(sid);
            gone.push(sid);
        }
        gone
    }
}

/// Longer than any recording may be: nobody will finish it.
const GOING_ON_MAX: Duration = Duration::from_secs(25 * 3600);

#[cfg(test)]
pub(super) mod tests {
    use std::time::UNIX_EPOCH;

    use super::*;
    use crate::SidKind;
    use crate::sound::recordings::{NewRecording, RecordingSource, RecordingTrack};

    fn sid(number: u8) -> Sid {
        Sid::new(SidKind::Recording, [number; 16])
    }

    fn at(seconds: u64) -> SystemTime {
        UNIX_EPOCH + Duration::from_secs(seconds)
    }

    pub(in super::super) fn entry(seconds: u64, bytes: Option<u64>) -> Entry {
        Entry {
            of: NewRecording {
                account: Sid::new(SidKind::Account, [1; 16]),
                call: Sid::new(SidKind::Call, [1; 16]),
                source: RecordingSource::RecordVerb,
                track: RecordingTrack::Inbound,
                channels: 1,
            },
            started: at(seconds),
            done: bytes.map(|bytes| Done {
                duration: Duration::from_secs(1),
                bytes,
            }),
        }
    }

    #[test]
    fn age_bytes_and_count_are_bounded_and_what_goes_on_stays() {
        let mut index = Index::default();
        index.insert(sid(0), entry(0, None));
        for number in 1..=4 {
            index.insert(sid(number), entry(number.into(), Some(100)));
        }
        let mut bounds = Bounds {
            bytes_max: 400,
            count_max: 5,
            age_max: Duration::from_secs(10),
        };
        assert_eq!(index.sweep(at(11), bounds, 0), []);
        assert_eq!(index.sweep(at(12), bounds, 0), [sid(1)]);
        index.grow(sid(2), 150);
        assert_eq!(index.sweep(at(12), bounds, 0), [sid(2)]);
        bounds.count_max = 3;
        assert_eq!(index.sweep(at(12), bounds, 0), []);
        assert_eq!(index.sweep(at(12), bounds, 1), [sid(3)]);
        bounds.count_max = 0;
        assert_eq!(index.sweep(at(12), bounds, 1), [sid(4)]);
        assert_eq!(index.len(), 1);
        assert_eq!(index.bytes, 0);
        assert_eq!(index.sweep(at(25 * 3600), bounds, 0), []);
        assert_eq!(index.sweep(at(25 * 3600 + 1), bounds, 0), [sid(0)]);
        assert_eq!(index.len(), 0);
    }

    #[test]
    fn an_account_has_its_own_the_newest_first() {
        let mut index = Index::default();
        let account = entry(0, None).of.account;
        for number in 1..=5 {
            index.insert(sid(number), entry(number.into(), Some(1)));
        }
        index.insert(sid(6), entry(6, None));
        let mut other = entry(7, Some(1));
        other.of.account = Sid::new(SidKind::Account, [9; 16]);
        index.insert(sid(7), other);
        let listed = |index: &Index, than, most| -> Vec<Sid> {
            let found = index.of_account(account, than, most);
            found.into_iter().map(|(sid, _)| sid).collect()
        };
        assert_eq!(listed(&index, None, 2), [sid(6), sid(5)]);
        assert_eq!(
            listed(&index, Some((at(5), sid(5))), 9),
            [sid(4), sid(3), sid(2), sid(1)]
        );
        // What is gone still has a place.
        index.remove(sid(5));
        assert_eq!(listed(&index, Some((at(5), sid(5))), 2), [sid(4), sid(3)]);
        index.grow(sid(4), 10);
        assert_eq!(listed(&index, None, 9).len(), 5);
        for number in 1..=6 {
            index.remove(sid(number));
        }
        assert_eq!(listed(&index, None, 9), []);
        assert_eq!(index.of_accounts.len(), 1);
    }
}
