//! Packages: what is packed is there, goes where it belongs, and can be read by what reads it.
#![allow(clippy::unwrap_used, reason = "the helpers of tests may panic as well")]

use std::collections::BTreeMap;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

const CRON: &str = include_str!("../../packaging/klaviyo-export.cron");
const SERVICE: &str = include_str!("../../packaging/klaviyo-export@.service");
const SYSUSERS: &str = include_str!("../../packaging/klaviyo-export.sysusers");
const SCRIPT: &str = include_str!("../../packaging/build-deb");

/// Source, target and mode of each asset of the Debian package.
fn assets() -> Vec<[String; 3]> {
    let text = include_str!("../../Cargo.toml");
    let manifest: toml::Table = toml::from_str(text).unwrap();
    let deb = &manifest["package"]["metadata"]["deb"];
    let assets = deb["assets"].as_array().unwrap().iter();
    assets
        .map(|asset| asset.clone().try_into().unwrap())
        .collect()
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Whether a path names a file, or one like `docs/*.md` names some.
fn names_files(source: &str) -> bool {
    match source.split_once("/*") {
        None => root().join(source).is_file(),
        Some((folder, end)) => std::fs::read_dir(root().join(folder))
            .unwrap()
            .any(|entry| {
                let name = entry.unwrap().file_name();
                name.to_str().unwrap().ends_with(end)
            }),
    }
}

#[test]
fn every_asset_of_the_debian_package_is_there_or_is_made_by_its_script() {
    let mut targets = BTreeMap::new();
    for [source, target, mode] in assets() {
        match source.strip_prefix("target/release/") {
            Some("klaviyo-export") => assert_eq!(mode, "755"),
            Some(made) => {
                let folder = made.split('/').next().unwrap();
                assert!(SCRIPT.contains(&format!("$release/{folder}")), "{source}");
            }
            None => {
                assert!(names_files(&source), "{source}");
                let is_script = source.ends_with("/nightly");
                assert_eq!(mode, if is_script { "755" } else { "644" });
            }
        }
        assert!(target.starts_with("usr/"), "{target}");
        targets.insert(source, target);
    }
    for unit in ["klaviyo-export@.service", "klaviyo-export@.timer"] {
        assert_eq!(
            targets[&format!("packaging/{unit}")],
            "usr/lib/systemd/system/"
        );
    }
    for name in std::fs::read_dir(root().join("packaging")).unwrap() {
        let name = name.unwrap().file_name().into_string().unwrap();
        let is_packed = targets.contains_key(&format!("packaging/{name}"));
        assert!(
            is_packed
                || [
                    "Containerfile",
                    "build-deb",
                    "build-static",
                    "container-root",
                    "debian"
                ]
                .contains(&name.as_str()),
            "{name}"
        );
    }
}

#[test]
fn scripts_can_be_run() {
    for name in [
        "build-deb",
        "build-static",
        "container-root",
        "debian/postinst",
    ] {
        let path = root().join("packaging").join(name);
        assert_eq!(path.metadata().unwrap().permissions().mode() & 0o111, 0o111);
        let checked = std::process::Command::new("bash")
            .arg("-n")
            .arg(&path)
            .output();
        let checked = checked.unwrap();
        assert!(
            checked.status.success() && checked.stderr.is_empty(),
            "{checked:?}"
        );
    }
}

#[test]
fn the_line_for_cron_has_five_times_a_user_and_a_command() {
    let lines: Vec<&str> = CRON.lines().filter(|line| !line.starts_with('#')).collect();
    let [line] = lines[..] else {
        panic!("{lines:?}")
    };
    assert!(
        CRON.ends_with('\n'),
        "cron passes over a line that does not end"
    );
    let mut fields = line.split(' ');
    for most in [59, 23, 31, 12, 7] {
        let field = fields.next().unwrap();
        assert!(
            field == "*" || field.parse::<u32>().is_ok_and(|time| time <= most),
            "{field}"
        );
    }
    assert_eq!(fields.next(), Some("klaviyo-export"));
    assert!(
        fields.next().unwrap().starts_with('/'),
        "the path of cron is short"
    );
    // A percent sign would be a line end.
    assert!(!line.contains('%'));
}

#[test]
fn the_user_of_the_service_is_made_by_sysusers() {
    let user = SERVICE
        .lines()
        .find_map(|line| line.strip_prefix("User="))
        .unwrap();
    let line = SYSUSERS
        .lines()
        .find(|line| !line.starts_with('#'))
        .unwrap();
    assert!(line.starts_with(&format!("u {user} - ")), "{line}");
}

#[test]
fn the_image_has_the_version_the_rust_and_the_user_that_are_written_elsewhere() {
    const IMAGE: &str = include_str!("../../packaging/Containerfile");
    const ROOT: &str = include_str!("../../packaging/container-root");
    let assigned = |name: &str| {
        let start = format!("{name}=");
        ROOT.lines()
            .find_map(|line| line.strip_prefix(&start))
            .unwrap()
    };
    let (user, home) = (assigned("user"), assigned("home"));
    let rust = env!("CARGO_PKG_RUST_VERSION");
    for line in [
        format!("ARG VERSION={}", env!("CARGO_PKG_VERSION")),
        format!("ARG RUST_IMAGE=docker.io/library/rust:{rust}-slim-trixie"),
        format!("USER {user}:{user}"),
        format!("VOLUME [\"{home}\"]"),
        format!("WORKDIR {home}"),
        format!("ENV HOME={home} \\\n    KLAVIYO_EXPORT_STATE_DIR={home}"),
        format!("COPY --from=build --chown={user}:{user} /image/state/ /var/lib/"),
    ] {
        assert!(IMAGE.contains(&format!("\n{line}\n")), "{line}");
    }
}
