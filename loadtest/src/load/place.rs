use std::net::{Ipv4Addr, SocketAddr, UdpSocket};

use super::Failure;
use crate::free_port;

/// Who sits where on loopback.
#[derive(Clone, Copy, Debug)]
pub struct Place {
    /// The proxy.
    pub edge: SocketAddr,
    /// Who calls through it.
    pub caller: SocketAddr,
    /// Who is called.
    pub callee: SocketAddr,
}

impl Place {
    /// The ports that the files of `loadtest/` have written in them.
    #[must_use]
    pub fn fixed() -> Self {
        Self::at([5060, 5080, 5070])
    }

    /// Any ports that are free.
    #[must_use]
    pub fn free() -> Self {
        Self::at([free_port(), free_port(), free_port()])
    }

    /// Whether all of them can be bound now.
    ///
    /// # Errors
    ///
    /// Names the first that cannot.
    pub fn is_free(&self) -> Result<(), Failure> {
        for address in [self.edge, self.caller, self.callee] {
            UdpSocket::bind(address).map_err(|error| Failure(format!("{address}: {error}")))?;
        }
        Ok(())
    }

    /// A text that names the fixed ports, with these in their stead.
    #[must_use]
    pub fn fill(&self, text: &str) -> String {
        let fixed = Self::fixed();
        // Through names that no address contains, for a free port may be a fixed one of another role.
        text.replace(&fixed.edge.to_string(), "@EDGE@")
            .replace(&fixed.callee.to_string(), "@CALLEE@")
            .replace("@EDGE@", &self.edge.to_string())
            .replace("@CALLEE@", &self.callee.to_string())
    }

    fn at(ports: [u16; 3]) -> Self {
        let [edge, caller, callee] =
            ports.map(|port| SocketAddr::from((Ipv4Addr::LOCALHOST, port)));
        Self {
            edge,
            caller,
            callee,
        }
    }
}
