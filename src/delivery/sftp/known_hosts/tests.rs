//! The table of `known_hosts` contents that the readers of SSH libraries get wrong, and more of the kind.

use proptest::prelude::*;

use super::*;

const ED: &str = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAILLUrOrrMQuPDe8m5TzdBDU7jxRVDLML6xdC7RKmFkVV";
const ECDSA: &str = "ecdsa-sha2-nistp256 AAAAE2VjZHNhLXNoYTItbmlzdHAyNTYAAAAIbmlzdHAyNTYAAABBBFNJjD7EJng8hcK6a9kxOXokCKW8vjGaqKqyuGw1qf3Znyv0++X2LAkLY5kW02B8wkaJ5Wa9jCmb7D6YfU0mh80=";

fn blob(key: &str) -> Vec<u8> {
    STANDARD.decode(key.split(' ').nth(1).unwrap()).unwrap()
}

fn known(text: &str) -> KnownHosts {
    let mut known = KnownHosts::default();
    let host = HostNames::new("h", 2222);
    known.add_file(Path::new("kh"), text.as_bytes(), &host);
    known
}

fn verdict(text: &str) -> String {
    match known(text).verdict(&blob(ED)) {
        KeyVerdict::Known(_) => "known".into(),
        KeyVerdict::Unknown => "unknown".into(),
        KeyVerdict::Changed(entry) => format!("changed:{}", entry.place.1),
        KeyVerdict::Revoked(entry) => format!("revoked:{}", entry.place.1),
    }
}

#[test]
fn files_are_judged_as_openssh_judges_them() {
    let long = format!("h {}\n[h]:2222 {ED}\n", "x".repeat(MAX_LINE_BYTES));
    let cases = [
        (String::new(), "unknown"),
        (format!("[h]:2222 {ED}\n"), "known"),
        (format!("[h]:2222 {ED}"), "known"),
        (format!("[h]:2222 {ED} a comment\n"), "known"),
        (format!("  \t[h]:2222\t {ED}\n"), "known"),
        (
            format!("# text\r\n\r\n[h]:2222 {ED}\r\nother {ECDSA}\r\n"),
            "known",
        ),
        (format!("[h]:2222 {ECDSA}\n"), "changed:1"),
        (format!("[h]:2222 {ECDSA}\n[h]:2222 {ED}\n"), "known"),
        // Without the port: may say yes, never "changed".
        (format!("h {ED}\n"), "known"),
        (format!("h {ECDSA}\n"), "unknown"),
        (format!("h {ED}\n[h]:2222 {ECDSA}\n"), "changed:2"),
        (format!("[h]:22 {ED}\n"), "unknown"),
        (format!("x,[h]:2222,y {ED}\n"), "known"),
        (format!("[?]:2222 {ED}\n"), "known"),
        (format!("*,![h]:2222 {ED}\n"), "known"), // the plain name still matches
        (format!("*,![h]:2222,!h {ED}\n"), "unknown"),
        (format!("@revoked * {ED}\n[h]:2222 {ED}\n"), "revoked:1"),
        (format!("[h]:2222 {ED}\n@revoked h {ED}\n"), "revoked:2"),
        (format!("[h]:2222 {ED}\n@revoked h {ECDSA}\n"), "known"),
        (format!("@revoked h {ECDSA}\n"), "unknown"),
        (format!("@cert-authority * {ED}\n"), "unknown"),
        (format!("@strange * {ED}\n[h]:2222 {ED}\n"), "known"),
        (
            format!("broken\n[h]:2222 ssh-ed25519 !!!\n[h]:2222 {ED}\n"),
            "known",
        ),
        (
            format!("[h]:2222 1024 35 1234567890\n[h]:2222 {ED}\n"),
            "known",
        ),
        (
            format!("[h]:2222 ssh-new AAAAB3NzaC1kc3MA\n[h]:2222 {ED}\n"),
            "known",
        ),
        (long, "known"),
    ];
    for (text, expected) in cases {
        assert_eq!(verdict(&text), expected, "{}", &text[..text.len().min(200)]);
    }
}

#[test]
fn counts_what_it_skips() {
    let known = known(&format!(
        "junk\n@revoked\nh ssh-ed25519 AAAA\n@cert-authority h {ED}\n@cert-authority other {ED}\n"
    ));
    assert_eq!(known.skipped_lines, 3);
    assert_eq!(known.certificate_authorities, 1);
}

#[test]
fn types_come_from_the_lines_that_count() {
    let known = known(&format!("h {ED}\n[h]:2222 {ECDSA}\n@revoked h {ED}\n"));
    assert!(known.has_type("ecdsa-sha2-nistp256") && !known.has_type("ssh-ed25519"));
}

#[test]
fn a_missing_file_is_empty_and_an_unreadable_one_an_error() {
    let home = tempfile::tempdir().unwrap();
    let host = HostNames::new("h", 22);
    let missing = [
        home.path().join("none"),
        PathBuf::from("/dev/null/x"),
        PathBuf::from("/dev/null"),
    ];
    assert!(KnownHosts::read(&missing, &host).is_ok());
    let directory = [home.path().to_path_buf()];
    assert!(KnownHosts::read(&directory, &host).is_err());
}

#[test]
fn the_line_for_a_key_makes_it_known() {
    let line = line_for(&HostNames::new("H", 2222), &blob(ED));
    assert_eq!(line, format!("[h]:2222 {ED}"));
    assert_eq!(verdict(&line), "known");
    assert_eq!(
        line_for(&HostNames::new("h", 22), &blob(ED)),
        format!("h {ED}")
    );
}

proptest! {
    #[test]
    fn no_file_makes_the_reader_panic(text in proptest::collection::vec(any::<u8>(), 0..400)) {
        let mut known = KnownHosts::default();
        known.add_file(Path::new("kh"), &text, &HostNames::new("h", 2222));
        known.verdict(&text);
    }

    #[test]
    fn no_line_makes_the_reader_panic(
        marker in "(@revoked |@cert-authority |@| )?",
        names in r"(\|1\|[a-zA-Z0-9+/=]{0,8}\|?[a-zA-Z0-9+/=]{0,8}|[\[\]h*?!,:0-9]{0,12})",
        rest in "[ \t]?(ssh-ed25519)?[ \t]?[A-Za-z0-9+/=]{0,24}\r?",
        good_line_after in any::<bool>(),
    ) {
        let line = format!("{marker}{names}{rest}\n[h]:2222 {}\n", if good_line_after { ED } else { "" });
        let known = known(&line);
        prop_assert!(known.has_type("ssh-ed25519") || !good_line_after);
        known.verdict(&blob(ED));
    }

    #[test]
    fn no_key_makes_the_type_reader_panic(key in proptest::collection::vec(any::<u8>(), 0..40)) {
        key_type_of(&key);
    }
}
