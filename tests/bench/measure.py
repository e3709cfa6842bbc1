"""measure: times whole processes, in turn, and compares what they print.

A run is timed from before the process is made until it has been waited for; its peak memory is the largest
that the kernel saw of it or of one process it started (wait4). What it leaves running when it ends (Spark's
virtual machine outlives its Python) becomes our child, is waited for outside the time, and counts in the peak.
This process must stay small itself: the kernel counts the memory of whoever starts a program as that program's
first peak, so figures up to our own say nothing less, and outputs are compared by other processes.
"""

import ctypes
import dataclasses
import os
import pathlib
import resource
import shutil
import statistics
import subprocess
import time

MIB = 1 << 20
PR_SET_CHILD_SUBREAPER = 36  # of <linux/prctl.h>
QUIET_SECONDS = 0.2  # a round that took less is not told of


@dataclasses.dataclass
class Command:
    """A program to measure; argv[0] is a path or found in PATH. The result is its standard output, or the file
    `output` where it writes one itself. `expected` is a file that holds the same lines, in any order."""

    name: str
    argv: list
    output: pathlib.Path = None
    expected: pathlib.Path = None
    must_match: bool = True


@dataclasses.dataclass
class Result:
    """What was measured of a command."""

    name: str
    seconds: list = dataclasses.field(default_factory=list)
    peaks: list = dataclasses.field(default_factory=list)
    output: str = "not compared"
    failed: str = None
    wrong: bool = False

    def median(self):
        return statistics.median(self.seconds)

    def peak_mib(self):
        return max(self.peaks) / MIB

    def peak_words(self):
        own = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
        return f"{'≤ ' if max(self.peaks) <= own else ''}{self.peak_mib():.0f}"


class Meter:
    """Runs commands in a directory for their outputs."""

    def __init__(self, directory, say):
        self.directory, self.say = directory, say
        self.environment = {**os.environ, "LC_ALL": "C", "TMPDIR": str(directory)}
        self.results = []
        self.sorted = {}
        if ctypes.CDLL(None, use_errno=True).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) != 0:
            raise OSError(ctypes.get_errno(), "prctl(PR_SET_CHILD_SUBREAPER)")

    def once(self, command):
        """Runs it; returns (seconds, peak bytes, the file with its output, exit status)."""
        printed = self.directory / "printed"
        complaints = self.directory / "complaints"
        path = shutil.which(command.argv[0]) or command.argv[0]
        plan = [(os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0),
                (os.POSIX_SPAWN_OPEN, 1, printed, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600),
                (os.POSIX_SPAWN_OPEN, 2, complaints, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)]
        remove(printed)
        remove(command.output)
        begin = time.perf_counter()
        child = os.posix_spawn(path, [str(word) for word in command.argv], self.environment, file_actions=plan)
        _, status, usage = os.wait4(child, 0)
        seconds = time.perf_counter() - begin
        peak = max(usage.ru_maxrss, peak_of_orphans()) * 1024
        return seconds, peak, command.output or printed, os.waitstatus_to_exitcode(status)

    def interleaved(self, commands, runs):
        """One warm-up of each, whose output is compared, then `runs` rounds of one run each. A command that fails
        is not run again."""
        results = {command.name: Result(command.name) for command in commands}
        for number in range(runs + 1):
            begin, times = time.monotonic(), []
            for command in commands:
                result = results[command.name]
                if result.failed:
                    continue
                seconds, peak, output, code = self.once(command)
                times.append(f"{command.name} {seconds:.3f} s")
                if code != 0:
                    result.failed = f"failed ({code}): {self.last_complaint()}"
                elif number == 0:
                    self.compare(command, output, result)
                else:
                    result.seconds.append(seconds)
                    result.peaks.append(peak)
                remove(output)  # before it is written back, which would slow down the next one
            if number <= 1 or time.monotonic() - begin > QUIET_SECONDS:
                self.say(f"  {'warm-up' if number == 0 else f'run {number}'}: {', '.join(times)}")
        self.results += results.values()
        return results

    def last_complaint(self):
        lines = (self.directory / "complaints").read_text(errors="replace").strip().splitlines()
        return lines[-1][:100] if lines else "no message"

    def compare(self, command, output, result):
        if command.expected is None:
            return
        got = self.directory / "sorted"
        self.sort(output, got)
        if command.expected not in self.sorted:
            self.sorted[command.expected] = self.directory / f"{command.expected.name}.sorted"
            self.sort(command.expected, self.sorted[command.expected])
        lines = self.lines_differing(self.sorted[command.expected], got)
        result.output = "as expected" if lines == 0 else f"{lines} line{'s' * (lines > 1)} differ{'s' * (lines == 1)}"
        result.wrong = lines > 0 and command.must_match
        remove(got)

    def sort(self, path, into):
        files = sorted(path.glob("part-*")) if path.is_dir() else [path]
        subprocess.run(["sort", "-S", "512M", "-o", into, *files], env=self.environment, check=True)

    def lines_differing(self, one, other):
        if subprocess.run(["cmp", "-s", one, other], check=False).returncode == 0:
            return 0
        comm = subprocess.Popen(["comm", "-3", one, other], stdout=subprocess.PIPE, env=self.environment)
        count = subprocess.run(["wc", "-l"], stdin=comm.stdout, capture_output=True, check=True).stdout
        comm.stdout.close()
        comm.wait()
        return int(count)


def peak_of_orphans():
    """Waits for what a finished command left running; returns its peak in KiB."""
    peak = 0
    while True:
        try:
            peak = max(peak, os.wait4(-1, 0)[2].ru_maxrss)
        except ChildProcessError:
            return peak


def remove(path):
    if path is None:
        return
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)
