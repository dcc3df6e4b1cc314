"""Computes expressions in Spark (ANSI, UTC) over the rows that snapback computed them over, and compares the values.

usage: oracle_spark.py FOLDER...   (each with both.parquet and cases.json)

A row that one of the two rejects is not compared. Prints one JSON object.
"""

import json
import os
import re
import sys
import tempfile

from pyspark.sql import SparkSession, functions
from pyspark.sql.classic.column import Column
from pyspark.sql.types import DateType, StructType, TimestampType

# So many expressions in a query.
TOGETHER = 50

os.environ["TZ"] = "UTC"
settings = {
    "spark.ui.enabled": "false",
    "spark.driver.host": "127.0.0.1",
    "spark.driver.bindAddress": "127.0.0.1",
    "spark.sql.warehouse.dir": tempfile.mkdtemp(),
    "spark.sql.ansi.enabled": "true",
    "spark.sql.session.timeZone": "UTC",
    # What is constant must fail in its row, and not before any.
    "spark.sql.optimizer.excludedRules": "org.apache.spark.sql.catalyst.optimizer.ConstantFolding",
    # Else it would compute a part of an expression before it, where nothing catches an error of one row: the whole query ends.
    "spark.sql.alwaysInlineCommonExpr": "true",
    "spark.sql.subexpressionElimination.enabled": "false",
    # A few rows, for very many expressions: compiling each would take most of the time, and describing the plan much of the rest.
    "spark.sql.codegen.wholeStage": "false",
    "spark.sql.codegen.factoryMode": "NO_CODEGEN",
    "spark.sql.adaptive.enabled": "false",
    "spark.sql.maxPlanStringLength": "0",
    "spark.sql.debug.maxToStringFields": "1",
    "spark.driver.extraJavaOptions": "-XX:+UseParallelGC",
}
builder = SparkSession.builder.master("local[1]")
for name, value in settings.items():
    builder = builder.config(name, value)
spark = builder.getOrCreate()
spark.sparkContext.setLogLevel("OFF")
java = spark._jvm.org.apache.spark.sql
parser = spark._jsparkSession.sessionState().sqlParser()


def evaluated(number, expression):
    """Of a row: its value in a struct, or NULL where Spark rejects it."""
    tried = java.catalyst.expressions.TryEval(parser.parseExpression(f"struct({expression} AS value)"))
    return Column(java.classic.ExpressionUtils.column(tried)).alias(f"v{number}")


def without_time(column, kind):
    """A time as its number: Python has no first day of the year 1, and none of the year 10000."""
    if isinstance(kind, TimestampType):
        return functions.unix_micros(column)
    return functions.unix_date(column) if isinstance(kind, DateType) else column


def plain(table):
    """The rows of a table, with numbers for times."""
    columns = []
    for field in table.schema.fields:
        column, kind = functions.col(field.name), field.dataType
        if isinstance(kind, StructType):
            value = without_time(column["value"], kind.fields[0].dataType)
            column = functions.when(column.isNotNull(), functions.struct(value.alias("value")))
        else:
            column = without_time(column, kind)
        columns.append(column.alias(field.name))
    return table.select(*columns).collect()


def values(both, cases, numbers):
    """Spark's rows for these expressions; one that Spark does not take is among the errors."""
    try:
        ours = [name for number in numbers for name in (f"c{number}", f"r{number}")]
        theirs = [evaluated(number, cases[number]["spark"]) for number in numbers]
        return plain(both.select("row_number", *ours, *theirs)), {}
    except Exception as error:
        if len(numbers) == 1:
            # It may evaluate a part of an expression before it, where nothing catches an error of one row.
            ours_alone = "SQLSTATE: 22" in str(error)
            return [], {} if ours_alone else {numbers[0]: str(error)[:600]}
        middle = len(numbers) // 2
        rows, errors = [], {}
        for half in (numbers[:middle], numbers[middle:]):
            more, failed = values(both, cases, half)
            rows += more
            errors |= failed
        return rows, errors


def same(one, other):
    """NULL is NULL, and NaN is NaN."""
    return one == other or (one is not None and other is not None and one != one and other != other)


total, compared, rejected, differences = 0, 0, 0, []
for folder in sys.argv[1:]:
    cases = json.load(open(f"{folder}/cases.json"))
    total += len(cases)
    both = spark.read.parquet(f"{folder}/both.parquet")
    names = [name for name in both.columns if not re.fullmatch(r"row_number|[cr][0-9]+", name)]
    inputs = {row.row_number: row for row in plain(both.select("row_number", *names))}
    for start in range(0, len(cases), TOGETHER):
        numbers = range(start, min(start + TOGETHER, len(cases)))
        rows, errors = values(both, cases, numbers)
        differences += [{**cases[number], "error": text} for number, text in errors.items()]
        differing = set()
        for row in rows:
            row = row.asDict()
            for number in numbers:
                if row.get(f"r{number}", True):
                    continue
                ours, theirs = row[f"c{number}"], row[f"v{number}"]
                if theirs is None:
                    rejected += 1
                    continue
                compared += 1
                if not same(ours, theirs.value) and number not in differing:
                    differing.add(number)
                    case, fields = cases[number], inputs[row["row_number"]].asDict()
                    used = {name: str(fields[name]) for name in names if name in case["text"]}
                    differences.append({**case, "spark_gives": str(theirs.value), "snapback_gives": str(ours), "row": used})
print(json.dumps({"expressions": total, "compared": compared, "only_spark_rejects": rejected, "differences": differences}))
