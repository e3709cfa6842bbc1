"""values: makes input for the test plugins, and computes by itself what they must answer.

usage: values.py make DIR              lines KEY TAB VALUE with odd bytes, below DIR/{u64,i64,f64,bytes}
       values.py expect DIR VARIANT... what each variant of kinds.c writes in one partition, to DIR/VARIANT.expected
       values.py same EXPECTED ACTUAL  compares lines whose values are numbers by their bits, and asks for shortest digits
       values.py parts DIR...          every part's keys ascend strictly, and no key stands in two parts
"""

import functools
import gzip
import itertools
import os
import random
import sys
from fractions import Fraction

LENGTHS = (0, 1, 2, 7, 8, 9, 15, 16, 17, 23, 40, 63, 64, 65, 90, 300, 300, 300, 300)
FILES = ("big.txt", "empty.txt", "members.gz", "tail.txt")  # in the order they are read


# ---- input ----------------------------------------------------------------------------------------------------------
def random_bytes(rng, length, without=b"\n"):
    return rng.randbytes(length).translate(None, without)[:length] if length else b""


def special_keys(rng):
    keys = [b"", b"\0", b"\0\0", b"a", b"a\0", b"a\0\0", b"\r", b"a\r", b"\t", b"a\tb", b"\xff", b"q", b"qq"]
    for length in (7, 8, 9, 15, 16, 17, 63, 64, 65):  # around what a slot, a prefix and the ring hold
        stem = b"s" * (length - 1)
        keys += [stem, stem + b"s", stem + b"\0", stem + b"\xff", b"\xff" * length, b"\0" * length]
    for length in (65535, 65536, 65537, 70000, 200000):
        stem = random_bytes(rng, length - 1)
        keys += [stem + b"x", stem + b"y"]
    return list(dict.fromkeys(keys))


def all_keys(rng, lines):
    special = special_keys(rng)
    keys = [key for key in special for _ in range(3 if len(key) > 100 else 40)]
    pool = []
    while len(keys) < lines:
        kind = rng.random()
        if kind < 0.3 and pool:
            keys.append(pool[rng.randrange(len(pool))])
        elif kind < 0.4:
            keys.append(b"fam%d:%d" % (rng.randrange(300), rng.randrange(50)))
        else:
            keys.append(random_bytes(rng, rng.choice(LENGTHS)))
            pool.append(keys[-1])
    rng.shuffle(keys)
    return keys


def number_values(rng, family, key):
    if family == "u64":
        return str(rng.getrandbits(rng.choice((0, 1, 8, 31, 40))))
    if family == "i64":
        return str(rng.getrandbits(45) - (1 << 44))
    if rng.random() < 0.1:
        return repr(rng.gauss(0, 1) * 10.0 ** rng.randint(-300, 300))
    return repr(rng.choice((rng.random(), rng.gauss(0, 1e6), float(rng.randint(-9, 9)), -0.0)))


CHOSEN = {
    "u64": [(b"chosen-limit", str(2**64 - 1)), (b"chosen-limit", "0"), (b"chosen-zero", "0")],
    # Partial sums leave 64 bits in whatever order they are added; the whole does not.
    "i64": [(b"chosen-swing", str(value)) for value in (2**63 - 1, -(2**63)) * 500]
    + [(b"chosen-least", str(-(2**63))), (b"chosen-most", str(2**63 - 1))],
    "f64": [(b"chosen-over", "1e308")] * 9 + [(b"chosen-over", "-1e308")] * 8
    + [(b"chosen-tiny", "5e-324")] * 7 + [(b"chosen-zeros", "-0.0")] * 3
    + [(b"chosen-cancel", text) for text in ("1e300", "1", "-1e300", "1e-300")]
    + [(b"chosen-half", text) for text in ("9007199254740992", "1", "1e-300")]
    + [(b"chosen-tie", text) for text in ("9007199254740992", "1")]
    + [(b"chosen-past", "1.7976931348623157e308")] * 2
    + [(b"chosen-inf", "inf"), (b"chosen-inf", "-1e308"), (b"chosen-both", "inf"), (b"chosen-both", "-inf")],
    "bytes": [],
}


def make(folder):
    for number, family in enumerate(CHOSEN):
        rng = random.Random(4000 + number)
        lines = []
        for key in all_keys(rng, 110000):
            if rng.random() < 0.01 and b"\t" not in key:
                lines.append(key)  # no tab: no value; often an empty line
            elif family == "bytes":
                lines.append(key + b"\t" + random_bytes(rng, rng.choice((0, 1, 3, 8, 20, 40)), b"\n\t"))
            else:
                lines.append(key + b"\t" + number_values(rng, family, key).encode())
        lines += [key + b"\t" + value.encode() for key, value in CHOSEN[family]]
        rng.shuffle(lines)
        where = os.path.join(folder, family)
        os.makedirs(where, exist_ok=True)
        cut = [0, len(lines) * 7 // 10, len(lines) * 8 // 10, len(lines) * 9 // 10, len(lines)]
        text = [b"\n".join(lines[a:b]) for a, b in zip(cut, cut[1:])]
        with open(os.path.join(where, "big.txt"), "wb") as file:
            file.write(text[0])  # its last line has no end
        open(os.path.join(where, "empty.txt"), "wb").close()
        with open(os.path.join(where, "members.gz"), "wb") as file:  # two members, cut within a line
            both = text[1] + b"\n" + text[2] + b"\n"
            half = len(both) // 2
            file.write(gzip.compress(both[:half], 1) + gzip.compress(both[half:], 1))
        with open(os.path.join(where, "tail.txt"), "wb") as file:
            file.write(text[3] + b"\n")


def read_lines(path):
    with (gzip.open if path.endswith(".gz") else open)(path, "rb") as file:
        text = file.read()
    lines = text.split(b"\n")
    return lines[:-1] if not lines[-1] else lines


def read_pairs(folder, family):
    for name in FILES:
        for line in read_lines(os.path.join(folder, family, name)):
            key, tab, value = line.rpartition(b"\t")
            yield (key, value) if tab else (line, b"")


# ---- answers --------------------------------------------------------------------------------------------------------
def exact_sum(values):
    """The f64 nearest to the exact sum."""
    infinite = {value for value in values if value - value != 0}
    if infinite:
        return infinite.pop() if len(infinite) == 1 else float("nan")
    if len(values) == 1:
        return values[0] + 0.0
    total = 0  # in units of 2^-1074
    for value in values:
        over, under = value.as_integer_ratio()
        total += over << (1075 - under.bit_length())
    try:
        return float(Fraction(total, 1 << 1074))
    except OverflowError:
        return float("inf") if total > 0 else float("-inf")


def rank(value):
    return (value, not str(value).startswith("-"))  # -0 < +0


def largest_bytes(values):
    result = b""
    for value in values:
        result = bytes(map(max, itertools.zip_longest(result, value, fillvalue=0)))
    return result


FOLDS = {
    "values": list,
    "first": lambda values: [values[0]],
    "combined": lambda values: [largest_bytes(values)],
    "sum_u64": lambda values: [sum(values)],
    "sum_i64": lambda values: [sum(values)],
    "sum_f64": lambda values: [exact_sum(values)],
}
for family_name in ("u64", "i64"):
    FOLDS["min_" + family_name] = lambda values: [min(values)]
    FOLDS["max_" + family_name] = lambda values: [max(values)]
FOLDS["min_f64"] = lambda values: [min(values, key=rank)]
FOLDS["max_f64"] = lambda values: [max(values, key=rank)]


def family_of(kind):
    return kind[4:] if kind[3:4] == "_" else "bytes"


def show(value):
    return value if isinstance(value, bytes) else b"%d" % value if isinstance(value, int) else repr(value).encode()


@functools.lru_cache
def read_groups(folder, family):
    read = {"bytes": bytes, "f64": lambda text: float(text or b"1")}.get(family, lambda text: int(text or b"1"))
    groups = {}
    for key, value in read_pairs(folder, family):
        groups.setdefault(key, []).append(read(value))
    return dict(sorted(groups.items()))


def answer(folder, variant):
    kind = next(kind for kind in FOLDS if variant == kind or variant.startswith(kind + "_"))
    way = variant[len(kind) + 1:]
    family = family_of(kind)
    groups = read_groups(folder, family)
    if way == "join":
        for _, members in itertools.groupby(groups, lambda key: key.partition(b":")[0]):
            members = list(members)
            if family == "bytes":
                folded = [value for key in members for value in FOLDS[kind](groups[key])]
            else:
                folded = FOLDS[kind]([value for key in members for value in groups[key]])
            for value in folded:
                yield members[0], show(value)
        return
    for key in groups:
        if way == "typed" and key.startswith(b"q"):
            continue
        folded = FOLDS[kind](groups[key])
        for value in folded:
            yield key, show(value)
        if way == "iterate":
            yield key, b"%d" % len(folded)


def expect(folder, variants):
    for variant in variants:
        with open(os.path.join(folder, variant + ".expected"), "wb") as file:
            file.writelines(key + b"\t" + value + b"\n" for key, value in answer(folder, variant))


# ---- comparing ------------------------------------------------------------------------------------------------------
def digits(text):
    return len(text.lstrip(b"-").split(b"e")[0].replace(b".", b"").strip(b"0"))


def same(expected, actual):
    want, got = read_lines(expected), read_lines(actual)
    if len(want) != len(got):
        sys.exit(f"{len(got)} lines instead of {len(want)}")
    for number, (left, right) in enumerate(zip(want, got), 1):
        if left == right:
            continue
        left, right = left.rpartition(b"\t"), right.rpartition(b"\t")
        if left[0] != right[0] or float(left[2]).hex() != float(right[2]).hex():
            sys.exit(f"line {number}: {right[0][:40]} {right[2]} instead of {left[0][:40]} {left[2]}")
        if digits(right[2]) > digits(left[2]):
            sys.exit(f"line {number}: {right[2]} is longer than {left[2]}")


def parts(folder):
    seen = set()
    for name in sorted(os.listdir(folder)):
        if not name.startswith("part-"):
            continue
        last = None
        for line in read_lines(os.path.join(folder, name)):
            key = line.rpartition(b"\t")[0]
            if (last is not None and key <= last) or key in seen:
                sys.exit(f"{name}: {key[:40]} is out of order")
            seen.add(key)
            last = key


if __name__ == "__main__":
    command, *rest = sys.argv[1:]
    if command == "make":
        make(rest[0])
    elif command == "expect":
        expect(rest[0], rest[1:])
    elif command == "same":
        same(*rest)
    else:
        for path in rest:
            parts(path)
