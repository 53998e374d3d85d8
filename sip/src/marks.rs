//! The shape of a header section where all is common: one pass that writes down where each line's
//! first colon and its LF are, without a branch for either.
//!
//! What is uncommon (a bare CR or LF, a section that does not end, very many lines) gives nothing,
//! and [`crate::scan`] reads the message a line at a time. Folded lines, lines without a colon and
//! lines that begin with one make marks that the reader of rows refuses: no name is a token there.

#![allow(unsafe_code)] // Calls into code for a CPU that was asked for first.

use crate::scan::{BLOCK, Block, Maps, below_lowest, through_lowest};

/// Places of first colons and of LFs, in order: two a line where every line has a colon.
pub(crate) type Marks = [u16; MARKS];

/// Room for 80 lines, and for the marks of one more block.
pub(crate) const MARKS: usize = 160;

/// Writes the marks of the lines from `start` up to the empty one; says how many there are and
/// where the body starts.
///
/// `bytes` are at most [`crate::MESSAGE_BYTES_MAX`], which the caller has checked.
#[inline]
pub(crate) fn mark(bytes: &[u8], start: usize, marks: &mut Marks) -> Option<(usize, usize)> {
    #[cfg(target_arch = "x86_64")]
    {
        if x86::has_avx2() {
            // SAFETY: the CPU has the features that the function was compiled for.
            return unsafe { x86::mark_avx2(bytes, start, marks) };
        }
        // SAFETY: every x86_64 CPU has SSE2.
        unsafe { x86::mark_sse2(bytes, start, marks) }
    }
    #[cfg(not(target_arch = "x86_64"))]
    walk(bytes, start, marks, crate::scan::plain)
}

/// The walk that all instruction sets share.
#[inline(always)]
fn walk(
    bytes: &[u8],
    start: usize,
    marks: &mut Marks,
    maps: impl Fn(&Block) -> Maps,
) -> Option<(usize, usize)> {
    let mut walk = Walk {
        found: 0,
        feeds_before: 1 << (BLOCK - 1),
        cr_before: 0,
        wanted: 0,
    };
    let mut base = start;
    let (blocks, rest) = bytes.get(start..)?.as_chunks::<BLOCK>();
    for block in blocks {
        match walk.block(base, maps(block), marks)? {
            0 => base += BLOCK,
            body => return Some((walk.found, body)),
        }
    }
    if rest.is_empty() {
        return None;
    }
    // The last 64 bytes, of which some were read before.
    let known = BLOCK - rest.len();
    let Maps { feed, cr, colon } = maps(bytes.last_chunk()?);
    let maps = Maps {
        feed: feed >> known,
        cr: cr >> known,
        colon: colon >> known,
    };
    match walk.block(base, maps, marks)? {
        0 => None,
        body => Some((walk.found, body)),
    }
}

/// Where the walk stands between two blocks.
struct Walk {
    /// Marks written.
    found: usize,
    /// The LFs of the block before; the start counts as behind one.
    feeds_before: u64,
    /// Whether the block before ended in a CR.
    cr_before: u64,
    /// 1 where the line that the block before left open has had no colon.
    wanted: u64,
}

impl Walk {
    /// Goes through the block at `base`; the place of the body where it begins here, otherwise 0.
    /// `None` on a bare CR or LF before that, and where there is no more room.
    #[inline(always)]
    fn block(&mut self, base: usize, maps: Maps, marks: &mut Marks) -> Option<usize> {
        let Maps { feed, cr, colon } = maps;
        let bare = (cr << 1 | self.cr_before) ^ feed;
        // An LF two bytes behind another ends the empty line, or a bare CR or LF is between.
        let empty = feed & (feed << 2 | self.feeds_before >> (BLOCK - 2));
        // Adding one at the start of a line carries it through to the first colon.
        let starts = feed << 1 | self.feeds_before >> (BLOCK - 1);
        let (sum, over) = (!colon).overflowing_add(starts);
        let (sum, over_too) = sum.overflowing_add(self.wanted);
        let seen = feed | (sum & colon);
        self.cr_before = cr >> (BLOCK - 1);
        self.feeds_before = feed;
        self.wanted = u64::from(over | over_too);
        if empty == 0 {
            if bare != 0 {
                return None;
            }
            self.write(base, seen, marks)?;
            return Some(0);
        }
        if bare & through_lowest(empty) != 0 {
            return None;
        }
        self.write(base, seen & below_lowest(empty), marks)?;
        Some(base + empty.trailing_zeros() as usize + 1)
    }

    /// Most blocks have four marks or fewer: writing four costs less than asking how many.
    #[inline(always)]
    fn write(&mut self, base: usize, mut seen: u64, marks: &mut Marks) -> Option<()> {
        if seen == 0 {
            return Some(());
        }
        let count = seen.count_ones() as usize;
        let (first, more) = marks.get_mut(self.found..)?.split_first_chunk_mut::<4>()?;
        for slot in first {
            *slot = (base + seen.trailing_zeros() as usize) as u16;
            seen &= seen.wrapping_sub(1);
        }
        if seen != 0 {
            for slot in more.get_mut(..count - 4)? {
                *slot = (base + seen.trailing_zeros() as usize) as u16;
                seen &= seen.wrapping_sub(1);
            }
        }
        self.found += count;
        Some(())
    }
}

#[cfg(target_arch = "x86_64")]
mod x86 {
    use super::{Marks, walk};
    use crate::scan::x86::{avx2, sse2};

    /// Whether [`mark_avx2`] may be called.
    #[inline]
    pub(super) fn has_avx2() -> bool {
        crate::scan::x86::has_avx2() && std::arch::is_x86_feature_detected!("popcnt")
    }

    /// As [`super::mark`], for a CPU with AVX2.
    #[target_feature(enable = "avx2,bmi1,popcnt")]
    pub(super) fn mark_avx2(
        bytes: &[u8],
        start: usize,
        marks: &mut Marks,
    ) -> Option<(usize, usize)> {
        walk(bytes, start, marks, |block| avx2(block))
    }

    /// As [`super::mark`], for any x86_64 CPU.
    #[target_feature(enable = "sse2")]
    pub(super) fn mark_sse2(
        bytes: &[u8],
        start: usize,
        marks: &mut Marks,
    ) -> Option<(usize, usize)> {
        walk(bytes, start, marks, |block| sse2(block))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::scan::plain;

    type Found = Option<(Vec<u16>, usize)>;

    fn found(mark: impl FnOnce(&mut Marks) -> Option<(usize, usize)>) -> Found {
        let mut marks = [0; MARKS];
        let (count, body) = mark(&mut marks)?;
        Some((marks[..count].to_vec(), body))
    }

    /// The definition, a byte at a time; nothing where a line begins with a colon.
    fn naive(bytes: &[u8], from: usize) -> Found {
        let (mut marks, mut colon, mut start) = (Vec::new(), false, from);
        for at in from..bytes.len() {
            match bytes[at] {
                b':' if at == start => return None,
                b':' if !colon => {
                    colon = true;
                    marks.push(at as u16);
                }
                b'\n' if at == from || bytes[at - 1] != b'\r' => return None,
                b'\n' if at == start + 1 => return Some((marks, at + 1)),
                b'\n' => {
                    (colon, start) = (false, at + 1);
                    marks.push(at as u16);
                }
                b'\r' if bytes.get(at + 1) != Some(&b'\n') => return None,
                _ => {}
            }
        }
        None
    }

    fn all_agree(bytes: &[u8], from: usize) -> Found {
        let all = found(|marks| mark(bytes, from, marks));
        assert_eq!(found(|marks| walk(bytes, from, marks, plain)), all);
        #[cfg(target_arch = "x86_64")]
        {
            // SAFETY: every x86_64 CPU has SSE2.
            let sse2 = found(|marks| unsafe { x86::mark_sse2(bytes, from, marks) });
            assert_eq!(sse2, all);
        }
        all
    }

    /// Sections of lines with and without colons, few of them broken.
    fn section() -> impl Strategy<Value = Vec<u8>> {
        let line = prop_oneof![
            40 => "[A-Za-z:]{1,70}\r\n",
            4 => "[a-z]{60,66}\r\n",
            1 => "[a-z:\r\n]{1,5}",
        ];
        (prop::collection::vec(line, 1..50), "\r\n.{0,70}")
            .prop_map(|(lines, rest)| (lines.concat() + &rest).into_bytes())
    }

    proptest! {
        #[test]
        fn twins_agree(bytes in section(), from in 0usize..3) {
            let from = from.min(bytes.len());
            // The quick walk knows no section that begins with its end.
            prop_assume!(!matches!(bytes.get(from), None | Some(b'\r' | b'\n')));
            match (all_agree(&bytes, from), naive(&bytes, from)) {
                (None, None) => {}
                (None, Some((marks, _))) => {
                    prop_assert!(marks.len() > MARKS - 64 || bytes.len() < BLOCK);
                }
                (Some(_), None) => {
                    let first = bytes.get(from) == Some(&b':');
                    prop_assert!(first || bytes.windows(3).any(|three| three == b"\r\n:"));
                }
                (marks, naive) => prop_assert_eq!(marks, naive),
            }
        }

        #[test]
        fn twins_agree_on_anything(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
            all_agree(&bytes, 0);
        }
    }

    #[test]
    fn twins_agree_at_every_block_edge() {
        for shift in 1..200 {
            for end in [
                "\r\n\r\n",
                ":\r\n\r\n",
                "\r\nb:\r\n\r\n",
                "\r\n\r",
                "\r\n\n",
                "\r\r\n\r\n",
            ] {
                let text = "a".repeat(shift) + end;
                let padded = text.clone() + &" ".repeat(70);
                assert_eq!(
                    all_agree(padded.as_bytes(), 0),
                    naive(padded.as_bytes(), 0),
                    "{text:?}"
                );
                all_agree(text.as_bytes(), 0);
            }
        }
    }
}
