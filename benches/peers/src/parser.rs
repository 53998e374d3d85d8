use bytes::Bytes;

use crate::{c, rust};

/// What every parser has to agree on before its time counts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Keys {
    /// The tag of From; empty where there is none.
    pub from_tag: String,
    /// Call-ID.
    pub call_id: String,
    /// The number of CSeq.
    pub cseq: u32,
}

/// A SIP parser.
#[derive(Clone, Copy, Debug)]
pub struct Parser {
    /// The last part of the bench id.
    pub name: &'static str,
    /// What was compiled or linked.
    pub version: &'static str,
    /// Parses one datagram and drops the result; whether it was accepted.
    pub parse: fn(&Bytes) -> bool,
    /// The same, and reads the keys through the parser's own interface; `None` where it refuses.
    pub keys: fn(&Bytes) -> Option<Keys>,
}

/// Every parser that is here, ours first.
pub fn parsers() -> Vec<Parser> {
    let mut parsers = rust::PARSERS.to_vec();
    parsers.extend(c::parsers());
    parsers
}
