//! The container image, where no container engine can fetch one: the Containerfile is checked by hadolint, and the root of the
//! image is made by the same script, and entered as a container engine would do it.
#![allow(clippy::unwrap_used, reason = "the helpers of tests may panic as well")]

use std::io::{BufRead as _, BufReader, Read as _};
use std::net::TcpListener;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};

use rustix::process::{Pid, Signal, kill_process};

use crate::support::engines;

/// The user of the image.
const USER: u32 = 65532;
const HOME: &str = "/var/lib/klaviyo-export";

/// The script of a container engine: a root that is read-only with a volume in it, a user, and a program that is process 1.
const ENTER: &str = r#"set -eu
root=$1
shift
mount --bind "$root" "$root"
mount --bind "$root.state" "$root/var/lib/klaviyo-export"
mount -t proc proc "$root/proc"
mount -o remount,bind,ro "$root"
exec chroot --userspec=65532:65532 "$root" /usr/bin/klaviyo-export "$@""#;

fn repository() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// The root of the image, in a folder that goes when the test ends.
struct Image(tempfile::TempDir);

impl Image {
    fn new() -> Self {
        assert!(
            rustix::process::geteuid().is_root(),
            "this test enters another root folder, and needs root for it"
        );
        let folder = tempfile::tempdir().unwrap();
        let made = Command::new(repository().join("packaging/container-root"))
            .arg(env!("CARGO_BIN_EXE_klaviyo-export"))
            .arg(folder.path().join("image"))
            .output()
            .unwrap();
        assert!(made.status.success() && made.stderr.is_empty(), "{made:?}");
        let image = Self(folder);
        // The second COPY of the Containerfile, and what a container engine adds.
        let state = image.0.path().join("image/state/klaviyo-export");
        std::os::unix::fs::chown(&state, Some(USER), Some(USER)).unwrap();
        std::fs::rename(state, image.0.path().join("image/root.state")).unwrap();
        for name in ["proc", &HOME[1..]] {
            std::fs::create_dir_all(image.path(name)).unwrap();
        }
        image
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join("image/root").join(name)
    }

    fn volume(&self, name: &str) -> PathBuf {
        self.0.path().join("image/root.state").join(name)
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new("unshare");
        command
            .args(["--mount", "--pid", "--fork", "--kill-child", "bash", "-c"])
            .args([ENTER, "enter"])
            .arg(self.0.path().join("image/root"))
            .args(arguments)
            .env_clear()
            .env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin")
            .env("HOME", HOME)
            .env("KLAVIYO_EXPORT_STATE_DIR", HOME)
            .env("KLAVIYO_EXPORT_LOOPBACK_ONLY", "1")
            .stdin(Stdio::null());
        command
    }

    fn run(&self, arguments: &[&str]) -> Output {
        self.command(arguments).output().unwrap()
    }
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// The findings of hadolint in a Containerfile.
fn findings(containerfile: &Path) -> String {
    let output = Command::new(engines::reader("hadolint"))
        .arg("--no-color")
        .arg(containerfile)
        .output()
        .unwrap();
    assert_eq!(
        output.status.success(),
        output.stdout.is_empty(),
        "{output:?}"
    );
    text(&output.stdout)
}

#[test]
fn the_containerfile_has_no_finding_of_hadolint() {
    let file = repository().join("packaging/Containerfile");
    assert_eq!(findings(&file), "");
    // It would find something.
    let folder = tempfile::tempdir().unwrap();
    let worse = folder.path().join("Containerfile");
    let lines = std::fs::read_to_string(file).unwrap();
    std::fs::write(&worse, lines.replace("CMD [\"--help\"]", "CMD --help")).unwrap();
    assert!(findings(&worse).contains("DL3025"));
}

#[test]
fn the_program_runs_in_the_image_as_nobody_and_writes_into_the_volume_alone() {
    let image = Image::new();
    let demo = image.run(&["demo", "--directory", &format!("{HOME}/demo")]);
    assert!(demo.status.success(), "{demo:?}");
    assert!(text(&demo.stdout).contains("delivered  1 of 1 part"));
    let made = image.volume("demo/sandbox/profiles").metadata().unwrap();
    assert_eq!((made.uid(), made.gid()), (USER, USER));
    let refused = image.run(&["demo", "--directory", "/srv"]);
    assert!(
        text(&refused.stderr).contains("Read-only file system"),
        "{refused:?}"
    );
}

#[test]
fn a_secret_that_root_gives_to_the_group_of_the_user_is_taken_and_one_for_all_is_not() {
    let image = Image::new();
    let secrets = image.path("run/secrets");
    for folder in [&secrets, &image.path("srv")] {
        std::fs::create_dir_all(folder).unwrap();
    }
    let key = secrets.join("private-key");
    let made = Command::new("ssh-keygen")
        .args(["-q", "-N", "", "-t", "ed25519", "-f"])
        .arg(&key)
        .status();
    assert!(made.unwrap().success());
    std::fs::write(image.path("srv/a.csv"), "email\nzoe@example.com\n").unwrap();
    let job = "name = \"vip\"\n[audience]\nfiles = [\"a.csv\"]\n[columns]\nemail = \"Email\"\n\
               [sftp]\nhost = \"127.0.0.1\"\nusername = \"u\"\n";
    std::fs::write(image.path("srv/vip.toml"), job).unwrap();
    for (group, mode, code, says) in [
        (
            USER,
            0o440,
            0,
            "ok       key         /run/secrets/private-key",
        ),
        (USER, 0o444, 13, "can be read by others (mode 0444)"),
        (0, 0o440, 13, "Permission denied"),
    ] {
        std::os::unix::fs::chown(&key, Some(0), Some(group)).unwrap();
        std::fs::set_permissions(&key, std::fs::Permissions::from_mode(mode)).unwrap();
        let checked = image
            .command(&["check", "--offline", "/srv/vip.toml"])
            .env("CREDENTIALS_DIRECTORY", "/run/secrets")
            .output()
            .unwrap();
        let found = text(&checked.stdout);
        assert_eq!(checked.status.code(), Some(code), "{mode:o}: {found}");
        assert!(found.contains(says), "{mode:o}: {found}");
    }
}

#[test]
fn the_image_has_no_shell_and_nothing_that_another_user_could_change() {
    let image = Image::new();
    let mut folders = vec![image.path("")];
    let mut programs = Vec::new();
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            let about = path.symlink_metadata().unwrap();
            if about.is_symlink() {
                continue;
            }
            let mode = about.permissions().mode();
            let is_open = path == image.path("tmp");
            assert!(
                is_open || mode & 0o6022 == 0,
                "{}: {mode:o}",
                path.display()
            );
            assert_eq!((about.uid(), about.gid()), (0, 0), "{}", path.display());
            if about.is_dir() {
                folders.push(path);
            } else if mode & 0o111 != 0 && !path.to_string_lossy().contains("/lib") {
                programs.push(path);
            }
        }
    }
    assert_eq!(programs, [image.path("usr/bin/klaviyo-export")]);
    let certificates = std::fs::read_to_string(image.path("etc/ssl/certs/ca-certificates.crt"));
    assert!(certificates.unwrap().contains("BEGIN CERTIFICATE"));
    for package in ["libc6", "libgcc-s1", "libstdc++6", "ca-certificates"] {
        let known = std::fs::read_to_string(image.path("var/lib/dpkg/status.d").join(package));
        assert!(known.unwrap().contains("\nVersion: "), "{package}");
    }
}

#[test]
fn a_driver_that_is_mounted_into_the_image_is_loaded() {
    let image = Image::new();
    let driver = image.path("etc/adbc/drivers/libduckdb.so");
    std::fs::copy(engines::duckdb(), &driver).unwrap();
    std::fs::set_permissions(&driver, std::fs::Permissions::from_mode(0o644)).unwrap();
    let job = "name = \"vip\"\n[audience]\nquery = \"SELECT 'zoe@example.com' AS email\"\n[audience.adbc]\ndriver = \"duckdb\"\n[columns]\nemail = \"Email\"\n";
    let path = image.path("etc/klaviyo-export/vip.toml");
    std::fs::write(&path, job).unwrap();
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o644)).unwrap();
    let run = image.run(&["run", "/etc/klaviyo-export/vip.toml", "--dry-run"]);
    assert!(run.status.success(), "{run:?}");
    assert!(text(&run.stdout).contains("written    1 row"), "{run:?}");
}

/// The process that `unshare` has started: the program, which calls itself process 1.
fn child_of(unshare: &Child) -> Pid {
    let id = unshare.id();
    let path = format!("/proc/{id}/task/{id}/children");
    let children = std::fs::read_to_string(path).unwrap();
    let child = children.split_whitespace().next().unwrap();
    Pid::from_raw(child.parse().unwrap()).unwrap()
}

#[test]
fn the_signal_of_a_container_engine_ends_the_program_though_it_is_process_1() {
    let image = Image::new();
    // A server that says nothing.
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = silent.local_addr().unwrap().port();
    let write = |name: &str, text: &str| {
        let path = image.volume(name);
        std::fs::write(&path, text).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).unwrap();
        std::os::unix::fs::chown(&path, Some(USER), Some(USER)).unwrap();
    };
    write("a.csv", "email\nzoe@example.com\n");
    let made = image.run(&["keygen", &format!("{HOME}/key")]);
    assert!(made.status.success(), "{made:?}");
    write(
        "vip.toml",
        &format!(
            "name = \"vip\"\n[audience]\nfiles = [\"a.csv\"]\n[columns]\nemail = \"Email\"\n[sftp]\nhost = \"127.0.0.1\"\nport = {port}\nusername = \"ana\"\nprivate-key = \"{HOME}/key\"\nconnect-timeout = \"60s\"\n"
        ),
    );
    let mut child = image
        .command(&["run", &format!("{HOME}/vip.toml"), "--json"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    // The server is reached: the program has its signals, and waits.
    let (_connection, _) = silent.accept().unwrap();
    kill_process(child_of(&child), Signal::TERM).unwrap();
    let status = child.wait().unwrap();
    let mut said = String::new();
    let mut lines = BufReader::new(child.stderr.take().unwrap());
    lines.read_line(&mut said).unwrap();
    lines.read_to_string(&mut said).unwrap();
    assert_eq!(status.code(), Some(143), "{said}");
}
