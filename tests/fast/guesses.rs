//! Messages about guesses: a column of somebody else is never proposed, and a doubt is told with the flag that settles it.

use crate::support::workspace::Workspace;

#[test]
fn no_command_maps_or_suggests_the_address_of_an_owner() {
    let rows = "Deal,Owner Email\na,rep@example.com\nb,rep@example.com\n";
    let workspace = Workspace::with(&[("deals.csv", rows)]);
    for command in [
        &["init", "deals.csv"][..],
        &["preview", "deals.csv"],
        &["send", "deals.csv", "--dry-run"],
    ] {
        let refused = workspace.run(command).exits(10);
        assert_eq!(
            refused.error(),
            "deals.csv: no column looks like Email, PhoneNumber or ExternalID; name one with --map SRC=Email"
        );
        assert!(
            !refused.stderr.contains("Owner Email="),
            "{}",
            refused.stderr
        );
    }
    // A flag says that it is meant.
    let meant = [
        "send",
        "deals.csv",
        "--dry-run",
        "--map",
        "Owner Email=Email",
    ];
    workspace.run(&meant).exits(0);
}

#[test]
fn an_address_that_many_rows_share_is_not_suggested() {
    let row = |n: usize| format!("{n},rep{}@example.com\n", n % 2);
    let rows: String = (0..12).map(row).collect();
    let workspace = Workspace::with(&[("a.csv", &format!("n,Kontakt\n{rows}"))]);
    let refused = workspace.run(&["init", "a.csv"]).exits(10);
    assert!(
        refused.next().ends_with("--map 'COLUMN=Email'"),
        "{}",
        refused.next()
    );
}

#[test]
fn two_columns_that_are_as_good_are_told_and_neither_is_sent() {
    let rows = "Customer ID,E-Mail,Email Address,Name\n7,zoe@example.com,zoe@home.example.com,Zoe Muster\n";
    let workspace = Workspace::with(&[("a.csv", rows)]);
    let notes = [
        "note: `E-Mail` and `Email Address` may each be Email, so neither is sent: choose one with --map 'E-Mail=Email'",
        "note: `Name` is not sent: a whole name; Klaviyo has FirstName and LastName",
    ];
    for command in [&["init", "a.csv"][..], &["send", "a.csv", "--dry-run"]] {
        let told = workspace.run(command).exits(0);
        for note in notes {
            assert!(told.stderr.contains(note), "{}", told.stderr);
        }
    }
    let preview = workspace.run(&["preview", "a.csv"]).exits(0);
    for reason in [
        "`Email Address` may be Email as well",
        "`E-Mail` may be Email as well",
    ] {
        assert!(preview.stdout.contains(reason), "{}", preview.stdout);
    }
    assert!(!preview.next().contains("--map"), "{}", preview.next());
    let chosen = workspace
        .run(&[
            "send",
            "a.csv",
            "--dry-run",
            "--map",
            "E-Mail=Email",
            "--map",
            "Name=",
        ])
        .exits(0);
    assert!(!chosen.stderr.contains("note: `"), "{}", chosen.stderr);
}

#[test]
fn the_rows_of_standard_input_are_looked_at_and_all_sent() {
    let rows = "Mail,E-Mail,Phone,Mobile\nzoe@example.com,ja,(212) 555-0101,(212) 555-0102\n\
         yan@example.com,nein,(212) 555-0101,(212) 555-0103\n";
    let workspace = Workspace::new();
    let send = [
        "send",
        "-",
        "--name",
        "a",
        "--dry-run",
        "--default-region",
        "US",
    ];
    workspace.run_with_stdin(&send, rows.as_bytes()).exits(0);
    assert_eq!(
        workspace.parts("a"),
        [
            "Email,PhoneNumber\n\"zoe@example.com\",\"+12125550102\"\n\"yan@example.com\",\"+12125550103\"\n"
        ]
    );
}

#[test]
fn an_id_that_two_people_have_is_told_and_not_sent() {
    let rows = "Customer ID,Email\n7,zoe@example.com\n7,yan@example.com\n";
    let workspace = Workspace::with(&[("a.csv", rows)]);
    let told = workspace.run(&["send", "a.csv", "--dry-run"]).exits(0);
    let note = "note: `Customer ID` is not sent: several people have the same ExternalID";
    assert!(told.stderr.contains(note), "{}", told.stderr);
    assert!(workspace.parts("a")[0].starts_with("Email\n"));
}

#[test]
fn headers_that_speak_of_consent_in_any_language_are_refused_until_they_are_named() {
    for header in [
        "Age Gated Date of Birth",
        "click_tracking",
        "unsub",
        "Do Not Email",
        "Marketing Permissions",
        "Einwilligung",
        "Consentement",
        "Zgoda marketingowa",
        "Nyhetsbrev",
        "メルマガ",
    ] {
        let workspace =
            Workspace::with(&[("a.csv", &format!("email,{header}\nzoe@example.com,x\n"))]);
        let keep = ["send", "a.csv", "--dry-run", "--keep-unlisted"];
        let refused = workspace.run(&keep).exits(10);
        assert!(
            refused.error().contains("looks like consent"),
            "{}",
            refused.error()
        );
        workspace
            .run(&[&keep[..], &["--allow-consent", header]].concat())
            .exits(0);
        let printed = workspace.run(&["init", "a.csv"]).exits(0);
        let note = format!("note: `{header}` looks like consent and is left out");
        assert!(printed.stderr.contains(&note), "{}", printed.stderr);
    }
}
