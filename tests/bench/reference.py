"""reference: counts the words of a small ASCII text slowly, independently of the engine.

usage: reference.py letters|unicode FILE COPIES     word TAB count, folded, of FILE's first 1/COPIES, times COPIES

FILE is COPIES times the same text. In ASCII the word boundary rules of UAX #29 come down to one pattern:
letters, digits and _ hold together; one of : . ' holds between letters, one of , ; . ' between digits. A
segment counts where it has a letter or a digit.
"""

import collections
import os
import re
import sys

PATTERNS = {
    "letters": r"[A-Za-z]+",
    "unicode": r"(?:[A-Za-z0-9_]|(?<=[A-Za-z])[:.'](?=[A-Za-z])|(?<=[0-9])[,;.'](?=[0-9]))+",
}


def main():
    mode, path, copies = sys.argv[1], sys.argv[2], int(sys.argv[3])
    with open(path, encoding="ascii", newline="") as file:
        text = file.read(os.stat(path).st_size // copies)
    counts = collections.Counter(re.findall(PATTERNS[mode], text.lower()))
    for word, count in counts.items():
        if word.strip("_"):
            print(f"{word}\t{count * copies}")


if __name__ == "__main__":
    main()
