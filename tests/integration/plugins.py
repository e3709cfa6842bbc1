"""plugins: makes input for ordered.c and rounds.c, and computes by itself what they must answer in one partition.

usage: plugins.py make FILE
       plugins.py ordered FILE ORDER GROUP READ
       plugins.py rounds FILE ROUNDS
"""

import itertools
import random
import sys

from values import read_lines


def make(path):
    rng = random.Random(17)
    keys = [b"", b":", b"a", b"A", b"a\0", b"a:7", b"a:007", b"a:10", b"A:9", b"x" * 70000, b"X" * 70000 + b":1"]
    keys += [b"%s:%d" % (rng.choice((b"Ab", b"aB", b"b", b"ba", b"c!")), rng.randrange(2000)) for _ in range(3000)]
    with open(path, "wb") as file:
        for _ in range(30000):
            # The commonest key has about half of all values.
            key = b"c:1" if rng.random() < 0.5 else keys[min(rng.randrange(len(keys)), rng.randrange(len(keys)))]
            if len(key) > 1000 and rng.random() < 0.9:
                key = b"c:2"
            value = rng.randbytes(rng.choice((0, 8, 500, 900))).translate(None, b"\t\n")
            file.write(key + b"\t" + value + b"\n")


def read_pairs(path):
    return [(key, value) for key, _, value in (line.rpartition(b"\t") for line in read_lines(path))]


def family(key):
    return key.partition(b":")[0]


def number(key):
    digits = bytes(itertools.takewhile(lambda byte: 48 <= byte <= 57, key.partition(b":")[2]))
    return int(digits or b"0")


ORDERS = {
    "bytes": lambda key: key,
    "nocase": lambda key: (key.lower(), key),
    "reverse": lambda key: bytes(255 - byte for byte in key) + b"\xff" * (70010 - len(key)),
    "equal": lambda key: key,
    "numeric": lambda key: (family(key), number(key), key),
}
GROUPS = {"same": lambda key: key, "family": family, "nocase": bytes.lower, "all": lambda key: 0}


def ordered(path, order, group, read):
    by_key = {}
    for key, value in read_pairs(path):
        by_key.setdefault(key, []).append(value)
    for _, keys in itertools.groupby(sorted(by_key, key=ORDERS[order]), GROUPS[group]):
        keys = list(keys)
        values = [(key, value) for key in keys for value in by_key[key]][:read]
        yield from values
        yield keys[0], b"%d" % len(values)


def fnv(key):
    result = 2166136261
    for byte in key:
        result = (result ^ byte) * 16777619 & 0xFFFFFFFF
    return result


def rounds(path, count):
    numbers = {}
    for key, _ in read_pairs(path):
        numbers[key] = numbers.get(key, 0) + 1
    if count == 1:
        yield from ((key, b"%d" % numbers[key]) for key in sorted(numbers))
        return
    keys_of = {}
    for key in sorted(numbers, key=lambda key: (fnv(key) % 5, key)):
        keys_of.setdefault(numbers[key], []).append(key)
    for times in sorted(keys_of):
        yield b"%d" % times, b"".join(key[:16] + b"," for key in keys_of[times][:3])
    if count == 3:
        yield b"~numbers", b"%d" % len(keys_of)


if __name__ == "__main__":
    command, path, *rest = sys.argv[1:]
    if command == "make":
        make(path)
    else:
        lines = ordered(path, rest[0], rest[1], int(rest[2])) if command == "ordered" else rounds(path, int(rest[0]))
        sys.stdout.buffer.writelines(key + b"\t" + value + b"\n" for key, value in lines)
