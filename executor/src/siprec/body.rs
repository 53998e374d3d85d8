//! The body of an INVITE that asks for a recording: a description and what it is about.

use bytes::Bytes;

/// A `multipart/mixed` body (RFC 2046 §5.1.3).
#[derive(Clone, Debug)]
pub(crate) struct Multipart {
    /// The value of Content-Type.
    pub(crate) kind: String,
    pub(crate) body: Bytes,
}

/// A session description with the metadata of its streams (RFC 7866 §9.1). The boundary is one that
/// nobody can guess, so that no part has it.
pub(crate) fn multipart(boundary: &str, description: &[u8], metadata: &str) -> Multipart {
    let mut body = Vec::with_capacity(description.len() + metadata.len() + 512);
    part(
        &mut body,
        boundary,
        &["Content-Type: application/sdp"],
        description,
    );
    let about = [METADATA_TYPE, "Content-Disposition: recording-session"];
    part(&mut body, boundary, &about, metadata.as_bytes());
    body.extend_from_slice(format!("--{boundary}--\r\n").as_bytes());
    Multipart {
        kind: format!("multipart/mixed;boundary={boundary}"),
        body: Bytes::from(body),
    }
}

fn part(body: &mut Vec<u8>, boundary: &str, headers: &[&str], content: &[u8]) {
    body.extend_from_slice(format!("--{boundary}\r\n").as_bytes());
    for header in headers {
        body.extend_from_slice(header.as_bytes());
        body.extend_from_slice(b"\r\n");
    }
    body.extend_from_slice(b"\r\n");
    body.extend_from_slice(content);
    body.extend_from_slice(b"\r\n");
}

/// RFC 9806 §2 has corrected the type that RFC 7866 writes without its suffix.
const METADATA_TYPE: &str = "Content-Type: application/rs-metadata+xml";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_parts_each_with_its_headers() {
        let made = multipart("b0", b"v=0\r\n", "<recording/>");
        assert_eq!(made.kind, "multipart/mixed;boundary=b0");
        assert_eq!(
            String::from_utf8_lossy(&made.body),
            "--b0\r\nContent-Type: application/sdp\r\n\r\nv=0\r\n\r\n--b0\r\n\
             Content-Type: application/rs-metadata+xml\r\n\
             Content-Disposition: recording-session\r\n\r\n<recording/>\r\n--b0--\r\n"
        );
    }
}
