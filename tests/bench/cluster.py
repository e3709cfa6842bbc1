"""cluster: what a cluster of daemons costs on this machine, and whether it holds: the table of promises of docs/cluster.md.

usage: ./dev bench cluster [--rows NAMES] [--runs N] [--kills N] [--every SECONDS] [--seed N] [--quick]

Prints Markdown; progress goes to standard error. Every output is compared, byte for byte, with that of `millrace run`.
Ratios are of medians of runs taken in turn.
"""

import argparse
import json
import os
import pathlib
import random
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import threading
import time

import corpora

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parent.parent


def say(words):
    print(words, file=sys.stderr, flush=True)


class Cluster:
    """Daemons started one by one, so that each has slots of its own and can be struck."""

    def __init__(self, millrace, work, mappers, reducers, lease="10s"):
        self.millrace, self.work = millrace, pathlib.Path(tempfile.mkdtemp(dir=work, prefix="cluster-"))
        self.secret = self.work / "key"
        subprocess.run([millrace, "secret", "new", self.secret], check=True, stdout=subprocess.DEVNULL)
        self.log = open(self.work / "log", "w")
        self.daemons = {}
        self.master = self.start("master", "--listen", "127.0.0.1:0", "--state", self.work / "state", "--lease", lease)
        for number, slots in enumerate(mappers, 1):
            self.start_worker("mapper", number, slots)
        for number, slots in enumerate(reducers, 1):
            self.start_worker("reducer", number, slots)
        self.environment = {**os.environ, "MILLRACE_MASTER": self.master, "MILLRACE_SECRET": str(self.secret)}

    def start(self, name, *words):
        """Starts a daemon and returns the address where it is ready."""
        command = [self.millrace, name.split("-")[0], *map(str, words), "--secret", self.secret]
        daemon = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=self.log, text=True)
        self.daemons[name] = daemon
        line = daemon.stdout.readline().split()
        if line[:1] != ["ready"]:
            sys.exit(f"{name} did not start: see {self.work}/log")
        return line[1]

    def start_worker(self, role, number, slots):
        name = f"{role}-{number}"
        self.start(name, "--master", self.master, "--slots", slots, "--name", name, "--scratch", self.work / name)

    def command(self, *words):
        return subprocess.Popen([self.millrace, *map(str, words)], env=self.environment, stdout=subprocess.PIPE,
                                stderr=subprocess.PIPE)

    def submit(self, *words):
        """Submits, waits, and returns the seconds it took and what it printed."""
        begun = time.monotonic()
        job = self.command("submit", *words)
        out, err = job.communicate()
        if job.returncode:
            sys.exit(f"submit {words} ended with {job.returncode}: {err.decode()}")
        return time.monotonic() - begun, out

    def cpu_seconds(self, name):
        fields = pathlib.Path(f"/proc/{self.daemons[name].pid}/stat").read_text().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def stop(self):
        for daemon in self.daemons.values():
            daemon.send_signal(signal.SIGCONT)
            daemon.kill()
            daemon.wait()
        self.log.close()
        shutil.rmtree(self.work, ignore_errors=True)


def parts(directory):
    return [(path.name, path.read_bytes()) for path in sorted(pathlib.Path(directory).glob("part-*"))]


class Bench:
    def __init__(self, options, work):
        self.options, self.work = options, work
        self.millrace = ROOT / "build/release/millrace"
        self.corpora = corpora.Corpora(corpora.cache_directory(), options.quick, say)
        self.lines, self.failures = [], []

    def promise(self, measure, must, aim, got):
        say(f"{measure}: {got}")
        self.lines.append(f"| {measure} | {must} | {aim} | {got} |")

    def run(self, *words):
        begun = time.monotonic()
        subprocess.run([self.millrace, "run", *map(str, words)], check=True, stderr=subprocess.DEVNULL)
        return time.monotonic() - begun

    def expect(self, output, wanted, words):
        if parts(output) != parts(wanted):
            sys.exit(f"{words}: another output than that of millrace run")

    def source(self, copies=1):
        """A directory with so many copies of the corpus, and what `run` makes of it."""
        directory, wanted = self.work / f"source{copies}", self.work / f"wanted{copies}"
        if not directory.exists():
            directory.mkdir()
            for copy in range(copies):
                os.symlink(self.corpora.source(), directory / f"{copy}.txt")
            self.run("wordcount", directory, "-o", wanted, "--threads", 2)
        return directory, wanted

    def submitted(self, cluster, source, wanted, words):
        output = self.work / "out"
        seconds, _ = cluster.submit("wordcount", source, "-o", output)
        self.expect(output, wanted, words)
        shutil.rmtree(output)
        return seconds

    # ---- the rows --------------------------------------------------------------------------------------------------

    def row_wall(self):
        source, wanted = self.source()
        here, there = [], []
        cluster = Cluster(self.millrace, self.work, [1, 1], [2])
        for _ in range(self.options.runs + 1):
            output = self.work / "here"
            here.append(self.run("wordcount", source, "-o", output, "--threads", 2))
            shutil.rmtree(output)
            there.append(self.submitted(cluster, source, wanted, "wall"))
        cluster.stop()
        ratio = statistics.median(there[1:]) / statistics.median(here[1:])
        self.promise("`source`: 2 mappers of 1 slot, 1 reducer of 2, against `run --threads 2`", "1.6", "1.25", f"{ratio:.2f}")

    def row_kills(self):
        kills = Kills(self)
        try:
            kills.prepare()
            kills.run(self.options.kills)
        finally:
            kills.stop()
        self.promise(f"kill -9 of a random process, the master among them, every {self.options.every:g} s, "
                     f"{self.options.kills} jobs: equal bytes", "20 of 20", "1,000 of 1,000", kills.account())
        if kills.held < kills.jobs:
            self.failures.append(f"{kills.account()}: seed {self.options.seed}; the log and more in {kills.kept}")

    def struck(self, strike, words, measure, must, aim):
        """The wall time of a job that is struck while it maps, against one that is not."""
        source, wanted = self.source(1 if self.options.quick else 4)
        calm, rough = [], []
        for is_struck in (False, True) * 2:
            cluster = Cluster(self.millrace, self.work, [1, 1, 1], [2], lease="2s")
            striker = threading.Timer(0, lambda: None)
            if is_struck:
                striker = strike(cluster, statistics.mean(calm))
            striker.start()
            (rough if is_struck else calm).append(self.submitted(cluster, source, wanted, words))
            striker.cancel()
            cluster.stop()
        ratio = statistics.median(rough) / statistics.median(calm)
        self.promise(measure, must, aim, f"{ratio:.2f}")

    def row_lost(self):
        def strike(cluster, seconds):
            return threading.Timer(seconds / 3, lambda: cluster.daemons["mapper-2"].kill())

        self.struck(strike, "lost", "`source` x 4, one of three mappers killed half-way through its maps, against undisturbed",
                    "1.6", "1.35")

    def row_slow(self):
        def strike(cluster, _seconds):
            return Pulses(cluster.daemons["mapper-2"])

        self.struck(strike, "slow", "`source` x 4, one of three mappers held to a tenth of its time, against undisturbed",
                    "1.6", "1.25")

    def row_tasks(self):
        plugin, line = ROOT / "build/release/tests/plugins/empty.so", self.corpora.line()
        cluster = Cluster(self.millrace, self.work, [1, 1], [2])
        output = self.work / "empty"
        seconds, _ = cluster.submit(plugin, "--tasks", 5000, line, "-o", output)
        shutil.rmtree(output)
        cluster.stop()
        self.promise("10,000 empty tasks: tasks a second", "500", "5,000", f"{10000 / seconds:,.0f}")

    def row_line(self):
        cluster = Cluster(self.millrace, self.work, [1, 1], [2])
        times = [cluster.submit("wordcount", self.corpora.line())[0] * 1000 for _ in range(21)][1:]
        cluster.stop()
        self.promise("submit of one line on a warm cluster, to its printed result", "100 ms", "20 ms",
                     f"{statistics.median(times):.0f} ms")

    def row_rounds(self):
        build = self.work / "examples"
        plugin, data = build / "libregression.so", ROOT / "examples/regression/diabetes.csv"
        build.mkdir(exist_ok=True)
        subprocess.run(["cc", "-O3", "-fPIC", "-shared", f"-I{ROOT}/lib/include", "-o", plugin,
                        *sorted((ROOT / "examples/regression").glob("*.c")), "-lm"], check=True)
        wanted, output = self.work / "wanted-rounds", self.work / "rounds"
        subprocess.run([self.millrace, "run", plugin, data, "-o", wanted], check=True, stderr=subprocess.DEVNULL)
        cluster = Cluster(self.millrace, self.work, [1, 1], [1])
        seconds, _ = cluster.submit(plugin, data, "-o", output)
        cluster.stop()
        self.expect(output, wanted, "rounds")
        manifest = json.loads((output / "_manifest.json").read_text())
        passes = manifest["result"]["loop"]["passes"]
        self.promise("passes a second of least squares, 2 mappers and 1 reducer", "20", "200",
                     f"{passes / seconds:.0f} ({passes} passes)")

    def row_idle(self):
        cluster = Cluster(self.millrace, self.work, [1, 1], [2])
        cluster.submit("wordcount", self.corpora.line())
        time.sleep(1)
        before = {name: cluster.cpu_seconds(name) for name in cluster.daemons}
        span = 10 if self.options.quick else 60
        time.sleep(span)
        worst = max((cluster.cpu_seconds(name) - before[name]) / span for name in cluster.daemons)
        cluster.stop()
        self.promise("an idle cluster: CPU of the busiest daemon", "0.1 %", "", f"{100 * worst:.2f} %")


class Kills:
    """Jobs one after the other on `cluster up --restart`, of which every so often a random process is killed."""

    PATIENCE_SECONDS = 300  # for one job; without kills it takes some

    def __init__(self, bench):
        self.bench, self.every = bench, bench.options.every
        self.dice = random.Random(bench.options.seed)
        self.kept = pathlib.Path(tempfile.mkdtemp(prefix="millrace-kills-"))  # removed where all went well
        self.jobs = self.held = 0
        self.hits = {}  # by name
        self.log = open(self.kept / "log", "w")
        self.up = subprocess.Popen([bench.millrace, "cluster", "up", "--listen", "127.0.0.1:0", "--mappers", "2", "--reducers",
                                    "1", "--slots", "1", "--restart", "--state", bench.work / "kill-state"],
                                   stdout=subprocess.PIPE, stderr=self.log, text=True)
        self.environment = {**os.environ, "MILLRACE_MASTER": self.up.stdout.readline().split()[1]}
        self.ends = threading.Event()
        self.striker = threading.Thread(target=self.strike)

    def note(self, words):
        print(f"{time.strftime('%H:%M:%S')} bench: {words}", file=self.log, flush=True)

    # ---- the input: so large that a job is struck about once -------------------------------------------------------

    def prepare(self):
        bench, copies, took = self.bench, 0, 0
        logs = bench.work / "kills.txt"
        with open(logs, "wb") as out:
            subprocess.run([ROOT / "build/release/tests/gen_logs", "20" if bench.options.quick else "100"], check=True,
                           stdout=out)
        self.input, self.wanted = bench.work / "kills", bench.work / "wanted-kills"
        self.input.mkdir()
        while took < 1.5 * self.every:
            more = 1 if not copies else max(1, int(copies * (1.6 * self.every / took - 1)))
            for copy in range(copies, copies + more):
                os.symlink(logs, self.input / f"{copy}.txt")
            copies += more
            shutil.rmtree(self.wanted, ignore_errors=True)
            bench.run("wordcount", self.input, "-o", self.wanted, "--partitions", 4)
            begun = time.monotonic()
            if self.job("undisturbed") != "equal":
                sys.exit(f"an undisturbed job: see {self.kept}")
            took = time.monotonic() - begun
        say(f"{copies} times {logs.stat().st_size / 1e6:.0f} MB: {took:.1f} s undisturbed")

    # ---- jobs and kills --------------------------------------------------------------------------------------------

    def strike(self):
        while not self.ends.wait(self.every):
            name = self.dice.choice(["master", "mapper-1", "mapper-2", "reducer-1"])
            try:
                pid = self.daemons()[name]
                os.kill(pid, signal.SIGKILL)
            except (KeyError, OSError):
                continue  # it is not there: the kill before this one was its
            self.hits[name] = self.hits.get(name, 0) + 1
            self.note(f"killed {name}, process {pid}")

    def daemons(self):
        """Processes by name."""
        found = {}
        for pid in pathlib.Path(f"/proc/{self.up.pid}/task/{self.up.pid}/children").read_text().split():
            words = pathlib.Path(f"/proc/{pid}/cmdline").read_text().split("\0")
            found[words[words.index("--name") + 1] if "--name" in words else words[1]] = int(pid)
        return found

    def run(self, jobs):
        self.striker.start()
        for number in range(jobs):
            self.jobs += 1
            how = self.job(f"killed-{number}")
            self.held += how == "equal"
            if how != "equal":
                say(f"job {number}: {how}")

    def job(self, name):
        """How it went: "equal", or what was wrong, of which the evidence is kept."""
        output = self.bench.work / name
        self.note(f"job {name}")
        client = subprocess.Popen([self.bench.millrace, "submit", "wordcount", self.input, "-o", output, "--partitions", "4",
                                   "--connect-timeout", str(self.PATIENCE_SECONDS)], env=self.environment,
                                  stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
        try:
            _, says = client.communicate(timeout=self.PATIENCE_SECONDS)
            how = f"status {client.returncode}: {says.strip()}" if client.returncode else \
                "equal" if parts(output) == parts(self.wanted) else "other bytes"
        except subprocess.TimeoutExpired:
            how = "hangs"
            self.look(name)
            client.kill()
            client.communicate()
            self.ask("cancel", self.unfinished())
        self.note(f"job {name}: {how}")
        if how == "other bytes" and output.exists():
            shutil.copytree(output, self.kept / name)
        shutil.rmtree(output, ignore_errors=True)
        return how

    def ask(self, *words):
        return subprocess.run([self.bench.millrace, *words], env=self.environment, capture_output=True, text=True, check=False,
                              timeout=60).stdout

    def unfinished(self):
        jobs = json.loads(self.ask("status", "--json") or "[]")
        return next((job["id"] for job in jobs if job["state"] not in ("done", "failed")), "none")

    def look(self, name):
        """What the cluster says of itself while a job hangs."""
        (self.kept / f"{name}.txt").write_text(self.ask("status", "--json") + self.ask("nodes", "--json") +
                                               self.ask("status", self.unfinished(), "--json"))

    # ---- the end ---------------------------------------------------------------------------------------------------

    def account(self):
        kills = sum(self.hits.values())
        return f"{self.held} of {self.jobs}; {kills} kills, {self.hits.get('master', 0)} of the master"

    def stop(self):
        self.ends.set()
        if self.striker.ident:
            self.striker.join()
        self.up.send_signal(signal.SIGINT)
        self.up.wait()
        self.log.close()
        if self.jobs and self.held == self.jobs:
            shutil.rmtree(self.kept)


class Pulses(threading.Thread):
    """Holds a daemon, and the tasks that it started, to a tenth of the time."""

    def __init__(self, daemon):
        super().__init__()
        self.daemon_process, self.ends = daemon, threading.Event()

    def family(self):
        pids, left = [], [self.daemon_process.pid]
        while left:
            pid = left.pop()
            pids.append(pid)
            for children in pathlib.Path(f"/proc/{pid}/task").glob("*/children"):
                try:
                    left += map(int, children.read_text().split())
                except OSError:
                    pass
        return pids

    def signal(self, number):
        for pid in self.family():
            try:
                os.kill(pid, number)
            except ProcessLookupError:
                pass

    def run(self):
        while not self.ends.wait(0.02):
            self.signal(signal.SIGSTOP)
            self.ends.wait(0.18)
            self.signal(signal.SIGCONT)

    def cancel(self):
        self.ends.set()
        self.join()


def main():
    rows = [name[4:] for name in dir(Bench) if name.startswith("row_")]
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--rows", default=",".join(rows), help="some of " + ", ".join(rows))
    options.add_argument("--runs", type=int, default=3, help="of each command of a pair (3)")
    options.add_argument("--kills", type=int, default=20, help="jobs under random kills (20)")
    options.add_argument("--every", type=float, default=2, help="seconds between two kills (2); jobs take a half more")
    options.add_argument("--seed", type=int, default=int(time.time()), help="of what is killed when")
    options.add_argument("--quick", action="store_true", help="small inputs: shows that the bench works, no more")
    options = options.parse_args()
    say(f"seed {options.seed}")
    with tempfile.TemporaryDirectory(prefix="millrace-cluster-", dir=os.environ.get("TMPDIR")) as work:
        os.environ["XDG_RUNTIME_DIR"] = work
        bench = Bench(options, pathlib.Path(work))
        for row in options.rows.split(","):
            getattr(bench, "row_" + row)()
    print("| measure | must | aim | got |\n|---|---|---|---|")
    print("\n".join(bench.lines))
    if bench.failures:
        sys.exit("\n".join(bench.failures))


main()
