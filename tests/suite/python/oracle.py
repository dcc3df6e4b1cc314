"""Computes expressions in DuckDB over the rows that snapback computed them over, and compares the values.

usage: oracle.py FOLDER   (both.parquet, cases.json)

A row that one of the two rejects is not compared. Prints one JSON object.
"""

import json
import re
import sys

import duckdb

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


def values(number, expression, where="TRUE", guard="TRY"):
    """Of rows that snapback has a value for: the row, both values as text, and whether they differ."""
    return db.execute(
        f"""
        SELECT row_number, v::VARCHAR, c{number}::VARCHAR, v IS DISTINCT FROM c{number}
        FROM (SELECT row_number, {guard}({expression}) AS v FROM rows WHERE {where}) JOIN ours USING (row_number)
        WHERE NOT r{number} ORDER BY row_number
        """
    ).fetchall()


def one_by_one(number, expression, rows):
    """The same for these rows; a row that DuckDB rejects is left out."""
    found = []
    for row in rows:
        try:
            found += values(number, expression, f"row_number = {row}", "")
        except (duckdb.ConversionException, duckdb.OutOfRangeException, duckdb.InvalidInputException):
            continue
    return found


every_row = range(db.execute("SELECT count(*) FROM rows").fetchone()[0])
differences, compared, theirs = [], 0, 0
for number, case in enumerate(cases):
    expression = case["duckdb"]
    try:
        try:
            found = values(number, expression)
            # NULL stands for a value and for a rejected row.
            doubtful = [row for row, their, _, differs in found if differs and their is None]
            found = [one for one in found if one[0] not in doubtful]
        except (duckdb.ConversionException, duckdb.OutOfRangeException, duckdb.InvalidInputException):
            # An error in what is constant comes before any row.
            found, doubtful = [], every_row
        again = one_by_one(number, expression, doubtful)
    except duckdb.Error as error:
        differences.append({**case, "error": str(error)[:400]})
        continue
    theirs += len(doubtful) - len(again)
    compared += len(found) + len(again)
    for row, their, our, differs in found + again:
        if differs:
            inputs = db.execute(f"SELECT COLUMNS(*)::VARCHAR FROM rows WHERE row_number = {row}").fetchall()
            names = [column[0] for column in db.description]
            used = {name: str(value) for name, value in zip(names, inputs[0]) if name in case["text"]}
            differences.append({**case, "duckdb_gives": their, "snapback_gives": our, "row": used})
            break
print(json.dumps({"expressions": len(cases), "compared": compared, "only_duckdb_rejects": theirs, "differences": differences}))
