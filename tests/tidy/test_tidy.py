"""test_tidy: breaks each rule of tidy.py once, and expects to be told."""

import pathlib
import re
import shutil
import subprocess
import sys
import tempfile

TIDY = pathlib.Path(__file__).with_name("tidy.py")

GOOD = {
    "lib/include/mr/thing.h": "/* thing: a thing. */\n#ifndef T\n#define T\n#include <stddef.h>\n#endif\n",
    "lib/base/good.h": "/* good: is good. */\n#ifndef G\n#define G\nint mr_good_one(int a);\n#endif\n",
    "lib/base/good.c": '/* good: is good. */\n#include "lib/base/good.h"\n\nint mr_good_one(int a) {\n'
                       "    if (a == 1) {\n        return 2;\n    }\n    return a; /* never exit() or strcpy() */\n}\n",
}


def function(body):
    return "/* bad: is bad. */\nvoid mr_bad(int *a);\n\nvoid mr_bad(int *a) {\n" + body + "}\n"


def includes(*names):
    return "/* bad: is bad. */\n" + "".join(f"#include {name}\n" for name in names)


MACHINE = "/* bad: is bad. */\nenum phase { A, B };\nstruct bad {\n    enum phase state;\n};\n\n"

BAD = {
    "first-line": {"lib/base/bad.c": "/* worse: is bad. */\nextern int a;\n"},
    "file-size": {"lib/base/bad.c": "/* bad: is bad. */\n" + "extern int a;\n" * 600},
    "function-size": {"lib/base/bad.c": function("    *a = 1;\n" * 71)},
    "columns": {"lib/base/bad.c": "/* bad: is bad. */\n/* " + "x" * 100 + " */\n"},
    "banned": {"examples/bad.c": function("    strcpy(a, b);\n")},
    "typedef": {"lib/base/bad.h": "/* bad: is bad. */\ntypedef struct a a;\n"},
    "ending": {"lib/base/bad.c": function("    exit(*a);\n")},
    "braces": {"lib/base/bad.c": function("    if (*a)\n        *a = 1;\n")},
    "include-order": {"lib/base/bad.c": includes('"lib/job/plan.h"')},
    "pure": {"master/core/bad.c": includes("<time.h>")},
    "third-party": {"lib/base/bad.c": includes("<zlib.h>"), "lib/base/worse.c": includes("<zlib.h>")},
    "cycle": {"lib/base/bad.c": includes('"lib/base/evil.h"'), "lib/base/evil.c": includes('"lib/base/bad.h"')},
    "set-state": {"lib/base/bad.c": MACHINE + "static void f(struct bad *bad) {\n    bad->state = B;\n}\n"},
    "header-alone": {"lib/base/bad.h": "/* bad: is bad. */\nint mr_bad(size_t a);\n"},
    "layout": {"lib/base/bad.c": function("  *a = 1;\n")},
    "symbols": {"lib/base/bad.c": "/* bad: is bad. */\nint mr_other(void);\n\nint mr_other(void) {\n    return 1;\n}\n"},
}

FINE = {
    "set-state": {"lib/base/bad.c": MACHINE + "static void set_state(struct bad *bad) {\n    bad->state = B;\n}\n"},
    "braces": {"lib/base/bad.c": function("    do {\n        (*a)++;\n    } while (*a < 3);\n")},
}


def rules_broken(files):
    """The rules that tidy.py says a tree with these files breaks."""
    with tempfile.TemporaryDirectory() as name:
        root = pathlib.Path(name)
        shutil.copy(TIDY.parents[2] / ".clang-format", root)
        for path, text in {**GOOD, **files}.items():
            (root / path).parent.mkdir(parents=True, exist_ok=True)
            (root / path).write_text(text, encoding="utf-8")
        build = root / "build"
        build.mkdir()
        for path in root.glob("lib/base/*.c"):
            subprocess.run(["cc", "-w", "-I.", "-c", path, "-o", build / f"{path.name}.o"], cwd=root,
                           stderr=subprocess.DEVNULL, check=False)
        objects = sorted(build.glob("*.o"))
        subprocess.run(["ar", "rcs", build / "libmillrace.a", *objects], check=True)
        done = subprocess.run([sys.executable, TIDY, "--source", root, "--build", build], capture_output=True,
                              text=True, check=False)
        return set(re.findall(r"\[([a-z-]+)\]$", done.stdout, re.M)), done.stdout + done.stderr


def main():
    failures = 0
    cases = [("good", {}, False)]
    cases += [(rule, files, True) for rule, files in BAD.items()]
    cases += [(rule, files, False) for rule, files in FINE.items()]
    for rule, files, broken in cases:
        rules, said = rules_broken(files)
        right = rule in rules if broken else not rules
        print(f"{'ok' if right else 'not ok'} - {rule}{'' if broken else ' is kept'}")
        if not right:
            failures += 1
            print(said)
    print(f"{len(cases) - failures} passed, {failures} failed")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
