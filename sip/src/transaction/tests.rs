//! Every arc of the four machines, against the figures of RFC 3261 §17 and RFC 6026 §7.
