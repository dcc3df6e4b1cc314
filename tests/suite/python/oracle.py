"""Computes expressions in DuckDB over the rows that snapback computed them over, and compares the values.

usage: oracle.py FOLDER   (both.parquet, cases.json)

A row that one of the two rejects is not compared. Prints one JSON object.
"""

import json
import re
import sys

import duckdb

# So many expressions in a query.
TOGETHER = 25
# What rejects a row, and not the expression.
REJECTS = (duckdb.ConversionException, duckdb.OutOfRangeException, duckdb.InvalidInputException)

folder = sys.argv[1]
db = duckdb.connect()
db.execute("SET threads = 1")
db.execute("SET TimeZone = 'UTC'")
db.execute(f"CREATE TABLE both_sides AS SELECT * FROM read_parquet('{folder}/both.parquet')")
names = [name for (name, *_) in db.execute("DESCRIBE both_sides").fetchall()]
ours = [name for name in names if re.fullmatch("[cr][0-9]+", name)]
db.execute(f"CREATE TABLE ours AS SELECT row_number, {', '.join(ours)} FROM both_sides")
db.execute(f"CREATE TABLE rows AS SELECT {', '.join(name for name in names if name not in ours)} FROM both_sides")
cases = json.load(open(f"{folder}/cases.json"))
every_row = [row for (row,) in db.execute("SELECT row_number FROM rows").fetchall()]


def counts(numbers, where="TRUE"):
    """Of each expression, over the rows that snapback has a value for: how many are the same, how many DuckDB rejects (where TRY
    makes NULL of the struct, and not of what is in it), and the first row that differs."""
    columns = [f"TRY({{'value': {cases[number]['duckdb']}}}) AS v{number}" for number in numbers]
    found = []
    for n in numbers:
        differs = f"v{n}.value IS DISTINCT FROM c{n}"
        found.append(
            f"""count(*) FILTER (NOT r{n} AND v{n} IS NOT NULL AND NOT ({differs})), count(*) FILTER (NOT r{n} AND v{n} IS NULL),
            min(row_number) FILTER (NOT r{n} AND v{n} IS NOT NULL AND {differs})"""
        )
    values = db.execute(
        f"""
        SELECT {', '.join(found)}
        FROM (SELECT row_number, {', '.join(columns)} FROM rows WHERE {where}) JOIN ours USING (row_number)
        """
    ).fetchone()
    return {number: values[3 * at : 3 * at + 3] for at, number in enumerate(numbers)}


def compared(numbers):
    """The same, and the errors of those that DuckDB does not take. An error in what is constant comes before any row."""
    try:
        return counts(numbers), {}
    except duckdb.Error as error:
        if len(numbers) == 1:
            number = numbers[0]
            return ({number: unoptimized(number)}, {}) if isinstance(error, REJECTS) else ({}, {number: str(error)[:400]})
    middle = len(numbers) // 2
    found, errors = compared(numbers[:middle])
    more, failed = compared(numbers[middle:])
    return found | more, errors | failed


def unoptimized(number):
    """The same of one, constants being evaluated in each row."""
    db.execute("PRAGMA disable_optimizer")
    try:
        return counts([number])[number]
    except REJECTS:
        return one_by_one(number)
    finally:
        db.execute("PRAGMA enable_optimizer")


def one_by_one(number):
    """The same of one, where an error ends the query whatever TRY says."""
    same, rejected, differs = 0, 0, None
    for row in every_row:
        try:
            (more, none, other) = counts([number], f"row_number = {row}")[number]
            same, rejected = same + more, rejected + none
            differs = other if differs is None else differs
        except REJECTS:
            rejected += 1
    return same, rejected, differs


def shown(number, row):
    """What both have for a row, and what it was made of."""
    try:
        query = f"SELECT ({cases[number]['duckdb']})::VARCHAR FROM rows WHERE row_number = {row}"
        (their,) = db.execute(query).fetchone()
    except duckdb.Error as error:
        their = str(error)[:400]
    (our,) = db.execute(f"SELECT c{number}::VARCHAR FROM ours WHERE row_number = {row}").fetchone()
    inputs = db.execute(f"SELECT COLUMNS(*)::VARCHAR FROM rows WHERE row_number = {row}").fetchone()
    names = [column[0] for column in db.description]
    used = {name: str(value) for name, value in zip(names, inputs) if name in cases[number]["text"]}
    return {"duckdb_gives": their, "snapback_gives": our, "row": used}


differences, total, rejected = [], 0, 0
for start in range(0, len(cases), TOGETHER):
    found, errors = compared(range(start, min(start + TOGETHER, len(cases))))
    differences += [{**cases[number], "error": text} for number, text in errors.items()]
    for number, (same, none, differs) in found.items():
        total, rejected = total + same, rejected + none
        if differs is not None:
            differences.append({**cases[number], **shown(number, differs)})
print(json.dumps({"expressions": len(cases), "compared": total, "only_duckdb_rejects": rejected, "differences": differences}))
