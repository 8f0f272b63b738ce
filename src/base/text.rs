//! Numbers as people read them: counts with their noun, digits in groups, sizes in bytes.

/// A number with its noun, in the plural where there is not one.
pub fn count(number: u64, noun: &str) -> String {
    let plural = if number == 1 { "" } else { "s" };
    format!("{} {noun}{plural}", grouped(number))
}

/// A number with commas between groups of three digits.
pub fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// The nearest whole number, which is not negative, with commas between groups of three digits.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a number for people"
)]
pub fn grouped_whole(number: f64) -> String {
    grouped(number.round() as u64)
}

/// A number of which three digits are known.
pub fn rounded(number: u64) -> u64 {
    let digits = number.checked_ilog10().unwrap_or(0);
    let unit = 10_u64.pow(digits.saturating_sub(2));
    number.saturating_add(unit / 2) / unit * unit
}

/// Bytes as decimal megabytes, or as bytes where they are few.
pub fn megabytes(bytes: u64) -> String {
    match bytes {
        0..10_000 => format!("{} bytes", grouped(bytes)),
        10_000..1_000_000 => format!("{:.1} kB", bytes as f64 / 1e3),
        1_000_000..10_000_000_000 => format!("{:.1} MB", bytes as f64 / 1e6),
        _ => format!("{:.1} GB", bytes as f64 / 1e9),
    }
}

/// A time as exact as an estimate is: whole seconds, then minutes, hours or days.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a time for people"
)]
pub fn duration(seconds: f64) -> String {
    let minutes = (seconds / 60.0).round() as u64;
    match seconds.round() as u64 {
        _ if seconds <= 0.0 => "no time".to_owned(),
        0..=1 => "1 s".to_owned(),
        whole @ 2..120 => format!("{whole} s"),
        120..7_200 => format!("{minutes} min"),
        7_200..172_800 => format!("{} h {} min", minutes / 60, minutes % 60),
        whole => format!("{:.1} days", whole as f64 / 86_400.0),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_read_well() {
        assert_eq!(grouped(0), "0");
        assert_eq!(grouped(999), "999");
        assert_eq!(grouped(1_000), "1,000");
        assert_eq!(grouped(12_345_678), "12,345,678");
        assert_eq!(
            [0, 7, 999, 1_234, 1_235, 99_960].map(rounded),
            [0, 7, 999, 1_230, 1_240, 100_000]
        );
        assert_eq!(count(1, "row"), "1 row");
        assert_eq!(count(2_000, "row"), "2,000 rows");
        assert_eq!(megabytes(9_999), "9,999 bytes");
        assert_eq!(megabytes(50_000_000), "50.0 MB");
    }

    #[test]
    fn times_are_told_as_exactly_as_they_are_known() {
        let told = [0.0, 0.2, 1.6, 119.0, 120.0, 783.3, 20_000.0, 800_000.0].map(duration);
        let expected = [
            "no time",
            "1 s",
            "2 s",
            "119 s",
            "2 min",
            "13 min",
            "5 h 33 min",
            "9.3 days",
        ];
        assert_eq!(told, expected);
    }
}
