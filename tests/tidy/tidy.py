"""tidy: checks the rules of the house that a machine can check.

usage: tidy.py --source DIR [--build DIR] [--compiler CC]

Prints one line per problem, PATH:LINE: what is wrong, and exits 1 where there is one. Without --build the
names of symbols are not checked. Layout is clang-format's; everything else here reads the text of the
sources after comments, strings and preprocessor lines were blanked out.
"""

import argparse
import os
import pathlib
import re
import shutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

PRODUCT = ["lib", "mapper", "reducer", "task", "master", "jobs", "cli", "cluster"]
OTHERS = ["tests", "examples"]

FILE_LINES_MAX = 600
FUNCTION_LINES_MAX = 70
COLUMNS_MAX = 100

# Who may include whom: a folder, and the folders below it. A folder may always include itself. Folders of one
# row of design order do not see each other.
LEAVES = ["lib/record", "lib/input", "lib/compute", "lib/term"]
MIDDLE = ["lib/output", "lib/job", "lib/ml"]
MAY_INCLUDE = {
    "lib/include": [],
    "lib/base": [],
    **{folder: ["lib/base"] for folder in LEAVES},
    **{folder: ["lib/base", *LEAVES] for folder in MIDDLE},
    "lib/output": ["lib/base", *LEAVES, "lib/job"],  # the manifest tells of the job
    "lib/net": ["lib/base", *LEAVES, *MIDDLE],
    "lib/worker": ["lib/base", *LEAVES, *MIDDLE, "lib/net"],
    "mapper": ["lib/base", *LEAVES, *MIDDLE, "lib/worker"],
    "reducer": ["lib/base", *LEAVES, *MIDDLE, "lib/worker"],
    "task": ["lib/base", *LEAVES, *MIDDLE, "lib/net", "lib/worker", "mapper", "reducer", "jobs"],
    "master/core": ["lib/base", "lib/job"],
    "master/journal": ["lib/base", "master/core"],
    "master/local": ["lib/base", *LEAVES, *MIDDLE, "lib/net", "lib/worker", "mapper", "reducer", "task",
                     "master/core", "master/journal", "jobs"],
    "master/simulate": ["lib/base", *LEAVES, *MIDDLE, "master/core", "master/local"],
    "jobs": [],  # written on <mr/...> alone
    "cli": ["lib/base", "lib/term"],  # written on <mr/run.h>
    # A client plans as the engine in this process does, and describes tasks for its processes.
    "lib/client": ["lib/base", *LEAVES, *MIDDLE, "lib/net", "lib/worker", "task", "master/local"],
    "cluster": ["lib/base", *LEAVES, *MIDDLE, "lib/net", "lib/worker", "lib/client", "cli", "master/shell"],
    "master/shell": ["lib/base", *LEAVES, *MIDDLE, "lib/net", "lib/worker", "master/core", "master/journal",
                     "master/local"],
}

# Headers of the C library, the compiler and the kernel. Anything else in <> is ours (mr/) or somebody else's.
SYSTEM_HEADER = re.compile(
    r"(assert|cpuid|ctype|dirent|dlfcn|endian|errno|execinfo|fcntl|fenv|float|fnmatch|ftw|getopt|glob|immintrin"
    r"|inttypes|limits|locale|malloc|math|netdb|poll|pthread|sched|setjmp|signal|spawn|stdalign|stdarg|stdatomic|stdbool"
    r"|stddef|stdint|stdio|stdlib|string|strings|sysexits|termios|threads|time|ucontext|unistd|wchar|arm_neon"
    r"|sys/\w+|linux/\w+|asm/\w+|arpa/\w+|net/\w+|netinet/\w+)\.h$")
# What a room that decides may know: no files, no clock, no threads.
PURE_HEADER = re.compile(r"(assert|inttypes|limits|stdalign|stdbool|stddef|stdint|stdlib|string)\.h$|mr/\w+\.h$")

BANNED = re.compile(r"(?<![\w.>])(system|popen|alloca|sprintf|vsprintf|strcpy|strcat|gets|atoi)\s*\(")
ENDING = re.compile(r"(?<![\w.>])(_?exit|_Exit|quick_exit|abort)\s*\(")
MAY_END = re.compile(r"(cli|cluster)/main\.c$|lib/base/check\.[ch]$")
SQL = re.compile(r'"[^"]*\b(SELECT|INSERT INTO|UPDATE|DELETE FROM)\b[^"]*%[a-z]')

# Exceptions: (rule, path or path:function or symbol) -> why. One that is no longer needed is a problem too.
ALLOWED = {
    ("third-party", "jansson.h"): "manifests are written in one room and read in another",
    ("third-party", "uv.h"): "the loop: whoever waits on it starts handles of its own",
}

problems = []
used = set()


def problem(rule, path, line, words, subject=None):
    """Notes a problem, unless the exception list has it."""
    for key in ((rule, str(path)), (rule, f"{path}:{subject}"), (rule, subject)):
        if key in ALLOWED:
            used.add(key)
            return
    problems.append((str(path), line, f"{words} [{rule}]"))


def line_of(text, position):
    return text.count("\n", 0, position) + 1


def blank(match):
    """Blanks everything but line ends; strings keep their quotes."""
    text = re.sub(r"[^\n]", " ", match.group())
    return f'"{text[1:-1]}"' if match.group()[0] in "\"'" else text


def code_of(text):
    text = re.sub(r"/\*.*?\*/|//[^\n]*|\"(?:\\.|[^\"\\\n])*\"|'(?:\\.|[^'\\\n])*'", blank, text, flags=re.S)
    return text


def without_preprocessor(code):
    return re.sub(r"^[ \t]*#(?:[^\n]*\\\n)*[^\n]*", blank, code, flags=re.M)


def functions_of(code):
    """Yields (name, start, end) of each function body; start and end are positions of its braces."""
    depth, start, since, name = 0, 0, 0, None
    for match in re.finditer(r"[{};]", code):
        char, position = match.group(), match.start()
        if char == "{":
            if depth == 0:
                start, name = position, function_name(code[since:position])
            depth += 1
        elif char == "}":
            depth -= 1
            if depth == 0 and name:
                yield name, start, position
        if depth == 0:
            since = position + 1


def function_name(head):
    """The function that a text before a brace at top level declares, or None: a struct, enum or table."""
    head = head.rstrip()
    if not head.endswith(")") or re.search(r"[^=]=[^=]", head):
        return None
    depth = 0
    for position in range(len(head) - 1, -1, -1):
        depth += {")": 1, "(": -1}.get(head[position], 0)
        if depth == 0:
            match = re.search(r"(\w+)\s*$", head[:position])
            return match.group(1) if match else None
    return None


class Source:
    """One .c or .h file: its text, its code, its functions and includes."""

    def __init__(self, root, path):
        self.path = path.relative_to(root)
        self.full = path
        self.text = path.read_text(encoding="utf-8")
        self.code = without_preprocessor(code_of(self.text))
        self.functions = list(functions_of(self.code))
        self.includes = [(line_of(self.text, m.start()), m.group(1), m.group(2)) for m in
                         re.finditer(r'^\s*#\s*include\s+([<"])([^>"]+)[>"]', self.text, re.M)]
        self.product = self.path.parts[0] in PRODUCT

    def function_at(self, position):
        for name, start, end in self.functions:
            if start <= position <= end:
                return name
        return None

    def room(self):
        """foo_inside.h, for those that make foo, is of the room foo."""
        return str(self.path.with_suffix("")).removesuffix("_inside")

    def folder(self):
        """The row of MAY_INCLUDE it belongs to."""
        parts = self.path.parts[:-1]
        for length in (2, 1):
            if "/".join(parts[:length]) in MAY_INCLUDE:
                return "/".join(parts[:length])
        return None


def check_first_line(source):
    first = source.text.split("\n", 1)[0]
    ending = r"\.( \*/)?$" if source.product else ""  # a room is said in one line
    if not re.match(rf"/\* {re.escape(source.path.stem)}: \S.*{ending}", first):
        problem("first-line", source.path, 1, f"line 1 is not `/* {source.path.stem}: one sentence.`")


def check_sizes(source):
    lines = source.text.split("\n")
    if len(lines) - 1 > FILE_LINES_MAX:
        problem("file-size", source.path, 1, f"{len(lines) - 1} lines, at most {FILE_LINES_MAX}")
    for number, line in enumerate(lines, 1):
        if len(line) > COLUMNS_MAX:
            problem("columns", source.path, number, f"{len(line)} columns, at most {COLUMNS_MAX}")
    for name, start, end in source.functions:
        length = source.code.count("\n", start, end) - 1
        if length > FUNCTION_LINES_MAX:
            problem("function-size", source.path, line_of(source.code, start),
                    f"{name} has {length} lines, at most {FUNCTION_LINES_MAX}", name)


def check_calls(source):
    for match in BANNED.finditer(source.code):
        problem("banned", source.path, line_of(source.code, match.start()), f"{match.group(1)} is banned")
    for match in SQL.finditer(source.text):
        problem("banned", source.path, line_of(source.text, match.start()), "SQL made with a format string")
    for match in re.finditer(r"\btypedef\s+(struct|enum|union)\b", source.code):
        problem("typedef", source.path, line_of(source.code, match.start()), f"typedef of a {match.group(1)}")
    if not source.product or MAY_END.match(str(source.path)):
        return
    for match in ENDING.finditer(source.code):
        problem("ending", source.path, line_of(source.code, match.start()),
                f"{match.group(1)} outside main and the check room", source.function_at(match.start()))


def check_braces(source):
    for match in re.finditer(r"^\s*(?:\} )?(?:else )?(if|for|while)\b|(\belse)\b(?! if)", source.code, re.M):
        position = match.end()
        if match.group(1):
            depth = 0
            for position in range(match.end(), len(source.code)):
                depth += {"(": 1, ")": -1}.get(source.code[position], 0)
                if depth == 0 and source.code[position] == ")":
                    break
            position += 1
        following = source.code[position:].lstrip()[:1]
        if following != "{" and not (match.group().strip() == "} while" and following == ";"):
            problem("braces", source.path, line_of(source.code, match.end()), "braces always")


def check_includes(source):
    folder = source.folder()
    for line, kind, name in source.includes:
        if kind == "<":
            if folder == "master/core" and not PURE_HEADER.match(name):
                problem("pure", source.path, line, f"master/core knows no <{name}>")
            continue
        path = pathlib.PurePath(name)
        target = next((f for f in ("/".join(path.parts[:2]), path.parts[0]) if f in MAY_INCLUDE), None)
        if target is None:
            problem("include-order", source.path, line, f'"{name}" is no path from the root of the repository')
        elif folder == "lib/include":
            problem("include-order", source.path, line, "an installed header includes <mr/...> alone")
        elif folder and target != folder and target not in MAY_INCLUDE[folder]:
            problem("include-order", source.path, line, f"{folder} may not include {target}")


def check_third_party(sources):
    """One third-party header, one room."""
    rooms = {}
    for source in sources:
        for line, kind, name in source.includes:
            if kind == "<" and not name.startswith("mr/") and not SYSTEM_HEADER.match(name):
                rooms.setdefault(name, {})[source.room()] = (source.path, line)
    for name, users in rooms.items():
        for path, line in list(users.values())[1:]:
            problem("third-party", path, line, f"<{name}> belongs to {next(iter(users))}", name)


def check_cycles(sources):
    """No cycles, of rooms or of folders."""
    rooms, folders = {}, {}
    for source in sources:
        for _, kind, name in source.includes:
            if kind == "<" and name.startswith("mr/"):
                name = "lib/include/" + name
            elif kind == "<":
                continue
            rooms.setdefault(source.room(), set()).add(str(pathlib.PurePath(name).with_suffix("")))
            folders.setdefault(str(source.path.parent), set()).add(str(pathlib.PurePath(name).parent))
    for graph in (rooms, folders):
        cycle = find_cycle(graph)
        if cycle:
            problem("cycle", cycle[0], 1, "includes go in a circle: " + " -> ".join(cycle))


def find_cycle(graph):
    done, path = set(), []

    def visit(node):
        if node in path:
            return path[path.index(node):] + [node]
        if node in done:
            return None
        path.append(node)
        for target in sorted(graph.get(node, ())):
            cycle = visit(target) if target != node else None
            if cycle:
                return cycle
        done.add(path.pop())
        return None

    return next(filter(None, map(visit, sorted(graph))), None)


def check_state(sources):
    """A machine's state (a member `enum ... state`) is written by its set_state alone; an initializer makes one."""
    machines = {}
    for source in sources:
        for match in re.finditer(r"\benum\s+\w+\s+(\w*state)\s*;", source.code):
            machines.setdefault(source.room(), set()).add(match.group(1))
    for source in sources:
        near = {source.room()} | {str(pathlib.PurePath(name).with_suffix("")) for _, _, name in source.includes}
        for field in set().union(*(machines.get(room, set()) for room in near)):
            for match in re.finditer(rf"(?:->|(?<=[\w\])])\.){field}\s*(?:=(?!=)|\+\+|--|[-+|&^]=)", source.code):
                name = source.function_at(match.start())
                if name and not re.search(r"set_\w*state$", name):
                    problem("set-state", source.path, line_of(source.code, match.start()),
                            f"{name} writes {field}, which only set_state may", name)


def check_headers_alone(sources, root, compiler):
    def compile_header(source):
        inner = f"<{source.path.relative_to('lib/include')}>" if source.path.parts[1] == "include" else \
            f'"{source.path}"'
        done = subprocess.run(
            [compiler, "-std=gnu11", "-D_GNU_SOURCE", "-I.", "-Ilib/include", "-Wall", "-Wextra", "-Werror",
             "-fsyntax-only", "-x", "c", "-"], cwd=root, input=f"#include {inner}\n#include {inner}\n",
            capture_output=True, text=True, check=False)
        if done.returncode != 0:
            problem("header-alone", source.path, 1, "does not compile alone: " + done.stderr.split("\n")[0])

    with ThreadPoolExecutor(os.cpu_count()) as pool:
        list(pool.map(compile_header, sources))


def check_symbols(build):
    """Every extern symbol of foo.c begins mr_foo."""
    for archive in ("libmillrace.a", "libmillrace_cli.a", "libmillrace_cluster.a"):
        if not (build / archive).exists():
            if archive == "libmillrace.a":
                problem("symbols", archive, 1, "was not built")
            continue
        listing = subprocess.run(["nm", "-A", "-g", "--defined-only", build / archive], capture_output=True,
                                 text=True, check=True).stdout
        for member, symbol in re.findall(r"^[^:]*:([^:]+)\.c\.o:\S* +\w (\S+)$", listing, re.M):
            if symbol != f"mr_{member}" and not symbol.startswith(f"mr_{member}_"):
                problem("symbols", f"{member}.c", 1, f"extern {symbol} does not begin mr_{member}", symbol)


def check_layout(sources):
    tool = shutil.which("clang-format-14") or shutil.which("clang-format")
    if not tool:
        print("clang-format is missing: layout not checked")
        return
    found = subprocess.run([tool, "--dry-run", *(str(s.full) for s in sources)], capture_output=True, text=True,
                           check=False).stderr
    first = {}
    for path, line in re.findall(r"^(.+?):(\d+):\d+: warning: code should be clang-formatted", found, re.M):
        first.setdefault(path, int(line))
    for source in sources:
        if str(source.full) in first:
            problem("layout", source.path, first[str(source.full)], "not as clang-format has it: ./dev format")


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--source", type=pathlib.Path, required=True)
    parser.add_argument("--build", type=pathlib.Path)
    parser.add_argument("--compiler", default="cc")
    options = parser.parse_args()
    root = options.source.resolve()

    sources = [Source(root, path) for folder in PRODUCT + OTHERS for path in sorted((root / folder).rglob("*.[ch]"))]
    product = [source for source in sources if source.product]
    for source in sources:
        check_first_line(source)
        check_sizes(source)
        check_calls(source)
        check_braces(source)
    for source in product:
        check_includes(source)
    check_third_party(product)
    check_cycles(product)
    check_state(product)
    check_layout(sources)
    check_headers_alone([source for source in product if source.path.suffix == ".h"], root, options.compiler)
    if options.build:
        check_symbols(options.build.resolve())
    for key in sorted(set(ALLOWED) - used):
        problems.append(("tests/tidy/tidy.py", 1, f"the exception {key} is no longer needed"))

    for path, line, words in sorted(problems):
        print(f"{path}:{line}: {words}")
    print(f"{len(sources)} files, {len(problems)} problems")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
