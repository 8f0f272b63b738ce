//! Profiles by the API instead of SFTP, the `List ID` column, the sentinel, and flows.

use std::collections::BTreeMap;

use klaviyo_export_sandbox::api::ApiSettings;
use serde_json::Value;

use super::stage::{FILE, JobText, Stage, people, quick};

const COLUMNS: &str = "mail = \"Email\"\nphone = \"PhoneNumber\"\nkey = \"ExternalID\"\nfirst = \"FirstName\"\nlast = \"LastName\"\norg = \"Organization\"\ntitle = \"Title\"\nimage = \"Image\"\nlocale = \"Locale\"\nstreet = \"Address1\"\nfloor = \"Address2\"\ncity = \"City\"\nregion = \"Region\"\nland = \"Country\"\nzip = \"Zip\"\nlat = \"Latitude\"\nlon = \"Longitude\"\nzone = \"Timezone\"\ntier = \"Tier\"\ncode = \"Code\"\nscore = \"Score\"\ntags = \"Tags\"\nvip = \"VIP\"";

/// Every column that Klaviyo knows, custom ones of several kinds, and blank cells.
const AUDIENCE: &str = "mail,phone,key,first,last,org,title,image,locale,street,floor,city,region,land,zip,lat,lon,zone,tier,code,score,tags,vip
ana@example.com,+436641234567,a-1,Ana,Öz,ACME,Dr,https://x.example/a.png,de-AT,Ring 1,2,Wien,W,Austria,0123,48.2,16.37,Europe/Vienna,gold,00123,1.5,\"[\"\"p\"\",\"\"q\"\"]\",true
bob@example.com,,,Bob,,,,,,,,,,,,,,,\"a, \"\"b\"\"\",,,,
,+436641234568,,,,,,,,,,Graz,,,,,,,,,,,
,,k-9,Kim,,,,,,,,,,,,,,,,7,,,false
";

/// The identifiers of everybody in the account.
fn everybody(stage: &Stage) -> BTreeMap<String, Value> {
    let profiles = stage.api().profiles().into_iter();
    let names = ["email", "phone_number", "external_id"];
    profiles
        .map(|profile| {
            let name = names.iter().find_map(|name| profile.text(name));
            (
                name.unwrap().to_owned(),
                Value::Object(profile.attributes.clone()),
            )
        })
        .collect()
}

fn delivered(klaviyo: &str, sftp: bool) -> (Stage, BTreeMap<String, Value>) {
    let stage = Stage::new();
    stage.workspace.write("audience.csv", AUDIENCE);
    stage.job(&JobText {
        columns: COLUMNS.to_owned(),
        sftp,
        ..JobText::list("").klaviyo(klaviyo)
    });
    stage.run().exits(0);
    let found = everybody(&stage);
    assert_eq!(stage.api().members(&stage.vip()).len(), 4);
    (stage, found)
}

#[test]
fn the_api_brings_what_the_files_bring() {
    let (by_file, files) = delivered("", true);
    let (by_api, api) = delivered("deliver = \"api\"", false);
    assert_eq!(files.len(), 4);
    let ana = &api["ana@example.com"];
    assert_eq!(ana["location"]["city"], "Wien");
    assert_eq!(ana["properties"]["Tier"], "gold");
    for (name, profile) in &files {
        let (mut file, mut api) = (profile.clone(), api[name].clone());
        if name == "ana@example.com" {
            // The one difference: an import of files makes a number of what has leading zeros.
            assert_eq!(file["properties"]["Code"].take(), 123);
            assert_eq!(api["properties"]["Code"].take(), "00123");
        }
        assert_eq!(file, api, "{name}");
    }
    assert_eq!(by_file.attributes().len(), 3, "{:?}", by_file.attributes());
    assert!(by_api.attributes().contains("properties"));
    assert!(!by_api.server.events().contains("Connected"));
}

#[test]
fn update_contacts_false_sends_identifiers_only() {
    for (klaviyo, sftp) in [("", true), ("deliver = \"api\"", false)] {
        let (stage, found) = delivered(&format!("update-contacts = false\n{klaviyo}"), sftp);
        for profile in found.values() {
            let names = profile.as_object().unwrap().keys();
            for name in names {
                let known = ["email", "phone_number", "external_id"];
                assert!(known.contains(&name.as_str()), "{klaviyo}: {name}");
            }
        }
        assert!(stage.attributes().len() <= 3);
    }
}

#[test]
fn send_goes_by_the_api_too() {
    let stage = Stage::new();
    stage.workspace.write(
        "people.csv",
        "email,first_name,city,tier\nana@example.com,Ana,Wien,gold\nbob@example.com,Bob,,\n",
    );
    let key = stage.api().key_file().display().to_string();
    let line = [
        "send",
        "people.csv",
        "--via",
        "api",
        "--list",
        "VIP",
        "--api-key-file",
        &key,
        "--api-url",
        stage.api().base_url(),
    ];
    stage.execute(&line).exits(0);
    stage.assert_members(["ana@example.com", "bob@example.com"]);
    let ana = &everybody(&stage)["ana@example.com"];
    assert_eq!(
        (&ana["first_name"], &ana["location"]["city"]),
        (&"Ana".into(), &"Wien".into())
    );
    // By its id, and one that is to be made.
    let id = stage.vip();
    let by_id: Vec<&str> = line
        .iter()
        .map(|word| if *word == "VIP" { id.as_str() } else { word })
        .collect();
    stage.execute(&by_id).exits(0);
    let mut made: Vec<&str> = line
        .iter()
        .map(|word| if *word == "VIP" { "New" } else { word })
        .collect();
    stage.execute(&made).exits(16);
    made.push("--create-list");
    stage.execute(&made).exits(0);
    let lists = stage.api().lists();
    let new = lists.iter().find(|list| list.name == "New").unwrap();
    assert_eq!(new.profile_count, 2);
    assert_eq!(lists.len(), 2);
}

#[test]
fn members_wait_for_profiles_that_the_api_brings() {
    let stage = Stage::new();
    stage.audience(people(1..=20));
    stage.job(&JobText {
        sftp: false,
        ..JobText::list("attach = \"members\"")
            .klaviyo("deliver = \"api\"\nwait-for-import = \"10s\"")
    });
    stage.run().exits(0);
    stage.assert_members(people(1..=20));
}

#[test]
fn a_column_names_the_list_and_the_api_is_not_asked() {
    let stage = Stage::new();
    let list = stage.vip();
    stage.audience(people(1..=20));
    stage.job(&JobText {
        list: format!("id = \"{list}\"\nattach = \"column\""),
        ..JobText::default()
    });
    let report = stage.run().exits(0).report();
    assert_eq!(report["list"]["attached"], Value::Null, "{report:#}");
    assert_eq!(stage.calls().len(), 0);
    assert_eq!(stage.api().imports().len(), 1);
    assert_eq!(stage.api().imports()[0].unlisted, 0);
    stage.assert_members(people(1..=20));
}

#[test]
fn the_sentinel_is_seen_when_somebody_waits_for_it() {
    let ways = [("", true), ("deliver = \"api\"\n", false)];
    for (deliver, sftp) in ways {
        for (wait, list) in [
            ("", ""),
            ("wait-for-import = \"10s\"", ""),
            ("wait-for-import = \"10s\"", "name = \"VIP\""),
        ] {
            let stage = Stage::new();
            stage.audience(people(1..=3));
            stage.job(&JobText {
                list: list.to_owned(),
                sftp,
                klaviyo: format!("{deliver}sentinel = \"Ops@example.com\"\n{wait}"),
                ..JobText::default()
            });
            let report = stage.run().exits(0).report();
            let seen = &report["sentinel"]["seen_at"];
            assert_eq!(
                seen.is_string(),
                !wait.is_empty(),
                "{deliver}{wait}: {report:#}"
            );
            let ops = &everybody(&stage)["ops@example.com"];
            let id = &ops["properties"]["klaviyo_export_run_id"];
            assert_eq!(id, report["run_id"].as_str().unwrap());
            assert_eq!(report["rows_written"], 3);
            // It is on no list.
            if !list.is_empty() {
                stage.assert_members(people(1..=3));
            }
        }
    }
}

#[test]
fn a_sentinel_that_does_not_come_is_not_seen() {
    let stage = Stage::with(ApiSettings {
        import_delay: std::time::Duration::from_hours(1),
        ..quick()
    });
    stage.audience(people(1..=3));
    stage.job(&JobText {
        list: String::new(),
        ..JobText::default().klaviyo("sentinel = \"ops@example.com\"\nwait-for-import = \"500ms\"")
    });
    let report = stage.run().exits(0).report();
    assert_eq!(report["sentinel"]["seen_at"], Value::Null);
    assert!(report["sentinel"].is_object());
}

#[test]
fn flows_that_a_list_starts_are_told_before() {
    let stage = Stage::with(quick());
    stage.api().add_list_with_flow("VIP", "Welcome");
    stage.audience(people(1..=3));
    let said = |job: &JobText| {
        stage.job(job);
        let outcome = stage.execute(&["run", FILE]).exits(0);
        outcome.stderr + &outcome.stdout
    };
    let early = said(&JobText::list(""));
    assert!(
        early.contains("adding to the list \"VIP\" starts 1 flow: Welcome"),
        "{early}"
    );
    assert!(
        early.contains("attach = \"members\", or deliver = \"api\", waits for them"),
        "{early}"
    );
    let late = JobText::list("attach = \"members\"").klaviyo("wait-for-import = \"10s\"");
    let late = said(&late);
    assert!(late.contains("starts 1 flow: Welcome"), "{late}");
    assert!(!late.contains("waits for them"), "{late}");
    let api = said(&JobText::list("").klaviyo("deliver = \"api\""));
    assert!(!api.contains("waits for them"), "{api}");
}
