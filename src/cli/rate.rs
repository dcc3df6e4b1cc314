//! Rates as people say them: `950/s`, `12.3k/s`, `1.8M/s`.

/// So many a second.
pub(super) fn shown(per_second: f64) -> String {
    let (value, unit) = match per_second {
        rate if !rate.is_finite() => return "-/s".to_owned(),
        rate if rate < 999.5 => return format!("{rate:.0}/s"),
        rate if rate < 999_950.0 => (rate / 1e3, "k"),
        rate if rate < 999_950_000.0 => (rate / 1e6, "M"),
        rate => (rate / 1e9, "G"),
    };
    format!("{value:.1}{unit}/s")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rate_has_at_most_four_digits_and_a_unit() {
        for (rate, text) in [
            (0.0, "0/s"),
            (0.4, "0/s"),
            (950.2, "950/s"),
            (999.6, "1.0k/s"),
            (12_345.0, "12.3k/s"),
            (999_949.0, "999.9k/s"),
            (999_951.0, "1.0M/s"),
            (1_800_000.0, "1.8M/s"),
            (2.5e9, "2.5G/s"),
            (f64::INFINITY, "-/s"),
            (f64::NAN, "-/s"),
        ] {
            assert_eq!(shown(rate), text);
        }
    }
}
