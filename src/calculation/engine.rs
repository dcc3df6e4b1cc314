//! The engines that compute a calculation again, and how they spell what is not the same in all of them.

use crate::events::{FieldType, Identifier};

/// An engine that computes a calculation again from stored results.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Engine {
    /// DuckDB, with its defaults.
    DuckDb,
    /// Spark SQL, with `spark.sql.ansi.enabled` and the session's time zone in UTC.
    Spark,
}

/// The words that are no names of columns, or not everywhere: DuckDB's (`duckdb_keywords()`), Spark's, and the functions that
/// are called without parentheses.
#[rustfmt::skip]
const RESERVED: &[&str] = &[
    "all", "analyse", "analyze", "and", "anti", "any", "array", "as", "asc", "asof", "asymmetric",
    "at", "authorization", "between", "bigint", "binary", "bit", "boolean", "both", "by", "case",
    "cast", "char", "character", "check", "coalesce", "collate", "collation", "column", "columns",
    "concurrently", "constraint", "create", "cross", "current_catalog", "current_date",
    "current_time", "current_timestamp", "current_user", "date", "dec", "decimal", "default",
    "deferrable", "desc", "describe", "distinct", "div", "do", "else", "end", "except", "exists",
    "extract", "false", "fetch", "float", "for", "foreign", "freeze", "from", "full", "generated",
    "glob", "group", "grouping", "grouping_id", "having", "ilike", "in", "initially", "inner",
    "inout", "int", "integer", "intersect", "interval", "into", "is", "isnull", "join", "lambda",
    "lateral", "leading", "left", "like", "limit", "localtime", "localtimestamp", "map", "minus",
    "named_struct", "national", "natural", "nchar", "none", "not", "notnull", "null", "nullif",
    "numeric", "offset", "on", "only", "or", "order", "out", "outer", "overlaps", "overlay",
    "pivot", "pivot_longer", "pivot_wider", "placing", "position", "positional", "precision",
    "primary", "qualify", "real", "references", "returning", "right", "rlike", "row", "select",
    "semi", "session_user", "setof", "show", "similar", "smallint", "some", "string", "struct",
    "substring", "summarize", "symmetric", "table", "tablesample", "then", "time", "timestamp",
    "to", "trailing", "treat", "trim", "true", "try_cast", "tuple", "union", "unique", "unpack",
    "unpivot", "user", "using", "values", "varchar", "variadic", "verbose", "when", "where",
    "window", "with", "xmlattributes", "xmlconcat", "xmlelement", "xmlexists", "xmlforest",
    "xmlnamespaces", "xmlparse", "xmlpi", "xmlroot", "xmlserialize", "xmltable",
];

impl Engine {
    /// A column's name; in quotes when it could be a word of the language.
    pub(super) fn column(self, name: &str) -> String {
        let word = name.to_ascii_lowercase();
        let plain = Identifier(name).to_string();
        if plain == name && RESERVED.binary_search(&word.as_str()).is_err() {
            return plain;
        }
        match self {
            Engine::DuckDb => format!("\"{}\"", name.replace('"', "\"\"")),
            Engine::Spark => format!("`{}`", name.replace('`', "``")),
        }
    }

    /// A text that stands in a query.
    pub(super) fn text(self, text: &str) -> String {
        let text = text.replace('\'', "''");
        match self {
            Engine::DuckDb => format!("'{text}'"),
            // A backslash escapes what follows there.
            Engine::Spark => format!("'{}'", text.replace('\\', "\\\\")),
        }
    }

    /// A type.
    pub(super) fn data_type(self, data_type: FieldType) -> String {
        match (self, data_type) {
            (Engine::Spark, FieldType::Varchar) => "STRING".to_owned(),
            // Its TIMESTAMP is a time of no zone.
            (Engine::DuckDb, FieldType::Timestamp) => "TIMESTAMPTZ".to_owned(),
            _ => data_type.to_string(),
        }
    }

    /// The query that gives those rows of the files (a glob) in which a column is not what its expression computes: none, when
    /// all is right. Columns and expressions are in this engine's spelling; `zoned` when one of the columns is a point in time.
    pub(super) fn differing(
        self,
        files: &str,
        expressions: &[(String, String)],
        zoned: bool,
    ) -> String {
        let differs = |(column, expression): &(String, String)| {
            format!("{column} IS DISTINCT FROM {expression}")
        };
        let differs: Vec<_> = expressions.iter().map(differs).collect();
        let differs = differs.join("\n   OR ");
        match self {
            Engine::DuckDb => {
                // Which needs an extension, though one that is nearly always there.
                let zone = match zoned || differs.contains("TIMESTAMPTZ") {
                    true => "SET TimeZone = 'UTC';\n",
                    false => "",
                };
                // Files of other calculations may have other columns.
                format!(
                    "{zone}SELECT *\nFROM read_parquet({}, hive_partitioning = true, union_by_name = true)\nWHERE {differs};",
                    self.text(files)
                )
            }
            Engine::Spark => {
                // Its file system of that name.
                let files = match files.strip_prefix("s3://") {
                    Some(rest) => format!("s3a://{rest}"),
                    None => files.to_owned(),
                };
                format!(
                    "SET spark.sql.ansi.enabled = true;\nSET spark.sql.session.timeZone = UTC;\n\
                     SET spark.sql.parquet.mergeSchema = true;\n\
                     SELECT _metadata.file_path, *\nFROM parquet.`{}`\nWHERE {differs};",
                    files.replace('`', "``")
                )
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_could_be_words_of_the_language_are_quoted() {
        assert!(RESERVED.is_sorted());
        for (name, duckdb, spark) in [
            ("price", "price", "price"),
            ("Order", "\"Order\"", "`Order`"),
            ("a \"b\"", "\"a \"\"b\"\"\"", "`a \"b\"`"),
            ("a`b", "\"a`b\"", "`a``b`"),
            ("1st", "\"1st\"", "`1st`"),
        ] {
            assert_eq!(Engine::DuckDb.column(name), duckdb);
            assert_eq!(Engine::Spark.column(name), spark);
        }
    }

    #[test]
    fn a_query_names_the_files_and_every_column() {
        let columns = [("a", "x + y"), ("b", "(x < y)")];
        let columns = columns.map(|(name, text)| (name.to_owned(), text.to_owned()));
        let query = Engine::DuckDb.differing("it's/*.parquet", &columns, false);
        assert_eq!(
            query,
            "SELECT *\nFROM read_parquet('it''s/*.parquet', hive_partitioning = true, union_by_name = true)\n\
             WHERE a IS DISTINCT FROM x + y\n   OR b IS DISTINCT FROM (x < y);"
        );
        let query = Engine::Spark.differing("s3://bucket/*.parquet", &columns, false);
        assert!(
            query.contains("FROM parquet.`s3a://bucket/*.parquet`"),
            "{query}"
        );
    }
}
