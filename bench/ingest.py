#!/usr/bin/env python3
"""Webhook ingest side by side: signed pushes against this daemon, Debian's `webhook` and nginx's static 202.

bench/ingest.py [belay] [webhook] [nginx] [--seconds 4] [--repeat 3] [--slow 35]

The server has core 0, the load (wrk, one thread) core 1. Every delivery is a push of its own, so that an accept is a real one: of
Belay, committed to disk before its 202. Belay's app is busy (its git server does not answer), so all pushes queue and each supersedes
the one before. All servers run and have the load in turn, round after round; figures are medians of the rounds. CPU is user and
system time of the server and what it started. The machine's noise moves wall time more than CPU: compare within one run.
BELAY_EXECUTABLE names the build; by default build/release, as dev builds are not what users run.
"""
import argparse
import collections
import contextlib
import hashlib
import hmac
import http.client
import json
import os
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time

HERE = os.path.dirname(os.path.abspath(__file__))
os.environ.setdefault("BELAY_EXECUTABLE", os.path.join(HERE, "../build/release/src/app/belay"))
sys.path.insert(0, os.path.join(HERE, "../tests/e2e"))
from machine import Machine, free_ports, wait_for  # noqa: E402

SECRET = "bench-secret-of-the-hook"
COMMIT = "c0ffee" * 6 + "c0ff"
TICK = os.sysconf("SC_CLK_TCK")
SERVER_CORE, LOAD_CORE = "0", "1"


def push_of(size):
    """A push as GitHub sends it, of `size` bytes."""
    base = "https://api.github.com/repos/octo/shop"
    person = {"name": "Jo Doe", "email": "jo@example.org", "username": "jodoe"}
    repository = {"id": 186853002, "name": "shop", "full_name": "octo/shop", "private": False,
                  "html_url": "https://github.com/octo/shop", "ssh_url": "git@github.com:octo/shop.git",
                  "clone_url": "https://github.com/octo/shop.git", "default_branch": "main"}
    for kind in ("forks keys collaborators teams hooks events assignees branches tags blobs trees statuses languages commits comments "
                 "contents compare merges archive downloads issues pulls milestones notifications labels releases").split():
        repository[kind + "_url"] = f"{base}/{kind}" + "{/sha}"

    def commit(number):
        name = hashlib.sha1(f"c{number}".encode()).hexdigest()
        return {"id": name, "tree_id": hashlib.sha1(f"t{number}".encode()).hexdigest(), "distinct": True,
                "message": f"Round cart totals, step {number}\n\n\"Half up\" on every line; see the caf\u00e9 test.",
                "timestamp": "2026-05-15T15:20:41-04:00", "url": "https://github.com/octo/shop/commit/" + name,
                "author": person, "committer": person, "added": [f"src/cart/new_{number}_{n}.rb" for n in range(3)], "removed": [],
                "modified": [f"src/cart/item_{number}_{n}.rb" for n in range(5)]}

    def text(commits, filler):
        head = dict(commit(0), id=COMMIT, url="https://github.com/octo/shop/commit/" + COMMIT)
        listed = [*(commit(number + 1) for number in range(commits)), head]
        return json.dumps({"ref": "refs/heads/main", "before": "1" * 40, "after": COMMIT, "created": False, "deleted": False,
                           "forced": False, "base_ref": None, "compare": "https://github.com/octo/shop/compare/a...b",
                           "commits": listed, "head_commit": head, "repository": dict(repository, description="x" * filler),
                           "pusher": {"name": "jodoe", "email": "jo@example.org"}}, separators=(",", ":")).encode()

    one = len(text(1, 0)) - len(text(0, 0))
    commits = max(0, (size - len(text(0, 0))) // one - 1)
    return text(commits, max(0, size - len(text(commits, 0))))


# --- servers: each has start() -> pid, path, and stop()
class Belay:
    name = "belay"

    def __init__(self, folder):
        self.folder = folder

    def start(self):
        # A git server that takes the connection and is silent: the lane is busy for as long as the bench runs.
        self.silent = socket.create_server(("127.0.0.1", 0))
        self.machine = Machine(self.folder)
        self.machine.app("shop", f"git://127.0.0.1:{self.silent.getsockname()[1]}/octo/shop.git", secret=SECRET)
        pinned = os.sched_getaffinity(0)
        os.sched_setaffinity(0, {int(SERVER_CORE)})
        self.machine.start()
        os.sched_setaffinity(0, pinned)
        self.port, self.path = self.machine.http_port, "/hooks/shop"
        # Two newer pushes may supersede what runs; from the third on they only queue.
        for number in range(4):
            post(self.port, self.path, push_of(2000).replace(COMMIT.encode(), f"{number:040x}".encode()))
            time.sleep(0.3)
        return self.machine.daemon.pid

    def stored(self):
        """Deliveries that the database has, asked behind the daemon's back when it has ended."""
        with contextlib.suppress(FileNotFoundError):
            return int(subprocess.run(["sqlite3", f"{self.machine.state}/belay.db", "SELECT count(*) FROM deliveries WHERE status_code = 202"],
                                      capture_output=True, text=True).stdout or -1)
        return None

    def stop(self):
        self.machine.stop()
        print(f"belay    deliveries on disk: {self.stored()}", flush=True)
        self.machine.close()
        self.silent.close()


class Program:
    """A server that is one program in the foreground."""

    def __init__(self, folder):
        self.folder = folder

    def run(self, *command):
        with open(os.path.join(self.folder, "out.log"), "w") as log:
            self.process = subprocess.Popen(["taskset", "-c", SERVER_CORE, *command], stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        wait_for(command[0], lambda: connects(self.port))
        return self.process.pid

    def stop(self):
        self.process.terminate()
        self.process.wait(10)


class Webhook(Program):
    name = "webhook"

    def start(self):
        self.port, self.path = free_ports(1)[0], "/hooks/push"
        match = {"match": {"type": "payload-hmac-sha256", "secret": SECRET, "parameter": {"source": "header", "name": "X-Hub-Signature-256"}}}
        branch = {"match": {"type": "value", "value": "refs/heads/main", "parameter": {"source": "payload", "name": "ref"}}}
        with open(os.path.join(self.folder, "hooks.json"), "w") as file:
            json.dump([{"id": "push", "execute-command": "/bin/true", "command-working-directory": "/",
                        "trigger-rule": {"and": [match, branch]}}], file)
        return self.run("webhook", "-ip", "127.0.0.1", "-port", str(self.port), "-hooks", file.name)


class Nginx(Program):
    name = "nginx"

    def start(self):
        self.port, self.path = free_ports(1)[0], "/"
        os.mkdir(os.path.join(self.folder, "t"))
        temp = " ".join(f"{kind}_temp_path {self.folder}/t;" for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi"))
        with open(os.path.join(self.folder, "nginx.conf"), "w") as file:
            file.write(f"daemon off; worker_processes 1; pid {self.folder}/pid; error_log {self.folder}/error.log crit;\n"
                       f"events {{ worker_connections 4096; }}\nhttp {{ access_log off; {temp} keepalive_requests 100000000; client_max_body_size 25m;\n"
                       f"server {{ listen 127.0.0.1:{self.port} backlog=1024; location / {{ return 202; }} }} }}\n")
        return self.run("nginx", "-p", self.folder, "-c", file.name, "-e", f"{self.folder}/error.log")


# --- measuring
def connects(port):
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def post(port, path, body, signature=None, source=None):
    began = time.monotonic()
    headers = {"Content-Type": "application/json", "X-GitHub-Event": "push", "X-GitHub-Delivery": str(time.time_ns()),
               "X-Hub-Signature-256": signature or "sha256=" + hmac.new(SECRET.encode(), body, hashlib.sha256).hexdigest()}
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30, source_address=(source, 0) if source else None)
    try:
        connection.request("POST", path, body, headers)
        answer = connection.getresponse()
        answer.read()
        return answer.status, time.monotonic() - began
    except OSError as problem:
        return type(problem).__name__, time.monotonic() - began
    finally:
        connection.close()


def tree(pid):
    """The process and all that descends from it."""
    parents = {}
    for entry in os.listdir("/proc"):
        with contextlib.suppress(OSError, ValueError):
            with open(f"/proc/{int(entry)}/stat") as file:
                parents[int(entry)] = int(file.read().rsplit(")", 1)[1].split()[1])
    found, more = {pid}, True
    while more:
        more = {child for child, parent in parents.items() if parent in found and child not in found}
        found |= more
    return found


def cpu(pid):
    total = 0
    for each in tree(pid):
        with contextlib.suppress(OSError):
            with open(f"/proc/{each}/stat") as file:
                total += sum(int(field) for field in file.read().rsplit(")", 1)[1].split()[11:15])
    return total / TICK


def memory(server, pid, field):
    """MiB of the server: of Belay the daemon, as the fetch that keeps its app busy is another program."""
    total = 0
    for each in [pid] if server.name == "belay" else tree(pid):
        with contextlib.suppress(OSError):
            with open(f"/proc/{each}/status") as file:
                total += sum(int(line.split()[1]) for line in file if line.startswith(field + ":"))
    return total / 1024


def forget_peak(pid):
    for each in tree(pid):
        with contextlib.suppress(OSError):
            with open(f"/proc/{each}/clear_refs", "w") as file:
                file.write("5")


runs = 0


def load(server, body_file, connections, seconds, spoil=False):
    global runs
    runs += 1
    environment = dict(os.environ, BODY_FILE=body_file, COMMIT=COMMIT, SECRET=SECRET, URL_PATH=server.path,
                       RUN=f"{os.getpid() % 65536:04x}{runs:04x}")
    if spoil:
        environment["SPOIL"] = "1"
    done = subprocess.run(["taskset", "-c", LOAD_CORE, "wrk", "-t1", f"-c{connections}", f"-d{seconds}s", "--timeout", "10s",
                           "-s", os.path.join(HERE, "ingest.lua"), f"http://127.0.0.1:{server.port}/"],
                          env=environment, capture_output=True, text=True)
    for line in done.stdout.splitlines():
        if line.startswith("RESULT "):
            return json.loads(line[7:])
    raise SystemExit(f"wrk said: {done.stdout}{done.stderr}")


def wanted_status(server, status):
    return status == "202" or (server.name == "webhook" and status == "200")


def measure(server, size, body_file, connections, seconds, spoil=False):
    """One load on one server."""
    forget_peak(server.pid)
    before = cpu(server.pid)
    result = load(server, body_file, connections, seconds, spoil)
    time.sleep(0.3)
    used = cpu(server.pid) - before
    counted = result["requests"] if spoil else sum(n for s, n in result["statuses"].items() if wanted_status(server, s))
    return {"rate": counted / result["seconds"], "p50": result["p50"] / 1e3, "p99": result["p99"] / 1e3,
            "cpu_us": used / max(1, counted) * 1e6, "peak_mib": memory(server, server.pid, "VmHWM"), "statuses": result["statuses"]}


def compare(servers, size, body_file, connections, seconds, repeat, spoil=False):
    """Every server in turn, and that `repeat` times, so that the machine's noise meets all alike: a line for each with its medians."""
    rows = {server.name: [] for server in servers}
    for _ in range(repeat):
        for server in servers:
            rows[server.name].append(measure(server, size, body_file, connections, seconds, spoil))
    for server in servers:
        mine = rows[server.name]
        median = {key: statistics.median(row[key] for row in mine) for key in mine[0] if key != "statuses"}
        seen = collections.Counter()
        for row in mine:
            seen.update(row["statuses"])
        print(f"{server.name:8} {'refused' if spoil else 'accepted':8} {size // 1024:>4} KB {connections:>4} {median['rate']:>9.0f} {median['p50']:>8.2f} "
              f"{median['p99']:>8.2f} {median['cpu_us']:>8.1f} {median['peak_mib']:>8.1f}   {dict(seen)}", flush=True)
    return rows


def large_bodies(server):
    """Sixteen bodies of 10 MB at once that nobody has signed."""
    body = push_of(10 * 1024 * 1024)
    forget_peak(server.pid)
    answers = []
    senders = [threading.Thread(target=lambda: answers.append(post(server.port, server.path, body, "sha256=" + "0" * 64, "127.0.0.3"))) for _ in range(16)]
    for sender in senders:
        sender.start()
    for sender in senders:
        sender.join()
    print(f"{server.name:8} 16 unsigned bodies of 10 MB at once: {sorted({str(status) for status, _ in answers})}, "
          f"slowest {max(took for _, took in answers):.2f} s, peak {memory(server, server.pid, 'VmHWM'):.1f} MiB", flush=True)


def slow_clients(server, seconds, where):
    """500 clients that dribble a byte a second into the head or the body; an honest delivery every second meanwhile."""
    head = (f"POST {server.path} HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nX-GitHub-Event: push\r\n"
            f"X-Hub-Signature-256: sha256={'0' * 64}\r\n")
    clients = []
    for _ in range(500):
        with contextlib.suppress(OSError):
            client = socket.create_connection(("127.0.0.1", server.port), 2, source_address=("127.0.0.9", 0))
            client.sendall((head + ("X-A: " if where == "head" else "Content-Length: 10240\r\n\r\n")).encode())
            client.setblocking(False)
            clients.append(client)
    began, opened, honest, first, number = time.monotonic(), len(clients), [], None, 0
    while time.monotonic() - began < seconds and clients:
        for client in list(clients):
            gone = False
            with contextlib.suppress(BlockingIOError):
                try:
                    gone = client.recv(4096) == b"" or gone
                except ConnectionError:
                    gone = True
            try:
                client.send(b"x")
            except OSError:
                gone = True
            if gone:
                client.close()
                clients.remove(client)
                first = first or time.monotonic() - began
        number += 1
        body = push_of(10 * 1024).replace(COMMIT.encode(), f"{time.time_ns():040x}".encode())
        honest.append(post(server.port, server.path, body, source="127.0.0.2"))
        time.sleep(max(0.0, began + number - time.monotonic()))
    last = time.monotonic() - began
    print(f"{server.name:8} 500 clients dribbling into the {where}: {opened} let in, first dropped after {first and round(first, 1)} s, {len(clients)} left after "
          f"{last:.0f} s; honest {sorted({str(status) for status, _ in honest})}, worst {max(took for _, took in honest) * 1e3:.0f} ms; resident {memory(server, server.pid, 'VmRSS'):.1f} MiB",
          flush=True)
    for client in clients:
        client.close()


def main():
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # so that the servers end, too
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("servers", nargs="*", default=["nginx", "webhook", "belay"])
    options.add_argument("--seconds", type=int, default=4)
    options.add_argument("--repeat", type=int, default=3)
    options.add_argument("--slow", type=int, default=0, help="also 500 slow clients for so many seconds, twice")
    options.add_argument("--connections", default="1,16,64")
    options.add_argument("--sizes", default="10,100", help="KB")
    given = options.parse_args()
    known = {kind.name: kind for kind in (Belay, Webhook, Nginx)}
    sizes = [int(size) * 1024 for size in given.sizes.split(",")]
    with tempfile.TemporaryDirectory(prefix="belay-ingest-") as folder, contextlib.ExitStack() as ended:
        os.chmod(folder, 0o755)  # fetches run as another user
        for size in sizes:
            with open(os.path.join(folder, f"push{size}"), "wb") as file:
                file.write(push_of(size))
        servers = []
        for name in given.servers:
            own = os.path.join(folder, name)
            os.mkdir(own, 0o755)
            server = known[name](own)
            server.pid = server.start()
            ended.callback(server.stop)
            servers.append(server)
            print(f"{name:8} resident before any load {memory(server, server.pid, 'VmRSS'):.1f} MiB", flush=True)
        answering = [server for server in servers if server.name != "nginx"]  # which checks nothing
        for server in answering:
            large_bodies(server)
        print(f"{'server':8} {'what':8} {'body':>7} {'conn':>4} {'per s':>9} {'p50 ms':>8} {'p99 ms':>8} {'CPU us':>8} {'peak MiB':>8}   answers")
        for size in sizes:
            for connections in map(int, given.connections.split(",")):
                rows = compare(servers, size, f"{folder}/push{size}", connections, given.seconds, given.repeat)
                if "belay" in rows and "webhook" in rows:
                    each = [mine["rate"] / peer["rate"] for mine, peer in zip(rows["belay"], rows["webhook"])]
                    print(f"         belay accepts {statistics.median(each):.1f} times as many as webhook; by round {' '.join(f'{ratio:.1f}' for ratio in each)}", flush=True)
        compare(answering, sizes[0], f"{folder}/push{sizes[0]}", 64, given.seconds, given.repeat, spoil=True)
        for server in answering:
            large_bodies(server)
            if given.slow:
                slow_clients(server, given.slow, "head")
                slow_clients(server, given.slow, "body")


if __name__ == "__main__":
    main()
