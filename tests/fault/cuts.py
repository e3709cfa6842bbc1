"""cuts: cuts small .gz and .zst files at every byte and flips every byte; each must fail with file and byte named.

What may succeed: a cut before the magic number's end (plain text), at the end of a member or frame, or nowhere; a flip
in the magic number, or in a field of the header that says nothing about the data. A success is checked against what
Python or the zstd command makes of the same bytes, where they take them."""

import gzip
import os
import re
import subprocess
import sys

TEXT = b"the cat and the dog\nthe end of it\n" * 3
problems = []


def count(name):
    done = subprocess.run([os.environ["MILLRACE"], "run", "wordcount", name, "--tmp", "scratch"], capture_output=True,
                          timeout=120, check=False)
    return done.returncode, done.stdout, done.stderr.decode()


def words(data):
    counts = {}
    for word in data.split():
        counts[word] = counts.get(word, 0) + 1
    return b"".join(b"%s\t%d\n" % item for item in sorted(counts.items()))


def look(name, data, what, means):
    """`means`: what the data may mean, or nothing."""
    with open(name, "wb") as file:
        file.write(data)
    status, out, says = count(name)
    if status == 0 and out in [words(one) for one in means]:
        return "read"
    if status == 3 and not out and re.match(rf'millrace: .*"{re.escape(name)}".*byte \d+', says) and \
            says.count("\n") == 1:
        return "refused"
    problems.append(f"{name}, {what}: status {status}, {says!r}, {out[:60]!r}")
    return "wrong"


def sweep(name, members, magic, spared):
    """Every cut and every flip; `spared` are the bytes of the header whose value may be any."""
    whole = b"".join(data for data, _ in members)
    tally = {"read": 0, "refused": 0, "wrong": 0}
    ends = {sum(len(data) for data, _ in members[:i]): b"".join(text for _, text in members[:i])
            for i in range(len(members) + 1)}
    for cut in range(len(whole)):
        means = [whole[:cut]] if cut < magic else []
        means += [ends[cut]] if cut in ends else []
        # Behind a member: fewer bytes than a magic number are garbage, and are refused.
        tally[look(name, whole[:cut], f"cut at {cut}", means)] += 1
    text = b"".join(text for _, text in members)
    for at in range(len(whole)):
        flipped = bytearray(whole)
        flipped[at] ^= 0x41
        means = [bytes(flipped)] if at < magic else []
        means += [text] if at in spared else []
        tally[look(name, bytes(flipped), f"byte {at} flipped", means)] += 1
    print(f"{name}: {len(whole)} bytes: {tally['refused']} refused, {tally['read']} read")


def zstd(text):
    return subprocess.run(["zstd", "-q", "--check", "-c"], input=text, capture_output=True, check=True).stdout


one = gzip.compress(TEXT, mtime=0)
two = gzip.compress(b"another member\n", mtime=0)
header = {3, 4, 5, 6, 7, 8, 9}  # flags (some tolerated), time, extra flags, system
sweep("cut.gz", [(one, TEXT), (two, b"another member\n")], 2, header | {at + len(one) for at in header})
# The window's size, in the sixth byte, may be larger than it need be.
first, second = zstd(TEXT), zstd(b"another frame\n")
sweep("cut.zst", [(first, TEXT), (second, b"another frame\n")], 4, {5, len(first) + 5})
print("\n".join(problems[:20]))
sys.exit(1 if problems else 0)
