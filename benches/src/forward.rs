//! What a proxy does to every INVITE that it forwards.

use sip::{EditError, Request};

/// Via, Record-Route and Max-Forwards, and three X- rules: one header goes, two come.
///
/// # Errors
///
/// None on the corpus.
pub fn forward(request: &mut Request) -> Result<(), EditError> {
    let headers = &mut request.headers;
    headers.prepend(
        b"Record-Route",
        b"<sip:203.0.113.7;lr;t=q1JKLC4pKk1OtUpLTEvMTVWyUjI0MjYxNTO3sFSqBQA>",
    )?;
    headers.prepend(
        b"Via",
        b"SIP/2.0/UDP 203.0.113.7:5060;branch=z9hG4bK0f1e2d3c4b5a69788796a5b4;rport",
    )?;
    headers.set(b"Max-Forwards", b"65")?;
    headers.remove(b"X-Carrier-Trunk");
    headers.append(b"X-Trunk", b"carrier-a")?;
    headers.append(b"X-Tenant", b"acme-0017")
}
