"""words: makes text for word count, and counts by itself.

usage: words.py make DIR
       words.py count [--words MODE] [--fold] [--ngram N] [--min-count N] [--top N] [--stopwords FILE] FILE...
"""

import argparse
import collections
import gzip
import os
import random
import re
import sys

SPACES = (b" ", b" ", b" ", b"  ", b"\t", b"\r\n", b"\n", b"\n\n", b"\v", b"\f")
ALPHABETS = ("abcdefghijklmnopqrstuvwxyzABCDEFGHIJ", "абвгдежзийклмнопрстуфхцчшщъыьэюяБГДЖ", "αβγδεζηθικλμνξοπρσςτυφχψωΣΩ",
             "äöüßéèçñÄÖÜÉ", "ıİſKÅfiffi")
MARKS = (" ", " ", " ", "\n", ", ", ". ", "! ", "—", " (", ") ", "\r\n", "\u3000", "…", "\t")


def make(folder):
    rng = random.Random(5)
    common = [bytes(rng.choices(b"etaoinshrdlu", k=rng.randint(1, 7))) for _ in range(2000)]
    for number in range(6):  # bytes: common words, words that stand once, and odd ones
        pieces = []
        for _ in range(70000):
            kind = rng.random()
            if kind < 0.45:
                pieces.append(common[min(rng.randrange(2000), rng.randrange(2000))])
            elif kind < 0.97:
                pieces.append(b"%x" % rng.getrandbits(rng.choice((64, 160, 400))))
            else:
                pieces.append(rng.randbytes(rng.randint(1, 20)))
            pieces.append(rng.choice(SPACES))
        with open(os.path.join(folder, f"bytes{number}.txt"), "wb") as file:
            file.write(b"".join(pieces[: -1 if number % 2 else None]))
    for number in range(3):  # UTF-8, with some bytes that are not
        pieces = []
        for _ in range(25000):
            alphabet = rng.choice(ALPHABETS)
            length = rng.randint(1, 3) if rng.random() < 0.6 else rng.randint(4, 12)
            pieces.append("".join(rng.choices(alphabet, k=length)).encode())
            pieces.append(rng.choice((b"\xff", b"\xc3", b"\xe2\x82", b"\xed\xa0\x80", b"\xf8"))
                          if rng.random() < 0.01 else rng.choice(MARKS).encode())
        with open(os.path.join(folder, f"utf{number}.txt"), "wb") as file:
            file.write(b"".join(pieces))
    with open(os.path.join(folder, "stop.txt"), "wb") as file:
        file.write(b"\n".join(common[:300:7] + ["СС".encode(), "ß".encode(), b"a"]) + b"\n")


def split_words(mode, line):
    if mode == "whitespace":
        return line.split()
    if mode == "letters":
        return re.findall(rb"[A-Za-z]+", line)
    # The texts hold letters and marks that UAX #29 always breaks at.
    return [word.encode() for word in re.findall(r"[^\W_]+", line.decode("utf-8", "replace"))]


def fold_word(mode, word):
    return word.decode().casefold().encode() if mode == "unicode" else word.lower()


def count(options):
    stop = set()
    if options.stopwords:
        with open(options.stopwords, "rb") as file:
            stop = {fold_word(options.words, word) if options.fold else word for word in file.read().split()}
    counts = collections.Counter()
    for path in options.files:
        with (gzip.open if path.endswith(".gz") else open)(path, "rb") as file:
            text = file.read()
        for line in text.split(b"\n"):
            words = split_words(options.words, line)
            if options.fold:
                words = [fold_word(options.words, word) for word in words]
            if stop:
                words = [word for word in words if word not in stop]
            grams = zip(*(words[start:] for start in range(options.ngram)))
            counts.update(words if options.ngram == 1 else map(b" ".join, grams))
    rows = sorted(row for row in counts.items() if row[1] >= options.min_count)
    if options.top:
        rows = sorted(rows, key=lambda row: (-row[1], row[0]))[: options.top]
    sys.stdout.buffer.writelines(b"%s\t%d\n" % row for row in rows)


if __name__ == "__main__":
    if sys.argv[1] == "make":
        make(sys.argv[2])
    else:
        parser = argparse.ArgumentParser()
        parser.add_argument("--words", default="whitespace")
        parser.add_argument("--fold", action="store_true")
        parser.add_argument("--ngram", type=int, default=1)
        parser.add_argument("--min-count", type=int, default=1)
        parser.add_argument("--top", type=int, default=0)
        parser.add_argument("--stopwords")
        parser.add_argument("files", nargs="+")
        count(parser.parse_args(sys.argv[2:]))
