//! Which addresses may be connected to: those of the public internet, and those that were allowed by name.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::IpNet;

/// Networks that may be connected to although they are not public.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct Allowed(Vec<IpNet>);

impl Allowed {
    /// Takes networks like `127.0.0.1/32`, with commas between; a single address is a network of its own.
    pub fn parse(text: &str) -> Result<Self, String> {
        let network = |part: &str| {
            let alone = || part.parse::<IpAddr>().ok().map(IpNet::from);
            let found = part.parse::<IpNet>().ok().or_else(alone);
            found.ok_or_else(|| format!("{part:?} is no network like 10.0.0.0/8 or fd00::/8"))
        };
        let parts = text.split(',').map(str::trim).filter(|part| !part.is_empty());
        Ok(Allowed(parts.map(network).collect::<Result<_, _>>()?))
    }

    /// Says why an address may not be connected to; `None` if it may.
    #[must_use]
    pub fn refusal(&self, address: IpAddr) -> Option<&'static str> {
        let plain = address.to_canonical();
        if self.0.iter().any(|network| network.contains(&plain) || network.contains(&address)) {
            return None;
        }
        match plain {
            IpAddr::V4(address) => refusal_v4(address),
            IpAddr::V6(address) => refusal_v6(address),
        }
    }
}

/// Writes them as they are parsed.
impl fmt::Display for Allowed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let texts: Vec<String> = self.0.iter().map(ToString::to_string).collect();
        f.write_str(&texts.join(", "))
    }
}

/// What of IPv4 is not public: IANA's registry of special addresses, and one that a cloud took for itself.
const SPECIAL: [([u8; 4], u8, &str); 17] = [
    ([0, 0, 0, 0], 8, "this machine"),
    ([10, 0, 0, 0], 8, "a private network"),
    ([100, 64, 0, 0], 10, "a network of a provider (CGNAT)"),
    ([127, 0, 0, 0], 8, "this machine"),
    ([168, 63, 129, 16], 32, "the host of a cloud"),
    ([169, 254, 0, 0], 16, "link-local, where clouds keep credentials"),
    ([172, 16, 0, 0], 12, "a private network"),
    ([192, 0, 0, 0], 24, "reserved for protocols"),
    ([192, 0, 2, 0], 24, "for documentation"),
    ([192, 31, 196, 0], 24, "reserved for protocols"),
    ([192, 52, 193, 0], 24, "reserved for protocols"),
    ([192, 88, 99, 0], 24, "a relay of 6to4"),
    ([192, 168, 0, 0], 16, "a private network"),
    ([198, 18, 0, 0], 15, "for benchmarks"),
    ([198, 51, 100, 0], 24, "for documentation"),
    ([203, 0, 113, 0], 24, "for documentation"),
    // Multicast, reserved, and the broadcast at the end.
    ([224, 0, 0, 0], 3, "multicast or reserved"),
];

fn refusal_v4(address: Ipv4Addr) -> Option<&'static str> {
    let bits = address.to_bits();
    let lies_in = |network: [u8; 4], length: u8| {
        let shift = 32 - u32::from(length);
        bits >> shift == u32::from_be_bytes(network) >> shift
    };
    SPECIAL.iter().find(|(network, length, _)| lies_in(*network, *length)).map(|(_, _, why)| *why)
}

/// Of IPv6 only what is given out as public is public; everything else is refused, known or not.
fn refusal_v6(address: Ipv6Addr) -> Option<&'static str> {
    let parts = address.segments();
    let inner = |high: u16, low: u16| Ipv4Addr::from_bits(u32::from(high) << 16 | u32::from(low));
    match parts {
        // NAT64: leads to the IPv4 address at its end.
        [0x64, 0xff9b, 0, 0, 0, 0, high, low] => refusal_v4(inner(high, low)),
        // 6to4 leads to the IPv4 address in it, by way of whoever likes to be a relay.
        [0x2002, ..] => Some("6to4"),
        [0x2001, second, ..] if second < 0x200 => Some("reserved for protocols (Teredo, ORCHID)"),
        [0x2001, 0xdb8, ..] => Some("for documentation"),
        [0x3fff, second, ..] if second < 0x1000 => Some("for documentation"),
        [first, ..] if first & 0xe000 == 0x2000 => None,
        [0, 0, 0, 0, 0, 0, ..] => Some("this machine, or IPv4 in disguise"),
        [first, ..] if first & 0xfe00 == 0xfc00 => Some("a private network"),
        [first, ..] if first & 0xffc0 == 0xfe80 => Some("link-local"),
        [first, ..] if first & 0xff00 == 0xff00 => Some("multicast"),
        [..] => Some("not given out to anybody"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refusal(address: &str, allowed: &str) -> Option<&'static str> {
        Allowed::parse(allowed).unwrap().refusal(address.parse().unwrap())
    }

    #[test]
    fn what_is_not_public_is_refused_at_both_its_ends_and_its_neighbours_are_not() {
        for address in [
            "0.0.0.0",
            "0.255.255.255",
            "10.0.0.0",
            "10.255.255.255",
            "100.64.0.0",
            "100.127.255.255",
            "127.0.0.1",
            "127.255.255.255",
            "168.63.129.16",
            "169.254.0.0",
            "169.254.169.254",
            "169.254.255.255",
            "172.16.0.0",
            "172.31.255.255",
            "192.0.0.0",
            "192.0.0.255",
            "192.0.2.1",
            "192.88.99.1",
            "192.168.0.0",
            "192.168.255.255",
            "198.18.0.0",
            "198.19.255.255",
            "198.51.100.7",
            "203.0.113.255",
            "224.0.0.0",
            "239.255.255.255",
            "240.0.0.0",
            "255.255.255.255",
            // IPv6 itself.
            "::",
            "::1",
            "fc00::",
            "fdff:ffff::1",
            "fd00:ec2::254",
            "fe80::1",
            "febf::1",
            "fec0::1",
            "ff00::",
            "ff02::1",
            "100::1",
            "2001::1",
            "2001:1ff:ffff::",
            "2001:db8::1",
            "2001:10::1",
            "2002:808:808::1",
            "3fff::1",
            "3fff:fff::1",
            "5f00::1",
            "4000::1",
            "1fff::1",
            "64:ff9b:1::1",
            // IPv4 in disguise.
            "::ffff:127.0.0.1",
            "::ffff:10.0.0.1",
            "::ffff:169.254.169.254",
            "::127.0.0.1",
            "::7f00:1",
            "::ffff:0:127.0.0.1",
            "64:ff9b::127.0.0.1",
            "64:ff9b::10.1.2.3",
            "64:ff9b::169.254.169.254",
            "2002:7f00:1::",
            "2002:a00:1::1",
        ] {
            assert!(refusal(address, "").is_some(), "{address} is let through");
        }
        for address in [
            "1.0.0.0",
            "9.255.255.255",
            "11.0.0.0",
            "100.63.255.255",
            "100.128.0.0",
            "126.255.255.255",
            "128.0.0.0",
            "168.63.129.15",
            "168.63.129.17",
            "169.253.255.255",
            "169.255.0.0",
            "172.15.255.255",
            "172.32.0.0",
            "192.0.1.0",
            "192.0.3.0",
            "192.167.255.255",
            "192.169.0.0",
            "198.17.255.255",
            "198.20.0.0",
            "203.0.112.255",
            "203.0.114.0",
            "223.255.255.255",
            "8.8.8.8",
            "::ffff:8.8.8.8",
            "64:ff9b::8.8.8.8",
            "2000::1",
            "2001:200::1",
            "2001:4860:4860::8888",
            "2001:db7::1",
            "2001:db9::1",
            "2003::1",
            "2606:4700::1111",
            "3ffe::1",
            "3fff:1000::1",
        ] {
            assert_eq!(refusal(address, ""), None, "{address}");
        }
    }

    #[test]
    fn what_was_allowed_is_let_through_and_nothing_beside_it() {
        let allowed = "127.0.0.1/32, 10.1.0.0/16,fd00::/8,192.168.7.7";
        for address in ["127.0.0.1", "::ffff:127.0.0.1", "10.1.255.255", "fd12::1", "192.168.7.7"] {
            assert_eq!(refusal(address, allowed), None, "{address}");
        }
        for address in ["127.0.0.2", "10.2.0.0", "10.0.255.255", "fc00::1", "::1", "192.168.7.8", "64:ff9b::127.0.0.1"]
        {
            assert!(refusal(address, allowed).is_some(), "{address}");
        }
        assert_eq!(Allowed::parse(" , ").unwrap(), Allowed::default());
        for wrong in ["10.0.0.0/33", "localhost", "10.0.0.0/8;127.0.0.1", "10.0.0"] {
            assert!(Allowed::parse(wrong).is_err(), "{wrong}");
        }
    }
}
