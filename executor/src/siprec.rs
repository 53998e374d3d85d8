//! What a recording client tells a recording server (RFC 7866): the metadata of a recording session
//! (RFC 7865), and the body that carries them beside the session description.

mod body;
mod metadata;
mod xml;

pub(crate) use self::body::{Multipart, multipart};
pub(crate) use self::metadata::{Metadata, Participant, RecordedStream};
