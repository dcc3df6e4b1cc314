//! Dates and times as text: ISO 8601 and RFC 3339 in, the same in UTC out. The calendar is the Gregorian one, also before 1582.

use std::io::Write as _;

use super::reason::ReasonCode;

/// Microseconds of a second, and of a day.
const SECOND: i64 = 1_000_000;
pub(crate) const DAY: i64 = 86_400 * SECOND;

/// The days since 1970 of the years 1 to 9999.
const DAYS: std::ops::RangeInclusive<i64> = -719_162..=2_932_896;

/// The microseconds since 1970 of the years 1 to 9999.
pub(crate) const SHOWN: std::ops::Range<i64> = *DAYS.start() * DAY..(*DAYS.end() + 1) * DAY;

/// Whether readers can show such a date: one of the years 1 to 9999, in days since 1970.
fn is_shown(days: i64) -> bool {
    DAYS.contains(&days)
}

/// The days since 1970 of a date; `None` when there is no such day.
pub(crate) fn days(year: i64, month: i64, day: i64) -> Option<i64> {
    let is_leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    let length = match month {
        2 => 28 + i64::from(is_leap),
        4 | 6 | 9 | 11 => 30,
        1 | 3 | 5 | 7 | 8 | 10 | 12 => 31,
        _ => return None,
    };
    // Years that begin in March, in eras of 400 years.
    let shifted = if month <= 2 { year - 1 } else { year };
    let (era, of_era) = (shifted.div_euclid(400), shifted.rem_euclid(400));
    let of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    let of_era = of_era * 365 + of_era / 4 - of_era / 100 + of_year;
    (1..=length)
        .contains(&day)
        .then_some(era * 146_097 + of_era - 719_468)
}

/// The year, month and day of so many days since 1970.
pub(crate) fn civil(days: i64) -> (i64, i64, i64) {
    let days = days + 719_468;
    let (era, of_era) = (days.div_euclid(146_097), days.rem_euclid(146_097));
    let year = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year + year / 4 - year / 100);
    let month = (5 * of_year + 2) / 153;
    let day = of_year - (153 * month + 2) / 5 + 1;
    let month = if month < 10 { month + 3 } else { month - 9 };
    (year + era * 400 + i64::from(month <= 2), month, day)
}

/// Text, from the front.
struct Rest<'a>(&'a [u8]);

impl Rest<'_> {
    /// A number of exactly so many digits.
    fn number(&mut self, digits: usize) -> Option<i64> {
        let (number, rest) = self.0.split_at_checked(digits)?;
        self.0 = rest;
        number.iter().try_fold(0, |sum, digit| {
            digit
                .is_ascii_digit()
                .then(|| sum * 10 + i64::from(digit - b'0'))
        })
    }

    fn take(&mut self, any: &[u8]) -> Option<u8> {
        let (first, rest) = self.0.split_first()?;
        self.0 = any.contains(first).then_some(rest)?;
        Some(*first)
    }

    fn up_to(&mut self, digits: usize, most: i64) -> Option<i64> {
        self.number(digits).filter(|number| *number <= most)
    }

    /// `2024-05-01`
    fn date(&mut self) -> Option<i64> {
        let year = self.number(4)?;
        self.take(b"-")?;
        let month = self.number(2)?;
        self.take(b"-")?;
        days(year, month, self.number(2)?)
    }

    /// `12:30:00`, in microseconds.
    fn time(&mut self) -> Option<i64> {
        let hours = self.up_to(2, 23)?;
        self.take(b":")?;
        let minutes = self.up_to(2, 59)?;
        self.take(b":")?;
        Some(((hours * 60 + minutes) * 60 + self.up_to(2, 59)?) * SECOND)
    }

    /// What stands after the point, in microseconds, and whether there was more.
    fn fraction(&mut self) -> Option<(i64, bool)> {
        let digits = self
            .0
            .iter()
            .take_while(|byte| byte.is_ascii_digit())
            .count();
        let (fraction, rest) = self.0.split_at(digits);
        self.0 = rest;
        let digit = |at: usize| fraction.get(at).map_or(0, |digit| i64::from(digit - b'0'));
        let micros = (0..6).fold(0, |sum, at| sum * 10 + digit(at));
        let more = fraction.iter().skip(6).any(|digit| *digit != b'0');
        (digits > 0).then_some((micros, more))
    }

    /// `Z` or `+02:00`, in microseconds.
    fn offset(&mut self) -> Option<i64> {
        let sign = match self.take(b"Zz+-")? {
            b'+' => 1,
            b'-' => -1,
            _ => return Some(0),
        };
        let hours = self.up_to(2, 23)?;
        self.take(b":")?;
        Some(sign * (hours * 60 + self.up_to(2, 59)?) * 60 * SECOND)
    }
}

/// The days since 1970 of a date as ISO 8601 has it, `2024-05-01`, in the years 1 to 9999.
pub(crate) fn date(text: &str) -> Result<i32, ReasonCode> {
    let mut rest = Rest(text.as_bytes());
    let days = rest.date().filter(|_| rest.0.is_empty());
    let days = days.ok_or(ReasonCode::BadText)?;
    let days = Some(days).filter(|days| is_shown(*days));
    days.and_then(|days| i32::try_from(days).ok())
        .ok_or(ReasonCode::OutOfRange)
}

/// The microseconds since 1970 in UTC of a time as RFC 3339 has it, `2024-05-01T12:30:00.5+02:00`, in the years 1 to 9999.
/// A space may stand in the place of the T. What is finer than a microsecond is no fraction to cut.
pub(crate) fn timestamp(text: &str) -> Result<i64, ReasonCode> {
    let mut rest = Rest(text.as_bytes());
    let mut read = || {
        let days = rest.date()?;
        rest.take(b"Tt ")?;
        let time = rest.time()?;
        let (fraction, finer) = match rest.take(b".") {
            Some(_) => rest.fraction()?,
            None => (0, false),
        };
        let offset = rest.offset()?;
        rest.0
            .is_empty()
            .then_some((days * DAY + time + fraction - offset, finer))
    };
    match read() {
        None => Err(ReasonCode::BadText),
        Some((micros, _)) if !SHOWN.contains(&micros) => Err(ReasonCode::OutOfRange),
        Some((_, true)) => Err(ReasonCode::Fraction),
        Some((micros, false)) => Ok(micros),
    }
}

/// Writes a date, `2024-05-01`.
pub(crate) fn write_date(days: i64, to: &mut Vec<u8>) {
    let (year, month, day) = civil(days);
    // Writing to memory does not fail.
    let _ = write!(to, "{year:04}-{month:02}-{day:02}");
}

/// Writes a time in UTC, `2024-05-01T12:30:00Z`, with milliseconds or microseconds if it has any.
pub(crate) fn write_timestamp(micros: i64, to: &mut Vec<u8>) {
    write_date(micros.div_euclid(DAY), to);
    let of_day = micros.rem_euclid(DAY);
    let (seconds, fraction) = (of_day / SECOND, of_day % SECOND);
    let (hours, minutes, seconds) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
    let _ = write!(to, "T{hours:02}:{minutes:02}:{seconds:02}");
    let _ = match fraction {
        0 => Ok(()),
        whole if whole % 1000 == 0 => write!(to, ".{:03}", whole / 1000),
        fraction => write!(to, ".{fraction:06}"),
    };
    to.push(b'Z');
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn written(micros: i64) -> String {
        let mut text = Vec::new();
        write_timestamp(micros, &mut text);
        String::from_utf8(text).unwrap()
    }

    #[test]
    fn a_timestamp_is_read_in_utc_and_exact_or_not_at_all() {
        use ReasonCode::{BadText, Fraction, OutOfRange};
        for (text, expected) in [
            ("1970-01-01T00:00:00Z", Ok("1970-01-01T00:00:00Z")),
            (
                "2024-02-29t12:30:00.5+02:00",
                Ok("2024-02-29T10:30:00.500Z"),
            ),
            (
                "2024-02-29 12:30:00.123456z",
                Ok("2024-02-29T12:30:00.123456Z"),
            ),
            ("2024-01-01T00:30:00-00:00", Ok("2024-01-01T00:30:00Z")),
            (
                "1999-12-31T23:59:59.000001-23:59",
                Ok("2000-01-01T23:58:59.000001Z"),
            ),
            (
                "2024-05-01T00:00:00.123456000Z",
                Ok("2024-05-01T00:00:00.123456Z"),
            ),
            ("0001-01-01T00:00:00Z", Ok("0001-01-01T00:00:00Z")),
            (
                "9999-12-31T23:59:59.999999Z",
                Ok("9999-12-31T23:59:59.999999Z"),
            ),
            ("0001-01-01T00:00:00+00:01", Err(OutOfRange)),
            ("9999-12-31T23:59:59-00:01", Err(OutOfRange)),
            ("0000-06-01T00:00:00Z", Err(OutOfRange)),
            ("2024-05-01T00:00:00.1234567Z", Err(Fraction)),
            ("2024-05-01T00:00:00", Err(BadText)),
            ("2024-05-01", Err(BadText)),
            ("2023-02-29T00:00:00Z", Err(BadText)),
            ("1900-02-29T00:00:00Z", Err(BadText)),
            ("2024-13-01T00:00:00Z", Err(BadText)),
            ("2024-00-01T00:00:00Z", Err(BadText)),
            ("2024-05-01T24:00:00Z", Err(BadText)),
            ("2024-05-01T23:59:60Z", Err(BadText)),
            ("2024-05-01T00:00:00.Z", Err(BadText)),
            ("2024-05-01T00:00:00+0200", Err(BadText)),
            ("2024-05-01T00:00:00+24:00", Err(BadText)),
            ("2024-5-1T00:00:00Z", Err(BadText)),
            ("2024-05-01T00:00:00Z ", Err(BadText)),
            ("", Err(BadText)),
        ] {
            assert_eq!(
                timestamp(text).map(written),
                expected.map(str::to_owned),
                "{text}"
            );
        }
    }

    #[test]
    fn a_date_is_a_day_of_the_calendar() {
        use ReasonCode::{BadText, OutOfRange};
        for (text, expected) in [
            ("1970-01-01", Ok(0)),
            ("2000-02-29", Ok(11_016)),
            ("0001-01-01", Ok(-719_162)),
            ("9999-12-31", Ok(2_932_896)),
            ("0000-01-01", Err(OutOfRange)),
            ("2100-02-29", Err(BadText)),
            ("2024-04-31", Err(BadText)),
            ("2024-05-01T00:00:00Z", Err(BadText)),
            ("20240501", Err(BadText)),
            ("+2024-05-01", Err(BadText)),
        ] {
            assert_eq!(date(text), expected, "{text}");
        }
    }

    proptest! {
        #[test]
        fn any_time_is_what_chrono_says(micros in -62_135_596_800_000_000_i64..253_402_300_800_000_000, offset in -86_399_i32..86_400) {
            let text = written(micros);
            prop_assert_eq!(timestamp(&text), Ok(micros));
            let utc = chrono::DateTime::from_timestamp_micros(micros).unwrap();
            let minutes = chrono::FixedOffset::east_opt(offset / 60 * 60).unwrap();
            let local = utc.with_timezone(&minutes);
            if let 0..=9999 = chrono::Datelike::year(&local) {
                prop_assert_eq!(timestamp(&local.to_rfc3339()), Ok(micros));
            }
            let day = micros.div_euclid(DAY);
            let (year, month, of_month) = civil(day);
            prop_assert_eq!(days(year, month, of_month), Some(day));
            prop_assert_eq!(text.split('T').next().unwrap(), utc.date_naive().to_string());
        }

        #[test]
        fn any_text_is_read_without_a_panic(text in "[0-9TZ:.+ -]{0,30}") {
            let _ = (timestamp(&text), date(&text));
        }
    }
}
