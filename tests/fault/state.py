"""state: strikes a run with --state, looks at its journal, and runs the same command again.

    state.py sweep --class sync --how kill [--path journal.db] [--errno EIO] [--stays] -- run wordcount {in} -o ...
    state.py points NAME... -- run ...          kills at a fail-point, n = 1, 2, ... until it is not reached any more
    state.py random N -- run ...                N times: kill -9 of the process group at random moments, once at least, until done
    state.py flips STEP -- run ...              each STEP-th byte of a crashed run's journal flipped
    state.py torn -- run ...                    the last page of its write-ahead log torn, after k sectors

Of each run that was struck: it was killed, or failed with a sentence and its status, or succeeded. Then `fsck` finds a
sound journal (or none yet) with so many tasks done; the same command again ends with status 0 and the clean run's bytes;
it has kept just the tasks that were done, and run just the others; nothing but output and journal is left.
{in} is the folder of inputs, {work} a folder that each run has of its own."""

import argparse
import concurrent.futures
import errno
import json
import os
import random
import re
import shutil
import signal
import sqlite3
import struct
import subprocess
import sys
import tempfile
import time

from sweep import digest

MILLRACE = os.environ["MILLRACE"]
LIMIT_SECONDS = 120
AT_ONCE = 3  # runs: they wait for the disk
problems = []


def problem(where, words):
    problems.append(f"{where}: {words}")
    print(f"{where}: {words}")


class Place:
    """A folder with state, output and scratch of one command."""

    def __init__(self, args):
        self.args = args
        self.work = tempfile.mkdtemp(prefix="state-")
        self.out = os.path.join(self.work, "out")
        self.state = os.path.join(self.work, "st")
        os.mkdir(os.path.join(self.work, "tmp"))
        if args.old:
            shutil.copytree(args.old, self.out)
        self.old = digest(self.out)

    def command(self):
        names = {"{in}": self.args.inputs, "{work}": self.work}
        words = [re.sub(r"\{\w+\}", lambda found: names[found[0]], word) for word in self.args.command]
        return [MILLRACE, *words, "-o", self.out, "--state", self.state, "--tmp", os.path.join(self.work, "tmp")]

    def run(self, **fault):
        environment = dict(os.environ)
        report = os.path.join(self.work, "tmp", "report")
        if "MILLRACE_FAIL_POINT" in fault:
            environment.update(fault)
        elif fault:
            environment.update(fault, FAULT_REPORT=report,
                               LD_PRELOAD=os.path.join(os.environ["BUILD"], "tests", "shim.so"))
            environment["ASAN_OPTIONS"] = environment.get("ASAN_OPTIONS", "") + ":verify_asan_link_order=0"
        done = subprocess.run([*self.command(), "--verbose"], env=environment, stdin=subprocess.DEVNULL,
                              capture_output=True, timeout=LIMIT_SECONDS, check=False)
        self.status, self.says = done.returncode, done.stderr.decode("utf-8", "replace")
        self.calls = self.struck = 0
        if os.path.exists(report):
            with open(report, "rb") as file:
                self.calls, self.struck = struct.unpack("QQ", file.read(16))
            os.remove(report)
        found = re.search(r"state: (\d+) tasks? w\w+ done before, (\d+) now", self.says)
        self.kept, self.ran = map(int, found.groups()) if found else (0, 0)
        return self

    def fsck(self):
        """(status, what it holds)"""
        done = subprocess.run([MILLRACE, "fsck", self.state, "--json"], capture_output=True, text=True,
                              timeout=LIMIT_SECONDS, check=False)
        self.fsck_says = done.stderr
        return done.returncode, json.loads(done.stdout) if done.returncode == 0 else {}

    def left(self):
        return sorted(set(os.listdir(self.work)) - {"out", "st", "tmp"}) + os.listdir(os.path.join(self.work, "tmp")) + \
            [name for name in os.listdir(self.state) if not name.startswith("journal.db")]

    def remove(self):
        shutil.rmtree(self.work)


def go_on(place, where, clean, tasks):
    """The journal, then the same command again."""
    status, holds = place.fsck()
    if status != 0 and "holds no journal" not in place.fsck_says and "find" not in place.fsck_says:
        problem(where, f"fsck: status {status}: {place.fsck_says.strip()}")
    done = holds.get("maps_done", 0) + holds.get("reduces_done", 0)
    state = holds.get("state", "none")
    round_ = holds.get("round", 0)
    place.run()
    if place.status != 0 or digest(place.out) != clean:
        problem(where, f"the same command again: status {place.status}, {place.says.strip()!r}")
    elif "is done already" in place.says:
        if state not in ("done", "publishing"):
            problem(where, f"done already, though the journal said {state}")
    elif state in ("none", "failed"):
        if place.kept != 0:
            problem(where, f"kept {place.kept} tasks of nothing")
    elif place.kept != done:
        problem(where, f"{done} tasks were done in round {round_}, and {place.kept} were kept")
    elif place.args.loops and round_ * (holds["map_tasks"] + holds["reduce_tasks"]) + place.kept + place.ran != tasks:
        problem(where, f"{round_} rounds closed, {place.kept} kept and {place.ran} run of {tasks} tasks")
    elif place.kept + place.ran > tasks or (round_ == 0 and not place.args.loops and place.kept + place.ran != tasks):
        problem(where, f"{place.kept} kept and {place.ran} run of {tasks} tasks")
    if place.left():
        problem(where, f"left: {place.left()}")


def clean_run(args, **fault):
    place = Place(args)
    place.run(**fault)
    if place.status != 0 or place.left() or place.struck:
        sys.exit(f"the untouched run: status {place.status}, left {place.left()}: {place.says}")
    result = digest(place.out), place.ran, place.calls
    place.remove()
    return result


def renames_of(args):
    """How many there are in a run: by the last its output appears."""
    return clean_run(args, FAULT_CLASS="rename", FAULT_AT="0")[2]


def begun(args):
    """A place as the run that is struck finds it."""
    place = Place(args)
    if args.appeared:
        place.run(FAULT_CLASS="rename", FAULT_HOW="killed", FAULT_AT=str(args.renames))
        if place.status != -signal.SIGKILL or digest(place.out) is None:
            sys.exit(f"the output did not appear: status {place.status}: {place.says}")
    return place


def sweep(args):
    fault = {"FAULT_CLASS": args.kind, "FAULT_HOW": args.how, "FAULT_ERRNO": str(getattr(errno, args.errno))}
    if args.path:
        fault["FAULT_PATH"] = args.path
    if args.stays:
        fault["FAULT_STAYS"] = "1"
    if args.old_fs:
        fault["FAULT_OLD_FS"] = "1"
    clean, tasks, calls = clean_run(args, **fault, FAULT_AT="0")
    if args.appeared:
        args.renames = renames_of(args)
        place = begun(args)
        calls = place.run(**fault, FAULT_AT="0").calls
        place.remove()
    with concurrent.futures.ThreadPoolExecutor(max_workers=AT_ONCE) as pool:
        struck = sum(pool.map(lambda at: strike(args, fault, at, (clean, tasks, calls)), range(1, calls + 4, args.step)))
    print(f"{args.kind} {args.how} {args.errno}: {calls} calls, {struck} struck and went on, {tasks} tasks, "
          f"{len(problems)} went wrong")
    if struck == 0:
        sys.exit("nothing was struck")


def strike(args, fault, at, untouched):
    """One run with one call struck, and the same command again; whether it was struck."""
    clean, tasks, calls = untouched
    place = begun(args)
    place.run(**fault, FAULT_AT=str(at))
    where = f"{args.kind} {at} of {calls}"
    struck = place.struck
    if struck:
        if args.how in ("kill", "killed"):
            # It may be a task process that is killed, and its attempt made again.
            survives = "--isolate" in args.command and place.status == 0
            if place.status != -signal.SIGKILL and not survives:
                problem(where, f"status {place.status}, not killed")
        elif place.status and not (str(place.status) in args.statuses.split(",") and place.says.startswith("millrace: ")):
            problem(where, f"status {place.status}: {place.says.strip()!r}")
        # Without rename flags there is none for a moment.
        if digest(place.out) not in (clean, place.old) + ((None,) if args.old_fs else ()):
            problem(where, "half an output")
        go_on(place, where, clean, tasks)
    elif at <= calls // 2:
        problem(where, "was not struck")
    place.remove()
    return bool(struck)


def points(args):
    clean, tasks, _ = clean_run(args)
    counts = []
    for name in args.words:
        at = 0
        while True:
            place = Place(args)
            place.run(MILLRACE_FAIL_POINT=f"{name}:{at + 1}")
            if place.status == 0:
                place.remove()
                break
            at += 1
            where = f"{name} {at}"
            if place.status != -signal.SIGKILL or digest(place.out) not in (None, clean):
                problem(where, f"status {place.status}: {place.says.strip()!r}")
            go_on(place, where, clean, tasks)
            place.remove()
        counts.append(f"{name} {at}")
        if at == 0:
            problem(name, "was never reached")
    print(f"{', '.join(counts)}: killed so often, {len(problems)} went wrong")


def duration(args):
    """How long an undisturbed run takes."""
    place = Place(args)
    began = time.monotonic()
    subprocess.run(place.command(), stdin=subprocess.DEVNULL, capture_output=True, check=True)
    took = time.monotonic() - began
    place.remove()
    return took


def run_for(place, seconds):
    """The command, killed with its whole group after so many seconds: None. Where it ended before: (status, what it said)."""
    process = subprocess.Popen([*place.command(), "--verbose"], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                               stderr=subprocess.PIPE, start_new_session=True)
    try:
        _, says = process.communicate(timeout=seconds)
        return process.returncode, says.decode()
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        process.communicate()
        return None


def shot(args, dice, took):
    """A place whose run was killed, and how often one was started. One that ended before is no use: another is begun, and is
    killed in half of its time or less, so that in the end it is, however fast it has become."""
    for starts in range(1, 100):
        place = Place(args)
        if not run_for(place, dice.uniform(0, took)):
            return place, starts
        place.remove()
        took /= 2
    sys.exit("no run was slow enough to be killed")


def shoot(args):
    """Kill -9 at random moments, again and again, until it is done."""
    seed = int(os.environ.get("SEED", random.randrange(1 << 32)))
    print(f"seed {seed}", flush=True)
    dice = random.Random(seed)
    clean, tasks, _ = clean_run(args)
    took = duration(args)
    kills = starts = 0
    for number in range(int(args.words[0])):
        place, begun = shot(args, dice, took)
        starts += begun
        kept, ended = 0, None
        for tries in range(1000):
            kills += 1
            status, holds = place.fsck()
            done = holds.get("maps_done", 0) + holds.get("reduces_done", 0)
            if status == 0 and holds["round"] == 0 and holds["state"] not in ("done", "none") and done < kept:
                problem(f"run {number}", f"{done} tasks done, and it were {kept} before")
            kept = done
            starts += 1
            # Longer and longer, so that it ends.
            ended = run_for(place, dice.uniform(0, took) * (1 + tries / 8))
            if ended:
                break
        if not ended or ended[0] != 0 or digest(place.out) != clean:
            problem(f"run {number}", f"(status, words) {ended}")
        if place.left():
            problem(f"run {number}", f"left: {place.left()}")
        place.remove()
    print(f"{args.words[0]} runs, {kills} kills, {starts} starts, {tasks} tasks each: {len(problems)} went wrong")


def crashed(args, share=2 / 3):
    """A run killed on its way, behind that share of its transactions: its write-ahead log is not in the file yet."""
    clean, tasks, calls = clean_run(args, FAULT_CLASS="sync", FAULT_PATH="journal.db", FAULT_AT="0")
    place = Place(args)
    place.run(FAULT_CLASS="sync", FAULT_PATH="journal.db", FAULT_AT=str(int(calls * share)), FAULT_HOW="kill")
    if not place.struck:
        sys.exit(f"the run was not killed: status {place.status}: {place.says}")
    return place, clean, tasks


class Kept:
    """Brings a place back to how it was."""

    def __init__(self, place):
        self.place = place
        self.folder = tempfile.mkdtemp(prefix="keep-")
        shutil.copytree(place.work, os.path.join(self.folder, "work"))

    def bring_back(self):
        shutil.rmtree(self.place.work)
        shutil.copytree(os.path.join(self.folder, "work"), self.place.work)

    def remove(self):
        self.place.remove()
        shutil.rmtree(self.folder)


def last_transaction(log):
    """Where in a write-ahead log its last transaction begins: a damaged one can't be told from a torn one."""
    frame = 24 + int.from_bytes(log[8:12], "big")
    commits = [at for at in range(32, len(log) - frame + 1, frame)
               if log[at + 8:at + 16] == log[16:24] and log[at + 4:at + 8] != bytes(4)]
    return commits[-2] + frame


def flips(args):
    """What opens gives the same bytes, and has lost nothing; what does not is told, and nothing is made of it."""
    tally = {"refused": 0, "same bytes": 0}
    for name in ("journal.db-wal", "journal.db"):
        place, clean, _ = crashed(args)
        if name == "journal.db":
            base = sqlite3.connect(os.path.join(place.state, name))
            base.execute("PRAGMA wal_checkpoint(TRUNCATE)")
            base.close()
        kept = Kept(place)
        path = os.path.join(place.state, name)
        with open(path, "rb") as file:
            data = file.read()
        last = last_transaction(data) if name == "journal.db-wal" else len(data)
        holds = place.fsck()[1]
        done = holds["maps_done"] + holds["reduces_done"]
        for at in range(0, len(data), int(args.words[0])):
            damaged = bytearray(data)
            damaged[at] ^= 1 << at % 8
            with open(path, "wb") as file:
                file.write(damaged)
            status, _ = place.fsck()
            place.run()
            if place.status == 0 and digest(place.out) == clean and (place.kept == done or at >= last):
                tally["same bytes"] += 1
            elif place.status in (3, 4) and status == place.status and not os.path.exists(place.out):
                tally["refused"] += 1
            else:
                problem(f"{name}, byte {at}", f"status {place.status} (fsck {status}), {place.kept} of {done} tasks kept: "
                                              f"{place.says.strip()!r}")
            kept.bring_back()
        kept.remove()
    print(f"flipped bytes: {tally['refused']} refused, {tally['same bytes']} gave the same bytes, "
          f"{len(problems)} went wrong")
    if not tally["refused"] or not tally["same bytes"]:
        sys.exit("one of the two never came")


def torn(args):
    # Not every transaction holds a task: which do depends on how they are grouped.
    tallies = [tear(args, share) for share in (1 / 2, 3 / 5, 2 / 3)]
    print(f"the last page torn after 0 to 8 sectors: {', '.join(str(sorted(kept)) for kept in tallies)} tasks were kept, "
          f"{len(problems)} went wrong")
    if max(len(kept) for kept in tallies) < 2:
        sys.exit("a torn page never made a difference")


def tear(args, share):
    """The last page of a crashed run's log torn in each way: how many tasks were kept."""
    place, clean, tasks = crashed(args, share)
    kept = Kept(place)
    path = os.path.join(place.state, "journal.db-wal")
    with open(path, "rb") as file:
        data = file.read()
    tallies = set()
    for k in range(9):
        with open(path, "wb") as file:
            file.write(data[: len(data) - 4096 + 512 * k].ljust(len(data), b"\0"))
        go_on(place, f"torn after {k} sectors", clean, tasks)
        tallies.add(place.kept)
        kept.bring_back()
    kept.remove()
    return tallies


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("what", choices=("sweep", "points", "random", "flips", "torn"))
    parser.add_argument("words", nargs="*")
    parser.add_argument("--class", dest="kind")
    parser.add_argument("--how", default="error")
    parser.add_argument("--errno", default="EIO")
    parser.add_argument("--statuses", default="4", help="a failed run's exit status, or several")
    parser.add_argument("--path")
    parser.add_argument("--stays", action="store_true")
    parser.add_argument("--old", help="an earlier result, which the run replaces")
    parser.add_argument("--old-fs", action="store_true", help="a file system whose renames know no flags")
    parser.add_argument("--appeared", action="store_true", help="it goes on behind one that was killed when its output was there")
    parser.add_argument("--loops", action="store_true", help="the job loops, a round a pass")
    parser.add_argument("--step", type=int, default=1)
    parser.add_argument("--inputs", required=True)
    split = sys.argv.index("--")
    args = parser.parse_args(sys.argv[1:split])
    args.command = sys.argv[split + 1:]
    began = time.monotonic()
    {"sweep": sweep, "points": points, "random": shoot, "flips": flips, "torn": torn}[args.what](args)
    if os.environ.get("SHOW_TIME"):
        print(f"{time.monotonic() - began:.1f} s")
    sys.exit(1 if problems else 0)


main()
