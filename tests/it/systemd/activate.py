"""Passes sockets to a program as systemd does (sd_listen_fds(3)).

activate.py [--hold] SOCKET... -- PROGRAM ARGUMENT...

SOCKET is NAME=KIND:ADDRESS, where KIND is one of tcp (an address and a port), both (a port, for IPv4 and IPv6), unix,
abstract, seqpacket, udp, connected (a socket that does not listen) and file (no socket at all).

Without --hold, the program takes the place of this one. With --hold, this program keeps the sockets and runs the other
one as its child: it prints a line of JSON, the addresses, and then starts the child at each line of its standard input,
and prints how each ended.
"""

import fcntl
import json
import os
import socket
import sys


def opened(kind, address):
    if kind in ("tcp", "udp"):
        host, port = address.rsplit(":", 1)
        host = host.strip("[]")
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        one = socket.socket(family, socket.SOCK_STREAM if kind == "tcp" else socket.SOCK_DGRAM)
        one.bind((host, int(port)))
    elif kind == "both":
        one = socket.socket(socket.AF_INET6, socket.SOCK_STREAM)
        one.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
        one.bind(("::", int(address)))
    elif kind == "connected":
        return socket.socketpair()[0]
    elif kind == "file":
        return open(os.devnull, "rb")
    else:
        kinds = {"seqpacket": socket.SOCK_SEQPACKET}
        one = socket.socket(socket.AF_UNIX, kinds.get(kind, socket.SOCK_STREAM))
        one.bind("\0" + address if kind == "abstract" else address)
    if kind != "udp":
        # As many as systemd's Backlog=; the kernel reduces it.
        one.listen(4096)
    return one


def become(names, sockets, command):
    """Replaces this process. Its own descriptors are moved away first, so that none is overwritten."""
    away = [fcntl.fcntl(one.fileno(), fcntl.F_DUPFD_CLOEXEC, 200) for one in sockets]
    for number, descriptor in enumerate(away):
        os.dup2(descriptor, 3 + number, inheritable=True)
    os.environ.update(
        LISTEN_PID=os.environ.pop("TEST_LISTEN_PID", str(os.getpid())),
        LISTEN_FDS=str(len(names)),
        LISTEN_FDNAMES=":".join(names),
    )
    os.execvp(command[0], command)


def main():
    arguments = sys.argv[1:]
    hold = arguments[:1] == ["--hold"]
    split = arguments.index("--")
    wanted, command = arguments[int(hold) : split], arguments[split + 1 :]
    names, sockets = [], []
    for one in wanted:
        name, rest = one.split("=", 1)
        names.append(name)
        sockets.append(opened(*rest.split(":", 1)))
    if not hold:
        become(names, sockets, command)
    addresses = [one.getsockname()[:2] for one in sockets]
    print(json.dumps(addresses), flush=True)
    for _ in sys.stdin:
        child = os.fork()
        if child == 0:
            # The program's access log and the lines of this program must not be mixed.
            os.dup2(os.open(os.devnull, os.O_RDWR), 0)
            os.dup2(2, 1)
            become(names, sockets, command)
        print(f"started {child}", flush=True)
        _, status = os.waitpid(child, 0)
        print(f"ended {os.waitstatus_to_exitcode(status)}", flush=True)


main()
