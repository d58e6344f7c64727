#!/usr/bin/env python3
"""Kills the daemon, the proxy and shims at random moments, also several at once, and looks from outside whether the site stands.

It knows what README.md and docs/ say and nothing of the code, nor of the other tests: it uses `belay`, `git`, `curl`, `ps` and signals.
The app is a site that says which version it is. Some versions are never well, some die soon after they went live; those may not stay.

killer.py [DURATION] [--seed N]     BELAY_EXECUTABLE and BELAY_SHIM name the program."""
import argparse
import collections
import json
import os
import random
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time

BELAY = os.environ.get("BELAY_EXECUTABLE", "belay")
SITE = '''
import http.server, os, sys, threading
kind, version = open("VERSION").read().split()
class Answer(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        well = self.path != "/health" or kind != "sick"
        body = (version if well else "not well").encode()
        self.send_response(200 if well else 500)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
    def log_message(self, *words): pass
if kind == "mortal": threading.Timer(1.5, lambda: os._exit(1)).start()
class Server(http.server.ThreadingHTTPServer): request_queue_size = 128
Server(("127.0.0.1", int(os.environ["PORT"])), Answer).serve_forever()
'''
ENDS = {"healthy", "failed", "rolled_back", "canceled", "superseded"}
ROUND = 20.0
BACK = 20.0  # seconds within which everything killed must be back, once there is a daemon


def seconds(text):
    return int(text[:-1]) * {"s": 1, "m": 60, "h": 3600}[text[-1]]


def free_port():
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return one.getsockname()[1]


class Killer:
    def __init__(self, seed):
        self.chance = random.Random(seed)
        self.folder = tempfile.mkdtemp(prefix="belay-killer-")
        os.chmod(self.folder, 0o755)
        self.app = f"site-{os.getpid()}"
        self.port, hooks = free_port(), free_port()
        self.url = f"http://127.0.0.1:{self.port}/"
        first = 24000 + (os.getpid() % 50) * 100
        os.makedirs(self.folder + "/etc/apps")
        os.makedirs(self.folder + "/etc/secrets", mode=0o700)
        self.write("etc/belay.toml", f'''[server]
listen = "127.0.0.1:{hooks}"
socket = "{self.folder}/belay.sock"
[paths]
state = "{self.folder}/state"
[limits]
disk_reserve = "1MiB"
ports = "{first}-{first + 99}"
[git]
allow = ["file"]
[proxy]
listen = ["127.0.0.1:{self.port}"]
''')
        self.write(f"etc/apps/{self.app}.toml", f'''repo = "{self.folder}/site.git"
poll = "5s"
[build]
run = "sleep 0.3; cp VERSION built"
[test]
run = "sleep 0.2; test -s built"
[service]
run = ["/usr/bin/python3", "site.py", "{self.app}"]
stop_timeout = "3s"
[health]
path = "/health"
interval = "100ms"
min_healthy_time = "500ms"
timeout = "2s"
deadline = "20s"
[traffic]
drain = "1s"
bake = "3s"
[keep]
releases = 3
''')
        self.write(f"etc/secrets/{self.app}.hook", "a secret of some length\n", 0o600)
        self.environment = dict(os.environ, BELAY_CONFIG=f"{self.folder}/etc/belay.toml", BELAY_SOCKET=f"{self.folder}/belay.sock",
                                HOME=self.folder, GIT_CONFIG_NOSYSTEM="1", GIT_AUTHOR_NAME="K", GIT_AUTHOR_EMAIL="k@example.org",
                                GIT_COMMITTER_NAME="K", GIT_COMMITTER_EMAIL="k@example.org")
        self.shell("git", "init", "-q", "--bare", "-b", "main", f"{self.folder}/site.git")
        self.shell("git", "init", "-q", "-b", "main", f"{self.folder}/work")
        self.write("work/site.py", SITE)
        self.kinds = {}        # version -> kind
        self.wrong = []
        self.kills = collections.Counter()
        self.answers = collections.Counter()
        self.proxy_deaths, self.outages = [], []  # times; [from, until or None] without a listener
        self.samples = []
        self.ending = threading.Event()
        self.daemon = None
        self.pause = 0.0

    # --- small things
    def write(self, name, text, mode=0o644):
        with open(os.path.join(self.folder, name), "w") as file:
            file.write(text)
        os.chmod(file.name, mode)

    def shell(self, *words, cwd=None, check=True, timeout=90):
        done = subprocess.run(words, cwd=cwd, env=self.environment, capture_output=True, text=True, timeout=timeout)
        if check and done.returncode != 0:
            raise AssertionError(f"{' '.join(words)}: {done.returncode}: {done.stdout}{done.stderr}")
        return done

    def belay(self, *words, check=True):
        return self.shell(BELAY, *words, check=check)

    def say(self, text):
        print(time.strftime("%H:%M:%S", time.gmtime()), text, flush=True)

    def complain(self, text):
        self.wrong.append(text)
        self.say(f"VIOLATION {text}")

    def log(self, text):
        with open(f"{self.folder}/killer.log", "a") as file:
            file.write(f"{time.time():.3f} {text}\n")

    # --- as an init: the daemon comes back
    def keep_up(self):
        with open(f"{self.folder}/belay.log", "a") as log:
            while not self.ending.is_set():
                self.daemon = subprocess.Popen([BELAY, "serve"], env=self.environment, stdin=subprocess.DEVNULL, stdout=log,
                                               stderr=subprocess.STDOUT)
                self.daemon.wait()
                self.log(f"the daemon ended with {self.daemon.returncode}")
                if self.daemon.returncode not in (0, -9):
                    self.complain(f"the daemon ended by itself with {self.daemon.returncode}")
                self.ending.wait(self.pause)

    # --- as a user
    def ask(self):
        while not self.ending.wait(0.1):
            began = time.time()
            done = subprocess.run(["curl", "-s", "-m", "5", "-w", "\n%{http_code}", self.url], capture_output=True, text=True)
            body, _, code = done.stdout.rpartition("\n")
            self.samples.append((began, time.time(), done.returncode, code, body))

    def judge_answers(self):
        samples, self.samples = self.samples, []
        for began, ended, exit_code, code, body in samples:
            kind = self.kinds.get(body, "unknown")
            if exit_code == 0 and code == "200":
                self.answers[kind] += 1
                if kind not in ("good", "mortal"):
                    self.complain(f"the site answered {body!r}, which is {kind}")
                continue
            what = f"curl {exit_code}, status {code}: {body[:80]!r} at {began:.2f}, after {ended - began:.2f} s"
            if any(began - 0.05 <= death <= ended + 0.05 for death in self.proxy_deaths) and exit_code in (52, 56):
                self.answers["lost in a killed proxy"] += 1
            elif any(start - 0.05 <= ended and (end is None or began <= end) for start, end in self.outages):
                self.answers["while nobody held the port"] += 1
            else:
                self.complain(f"no answer: {what}")

    # --- ps
    def processes(self):
        """What `ps` shows of ours: a list of (kind, pid)."""
        rows = {}
        for line in self.shell("ps", "-eo", "pid=,ppid=,stat=,args=").stdout.splitlines():
            pid, parent, state, words = (line.split(None, 3) + [""])[:4]
            if not state.startswith("Z"):
                rows[int(pid)] = (int(parent), words)
        daemon = self.daemon.pid if self.daemon and self.daemon.poll() is None else -1
        found = []
        proxies = {pid for pid, (_, words) in rows.items() if " proxy " in words and self.folder in words}
        for pid, (parent, words) in rows.items():
            if pid == daemon:
                found.append(("daemon", pid))
            elif pid in proxies:
                found.append(("proxy", pid))
            elif words.startswith("belay-shim"):
                if any(rows[proxy][0] == pid for proxy in proxies):
                    found.append(("proxy's shim", pid))
                elif f" {self.app}." in words:
                    found.append(("app's shim", pid))
                elif parent == daemon:
                    found.append(("other shim", pid))
            elif words.endswith(f"site.py {self.app}"):
                found.append(("app", pid))
            elif self.folder in words and " serve" not in words and "git" not in words.split("/")[-1]:
                found.append(("other", pid))
        return found

    # --- chance
    def push(self):
        kind = self.chance.choice(["good", "good", "good", "sick", "mortal"])
        return self.push_version(kind)

    def push_version(self, kind):
        version = f"v{len(self.kinds) + 1}"
        self.kinds[version] = kind
        self.write("work/VERSION", f"{kind} {version}\n")
        self.shell("git", "add", "-A", cwd=f"{self.folder}/work")
        self.shell("git", "commit", "-q", "-m", version, cwd=f"{self.folder}/work")
        self.shell("git", "push", "-q", f"{self.folder}/site.git", "main", cwd=f"{self.folder}/work")
        self.log(f"pushed {version} {kind}")
        return version

    def kill(self):
        there = self.processes()
        kinds = {kind for kind, _ in there} - {"app", "other"}
        if not kinds:
            return
        chosen = self.chance.sample(sorted(kinds), k=min(len(kinds), self.chance.choice([1, 1, 1, 2, 2, 3, 5])))
        if "daemon" not in chosen and self.chance.random() < 0.3:
            chosen.append("daemon")
        self.pause = self.chance.choice([0.0, 0.3, 1.0, 3.0])
        victims = [(kind, pid) for kind, pid in there if kind in chosen]
        self.chance.shuffle(victims)
        now = time.time()
        for kind, pid in victims:
            if kind == "proxy":
                self.proxy_deaths.append(now)
                if "proxy's shim" in chosen or "proxy's shim" not in kinds:
                    self.outages.append([now, None])
            try:
                os.kill(pid, signal.SIGKILL)
                self.kills[kind] += 1
            except ProcessLookupError:
                pass
        self.log(f"killed {victims}, the daemon comes after {self.pause} s")
        if self.chance.random() < 0.2 and "daemon" in chosen:  # and once more, wherever its start has come to
            time.sleep(self.pause + self.chance.uniform(0, 0.4))
            daemon = self.daemon
            if daemon.poll() is None:
                daemon.kill()
                self.kills["daemon at its start"] += 1
                self.log("and again")

    # --- what must be true in the end
    def ready(self):
        return self.belay("status", check=False).returncode == 0

    def wait(self, what, condition, limit):
        end = time.monotonic() + limit
        while True:
            try:
                if condition():
                    return True
            except (AssertionError, ValueError, subprocess.TimeoutExpired):
                pass
            if time.monotonic() > end:
                self.complain(f"waited {limit:g} s in vain for {what}")
                return False
            time.sleep(0.1)

    def look(self, *words):
        return json.loads(self.belay(*words, "--json").stdout)

    def settle(self):
        if not self.wait("the daemon", self.ready, BACK + 10):
            return
        self.wait("the proxy", lambda: any(kind == "proxy" for kind, _ in self.processes()), BACK)
        self.wait("the site", lambda: self.shell("curl", "-sf", "-m", "2", self.url, check=False).returncode == 0, BACK)
        for outage in self.outages:
            outage[1] = outage[1] or time.time()
        self.belay("resume", self.app, check=False)
        last = self.push_version("good")
        tip = self.shell("git", "rev-parse", "HEAD", cwd=f"{self.folder}/work").stdout.strip()

        def ended():
            items = self.look("history", self.app, "-n", "100")["items"]
            return all(item["state"] in ENDS for item in items) and any(item["commit"] == tip for item in items)
        if not self.wait(f"all deployments to end, {last} among them", ended, 120):
            return
        items = self.look("history", self.app, "-n", "100")["items"]
        mine = [item for item in items if item["commit"] == tip]
        if not any(item["state"] == "healthy" for item in mine):
            self.complain(f"{last} is good and was not killed: {json.dumps(mine)}")
        self.wait(f"{last} to be live and alone", lambda: not self.differences(last, tip), 30) or self.complain(str(self.differences(last, tip)))
        self.judge_answers()

    def differences(self, version, commit):
        """Where user, record and processes do not agree that this version is the only live one."""
        wrong = []
        said = self.shell("curl", "-s", "-m", "2", self.url, check=False).stdout
        status = self.look("status", self.app)
        if said != version:
            wrong.append(f"the site answers {said!r}, expected {version}")
        if status["state"] != "live" or not status["live"] or status["live"]["commit"] != commit or status["hold"]:
            wrong.append(f"status says {status['state']} {status['live']} {status['hold']}")
        live = [row for row in self.look("releases", self.app)["items"] if row["state"] == "live"]
        if len(live) != 1 or live[0]["commit"] != commit or not live[0]["healthy_since"]:
            wrong.append(f"live by the record: {live}")
        count = collections.Counter(kind for kind, _ in self.processes())
        if (count["daemon"], count["proxy"], count["app"], count["other"]) != (1, 1, 1, 0) or count["proxy's shim"] > 1 or count["app's shim"] > 1:
            wrong.append(f"processes: {dict(count)}")
        return wrong

    # --- all of it
    def run(self, duration):
        self.push_version("good")
        keeper, user = threading.Thread(target=self.keep_up), threading.Thread(target=self.ask)
        keeper.start()
        try:
            self.wait("the first release", lambda: self.look("status", self.app)["state"] == "live" and
                      self.look("history", self.app)["items"][0]["state"] == "healthy", 60)
            self.belay("hook", "install", self.app, f"{self.folder}/site.git")
            user.start()
            end = time.monotonic() + duration
            rounds = 0
            while time.monotonic() < end and len(self.wrong) < 20:
                self.before_round()
                stop = min(end, time.monotonic() + ROUND)
                while time.monotonic() < stop:
                    self.chance.choice([self.push, self.kill, self.kill])()
                    time.sleep(self.chance.uniform(0, 3))
                self.settle()
                rounds += 1
                if rounds % 5 == 0:
                    self.say(f"{rounds} rounds, {dict(self.kills)} killed, {len(self.kinds)} versions, answers {dict(self.answers)}")
        finally:
            self.finish(keeper, user)
        return rounds

    def before_round(self):
        pass

    def finish(self, keeper, user):
        self.ending.set()
        if user.is_alive():
            user.join()
        self.judge_answers()
        if self.belay("shutdown", check=False).returncode != 0:
            self.complain("belay shutdown did not work")
            self.daemon.kill()
        keeper.join(60)
        self.wait("everything to end after belay shutdown", lambda: not self.processes(), 30)
        for _, pid in self.processes():
            os.kill(pid, signal.SIGKILL)


def main(kind=Killer):
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("duration", type=seconds, nargs="?", default="10m", help="10m (the default), 1h")
    parser.add_argument("--seed", type=int, default=int.from_bytes(os.urandom(3), "big"))
    options = parser.parse_args()
    killer = kind(options.seed)
    print(f"seed {options.seed}, for {options.duration} s, {BELAY}, in {killer.folder}", flush=True)
    rounds = killer.run(options.duration)
    print(f"{rounds} rounds with seed {options.seed}; killed: {dict(killer.kills)}; {len(killer.kinds)} versions pushed\nanswers: {dict(killer.answers)}")
    if killer.wrong:
        print("kept", killer.folder)
    else:
        shutil.rmtree(killer.folder, ignore_errors=True)
    for line in killer.wrong:
        print("VIOLATION", line)
    print("PASSED" if not killer.wrong else f"FAILED: {len(killer.wrong)} violations")
    return 1 if killer.wrong else 0


if __name__ == "__main__":
    sys.exit(main())
