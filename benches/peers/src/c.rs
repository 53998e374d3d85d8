//! The ones in C, where their packages are installed.

#![allow(unsafe_code)] // Calls into C.

use crate::Parser;

/// Those that the build found.
pub(crate) fn parsers() -> Vec<Parser> {
    vec![
        #[cfg(osip)]
        osip::parser(),
        #[cfg(sofia)]
        sofia::parser(),
    ]
}

/// `struct keys` of keys.h.
#[cfg(any(osip, sofia))]
#[repr(C)]
struct Keys {
    from_tag: [u8; 256],
    call_id: [u8; 256],
    cseq: u32,
}

#[cfg(any(osip, sofia))]
type Parse = unsafe extern "C" fn(*const u8, usize, *mut Keys) -> i32;

/// # Safety
///
/// `parse` reads no more than the bytes that it gets, and writes no more than one `Keys`.
#[cfg(any(osip, sofia))]
unsafe fn accepted(parse: Parse, bytes: &[u8]) -> bool {
    // SAFETY: the caller's promise.
    unsafe { parse(bytes.as_ptr(), bytes.len(), std::ptr::null_mut()) == 1 }
}

/// # Safety
///
/// As for [`accepted`].
#[cfg(any(osip, sofia))]
unsafe fn keys(parse: Parse, bytes: &[u8]) -> Option<crate::Keys> {
    let mut keys = Keys {
        from_tag: [0; 256],
        call_id: [0; 256],
        cseq: 0,
    };
    // SAFETY: the caller's promise.
    let accepted = unsafe { parse(bytes.as_ptr(), bytes.len(), &raw mut keys) == 1 };
    let text = |field: &[u8; 256]| {
        let text = field.split(|&byte| byte == 0).next().unwrap_or_default();
        String::from_utf8_lossy(text).into_owned()
    };
    accepted.then(|| crate::Keys {
        from_tag: text(&keys.from_tag),
        call_id: text(&keys.call_id),
        cseq: keys.cseq,
    })
}

#[cfg(osip)]
mod osip {
    use crate::Parser;

    unsafe extern "C" {
        fn peer_osip_init();
        fn peer_osip_parse(bytes: *const u8, length: usize, keys: *mut super::Keys) -> i32;
    }

    pub(super) fn parser() -> Parser {
        // SAFETY: fills the library's tables; it has no arguments and may be called again.
        unsafe { peer_osip_init() };
        Parser {
            name: "libosip2",
            version: env!("PEER_osip"),
            // SAFETY: the shim hands pointer and length on, and fills the keys.
            parse: |bytes| unsafe { super::accepted(peer_osip_parse, bytes) },
            // SAFETY: as above.
            keys: |bytes| unsafe { super::keys(peer_osip_parse, bytes) },
        }
    }
}

#[cfg(sofia)]
mod sofia {
    use crate::Parser;

    unsafe extern "C" {
        fn peer_sofia_parse(bytes: *const u8, length: usize, keys: *mut super::Keys) -> i32;
    }

    pub(super) fn parser() -> Parser {
        Parser {
            name: "sofia-sip",
            version: env!("PEER_sofia"),
            // SAFETY: the shim hands pointer and length on, and fills the keys.
            parse: |bytes| unsafe { super::accepted(peer_sofia_parse, bytes) },
            // SAFETY: as above.
            keys: |bytes| unsafe { super::keys(peer_sofia_parse, bytes) },
        }
    }
}
