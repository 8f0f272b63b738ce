//! The text that each type of the server becomes.

use std::fmt::Write as _;

use super::{EMAIL, Postgres, Workspace, dry, job};

pub(crate) const ROWS: i64 = 100_000;

pub(crate) const TABLE: &str = r#"
SET timezone = 'UTC';
CREATE TABLE people AS SELECT
    g AS id,
    'user' || g || '@example.com' AS email,
    CASE g % 6 WHEN 0 THEN NULL WHEN 1 THEN '' WHEN 2 THEN 'say "hi", you' WHEN 3 THEN E'two\nlines' WHEN 4 THEN 'snow ☃ 😀' ELSE 'plain ' || g END AS note,
    CASE WHEN g % 7 = 0 THEN 'NaN' ELSE (g / 100.0)::numeric(12,2) END AS amount,
    CASE WHEN g % 11 = 0 THEN 'infinity' ELSE timestamptz '2020-01-01 00:00:00.999+00' + g * interval '61 seconds' END AS seen,
    CASE g % 5 WHEN 0 THEN NULL WHEN 1 THEN '{}' ELSE ARRAY['a"' || g, NULL, 'b, c'] END AS tags,
    jsonb_build_object('n', g, 'x', 'é') AS doc,
    CASE g % 8 WHEN 0 THEN 'NaN' WHEN 1 THEN '-infinity' WHEN 2 THEN -0.0 WHEN 3 THEN g * 1e15 WHEN 4 THEN g / 1e10 ELSE g / 8.0 END::float8 AS score,
    CASE g % 3 WHEN 0 THEN NULL ELSE g % 3 = 1 END AS vip,
    date '1970-01-01' + (g % 20000)::int AS born,
    (lpad(to_hex(g), 8, '0') || '-0000-4000-8000-000000000000')::uuid AS code
FROM generate_series(1, 100000) AS g;
"#;

pub(crate) const COLUMNS: &str = "[columns]\nemail = \"Email\"\nid = \"ExternalID\"\nnote = \"Note\"\namount = \"Amount\"\nseen = \"Seen\"\n\
    tags = \"Tags\"\ndoc = \"Doc\"\nscore = \"Score\"\nvip = \"Vip\"\nborn = \"Born\"\ncode = \"Code\"\n\
    [parts]\nmax-rows = 30000\n";

/// A cell of a part that is no identifier.
fn cell(text: &str) -> String {
    if text.contains(['"', ',']) {
        return format!("\"{}\"", text.replace('"', "\"\""));
    }
    text.to_owned()
}

fn time(seconds: i64) -> String {
    let time = jiff::Timestamp::from_second(seconds).unwrap();
    time.strftime("%Y-%m-%d %H:%M:%S").to_string()
}

/// The line of the parts for row `g`, by other means than the server's.
fn line(g: i64) -> String {
    let note = match g % 6 {
        0 | 1 => String::new(),
        2 => "say \"hi\", you".to_owned(),
        3 => "two lines".to_owned(),
        4 => "snow ☃ 😀".to_owned(),
        _ => format!("plain {g}"),
    };
    let amount = match g % 7 {
        0 => String::new(),
        _ => format!("{}.{:02}", g / 100, g % 100),
    };
    let seen = match g % 11 {
        0 => String::new(),
        _ => time(1_577_836_800 + g * 61),
    };
    let tags = match g % 5 {
        0 => String::new(),
        1 => "[]".to_owned(),
        _ => format!("[\"a\\\"{g}\",null,\"b, c\"]"),
    };
    let score = match g % 8 {
        0 | 1 => String::new(),
        2 => "0".to_owned(),
        3 => format!("{g}000000000000000"),
        4 => {
            let digits = format!("{g:010}");
            let tail = digits.trim_end_matches('0');
            format!("0.{tail}")
        }
        part => {
            let thousandths = part * 125;
            format!("{}.{thousandths}", g / 8)
                .trim_end_matches('0')
                .to_owned()
        }
    };
    let vip = ["", "True", "False"][usize::try_from(g % 3).unwrap()];
    let born = time(g % 20_000 * 86_400 + 43_200);
    let code = format!("{g:08x}-0000-4000-8000-000000000000");
    let doc = format!("{{\"n\": {g}, \"x\": \"é\"}}");
    let others = [
        note,
        amount,
        seen,
        tags,
        doc,
        score,
        vip.to_owned(),
        born,
        code,
    ];
    let others: Vec<String> = others.iter().map(|text| cell(text)).collect();
    format!("\"user{g}@example.com\",\"{g}\",{}\n", others.join(","))
}

#[test]
fn a_hundred_thousand_rows_are_byte_for_byte_what_was_meant() {
    let server = Postgres::start();
    server.shop(TABLE);
    let workspace = Workspace::new();
    workspace.write(
        "people.sql",
        "-- everybody\nSELECT * FROM people ORDER BY id; -- in order\n",
    );
    workspace.write(
        "vip.toml",
        format!(
            "name = \"vip\"\n[audience]\npostgres = \"{}\"\nquery-file = \"people.sql\"\n{COLUMNS}",
            server.url()
        ),
    );
    let report = dry(&workspace).exits(0).report();
    assert_eq!(report["rows_read"], ROWS);
    assert_eq!(report["rows_written"], ROWS);
    assert_everybody(&workspace.parts("vip"));
}

/// Fails unless these are the parts of everybody in the table.
pub(crate) fn assert_everybody(parts: &[String]) {
    assert_eq!(parts.len(), 4);
    let mut g = 0;
    for part in parts {
        let (header, rows) = part.split_once('\n').unwrap();
        assert_eq!(
            header,
            "Email,ExternalID,Note,Amount,Seen,Tags,Doc,Score,Vip,Born,Code"
        );
        let mut expected = String::new();
        for _ in 0..30_000.min(ROWS - g) {
            g += 1;
            let _ = write!(expected, "{}", line(g));
        }
        if rows != expected {
            for (got, wanted) in rows.lines().zip(expected.lines()) {
                assert_eq!(got, wanted);
            }
            panic!("the parts are of different lengths");
        }
    }
    assert_eq!(g, ROWS);
}

/// The cells of one row: expressions, each with what it becomes.
const CELLS: [(&str, &str); 38] = [
    ("1e300::float8 * 0 + 1e15", "1000000000000000"),
    ("123456.7::float4", "123456.7"),
    ("1e10::float4", "10000000000"),
    ("1e-5::float4", "0.00001"),
    ("'-infinity'::float4", ""),
    ("0.1::float8 + 0.2::float8", "0.30000000000000004"),
    ("1.50::numeric", "1.50"),
    ("'infinity'::numeric", ""),
    ("timestamp '1969-12-31 23:59:58.7'", "1969-12-31 23:59:58"),
    ("timestamp '2026-01-02 03:04:05'", "2026-01-02 03:04:05"),
    (
        "timestamptz '2026-01-02 03:04:05+05:30'",
        "2026-01-01 21:34:05",
    ),
    ("date '2026-01-02'", "2026-01-02 12:00:00"),
    ("date 'infinity'", ""),
    ("date '12026-01-02'", ""),
    ("timestamp '0044-03-15 BC'", ""),
    ("time '03:04:05'", "03:04:05"),
    ("ARRAY[true,false,NULL]", "[true,false,null]"),
    ("ARRAY[[1,2],[3,4]]", "[[1,2],[3,4]]"),
    ("ARRAY[1.50,'NaN',NULL]::numeric[]", "[1.50,null,null]"),
    (
        "ARRAY[1e20,'-infinity',0.5]::float8[]",
        "[100000000000000000000,null,0.5]",
    ),
    (
        "ARRAY[date '2026-01-02',NULL]",
        "[\"2026-01-02 12:00:00\",null]",
    ),
    (
        "ARRAY[timestamptz '2026-01-02 03:04:05.9+05:30','infinity']",
        "[\"2026-01-01 21:34:05\",null]",
    ),
    ("ARRAY['{\"a\": 1}'::jsonb]", "[\"{\\\"a\\\": 1}\"]"),
    ("NULL::date[]", ""),
    ("true::flag", "True"),
    ("ARRAY[2.5]::sizes", "[2.5]"),
    ("'happy'::mood", "happy"),
    ("ROW(1,'a b')::text", "(1,\"a b\")"),
    ("'ab'::char(5)", "ab"),
    ("int4range(1,5)", "[1,5)"),
    ("'abc \"d'::bytea", "abc \"d"),
    ("''::bytea", ""),
    ("NULL::bytea", ""),
    ("ARRAY['a\"'::bytea,NULL]", "[\"a\\\"\",null]"),
    ("'-infinity'::float8", ""),
    ("'NaN'::float8", ""),
    ("ARRAY['NaN','infinity']::numeric[]", "[null,null]"),
    ("'-infinity'::timestamptz", ""),
];

#[test]
fn types_become_what_klaviyo_reads() {
    let server = Postgres::start();
    server.shop(
        "CREATE DOMAIN flag AS boolean; CREATE DOMAIN sizes AS numeric[]; CREATE TYPE mood AS ENUM ('happy')",
    );
    let workspace = Workspace::new();
    let (mut select, mut columns) = (String::new(), EMAIL.to_owned());
    for (index, (expression, _)) in CELLS.iter().enumerate() {
        let _ = write!(select, ", {expression} AS c{index}");
        let _ = writeln!(columns, "c{index} = \"C{index}\"");
    }
    // The settings of the session make no difference.
    let query = format!("SELECT 'a@example.com' AS email{select} /* all */ ;");
    job(&workspace, &server, &query, "", &columns);
    let variables = [
        ("PGPASSWORD", super::PASSWORD),
        (
            "PGOPTIONS",
            "-c datestyle=SQL,DMY -c extra_float_digits=-3 -c bytea_output=escape",
        ),
    ];
    let arguments = ["run", "vip.toml", "--dry-run", "--json"];
    let report = workspace.run_with_env(&arguments, &variables).exits(0);
    // Numbers and times that no text stands for, also in lists. NaN is no value.
    let repairs = &report.report()["repairs"];
    assert_eq!(*repairs, serde_json::json!({ "unrepresentable": 10 }));
    let row = super::workspace::rows(&workspace.parts("vip")[0]).remove(0);
    for (index, (expression, expected)) in CELLS.iter().enumerate() {
        assert_eq!(row[&format!("C{index}")], *expected, "{expression}");
    }
}

#[test]
fn bytes_that_are_no_text_reject_their_row_by_both_ways() {
    let server = Postgres::start();
    let workspace = Workspace::new();
    workspace.write(
        "q.sql",
        r"SELECT * FROM (VALUES ('a@example.com', '\xff'::bytea, NULL), ('b@example.com', '\x6100', NULL),
          ('c@example.com', 'c', ARRAY['\x64'::bytea]), ('d@example.com', 'd', ARRAY['\xff'::bytea])) AS t (email, c, l)",
    );
    let url = server.url();
    let driver = crate::support::engines::driver("postgresql");
    let driver = driver.display();
    let by_driver = format!("[audience.adbc]\ndriver = \"{driver}\"\nuri = \"{url}\"");
    let by_copy = format!("postgres = \"{url}\"");
    for (before, behind) in [(&*by_copy, ""), ("", &*by_driver)] {
        workspace.write(
            "vip.toml",
            format!(
                "name = \"vip\"\n[audience]\n{before}\nquery-file = \"q.sql\"\n{behind}\n[columns]\nemail = \"Email\"\nc = \"C\"\nl = \"L\"\n"
            ),
        );
        workspace.set_mode("vip.toml", 0o600);
        let report = dry(&workspace).exits(0).report();
        assert_eq!(
            report["rejections"],
            serde_json::json!({ "invalid-encoding": 3 })
        );
        assert_eq!(
            workspace.parts("vip").concat(),
            "Email,C,L\n\"c@example.com\",c,\"[\"\"d\"\"]\"\n"
        );
    }
}

#[test]
fn a_null_in_the_only_column_is_a_blank_record_and_names_that_are_alike_are_refused() {
    let server = Postgres::start();
    let workspace = Workspace::new();
    let query = "SELECT * FROM (VALUES ('a@example.com'), (NULL), ('b@example.com')) AS t (email)";
    job(&workspace, &server, query, "", EMAIL);
    let report = dry(&workspace).exits(0).report();
    assert_eq!(report["rows_read"], 2);
    assert_eq!(report["rows_blank"], 1);
    let variables = [("PGPASSWORD", super::PASSWORD)];
    let preview = workspace.run_with_env(&["preview", "vip.toml"], &variables);
    let preview = preview.exits(0);
    assert!(
        preview.stdout.starts_with("query: 1 column\n"),
        "{}",
        preview.stdout
    );

    let query = "SELECT 'a@example.com' AS email, 'b@example.com' AS email";
    job(&workspace, &server, query, "", EMAIL);
    let outcome = dry(&workspace).exits(12);
    assert!(
        outcome.error().contains("columns are named"),
        "{}",
        outcome.stderr
    );

    let query = "SELECT 'a@example.com' AS \"the, \"\"mail\"\"\"";
    job(
        &workspace,
        &server,
        query,
        "",
        "[columns]\n'the, \"mail\"' = \"Email\"\n",
    );
    dry(&workspace).exits(0);
}
