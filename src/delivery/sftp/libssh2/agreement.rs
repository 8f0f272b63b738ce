//! The algorithms of both sides: those that libssh2 is told to offer, and those that the server offers, which libssh2 does not
//! tell.

use ssh2::{MethodType, Session};

use super::of;
use crate::delivery::sftp::algorithms;
use crate::delivery::sftp::error::printable;
use crate::delivery::sftp::packet::string;
use crate::delivery::sftp::ssh_error::{
    AlgorithmLists, SshError, algorithms as without_extensions,
};

/// `SSH_MSG_KEXINIT` (RFC 4253, section 7.1).
const KEXINIT: u8 = 20;
/// The length of a packet and of its padding, the message and its cookie.
const BEFORE_LISTS: usize = 4 + 1 + 1 + 16;
/// The longest packet that every implementation takes (RFC 4253, section 6.1).
const LONGEST_PACKET: usize = 35_000;

/// The algorithms of one side, by kind and direction: key exchange, host key, two of cipher, two of MAC.
type AlgorithmNames = [Vec<String>; 6];

/// The offer of a server.
pub(super) struct Offer(AlgorithmNames);

/// A handshake that failed, and the offer that it failed by.
pub(super) struct HandshakeFailure {
    pub(super) error: ssh2::Error,
    pub(super) offer: Option<Offer>,
}

/// Has the session offer those of our algorithms that libssh2 has, in its own order, which begins with its fastest cipher.
/// Host keys of a type that `is_known` come first.
pub(super) fn prefer(
    session: &Session,
    is_known: impl Fn(&str) -> bool,
) -> Result<AlgorithmNames, ssh2::Error> {
    let [kex, ciphers, macs] = algorithms::names();
    let choose = |method: MethodType, ours: &[&str]| {
        let supported = session.supported_algs(method)?;
        let chosen = supported.into_iter().filter(|name| ours.contains(name));
        Ok::<_, ssh2::Error>(chosen.map(str::to_owned).collect::<Vec<_>>())
    };
    let supported = session.supported_algs(MethodType::HostKey)?;
    let mut host_keys = algorithms::host_key_names(is_known);
    host_keys.retain(|name| supported.contains(&name.as_str()));
    let lists = [
        choose(MethodType::Kex, &kex)?,
        host_keys,
        choose(MethodType::CryptCs, &ciphers)?,
        choose(MethodType::CryptSc, &ciphers)?,
        choose(MethodType::MacCs, &macs)?,
        choose(MethodType::MacSc, &macs)?,
    ];
    let methods = [
        MethodType::Kex,
        MethodType::HostKey,
        MethodType::CryptCs,
        MethodType::CryptSc,
        MethodType::MacCs,
        MethodType::MacSc,
    ];
    for (method, list) in methods.into_iter().zip(&lists) {
        session.method_pref(method, &list.join(","))?;
    }
    Ok(lists)
}

impl Offer {
    /// The offer at the head of these bytes. Otherwise whether they are the beginning of one.
    pub(super) fn read(bytes: &[u8]) -> Result<Self, bool> {
        let Some((length, rest)) = bytes.split_first_chunk::<4>() else {
            return Err(!bytes.is_empty());
        };
        let length = usize::try_from(u32::from_be_bytes(*length)).unwrap_or(usize::MAX);
        if length > LONGEST_PACKET || rest.get(1).is_some_and(|&message| message != KEXINIT) {
            return Err(false);
        }
        if rest.len() < length {
            return Err(true);
        }
        let mut lists = bytes.get(BEFORE_LISTS..4 + length).ok_or(false)?;
        let mut offer = AlgorithmNames::default();
        for list in &mut offer {
            let names = String::from_utf8_lossy(string(&mut lists).ok_or(false)?);
            *list = names.split(',').map(str::to_owned).collect();
        }
        Ok(Self(offer))
    }
}

impl HandshakeFailure {
    /// The first kind of algorithm that the two sides do not have in common, or else the error of libssh2.
    pub(super) fn told(self, ours: &AlgorithmNames) -> SshError {
        let Some(Offer(theirs)) = &self.offer else {
            return of(&self.error);
        };
        let common = |kind: usize| ours[kind].iter().find(|name| theirs[kind].contains(name));
        let is_whole = |cipher: &String| cipher.contains("gcm") || cipher.contains("poly1305");
        for (kind, name) in [
            (0, "key exchange"),
            (1, "host key type"),
            (2, "cipher"),
            (3, "cipher"),
            (4, "MAC"),
            (5, "MAC"),
        ] {
            // A cipher that authenticates by itself needs no MAC.
            if common(kind).is_some() || kind >= 4 && common(kind - 2).is_some_and(is_whole) {
                continue;
            }
            return SshError::NothingInCommon {
                kind: name,
                lists: Box::new(AlgorithmLists {
                    offered: printable(&without_extensions(&theirs[kind]).join(", ")),
                    ours: ours[kind].join(", "),
                }),
            };
        }
        of(&self.error)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The packet of a server that offers one algorithm of each kind.
    fn packet(names: [&str; 6]) -> Vec<u8> {
        let mut payload = vec![KEXINIT];
        payload.extend([0; 16]);
        for name in names.into_iter().chain([""; 4]) {
            payload.extend(u32::try_from(name.len()).unwrap().to_be_bytes());
            payload.extend(name.as_bytes());
        }
        payload.extend([0; 5]);
        let length = u32::try_from(payload.len() + 5).unwrap().to_be_bytes();
        [&length[..], &[4], &payload, &[0; 4]].concat()
    }

    fn told(names: [&str; 6]) -> String {
        let session = Session::new().unwrap();
        let ours = prefer(&session, |_| false).unwrap();
        let offer = Offer::read(&packet(names)).ok();
        let error = ssh2::Error::unknown();
        HandshakeFailure { error, offer }.told(&ours).to_string()
    }

    #[test]
    fn the_kind_that_is_missing_is_named_with_both_lists() {
        let (kex, key) = (
            "curve25519-sha256,kex-strict-s-v00@openssh.com",
            "ssh-ed25519",
        );
        let (ctr, chacha) = ("aes256-ctr", "chacha20-poly1305@openssh.com");
        let mac = "hmac-sha2-256";
        for (names, words) in [
            (
                ["diffie-hellman-group1-sha1", key, ctr, ctr, mac, mac],
                "no key exchange in common; it offers diffie-hellman-group1-sha1, and here are ",
            ),
            (
                [kex, "ssh-rsa", ctr, ctr, mac, mac],
                "no host key type in common; it offers ssh-rsa, and here are ",
            ),
            (
                [kex, key, ctr, "3des-cbc", mac, mac],
                "no cipher in common; it offers 3des-cbc, and here are ",
            ),
            (
                [kex, key, ctr, chacha, "hmac-sha1", "hmac-sha1"],
                "no MAC in common; it offers hmac-sha1, and here are ",
            ),
            (
                [kex, key, chacha, chacha, "hmac-sha1", "hmac-sha1"],
                "the SSH connection failed: ",
            ),
        ] {
            let text = told(names);
            assert!(text.starts_with(words), "{text}");
        }
    }

    #[test]
    fn nothing_of_sha1_is_offered_and_known_types_of_host_keys_come_first() {
        let session = Session::new().unwrap();
        let lists = prefer(&session, |key_type| key_type == "ssh-rsa").unwrap();
        for list in &lists {
            assert!(!list.is_empty());
            for name in list {
                assert!(!name.contains("sha1") && name != "ssh-rsa", "{name}");
                assert!(!name.contains("-cert-") && !name.contains("cbc"), "{name}");
            }
        }
        assert_eq!(lists[1][..2], ["rsa-sha2-512", "rsa-sha2-256"]);
        assert_eq!(lists[2][0], "chacha20-poly1305@openssh.com");
    }

    #[test]
    fn a_part_of_an_offer_is_told_from_what_is_none() {
        let whole = packet(["a", "b", "c", "d", "e", "f"]);
        assert!(Offer::read(&whole).is_ok());
        assert!(Offer::read(&[&whole[..], b"more"].concat()).is_ok());
        for end in 1..whole.len() {
            assert_eq!(Offer::read(&whole[..end]).err(), Some(true), "{end}");
        }
        for other in [&b""[..], b"SSH-2.0-x", b"\0\0\0\x08\x04\x15\0\0\0\0"] {
            assert_eq!(Offer::read(other).err(), Some(false));
        }
    }

    proptest::proptest! {
        #[test]
        fn no_bytes_make_it_panic(bytes in proptest::collection::vec(proptest::prelude::any::<u8>(), 0..200)) {
            let _ = Offer::read(&[&[0, 0, 0, 150, 4, KEXINIT], &bytes[..]].concat());
        }
    }
}
