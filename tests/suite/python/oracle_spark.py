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
from pyspark.sql.types import DateType, DecimalType, FractionalType, IntegralType, StructType, TimestampType

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
}
builder = SparkSession.builder.master("local[1]")
for name, value in settings.items():
    builder = builder.config(name, value)
spark = builder.getOrCreate()
spark.sparkContext.setLogLevel("OFF")
java = spark._jvm.org.apache.spark.sql
# Each name in such a path asks all jars for a class that is called like it: once, and not for each expression.
TryEval, column_of = java.catalyst.expressions.TryEval, java.classic.ExpressionUtils.column
parse = spark._jsparkSession.sessionState().sqlParser().parseExpression


def evaluated(number, expression):
    """Of a row: its value in a struct, or NULL where Spark rejects it."""
    return Column(column_of(TryEval(parse(f"struct({expression} AS value)")))).alias(f"v{number}")


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


def kind(data_type):
    """What a value is, however many bits or digits it has."""
    if isinstance(data_type, (IntegralType, DecimalType)):
        return "a number"
    if isinstance(data_type, FractionalType):
        return "a floating-point number"
    return data_type.typeName()


def flagged(both, cases, numbers):
    """A text of each row, with a letter for each expression: [n]ot calculated by snapback, rejected by Spark [x], the [s]ame value
    or a [d]ifferent one. And the errors of expressions that Spark does not take."""
    try:
        ours = [name for number in numbers for name in (f"c{number}", f"r{number}")]
        theirs = [evaluated(number, cases[number]["spark"]) for number in numbers]
        letters = [f"CASE WHEN r{n} THEN 'n' WHEN v{n} IS NULL THEN 'x' WHEN v{n}.value <=> c{n} THEN 's' ELSE 'd' END" for n in numbers]
        values = both.select("row_number", *ours, *theirs)
        for n in numbers:
            # Values of two kinds would be made one for the comparison.
            kinds = [kind(values.schema[f"c{n}"].dataType), kind(values.schema[f"v{n}"].dataType["value"].dataType)]
            if kinds[0] != kinds[1]:
                raise TypeError(f"a value of snapback is {kinds[0]}, one of Spark {kinds[1]}")
        table = values.selectExpr("row_number", f"concat({', '.join(letters)}) AS letters")
        found = {number: {} for number in numbers}
        for row in table.collect():
            for number, letter in zip(numbers, row.letters):
                found[number][row.row_number] = letter
        return found, {}
    except Exception as error:
        if len(numbers) == 1:
            return {}, {numbers[0]: str(error)[:600]}
        middle = len(numbers) // 2
        found, errors = {}, {}
        for half in (numbers[:middle], numbers[middle:]):
            more, failed = flagged(both, cases, half)
            found |= more
            errors |= failed
        return found, errors


def shown(both, case, number, row):
    """What both have for a row, and what it was made of."""
    table = both.where(f"row_number = {row}")
    values = plain(table.select(f"c{number}", evaluated(number, case["spark"])))[0]
    names = [name for name in both.columns if not re.fullmatch(r"row_number|[cr][0-9]+", name) and name in case["text"]]
    used = plain(table.select(*names))[0].asDict() if names else {}
    theirs = values[f"v{number}"].value
    used = {name: str(value) for name, value in used.items()}
    return {"spark_gives": str(theirs), "snapback_gives": str(values[f"c{number}"]), "row": used}


total, compared, rejected, differences = 0, 0, 0, []
for folder in sys.argv[1:]:
    cases = json.load(open(f"{folder}/cases.json"))
    total += len(cases)
    both = spark.read.parquet(f"{folder}/both.parquet")
    for start in range(0, len(cases), TOGETHER):
        found, errors = flagged(both, cases, range(start, min(start + TOGETHER, len(cases))))
        differences += [{**cases[number], "error": text} for number, text in errors.items()]
        for number, letters in found.items():
            rejected += sum(letter == "x" for letter in letters.values())
            compared += sum(letter in "sd" for letter in letters.values())
            differing = [row for row, letter in letters.items() if letter == "d"]
            if differing:
                differences.append({**cases[number], **shown(both, cases[number], number, min(differing))})
print(json.dumps({"expressions": total, "compared": compared, "only_spark_rejects": rejected, "differences": differences}))
