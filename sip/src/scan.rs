//! Where the lines of a message lie: one pass over the bytes, 64 at a time.
//!
//! For each block of 64 bytes, three bit maps say where LF, CR and colons are; the walk visits the
//! LFs alone. The maps come from AVX2 where the machine has it, from SSE2 on any other x86_64, and
//! from plain code elsewhere; the walk is the same, and tests hold all three equal.

#![allow(unsafe_code)] // Vector loads, and calls into code for a CPU that was asked for first.

use crate::span::Span;

/// One logical line: folded lines are joined (RFC 3261 §7.3.1).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Line {
    /// Where it starts.
    pub(crate) start: u16,
    /// The first colon; [`Line::end`] where there is none.
    pub(crate) colon: u16,
    /// Behind its CRLF.
    pub(crate) end: u16,
}

impl Line {
    /// The whole line.
    #[inline]
    pub(crate) fn span(self) -> Span {
        Span {
            start: self.start,
            end: self.end,
        }
    }

    /// The line without its CRLF.
    #[inline]
    pub(crate) fn text(self, bytes: &[u8]) -> &[u8] {
        let whole = self.span().of(bytes);
        whole.strip_suffix(b"\r\n").unwrap_or(whole)
    }

    /// What stands before the first colon; blanks may end it. Empty where there is no colon.
    #[inline]
    pub(crate) fn name(self, bytes: &[u8]) -> &[u8] {
        if self.colon == self.end {
            return b"";
        }
        let name = Span {
            start: self.start,
            end: self.colon,
        };
        name.of(bytes)
    }

    #[inline]
    pub(crate) fn len(self) -> usize {
        usize::from(self.end - self.start)
    }
}

/// Lines of one scan, in order: as many as most messages have, so that one scan is enough.
pub(crate) type Lines = [Line; LINES];

/// How many lines a scan gives at most.
pub(crate) const LINES: usize = 40;

/// Why a scan ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum End {
    /// An empty line; the value is where the body starts.
    Body(u16),
    /// A bare CR or a bare LF stands where the line should go on.
    Bare,
    /// No room for more lines; the next one starts here.
    More(u16),
    /// The bytes ended before an empty line.
    Truncated,
}

/// What the first line of a scan is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum First {
    /// A start line, which has no folds.
    StartLine,
    /// A header, as all that follow.
    Header,
}

/// Writes the logical lines from `start` up to the empty line to `lines`; says how many, and why
/// it ended.
///
/// `bytes` are at most [`crate::MESSAGE_BYTES_MAX`], which the caller has checked.
#[inline]
pub(crate) fn scan(bytes: &[u8], start: usize, first: First, lines: &mut Lines) -> (usize, End) {
    debug_assert!(bytes.len() <= crate::MESSAGE_BYTES_MAX);
    #[cfg(target_arch = "x86_64")]
    {
        // The standard library asks the CPU once and keeps the answer.
        if x86::has_avx2() {
            // SAFETY: the CPU has the features that the function was compiled for.
            return unsafe { x86::scan_avx2(bytes, start, first, lines) };
        }
        // SAFETY: every x86_64 CPU has SSE2.
        unsafe { x86::scan_sse2(bytes, start, first, lines) }
    }
    #[cfg(not(target_arch = "x86_64"))]
    walk(bytes, start, first, lines, plain)
}

/// Bit maps of one block; bit 0 is its first byte.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Maps {
    pub(crate) feed: u64,
    pub(crate) cr: u64,
    pub(crate) colon: u64,
}

pub(crate) const BLOCK: usize = 64;
pub(crate) type Block = [u8; BLOCK];

/// The walk that all instruction sets share.
#[inline(always)]
fn walk(
    bytes: &[u8],
    start: usize,
    first: First,
    lines: &mut Lines,
    maps: impl Fn(&Block) -> Maps,
) -> (usize, End) {
    let mut walk = Walk {
        bytes,
        found: 0,
        folds: first == First::Header,
        line: start,
        colon: NONE,
        cr_before: 0,
    };
    let mut base = start;
    let (blocks, rest) = bytes.get(start..).unwrap_or_default().as_chunks::<BLOCK>();
    for block in blocks {
        if let Some(end) = walk.block(base, maps(block), u64::MAX, lines) {
            return (walk.found, end);
        }
        base += BLOCK;
    }
    if !rest.is_empty() {
        let mut padded: Block = [0; BLOCK];
        for (to, from) in padded.iter_mut().zip(rest) {
            *to = *from;
        }
        let valid = u64::MAX >> (BLOCK - rest.len());
        if let Some(end) = walk.block(base, maps(&padded), valid, lines) {
            return (walk.found, end);
        }
    }
    (walk.found, End::Truncated)
}

/// Where the walk stands between two blocks.
struct Walk<'a> {
    bytes: &'a [u8],
    /// Lines written.
    found: usize,
    /// Whether the line may have folds.
    folds: bool,
    /// Where the line starts.
    line: usize,
    /// Where its first colon is; [`NONE`] while none was seen.
    colon: usize,
    /// Whether the block before ended in a CR.
    cr_before: u64,
}

impl Walk<'_> {
    /// Goes through the block at `base`, whose bytes behind the `valid` ones are padding.
    #[inline(always)]
    fn block(&mut self, base: usize, maps: Maps, valid: u64, lines: &mut Lines) -> Option<End> {
        // A CR is followed by an LF and an LF follows a CR: anything else is a bare one.
        let bare = ((maps.cr << 1 | self.cr_before) ^ maps.feed) & valid;
        self.cr_before = maps.cr >> (BLOCK - 1);
        // The colons that no finished line has used up.
        let mut colons = maps.colon;
        let mut feeds = maps.feed & below_lowest(bare);
        while feeds != 0 {
            let end = base + feeds.trailing_zeros() as usize + 1;
            self.see_colon(base, colons);
            if end - self.line == 2 {
                return Some(End::Body(end as u16));
            }
            if !(self.folds && matches!(self.bytes.get(end), Some(b' ' | b'\t'))) {
                let Some(slot) = lines.get_mut(self.found) else {
                    return Some(End::More(self.line as u16));
                };
                *slot = Line {
                    start: self.line as u16,
                    // A colon of a later line is behind the end.
                    colon: self.colon.min(end) as u16,
                    end: end as u16,
                };
                self.found += 1;
                self.folds = true;
                self.line = end;
                self.colon = NONE;
                colons &= !through_lowest(feeds);
            }
            feeds &= feeds - 1;
        }
        self.see_colon(base, colons);
        (bare != 0).then_some(End::Bare)
    }

    #[inline(always)]
    fn see_colon(&mut self, base: usize, colons: u64) {
        if self.colon == NONE && colons != 0 {
            self.colon = base + colons.trailing_zeros() as usize;
        }
    }
}

const NONE: usize = usize::MAX;

/// The lowest bit of `map` and all below it.
#[inline(always)]
pub(crate) fn through_lowest(map: u64) -> u64 {
    map ^ map.wrapping_sub(1)
}

/// All bits below the lowest one of `map`; all bits where there is none.
#[inline(always)]
pub(crate) fn below_lowest(map: u64) -> u64 {
    map.wrapping_sub(1) & !map
}

/// The maps without vector instructions: eight bytes at a time.
#[cfg(any(test, not(target_arch = "x86_64")))]
pub(crate) fn plain(block: &Block) -> Maps {
    const LOW: u64 = 0x7f7f_7f7f_7f7f_7f7f;
    const ONES: u64 = 0x0101_0101_0101_0101;
    let (words, _) = block.as_chunks::<8>();
    let map = |wanted: u8| {
        words.iter().enumerate().fold(0, |map, (at, word)| {
            let differs = u64::from_le_bytes(*word) ^ (ONES * u64::from(wanted));
            // Bit 7 of each byte that is zero: adding 0x7f to the others carries into theirs.
            let equal = !(((differs & LOW) + LOW) | differs | LOW);
            // The product moves bit 7 of byte n to bit 56 + n.
            let bits = (equal >> 7).wrapping_mul(0x0102_0408_1020_4080) >> 56;
            map | bits << (8 * at)
        })
    };
    Maps {
        feed: map(b'\n'),
        cr: map(b'\r'),
        colon: map(b':'),
    }
}

#[cfg(target_arch = "x86_64")]
pub(crate) mod x86 {
    use std::arch::x86_64::{
        __m128i, __m256i, _mm_cmpeq_epi8, _mm_loadu_si128, _mm_movemask_epi8, _mm_set1_epi8,
        _mm256_cmpeq_epi8, _mm256_loadu_si256, _mm256_movemask_epi8, _mm256_set1_epi8,
    };

    use super::{Block, End, First, Lines, Maps, walk};

    /// Whether [`scan_avx2`] may be called.
    #[inline]
    pub(crate) fn has_avx2() -> bool {
        std::arch::is_x86_feature_detected!("avx2") && std::arch::is_x86_feature_detected!("bmi1")
    }

    /// As [`super::scan`], for a CPU with AVX2.
    #[target_feature(enable = "avx2,bmi1")]
    pub(super) fn scan_avx2(
        bytes: &[u8],
        start: usize,
        first: First,
        lines: &mut Lines,
    ) -> (usize, End) {
        walk(bytes, start, first, lines, |block| avx2(block))
    }

    /// As [`super::scan`], for any x86_64 CPU.
    #[target_feature(enable = "sse2")]
    pub(super) fn scan_sse2(
        bytes: &[u8],
        start: usize,
        first: First,
        lines: &mut Lines,
    ) -> (usize, End) {
        walk(bytes, start, first, lines, |block| sse2(block))
    }

    #[target_feature(enable = "avx2")]
    #[inline]
    pub(crate) fn avx2(block: &Block) -> Maps {
        let at: *const u8 = block.as_ptr();
        // SAFETY: a block is 64 bytes, so 32 of them can be read at 0 and at 32; the loads need no
        // alignment.
        let halves: [__m256i; 2] = unsafe {
            [
                _mm256_loadu_si256(at.cast()),
                _mm256_loadu_si256(at.add(32).cast()),
            ]
        };
        let map = |wanted: u8| {
            let wanted = _mm256_set1_epi8(wanted.cast_signed());
            let [low, high] = halves.map(|half| {
                let equal = _mm256_cmpeq_epi8(half, wanted);
                u64::from(_mm256_movemask_epi8(equal).cast_unsigned())
            });
            high << 32 | low
        };
        Maps {
            feed: map(b'\n'),
            cr: map(b'\r'),
            colon: map(b':'),
        }
    }

    #[target_feature(enable = "sse2")]
    #[inline]
    pub(crate) fn sse2(block: &Block) -> Maps {
        let at: *const u8 = block.as_ptr();
        // SAFETY: a block is 64 bytes, so 16 of them can be read at 0, 16, 32 and 48; the loads
        // need no alignment.
        let quarters: [__m128i; 4] = unsafe {
            [
                _mm_loadu_si128(at.cast()),
                _mm_loadu_si128(at.add(16).cast()),
                _mm_loadu_si128(at.add(32).cast()),
                _mm_loadu_si128(at.add(48).cast()),
            ]
        };
        let map = |wanted: u8| {
            let wanted = _mm_set1_epi8(wanted.cast_signed());
            let [a, b, c, d] = quarters.map(|quarter| {
                let equal = _mm_cmpeq_epi8(quarter, wanted);
                u64::from(_mm_movemask_epi8(equal).cast_unsigned())
            });
            d << 48 | c << 32 | b << 16 | a
        };
        Maps {
            feed: map(b'\n'),
            cr: map(b'\r'),
            colon: map(b':'),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    type Scanned = (Vec<Line>, End);
    type Scan<'a> = &'a dyn Fn(usize, First, &mut Lines) -> (usize, End);

    /// All lines, however many scans that takes.
    fn collect(from: usize, scan: Scan<'_>) -> Scanned {
        let mut all = Vec::new();
        let (mut at, mut first) = (from, First::StartLine);
        loop {
            let mut lines = [Line::default(); LINES];
            let (found, end) = scan(at, first, &mut lines);
            all.extend_from_slice(&lines[..found]);
            let End::More(next) = end else {
                return (all, end);
            };
            assert_eq!(found, LINES);
            (at, first) = (usize::from(next), First::Header);
        }
    }

    /// The definition, a byte at a time.
    fn naive(bytes: &[u8], from: usize) -> Scanned {
        let (mut start, mut at) = (from, from);
        let mut lines: Vec<Line> = Vec::new();
        loop {
            match bytes.get(at..at + 2) {
                None if bytes.get(at) == Some(&b'\n') => return (lines, End::Bare),
                None => return (lines, End::Truncated),
                Some(b"\r\n") if at == start => return (lines, End::Body((at + 2) as u16)),
                Some(b"\r\n") => {
                    at += 2;
                    if !lines.is_empty() && matches!(bytes.get(at), Some(b' ' | b'\t')) {
                        continue;
                    }
                    let colon = bytes[start..at].iter().position(|&byte| byte == b':');
                    lines.push(Line {
                        start: start as u16,
                        colon: colon.map_or(at, |colon| start + colon) as u16,
                        end: at as u16,
                    });
                    start = at;
                }
                Some([b'\r' | b'\n', _]) => return (lines, End::Bare),
                Some(_) => at += 1,
            }
        }
    }

    fn all_agree(bytes: &[u8], from: usize) {
        let expected = naive(bytes, from);
        let check = |scan: Scan<'_>| assert_eq!(collect(from, scan), expected);
        check(&|at, first, lines| walk(bytes, at, first, lines, plain));
        check(&|at, first, lines| scan(bytes, at, first, lines));
        #[cfg(target_arch = "x86_64")]
        {
            // SAFETY: every x86_64 CPU has SSE2.
            check(&|at, first, lines| unsafe { x86::scan_sse2(bytes, at, first, lines) });
            if x86::has_avx2() {
                // SAFETY: the CPU has the features that the function was compiled for.
                check(&|at, first, lines| unsafe { x86::scan_avx2(bytes, at, first, lines) });
            }
        }
    }

    /// Bytes in which line ends, colons and blanks are common.
    fn dense() -> impl Strategy<Value = Vec<u8>> {
        let piece = prop_oneof![
            4 => Just(b"\r\n".to_vec()),
            1 => Just(b"\r".to_vec()),
            1 => Just(b"\n".to_vec()),
            2 => Just(b"\r\n ".to_vec()),
            2 => Just(b":".to_vec()),
            8 => prop::collection::vec(any::<u8>(), 0..40),
            8 => "[A-Za-z:]{1,70}".prop_map(String::into_bytes),
        ];
        prop::collection::vec(piece, 0..120).prop_map(|pieces| pieces.concat())
    }

    proptest! {
        #[test]
        fn twins_agree_on_lines(bytes in dense(), from in 0usize..3) {
            all_agree(&bytes, from.min(bytes.len()));
        }

        #[test]
        fn twins_agree_on_anything(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
            all_agree(&bytes, 0);
        }
    }

    #[test]
    fn twins_agree_at_every_block_edge() {
        for shift in 0..130 {
            for end in [
                "\r\n\r\n",
                "\r\n \r\n\r\n",
                "\r\r\n",
                "\n",
                "\r",
                "\r\n\r",
                ":\r\n\r\n",
            ] {
                let text = format!("start\r\n{}{end}tail\n\r:", "x".repeat(shift));
                all_agree(text.as_bytes(), 0);
                all_agree(&text.as_bytes()[..text.len() - 7], 0);
            }
        }
    }
}
