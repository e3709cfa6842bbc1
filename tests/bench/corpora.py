"""corpora: makes the inputs of the benches, once, in a cache directory.

text     Debian's bible-kjv: `bible -f "gen1:1-rev22:21"` (4.4 MB), 240 times: 1.06 GB, 195 million words, 60
         thousand of them distinct
source   Debian's linux-source-6.1: its .c, .h, .rst and .txt files in C-locale path order, concatenated: 1.2 GB,
         100 million words, 11.65 million of them distinct
gz       text by `gzip -1 -n`, one member
line     one line

None of them is ever kept in the repository.
"""

import os
import pathlib
import shutil
import subprocess
import tarfile
import tempfile

COPIES = {False: 240, True: 12}  # of the Bible, by whether it should be quick
QUICK_BYTES = 50_000_000
KERNEL = pathlib.Path("/usr/src/linux-source-6.1.tar.xz")
KERNEL_SUFFIXES = (".c", ".h", ".rst", ".txt")


class Missing(Exception):
    """Something to install, in words."""


def cache_directory():
    given = os.environ.get("MR_BENCH_DIR")
    if given:
        return pathlib.Path(given).absolute()
    cache = os.environ.get("XDG_CACHE_HOME") or pathlib.Path.home() / ".cache"
    return pathlib.Path(cache) / "millrace-bench"


class Corpora:
    """The corpora by name: each is made when it is first asked for."""

    def __init__(self, directory, quick, say):
        self.quick, self.say = quick, say
        self.copies = COPIES[quick]
        self.full = directory
        self.directory = directory / "quick" if quick else directory
        self.directory.mkdir(parents=True, exist_ok=True)

    def text(self):
        return self.made(self.directory / "text.txt", self.write_text)

    def gz(self):
        return self.made(self.directory / "text.gz", self.write_gz)

    def source(self):
        full = self.made(self.full / "source.txt", write_source)
        return self.made(self.directory / "source.txt", lambda out: copy_head(full, out)) if self.quick else full

    def line(self):
        return self.made(self.directory / "line.txt", lambda out: out.write(b"to be or not to be\n"))

    def made(self, path, write):
        """Returns path, written first if it isn't there; it appears whole or not at all."""
        if not path.exists():
            self.say(f"making {path}")
            with tempfile.NamedTemporaryFile(dir=path.parent, prefix=path.name + ".", delete=False) as out:
                try:
                    write(out)
                    out.flush()
                    os.chmod(out.name, 0o644)
                    os.replace(out.name, path)
                except BaseException:
                    os.unlink(out.name)
                    raise
        return path

    def write_text(self, out):
        with tempfile.TemporaryFile() as once:
            try:
                subprocess.run(["bible", "-f", "gen1:1-rev22:21"], stdin=subprocess.DEVNULL, stdout=once, check=True)
            except FileNotFoundError:
                raise Missing("the corpus `text` needs the package bible-kjv: apt-get install bible-kjv") from None
            for _ in range(self.copies):
                once.seek(0)
                shutil.copyfileobj(once, out, 1 << 20)

    def write_gz(self, out):
        with self.text().open("rb") as text:
            subprocess.run(["gzip", "-1", "-n", "-c"], stdin=text, stdout=out, check=True)


def write_source(out):
    """Unpacks once into a spool file, in the archive's order, and copies from there in the order of paths."""
    if not KERNEL.exists():
        raise Missing("the corpus `source` needs the package linux-source-6.1: apt-get install linux-source-6.1")
    with tempfile.TemporaryFile(dir=os.path.dirname(out.name)) as spool:
        places = []
        with tarfile.open(KERNEL, "r|xz") as archive:
            for member in archive:
                if member.isfile() and member.name.endswith(KERNEL_SUFFIXES):
                    places.append((os.fsencode(member.name), spool.tell(), member.size))
                    shutil.copyfileobj(archive.extractfile(member), spool)
                archive.members = []  # or it remembers all of them
        for _, offset, size in sorted(places):
            spool.seek(offset)
            out.write(spool.read(size))


def copy_head(path, out):
    """The first lines of a file, about QUICK_BYTES of them."""
    with path.open("rb") as lines:
        left = QUICK_BYTES
        while left > 0 and (line := lines.readline()):
            out.write(line)
            left -= len(line)
