"""relay: stands between two peers of a TCP connection and does to their bytes what a bad network does.

usage: relay.py --to HOST:PORT [--listen HOST:PORT] [--do RULE]... [--control PATH] [--log FILE]

Prints `ready HOST:PORT` on one line when it listens. Peers speak TLS, so it knows no messages, but it does
know TLS records, of which a peer sends one or more a message (a message is whole in records of its own, since
each is encrypted at once): rules count records or bytes, and the same rules do the same in every run.

A RULE is  [conn N | turn] (up|down) WHAT [at PLACE]  where up is from who connected, down is to it:
  conn N              only the N-th connection, from 1 (default: each)
  turn                each connection gets the first such rule that has not struck and that no other connection has: where one
                      ends too early, for reasons of its own, the next one has the rule
  at record N         from the N-th record of that direction on, from 1
  at byte N           from byte N of that direction on, from 0
  neither             the next record; what lasts begins at once, and so do cut and reset on what lives
WHAT is one of
  drop                that record is left out (its TLS session breaks: what a peer can't prove is not used)
  twice               that record is sent twice
  swap                that record is sent behind the next one
  delay SECONDS       that record waits, and what follows it too
  flip                one bit of that record's last byte, or of that byte, is flipped
  cut                 both sides are closed there: what came before is delivered
  reset               likewise, with an RST to both
  hole                nothing passes any more that way, and the sender is not told (a one-way cut)
  freeze              nothing passes any more that way, and nothing is read: the sender's queue fills
  trickle BYTES       that many bytes a tenth of a second from there on

--control PATH is a Unix socket: each line written to it is a RULE for connections that live and that come, or
`clear`: all rules are forgotten, holes and freezes end. Each line is answered `ok` or `error: WHY`.
--log FILE gets one line an event, so that a test sees that the fault really struck: `3 up flip record 7`.
"""

import argparse
import asyncio
import os
import re
import socket
import struct
import sys

READ_BYTES = 1 << 16
RECORD_HEAD = 5

RULE = re.compile(r"(?:conn (?P<conn>\d+) |(?P<turn>turn) )?(?P<way>up|down) "
                  r"(?P<what>drop|twice|swap|flip|cut|reset|hole|freeze|delay|trickle)(?: (?P<value>[\d.]+))?"
                  r"(?: at (?P<unit>record|byte) (?P<place>\d+))?$")


class Rule:
    """What is to be done, to which connection and direction, from which place on."""

    def __init__(self, text):
        match = RULE.match(text.strip())
        if not match:
            raise ValueError(f"no rule: {text.strip()!r}")
        self.text = text.strip()
        self.conn = int(match["conn"] or 0)
        self.waits = bool(match["turn"])  # for its turn: no connection has it
        self.has_struck = False
        self.way = match["way"]
        self.what = match["what"]
        if (self.what in ("delay", "trickle")) != bool(match["value"]):
            raise ValueError(f"{self.what}: with a number or without? {text.strip()!r}")
        self.value = float(match["value"] or 0)
        self.unit = match["unit"]
        self.place = int(match["place"] or 0)
        if self.unit == "byte" and self.what in ("drop", "twice", "swap"):
            raise ValueError(f"{self.what} takes a record: {text.strip()!r}")

    def meets(self, conn, way):
        return self.way == way and not self.waits and self.conn in (0, conn)


class Cut(Exception):
    """The connection ends here; with an RST, or without."""

    def __init__(self, reset):
        super().__init__()
        self.reset = reset


class Direction:
    """One way of one connection: cuts what comes into records and lets the rules act on each."""

    def __init__(self, relay, number, way, reader, writer):
        self.relay, self.number, self.way = relay, number, way
        self.reader, self.writer = reader, writer
        self.records = 0  # that were begun
        self.bytes = 0  # that came before the record at hand
        self.kept = None  # a record that waits for the one behind it
        self.done = set()  # rules that act once, and did
        self.noted = set()

    def rules(self):
        return [rule for rule in self.relay.rules if rule.meets(self.number, self.way)]

    def note(self, rule):
        if rule not in self.noted:
            self.noted.add(rule)
            rule.has_struck = True
            self.relay.note(f"{self.number} {self.way} {rule.what} record {self.records} byte {self.bytes}")

    async def record(self):
        """The next record, with its head; less than one where the sender stopped; nothing at its end."""
        try:
            head = await self.reader.readexactly(RECORD_HEAD)
            return head + await self.reader.readexactly(struct.unpack(">H", head[3:])[0])
        except asyncio.IncompleteReadError as rest:
            return (head if "head" in locals() else b"") + rest.partial

    def holds(self, what):
        return next((rule for rule in self.rules() if rule.what == what and self.reached(rule, 0)), None)

    def reached(self, rule, length):
        """Whether a lasting rule has begun before the record of this length ends."""
        if not rule.unit:
            return True
        if rule.unit == "record":
            return self.records >= rule.place
        return self.bytes + length > rule.place or (length == 0 and self.bytes >= rule.place)

    def struck(self, length):
        """The rules that act once, on the record at hand."""
        for rule in self.rules():
            if rule in self.done or rule.what in ("hole", "freeze", "trickle"):
                continue
            here = not rule.unit or (self.records == rule.place if rule.unit == "record" else
                                     self.bytes <= rule.place < self.bytes + length)
            if here:
                self.done.add(rule)
                self.note(rule)
                yield rule

    async def send(self, data):
        rule = self.holds("trickle")
        if rule:
            self.note(rule)
        step = max(1, int(rule.value)) if rule else len(data)
        for at in range(0, len(data), max(1, step)):
            self.writer.write(data[at:at + step])
            await self.writer.drain()
            if rule:
                await asyncio.sleep(0.1)

    async def act(self, data):
        """What goes on in place of a record."""
        out = [data]
        for rule in self.struck(len(data)):
            place = rule.place - self.bytes if rule.unit == "byte" else None
            if rule.what == "drop":
                out = []
            elif rule.what == "twice":
                out = [data, data]
            elif rule.what == "swap":
                self.kept, out = data, []
            elif rule.what == "delay":
                await asyncio.sleep(rule.value)
            elif rule.what == "flip":
                at = len(data) - 1 if place is None else place
                data = data[:at] + bytes([data[at] ^ 1]) + data[at + 1:]
                out = [data]
            else:
                await self.send(data[:place or 0])
                raise Cut(rule.what == "reset")
        return out

    async def thaw(self):
        """Waits while nothing may pass."""
        while frozen := self.holds("freeze"):
            self.note(frozen)
            await self.relay.changed()

    async def run(self):
        while True:
            await self.thaw()
            data = await self.record()
            if not data:
                return
            self.records += 1
            await self.thaw()
            out = await self.act(data)
            hole = next((r for r in self.rules() if r.what == "hole" and self.reached(r, len(data))), None)
            if hole:
                self.note(hole)
                out = []
            for each in out:
                await self.send(each)
            if out and self.kept is not None and data is not self.kept:
                await self.send(self.kept)
                self.kept = None
            self.bytes += len(data)


class Relay:
    def __init__(self, options):
        self.to = split_address(options.to)
        self.rules = [Rule(text) for text in options.do]
        self.log = open(options.log, "a", encoding="utf-8") if options.log else None
        self.count = 0
        self.change = asyncio.Event()
        self.live = {}  # a future for each connection: to be ended, with an RST or without

    def note(self, line):
        if self.log:
            print(line, file=self.log, flush=True)

    async def changed(self):
        await self.change.wait()

    def alter(self):
        self.change.set()
        self.change = asyncio.Event()

    async def serve(self, reader, writer):
        self.count += 1
        number = self.count
        try:
            there, here = await asyncio.open_connection(*self.to)
        except OSError as problem:
            self.note(f"{number} unreachable: {problem}")
            end(writer, True)
            return
        self.note(f"{number} open")
        turn = next((rule for rule in self.rules if rule.waits), None)
        if turn:
            turn.conn, turn.waits = number, False
        ways = [asyncio.create_task(Direction(self, number, "up", reader, here).run()),
                asyncio.create_task(Direction(self, number, "down", there, writer).run())]
        self.live[number] = asyncio.get_running_loop().create_future()
        await self.until_done(number, ways, [here, writer])
        del self.live[number]
        if turn and not turn.has_struck:
            turn.waits = True

    async def until_done(self, number, ways, ends):
        """An end of one way is told onwards; a cut, or both ends, end the connection."""
        reset = False
        onwards = dict(zip(ways, ends))
        order = self.live[number]
        waiting = set(ways)
        while waiting:
            done, waiting = await asyncio.wait(waiting | {order}, return_when=asyncio.FIRST_COMPLETED)
            waiting.discard(order)
            if order in done:
                reset = order.result()
                for other in waiting:
                    other.cancel()
                break
            for way in done:
                problem = way.exception()
                if problem is None:
                    if onwards[way].can_write_eof() and not onwards[way].is_closing():
                        onwards[way].write_eof()
                    continue
                reset = getattr(problem, "reset", True)
                for other in waiting:
                    other.cancel()
                waiting = set()
        for each in ends:
            end(each, reset)
        self.note(f"{number} closed")

    def add(self, rule):
        if rule.what not in ("cut", "reset") or rule.unit:
            self.rules = self.rules + [rule]
            return
        for number, order in self.live.items():
            if rule.conn in (0, number) and not order.done():
                self.note(f"{number} {rule.way} {rule.what} at once")
                order.set_result(rule.what == "reset")

    async def control(self, reader, writer):
        while line := (await reader.readline()).decode():
            try:
                if line.strip() == "clear":
                    self.rules = []
                else:
                    self.add(Rule(line))
                answer = "ok"
            except ValueError as problem:
                answer = f"error: {problem}"
            self.alter()
            writer.write(f"{answer}\n".encode())
            await writer.drain()
        writer.close()


def end(writer, reset):
    """Closes, by an RST where told so."""
    if reset:
        writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        writer.transport.abort()
    else:
        writer.close()


def split_address(text):
    host, _, port = text.rpartition(":")
    return host.strip("[]"), int(port)


async def main():
    parser = argparse.ArgumentParser(usage=__doc__.split("\n")[2][len("usage: "):])
    parser.add_argument("--to", required=True)
    parser.add_argument("--listen", default="127.0.0.1:0")
    parser.add_argument("--do", action="append", default=[])
    parser.add_argument("--control")
    parser.add_argument("--log")
    options = parser.parse_args()
    try:
        relay = Relay(options)
    except ValueError as problem:
        sys.exit(f"relay.py: {problem}")
    server = await asyncio.start_server(relay.serve, *split_address(options.listen), limit=READ_BYTES)
    if options.control:
        await asyncio.start_unix_server(relay.control, options.control)
        os.chmod(options.control, 0o600)
    name = server.sockets[0].getsockname()
    print(f"ready [{name[0]}]:{name[1]}" if ":" in name[0] else f"ready {name[0]}:{name[1]}", flush=True)
    async with server:
        await server.serve_forever()


if __name__ == "__main__":
    try:
        asyncio.run(main())
    except KeyboardInterrupt:
        pass
