//! Algorithms offered to the server in the key exchange: modern ones only, the fastest first.

use std::borrow::Cow;

use russh::keys::{Algorithm, EcdsaCurve, HashAlg};
use russh::{Preferred, cipher, compression, kex, mac};

/// No SHA-1 among them.
const KEY_EXCHANGES: [kex::Name; 13] = [
    kex::MLKEM768X25519_SHA256,
    kex::CURVE25519,
    kex::CURVE25519_PRE_RFC_8731,
    kex::ECDH_SHA2_NISTP256,
    kex::ECDH_SHA2_NISTP384,
    kex::ECDH_SHA2_NISTP521,
    kex::DH_G16_SHA512,
    kex::DH_G18_SHA512,
    kex::DH_G15_SHA512,
    kex::DH_G14_SHA256,
    kex::DH_GEX_SHA256,
    // These name what the client can besides: signatures of SHA-2 with RSA keys, and the order of packets that keeps
    // anyone between the two from leaving one out (CVE-2023-48795).
    kex::EXTENSION_SUPPORT_AS_CLIENT,
    kex::EXTENSION_OPENSSH_STRICT_KEX_AS_CLIENT,
];

/// AES-GCM first: with the CPU's own instructions it takes half the time of chacha20 (docs/measurements.md).
const CIPHERS: [cipher::Name; 6] = [
    cipher::AES_128_GCM,
    cipher::AES_256_GCM,
    cipher::CHACHA20_POLY1305,
    cipher::AES_128_CTR,
    cipher::AES_192_CTR,
    cipher::AES_256_CTR,
];

/// For the ciphers that have none of their own.
const MACS: [mac::Name; 4] = [
    mac::HMAC_SHA256_ETM,
    mac::HMAC_SHA512_ETM,
    mac::HMAC_SHA256,
    mac::HMAC_SHA512,
];

/// Types of host keys, in OpenSSH's order; no certificates, which would not compare equal to a plain key.
const HOST_KEYS: [Algorithm; 6] = [
    Algorithm::Ed25519,
    Algorithm::Ecdsa {
        curve: EcdsaCurve::NistP256,
    },
    Algorithm::Ecdsa {
        curve: EcdsaCurve::NistP384,
    },
    Algorithm::Ecdsa {
        curve: EcdsaCurve::NistP521,
    },
    Algorithm::Rsa {
        hash: Some(HashAlg::Sha512),
    },
    Algorithm::Rsa {
        hash: Some(HashAlg::Sha256),
    },
];

/// The algorithms to offer. Host keys of a type that `is_known` come first, so that a server with several does not look changed;
/// types are named as known_hosts files do.
pub(super) fn preferred(is_known: impl Fn(&str) -> bool) -> Preferred {
    let (mut host_keys, rest): (Vec<Algorithm>, Vec<Algorithm>) = HOST_KEYS
        .into_iter()
        .partition(|algorithm| is_known(key_type(algorithm)));
    host_keys.extend(rest);
    Preferred {
        kex: Cow::Borrowed(&KEY_EXCHANGES),
        key: Cow::Owned(host_keys),
        host_key_certificates: Cow::Borrowed(&[]),
        cipher: Cow::Borrowed(&CIPHERS),
        mac: Cow::Borrowed(&MACS),
        compression: Cow::Borrowed(&[compression::NONE]),
    }
}

/// The names of the key exchanges, ciphers and MACs, for another library to offer the same.
#[cfg(feature = "ssh2")]
pub(super) fn names() -> [Vec<&'static str>; 3] {
    [
        KEY_EXCHANGES.iter().map(AsRef::as_ref).collect(),
        CIPHERS.iter().map(AsRef::as_ref).collect(),
        MACS.iter().map(AsRef::as_ref).collect(),
    ]
}

/// The names of the types of host keys, those of a type that `is_known` first.
#[cfg(feature = "ssh2")]
pub(super) fn host_key_names(is_known: impl Fn(&str) -> bool) -> Vec<String> {
    let preferred = preferred(is_known);
    preferred.key.iter().map(ToString::to_string).collect()
}

/// RSA keys have one type and, since SHA-1 is gone, two ways to sign.
fn key_type(algorithm: &Algorithm) -> &str {
    match algorithm {
        Algorithm::Rsa { .. } => "ssh-rsa",
        other => other.as_str(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn host_keys(known: &[&str]) -> Vec<String> {
        let preferred = preferred(|key_type| known.contains(&key_type));
        preferred.key.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn known_types_come_first() {
        assert_eq!(host_keys(&[])[0], "ssh-ed25519");
        assert_eq!(
            host_keys(&["ssh-rsa", "ecdsa-sha2-nistp384"])[..4],
            [
                "ecdsa-sha2-nistp384",
                "rsa-sha2-512",
                "rsa-sha2-256",
                "ssh-ed25519"
            ]
        );
        assert_eq!(host_keys(&["ssh-rsa"]).len(), HOST_KEYS.len());
    }

    #[test]
    fn nothing_of_sha1_is_offered() {
        let preferred = preferred(|_| false);
        let names = preferred.kex.iter().map(AsRef::as_ref);
        let names = names.chain(preferred.mac.iter().map(AsRef::as_ref));
        let names = names.map(str::to_owned).chain(host_keys(&[]));
        for name in names {
            assert!(!name.ends_with("sha1") && name != "ssh-rsa", "{name}");
        }
    }
}
