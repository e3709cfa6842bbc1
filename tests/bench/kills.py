"""kills: jobs on a cluster whose daemons are killed at random: a row of cluster.py, which says how it is called."""

import json
import os
import pathlib
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time


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
            subprocess.run([bench.root / "build/release/tests/gen_logs", "20" if bench.options.quick else "100"], check=True,
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
        self.bench.say(f"{copies} times {logs.stat().st_size / 1e6:.0f} MB: {took:.1f} s undisturbed")

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
            if len(words) > 1:  # one that has ended says nothing
                found[words[words.index("--name") + 1] if "--name" in words else words[1]] = int(pid)
        return found

    def run(self, jobs):
        self.striker.start()
        for number in range(jobs):
            self.jobs += 1
            how = self.job(f"killed-{number}")
            self.held += how == "equal"
            if how != "equal":
                self.bench.say(f"job {number}: {how}")

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
                "equal" if self.bench.parts(output) == self.bench.parts(self.wanted) else "other bytes"
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
