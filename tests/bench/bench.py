"""bench: measures the speed of word count against ceilings, and what people would use instead.

Prints Markdown: what must hold, what was aimed at, what this machine gave; then what lies behind it. Progress
goes to standard error. README.md beside this file tells what is measured, and how.
"""

import argparse
import datetime
import os
import pathlib
import platform
import re
import statistics
import subprocess
import sys
import tempfile

import corpora
import peers
from measure import Command, Meter

HERE = pathlib.Path(__file__).resolve().parent
THREADS = 2
START_RUNS = 10  # times as many as of the rest, for they last milliseconds
PEER_MEMORY = 512 << 20


def say(words):
    print(words, file=sys.stderr, flush=True)


class Bench:
    """One session: where things are, and the rows of its table."""

    def __init__(self, options, work):
        self.millrace, self.quick = options.millrace, options.quick
        self.runs = options.runs or (2 if options.quick else 5)
        self.work = work
        self.corpora = corpora.Corpora(corpora.cache_directory(), options.quick, say)
        self.meter = Meter(work, say)
        self.peers_python = peers_python()
        self.peers = peer_versions(self.peers_python)
        self.rows, self.made = [], {}
        self.ceiling_path = work / "ceiling_wordcount"
        compiler = os.environ.get("CC", "cc").split()
        subprocess.run([*compiler, "-std=gnu11", "-D_GNU_SOURCE", "-O3", "-march=native", "-pthread", "-o",
                        self.ceiling_path, HERE / "ceiling_wordcount.c"], check=True)

    # ---- commands ------------------------------------------------------------------------------------------------

    def wordcount(self, name, source, *words, threads=THREADS, expected=None):
        argv = [self.millrace, "run", "wordcount", "--threads", threads, *words, source]
        return Command(name, argv, expected=expected)

    def ceiling(self, name, source, threads=THREADS):
        return Command(name, [self.ceiling_path, source, threads], expected=self.expected(source))

    def peer(self, name, source, memory=None):
        """A peer's command, or None where it isn't installed."""
        output = self.work / name
        if name == "mawk + sort":
            argv = peers.mawk_command(str(source), str(output), memory)
        elif name in self.peers:
            limit = [memory] if memory else []
            argv = [self.peers_python, HERE / "peers.py", name, source, output, *limit]
        else:
            return None
        return argv and Command(name, argv, output, self.expected(source), must_match=False)

    def expected(self, source):
        """The ceiling's output for an input, made once."""
        return self.kept(f"expected-{source.name}", [self.ceiling_path, source, str(THREADS)])

    def reference(self, mode):
        return self.kept(f"expected-{mode}", [sys.executable, HERE / "reference.py", mode, self.corpora.text(),
                                              str(self.corpora.copies)])

    def kept(self, name, argv):
        if name not in self.made:
            self.made[name] = self.work / name
            with self.made[name].open("wb") as out:
                subprocess.run(argv, stdout=out, check=True)
        return self.made[name]

    def measure(self, title, commands, runs=None):
        say(title)
        results = self.meter.interleaved([command for command in commands if command], runs or self.runs)
        for result in results.values():
            result.title = title
        return results

    # ---- the table -----------------------------------------------------------------------------------------------

    def at_most(self, measure, must, aim, got, unit=""):
        self.row(measure, f"≤ {must}{unit}", f"≤ {aim}{unit}", got, unit,
                 got is not None and (got <= must) + (got <= aim))

    def at_least(self, measure, must, aim, got):
        self.row(measure, f"≥ {must}", f"≥ {aim}", got, "", got is not None and (got >= must) + (got >= aim))

    def row(self, measure, must, aim, got, unit, reached):
        verdict = "not measured" if got is None else ("MISSED", "must", "aim")[reached]
        digits = "–" if got is None else f"{got:.2f}" if got < 10 else f"{got:.0f}"
        self.rows.append((measure, must, aim, digits if got is None else digits + unit, verdict))

    # ---- its rows ------------------------------------------------------------------------------------------------

    def text(self):
        source = self.corpora.text()
        results = self.measure("text, 2 threads", [
            self.wordcount("millrace", source, expected=self.expected(source)), self.ceiling("ceiling", source)])
        self.at_most("`text`, wall / ceiling", 1.5, 1.1, ratio(results, "millrace", "ceiling"))
        self.at_most("`text`, peak RSS", 200, 80, peak(results, "millrace"), " MiB")

    def source(self):
        source = self.corpora.source()
        results = self.measure("source, sorted, 2 threads", [
            self.wordcount("millrace", source, expected=self.expected(source)), self.peer("clickhouse", source)])
        self.at_most("`source`, wall / ClickHouse", 0.5, 0.25, ratio(results, "millrace", "clickhouse"))
        self.at_most("`source`, peak RSS", 1024, 300, peak(results, "millrace"), " MiB")

    def scaling(self):
        source = self.corpora.text()
        results = self.measure("text, 1 thread and 2", [
            *(self.wordcount(f"millrace, {n}", source, threads=n, expected=self.expected(source)) for n in (1, 2)),
            *(self.ceiling(f"ceiling, {n}", source, n) for n in (1, 2))])
        ours, ceiling = ratio(results, "millrace, 1", "millrace, 2"), ratio(results, "ceiling, 1", "ceiling, 2")
        self.at_least("`text`, (1 thread / 2 threads) / ceiling's", 0.9, 1.0,
                      ours and ceiling and ours / ceiling)

    def memory(self):
        source = self.corpora.source()
        results = self.measure("source, bounded memory", [
            self.wordcount("millrace, 256M", source, "--memory", "256M", expected=self.expected(source)),
            self.wordcount("millrace, default", source, expected=self.expected(source))])
        self.at_most("`source` --memory 256M, peak RSS", 300, 280, peak(results, "millrace, 256M"), " MiB")
        self.at_most("`source` --memory 256M, wall / unlimited", 1.5, 1.1,
                     ratio(results, "millrace, 256M", "millrace, default"))

    def gz(self):
        source, text = self.corpora.gz(), self.corpora.text()
        results = self.measure("text as one .gz", [
            self.wordcount("millrace", source, expected=self.expected(text)),
            Command("gzip -dc", ["sh", "-c", 'exec gzip -dc "$0" >/dev/null', source])])
        self.at_most("`text` as one .gz, wall / gzip -dc", 0.5, 0.3, ratio(results, "millrace", "gzip -dc"))

    def start(self):
        source = self.corpora.line()
        results = self.measure("one line, start to end", [
            self.wordcount("millrace", source, expected=self.expected(source)), self.ceiling("ceiling", source),
            Command("true", ["true"])], START_RUNS * self.runs)
        ours = results["millrace"]
        self.at_most("one line, start to end", 10, 3, None if ours.failed else ours.median() * 1000, " ms")

    def unicode(self):
        source = self.corpora.text()
        results = self.measure("text, folded", [
            self.wordcount(f"millrace, {mode}", source, "--words", mode, "--fold", expected=self.reference(mode))
            for mode in ("unicode", "letters")])
        self.at_most("`text`, unicode --fold / letters --fold", 2, 1.3,
                     ratio(results, "millrace, unicode", "millrace, letters"))

    # ---- the scheduler -------------------------------------------------------------------------------------------

    def core(self):
        """The core alone: it prints its own figures."""
        program = self.millrace.parent / "tests/scheduler"
        say("the scheduler alone")
        done = [subprocess.run([program], capture_output=True, text=True, check=True).stdout for _ in range(self.runs)]
        found = [re.search(r"([0-9.]+) us an event .* ([0-9]+) bytes a task", text).groups() for text in done]
        self.at_most("scheduler, 1,000 nodes × 110,000 tasks, an event", 5, 1,
                     statistics.median(float(time) for time, _ in found), " µs")
        self.at_most("the same, memory a task", 512, 200, max(int(size) for _, size in found), " B")

    def tasks(self):
        count = 1000 if self.quick else 10000
        plugin = self.millrace.parent / "tests/plugins/empty.so"
        results = self.measure("empty tasks", [
            Command(f"millrace, {name}", [self.millrace, "run", plugin, "--threads", THREADS, "--tasks", tasks,
                                          self.corpora.line()]) for name, tasks in (("none", 1), ("many", count))])
        many, none = results["millrace, many"], results["millrace, none"]
        rate = None if many.failed or none.failed else 2 * count / (many.median() - none.median())
        self.at_least("empty tasks in process, a second", 50000, 500000, rate)

    def rounds(self):
        """Passes of the least-squares example over its 442 rows, less what starting it costs."""
        count = 1000 if self.quick else 20000
        example = HERE.parents[1] / "examples/regression"
        plugin = self.work / "libregression.so"
        subprocess.run([*os.environ.get("CC", "cc").split(), "-O2", "-ffp-contract=off", "-shared", "-fPIC",
                        f"-I{HERE.parents[1] / 'lib/include'}", example / "regression.c", "-lm", "-o", plugin], check=True)
        results = self.measure("rounds of least squares", [
            Command(f"millrace, {name}", [self.millrace, "run", plugin, example / "diabetes.csv", "--tolerance", "0",
                                          "--unfinished", "--epochs", epochs]) for name, epochs in (("1", 1), ("many", count))])
        many, one = results["millrace, many"], results["millrace, 1"]
        rate = None if many.failed or one.failed else (count - 1) / (many.median() - one.median())
        self.at_least("least squares on 442 rows, rounds a second", 1000, 10000, rate)

    # ---- what people would use instead ---------------------------------------------------------------------------

    def peers_on(self, title, source, *words, memory=None, runs=None):
        everyone = [self.peer(name, source, memory) for name in (*peers.ENGINES, "mawk + sort")]
        if any(everyone):
            self.measure(title, [self.wordcount("millrace", source, *words, expected=self.expected(source)),
                                 *everyone], runs)

    def peers_text(self):
        self.peers_on("peers: text", self.corpora.text())

    def peers_source(self):
        self.peers_on("peers: source", self.corpora.source())

    def peers_memory(self):
        self.peers_on("peers: source with 512 MB", self.corpora.source(), "--memory", "512M", memory=PEER_MEMORY)

    def peers_start(self):
        self.peers_on("peers: one line", self.corpora.line())


ROWS = {"text": Bench.text, "source": Bench.source, "scaling": Bench.scaling, "memory": Bench.memory,
        "gz": Bench.gz, "start": Bench.start, "unicode": Bench.unicode, "core": Bench.core, "tasks": Bench.tasks,
        "rounds": Bench.rounds,
        "peers-text": Bench.peers_text, "peers-source": Bench.peers_source, "peers-memory": Bench.peers_memory,
        "peers-start": Bench.peers_start}


def ratio(results, above, below):
    """Of medians; None where one was not measured."""
    pair = results.get(above), results.get(below)
    return None if any(r is None or r.failed for r in pair) else pair[0].median() / pair[1].median()


def peak(results, name):
    return None if results[name].failed else results[name].peak_mib()


# ---- this machine ------------------------------------------------------------------------------------------------


def peers_python():
    """The interpreter that has the peers: $MR_BENCH_PEERS, else the cache directory's venv, else none."""
    found = pathlib.Path(os.environ.get("MR_BENCH_PEERS") or corpora.cache_directory() / "venv/bin/python3")
    return found if found.exists() else None


def peer_versions(python):
    if python is None:
        return {}
    listing = subprocess.run([python, HERE / "peers.py", "--list"], capture_output=True, text=True, check=True)
    return dict(line.split(" ", 1) for line in listing.stdout.splitlines())


def cpu_model():
    try:
        lines = pathlib.Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        lines = []
    return next((line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")),
                platform.machine())


def first_line(*argv):
    try:
        done = subprocess.run(argv, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
    except OSError:
        return "no " + argv[0]
    return (done.stdout.splitlines() or ["?"])[0]


def print_tables(bench, load):
    print(f"Measured on {datetime.date.today()}: {cpu_model()}, {os.cpu_count()} CPUs, "
          f"{os.sysconf('SC_PAGE_SIZE') * os.sysconf('SC_PHYS_PAGES') / 2**30:.0f} GiB, "
          f"Linux {platform.release()}; medians of {bench.runs} interleaved runs after a warm-up, {THREADS} threads.")
    engines = [f"{name} {version}" for name, version in bench.peers.items()]
    print("Versions: " + ", ".join([first_line(bench.millrace, "--version"), first_line("gzip", "--version"),
                                    first_line("mawk", "-W", "version").split(",")[0], *engines]) + ".")
    if bench.quick:
        print("\n**Quick**: small inputs and few runs, which show that the bench works, not how fast anything is.")
    if load > 0.3:
        print(f"\n**Not idle**: the load average was {load:.1f} at the start; times are too long, ratios rough.")
    if bench.rows:
        print("\n| measure | must | aim | got | verdict |\n|---|---|---|---|---|")
        for row in bench.rows:
            print("| " + " | ".join(row) + " |")
    print("\n| job | program | median s | fastest–slowest | × first | peak MiB | output |\n" + "|---" * 7 + "|")
    first = {}
    for result in bench.meter.results:
        first.setdefault(result.title, result)
        print("| " + " | ".join(columns(result, first[result.title])) + " |")


def columns(result, first):
    if result.failed:
        return result.title, result.name, "–", "–", "–", "–", result.failed.replace("|", "\\|")
    times = "–" if first.failed else f"{result.median() / first.median():.2f}"
    return (result.title, result.name, f"{result.median():.4g}",
            f"{min(result.seconds):.4g}–{max(result.seconds):.4g}", times, result.peak_words(), result.output)


def parse_arguments():
    parser = argparse.ArgumentParser(prog="bench.py", description=__doc__.split("\n")[0],
                                     epilog="Environment: MR_BENCH_DIR, MR_BENCH_PEERS; see README.md.")
    parser.add_argument("--millrace", type=pathlib.Path, default=HERE.parents[1] / "build/release/millrace",
                        help="the command to measure (default: %(default)s)")
    parser.add_argument("--rows", metavar="ROW,...", help="only these, of " + ", ".join(ROWS))
    parser.add_argument("--runs", type=int, help="counted runs of each (default: 5; quick: 2)")
    parser.add_argument("--quick", action="store_true", help="inputs of 50 MB, to see that the bench works")
    parser.add_argument("--no-peers", action="store_true", help="leave out what people would use instead")
    parser.add_argument("--strict", action="store_true", help="end with 1 where a `must` was missed, too")
    options = parser.parse_args()
    options.millrace = options.millrace.absolute()
    options.rows = options.rows.split(",") if options.rows else list(ROWS)
    unknown = [row for row in options.rows if row not in ROWS]
    if unknown:
        parser.error(f"no row {', '.join(unknown)}; there are {', '.join(ROWS)}")
    if options.runs is not None and options.runs < 1:
        parser.error("--runs must be at least 1")
    if not os.access(options.millrace, os.X_OK):
        parser.error(f"no program {options.millrace}: build it, or name one with --millrace")
    if options.no_peers:
        options.rows = [row for row in options.rows if not row.startswith("peers-")]
    return options


def main():
    options = parse_arguments()
    load = os.getloadavg()[0]
    cache = corpora.cache_directory()
    cache.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=cache, prefix="run.") as work:
        bench = Bench(options, pathlib.Path(work))
        try:
            for row in options.rows:
                ROWS[row](bench)
        except corpora.Missing as missing:
            sys.exit(f"bench: {missing}")
        print_tables(bench, load)
    ours = [result for result in bench.meter.results if result.name.startswith("millrace")]
    wrong = [result for result in bench.meter.results if result.wrong] + [r for r in ours if r.failed]
    for result in wrong:
        say(f"bench: {result.title}: {result.name}: {result.failed or result.output}")
    missed = options.strict and any(row[-1] == "MISSED" for row in bench.rows)
    return 1 if wrong or missed else 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit(130)
