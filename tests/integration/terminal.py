"""terminal: runs a command on a terminal of its own, and prints what stood on it.

usage: terminal.py COLUMNS [-s SECONDS:SIGNAL]... [-o FILE] COMMAND...

Standard input, output and error of the command are one new terminal (output goes to FILE with -o). What it
wrote is printed as it came, without the terminal's carriage returns before line ends; the exit status is
the command's, 128 and the signal where one ended it. -s sends a signal SECONDS after the first byte stood
on the terminal (after the start with 0).
"""

import fcntl
import os
import pty
import select
import signal
import struct
import sys
import termios
import time

args = sys.argv[1:]
columns = int(args.pop(0))
plan, output = [], None
while args[0] in ("-s", "-o"):
    if args.pop(0) == "-o":
        output = args.pop(0)
    else:
        after, name = args.pop(0).split(":")
        plan.append((float(after), getattr(signal, name)))

master, slave = pty.openpty()
fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
pid = os.fork()
if pid == 0:
    os.login_tty(slave) if hasattr(os, "login_tty") else [os.setsid(), *(os.dup2(slave, fd) for fd in range(3))]
    if output:
        os.dup2(os.open(output, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o644), 1)
    os.close(master)
    os.execvp(args[0], args)
os.close(slave)

written, first = b"", None
end = time.monotonic() + 60
while time.monotonic() < end:
    if select.select([master], [], [], 0.01)[0]:
        try:
            data = os.read(master, 65536)
        except OSError:  # the last one closed it
            break
        if not data:
            break
        written += data
        first = first or time.monotonic()
    while plan and (plan[0][0] == 0 or (first and time.monotonic() >= first + plan[0][0])):
        os.kill(pid, plan.pop(0)[1])
else:
    os.kill(pid, signal.SIGKILL)
status = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
sys.stdout.buffer.write(written.replace(b"\r\n", b"\n"))
sys.stdout.flush()
sys.exit(128 - status if status < 0 else status)
