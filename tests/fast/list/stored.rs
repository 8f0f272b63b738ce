//! Identifiers as Klaviyo has stored them: old phone numbers, addresses in capitals, blanks. Nobody who belongs is taken off.

use std::collections::BTreeSet;
use std::time::Duration;

use klaviyo_export_sandbox::api::ApiSettings;

use super::stage::{JobText, Stage, quick};

const ALL_MAY_GO: &str = "max-removals = { percent = 100, members = 1000000 }";

/// The fate of a member.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fate {
    Stays,
    /// The phone number cannot be read: it may be anybody's.
    Kept,
    Goes,
}

use Fate::{Goes, Kept, Stays};

/// A job that mirrors by `mirror` and reads phones by `region`.
fn job(mirror: &str, region: &str) -> JobText {
    let region = match region {
        "" => String::new(),
        code => format!("[normalize]\ndefault-region = \"{code}\"\n"),
    };
    JobText {
        top: region,
        ..JobText::list(&format!("mirror = \"{mirror}\"\n{ALL_MAY_GO}"))
    }
}

/// Members as Klaviyo has them, the rows of the audience, the job's region, and what becomes of each member.
struct Case {
    region: &'static str,
    audience: &'static [[&'static str; 3]],
    members: &'static [(&'static [(&'static str, &'static str)], Fate)],
}

const CASES: &[Case] = &[
    Case {
        region: "US",
        audience: &[
            ["", "+12125550143", ""],
            ["", "+493026550280", ""],
            ["ana@example.com", "", ""],
            ["bob@xn--mller-kva.example", "", ""],
            ["cid@example.com", "", "m-1"],
            ["dan@example.com", "", ""],
        ],
        members: &[
            (&[("phone_number", "(212) 555-0143")], Stays),
            (&[("phone_number", "212.555.0143")], Stays),
            (&[("phone_number", "1-212-555-0143")], Stays),
            (&[("phone_number", " +12125550143 ")], Stays),
            (&[("phone_number", "+1 (212) 555-0143")], Stays),
            // By the job's region it would be another number; some country reads it as one of the audience.
            (&[("phone_number", "030 26550280")], Stays),
            (&[("phone_number", "0049 30 26550280")], Stays),
            (&[("email", " ANA@Example.com ")], Stays),
            (&[("email", "Bob@M\u{dc}LLER.example")], Stays),
            (&[("external_id", " m-1")], Stays),
            // Another identifier matches.
            (
                &[("email", "DAN@example.com"), ("phone_number", "call me")],
                Stays,
            ),
            (&[("phone_number", "call me")], Kept),
            (
                &[("email", "old@example.com"), ("phone_number", "555-0143")],
                Kept,
            ),
            (&[("phone_number", "(212) 555-0199")], Goes),
            (&[("phone_number", "+12125550199")], Goes),
            (&[("email", "Old2@Example.com")], Goes),
            (&[("external_id", "M-1")], Goes),
        ],
    },
    Case {
        region: "",
        audience: &[["", "+12125550143", ""], ["ana@example.com", "", ""]],
        members: &[
            (&[("phone_number", "(212) 555-0143")], Stays),
            // Without a region it cannot be read, and no country makes it one of the audience.
            (&[("phone_number", "(212) 555-0199")], Kept),
            (&[("phone_number", "+1 212 555 0199")], Goes),
        ],
    },
    Case {
        region: "DE",
        audience: &[["", "+12125550143", ""], ["ana@example.com", "", ""]],
        members: &[
            (&[("phone_number", "(212) 555-0143")], Stays),
            (&[("phone_number", "030 26550280")], Goes),
        ],
    },
];

#[test]
fn members_are_compared_in_the_form_of_the_audience() {
    for case in CASES {
        let stage = Stage::new();
        let list = stage.vip();
        let ids: Vec<String> = case
            .members
            .iter()
            .map(|(attributes, _)| stage.api().add_profile(attributes))
            .collect();
        stage.api().add_members(&list, &ids);
        stage.job(&job("exact", case.region));
        stage.audience_of(case.audience);
        let outcome = stage.run().exits(0);
        let report = outcome.report();
        let members = stage.api().members(&list);
        let left: BTreeSet<&str> = members.iter().map(|it| it.id.as_str()).collect();
        for (id, (attributes, fate)) in ids.iter().zip(case.members) {
            let is_there = left.contains(id.as_str());
            assert_eq!(is_there, *fate != Goes, "{attributes:?} {}", case.region);
        }
        let count = |fate: Fate| case.members.iter().filter(|(_, it)| *it == fate).count();
        assert_eq!(report["list"]["removed"], count(Goes), "{report:#}");
        assert_eq!(report["list"]["kept_unreadable"], count(Kept));
        let warnings = report["warnings"].to_string();
        assert_eq!(
            warnings.contains("the phone number in Klaviyo cannot be read"),
            count(Kept) > 0,
            "{warnings}"
        );
        for part in ["555-01", "55501", "26550280", "call me"] {
            assert!(!outcome.stderr.contains(part), "{}", outcome.stderr);
        }
        // And the next run says the same.
        let again = stage.run().exits(0).report();
        assert_eq!(again["list"]["removed"], 0, "{again:#}");
        assert_eq!(again["list"]["kept_unreadable"], count(Kept));
    }
}

#[test]
fn a_member_whose_phone_was_changed_to_another_form_is_not_taken_off_by_tracked() {
    let stage = Stage::new();
    let list = stage.vip();
    stage.job(&job("tracked", "US"));
    stage.audience_of(&[
        ["ana@example.com", "+12125550143", ""],
        ["bob@example.com", "+12125550144", ""],
        ["eva@example.com", "", ""],
    ]);
    stage.run().exits(0);
    let ids: Vec<String> = stage
        .api()
        .members(&list)
        .into_iter()
        .map(|it| it.id)
        .collect();
    // Somebody has edited both: one is still in the audience by the phone, of the other nobody can tell.
    let set = |id: &str, name: &str, value: &str| stage.api().set_attribute(id, name, value);
    set(&ids[0], "phone_number", "(212) 555-0143");
    set(&ids[1], "phone_number", "see notes");
    stage.audience_of(&[["", "+12125550143", ""], ["eva@example.com", "", ""]]);
    let report = stage.run().exits(0).report();
    assert_eq!(report["list"]["removed"], 0, "{report:#}");
    assert_eq!(report["list"]["kept_unreadable"], 1, "{report:#}");
}

/// A stage where no file is ever imported: the only profiles are those that the test makes.
fn without_imports(region: &str) -> Stage {
    let stage = Stage::with(ApiSettings {
        import_delay: Duration::from_hours(1),
        ..quick()
    });
    stage.api().add_list("VIP");
    stage.job(&JobText {
        klaviyo: "wait-for-import = \"300ms\"".to_owned(),
        list: "name = \"VIP\"\nattach = \"members\"".to_owned(),
        ..job("off", region)
    });
    stage
}

#[test]
fn a_profile_is_found_by_the_other_form_of_its_identifier() {
    let stage = without_imports("US");
    let old = [
        stage
            .api()
            .add_profile(&[("phone_number", "(212) 555-0143")]),
        stage
            .api()
            .add_profile(&[("email", "bob@m\u{fc}ller.example")]),
    ];
    stage.audience_of(&[
        ["", "+12125550143", ""],
        ["bob@xn--mller-kva.example", "", ""],
        ["", "+12125550144", ""],
    ]);
    let report = stage.run().exits(0).report();
    assert_eq!(report["list"]["attached"], 2, "{report:#}");
    assert_eq!(report["list"]["unresolved"], 1, "{report:#}");
    let members = stage.api().members(&stage.vip());
    let members: BTreeSet<String> = members.into_iter().map(|it| it.id).collect();
    assert_eq!(members, BTreeSet::from(old));
}

#[test]
fn a_national_number_of_another_country_is_nobody_of_the_audience() {
    let stage = without_imports("DE");
    // Read by the job's region this is a number in Germany.
    stage
        .api()
        .add_profile(&[("phone_number", "(212) 555-0143")]);
    stage.audience_of(&[["", "+12125550143", ""], ["", "+492125550143", ""]]);
    let report = stage.run().exits(0).report();
    assert_eq!(report["list"]["attached"], 0, "{report:#}");
    assert_eq!(report["list"]["unresolved"], 2, "{report:#}");
}
