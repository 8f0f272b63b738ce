//! `rejects.csv` given back: a row that nobody changed is rejected again for the same reason, a mended one is sent with the
//! right bytes, and a spreadsheet that opens and saves the file mends nothing.
#![cfg(feature = "sandbox")]
#![allow(
    clippy::unwrap_used,
    clippy::format_collect,
    clippy::too_many_lines,
    reason = "the helpers of tests may panic as well; audiences are made of text, and tables of cases are long"
)]

use crate::support::workspace;
use serde_json::json;
use workspace::{Workspace, column, rows};

/// The program's own columns.
const OURS: [&str; 5] = ["_reason", "_detail", "_source", "_record", "_digest"];

/// One rejected row, as it comes and as a person mends it.
struct Case {
    /// A name for messages.
    name: &'static str,
    /// The file of rows; its last record is the rejected one.
    file: &'static str,
    bytes: Vec<u8>,
    /// The job's keys in `[audience]`.
    audience: &'static str,
    /// The job's `[columns]`, and what follows.
    columns: &'static str,
    /// The code of the rejection.
    reason: &'static str,
    /// The cells that tell of the row in `rejects.csv`.
    kept: &'static [(&'static str, &'static str)],
    /// The cells that a person changes.
    mended: &'static [(&'static str, &'static str)],
    /// The row of the part then.
    sent: &'static str,
}

const PEOPLE: &str =
    "[columns]\nemail = \"Email\"\nphone = \"PhoneNumber\"\nname = \"FirstName\"\n";
const STRICT: &str = "[columns]\nemail = \"Email\"\nphone = \"PhoneNumber\"\nname = \"FirstName\"\n[normalize]\ninvalid-email = \"reject\"\ninvalid-phone = \"reject\"\n";
const CUSTOMERS: &str = "[columns]\nEmail = \"Email\"\n\"First Name\" = \"FirstName\"\n\"Customer ID\" = \"ExternalID\"\nCity = \"City\"\n";
const EVENTS: &str = "[columns]\nid = \"ExternalID\"\nx = \"X\"\n";

fn customers(row: &str) -> Vec<u8> {
    format!("Email,First Name,Customer ID,City\n{row}\n").into_bytes()
}

fn case(name: &'static str, file: &'static str, bytes: impl Into<Vec<u8>>) -> Case {
    Case {
        name,
        file,
        bytes: bytes.into(),
        audience: "",
        columns: PEOPLE,
        reason: "ragged-row",
        kept: &[],
        mended: &[],
        sent: "",
    }
}

fn values() -> Vec<Case> {
    vec![
        Case {
            reason: "no-identifier",
            mended: &[("email", "zoe@example.com")],
            sent: "\"zoe@example.com\",\"\",Zoë",
            ..case("no identifier", "a.csv", "email,phone,name\n,,Zoë\n")
        },
        Case {
            columns: STRICT,
            reason: "invalid-email",
            mended: &[("email", "zoe@example.com")],
            sent: "\"zoe@example.com\",\"\",=1+1",
            kept: &[("name", "'=1+1")],
            ..case("a bad e-mail", "a.csv", "email,phone,name\nzoe@,,=1+1\n")
        },
        Case {
            columns: STRICT,
            reason: "invalid-phone",
            kept: &[("phone", "'+1650"), ("name", "''=quoted")],
            mended: &[("phone", "+16502530000")],
            sent: "\"zoe@example.com\",\"+16502530000\",=quoted",
            ..case(
                "a bad phone number",
                "a.csv",
                "email,phone,name\nzoe@example.com,+1650,'=quoted\n",
            )
        },
        Case {
            reason: "profile-too-large",
            mended: &[("name", "Zoe")],
            sent: "\"zoe@example.com\",\"\",Zoe",
            ..case(
                "a large profile",
                "a.csv",
                format!(
                    "email,phone,name\nzoe@example.com,,{}\n",
                    "x".repeat(100_001)
                ),
            )
        },
        Case {
            columns: EVENTS,
            reason: "nested-value",
            kept: &[("id", "k1"), ("x", "{\"a\":1}")],
            mended: &[("x", "1")],
            sent: "\"k1\",1",
            ..case(
                "a nested value",
                "a.ndjson",
                "{\"id\":\"k0\",\"x\":1}\n{\"id\":\"k1\",\"x\":{\"a\":1}}\n",
            )
        },
        Case {
            columns: EVENTS,
            reason: "nested-value",
            mended: &[("id", "k1")],
            sent: "\"k1\",2",
            ..case(
                "a nested identifier",
                "a.ndjson",
                "{\"id\":\"k0\",\"x\":1}\n{\"id\":[{\"a\":1}],\"x\":2}\n",
            )
        },
    ]
}

fn forms() -> Vec<Case> {
    vec![
        Case {
            columns: CUSTOMERS,
            kept: &[
                ("First Name", "1002"),
                ("Customer ID", "Lima"),
                ("City", ""),
            ],
            mended: &[
                ("First Name", "Cy"),
                ("Customer ID", "1002"),
                ("City", "Lima"),
            ],
            sent: "\"cy@x.com\",\"1002\",Cy,Lima",
            ..case("a short row", "a.csv", customers("cy@x.com,1002,Lima"))
        },
        Case {
            columns: CUSTOMERS,
            kept: &[("City", "Lima,Peru")],
            mended: &[("City", "Lima")],
            sent: "\"cy@x.com\",\"01002\",Cy,Lima",
            ..case(
                "a long row",
                "a.csv",
                customers("cy@x.com,Cy,01002,Lima,Peru"),
            )
        },
        Case {
            kept: &[("email", "zoe@example.com"), ("phone", "Zo\u{eb}")],
            mended: &[("phone", ""), ("name", "Zo\u{eb}")],
            sent: "\"zoe@example.com\",\"\",Zo\u{eb}",
            ..case(
                "a short row of TSV",
                "a.tsv",
                "email\tphone\tname\nzoe@example.com\tZo\u{eb}\n",
            )
        },
        Case {
            audience: "delimiter = \";\"\nencoding = \"windows-1252\"\n",
            kept: &[("phone", "Zo\u{eb}")],
            mended: &[("phone", ""), ("name", "Zo\u{eb}")],
            sent: "\"zoe@example.com\",\"\",Zo\u{eb}",
            ..case(
                "a short row in another encoding",
                "a.csv",
                b"email;phone;name\nzoe@example.com;Zo\xeb\n",
            )
        },
        Case {
            columns: EVENTS,
            kept: &[("id", "{\"id\":\"k1\",\"x\":007}"), ("x", "")],
            mended: &[("id", "k1"), ("x", "7")],
            sent: "\"k1\",7",
            ..case(
                "a line that is no object, mended cell by cell",
                "a.ndjson",
                "{\"id\":\"k0\",\"x\":1}\n{\"id\":\"k1\",\"x\":007}\n",
            )
        },
        Case {
            columns: EVENTS,
            mended: &[("id", "{\"id\":\"k1\",\"x\":7}")],
            sent: "\"k1\",7",
            ..case(
                "a line that is no object, mended in its place",
                "a.ndjson",
                "{\"id\":\"k0\",\"x\":1}\n{\"id\":\"k1\",\"x\":007}\n",
            )
        },
        Case {
            columns: CUSTOMERS,
            reason: "record-too-long",
            kept: &[("First Name", "Cy"), ("Customer ID", "1,a\u{fffd}")],
            mended: &[("Customer ID", "1"), ("City", "a")],
            sent: "\"cy@x.com\",\"1\",Cy,a",
            ..case(
                "an open quote",
                "a.csv",
                [
                    customers("cy@x.com,Cy,\"1,a\u{fffd}"),
                    (0..1_200)
                        .map(|n| format!("n{n}@x.com,,,{}\n", "x".repeat(900)))
                        .collect::<String>()
                        .into_bytes(),
                ]
                .concat(),
            )
        },
        Case {
            columns: CUSTOMERS,
            reason: "record-too-long",
            kept: &[("Email", "cy@x.com")],
            mended: &[("First Name", "Cy")],
            sent: "\"cy@x.com\",\"\",Cy,",
            ..case(
                "a long line",
                "a.csv",
                customers(&format!("cy@x.com,{},7,Lima", "\u{e9}".repeat(500_001))),
            )
        },
        Case {
            columns: EVENTS,
            reason: "record-too-long",
            mended: &[("id", "k1"), ("x", "7")],
            sent: "\"k1\",7",
            ..case(
                "a long line of NDJSON",
                "a.ndjson",
                format!(
                    "{{\"id\":\"k0\",\"x\":1}}\n{{\"id\":\"k1\",\"x\":\"{}\"}}\n",
                    "x".repeat(1_000_001)
                ),
            )
        },
    ]
}

fn bytes() -> Vec<Case> {
    let half = |text: &str| -> Vec<u8> {
        let units = text
            .encode_utf16()
            .chain([0xD8A9])
            .chain("\n".encode_utf16());
        units.flat_map(u16::to_be_bytes).collect()
    };
    let invalid = |case: Case| Case {
        reason: "invalid-encoding",
        ..case
    };
    vec![
        invalid(Case {
            kept: &[("name", "M\\xFCller C:\\x5Cxab\\n")],
            mended: &[("name", "Müller C:\\x5Cxab\\n")],
            sent: "\"zoe@example.com\",\"\",Müller C:\\xab\\n",
            ..case(
                "a byte that is no text",
                "a.csv",
                b"email,phone,name\nzoe@example.com,,M\xfcller C:\\xab\\n\n",
            )
        }),
        invalid(Case {
            kept: &[("name", "Zo\\x00e")],
            mended: &[("name", "Zoe")],
            sent: "\"zoe@example.com\",\"\",Zoe",
            ..case(
                "a NUL",
                "a.csv",
                b"email,phone,name\nzoe@example.com,,Zo\0e\n",
            )
        }),
        invalid(Case {
            audience: "encoding = \"shift_jis\"\n",
            kept: &[("name", "\u{30a8}\\xFF\\xFE")],
            mended: &[("name", "\u{30a8}\u{30de}")],
            sent: "\"zoe@example.com\",\"\",\u{30a8}\u{30de}",
            ..case(
                "bytes that another encoding does not know",
                "a.csv",
                b"email,phone,name\nzoe@example.com,,\x83\x47\xff\xfe\n",
            )
        }),
        // Read as UTF-8, these two bytes would be a letter.
        invalid(Case {
            audience: "encoding = \"utf-16be\"\n",
            kept: &[("name", "Z\\xD8\\xA9")],
            mended: &[("name", "Zoe")],
            sent: "\"zoe@example.com\",\"\",Zoe",
            ..case(
                "half a pair of UTF-16",
                "a.csv",
                half("email,phone,name\nzoe@example.com,,Z"),
            )
        }),
        invalid(Case {
            columns: EVENTS,
            kept: &[("id", "k1"), ("x", "M\\xFC")],
            mended: &[("x", "Mü")],
            sent: "\"k1\",Mü",
            ..case(
                "a byte of NDJSON that is no text",
                "a.ndjson",
                b"{\"id\":\"k0\",\"x\":1}\n{\"id\":\"k1\",\"x\":\"M\xfc\"}\n",
            )
        }),
        invalid(Case {
            columns: EVENTS,
            kept: &[("x", "\\xED\\xA0\\x80!")],
            mended: &[("x", "!")],
            sent: "\"k1\",!",
            ..case(
                "half a pair in NDJSON",
                "a.ndjson",
                "{\"id\":\"k0\",\"x\":1}\n{\"id\":\"k1\",\"x\":\"\\ud800!\"}\n",
            )
        }),
        invalid(Case {
            columns: EVENTS,
            kept: &[("x", "a\\x00b")],
            mended: &[("x", "ab")],
            sent: "\"k1\",ab",
            ..case(
                "a NUL in NDJSON",
                "a.ndjson",
                "{\"id\":\"k0\",\"x\":1}\n{\"id\":\"k1\",\"x\":\"a\\u0000b\"}\n",
            )
        }),
    ]
}

impl Case {
    /// A run of the case's job over `file`. The report, with `rejects.csv` and the rows of the parts.
    fn run(&self, workspace: &Workspace, file: &str) -> (serde_json::Value, String, Vec<String>) {
        let body = format!(
            "[audience]\nfiles = [\"{file}\"]\non-empty = \"skip\"\n{}{}",
            self.audience, self.columns
        );
        let limits = "max-rejected = { percent = 100, rows = 1000000 }\n";
        let body = if body.contains("[normalize]") {
            format!("{body}{limits}")
        } else {
            format!("{body}[normalize]\n{limits}")
        };
        let job = workspace.job("vip", &body, None);
        let outcome = workspace.run(&["run", &job, "--dry-run", "--json"]);
        assert_eq!(outcome.code, 0, "{}: {}", self.name, outcome.stderr);
        let rejects = workspace.last_run("vip").join("rejects.csv");
        let parts = workspace.parts("vip");
        let sent = parts.iter().flat_map(|part| part.lines().skip(1));
        (
            outcome.report(),
            std::fs::read_to_string(rejects).unwrap_or_default(),
            sent.map(str::to_owned).collect(),
        )
    }

    /// Gives `rejects` back; the same row must be rejected for the same reason.
    fn is_rejected_again(&self, workspace: &Workspace, rejects: &str, given_back: &[u8]) {
        workspace.write("back.csv", given_back);
        let (report, again, sent) = self.run(workspace, "back.csv");
        assert_eq!(
            report["rejections"],
            json!({self.reason: 1}),
            "{}",
            self.name
        );
        assert_eq!(sent, [""; 0], "{}", self.name);
        let told = |text: &str| {
            let mut row = rows(text).remove(0);
            row.retain(|name, _| name != "_source" && name != "_record");
            row
        };
        let (before, after) = (told(rejects), told(&again));
        assert_eq!(before["_reason"], after["_reason"], "{}", self.name);
        assert_eq!(before["_detail"], after["_detail"], "{}", self.name);
        if given_back == rejects.as_bytes() {
            assert_eq!(before, after, "{}", self.name);
        }
    }
}

/// The text with the cells of its last row changed by `change`, which is given each with its column.
fn changed(text: &str, delimiter: u8, change: impl Fn(&str, &str) -> String) -> Vec<u8> {
    let mut reader = csv::Reader::from_reader(text.as_bytes());
    let header = reader.headers().unwrap().clone();
    let mut writer = csv::WriterBuilder::new()
        .delimiter(delimiter)
        .from_writer(Vec::new());
    writer.write_record(&header).unwrap();
    for row in reader.records() {
        let row = row.unwrap();
        let cells = header
            .iter()
            .zip(&row)
            .map(|(name, cell)| change(name, cell));
        writer.write_record(cells).unwrap();
    }
    writer.into_inner().unwrap()
}

/// The cell as a spreadsheet shows it, and so saves it.
fn as_a_spreadsheet_has_it(cell: &str) -> String {
    let digits = cell.trim_start_matches('0');
    if !digits.is_empty() && cell.bytes().all(|byte| byte.is_ascii_digit()) {
        return digits.to_owned();
    }
    // Read in another encoding.
    cell.chars()
        .flat_map(|sign| {
            let bytes = sign.to_string().into_bytes().into_iter();
            bytes.map(move |byte| {
                if sign.is_ascii() {
                    sign
                } else {
                    char::from(byte.max(0xA1))
                }
            })
        })
        .collect()
}

#[test]
fn each_kind_is_rejected_again_as_it_was_and_sent_when_it_is_mended() {
    for case in values().into_iter().chain(forms()).chain(bytes()) {
        let workspace = Workspace::new();
        workspace.write(case.file, &case.bytes);
        let (report, rejects, _) = case.run(&workspace, case.file);
        let expected = json!({case.reason: 1});
        assert_eq!(report["rejections"], expected, "{}", case.name);
        let row = rows(&rejects).remove(0);
        for (name, value) in case.kept {
            assert_eq!(row[*name], *value, "{}", case.name);
        }

        case.is_rejected_again(&workspace, &rejects, rejects.as_bytes());
        // As spreadsheets save it, in their own way of writing CSV.
        let saved =
            |delimiter| changed(&rejects, delimiter, |_, cell| as_a_spreadsheet_has_it(cell));
        case.is_rejected_again(&workspace, &rejects, &saved(b';'));
        let marked = [&b"\xef\xbb\xbf"[..], &saved(b',')].concat();
        case.is_rejected_again(&workspace, &rejects, &marked);

        let mended = changed(&rejects, b',', |name, cell| {
            let value = case.mended.iter().find(|(column, _)| *column == name);
            value.map_or(cell, |(_, value)| value).to_owned()
        });
        workspace.write("back.csv", mended);
        let (report, _, sent) = case.run(&workspace, "back.csv");
        assert_eq!(sent, [case.sent], "{}: {report:#}", case.name);
        let warnings = report["warnings"].to_string();
        assert!(!warnings.contains("rejected again"), "{}", case.name);
    }
}

#[test]
fn a_row_whose_form_is_wrong_passes_unchanged_only_with_an_empty_reason() {
    let case = &forms()[1];
    let workspace = Workspace::new();
    workspace.write(case.file, &case.bytes);
    let (_, rejects, _) = case.run(&workspace, case.file);
    let emptied = changed(&rejects, b',', |name, cell| {
        if name == "_reason" {
            String::new()
        } else {
            cell.to_owned()
        }
    });
    workspace.write("back.csv", emptied);
    let (_, _, sent) = case.run(&workspace, "back.csv");
    assert_eq!(sent, ["\"cy@x.com\",\"01002\",Cy,\"Lima,Peru\""]);
}

#[test]
fn columns_that_a_person_deleted_or_moved_do_not_make_a_ragged_row_good() {
    let case = &forms()[0];
    let workspace = Workspace::new();
    let bytes = String::from_utf8(case.bytes.clone()).unwrap();
    workspace.write(case.file, bytes.replace(",City", ",City,Note"));
    let (_, rejects, _) = case.run(&workspace, case.file);
    let table: Vec<Vec<String>> = csv::ReaderBuilder::new()
        .has_headers(false)
        .from_reader(rejects.as_bytes())
        .records()
        .map(|row| row.unwrap().iter().map(str::to_owned).collect())
        .collect();
    let header = &table[0];
    let place = |name: &str| header.iter().position(|column| column == name).unwrap();
    let without = |names: &[&str]| -> Vec<usize> {
        let gone: Vec<usize> = names.iter().map(|name| place(name)).collect();
        (0..header.len()).filter(|at| !gone.contains(at)).collect()
    };
    let moved: Vec<usize> = (5..header.len()).chain([1, 0, 2, 3, 4]).collect();
    for places in [
        without(&["Note"]),
        without(&["_digest"]),
        without(&["_detail", "_source", "_record"]),
        moved,
    ] {
        let mut writer = csv::Writer::from_writer(Vec::new());
        for row in &table {
            writer
                .write_record(places.iter().map(|&at| &row[at]))
                .unwrap();
        }
        workspace.write("back.csv", writer.into_inner().unwrap());
        let (report, _, sent) = case.run(&workspace, "back.csv");
        assert_eq!(sent, [""; 0], "{places:?}");
        assert_eq!(report["rejections"], json!({"ragged-row": 1}));
    }
}

#[test]
fn a_row_that_is_no_text_and_out_of_place_waits_for_an_empty_reason() {
    let case = Case {
        reason: "invalid-encoding",
        ..case(
            "both",
            "a.csv",
            b"email,phone,name\nzoe@example.com,Zo\xeb\n",
        )
    };
    let workspace = Workspace::new();
    workspace.write(case.file, &case.bytes);
    let (_, rejects, _) = case.run(&workspace, case.file);
    assert_eq!(
        column(&rejects, "_detail"),
        [
            "bytes that are not valid in the file's encoding, and the row does not have as many cells as the header: correct both, and empty `_reason`"
        ]
    );
    let mended = |reason: &str| {
        changed(&rejects, b',', |name, cell| match name {
            "phone" => String::new(),
            "name" => "Zo\u{eb}".to_owned(),
            "_reason" => reason.to_owned(),
            _ => cell.to_owned(),
        })
    };
    workspace.write("back.csv", mended("invalid-encoding"));
    assert_eq!(case.run(&workspace, "back.csv").2, [""; 0]);
    workspace.write("back.csv", mended(""));
    let sent = case.run(&workspace, "back.csv").2;
    assert_eq!(sent, ["\"zoe@example.com\",\"\",Zo\u{eb}"]);
}

#[test]
fn a_row_without_an_identifier_gets_none_from_another_mapping() {
    let workspace = Workspace::new();
    let columns = |id: &str| format!("[columns]\nemail = \"Email\"\nnumber = \"{id}\"\n");
    let with = |id: &str| Case {
        columns: columns(id).leak(),
        reason: "no-identifier",
        ..case("total", "a.csv", "number,email\nSumme,\n7,bob@\n")
    };
    let case = with("Number");
    workspace.write(case.file, &case.bytes);
    let (_, rejects, _) = case.run(&workspace, case.file);
    let case = with("ExternalID");
    workspace.write("back.csv", rejects.replace("bob@,", "bob@example.com,"));
    let (report, again, sent) = case.run(&workspace, "back.csv");
    assert_eq!(sent, ["\"bob@example.com\",\"7\""]);
    assert_eq!(report["rejections"], json!({"no-identifier": 1}));
    assert!(again.contains("every identifier is blank"), "{again}");
    let warnings = report["warnings"].to_string();
    assert!(
        warnings.contains("\"1 row was rejected again"),
        "{warnings}"
    );
    // A person may want it all the same.
    let emptied = rejects.replace(",no-identifier,every", ",,every");
    workspace.write("back.csv", emptied);
    assert_eq!(case.run(&workspace, "back.csv").2, ["\"\",\"Summe\""]);
}

#[test]
fn one_mended_row_does_not_take_the_others_with_it() {
    let case = &forms()[0];
    let workspace = Workspace::new();
    let rows_of = "cy@x.com,1002,Lima\n,Nobody,,\ndi@x.com,1003,Quito\ned@x.com,1004,Lima\nfo@x.com,1005,Lima\n";
    workspace.write(case.file, customers(rows_of));
    let (_, rejects, _) = case.run(&workspace, case.file);
    workspace.write(
        "back.csv",
        rejects.replace("di@x.com,1003,Quito,", "di@x.com,Di,1003,Quito"),
    );
    let (report, _, sent) = case.run(&workspace, "back.csv");
    assert_eq!(sent, ["\"di@x.com\",\"1003\",Di,Quito"]);
    assert_eq!(report["rows_read"], json!(5));
    assert_eq!(
        report["rejections"],
        json!({"ragged-row": 3, "no-identifier": 1})
    );
    assert_eq!(
        report["warnings"],
        json!([
            "3 rows were rejected again, because you did not change them; change what is wrong in a row of rejects.csv, or empty its `_reason` (back.csv record 1, 4, 5)"
        ])
    );
}

#[test]
fn a_delimiter_that_a_person_adds_to_a_row_loses_no_cell() {
    let case = &forms()[0];
    let workspace = Workspace::new();
    workspace.write(case.file, &case.bytes);
    let (_, rejects, _) = case.run(&workspace, case.file);
    workspace.write("back.csv", rejects.replace("Lima,", "1002,Lima,Peru"));
    let (_, again, sent) = case.run(&workspace, "back.csv");
    assert_eq!(sent, [""; 0]);
    let row = rows(&again).remove(0);
    assert_eq!(row["City"], "Lima,Peru");
    assert_eq!(row["_detail"], "10 cells, the header has 9");
}

#[test]
fn a_column_that_the_first_rows_of_ndjson_lack_may_be_missing_from_their_rejects() {
    let case = Case {
        columns: "[columns]\nid = \"ExternalID\"\nlate = \"Late\"\n",
        reason: "no-identifier",
        ..case("late", "a.ndjson", "{\"id\":\"\",\"note\":\"x\"}\n")
    };
    let workspace = Workspace::new();
    workspace.write(case.file, &case.bytes);
    let (_, rejects, _) = case.run(&workspace, case.file);
    workspace.write("back.csv", rejects.replacen("\n,", "\nk1,", 1));
    assert_eq!(case.run(&workspace, "back.csv").2, ["\"k1\","]);
}

#[test]
fn names_and_values_that_a_spreadsheet_takes_for_formulas_are_safe_and_come_back() {
    let case = Case {
        columns: "[columns]\n\"@mail\" = \"Email\"\n\"=note\" = \"Note\"\nphone = \"PhoneNumber\"\n",
        reason: "no-identifier",
        ..case(
            "formulas",
            "a.csv",
            "@mail,=note,phone\n@,=1+1,+1\nana@example.com,\"-2\n+3\",+1\n",
        )
    };
    let workspace = Workspace::new();
    workspace.write(case.file, &case.bytes);
    let (_, rejects, sent) = case.run(&workspace, case.file);
    assert_eq!(sent, ["\"ana@example.com\",\"\",-2 +3"]);
    assert!(
        rejects.starts_with("'@mail,'=note,phone,_reason,_detail,_source,_record,_digest\n'@,'=1+1,'+1,no-identifier,"),
        "{rejects}"
    );
    assert_eq!(
        workspace.of_last_run("vip", "repairs.csv"),
        "_source,_record,column,code,value,detail\na.csv,2,phone,invalid-phone,'+1,not-a-phone-number\na.csv,2,'=note,line-break,\"'-2\n+3\",\n"
    );
    workspace.write("back.csv", rejects.replacen("'@,", "zoe@example.com,", 1));
    assert_eq!(
        case.run(&workspace, "back.csv").2,
        ["\"zoe@example.com\",\"\",=1+1"]
    );
}

#[test]
fn the_digest_is_a_column_of_the_program_s_own() {
    let workspace = Workspace::with(&[("a.csv", "email,x\n,1\n")]);
    let job = workspace.job(
        "vip",
        "[audience]\nfiles = [\"a.csv\"]\n[columns]\nemail = \"Email\"\nx = \"_digest\"\n",
        None,
    );
    let outcome = workspace.run(&["run", &job, "--dry-run"]).exits(10);
    assert!(outcome.stderr.contains("_digest"), "{}", outcome.stderr);
    let case = case("ours", "a.csv", "email,phone,name\n,,Zoe\n");
    workspace.write(case.file, &case.bytes);
    let (_, rejects, _) = case.run(&workspace, case.file);
    let header: Vec<&str> = rejects.lines().next().unwrap().split(',').collect();
    assert_eq!(header[3..], OURS);
}

/// A quote opens before `Shop` and closes before `Other`: Bo and Cy are swallowed.
const SWALLOWED: &str = "id,name,email\n1,Ana,ana@example.com\n2,\"Shop,bo@example.com\n3,Cy,cy@example.com\n4,\"Other,di@example.com\n5,Ed,ed@example.com\n";

#[test]
fn a_cell_that_swallowed_rows_is_told_with_its_record_and_without_a_value() {
    let columns = "[columns]\nid = \"ExternalID\"\nname = \"FirstName\"\nemail = \"Email\"\n";
    let told = "1 cell holds a line break, the delimiter and an e-mail address; if a quote is missing there, the next rows are inside the cell (a.csv record 2)";
    let workspace = Workspace::with(&[("a.csv", SWALLOWED)]);
    let job = workspace.job(
        "vip",
        &format!("[audience]\nfiles = [\"a.csv\"]\n{columns}"),
        None,
    );
    workspace
        .run(&["run", &job, "--dry-run", "--json"])
        .exits(0)
        .reports(&[("rows_read", json!(3)), ("warnings", json!([told]))]);
    let preview = workspace.run(&["preview", &job, "--json"]).exits(0);
    let notes: serde_json::Value = serde_json::from_str(&preview.stdout).unwrap();
    assert_eq!(notes["notes"], json!([told]));

    // Many of them are counted, and a column that is not sent is looked at as well.
    let many: String = (0..9)
        .map(|n| format!("{n},x,n{n}@example.com,\"hello,\r\nme{n}@example.com, bye\"\r\n"))
        .collect();
    workspace.write(
        "a.csv",
        format!("id,name,email,note\r\n{many}9,x,e@example.com,\"two\r\nlines, no address\"\r\n"),
    );
    let outcome = workspace
        .run(&["run", &job, "--dry-run", "--json"])
        .exits(0);
    let told = outcome.report()["warnings"][0].as_str().unwrap().to_owned();
    assert!(
        told.starts_with("9 cells hold a line break,")
            && told.contains("(a.csv record 1, 2, 3, ...)"),
        "{told}"
    );
}
