//! Which address of ours reaches a remote one.

use std::cell::RefCell;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};

use foldhash::fast::RandomState;
use hashbrown::HashMap;

use crate::pipeline::LocalIp;

/// Asks the kernel which address of this host reaches a remote one; answers are remembered.
pub(crate) fn local_ip() -> LocalIp {
    let known: RefCell<HashMap<IpAddr, IpAddr, RandomState>> = RefCell::default();
    Box::new(move |remote| {
        if let Some(ip) = known.borrow().get(&remote.ip()) {
            return *ip;
        }
        let ip = ask_kernel(remote).unwrap_or_else(|| remote.ip());
        let mut known = known.borrow_mut();
        if known.len() >= LOCAL_IPS_MAX {
            known.clear();
        }
        known.insert(remote.ip(), ip);
        ip
    })
}

fn ask_kernel(remote: SocketAddr) -> Option<IpAddr> {
    let any = match remote {
        SocketAddr::V4(_) => IpAddr::V4(Ipv4Addr::UNSPECIFIED),
        SocketAddr::V6(_) => IpAddr::V6(Ipv6Addr::UNSPECIFIED),
    };
    let socket = UdpSocket::bind((any, 0)).ok()?;
    socket.connect(remote).ok()?;
    socket.local_addr().ok().map(|local| local.ip())
}

/// Remote addresses whose local address is remembered.
const LOCAL_IPS_MAX: usize = 4096;
