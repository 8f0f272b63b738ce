//! `report.html`, `runs --html` and `status --open`: pages that say what the report says, and load nothing.
#![cfg(feature = "sandbox")]
#![allow(clippy::unwrap_used, reason = "the helpers of tests may panic as well")]

use std::collections::{BTreeSet, HashSet};
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use crate::support::workspace;
use klaviyo_export_sandbox::{Fault, Faults};
use scraper::{ElementRef, Html, Selector};
use serde_json::Value;
use workspace::{Server, Workspace};

const AUDIENCE: &str = "email,phone,name\nzoe@example.com,+16502530000,Zoe\nyan@example.com,12,\"Yan\nTwo\"\nzoe@example.com,,Zoe\n,,Xia\nwim@example.com,,Wim\nvic@example.com,,Vic,more\n";
const JOB: &str = "[audience]\nfiles = [\"a.csv\"]\n[columns]\nemail = \"Email\"\nphone = \"PhoneNumber\"\nname = \"FirstName\"\n[normalize]\nmax-rejected = { percent = 90, rows = 1000 }\n[parts]\nmax-rows = 2\n[retry]\nfirst = \"1ms\"\ngive-up-after = \"200ms\"\n";

/// A page as a browser reads it.
struct Page {
    text: String,
    html: Html,
}

impl Page {
    /// Reads a page, and fails unless it is well-formed, complete in itself, and readable without eyes.
    #[track_caller]
    fn read(text: String) -> Self {
        let html = Html::parse_document(&text);
        assert!(html.errors.is_empty(), "{:?}\n{text}", html.errors);
        for forbidden in [
            "http:", "https:", "src=", "href=", "url(", "@import", "<script", "<link",
        ] {
            assert!(!text.contains(forbidden), "{forbidden} in\n{text}");
        }
        let page = Self { text, html };
        page.assert_readable();
        page
    }

    fn all(&self, selector: &str) -> Vec<ElementRef<'_>> {
        self.html
            .select(&Selector::parse(selector).unwrap())
            .collect()
    }

    fn words(&self, selector: &str) -> Vec<String> {
        self.all(selector).into_iter().map(words).collect()
    }

    /// The cells of a table, whose caption begins so, line by line.
    #[track_caller]
    fn table(&self, caption: &str) -> Vec<Vec<String>> {
        let tables = self.all("table");
        let is_it =
            |table: &&ElementRef<'_>| words(select(**table, "caption")[0]).contains(caption);
        let table = tables.iter().find(is_it);
        let table = table.unwrap_or_else(|| panic!("no table `{caption}`:\n{}", self.text));
        let lines = select(*table, "tbody tr");
        lines
            .into_iter()
            .map(|line| select(line, "th, td").into_iter().map(words).collect())
            .collect()
    }

    #[track_caller]
    fn assert_readable(&self) {
        assert_eq!(self.all("html[lang=en]").len(), 1);
        assert_eq!(self.all("h1").len(), 1);
        let levels: Vec<u8> = self
            .all("h1, h2, h3, h4")
            .iter()
            .map(|heading| heading.value().name().as_bytes()[1] - b'0')
            .collect();
        assert!(
            levels[0] == 1 && levels.windows(2).all(|pair| pair[1] <= pair[0] + 1),
            "{levels:?}"
        );
        for table in self.all("table") {
            assert_eq!(select(table, "caption").len(), 1, "{}", table.html());
            assert!(
                select(table, "th")
                    .iter()
                    .all(|head| head.attr("scope").is_some())
            );
            assert!(
                select(table, "tbody tr")
                    .iter()
                    .all(|line| !select(*line, "th").is_empty())
            );
        }
        for drawing in self.all("svg") {
            if drawing.attr("aria-hidden") == Some("true") {
                continue;
            }
            let named: Vec<&str> = drawing
                .attr("aria-labelledby")
                .unwrap()
                .split(' ')
                .collect();
            let parts: Vec<&str> = ["svg > title", "svg > desc"]
                .iter()
                .map(|part| select(drawing, part)[0].attr("id").unwrap())
                .collect();
            assert_eq!((drawing.attr("role"), &named), (Some("img"), &parts));
        }
        let ids: Vec<&str> = self
            .all("[id]")
            .iter()
            .map(|it| it.attr("id").unwrap())
            .collect();
        assert_eq!(
            ids.len(),
            ids.iter().collect::<HashSet<_>>().len(),
            "{ids:?}"
        );
    }
}

fn select<'a>(element: ElementRef<'a>, selector: &str) -> Vec<ElementRef<'a>> {
    element
        .select(&Selector::parse(selector).unwrap())
        .collect()
}

/// The words of an element, with one space between them.
fn words(element: ElementRef<'_>) -> String {
    let text: String = element.text().collect();
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// A number as a page has it.
fn number(text: &str) -> u64 {
    text.replace(',', "")
        .parse()
        .unwrap_or_else(|_| panic!("no number: {text}"))
}

fn page_of(workspace: &Workspace, job: &str) -> (Page, Value) {
    let report = serde_json::from_str(&workspace.of_last_run(job, "report.json")).unwrap();
    (
        Page::read(workspace.of_last_run(job, "report.html")),
        report,
    )
}

#[track_caller]
fn assert_counts(page: &Page, report: &Value) {
    let funnel = page.table(" read = ");
    let rows: Vec<u64> = funnel.iter().map(|line| number(&line[1])).collect();
    let fields = match funnel.len() {
        4 => vec!["rows_read", "rows_rejected", "duplicates", "rows_written"],
        _ => vec![
            "rows_read",
            "rows_rejected",
            "duplicates",
            "rows_unchanged",
            "rows_written",
        ],
    };
    let reported: Vec<u64> = fields
        .iter()
        .map(|field| report[*field].as_u64().unwrap())
        .collect();
    assert_eq!(rows, reported);
    assert_eq!(rows[0], rows[1..].iter().sum::<u64>());
}

#[test]
fn the_page_says_what_the_report_says() {
    let workspace = Workspace::with(&[("a.csv", AUDIENCE)]);
    let server = workspace.server_with(Faults::none().once(Fault::CutAfter { bytes: 10 }));
    let job = workspace.job("vip", JOB, Some(&server));
    workspace.run(&["run", &job]).exits(0);
    let (page, report) = page_of(&workspace, "vip");
    assert_eq!(page.words("h1"), ["vip"]);
    assert_counts(&page, &report);
    assert_eq!(page.table(" read = ").len(), 4);
    assert!(
        page.words("header p")
            .iter()
            .any(|words| words == "Exit code 0: done.")
    );
    let mut examples = BTreeSet::new();
    for (caption, field) in [
        ("rows rejected", "rejections"),
        ("blanked", "repairs"),
        ("cleaned", "repairs"),
    ] {
        for line in page.table(caption) {
            let (words, records) = line[0].split_once(" such as a.csv record ").unwrap();
            let code = words.split(' ').next_back().unwrap();
            assert_eq!(report[field][code], number(&line[1]), "{line:?}");
            examples.insert(format!("{code} {records}"));
        }
    }
    let expected = [
        "invalid-phone 2",
        "line-break 2",
        "no-identifier 4",
        "ragged-row 6",
    ];
    assert_eq!(examples, expected.map(str::to_owned).into());
    let parts = report["parts"].as_array().unwrap();
    let lines = page.table(&format!("{} parts", parts.len()));
    assert_eq!(lines.len(), parts.len());
    for (line, part) in lines.iter().zip(parts) {
        let told: Vec<u64> = [0, 1, 3].map(|cell| number(&line[cell])).to_vec();
        let fields = ["number", "rows", "attempts"];
        assert_eq!(told, fields.map(|field| part[field].as_u64().unwrap()));
        assert_eq!(line[4], part["verification"].as_str().unwrap());
        for (cell, field) in [(5, "written_at"), (6, "delivered_at")] {
            assert_eq!(line[cell], part[field].as_str().unwrap()[11..19], "{part}");
        }
    }
    let tried_again = |part: &&Value| part["attempts"] == 2;
    assert_eq!(parts.iter().filter(tried_again).count(), 1, "{report:#}");
    assert_eq!(page.all(".lanes .broken").len(), 1, "{}", page.text);
    let folder = workspace.last_run("vip");
    let mode = std::fs::metadata(folder.join("report.html"))
        .unwrap()
        .permissions()
        .mode();
    assert_eq!(mode & 0o777, 0o600);
}

#[test]
fn times_of_parts_are_in_order() {
    let workspace = Workspace::with(&[("a.csv", AUDIENCE)]);
    let server = workspace.server();
    let job = workspace.job("vip", JOB, Some(&server));
    let report = workspace.run(&["run", &job, "--json"]).exits(0).report();
    for part in report["parts"].as_array().unwrap() {
        let times: Vec<jiff::Timestamp> = ["written_at", "started_at", "delivered_at"]
            .map(|field| part[field].as_str().unwrap().parse().unwrap())
            .to_vec();
        assert!(times.is_sorted(), "{part}");
    }
    let dry = workspace
        .run(&["run", &job, "--json", "--dry-run"])
        .exits(0)
        .report();
    let part = &dry["parts"][0];
    assert!(part["written_at"].is_string(), "{part}");
    assert_eq!(
        (&part["started_at"], &part["delivered_at"]),
        (&Value::Null, &Value::Null)
    );
}

#[test]
fn a_run_that_failed_says_so_and_names_the_next_command() {
    let workspace = Workspace::with(&[("a.csv", AUDIENCE)]);
    let server = workspace.server_with(Faults::none().always(Fault::CutAfter { bytes: 10 }));
    let job = workspace.job("vip", JOB, Some(&server));
    let outcome = workspace.run(&["run", &job]).exits(14);
    let (page, report) = page_of(&workspace, "vip");
    assert_counts(&page, &report);
    let head = page.words("header p").join("\n");
    for words in [
        report["error"].as_str().unwrap(),
        outcome.hint(),
        outcome.next(),
        "Failed The run failed",
        "Exit code 14: the transfer failed; the next run continues.",
    ] {
        assert!(head.contains(words), "`{words}` is not in\n{head}");
    }

    // The manifest of a version that noted no times is read, and the page has a dash for them.
    let path = workspace.last_run("vip").join("manifest.json");
    let mut manifest: Value = serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
    for part in manifest["parts"].as_array_mut().unwrap() {
        assert!(part.as_object_mut().unwrap().remove("written_at").is_some());
        for attempt in part["attempts"].as_array_mut().unwrap() {
            let attempt = attempt.as_object_mut().unwrap();
            attempt.retain(|name, _| !name.ends_with("_at"));
        }
    }
    std::fs::write(&path, manifest.to_string()).unwrap();
    server.0.set_faults(Faults::none());
    workspace.run(&["run", &job]).exits(0);
    let (page, report) = page_of(&workspace, "vip");
    assert_counts(&page, &report);
    let lines = page.table("parts");
    assert!(
        lines.iter().all(|line| line[5] == "–" && line[6] != "–"),
        "{lines:?}"
    );
}

#[test]
fn only_changed_rows_and_the_list_are_on_the_page() {
    let workspace = Workspace::with(&[("a.csv", AUDIENCE)]);
    let server = workspace.server();
    let body = format!(
        "{JOB}[delta]\nsend = \"changed\"\n[list]\nname = \"</title><script>VIP\"\ncreate = true\n{}",
        server.api_section()
    );
    let job = workspace.job("vip", &body, Some(&server));
    workspace.run(&["run", &job]).exits(0);
    workspace.write("a.csv", format!("{AUDIENCE}uma@example.com,,Uma\n"));
    workspace.run(&["run", &job]).exits(0);
    let (page, report) = page_of(&workspace, "vip");
    assert_counts(&page, &report);
    let funnel = page.table(" read = ");
    assert_eq!((funnel.len(), &*funnel[3][1]), (5, "3"), "{funnel:?}");
    let compared = page.table("Compared with the last run");
    assert_eq!(compared[0][..2], ["New", "1"]);
    let list = page.table("</title><script>VIP");
    let told: Vec<(&str, u64)> = list
        .iter()
        .map(|line| (&*line[0], number(&line[1])))
        .collect();
    let field = |name: &str| report["list"][name].as_u64().unwrap();
    let no_email = &report["list"]["no_email"];
    let no_email = ["unsubscribed", "suppressed"].map(|name| no_email[name].as_u64().unwrap());
    let expected = [
        ("Added", field("attached")),
        ("Removed", field("removed")),
        ("Kept", field("kept_unreadable")),
        ("Pending", field("unresolved")),
        ("Refused", field("rejected")),
        ("No e-mail", no_email.iter().sum()),
    ];
    assert_eq!(told, expected);
    // This run and the one before it.
    let runs = page.table("2 runs, the newest first");
    assert_eq!(
        (runs.len(), &*runs[0][8]),
        (2, report["run_id"].as_str().unwrap())
    );
    assert_eq!(page.all("svg.bars").len(), 4);
}

#[test]
fn names_of_files_and_columns_are_text() {
    let name = "<script>alert(1)<img src=x>.csv";
    let rows =
        "</style><script>,<a href>\nzoe@example.com,2026-11-23\nyan@example.com,2026-11-24\n";
    let workspace = Workspace::with(&[(name, rows)]);
    let server = workspace.server();
    let own = server.flags();
    let flags = [
        "send",
        name,
        "--name",
        "vip",
        "--limit",
        "2",
        "--map",
        "</style><script>=Email",
        "--map",
        "<a href>=PhoneNumber",
    ];
    workspace.run(&workspace::join(&flags, &own)).exits(0);
    let text = workspace.of_last_run("vip", "report.html");
    let html = Html::parse_document(&text);
    assert!(html.errors.is_empty(), "{:?}", html.errors);
    for element in ["script", "img", "a"] {
        let selector = Selector::parse(element).unwrap();
        assert_eq!(html.select(&selector).count(), 0, "{text}");
    }
    assert_eq!(text.matches("<style>").count(), 1);
    // In a note, and in the command to type next.
    for shown in [
        "&lt;script&gt;alert(1)&lt;img src=x&gt;.csv record 1, 2",
        "--map '&lt;/style&gt;&lt;script&gt;=Email'",
    ] {
        assert!(text.contains(shown), "{text}");
    }
}

#[test]
fn the_page_of_runs_shows_thirty() {
    let workspace = Workspace::with(&[("a.csv", AUDIENCE)]);
    let server = workspace.server();
    let job = workspace.job("vip", JOB, Some(&server));
    workspace.run(&["run", &job]).exits(0);
    let run = workspace.last_run("vip");
    let id = run.file_name().unwrap().to_str().unwrap().to_owned();
    for number in 1..35 {
        let copy = run.with_file_name(format!("20260101T0000{number:02}Z-00000000"));
        std::fs::create_dir(&copy).unwrap();
        for name in ["manifest.json", "report.json", "order"] {
            let text = std::fs::read_to_string(run.join(name)).unwrap();
            let text = text.replace(&id, copy.file_name().unwrap().to_str().unwrap());
            std::fs::write(copy.join(name), text).unwrap();
        }
    }
    let outcome = workspace
        .run(&["runs", &job, "--html", "runs.html"])
        .exits(0);
    assert_eq!(outcome.stdout, "vip: 30 of 35 runs in runs.html\n");
    let page = Page::read(std::fs::read_to_string(workspace.path("runs.html")).unwrap());
    let lines = page.table("30 runs, the newest first");
    let shown: BTreeSet<&str> = lines.iter().map(|line| &*line[8]).collect();
    assert_eq!((lines.len(), shown.len()), (30, 30));
    assert!(
        shown.contains(&*id) && !shown.contains("20260101T000005Z-00000000"),
        "{shown:?}"
    );
    for drawing in page.all("svg.bars") {
        assert_eq!(select(drawing, "g").len(), 30);
    }
    assert_eq!(
        page.words("p.outcome"),
        ["The last 30 of 35 runs: 30 ended well, and 0 did not."]
    );

    // It replaces its file, and keeps its mode.
    let path = workspace.path("runs.html");
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o640)).unwrap();
    workspace
        .run(&["runs", "vip", "--html", "runs.html"])
        .exits(0);
    assert_eq!(
        std::fs::metadata(&path).unwrap().permissions().mode() & 0o777,
        0o640
    );
    let outcome = workspace
        .run(&["runs", &job, "--html", "none/runs.html"])
        .exits(18);
    assert!(
        outcome
            .error()
            .starts_with("none/runs.html: cannot write the page to it: "),
        "{}",
        outcome.stderr
    );
    // What is no file is written to, and not replaced.
    let outcome = workspace
        .run(&["runs", &job, "--html", "/dev/stdout"])
        .exits(0);
    assert!(
        outcome.stdout.starts_with("<!DOCTYPE html>"),
        "{}",
        outcome.stdout
    );
}

#[test]
fn the_first_records_of_a_reason_are_named_by_their_source() {
    let rows = |count: usize| format!("email,name\n{}", ",Zoe\n".repeat(count));
    let good = "email,name\nzoe@example.com,Zoe\n";
    let workspace = Workspace::with(&[("a.csv", &rows(1)), ("b.csv", &rows(5)), ("c.csv", good)]);
    let server = workspace.server();
    let body = JOB
        .replace("\"a.csv\"", "\"a.csv\", \"b.csv\", \"c.csv\"")
        .replace("phone = \"PhoneNumber\"\n", "");
    let job = workspace.job("vip", &body, Some(&server));
    workspace.run(&["run", &job]).exits(0);
    let (page, _) = page_of(&workspace, "vip");
    let rejected = page.table("rows rejected");
    assert!(
        rejected[0][0].ends_with("such as a.csv record 1, b.csv record 1, 2"),
        "{rejected:?}"
    );
}

#[test]
fn the_range_of_the_guard_is_behind_the_runs() {
    let workspace = Workspace::with(&[("a.csv", AUDIENCE)]);
    let server = workspace.server();
    let body = format!("{JOB}[guard]\nmax-drift = {{ rejected = \"off\" }}\n");
    let job = workspace.job("vip", &body, Some(&server));
    let bands = |page: &Page| -> Vec<usize> {
        let drawings = page.all(".multiples svg");
        let bands = drawings
            .into_iter()
            .map(|drawing| select(drawing, ".band").len());
        bands.collect()
    };
    workspace.run(&["run", &job]).exits(0);
    workspace.run(&["run", &job]).exits(0);
    assert_eq!(bands(&page_of(&workspace, "vip").0), [0; 4]);
    workspace.run(&["run", &job]).exits(0);
    workspace.run(&["run", &job]).exits(0);
    let (page, _) = page_of(&workspace, "vip");
    assert_eq!(bands(&page), [1, 0, 0, 0], "{}", page.text);
    assert!(
        page.text.contains("median 6, guard 0 to 16"),
        "{}",
        page.text
    );
    assert!(page.text.contains("The guard takes from 0 to 16."));
    for name in [&*job, "vip"] {
        workspace
            .run(&["runs", name, "--html", "runs.html"])
            .exits(0);
        let page = Page::read(std::fs::read_to_string(workspace.path("runs.html")).unwrap());
        assert_eq!(bands(&page), [1, 0, 0, 0], "{name}");
    }
    // A job file that is wrong keeps no runs from being shown.
    std::fs::write(workspace.path(&job), "name = \"vip\"\n").unwrap();
    workspace
        .run(&["runs", "vip", "--html", "runs.html"])
        .exits(0);
    let page = Page::read(std::fs::read_to_string(workspace.path("runs.html")).unwrap());
    assert_eq!(bands(&page), [0; 4]);
}

fn in_vain(server: &Server) {
    server
        .0
        .set_faults(Faults::none().always(Fault::RefuseLogin));
}

#[test]
fn a_page_that_cannot_be_written_is_a_warning_and_nothing_else() {
    let workspace = Workspace::with(&[("a.csv", AUDIENCE)]);
    let server = workspace.server();
    in_vain(&server);
    let job = workspace.job("vip", JOB, Some(&server));
    workspace.run(&["run", &job]).exits(13);
    let page = workspace.last_run("vip").join("report.html");
    std::fs::remove_file(&page).unwrap();
    std::fs::create_dir_all(page.join("in the way")).unwrap();
    server.0.set_faults(Faults::none());
    let outcome = workspace.run(&["run", &job, "--json"]).exits(0);
    let report = outcome.report();
    let told = report["warnings"].as_array().unwrap().iter();
    let told: Vec<&str> = told
        .filter_map(Value::as_str)
        .filter(|text| text.contains("report.html"))
        .collect();
    assert_eq!(told.len(), 1, "{report:#}");
    assert!(
        told[0].starts_with("report.html was not written (")
            && told[0].contains("cannot replace it: "),
        "{told:?}"
    );
    assert!(outcome.stderr.contains(told[0]), "{}", outcome.stderr);
    assert_eq!(report["status"], "done");
    assert_eq!(server.received().len(), 2);
}

#[test]
fn the_path_of_the_page_is_told_alone() {
    let workspace = Workspace::with(&[("a.csv", AUDIENCE)]);
    let server = workspace.server();
    let job = workspace.job("vip", JOB, Some(&server));
    let outcome = workspace.run(&["status", &job, "--open"]).exits(10);
    assert!(
        outcome.error().contains("job vip has no run in"),
        "{}",
        outcome.stderr
    );
    workspace.run(&["run", &job]).exits(0);
    for name in [&*job, "vip"] {
        let told = workspace.run(&["status", name, "--open"]).exits(0).stdout;
        let path = Path::new(told.strip_suffix('\n').unwrap());
        assert_eq!(path, workspace.last_run("vip").join("report.html"));
        assert!(path.is_absolute() && path.is_file());
    }

    let plain = format!("{JOB}[report]\nhtml = false\n");
    let job = workspace.job("vip", &plain, Some(&server));
    workspace.run(&["run", &job]).exits(0);
    assert!(!workspace.last_run("vip").join("report.html").exists());
    let outcome = workspace.run(&["status", &job, "--open"]).exits(2);
    assert!(outcome.stdout.is_empty(), "{}", outcome.stdout);
    assert!(
        outcome.error().contains("has no report.html in ")
            && outcome.error().contains("html = false in [report]")
    );
    assert_eq!(outcome.next(), "klaviyo-export status vip.toml");
    workspace.run(&["status", "--open"]).exits(2);
    workspace
        .run(&["status", &job, "--open", "--json"])
        .exits(2);
}
