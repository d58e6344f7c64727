"""A whole Belay in a temporary directory, driven as a user would: by its command line, its files and git."""
import contextlib
import hashlib
import hmac
import http.client
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import unittest

HERE = os.path.dirname(os.path.abspath(__file__))
BELAY = os.environ.get("BELAY_EXECUTABLE") or os.path.join(HERE, "../../build/dev/src/app/belay")
SHIM = os.environ.get("BELAY_SHIM") or os.path.join(os.path.dirname(BELAY), "../shim/belay-shim")

APP = r'''
import http.server, itertools, os, select, signal, socketserver, sys, threading, time
mode = open("mode").read().split() if os.path.exists("mode") else ["ok"]
release = open("RELEASE").read().strip()
started = time.monotonic()
first_pass = None
asked = itertools.count()
dying = False
connections = set()

class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    def setup(self):
        connections.add(self)
        super().setup()
    def finish(self):
        connections.discard(self)
        super().finish()
    def answer(self, status, text):
        body = text.encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.send_header("X-App-Release", release)
        if dying: self.send_header("Connection", "close")
        self.end_headers()
        self.wfile.write(body)
    def do_GET(self):
        global first_pass
        if self.path == "/healthz":
            if mode[0] == "unhealthy": return self.answer(500, "not well")
            if mode[0] == "flaps" and next(asked) % 2: return self.answer(500, "one of two")
            if os.path.exists(os.environ["BELAY_SHARED"] + "/ill"): return self.answer(500, "what all need is broken")
            if mode[0] == "sick-after" and time.monotonic() - started > float(mode[1]): return self.answer(500, "fell ill")
            first_pass = first_pass or time.time()
            return self.answer(200, "well")
        if mode[0] == "errors": return self.answer(500, release + " broken")
        if self.path == "/env": return self.answer(200, "\n".join(f"{k}={v}" for k, v in sorted(os.environ.items())))
        if self.path == "/first-pass": return self.answer(200, str(first_pass))
        if self.path == "/pid": return self.answer(200, str(os.getpid()))
        if self.path == "/crash": os._exit(3)
        self.answer(200, release + " ok\n")
    def do_POST(self):
        self.rfile.read(int(self.headers.get("Content-Length", "0")))
        if mode[0] == "errors": return self.answer(500, release + " broken")
        self.answer(200, release + " ok\n")
    def log_message(self, *args): pass

class Server(socketserver.ThreadingMixIn, http.server.HTTPServer):
    daemon_threads = True
    request_queue_size = 256

port = int(os.environ["PORT"]) if mode[0] != "elsewhere" else 0
server = Server(("127.0.0.1", port), Handler)
LAST_ANSWERS = 0.2  # seconds; below three probes, as it is its exit that must be seen
def die():  # of a fault of its own, but without tearing a request that it has begun
    global dying
    dying = True
    server.shutdown()
    while select.select([server.socket], [], [], 0)[0]: server._handle_request_noblock()
    server.server_close()
    end = time.monotonic() + LAST_ANSWERS
    while connections and time.monotonic() < end: time.sleep(0.005)
    os._exit(7)
if mode[0] == "dies": threading.Timer(float(mode[1]), die).start()
def leave(*_): threading.Thread(target=server.shutdown, daemon=True).start()
signal.signal(signal.SIGTERM, leave)
print("serving release", release, "on", server.server_address[1], flush=True)
server.serve_forever(poll_interval=0.05)
'''


last_port = 11000 + (os.getpid() * 37) % 8000


def free_ports(count):
    """Ports that nobody listens on now, below the ephemeral range so that no client takes them meanwhile."""
    global last_port
    found = []
    while len(found) < count:
        last_port += 1
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(("127.0.0.1", last_port))
            found.append(last_port)
    return found


# Every stage that a deployment can have, each of them quick.
STAGES = '''
[build]
run = "cp RELEASE built"
[test]
run = "test -s built"
[release]
run = "true"
idempotent = true
'''


def wait_for(what, condition, deadline=30.0):
    end = time.monotonic() + deadline
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > end:
            raise AssertionError(f"waited {deadline:g} s in vain for {what}")
        time.sleep(0.02)


def git(*arguments, cwd=None):
    environment = dict(os.environ, GIT_AUTHOR_NAME="Ada", GIT_AUTHOR_EMAIL="ada@example.org", GIT_COMMITTER_NAME="Ada",
                       GIT_COMMITTER_EMAIL="ada@example.org", GIT_CONFIG_NOSYSTEM="1", HOME="/nonexistent")
    done = subprocess.run(["git", *arguments], cwd=cwd, env=environment, capture_output=True, text=True)
    if done.returncode != 0:
        raise AssertionError(f"git {' '.join(arguments)}: {done.stderr}")
    return done.stdout.strip()


class Repository:
    """A bare repository with a work tree to push from."""

    def __init__(self, folder):
        self.bare = os.path.join(folder, "shop.git")
        self.work = os.path.join(folder, "work")
        git("init", "-q", "--bare", "-b", "main", self.bare)
        git("init", "-q", "-b", "main", self.work)
        git("remote", "add", "origin", self.bare, cwd=self.work)
        os.chmod(folder, 0o755)
        self.write("app.py", APP)

    def write(self, name, text):
        path = os.path.join(self.work, name)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "w") as file:
            file.write(text)

    def commit(self, release, mode="ok", message=None, **files):
        self.write("RELEASE", release + "\n")
        self.write("mode", mode + "\n")
        for name, text in files.items():
            self.write(name, text)
        git("add", "-A", cwd=self.work)
        git("commit", "-q", "-m", message or f"release {release}", cwd=self.work)
        return git("rev-parse", "HEAD", cwd=self.work)

    def push(self, *arguments):
        environment = dict(os.environ, GIT_CONFIG_NOSYSTEM="1", HOME="/nonexistent")
        done = subprocess.run(["git", "push", "-q", *(arguments or ("origin", "main"))], cwd=self.work, env=environment,
                              capture_output=True, text=True)
        if done.returncode != 0:
            raise AssertionError(done.stderr)
        return done.stderr


SHORT = """
[health]
path = "/healthz"
interval = "100ms"
live_interval = "500ms"
min_healthy_time = "300ms"
timeout = "1s"
deadline = "8s"

[traffic]
drain = "1s"
bake = "1500ms"
"""


class Machine:
    def __init__(self, folder, server="", extra_environment=None):
        self.folder = folder
        os.chmod(folder, 0o755)
        self.config = os.path.join(folder, "etc/belay.toml")
        self.state = os.path.join(folder, "state")
        self.socket = os.path.join(folder, "belay.sock")
        self.http_port, self.proxy_port = free_ports(2)
        self.daemon = None
        self.log = os.path.join(folder, "belay.log")
        self.extra_environment = extra_environment or {}
        self.judges = []
        os.makedirs(os.path.join(folder, "etc/apps"))
        os.makedirs(os.path.join(folder, "etc/secrets"), mode=0o700)
        # Of its own: whoever ends an app's build kills all that runs as its uid, and so would one Belay another's.
        uids = 52000 + (os.getpid() % 80) * 100
        base = 21000 + (os.getpid() % 80) * 100
        with open(self.config, "w") as file:
            file.write(f'''[server]
listen = "127.0.0.1:{self.http_port}"
socket = "{self.socket}"
group = ""
[paths]
state = "{self.state}"
[limits]
disk_reserve = "1MiB"
uids = "{uids}-{uids + 99}"
ports = "{base}-{base + 99}"
[git]
allow = ["https", "ssh", "git", "http", "file"]
[proxy]
listen = ["127.0.0.1:{self.proxy_port}"]
{server}''')

    def environment(self, **more):
        environment = {"PATH": os.environ["PATH"], "HOME": self.folder, "BELAY_CONFIG": self.config,
                       "BELAY_SOCKET": self.socket, "BELAY_SHIM": SHIM, "LANG": "C.UTF-8"}
        for name in ("ASAN_OPTIONS", "UBSAN_OPTIONS"):
            if name in os.environ:
                environment[name] = os.environ[name]
        environment.update(self.extra_environment)
        environment.update(more)
        return environment

    def app(self, name, repo, text="", windows=SHORT, secret="s3cret-of-the-hook"):
        with open(os.path.join(self.folder, f"etc/secrets/{name}.hook"), "w") as file:
            file.write(secret + "\n")
        os.chmod(file.name, 0o600)
        path = os.path.join(self.folder, f"etc/apps/{name}.toml")
        body = f'repo = "{repo}"\npoll = "off"\n{text}'
        if not any(target in text for target in ("[service]", "[service.", "[command]", "[unit]")):
            body += '\n[service]\nrun = ["/usr/bin/python3", "app.py"]\nstop_timeout = "5s"\n'
        with open(path, "w") as file:
            file.write(body + windows)
        return path

    # --- the daemon
    def start(self, wait=True, binary=BELAY, **environment):
        with open(self.log, "a") as log:
            self.daemon = subprocess.Popen([binary, "serve"], env=self.environment(**environment), stdin=subprocess.DEVNULL,
                                           stdout=log, stderr=subprocess.STDOUT)
        if wait:
            self.wait_ready()
        return self

    def wait_ready(self, deadline=60):
        def ready():
            if self.daemon.poll() is not None:
                raise AssertionError(f"belay serve ended with {self.daemon.returncode}:\n{self.tail()}")
            return self.cli("status", "--json", check=False).returncode == 0
        wait_for("the daemon", ready, deadline)

    def kill(self, number=signal.SIGKILL):
        if self.daemon and self.daemon.poll() is None:
            self.daemon.send_signal(number)
        code = self.daemon.wait(30) if self.daemon else None
        self.daemon = None
        return code

    def stop(self):
        return self.kill(signal.SIGTERM)

    def tail(self, lines=60):
        with open(self.log) as file:
            return "".join(file.readlines()[-lines:])

    # --- the command line
    def cli(self, *arguments, check=True, stdin=None, timeout=120, **environment):
        done = subprocess.run([BELAY, *arguments], env=self.environment(**environment), capture_output=True, text=True,
                              timeout=timeout, input=stdin)
        if check and done.returncode != 0:
            raise AssertionError(f"belay {' '.join(arguments)} ended with {done.returncode}:\n{done.stdout}{done.stderr}"
                                 f"\n--- daemon\n{self.tail()}")
        return done

    def json(self, *arguments, **keywords):
        return json.loads(self.cli(*arguments, "--json", **keywords).stdout)

    def status(self, app):
        return self.json("status", app)

    def deployment(self, identity):
        return self.json("show", identity)

    def newest(self, app):
        items = self.json("history", app)["items"]
        return items[0] if items else None

    def wait_end(self, identity, deadline=90):
        ends = ("healthy", "failed", "rolled_back", "canceled", "superseded")
        def ended():
            record = self.deployment(identity)
            return record if record["state"] in ends else None
        try:
            return wait_for(f"the end of {identity}", ended, deadline)
        except AssertionError as problem:
            raise AssertionError(f"{problem}\n{json.dumps(self.deployment(identity), indent=1)}\n{self.tail()}") from None

    def wait_state(self, identity, *states, deadline=60):
        def reached():
            record = self.deployment(identity)
            return record if record["state"] in states else None
        return wait_for(f"{identity} to be {' or '.join(states)}", reached, deadline)

    def first_deployment(self, app, deadline=90):
        first = wait_for(f"{app}'s first deployment", lambda: self.newest(app), 30)
        return self.wait_end(first["id"], deadline)

    def wait_deployment_of(self, app, commit, deadline=30):
        def found():
            for item in self.json("history", app)["items"]:
                if item["commit"] == commit:
                    return item
            return None
        return wait_for(f"a deployment of {commit[:7]}", found, deadline)

    def deploy_push(self, app, repository, release, mode="ok", deadline=90, **files):
        """Pushes, delivers as GitHub would, and waits for the end."""
        commit = repository.commit(release, mode, **files)
        repository.push()
        answer = self.deliver(app, repository, commit)
        if answer["status"] != 202:
            raise AssertionError(answer)
        return self.wait_end(answer["deployment"], deadline)

    # --- a forge
    def deliver(self, app, repository, commit, ref="refs/heads/main", before=None, secret="s3cret-of-the-hook",
                body=None, headers=None, delivery=None, source=None):
        if body is None:
            body = json.dumps({"ref": ref, "before": before or "0" * 40, "after": commit, "created": False, "deleted": False,
                               "forced": False, "head_commit": {"id": commit, "message": "push"}, "commits": [],
                               "repository": {"full_name": "octo/shop", "clone_url": "https://github.com/octo/shop.git",
                                              "ssh_url": "git@github.com:octo/shop.git",
                                              "html_url": "https://github.com/octo/shop"},
                               "pusher": {"name": "ada"}}).encode()
        sent = {"Content-Type": "application/json", "X-GitHub-Event": "push",
                "X-GitHub-Delivery": delivery or f"{commit}-{time.time_ns()}"}
        if secret is not None:
            sent["X-Hub-Signature-256"] = "sha256=" + hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()
        sent.update(headers or {})
        connection = http.client.HTTPConnection("127.0.0.1", self.http_port, timeout=30, source_address=(source, 0) if source else None)
        connection.request("POST", f"/hooks/{app}", body, sent)
        answer = connection.getresponse()
        text = answer.read()
        connection.close()
        try:
            record = json.loads(text)
        except ValueError:
            record = {"text": text.decode("latin-1")}
        record["status"] = answer.status
        return record

    # --- users
    def get(self, path="/", host="localhost", timeout=5, port=None):
        connection = http.client.HTTPConnection("127.0.0.1", port or self.proxy_port, timeout=timeout)
        connection.request("GET", path, headers={"Host": host})
        answer = connection.getresponse()
        body = answer.read().decode()
        connection.close()
        return answer.status, body

    def served_release(self, host="localhost"):
        status, body = self.get(host=host)
        return body.split()[0] if status == 200 else f"status {status}"

    @contextlib.contextmanager
    def users(self, rate=100, host="localhost", expect_failures=False, events=None):
        """Open-loop load; afterwards `result` holds the verdict. `events`: a file that gets the time of each release's first answer."""
        judge = subprocess.Popen([sys.executable, os.path.join(HERE, "judge.py"), str(self.proxy_port), str(rate), "--host",
                                  host, *(["--events", events] if events else [])], stdout=subprocess.PIPE, text=True)
        self.judges.append(judge)
        judge.stdout.readline()
        result = {}
        try:
            yield result
        finally:
            judge.terminate()
            output, _ = judge.communicate(timeout=30)
            self.judges.remove(judge)
            result.update(json.loads(output.strip().splitlines()[-1]))
        if expect_failures is False and result["failed"]:
            raise AssertionError(f"{result['failed']} of {result['sent']} user requests failed: "
                                 f"{json.dumps(result['failures'], indent=1)}\n{self.tail()}")

    # --- what is left
    def processes(self):
        """Pids of everything that runs of this machine, by its folder's name in their command line or environment."""
        found = {}
        for name in os.listdir("/proc"):
            if not name.isdigit() or int(name) == os.getpid():
                continue
            with contextlib.suppress(OSError):
                with open(f"/proc/{name}/stat") as file:
                    if file.read().rsplit(")", 1)[1].split()[0] == "Z":
                        continue
                text = b""
                for part in ("cmdline", "environ"):
                    with contextlib.suppress(OSError):
                        with open(f"/proc/{name}/{part}", "rb") as file:
                            text += file.read()
                with contextlib.suppress(OSError):
                    text += os.readlink(f"/proc/{name}/cwd").encode()
                if b"belay-shim" in text:  # says nothing of itself, but holds the log of its program
                    with contextlib.suppress(OSError):
                        for fd in os.listdir(f"/proc/{name}/fd"):
                            with contextlib.suppress(OSError):
                                text += os.readlink(f"/proc/{name}/fd/{fd}").encode()
                if self.folder.encode() in text:
                    found[int(name)] = self.words(name)
                    # Who isn't root can't look into a shim, but sees whose parent it is.
                    with open(f"/proc/{name}/stat") as file:
                        parent = file.read().rsplit(")", 1)[1].split()[1]
                    if "belay-shim" in self.words(parent):
                        found[int(parent)] = self.words(parent)
        return found

    @staticmethod
    def words(pid):
        with open(f"/proc/{pid}/cmdline", "rb") as file:
            return file.read().replace(b"\0", b" ").decode("latin-1")

    def kill_everything(self):
        """As a power cut would: all at once, nothing asked."""
        for _ in range(50):
            left = [pid for pid, words in self.processes().items() if "judge.py" not in words]
            if not left:
                return
            for pid in left:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            time.sleep(0.02)
        raise AssertionError(f"processes survive KILL: {self.processes()}")

    def close(self):
        for judge in self.judges:
            judge.kill()
            judge.wait()
        if self.daemon and self.daemon.poll() is None:
            self.daemon.kill()
            self.daemon.wait()
        self.kill_everything()
        for group in self.groups():
            with contextlib.suppress(OSError):
                os.rmdir(group)

    def groups(self):
        """Control groups of this machine's daemon, the deepest first: they are named by its state directory (FNV-1a)."""
        name = 2166136261
        for byte in self.state.encode():
            name = (name ^ byte) * 16777619 % (1 << 32)
        return [path for path, _, _ in os.walk("/sys/fs/cgroup", topdown=False) if f"/belay-{name:08x}" in path]


class TestCase(unittest.TestCase):
    """One machine a test, taken down with everything that ran on it."""
    server = ""

    def setUp(self):
        self.folder = tempfile.mkdtemp(prefix="belay-e2e-", dir=os.environ.get("BELAY_TEST_DIR"))
        self.machine = Machine(self.folder, server=self.server)
        self.repository = Repository(self.make_folder("repo"))
        self.addCleanup(self.take_down)

    def make_folder(self, name):
        path = os.path.join(self.folder, name)
        os.makedirs(path)
        return path

    def take_down(self):
        self.machine.close()
        if os.environ.get("BELAY_KEEP"):
            print("kept", self.folder)
        else:
            for path, _, _ in os.walk(self.folder):
                with contextlib.suppress(OSError):
                    os.chmod(path, 0o700)  # sealed releases may be written by nobody, who may be who runs this
            shutil.rmtree(self.folder, ignore_errors=True)

    def reboot(self, without=()):
        """Everything dies at once; /run is gone; what is named is missing when the machine is up again."""
        m = self.machine
        if m.daemon.poll() is None:
            m.daemon.kill()
        m.kill_everything()
        m.daemon.wait()
        m.daemon = None
        shutil.rmtree(os.path.join(m.state, "run"))
        for name in without:
            path = os.path.join(self.folder, name)
            if os.path.isdir(path):
                shutil.rmtree(path)
            elif os.path.exists(path):
                os.remove(path)

    def app_processes(self):
        """Pids of the app's own processes, whatever release they are of."""
        return [pid for pid, words in self.machine.processes().items() if "app.py" in words and "belay-shim" not in words]

    def one_live_release(self, release, number, app="shop"):
        """By three that agree: what users get, what runs, and the record."""
        self.assertEqual(self.machine.served_release(), release)
        self.assertEqual(self.machine.status(app)["live"]["release"], number)
        wait_for("exactly one process of the app", lambda: len(self.app_processes()) == 1, 20)

    def live(self, release, mode="ok", app="shop", text="", windows=SHORT):
        """A machine with its first release live."""
        self.repository.commit(release, mode)
        self.repository.push()
        self.machine.app(app, self.repository.bare, text, windows)
        self.machine.start()
        first = self.machine.first_deployment(app)
        self.assertEqual(first["state"], "healthy", json.dumps(first, indent=1) + self.machine.tail())
        return first
