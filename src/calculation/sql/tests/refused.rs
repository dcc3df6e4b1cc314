//! What is refused, why, and where in the text.

use super::*;

const FIELDS: &str = "n BIGINT, m BIGINT, price DECIMAL(12,2), wide DECIMAL(38,10), flat DECIMAL(4,4), x DOUBLE, s VARCHAR, p BOOLEAN";

const REFUSED: &[&str] = &[
    "",
    "n +",
    "n + * m",
    "(n + m",
    "n m",
    "n, m",
    "n AS total,",
    "n AS total m",
    "n AS total, n + 1 AS TOTAL",
    "n AS S",
    "n AS kafka_offset",
    "n AS Partition",
    "n AS 'total'",
    "n AS total, totl + 1 AS more",
    "more + 1 AS total, n AS more",
    "n AS total NOT",
    "n AS",
    "n; DROP TABLE x",
    "prize * n",
    "foo",
    "\"text\"",
    "n.x",
    "price / n",
    "n / m",
    "price div 2",
    "n ^ 2",
    "n & m",
    "n | m",
    "n || m",
    "s || n",
    "length(n)",
    "left(s, x)",
    "left(s, -1)",
    "right(s, -2)",
    "substring(s, 0)",
    "substring(s FROM 0 FOR 2)",
    "substring(s, 2, -1)",
    "split_part(s, '', 1)",
    "split_part(s, ',', 0)",
    "lpad(s, 5)",
    "trim(s, 'x')",
    "ltrim(s, 'x')",
    "position(s, 'x')",
    "instr(s, 'x')",
    "s LIKE 'a\\%'",
    "s LIKE 'a!b' ESCAPE '!'",
    "s LIKE 'a' ESCAPE 'xy'",
    "s SIMILAR TO 'a'",
    "substring(s)",
    "uper(s)",
    "wide + wide",
    "wide * price",
    "CASE WHEN p THEN wide ELSE CAST(0 AS DECIMAL(38,0)) END",
    "n + s",
    "n + p",
    "n = s",
    "p = 1",
    "n AND p",
    "NOT n",
    "CASE WHEN n THEN 1 END",
    "CASE WHEN p THEN n ELSE s END",
    "NULL",
    "NULL + 1",
    "coalesce(NULL, NULL)",
    "coalesce(n)",
    "nullif(NULL, n)",
    "CAST(x AS BIGINT)",
    "CAST(price AS BIGINT)",
    "CAST(x AS DECIMAL(10,2))",
    "CAST(flat AS VARCHAR)",
    "CAST(n AS BOOLEAN)",
    "CAST(p AS BIGINT)",
    "CAST(s AS DECIMAL)",
    "CAST(s AS DECIMAL(40,2))",
    "CAST(s AS VARCHAR(5))",
    "CAST(s AS INTEGER)",
    "CAST(s AS FLOAT)",
    "CAST(s AS UUID)",
    "TRY_CAST(s AS BIGINT)",
    "round(x, 2)",
    "round(price, n)",
    "round(price, -10)",
    "round(n, 1, 2)",
    "abs()",
    "abs(s)",
    "square(CAST(s AS DECIMAL(38,20)))",
    "rond(price)",
    "frobnicate(n)",
    "pow(n, 2)",
    "concat(s, s)",
    "regexp_replace(s, 'a', 'b')",
    "SELECT n FROM events",
    "select * from events",
    "now()",
    "sum(n)",
    "sum(DISTINCT n)",
    "n IN (SELECT 1)",
    "s ILIKE 'a'",
    "99999999999999999999",
    "123456789012345678901234567890123456789.5",
    "1e400",
    "E'a'",
    "$1",
    "1_000",
    "CASE WHEN p\n     THEN price\n\t ELSE x / 'a' END",
];

#[test]
fn refusals_name_the_place_the_reason_and_what_to_write_instead() {
    let mut told = String::new();
    for expression in REFUSED {
        match evaluator(FIELDS, expression) {
            Ok(taken) => panic!("{expression} is taken as {}", taken.calculation_text()),
            Err(error) => {
                told += &format!("{expression}\n    {}\n\n", error.replace('\n', "\n    "))
            }
        }
    }
    insta::assert_snapshot!(told);
}

/// In a thread with the stack of a main thread: a build for tests needs more of it than one for use.
#[test]
fn long_and_deep_texts_are_refused_and_not_a_crash() {
    let main = std::thread::Builder::new().stack_size(8 << 20);
    main.spawn(long_and_deep_texts).unwrap().join().unwrap();
    let (chain, payloads) = ("n+".repeat(150) + "n", [r#"{"n":2}"#]);
    assert_eq!(outcomes(FIELDS, &chain, &payloads), [Ok("302".to_owned())]);
}

fn long_and_deep_texts() {
    for expression in [
        "n+".repeat(8_000) + "n",
        "n+".repeat(9_000) + "n",
        "n div ".repeat(2_000) + "n",
        "(".repeat(5_000) + "n" + &")".repeat(5_000),
        "- ".repeat(8_000) + "n",
        "NOT ".repeat(4_000) + "p",
        "p".to_owned() + &" IS NULL".repeat(60),
        "NOT (".repeat(40) + "p" + &")".repeat(40),
        "CASE WHEN p THEN ".repeat(900) + "n" + &" END".repeat(900),
    ] {
        let error = evaluator(FIELDS, &expression).err().unwrap();
        assert!(
            ["flatter", "bytes", "ends before NOT"]
                .iter()
                .any(|part| error.contains(part)),
            "{error}"
        );
    }
}
