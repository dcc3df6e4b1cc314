//! The operators and forms that are no functions, as they are shown.

/// A row of the table.
pub(super) struct Form {
    pub(super) form: &'static str,
    pub(super) gives: &'static str,
    pub(super) does: &'static str,
    pub(super) example: (&'static str, &'static str),
}

/// Forms that are written like functions.
pub(super) const NAMES: &[&str] = &["coalesce", "nullif", "greatest", "least", "cast"];

macro_rules! forms {
    ($($form:literal -> $gives:literal: $does:literal, $example:literal = $value:literal;)+) => {
        /// All of them, in the order in which they are shown.
        pub(super) const FORMS: &[Form] = &[
            $(Form { form: $form, gives: $gives, does: $does, example: ($example, $value) },)+
        ];
    };
}

forms! {
    "a + b, a - b" -> "the larger scale and a digit more; BIGINT of two BIGINT; DOUBLE with a DOUBLE":
        "sum and difference", "1.50 + 0.125" = "1.625";
    "a * b" -> "the digits of both; BIGINT of two BIGINT; DOUBLE with a DOUBLE": "product", "19.99 * 3" = "59.97";
    "a / b" -> "DOUBLE": "quotient, where one of the two is a DOUBLE; zero as divisor rejects", "7e0 / 2" = "3.5";
    "a div b" -> "BIGINT": "quotient of two BIGINT, without its fraction", "-7 div 2" = "-3";
    "a % b" -> "the type that holds both": "remainder, with the sign of a; zero as divisor rejects", "-7 % 2" = "-1";
    "-a" -> "the type of a": "the number with the other sign", "-(2.5)" = "-2.5";
    "a || b" -> "VARCHAR": "both texts, one after the other", "'a' || 'b'" = "ab";
    "a = b, <> < <= > >=" -> "BOOLEAN": "comparison of numbers, texts (by bytes), times or BOOLEAN; NaN is the largest",
        "1.0 = 1" = "true";
    "a AND b, a OR b, NOT a" -> "BOOLEAN": "three-valued: b does not count where a decides", "NOT (1 = 2 OR 2 > 3)" = "true";
    "a IS [NOT] NULL, TRUE, FALSE, UNKNOWN" -> "BOOLEAN": "never NULL", "(1 = 2) IS NOT TRUE" = "true";
    "a IS [NOT] DISTINCT FROM b" -> "BOOLEAN": "comparison in which NULL is a value", "1 IS DISTINCT FROM NULL" = "true";
    "a [NOT] IN (b, c)" -> "BOOLEAN": "whether a equals one of them", "3 IN (1, 2)" = "false";
    "a [NOT] BETWEEN b AND c" -> "BOOLEAN": "whether a >= b AND a <= c", "3 BETWEEN 1 AND 5" = "true";
    "a [NOT] LIKE b [ESCAPE c]" -> "BOOLEAN": "whether a is as the pattern says: % is any text, _ any character",
        "'orders-7' LIKE 'orders-_'" = "true";
    "CASE WHEN a THEN b ELSE c END" -> "the type that holds all results":
        "the first result whose condition is true; NULL without ELSE", "CASE WHEN 1 > 2 THEN 'more' ELSE 'less' END" = "less";
    "CASE a WHEN b THEN c ELSE d END" -> "the type that holds all results": "the first result whose value equals a",
        "CASE 2 WHEN 1 THEN 0.5 WHEN 2 THEN 0.25 END" = "0.25";
    "coalesce(a, b)" -> "the type that holds all": "the first that is not NULL", "coalesce(NULL, 7)" = "7";
    "nullif(a, b)" -> "the type of a": "NULL where a = b, else a", "coalesce(nullif(0, 0), 1)" = "1";
    "greatest(a, b), least(a, b)" -> "the type that holds all": "the largest or smallest that is not NULL",
        "least(2.5, 2)" = "2.0";
    "at + INTERVAL '3' MONTH, at - INTERVAL '3' MONTH" -> "TIMESTAMP":
        "later or earlier by so many years, months, weeks, days, hours, minutes, seconds, milliseconds or microseconds",
        "CAST(DATE '2024-01-31' + INTERVAL '1' MONTH AS VARCHAR)" = "2024-02-29 00:00:00";
    "DATE '2024-05-01', TIMESTAMP '2024-05-01 12:30:00'" -> "DATE, TIMESTAMP": "a day; a point in time, in UTC",
        "DATE '2024-05-01' < TIMESTAMP '2024-05-01 12:30:00'" = "true";
    "extract(part FROM at)" -> "BIGINT": "year, quarter, month, week, day, doy, hour or minute",
        "extract(month FROM DATE '2024-05-17')" = "5";
    "CAST(a AS type)" -> "the type":
        "to BIGINT, DECIMAL(p,s), DOUBLE, VARCHAR, BOOLEAN, TIMESTAMP or DATE, where nothing is lost unseen",
        "CAST('12.345' AS DECIMAL(10,2))" = "12.35";
}
