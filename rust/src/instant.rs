//! Points in time with nanoseconds: strict reading of RFC 3339, and writing in UTC.
//!
//! The years 1 to 9999 are held whole, in UTC: what Python's `datetime` and the text form can both show. (The time
//! types at hand end a day before the year 9999 does, and that last day is what people write for "never".)

use std::time::{SystemTime, UNIX_EPOCH};

const SECONDS_PER_DAY: i64 = 86_400;
/// Days from 0001-01-01 to 1970-01-01.
const DAYS_BEFORE_EPOCH: i64 = 719_162;
/// Days from 1970-01-01 to 10000-01-01.
const DAYS_AFTER_EPOCH: i64 = 2_932_897;

/// A point in time, in seconds and nanoseconds since 1970-01-01T00:00:00Z.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Instant {
    seconds: i64,
    nanosecond: u32,
}

impl Instant {
    /// The system's time.
    pub fn now() -> Self {
        // A clock before 1970 is a broken clock; the epoch is as good a time as any.
        let since = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .unwrap_or_default();
        let seconds = i64::try_from(since.as_secs()).unwrap_or_default();
        Self {
            seconds,
            nanosecond: since.subsec_nanos(),
        }
    }

    /// The time so many milliseconds after 1970-01-01T00:00:00Z; what the years 1 to 9999 cannot hold becomes their end.
    pub fn from_unix_ms(ms: i64) -> Self {
        let seconds = ms.div_euclid(1_000);
        if seconds < -DAYS_BEFORE_EPOCH * SECONDS_PER_DAY {
            return Self {
                seconds: -DAYS_BEFORE_EPOCH * SECONDS_PER_DAY,
                nanosecond: 0,
            };
        }
        if seconds >= DAYS_AFTER_EPOCH * SECONDS_PER_DAY {
            return Self {
                seconds: DAYS_AFTER_EPOCH * SECONDS_PER_DAY - 1,
                nanosecond: 999_999_999,
            };
        }
        Self {
            seconds,
            nanosecond: u32::try_from(ms.rem_euclid(1_000)).map_or(0, |ms| ms * 1_000_000),
        }
    }

    /// Milliseconds since 1970-01-01T00:00:00Z, rounded down.
    pub const fn unix_ms(self) -> i64 {
        self.seconds * 1_000 + (self.nanosecond / 1_000_000) as i64
    }

    /// Reads `YYYY-MM-DDThh:mm:ss[.fraction](Z|±hh:mm)`; `T` and `Z` in any case, at most nine digits of fraction.
    ///
    /// Leap seconds, days that no calendar has, and instants outside the years 1 to 9999 in UTC are `None`.
    pub fn parse_rfc3339(text: &str) -> Option<Self> {
        let mut rest = Reader(text.as_bytes());
        let year = rest.digits(4)?;
        let month = rest.after(b"-")?.digits(2)?;
        let day = rest.after(b"-")?.digits(2)?;
        let hour = rest.after(b"Tt")?.digits(2)?;
        let minute = rest.after(b":")?.digits(2)?;
        let second = rest.after(b":")?.digits(2)?;
        let nanosecond = rest.fraction()?;
        let offset = rest.offset()?;
        let valid = (1..=12).contains(&month)
            && (1..=days_in_month(year, month)).contains(&day)
            && hour < 24
            && minute < 60
            && second < 60
            && rest.0.is_empty();
        if !valid {
            return None;
        }
        let local = days_from_civil(year, month, day) * SECONDS_PER_DAY
            + hour * 3_600
            + minute * 60
            + second;
        let seconds = local - offset;
        (-DAYS_BEFORE_EPOCH..DAYS_AFTER_EPOCH)
            .contains(&seconds.div_euclid(SECONDS_PER_DAY))
            .then_some(Self {
                seconds,
                nanosecond,
            })
    }

    /// Appends the instant as RFC 3339 in UTC, with 0, 3, 6 or 9 digits of fraction: as few as lose nothing.
    pub fn write_rfc3339(self, out: &mut Vec<u8>) {
        let [year, month, day, hour, minute, second] = self.utc_parts();
        write_digits(out, year, 4);
        for (separator, part) in [
            (b'-', month),
            (b'-', day),
            (b'T', hour),
            (b':', minute),
            (b':', second),
        ] {
            out.push(separator);
            write_digits(out, part, 2);
        }
        let (fraction, digits) = match self.nanosecond {
            0 => (0, 0),
            n if n.is_multiple_of(1_000_000) => (n / 1_000_000, 3),
            n if n.is_multiple_of(1_000) => (n / 1_000, 6),
            n => (n, 9),
        };
        if digits > 0 {
            out.push(b'.');
            write_digits(out, fraction.into(), digits);
        }
        out.push(b'Z');
    }

    /// The date and time of day in UTC: year, month, day, hour, minute, second.
    pub fn utc_parts(self) -> [i64; 6] {
        let (year, month, day) = civil_from_days(self.seconds.div_euclid(SECONDS_PER_DAY));
        let time = self.seconds.rem_euclid(SECONDS_PER_DAY);
        [year, month, day, time / 3_600, time / 60 % 60, time % 60]
    }

    /// Whole seconds since 1970-01-01T00:00:00Z, rounded down.
    pub const fn unix_seconds(self) -> i64 {
        self.seconds
    }

    /// Nanoseconds after the whole second.
    pub const fn subsec_nanosecond(self) -> u32 {
        self.nanosecond
    }
}

/// What is left to read of a text.
struct Reader<'a>(&'a [u8]);

impl Reader<'_> {
    /// Takes exactly `count` ASCII digits.
    fn digits(&mut self, count: usize) -> Option<i64> {
        let (digits, rest) = self.0.split_at_checked(count)?;
        self.0 = rest;
        digits.iter().try_fold(0, |n, d| {
            d.is_ascii_digit().then(|| n * 10 + i64::from(d - b'0'))
        })
    }

    /// Takes one of the bytes `allowed`.
    fn after(&mut self, allowed: &[u8]) -> Option<&mut Self> {
        let (first, rest) = self.0.split_first()?;
        self.0 = rest;
        allowed.contains(first).then_some(self)
    }

    /// Takes an optional fraction of a second, in nanoseconds.
    fn fraction(&mut self) -> Option<u32> {
        if self.0.first() != Some(&b'.') {
            return Some(0);
        }
        self.0 = &self.0[1..];
        let count = self.0.iter().take_while(|b| b.is_ascii_digit()).count();
        if !(1..=9).contains(&count) {
            return None;
        }
        let missing = u32::try_from(9 - count).ok()?;
        u32::try_from(self.digits(count)? * 10_i64.pow(missing)).ok()
    }

    /// Takes the offset from UTC, in seconds.
    fn offset(&mut self) -> Option<i64> {
        let (sign, rest) = self.0.split_first()?;
        self.0 = rest;
        if matches!(sign, b'Z' | b'z') {
            return Some(0);
        }
        let hours = self.digits(2)?;
        let minutes = self.after(b":")?.digits(2)?;
        let seconds = hours * 3_600 + minutes * 60;
        match sign {
            _ if hours > 23 || minutes > 59 => None,
            b'+' => Some(seconds),
            b'-' => Some(-seconds),
            _ => None,
        }
    }
}

fn days_in_month(year: i64, month: i64) -> i64 {
    match month {
        2 if year % 4 == 0 && (year % 100 != 0 || year % 400 == 0) => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

/// Days since 1970-01-01 of a date of the Gregorian calendar.
///
/// Source: H. Hinnant, "chrono-Compatible Low-Level Date Algorithms", `days_from_civil`, 2013. Years start in March,
/// so that the leap day is the last one; 400 years are one era of 146,097 days.
fn days_from_civil(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let (era, year_of_era) = (year.div_euclid(400), year.rem_euclid(400));
    let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    era * 146_097 + year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year - 719_468
}

/// The inverse of [`days_from_civil`]; same source, `civil_from_days`.
fn civil_from_days(days: i64) -> (i64, i64, i64) {
    let days = days + 719_468;
    let (era, day_of_era) = (days.div_euclid(146_097), days.rem_euclid(146_097));
    let year_of_era =
        (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let from_march = (5 * day_of_year + 2) / 153;
    let month = (from_march + 2) % 12 + 1;
    let year = year_of_era + era * 400 + i64::from(month <= 2);
    (year, month, day_of_year - (153 * from_march + 2) / 5 + 1)
}

fn write_digits(out: &mut Vec<u8>, mut number: i64, digits: usize) {
    let start = out.len();
    out.resize(start + digits, b'0');
    for slot in out[start..].iter_mut().rev() {
        *slot = b'0' + u8::try_from(number % 10).unwrap_or_default();
        number /= 10;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn normal(text: &str) -> Option<String> {
        let mut out = Vec::new();
        Instant::parse_rfc3339(text)?.write_rfc3339(&mut out);
        Some(String::from_utf8(out).expect("ASCII"))
    }

    #[test]
    fn instants_are_written_in_utc_without_loss() {
        for (given, written) in [
            ("2024-02-29T23:59:59Z", "2024-02-29T23:59:59Z"),
            ("2024-01-01T01:30:00+01:30", "2024-01-01T00:00:00Z"),
            ("2024-01-01t00:00:00.5z", "2024-01-01T00:00:00.500Z"),
            (
                "2024-01-01T00:00:00.123456789-05:00",
                "2024-01-01T05:00:00.123456789Z",
            ),
            ("2024-01-01T00:00:00.000001Z", "2024-01-01T00:00:00.000001Z"),
            (
                "1969-12-31T23:59:59.999999999Z",
                "1969-12-31T23:59:59.999999999Z",
            ),
            ("0001-01-01T00:00:00Z", "0001-01-01T00:00:00Z"),
            (
                "9999-12-31T23:59:59.999999999Z",
                "9999-12-31T23:59:59.999999999Z",
            ),
        ] {
            assert_eq!(normal(given).as_deref(), Some(written), "{given}");
        }
    }

    #[test]
    fn what_rfc_3339_does_not_allow_is_refused() {
        for text in [
            "",
            "2024-01-01",
            "2024-01-01T00:00:00",
            "2024-01-01 00:00:00Z",
            "2024-01-01T00:00Z",
            "2024-1-01T00:00:00Z",
            "2023-02-29T00:00:00Z",
            "2024-01-01T24:00:00Z",
            "2024-01-01T00:00:60Z",
            "2024-01-01T00:00:00.Z",
            "2024-01-01T00:00:00.1234567890Z",
            "2024-01-01T00:00:00+0100",
            "2024-01-01T00:00:00+24:00",
            "2024-01-01T00:00:00+01:60",
            "2024-01-01T00:00:00Zx",
            "0000-12-31T23:59:59Z",
            "0001-01-01T00:00:00+01:00",
            "9999-12-31T23:59:59-01:00",
            "２024-01-01T00:00:00Z",
        ] {
            assert_eq!(normal(text), None, "{text}");
        }
    }

    #[test]
    fn every_day_of_the_calendar_survives_a_round_trip() {
        let mut previous = (0, 12, 31);
        for days in -DAYS_BEFORE_EPOCH..DAYS_AFTER_EPOCH {
            let (year, month, day) = civil_from_days(days);
            assert_eq!(days_from_civil(year, month, day), days);
            assert!(day <= days_in_month(year, month) && (year, month, day) > previous);
            previous = (year, month, day);
        }
        assert_eq!(previous, (9999, 12, 31));
        assert_eq!(civil_from_days(-DAYS_BEFORE_EPOCH), (1, 1, 1));
    }
    #[test]
    fn milliseconds_come_back_and_what_no_year_holds_becomes_the_end() {
        for ms in [
            -1,
            0,
            1_700_000_000_123,
            -62_135_596_800_000,
            253_402_300_799_999,
        ] {
            assert_eq!(Instant::from_unix_ms(ms).unix_ms(), ms);
        }
        assert_eq!(
            Instant::from_unix_ms(i64::MIN).utc_parts(),
            [1, 1, 1, 0, 0, 0]
        );
        assert_eq!(
            Instant::from_unix_ms(i64::MAX).utc_parts(),
            [9999, 12, 31, 23, 59, 59]
        );
    }
}
