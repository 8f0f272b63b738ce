//! The parts of formatting by themselves: `cargo bench`. Whole runs beside other programs are in `bench/`.
#![allow(
    clippy::unwrap_used,
    reason = "a bench that cannot be set up has nothing to say"
)]

use std::fmt::Write as _;
use std::path::Path;
use std::sync::Arc;

use divan::counter::{BytesCount, ItemsCount};
use divan::{Bencher, black_box};
use klaviyo_export::base::environment::Environment;
use klaviyo_export::job::file::JobFile;
use klaviyo_export::job::{Job, PartLimits, PrimaryKey};
use klaviyo_export::pipeline::batch::Row;
use klaviyo_export::pipeline::dedupe::SeenKeys;
use klaviyo_export::pipeline::mapping::Mapping;
use klaviyo_export::pipeline::normalize::country::Region;
use klaviyo_export::pipeline::normalize::{Normalizer, email, phone};
use klaviyo_export::pipeline::spool::{Spool, SpoolLayout};
use klaviyo_export::source::audience::{Audience, Block, Source};

fn main() {
    divan::main();
}

const JOB: &str = "name = \"bench\"\n[audience]\nfiles = [\"a.csv\"]\n[columns]\nemail = \"Email\"\nphone = \"PhoneNumber\"\n\
                   id = \"ExternalID\"\nname = \"FirstName\"\ncity = \"City\"\nspent = \"Total Spent\"\n\
                   [normalize]\ndefault-region = \"US\"\n";

const PHONES: [&str; 8] = [
    "(212) 555-0143",
    "650.253.0000",
    "+1 650 253 0000",
    "16502530000",
    "+49 30 26550280",
    "+44 (0)20 7707 0707",
    "+33142685300",
    "253 0000",
];

/// About a mebibyte: one block.
fn audience() -> String {
    let mut text = String::from("email,phone,id,name,city,spent\n");
    for (row, phone) in PHONES.iter().cycle().enumerate().take(12_000) {
        let email = format!("Ana.Garcia{row}@Example.com");
        writeln!(text, "{email},{phone},C{row:08},Ana,San Francisco,{row}.50").unwrap();
    }
    text
}

fn open(job: &Job) -> Audience {
    let stream = Box::new(std::io::Cursor::new(audience().into_bytes()));
    Audience::from_stream("a.csv".to_owned(), stream, job.audience.files().unwrap()).unwrap()
}

fn job() -> Job {
    let file = JobFile::parse(JOB).unwrap();
    Job::from_file(file, Path::new(""), &Environment::default()).unwrap()
}

fn block(audience: Audience) -> Block {
    audience.into_blocks().next().unwrap().unwrap()
}

#[divan::bench]
fn normalize_block(bencher: Bencher<'_, '_>) {
    let job = job();
    let audience = open(&job);
    let mapping = Mapping::new(&job.columns, audience.sources()).unwrap();
    let sources: Vec<Source> = audience.sources().to_vec();
    let block = block(audience);
    let mut normalizer = Normalizer::new(&mapping, job.rules.clone());
    bencher
        .counter(ItemsCount::new(block.records))
        .bench_local(|| normalizer.batch(&sources, black_box(&block)).unwrap());
}

#[divan::bench]
fn cut_blocks(bencher: Bencher<'_, '_>) {
    let job = job();
    bencher
        .counter(BytesCount::of_str(&audience()))
        .with_inputs(|| open(&job))
        .bench_local_values(|audience| audience.into_blocks().count());
}

fn phones(bencher: Bencher<'_, '_>, numbers: &[&str]) {
    let region = Region::from_code("US");
    let mut out = Vec::new();
    bencher
        .counter(ItemsCount::new(numbers.len()))
        .bench_local(|| {
            for number in numbers {
                out.clear();
                let _ = black_box(phone::normalize(number.as_bytes(), region, &mut out));
            }
        });
}

#[divan::bench]
fn phone_plain(bencher: Bencher<'_, '_>) {
    phones(bencher, &PHONES);
}

/// With an extension, so that the library must read them.
#[divan::bench]
fn phone_by_library(bencher: Bencher<'_, '_>) {
    let numbers = PHONES.map(|number| format!("{number} x1"));
    phones(bencher, &numbers.each_ref().map(String::as_str));
}

#[divan::bench]
fn email_address(bencher: Bencher<'_, '_>) {
    let mut out = Vec::new();
    bencher.counter(ItemsCount::new(1_usize)).bench_local(|| {
        out.clear();
        email::normalize(black_box(b"Ana.Garcia1234567@Example.com"), &mut out)
    });
}

/// A million keys in batches of 8,000, into an empty index.
#[divan::bench(sample_count = 10)]
fn dedupe_a_million(bencher: Bencher<'_, '_>) {
    let key = |number: u32| xxhash_rust::xxh3::xxh3_128(&number.to_le_bytes());
    let rows: Vec<Row> = (0..1_000_000)
        .map(|number| Row {
            record: 0,
            end: 0,
            identifier_bytes: 0,
            external_id_only: false,
            key_kind: PrimaryKey::Email,
            key: key(number),
        })
        .collect();
    bencher
        .counter(ItemsCount::new(rows.len()))
        .with_inputs(|| SeenKeys::new(1_500_000_000))
        .bench_local_values(|mut seen| {
            let mut sightings = Vec::new();
            for batch in rows.chunks(8_000) {
                seen.look_up(batch, &mut sightings);
            }
            seen
        });
}

/// 100,000 rows of 120 bytes in ten texts, with digest and fsync.
#[divan::bench(sample_count = 10)]
fn write_a_part(bencher: Bencher<'_, '_>) {
    const ROWS: usize = 100_000;
    let row = format!("\"ana@example.com\",{}\n", "x".repeat(101));
    let text = row.repeat(ROWS / 10);
    let folder = tempfile::tempdir().unwrap();
    let layout = SpoolLayout {
        directory: folder.path().to_owned(),
        prefix: "bench".to_owned(),
        header: b"Email,Note\n".to_vec(),
        identifiers_header: Some(b"Email\n".to_vec()),
        limits: PartLimits {
            max_bytes: 50_000_000,
            max_rows: 1_000_000,
        },
        are_sent: true,
        first_part: 1,
    };
    bencher
        .counter(BytesCount::new(ROWS * row.len()))
        .bench_local(|| {
            let mut spool = Spool::start(layout.clone(), Box::new(|_| Ok(())));
            for _ in 0..10 {
                let mut filled = spool.spares().text();
                filled.extend_from_slice(text.as_bytes());
                let filled = Arc::new(filled);
                for begin in (0..filled.len()).step_by(row.len()) {
                    spool.keep(&filled, begin..begin + row.len(), 17).unwrap();
                }
            }
            spool.close_part().unwrap();
            spool.finish().unwrap();
        });
}
