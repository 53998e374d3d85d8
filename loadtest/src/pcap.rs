use std::fs::File;
use std::io::{BufWriter, Result, Write};
use std::net::{IpAddr, SocketAddr};
use std::path::Path;
use std::time::UNIX_EPOCH;

use crate::Crossed;

/// Packets that begin with their IP header.
const LINKTYPE_RAW: u32 = 101;

/// Writes what crossed a relay as a capture file, each datagram with the addresses that it really had.
///
/// # Errors
///
/// When the file cannot be written.
pub fn write_pcap(path: &Path, crossed: &[Crossed]) -> Result<()> {
    let mut file = BufWriter::new(File::create(path)?);
    file.write_all(&0xA1B2_C3D4_u32.to_le_bytes())?;
    for half in [2_u16, 4] {
        file.write_all(&half.to_le_bytes())?;
    }
    for word in [0, 0, 65_535, LINKTYPE_RAW] {
        file.write_all(&word.to_le_bytes())?;
    }
    for packet in crossed {
        write_packet(&mut file, packet)?;
    }
    file.flush()
}

fn write_packet(file: &mut impl Write, packet: &Crossed) -> Result<()> {
    let bytes = ipv4(packet.source, packet.destination, &packet.bytes);
    let since = packet.at.duration_since(UNIX_EPOCH).unwrap_or_default();
    let length = bytes.len() as u32;
    for word in [
        since.as_secs() as u32,
        since.subsec_micros(),
        length,
        length,
    ] {
        file.write_all(&word.to_le_bytes())?;
    }
    file.write_all(&bytes)
}

/// An IPv4 datagram. The UDP checksum is left out, which IPv4 allows.
fn ipv4(source: SocketAddr, destination: SocketAddr, payload: &[u8]) -> Vec<u8> {
    let total = (28 + payload.len()) as u16;
    let mut packet = vec![0x45, 0];
    packet.extend_from_slice(&total.to_be_bytes());
    packet.extend_from_slice(&[0, 0, 0x40, 0, 64, 17, 0, 0]);
    for address in [source.ip(), destination.ip()] {
        let IpAddr::V4(address) = address else {
            continue;
        };
        packet.extend_from_slice(&address.octets());
    }
    let checksum = checksum(&packet);
    packet[10..12].copy_from_slice(&checksum.to_be_bytes());
    for half in [
        source.port(),
        destination.port(),
        (8 + payload.len()) as u16,
        0,
    ] {
        packet.extend_from_slice(&half.to_be_bytes());
    }
    packet.extend_from_slice(payload);
    packet
}

fn checksum(header: &[u8]) -> u16 {
    let mut sum: u32 = header
        .chunks(2)
        .map(|pair| u32::from(pair[0]) << 8 | u32::from(pair[1]))
        .sum();
    while sum > 0xFFFF {
        sum = (sum & 0xFFFF) + (sum >> 16);
    }
    !(sum as u16)
}
