//! Writes the audience of the benchmarks to stdout: `cargo run --release --example audience -- ROWS > audience.csv`.
//!
//! Seeded: the same rows for the same number on every machine. Twelve columns, 129 bytes a row; of 100 rows 96 have an
//! e-mail (2 of them invalid) and 82 a phone number of one of four countries in eight ways of writing; 0.93 % repeat an
//! earlier row's e-mail in other letters, 0.1 % have no identifier, 3 % of the notes need quotes.

#![expect(
    clippy::cast_possible_truncation,
    reason = "what is drawn is below a small limit"
)]

use std::io::Write;

/// SplitMix64: enough for made-up people, and the same everywhere.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    fn below(&mut self, limit: u64) -> u64 {
        self.next() % limit
    }

    fn one_of<'a>(&mut self, words: &[&'a str]) -> &'a str {
        words[(self.next() % words.len() as u64) as usize]
    }

    /// True in `parts` of 10,000.
    fn chance(&mut self, parts: u64) -> bool {
        self.below(10_000) < parts
    }
}

const FIRST_NAMES: &[&str] = &[
    "Ana",
    "Ben",
    "Chloé",
    "David",
    "Elena",
    "Farid",
    "Grace",
    "Hugo",
    "Inés",
    "Jack",
    "Katarzyna",
    "Liam",
    "Mía",
    "Noah",
    "Olivia",
    "Paul",
    "Quinn",
    "Rosa",
    "Søren",
    "Tara",
    "Uma",
    "Viktor",
    "Wendy",
    "Xavier",
    "Yara",
    "Zoë",
];
const LAST_NAMES: &[&str] = &[
    "Adams",
    "Brown",
    "Clarke",
    "Dubois",
    "Evans",
    "Fischer",
    "García",
    "Hughes",
    "Ivanov",
    "Johnson",
    "Kowalski",
    "López",
    "Müller",
    "Nguyen",
    "O'Brien",
    "Patel",
    "Quigley",
    "Rossi",
    "Schmidt",
    "Taylor",
    "Ueda",
    "Vargas",
    "Williams",
    "Xu",
    "Young",
    "Zimmermann",
];
const DOMAINS: &[&str] = &[
    "gmail.com",
    "yahoo.com",
    "Outlook.com",
    "example.org",
    "mail.example.co.uk",
    "web.de",
];
const TIERS: &[&str] = &["bronze", "silver", "gold", "platinum"];
const BAD_EMAILS: &[&str] = &[
    "n/a",
    "none@",
    "two words@example.com",
    "a..b@example.com",
    "x@localhost",
];
const BAD_PHONES: &[&str] = &["n/a", "unknown", "12", "000-0000"];
const NOTES: &[&str] = &[
    "\"likes \"\"blue\"\", not red\"",
    "\"call first, then mail\"",
];
const PLACES: &[(&str, &[&str])] = &[
    (
        "US",
        &["New York", "Chicago", "San Francisco", "Springfield"],
    ),
    ("GB", &["London", "Leeds", "Stoke-on-Trent"]),
    ("DE", &["Berlin", "Köln", "Frankfurt am Main"]),
    ("FR", &["Paris", "Saint-Étienne", "Lyon"]),
];

fn phone(random: &mut Random, country: &str, out: &mut Vec<u8>) -> std::io::Result<()> {
    if random.chance(150) {
        out.extend_from_slice(random.one_of(BAD_PHONES).as_bytes());
        return Ok(());
    }
    let (way, line) = (random.below(8), random.below(10_000));
    let exchange = 200 + random.below(700);
    let rest = random.below(1_000_000);
    match country {
        "US" => {
            let area = [212, 312, 415, 217, 646, 773][random.below(6) as usize];
            match way {
                0 | 1 => write!(out, "({area}) {exchange}-{line:04}"),
                2 | 3 => write!(out, "{area}-{exchange}-{line:04}"),
                4 => write!(out, "{area}{exchange}{line:04}"),
                5 => write!(out, "+1 {area} {exchange} {line:04}"),
                6 => write!(out, "1{area}{exchange}{line:04}"),
                _ => write!(out, "{area}.{exchange}.{line:04}"),
            }
        }
        "GB" => match way {
            0..=2 => write!(out, "07{} {rest:06}", 400 + random.below(500)),
            3 => write!(out, "+447{}{rest:06}", 400 + random.below(500)),
            4 => write!(out, "+44 (0)20 7{exchange} {line:04}"),
            5 => write!(out, "020 7{exchange} {line:04}"),
            _ => write!(out, "00447{}{rest:06}", 400 + random.below(500)),
        },
        "DE" => match way {
            0..=2 => write!(
                out,
                "0151 {}{line:04}{}",
                1 + random.below(9),
                random.below(1000)
            ),
            3 => write!(
                out,
                "+49 170 {}{line:04}{}",
                1 + random.below(9),
                random.below(100)
            ),
            4 => write!(out, "030/{}{line:04}", 2 + random.below(7)),
            5 => write!(out, "0049 30 2{rest:06}"),
            _ => write!(out, "+4930{}{rest:06}", 2 + random.below(7)),
        },
        _ => {
            let pairs = (
                random.below(100),
                random.below(100),
                random.below(100),
                random.below(100),
            );
            match way {
                0..=3 => write!(
                    out,
                    "06 {:02} {:02} {:02} {:02}",
                    pairs.0, pairs.1, pairs.2, pairs.3
                ),
                4 | 5 => write!(
                    out,
                    "+336{:02}{:02}{:02}{:02}",
                    pairs.0, pairs.1, pairs.2, pairs.3
                ),
                _ => write!(out, "01.42.{:02}.{:02}.{:02}", pairs.0, pairs.1, pairs.2),
            }
        }
    }
}

fn email(
    random: &mut Random,
    person: u64,
    is_repeat: bool,
    out: &mut Vec<u8>,
) -> std::io::Result<()> {
    // What belongs to a person follows from their number, so that a repeat has the same address.
    let mut own = Random(person);
    let first = own.one_of(&[
        "ana", "ben.k", "chloe", "dave", "elena-m", "farid", "grace", "hugo",
    ]);
    let last = own.one_of(&[
        "adams", "brown", "clarke", "dubois", "fischer", "garcia", "kowalski", "rossi",
    ]);
    let domain = own.one_of(DOMAINS);
    if is_repeat {
        return write!(out, "{}.{last}{person}@{domain}", first.to_uppercase());
    }
    if random.chance(200) {
        out.extend_from_slice(random.one_of(BAD_EMAILS).as_bytes());
        return Ok(());
    }
    let blank = if random.chance(300) { " " } else { "" };
    write!(out, "{blank}{first}.{last}{person}@{domain}{blank}")
}

fn row(random: &mut Random, number: u64, out: &mut Vec<u8>) -> std::io::Result<()> {
    let (country, cities) = PLACES[[0, 0, 0, 0, 1, 1, 2, 3][random.below(8) as usize]];
    let nobody = random.chance(10);
    let is_repeat = number > 1_000 && random.chance(100);
    let person = if is_repeat {
        number - 1 - random.below(number - 1)
    } else {
        number
    };
    if !nobody && !random.chance(400) {
        email(random, person, is_repeat, out)?;
    }
    out.push(b',');
    if !nobody && random.chance(8_200) {
        phone(random, country, out)?;
    }
    let id = if nobody {
        String::new()
    } else {
        format!("C{number:09}")
    };
    let (first, last) = (random.one_of(FIRST_NAMES), random.one_of(LAST_NAMES));
    let city = random.one_of(cities);
    write!(
        out,
        ",{id},{first},{last},{city},{country},{:05},",
        random.below(100_000)
    )?;
    let (year, month, day) = (
        2015 + random.below(11),
        1 + random.below(12),
        1 + random.below(28),
    );
    write!(
        out,
        "{year}-{month:02}-{day:02} {:02}:{:02}:{:02},",
        random.below(24),
        random.below(60),
        random.below(60)
    )?;
    write!(
        out,
        "{}.{:02},{},",
        random.below(5_000),
        random.below(100),
        random.one_of(TIERS)
    )?;
    if random.chance(300) {
        out.extend_from_slice(random.one_of(NOTES).as_bytes());
    } else if random.chance(3_000) {
        write!(out, "order {} was late", random.below(1_000_000))?;
    }
    out.push(b'\n');
    Ok(())
}

fn main() -> std::io::Result<()> {
    let rows = std::env::args()
        .nth(1)
        .and_then(|rows| rows.parse().ok())
        .unwrap_or(1_000_000);
    let mut out = b"email,phone,customer_id,first_name,last_name,city,country,postal_code,last_order,total_spent,tier,notes\n".to_vec();
    let mut stdout = std::io::stdout().lock();
    let mut random = Random(42);
    for number in 1..=rows {
        row(&mut random, number, &mut out)?;
        if out.len() > 1 << 20 {
            stdout.write_all(&out)?;
            out.clear();
        }
    }
    stdout.write_all(&out)?;
    stdout.flush()
}
