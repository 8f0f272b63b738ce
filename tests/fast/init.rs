//! `init`: the job file that it prints is read by the job reader, and runs.
#![cfg(feature = "sandbox")]
#![allow(clippy::unwrap_used, reason = "the helpers of tests may panic as well")]

use crate::support::workspace;
use klaviyo_export::job::file::{Deliver, JobFile};
use workspace::{Outcome, Workspace, column, join};

/// Prints a job file, and puts it where the message says.
#[track_caller]
fn init(workspace: &Workspace, arguments: &[&str], job: &str) -> (Outcome, JobFile) {
    let outcome = workspace.run(&[&["init"], arguments].concat()).exits(0);
    workspace.write(job, &outcome.stdout);
    let file = JobFile::parse(&outcome.stdout)
        .unwrap_or_else(|error| panic!("{error}\n{}", outcome.stdout));
    (outcome, file)
}

const CRM: &str = "Customer ID,E-Mail,Mobile No,First Name,Land,Tier,SMS Opt-In,Mail 2\n\
    7,Zoe@Example.com,(650) 253-0000,Zoe,United States,gold,yes,\n\
    8,yan@example.com,,Yan,,silver,no,x@example.com\n";

/// A name with a variable in it is a name: the job file that is written does not fill it in.
#[test]
fn a_file_name_that_looks_like_a_variable_is_kept() {
    let workspace = Workspace::with(&[("a${HOME}.csv", "email\nzoe@example.com\n")]);
    workspace
        .run(&["init", "a${HOME}.csv", "--name", "vip", "-o", "vip.toml"])
        .exits(0);
    let outcome = workspace.run(&["preview", "vip.toml"]).exits(0);
    assert!(
        outcome.stdout.contains("a${HOME}.csv"),
        "{}",
        outcome.stdout
    );
}

#[test]
fn the_whole_file_is_as_it_was() {
    let workspace = Workspace::with(&[("crm.csv", CRM)]);
    let (outcome, _) = init(&workspace, &["crm.csv"], "crm.toml");
    insta::assert_snapshot!("init", outcome.stdout);
    assert_eq!(
        outcome.stderr,
        "note: `SMS Opt-In` looks like consent and is left out\n\
         note: fill in username: Klaviyo shows it under Integrations, Manage sources, Import via SFTP\n\
         next: klaviyo-export init crm.csv -o crm.toml\n"
    );
    for folder in ["state", "home"] {
        assert_eq!(
            std::fs::read_dir(workspace.path(folder)).unwrap().count(),
            0
        );
    }
}

#[test]
fn it_runs_as_it_is_but_for_the_user_name() {
    let workspace = Workspace::with(&[("crm.csv", CRM)]);
    init(&workspace, &["crm.csv"], "crm.toml");
    workspace.run(&["preview", "crm.toml"]).exits(0);
    workspace.run(&["run", "crm.toml", "--dry-run"]).exits(0);
    let part = workspace.parts("crm")[0].clone();
    assert_eq!(
        part.lines().take(2).collect::<Vec<_>>(),
        [
            "Email,PhoneNumber,ExternalID,FirstName,Country",
            "\"zoe@example.com\",\"+16502530000\",\"7\",Zoe,United States"
        ]
    );
    let refused = workspace.run(&["run", "crm.toml"]).exits(10);
    assert_eq!(
        refused.error(),
        "`sftp.username` is not filled in; Klaviyo shows it under Integrations, Manage sources, Import via SFTP, once a key is added there"
    );
    assert!(refused.hint().contains("run the same command again"));
}

/// Headers that TOML, CSV or a person would stumble over.
const ODD: &str = "\"E-Mail, \"\"private\"\"\",back\\slash,it's,Größe,\"two\nlines\",dot.ted,日本,= x # y,'''\"\"\"\"\"\"\"\",Stufe,Stufe,,\u{85}\u{202e}turned,email 2\n";
const ODD_ROW: &str = "zoe@example.com,1,2,3,4,5,6,7,8,9,10,11,12,13\n";

#[test]
fn odd_headers_are_delivered_to_a_server_that_flags_name() {
    for (keep, columns) in [(&[][..], 1), (&["--keep-unlisted"][..], 11)] {
        let workspace = Workspace::with(&[("odd one.csv", &format!("{ODD}{ODD_ROW}"))]);
        let server = workspace.server();
        let flags = server.flags();
        let own = [
            &[
                "odd one.csv",
                "--default-region",
                "DE",
                "--map",
                "E-Mail, \"private\"=Email",
                "--name",
                "odd",
            ],
            keep,
        ]
        .concat();
        let (outcome, file) = init(&workspace, &join(&own, &flags), "odd.toml");
        assert!(
            outcome
                .stderr
                .contains("note: `Stufe#2` is one of several columns with this name and is not sent; to send it: --map 'Stufe#2=HEADER'\n")
        );
        assert_eq!(file.normalize.default_region.as_deref(), Some("DE"));
        workspace.run(&["preview", "odd.toml"]).exits(0);
        workspace.run(&["run", "odd.toml"]).exits(0);
        let received = server.received();
        assert_eq!(column(&received[0], "Email"), ["zoe@example.com"]);
        let header = received[0].lines().next().unwrap().to_owned();
        assert_eq!(header.split(',').count(), columns, "{header}");
    }
}

#[test]
fn a_line_that_loses_its_mark_is_a_column_that_is_sent() {
    let workspace = Workspace::with(&[("odd.csv", &format!("{ODD}{ODD_ROW}")), ("crm.csv", CRM)]);
    for (file, own, sent) in [
        ("odd.csv", &["--map", "E-Mail, \"private\"=Email"][..], 13),
        ("crm.csv", &["--allow-consent", "SMS Opt-In"], 8),
    ] {
        let (outcome, _) = init(&workspace, &[&[file], own].concat(), "x.toml");
        let is_idle = |line: &&str| {
            line.starts_with("# ") && line.contains(" = \"") && !line.starts_with("# See")
        };
        let section = outcome.stdout.split("[normalize]").next().unwrap();
        let idle = section.lines().filter(is_idle).count();
        assert!(idle > 1, "{section}");
        let text: String = outcome
            .stdout
            .split_inclusive('\n')
            .map(|line| match line.strip_prefix("# ") {
                Some(rest) if section.contains(line) && is_idle(&line) => rest,
                _ => line,
            })
            .collect();
        workspace.write("all.toml", &text);
        let outcome = workspace.run(&["preview", "all.toml", "--json"]).exits(0);
        let preview: serde_json::Value = serde_json::from_str(&outcome.stdout).unwrap();
        assert_eq!(preview["columns"].as_array().unwrap().len(), sent, "{text}");
    }
}

#[test]
fn the_file_tells_its_encoding_and_its_delimiter() {
    let text = "E-Mail;Prénom;Ville\nzoe@example.com;Zoé;Orléans\ny@example.com;Léa;Nîmes\nx@example.com;Aimé;Sète\n";
    let latin = |text: &str| encoding_rs::WINDOWS_1252.encode(text).0.into_owned();
    let wide = |text: &str| {
        text.encode_utf16()
            .flat_map(u16::to_le_bytes)
            .collect::<Vec<u8>>()
    };
    for (name, bytes, delimiter, encoding, format) in [
        ("plain.csv", text.replace(';', ",").into_bytes(), None, None, None),
        ("bom.csv", format!("\u{feff}{text}").into_bytes(), Some(";"), None, None),
        ("latin.csv", latin(text), Some(";"), Some("windows-1252"), None),
        ("below.csv", latin(&text.replace("Prénom", "Prenom")), Some(";"), Some("windows-1252"), None),
        ("comma.csv", latin(&text.replace(';', ",")), None, Some("windows-1252"), None),
        ("wide.csv", wide(&format!("\u{feff}{text}")), Some(";"), Some("utf-16le"), None),
        ("bare.csv", wide(text), Some(";"), Some("utf-16le"), None),
        ("tabs.txt", wide(&text.replace(';', "\t")), Some("\t"), Some("utf-16le"), None),
        ("pipes.txt", text.replace(';', "|").into_bytes(), Some("|"), None, None),
        ("tabs.tsv", text.replace(';', "\t").into_bytes(), None, None, None),
        ("lines.json", b"{\"E-Mail\":\"zoe@example.com\",\"Pr\xc3\xa9nom\":\"Zo\xc3\xa9\",\"Ville\":\"Orl\xc3\xa9ans\"}\n".to_vec(), None, None, Some("ndjson")),
    ] {
        let workspace = Workspace::new();
        workspace.write(name, &bytes);
        let (_, file) = init(&workspace, &[name, "--name", "x", "--country-column", "Ville"], "x.toml");
        let audience = &file.audience;
        assert_eq!(
            (audience.delimiter.as_deref(), audience.encoding.as_deref(), audience.format.as_deref()),
            (delimiter, encoding, format),
            "{name}"
        );
        workspace.run(&["run", "x.toml", "--dry-run"]).exits(0);
        let first = workspace.parts("x")[0].clone();
        assert_eq!(column(&first, "FirstName")[0], "Zoé", "{name}");

        let piped = workspace.run_with_stdin(&["init", "-"], &bytes);
        let kind = if name == "tabs.tsv" { 12 } else { 0 };
        if kind == 0 {
            let file = JobFile::parse(&piped.exits(0).stdout).unwrap();
            assert_eq!((file.name.as_str(), &file.audience.files[..]), ("audience", &["-".to_owned()][..]));
        }
    }
}

#[test]
fn standard_input_is_run_from_the_file_that_it_made() {
    let workspace = Workspace::new();
    let printed = workspace
        .run_with_stdin(&["init", "-", "--name", "crm"], CRM.as_bytes())
        .exits(0);
    assert!(
        printed
            .next()
            .ends_with("| klaviyo-export init - --name crm -o crm.toml")
    );
    workspace.write("crm.toml", &printed.stdout);
    workspace
        .run_with_stdin(&["run", "crm.toml", "--dry-run"], CRM.as_bytes())
        .exits(0);
    assert_eq!(
        column(&workspace.parts("crm")[0], "FirstName"),
        ["Zoe", "Yan"]
    );
}

#[test]
fn no_value_of_the_file_is_printed() {
    let workspace = Workspace::with(&[("crm.csv", CRM)]);
    let outcome = workspace.run(&["init", "crm.csv", "-vv"]).exits(0);
    let said = format!("{}{}", outcome.stdout, outcome.stderr);
    for value in [
        "xample.com",
        "650",
        "Zoe",
        "Yan",
        "United",
        "gold",
        "silver",
        "yes",
    ] {
        assert!(!said.contains(value), "{value}:\n{said}");
    }
}

#[test]
fn what_cannot_be_guessed_is_asked_for() {
    let workspace = Workspace::with(&[
        ("city.csv", "city,tier\nx,y\n"),
        ("mail.csv", "city,Kontakt\nx,zoe@example.com\n"),
        ("crm.csv", CRM),
    ]);
    let refused = workspace.run(&["init", "city.csv"]).exits(10);
    assert_eq!(
        refused.next(),
        "klaviyo-export init city.csv --map 'COLUMN=Email'"
    );
    let (outcome, file) = init(&workspace, &["mail.csv"], "mail.toml");
    assert!(
        outcome
            .stderr
            .starts_with("note: `Kontakt` holds e-mail addresses and becomes Email\n")
    );
    assert_eq!(file.columns["Kontakt"].names(), ["Email"]);
    for command in ["preview", "send"] {
        let refused = workspace.run(
            &[command, "mail.csv", "--to", "sftp://a@127.0.0.1", "--agent"]
                [..if command == "send" { 5 } else { 2 }],
        );
        assert_eq!(
            refused.error(),
            "mail.csv: no column looks like Email, PhoneNumber or ExternalID; name one with --map SRC=Email (`Kontakt` holds e-mail addresses)"
        );
        assert!(refused.next().ends_with(" --map 'Kontakt=Email'"));
    }
    for (map, code, error) in [
        (
            "Tier=email",
            10,
            "column `Tier`: header \"email\" is not how Klaviyo spells it: write \"Email\"",
        ),
        (
            "Teir=Tier",
            12,
            "crm.csv: has no column `Teir`; did you mean `Tier`?",
        ),
    ] {
        let refused = workspace
            .run(&["init", "crm.csv", "--map", map])
            .exits(code);
        assert_eq!((refused.error(), refused.stdout.as_str()), (error, ""));
    }
}

#[test]
fn the_flags_of_the_list_and_the_api_are_written() {
    let workspace = Workspace::with(&[("crm.csv", CRM)]);
    let flags = [
        "crm.csv",
        "--via",
        "api",
        "--list",
        "My \"VIP\"",
        "--api-key-file",
        "key",
        "--api-url",
        "http://127.0.0.1:9",
    ];
    let (outcome, file) = init(&workspace, &flags, "crm.toml");
    let list = file.list.unwrap();
    assert_eq!(list.name.as_deref(), Some("My \"VIP\""));
    assert!(!list.create);
    assert_eq!(file.klaviyo.deliver, Deliver::Api);
    assert_eq!(file.klaviyo.api_key_file.as_deref(), Some("key"));
    assert_eq!(file.klaviyo.base_url, "http://127.0.0.1:9");
    // Without a server, no user name is to be filled in.
    assert!(!outcome.stdout.contains("[sftp]"), "{}", outcome.stdout);
    assert!(!outcome.stderr.contains("username"), "{}", outcome.stderr);
    let (_, file) = init(
        &workspace,
        &["crm.csv", "--api-key-env", "MY_KEY"],
        "b.toml",
    );
    assert_eq!(file.klaviyo.api_key_env.as_deref(), Some("MY_KEY"));
    assert_eq!(file.klaviyo.deliver, Deliver::Sftp);
    assert!(file.list.is_none());
    // Paths of a job file in another folder are absolute.
    std::fs::create_dir(workspace.path("jobs")).unwrap();
    let far = [&["init"], &flags[..], &["-o", "jobs/far.toml"]].concat();
    workspace.run(&far).exits(0);
    let text = std::fs::read_to_string(workspace.path("jobs/far.toml")).unwrap();
    let key = JobFile::parse(&text).unwrap().klaviyo.api_key_file.unwrap();
    assert_eq!(key, workspace.path("key").to_str().unwrap());
}
