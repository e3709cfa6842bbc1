"""sweep: lets each call of a class fail in turn in a run of the command, and looks at what is left.

    sweep.py --class malloc --errno ENOMEM [options] -- run wordcount {in}/book.txt -o {work}/out

The command runs once untouched, which gives its calls, its status, its standard output and the result's bytes. Then
it runs with the first call struck, the second, …, until a run has no such call. Of each run that was struck:
  - it ends within the time limit, by itself (no signal, but the one that was ordered);
  - it either fails with one of the allowed statuses and a sentence of one to three lines that begins with
    "millrace: ", or (a fault that may be survived) succeeds with the same bytes and without a word;
  - a failed run leaves nothing: no output, no pending directory, no scratch file;
  - the report of the shim says that the fault struck.
Of a run that was killed (--how kill, killed): the output is whole, or what it was before; the next run on the same
output succeeds and clears what was left.
{in} is the folder of inputs, {work} a folder that each run has of its own, {tmp} its scratch folder.
Exit status 0: all held; 1: something did not, and each is printed."""

import argparse
import concurrent.futures
import errno
import hashlib
import os
import re
import shutil
import signal
import struct
import subprocess
import sys
import tempfile
import time

LIMIT_SECONDS = 60


def parse_arguments():
    parser = argparse.ArgumentParser()
    parser.add_argument("--class", dest="kind", required=True)
    parser.add_argument("--errno", default="ENOMEM")
    parser.add_argument("--how", default="error")
    parser.add_argument("--stays", action="store_true")
    parser.add_argument("--path", help="only calls on files whose path holds this")
    parser.add_argument("--inputs", required=True)
    parser.add_argument("--statuses", default="4", help="a failed run's exit status, or several")
    parser.add_argument("--says", help="a pattern that the sentence of every failure matches")
    parser.add_argument("--never-survives", action="store_true", help="every struck run must fail")
    parser.add_argument("--always-survives", action="store_true", help="every struck run must succeed")
    parser.add_argument("--step", type=int, default=1, help="strike every so manieth call only")
    parser.add_argument("--least", type=int, default=1, help="how many calls there must be")
    parser.add_argument("--old-output", action="store_true", help="{work}/out holds an earlier result")
    parser.add_argument("--old-fs", action="store_true", help="a file system whose renames know no flags")
    parser.add_argument("--stdin", help="a file")
    parser.add_argument("--within", type=float, help="seconds from the strike to the end, at most")
    parser.add_argument("--show", action="store_true", help="print each different sentence")
    parser.add_argument("command", nargs="+")
    return parser.parse_args()


class Run:
    """One run of the command in a folder of its own."""

    def __init__(self, args, at):
        self.at = at
        self.work = tempfile.mkdtemp(prefix=f"{args.kind}-{at}-")
        self.tmp = os.path.join(self.work, "tmp")
        self.out = os.path.join(self.work, "out")
        os.mkdir(self.tmp)
        if args.old_output:
            shutil.copytree(os.path.join(args.inputs, "old"), self.out)
        self.old = digest(self.out)
        self.execute(args)
        self.result = digest(self.out)
        self.left = self.list_left()
        self.again = self.run_again(args) if args.how in ("kill", "killed") else None
        shutil.rmtree(self.work)

    def list_left(self):
        return sorted(set(os.listdir(self.work)) - {"tmp", "out", "report"}) + os.listdir(self.tmp)

    def run_again(self, args):
        """What the next run on the same output makes of it, without a fault: (status, result, what is left)."""
        command = self.command(args) + ([] if "--overwrite" in args.command or not self.result else ["--overwrite"])
        done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, timeout=LIMIT_SECONDS,
                              cwd=self.work, check=False)
        return done.returncode, digest(self.out), self.list_left()

    def command(self, args):
        names = {"{in}": args.inputs, "{work}": self.work, "{tmp}": self.tmp}
        return [os.environ["MILLRACE"]] + [re.sub(r"\{\w+\}", lambda found: names[found[0]], word)
                                           for word in args.command]

    def execute(self, args):
        report = os.path.join(self.work, "report")
        environment = dict(os.environ, LD_PRELOAD=os.path.join(os.environ["BUILD"], "tests", "shim.so"),
                           FAULT_CLASS=args.kind, FAULT_AT=str(self.at), FAULT_HOW=args.how,
                           FAULT_ERRNO=str(getattr(errno, args.errno)), FAULT_REPORT=report)
        if "ASAN_OPTIONS" in environment:
            environment["ASAN_OPTIONS"] += ":verify_asan_link_order=0"
        for name, value in (("FAULT_STAYS", "1" if args.stays else None), ("FAULT_PATH", args.path),
                            ("FAULT_OLD_FS", "1" if args.old_fs else None)):
            if value:
                environment[name] = value.replace("{work}", self.work)
        command = self.command(args)
        try:
            with open(args.stdin or os.devnull, "rb") as stdin:
                done = subprocess.run(command, env=environment, stdin=stdin, capture_output=True,
                                      timeout=LIMIT_SECONDS, cwd=self.work, check=False)
            self.status, self.stdout, self.stderr = done.returncode, done.stdout, done.stderr
        except subprocess.TimeoutExpired:
            self.status, self.stdout, self.stderr = "hangs", b"", b""
        ended = time.monotonic()
        with open(report, "rb") as file:
            self.calls, self.struck, when = struct.unpack("QQQ", file.read(24))
        self.seconds = ended - when / 1e9 if self.struck else 0  # from the strike to the end


def digest(folder):
    """The parts and the manifest's result; None where there is no output."""
    if not os.path.isdir(folder):
        return None
    total = hashlib.sha256()
    for name in sorted(os.listdir(folder)):
        with open(os.path.join(folder, name), "rb") as file:
            content = file.read()
        if name == "_manifest.json":
            content = content[: content.rindex(b'"run"')]
        total.update(name.encode() + b"\0" + content + b"\0")
    return total.hexdigest()


def strike(args, at):
    """A run with this call struck. Where that took too long, another: a busy machine holds up one of them, what is slow by itself
    all."""
    for _ in range(5):
        run = Run(args, at)
        if not args.within or run.seconds <= args.within:
            break
    return run


def judge(args, clean, run):
    """What is wrong with a struck run; None: nothing."""
    says = run.stderr.decode("utf-8", "replace")
    if args.how in ("kill", "killed"):
        return judge_killed(args, clean, run)
    if args.within and run.seconds > args.within:
        return f"took {run.seconds:.1f} s"
    if run.left:
        return f"left behind: {run.left}"
    if run.status == 0:
        if args.never_survives:
            return "succeeded, though it should fail"
        if (run.result, run.stdout, run.stderr) != (clean.result, clean.stdout, clean.stderr):
            return "succeeded with another result"
        return None
    if args.always_survives or str(run.status) not in args.statuses.split(","):
        return f"status {run.status}"
    lines = says.splitlines()
    if not 1 <= len(lines) <= 3 or not all(line.startswith("millrace: ") for line in lines):
        return "no proper sentence"
    if args.says and not re.search(args.says, says):
        return f"the sentence lacks {args.says!r}"
    if run.result != run.old:
        return "the output is there, or changed"
    return None


def judge_killed(args, clean, run):
    """After kill -9 the output is whole or as it was; on an old file system it may be away until the next run."""
    if run.status != -signal.SIGKILL:
        return f"status {run.status}, not killed"
    if run.result not in (run.old, clean.result) and not (args.old_fs and run.result is None):
        return "half an output"
    if run.again != (0, clean.result, []):
        return f"the next run: status {run.again[0]}, left behind {run.again[2]}"
    return None


def main():
    args = parse_arguments()
    clean = Run(args, 0)
    if clean.status != 0 or clean.left:
        sys.exit(f"the untouched run: status {clean.status}, left {clean.left}: {clean.stderr.decode()}")
    if clean.calls < args.least:
        sys.exit(f"only {clean.calls} calls of {args.kind}: {args.least} were expected")
    bad = failed = survived = 0
    sentences = {}
    # Threads make the count vary a little: beyond the clean run's calls it may go on.
    places = range(1, clean.calls + 4, args.step)
    with concurrent.futures.ThreadPoolExecutor(max_workers=2) as pool:
        for run in pool.map(lambda at: strike(args, at), places):
            if run.struck == 0:
                if run.at < clean.calls / 2:
                    bad += 1
                    print(f"{args.kind} {run.at}: was not struck")
                continue
            problem = judge(args, clean, run)
            failed += run.status != 0
            survived += run.status == 0
            says = run.stderr.decode("utf-8", "replace").strip()
            sentences.setdefault(re.sub(re.escape(run.work) + "|[0-9a-f]{32}", "…", says), run.at)
            if problem:
                bad += 1
                print(f"{args.kind} {run.at} of {clean.calls}: {problem}; status {run.status}: {says}")
    print(f"{args.kind} {args.how} {args.errno}: {clean.calls} calls; {failed} runs ended as they should, "
          f"{survived} survived the fault, {bad} went wrong")
    if args.show:
        for says, at in sorted(sentences.items(), key=lambda item: item[1]):
            print(f"    {at}: {says}")
    if failed + survived == 0:
        sys.exit("nothing was struck")
    sys.exit(1 if bad else 0)


if __name__ == "__main__":
    main()
