"""relay_rules: sends records through relay.py under each of its rules, and compares what arrives.

usage: relay_rules.py RELAY FOLDER
"""

import atexit
import socket
import struct
import subprocess
import sys
import threading

relay_path, folder = sys.argv[1:]
failures = 0


def record(number):
    body = bytes([number]) * 20
    return struct.pack(">BHH", 23, 0x0303, len(body)) + body


def check(name, got, want):
    global failures
    if got == want:
        print(f"ok - {name}")
    else:
        failures += 1
        print(f"not ok - {name}: {got!r}, not {want!r}")


class Sink:
    """Takes one connection after the other and keeps what came and how it ended; answers what it is told to."""

    def __init__(self):
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.address = "127.0.0.1:%d" % self.listener.getsockname()[1]

    def take(self, answer=b""):
        self.got, self.end = b"", None

        def run():
            peer, _ = self.listener.accept()
            try:
                peer.sendall(answer)
                while data := peer.recv(65536):
                    self.got += data
                self.end = "end"
            except ConnectionResetError:
                self.end = "reset"
            peer.close()

        self.thread = threading.Thread(target=run, daemon=True)
        self.thread.start()

    def wait(self):
        self.thread.join(20)
        assert not self.thread.is_alive(), "the sink still waits"


class Relay:
    def __init__(self, sink, *rules):
        self.log = f"{folder}/log"
        open(self.log, "w").close()
        words = [sys.executable, relay_path, "--to", sink.address, "--control", f"{folder}/control", "--log", self.log]
        for rule in rules:
            words += ["--do", rule]
        self.process = subprocess.Popen(words, stdout=subprocess.PIPE, text=True)
        atexit.register(self.process.kill)  # where this ends early
        host, _, port = self.process.stdout.readline().split()[1].rpartition(":")
        self.address = (host, int(port))

    def tell(self, line):
        with socket.socket(socket.AF_UNIX) as control:
            control.connect(f"{folder}/control")
            control.sendall(line.encode() + b"\n")
            return control.recv(1000).decode().strip()

    def stop(self):
        self.process.terminate()
        self.process.wait()
        with open(self.log, encoding="utf-8") as log:
            return log.read()


def send(sink, relay, count=4, close=True):
    sink.take()
    with socket.create_connection(relay.address) as peer:
        try:
            for number in range(1, count + 1):
                peer.sendall(record(number))
            if close:
                peer.shutdown(socket.SHUT_WR)
            peer.recv(1)
        except OSError:  # cut off: what came through is what counts. (shutdown says ENOTCONN then.)
            pass
    sink.wait()


def rule(words, want, end="end", strikes=True):
    sink = Sink()
    relay = Relay(sink, words)
    send(sink, relay)
    log = relay.stop()
    if end == "reset":  # which may overtake what came before
        check(words, (sink.end, want.startswith(sink.got)), (end, True))
    else:
        check(words, (sink.got, sink.end), (want, end))
    if strikes:
        check(f"{words}: the log tells", words.split()[-4] in log or words.split()[1] in log, True)


r = [record(n) for n in range(5)]
everything = r[1] + r[2] + r[3] + r[4]
rule("down drop at record 1", everything, strikes=False)
rule("conn 2 up drop at record 1", everything, strikes=False)
rule("up drop at record 2", r[1] + r[3] + r[4])
rule("up twice at record 3", r[1] + r[2] + r[3] + r[3] + r[4])
rule("up swap at record 1", r[2] + r[1] + r[3] + r[4])
rule("up delay 0.2 at record 2", everything)
rule("up flip at record 2", r[1] + r[2][:-1] + bytes([r[2][-1] ^ 1]) + r[3] + r[4])
rule("up flip at byte 30", everything[:30] + bytes([everything[30] ^ 1]) + everything[31:])
rule("up hole at record 3", r[1] + r[2])
rule("up trickle 9 at record 4", everything)
for place in range(0, len(everything), 7):
    rule(f"up cut at byte {place}", everything[:place])
rule("up reset at record 3", r[1] + r[2], end="reset")

# In turn: the second connection ends before its rule, which the third one gets.
sink = Sink()
relay = Relay(sink, "turn up drop at record 1", "turn up drop at record 2", "turn up flip at byte 3")
for count, want in ((2, r[2]), (1, r[1]), (2, r[1]), (1, r[1][:3] + bytes([r[1][3] ^ 1]) + r[1][4:]), (1, r[1])):
    send(sink, relay, count)
    check(f"in turn: {count} records", sink.got, want)
check("in turn: the log tells", relay.stop().count("up drop record"), 2)

# By word, on a connection that lives.
sink = Sink()
relay = Relay(sink)
sink.take(record(9))
with socket.create_connection(relay.address) as peer:
    check("what the other side says passes", peer.recv(25), record(9))
    check("a rule that is none is refused", relay.tell("up vanish").startswith("error"), True)
    check("a freeze is taken", relay.tell("up freeze"), "ok")
    peer.sendall(r[1])
    check("and ends", relay.tell("clear"), "ok")
    peer.sendall(r[2])
    while sink.got != r[1] + r[2]:
        assert sink.thread.is_alive()
    check("a cut is done at once", relay.tell("conn 1 up cut"), "ok")
    check("both sides see it", peer.recv(1), b"")
sink.wait()
check("and so it says", "1 up cut at once" in relay.stop(), True)
sys.exit(failures > 0)
