"""peers: counts words with what people would use instead: ClickHouse (chdb), DuckDB, Polars, Spark; mawk and sort.

usage: peers.py --list                          names and versions of the engines this interpreter has
       peers.py ENGINE INPUT OUTPUT [BYTES]     word TAB count, sorted by word, with at most BYTES of memory

Each is asked for two threads and for the query its own manual would lead to. None of them is measured from
inside: bench.py times the whole process, as a user would. Their ideas of white space differ in rare bytes
(\\v, \\f, invalid UTF-8), so bench.py says in how many lines their counts differ from ours.
"""

import importlib.metadata
import os
import shlex
import shutil
import sys

THREADS = 2
BLANKS = r"[ \t\x0b\x0c\r]+"  # within a line
NOWHERE = "\x01"  # as a column separator: in none of the inputs, so that a line is one column


def quoted(text):
    """A string literal of SQL."""
    return "'" + text.replace("'", "''") + "'"


def clickhouse(source, output, memory):
    import chdb

    settings = [f"max_threads = {THREADS}"]
    if memory:
        spill = memory // 3  # below the limit, so that the merge has room beside the table
        settings += [f"max_memory_usage = {memory}", f"max_bytes_before_external_group_by = {spill}",
                     f"max_bytes_before_external_sort = {spill}"]
    chdb.query(f"""
        SELECT word, count() FROM (
            SELECT arrayJoin(splitByWhitespace(line)) AS word FROM file({quoted(source)}, 'LineAsString'))
        WHERE word != '' GROUP BY word ORDER BY word
        INTO OUTFILE {quoted(output)} FORMAT TSVRaw SETTINGS {", ".join(settings)}""")


def duckdb(source, output, memory):
    import duckdb as engine

    database = engine.connect()
    database.execute(f"SET threads = {THREADS}")
    if memory:
        database.execute(f"SET memory_limit = '{memory // 1024} KiB'")
        database.execute(f"SET temp_directory = {quoted(output + '.scratch')}")
    database.execute(f"""
        COPY (
            SELECT word, count(*) FROM (
                SELECT unnest(string_split_regex(line, {quoted(BLANKS)})) AS word
                FROM read_csv({quoted(source)}, columns = {{'line': 'VARCHAR'}}, auto_detect = false,
                              header = false, delim = {quoted(NOWHERE)}, quote = '', escape = '',
                              strict_mode = false, ignore_errors = true, max_line_size = 16777216))
            WHERE word <> '' GROUP BY word ORDER BY word
        ) TO {quoted(output)} (FORMAT csv, HEADER false, DELIMITER '\t', QUOTE '', ESCAPE '')""")


def polars(source, output, memory):
    if memory:
        sys.exit("Polars has no limit of memory")
    os.environ["POLARS_MAX_THREADS"] = str(THREADS)
    import polars as engine

    line = engine.col("line")
    words = (engine.scan_csv(source, has_header=False, separator=NOWHERE, quote_char=None,
                             encoding="utf8-lossy", schema={"line": engine.String})
             .select(line.str.replace_all(BLANKS, " ").str.split(" ").alias("word")).explode("word")
             .filter(engine.col("word") != ""))
    counts = words.group_by("word").agg(engine.len().alias("count")).sort("word")
    counts.sink_csv(output, include_header=False, separator="\t", quote_style="never")


def spark(source, output, memory):
    from pyspark.sql import SparkSession, functions

    machine = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    session = (SparkSession.builder.master(f"local[{THREADS}]")
               .config("spark.driver.memory", f"{(memory or machine // 2) // 1024}k")
               .config("spark.ui.enabled", "false")
               .config("spark.sql.shuffle.partitions", str(4 * THREADS)).getOrCreate())
    session.sparkContext.setLogLevel("ERROR")
    words = session.read.text(source).select(functions.explode(functions.split("value", BLANKS)).alias("word"))
    counts = words.where("word <> ''").groupBy("word").count().orderBy("word")
    counts.select(functions.concat_ws("\t", "word", "count")).write.text(output)
    session.stop()


# engine -> the package that has it, and how it counts
ENGINES = {"clickhouse": ("chdb", clickhouse), "duckdb": ("duckdb", duckdb), "polars": ("polars", polars),
           "spark": ("pyspark", spark)}


def mawk_command(source, output, memory):
    """The command line of mawk and sort, or None where there is no mawk; it needs no interpreter of ours."""
    if not shutil.which("mawk"):
        return None
    program = r'{ for (i = 1; i <= NF; i++) n[$i]++ } END { for (w in n) print w "\t" n[w] }'
    limit = f"-S {memory // 2048}K" if memory else ""
    return ["sh", "-c", f"mawk {shlex.quote(program)} {shlex.quote(source)} | sort --parallel={THREADS} {limit} "
                        f"-t '\t' -k 1,1 -o {shlex.quote(output)}"]


def versions():
    """Yields (engine, version) of what is installed here; imports nothing."""
    for name, (package, _) in ENGINES.items():
        try:
            yield name, importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            continue


def main():
    words = sys.argv[1:]
    if words == ["--list"]:
        for name, version in versions():
            print(name, version)
    elif len(words) in (3, 4) and words[0] in ENGINES:
        ENGINES[words[0]][1](words[1], words[2], int(words[3]) if len(words) == 4 else None)
    else:
        print(__doc__.split("\n\n")[1], file=sys.stderr)
        sys.exit(2)


if __name__ == "__main__":
    main()
