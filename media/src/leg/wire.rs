//! The sockets of a session: datagrams in and out.

use std::io;
use std::net::SocketAddr;
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use crate::clock::TICK;
use crate::counters::Jitter;
use crate::desk::Desk;
use crate::rtcp;
use crate::rtp::Header;

use super::{Arrival, Leg, What};

impl Leg {
    /// Reads a datagram that came to the RTP port.
    pub(crate) fn receive(
        &mut self,
        packet: &mut Vec<u8>,
        from: SocketAddr,
        desk: &mut Desk,
    ) -> Option<Arrival> {
        if self.muxes() && rtcp::is_report(packet) {
            self.receive_report(packet, from, desk);
            return None;
        }
        let arrival = self.authentic(packet, from, desk.tick).and_then(|header| {
            let (header, payload) = header;
            if self.receives() {
                self.inbound.accept(header, payload, packet, desk)
            } else {
                self.inbound.count(&header, header.timestamp, desk);
                None
            }
        });
        match &arrival {
            Some(_) => desk.tally.received += 1,
            None => desk.tally.refused += 1,
        }
        arrival
    }

    /// Reads a report, which came to the RTCP port or to the one that both share.
    pub(crate) fn receive_report(&mut self, packet: &mut Vec<u8>, from: SocketAddr, desk: &Desk) {
        if !self.gate.knows(from) || !self.inbound.unprotect_report(packet) {
            return;
        }
        self.report_from = Some(from);
        if let Some((ssrc, middle)) = rtcp::sender_report(packet) {
            self.inbound.reported(ssrc, middle, desk.now);
        }
    }

    /// Hands a partner's packet on to the peer; whether that was done.
    pub(crate) fn relay(&mut self, arrival: &Arrival, payload: &[u8], desk: &mut Desk) -> bool {
        let key = matches!(arrival.what, What::Key(_));
        let (header, now) = (&arrival.header, desk.tick);
        if !self
            .outbound
            .relay(header, key, payload, now, &mut desk.packet)
        {
            return false;
        }
        desk.tally.relayed += 1;
        self.transmit(desk);
        self.sent = None;
        true
    }

    /// Sends a partner's key to the peer, between sound that is encoded here.
    pub(crate) fn forward_key(&mut self, arrival: &Arrival, clock: u32, desk: &mut Desk) {
        let What::Key(event) = arrival.what else {
            return;
        };
        let (header, now) = (&arrival.header, desk.tick);
        self.outbound
            .foreign_key(header, clock, event, now, &mut desk.packet);
        self.transmit(desk);
    }

    /// The clock of what the peer sends.
    pub(crate) fn clock(&self) -> u32 {
        self.inbound
            .codec()
            .map_or(8000, crate::codec::Codec::clock_rate)
    }

    /// Time passes, by so many ticks.
    pub(crate) fn pass(&mut self, ticks: u64) {
        self.outbound.pass(ticks);
    }

    /// Sends a report if one is due.
    pub(crate) fn report_if_due(&mut self, desk: &mut Desk) {
        if self.peer.is_some() && desk.tick >= self.report_due {
            self.report_due = desk.tick + self.report_interval(desk);
            self.report(desk, false);
        }
    }

    /// Sends the packet that was made.
    pub(super) fn transmit(&mut self, desk: &mut Desk) {
        let Some(target) = self.gate.target().filter(|_| !desk.packet.is_empty()) else {
            return;
        };
        self.greet = false;
        let now = Instant::now();
        if let Some((then, tick)) = self.sent
            && tick + 1 == desk.tick
        {
            let interval = now.saturating_duration_since(then);
            let place = Jitter::place(interval.abs_diff(TICK));
            if let Some(count) = desk.tally.jitter.get_mut(place) {
                *count += 1;
            }
        }
        self.sent = Some((now, desk.tick));
        match send(&self.rtp, &desk.packet, target) {
            Ok(()) => desk.tally.sent += 1,
            Err(error) => {
                desk.tally.unsent += 1;
                tracing::debug!(%error, %target, "sending RTP");
            }
        }
    }

    /// Sends a report to the peer, the last one with BYE.
    pub(super) fn report(&mut self, desk: &mut Desk, last: bool) {
        let Some(target) = self.report_target() else {
            return;
        };
        let since = SystemTime::now().duration_since(UNIX_EPOCH);
        let sent = since.ok().and_then(|now| self.outbound.sent(now));
        if sent.is_none() && self.inbound.ssrc().is_none() {
            return;
        }
        let shared = self.muxes();
        let heard = self.inbound.last_report(desk.now);
        let received = match self.inbound.ssrc() {
            Some(ssrc) => Some((ssrc, &mut self.inbound.reception, heard)),
            None => None,
        };
        let cname = &desk.links.config.cname;
        let packet = &mut desk.packet;
        rtcp::write(packet, self.outbound.ssrc, sent, received, cname, last);
        self.outbound.protect_report(packet);
        let socket = if shared { &self.rtp } else { &self.rtcp };
        if !packet.is_empty()
            && let Err(error) = send(socket, packet, target)
        {
            tracing::debug!(%error, %target, "sending RTCP");
        }
    }

    /// RFC 3550 §6.2: intervals differ, by half each way, so that peers do not report in step.
    pub(super) fn report_interval(&self, desk: &Desk) -> u64 {
        let ticks = desk.links.config.reports.as_millis() / TICK.as_millis();
        let ticks = u64::try_from(ticks).unwrap_or(u64::MAX).clamp(10, 1 << 20);
        let spread =
            (desk.tick ^ u64::from(self.outbound.ssrc)).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        ticks / 2 + (spread >> 32) % ticks
    }

    /// The header and the payload of a packet that is the peer's.
    fn authentic(
        &mut self,
        packet: &mut Vec<u8>,
        from: SocketAddr,
        now: u64,
    ) -> Option<(Header, std::ops::Range<usize>)> {
        self.peer.as_ref()?;
        if !self.inbound.unprotect(packet) {
            return None;
        }
        let (header, payload) = Header::parse(packet)?;
        self.gate
            .admit(from, header.ssrc, header.sequence, now)
            .then_some((header, payload))
    }

    /// RTCP comes to the port of RTP.
    fn muxes(&self) -> bool {
        self.peer.as_ref().is_some_and(|peer| peer.rtcp_mux)
    }

    fn report_target(&self) -> Option<SocketAddr> {
        let peer = self.peer.as_ref()?;
        let target = self.gate.target()?;
        if peer.rtcp_mux {
            return Some(target);
        }
        let learnt = self
            .report_from
            .filter(|from| peer.symmetric && self.gate.knows(*from));
        let named = peer.rtcp.filter(|_| peer.address == Some(target));
        learnt.or(named).or_else(|| {
            let port = target.port().checked_add(1)?;
            Some(SocketAddr::new(target.ip(), port))
        })
    }
}

/// Sends a datagram. What a full buffer does not take is lost, as it would be on the way.
fn send(socket: &mio::net::UdpSocket, packet: &[u8], target: SocketAddr) -> io::Result<()> {
    match socket.send_to(packet, target) {
        // What ICMP said of an earlier packet; this one has not been sent yet.
        Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => {
            socket.send_to(packet, target).map(|_| ())
        }
        other => other.map(|_| ()),
    }
}
