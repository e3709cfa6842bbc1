"""mutants: shows that the simulator finds what it should: breaks the core in each of the ways of mutants/*.patch.

usage: mutants.py --source DIR --build DIR [--compiler CC] [--seeds N] [NAME...]

Each patch is applied to a copy; the simulator is built from it and run, seed after seed in both modes, until it
fails. A mutant that lives through N seeds (1,000) is a hole in the simulator, and fails this test; so does a patch
that no longer fits: then the core has changed, and the patch must follow.
"""

import argparse
import concurrent.futures
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile

FLAGS = ["-std=gnu11", "-O1", "-D_GNU_SOURCE", "-Ilib/include", "-w"]
SOURCES = ["tests/sim/*.c", "master/core/*.c"]


def parse(patch):
    """The words of a patch, and its hunks: (path, text before, text after)."""
    words, hunks, path = patch.split("\n", 1)[0], [], None
    for line in patch.split("\n")[2:]:
        if line.startswith("+++ b/"):
            path = line[6:]
        elif line.startswith("@@"):
            hunks.append([path, "", ""])
        elif hunks and line[:1] in " -+" and line and not line.startswith("---"):
            hunks[-1][1] += line[1:] + "\n" if line[0] != "+" else ""
            hunks[-1][2] += line[1:] + "\n" if line[0] != "-" else ""
    return words, hunks


def compile_file(options, tree, path, out):
    target = out / (path.replace("/", "_") + ".o")
    done = subprocess.run([options.compiler, *FLAGS, "-I", tree, "-I", options.source, "-c", tree / path, "-o", target],
                          cwd=options.source, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        sys.exit(f"{path} does not compile: {done.stderr}")
    return target


def build_whole(options, out):
    """Every object of the simulator as it is, by source."""
    root = options.source
    paths = sorted(str(path.relative_to(root)) for pattern in SOURCES for path in root.glob(pattern))
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        objects = list(pool.map(lambda path: compile_file(options, root, path, out), paths))
    return dict(zip(paths, objects))


def build_mutant(options, name, objects, folder):
    """The simulator with one patch applied, or the reason why there is none."""
    words, hunks = parse((options.source / "tests/sim/mutants" / f"{name}.patch").read_text(encoding="utf-8"))
    changed = dict(objects)
    for path, before, after in hunks:
        copy = folder / path
        if not copy.exists():
            copy.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(options.source / path, copy)
        text = copy.read_text(encoding="utf-8")
        if text.count(before) != 1:
            return words, None
        copy.write_text(text.replace(before, after), encoding="utf-8")
        changed[path] = None
    for path in [path for path, target in changed.items() if target is None]:
        changed[path] = compile_file(options, folder, path, folder)
    program = folder / "sim"
    subprocess.run([options.compiler, "-o", program, *changed.values(), options.build / "libmillrace.a"], check=True)
    return words, program


def try_mutant(options, name, objects):
    """Prints how soon a mutant is caught; false where it is not."""
    with tempfile.TemporaryDirectory() as folder:
        words, program = build_mutant(options, name, objects, pathlib.Path(folder))
        if program is None:
            print(f"{name}: the patch does not fit any more")
            return False
        done = subprocess.run([program, "--seeds", f"1..{options.seeds}", "--stop"], capture_output=True, text=True,
                              timeout=300, check=False)
        seed = re.search(r"^seed (\d+) --mode (\w+): (.*)$", done.stdout, re.M)
        if done.returncode == 0 or not seed:
            print(f"{name}: NOT CAUGHT in {options.seeds} seeds: {words}")
            return False
        print(f"{name}: caught by seed {seed.group(1)} ({seed.group(2)}): {seed.group(3)[:100]}", flush=True)
        return True


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--source", type=lambda text: pathlib.Path(text).resolve(), required=True)
    parser.add_argument("--build", type=lambda text: pathlib.Path(text).resolve(), required=True)
    parser.add_argument("--compiler", default="cc")
    parser.add_argument("--seeds", type=int, default=1000)
    parser.add_argument("names", nargs="*")
    options = parser.parse_args()
    names = options.names or sorted(path.stem for path in (options.source / "tests/sim/mutants").glob("*.patch"))
    with tempfile.TemporaryDirectory() as folder:
        objects = build_whole(options, pathlib.Path(folder))
        with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
            caught = sum(pool.map(lambda name: try_mutant(options, name, objects), names))
    print(f"{caught} of {len(names)} mutants caught")
    return 0 if caught == len(names) else 1


if __name__ == "__main__":
    sys.exit(main())
