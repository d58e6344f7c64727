"""Runs as a unit in a machine with a kernel of its own, and goes on where it was after each restart of it (run_uml)."""
import contextlib
import json
import os
import re
import subprocess
import sys
import time
import traceback

sys.path.insert(0, "/mnt/e2e")
from machine import wait_for  # noqa: E402

STATE = "/var/lib/guest.json"
ENDS = ("healthy", "failed", "rolled_back", "canceled", "superseded")
SERVER = r'''
import http.server, os
release = open("RELEASE").read().strip()
class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        if self.path == "/eat":
            kept = []
            while True: kept.append(os.urandom(1 << 20))
        self.send_response(200)
        self.send_header("Content-Length", str(len(release)))
        self.end_headers()
        self.wfile.write(release.encode())
    def log_message(self, *args): pass
http.server.ThreadingHTTPServer(("127.0.0.1", int(os.environ["PORT"])), Handler).serve_forever()
'''
WINDOWS = """
[health]
path = "/"
interval = "200ms"
live_interval = "1s"
min_healthy_time = "1s"
timeout = "2s"
deadline = "2m"
[traffic]
drain = "1s"
bake = "{bake}"
rollback_on = {{ error_ratio = "5%", baseline = 3.0, min_requests = 50 }}
"""


def run(*words, check=True):
    done = subprocess.run(words, capture_output=True, text=True)
    if check and done.returncode != 0:
        raise AssertionError(f"{' '.join(words)} ended with {done.returncode}:\n{done.stdout}{done.stderr}")
    return done.stdout + done.stderr


def belay(*words, check=True):
    return run("belay", *words, check=check)


def record(*words):
    return json.loads(belay(*words, "--json"))


def kept(**new):
    """What the last life of this machine left, with what is `new`, on disk."""
    old = {}
    with contextlib.suppress(FileNotFoundError), open(STATE) as file:
        old = json.load(file)
    if new:
        with open(STATE + ".new", "w") as file:
            json.dump({**old, **new}, file)
            file.flush()
            os.fsync(file.fileno())
        os.rename(STATE + ".new", STATE)
        os.sync()
    return {**old, **new}


def restart_the_kernel():
    run("systemctl", "reboot", "--force", "--force")  # reboot(2) at once: nothing is stopped, nothing is written back
    time.sleep(600)


def served():
    done = subprocess.run(["curl", "-s", "-m", "5", "http://127.0.0.1/"], capture_output=True, text=True)
    return done.stdout if done.returncode == 0 else None


def write_app(build="true", limits="", build_limits="", bake="4s"):
    with open("/etc/belay/apps/shop.toml", "w") as file:
        file.write(f'''repo = "file:///srv/git/shop.git"
poll = "off"
[build]
run = {json.dumps(build)}
{build_limits}
[service]
run = ["/usr/bin/python3", "server.py"]
stop_timeout = "5s"
{limits}
''' + WINDOWS.format(bake=bake))
    belay("reload")


def deploy(*until):
    """Of the newest commit. Its record, when it has ended or is in a state of `until`."""
    identity = record("deploy", "shop", "--force")["deployment"]

    def there():
        found = record("show", identity)
        return found if found["state"] in ENDS or found["state"] in until else None
    return wait_for(f"{identity} to be {until or 'over'}", there, 240)


def end_of(identity):
    def ended():
        found = record("show", identity)
        return found if found["state"] in ENDS else None
    return wait_for(f"the end of {identity}", ended, 300)


def expect(found, state, reason=None):
    if (found["state"], found["reason"]) != (state, reason):
        raise AssertionError(f"wanted {state}({reason}): {json.dumps(found, indent=1)}\n{run('journalctl', '-u', 'belay', '-n', '40', '--no-pager')}")


def commit(release):
    work = "/srv/git/work"
    for name, text in (("server.py", SERVER), ("RELEASE", release)):
        with open(f"{work}/{name}", "w") as file:
            file.write(text)
    for words in (("add", "-A"), ("-c", "user.name=a", "-c", "user.email=a@b", "commit", "-qm", release), ("push", "-q", "origin", "HEAD:main")):
        run("git", "-C", work, *words)


# --- the lives of this machine
def first():
    run("dpkg", "-i", "/mnt/belay.deb")
    text = open("/etc/belay/belay.toml").read()
    for old, new in (('allow   = ["https", "ssh", "git"]', 'allow   = ["https", "ssh", "git", "file"]'), ('disk_reserve = "1GiB"', 'disk_reserve = "16MiB"')):
        if old not in text:
            raise AssertionError(f"no {old} in belay.toml")
        text = text.replace(old, new)
    with open("/etc/belay/belay.toml", "w") as file:
        file.write(text)
    with open("/etc/belay/secrets/shop.hook", "w") as file:
        file.write("a-secret-that-nobody-uses\n")
    os.chmod("/etc/belay/secrets/shop.hook", 0o600)
    os.makedirs("/srv/git")
    run("git", "init", "-q", "--bare", "-b", "main", "/srv/git/shop.git")
    run("git", "clone", "-q", "/srv/git/shop.git", "/srv/git/work")
    commit("r1")
    wait_for("the daemon", lambda: subprocess.run(["belay", "status"], capture_output=True).returncode == 0, 120)
    doctor = belay("doctor", check=False)
    for word in ("memory", "cpu", "pids"):
        if re.search(rf"no {word} controller|{word}.*not enforced", doctor):
            raise AssertionError(doctor)

    write_app(limits='limits = { memory = "96MiB", processes = 40 }')
    expect(end_of(wait_for("the first deployment", lambda: record("history", "shop")["items"])[0]["id"]), "healthy")
    print("r1 is live", flush=True)

    write_app(build="/usr/bin/python3 -c 'x = bytearray(300 << 20); x[::4096] = bytes(len(x[::4096]))'", build_limits='limits = { memory = "64MiB" }')
    expect(deploy(), "failed", "build_oom")
    print("a build over its memory: build_oom", flush=True)

    write_app(build="cat /proc/self/cgroup; end=$(( $(date +%s) + 4 )); while [ $(date +%s) -lt $end ]; do :; done; "
                    "cat /sys/fs/cgroup$(cut -d: -f3- /proc/self/cgroup)/cpu.stat", build_limits="limits = { cpu = 0.3 }")
    found = deploy()
    expect(found, "healthy")
    log = belay("logs", found["id"], "--stage", "build")
    throttled = int(re.search(r"nr_throttled (\d+)", log).group(1))
    if throttled < 5:
        raise AssertionError(log)
    print(f"a build with 0.3 of a cpu: throttled {throttled} times", flush=True)

    # No bomb: a hundred at most, and each ends by itself.
    write_app(build="/usr/bin/python3 -c 'import os, time\nfor _ in range(100):\n    if os.fork() == 0: time.sleep(20); os._exit(0)'",
              build_limits="limits = { processes = 20 }")
    found = deploy()
    expect(found, "failed", "build_failed")
    print(f"a build over its processes: build_failed, {found['detail']}", flush=True)

    write_app(limits='limits = { memory = "96MiB", processes = 40 }')
    expect(deploy(), "healthy")
    before = record("status", "shop")
    subprocess.run(["curl", "-s", "-m", "60", "http://127.0.0.1/eat"], capture_output=True)
    wait_for("the app to answer again", lambda: served() == "r1", 120)
    after = wait_for("it to be well again", lambda: (lambda found: found if found["state"] == "live" else None)(record("status", "shop")), 120)
    if after["live"]["release"] != before["live"]["release"]:
        raise AssertionError(json.dumps(after))
    journal = run("journalctl", "-u", "belay", "--no-pager", "-o", "cat")
    if "out of memory" not in journal:
        raise AssertionError(journal)
    print("an app over its memory: killed, named, started again, the same release", flush=True)

    commit("r2")
    open("/var/tmp/slow", "w").close()
    os.sync()
    write_app(build="while test -e /var/tmp/slow; do sleep 1; done")
    under_way = deploy("building")
    expect(under_way, "building")
    time.sleep(1)  # so that the sleep has begun, which no record tells
    kept(life=2, under_way=under_way["id"])
    print("the kernel restarts in the middle of a build", flush=True)
    restart_the_kernel()


def second():
    wait_for("r1 after the restart", lambda: served() == "r1", 120)
    print("r1 answers", flush=True)
    os.remove("/var/tmp/slow")
    found = end_of(kept()["under_way"])
    print(f"the deployment that was cut off in its build: {found['state']} {found['reason']}", flush=True)
    if (found["state"], found["reason"]) not in (("healthy", None), ("failed", "interrupted")):
        raise AssertionError(json.dumps(found, indent=1))
    if found["state"] == "failed":
        expect(deploy(), "healthy")
    if served() != "r2":
        raise AssertionError(f"{served()} is served")
    commit("r3")
    write_app(bake="60s")
    under_way = deploy("baking")
    expect(under_way, "baking")
    kept(life=3, under_way=under_way["id"])
    print("the kernel restarts in the middle of a bake", flush=True)
    restart_the_kernel()


def third():
    first_answer = wait_for("a release after the restart", served, 120)
    print(f"{first_answer} answers", flush=True)
    # The deployment goes on at once; what booted before that is the proven one.
    boot = run("journalctl", "-b", "-u", "belay", "--no-pager", "-o", "cat")
    if first_answer not in ("r2", "r3"):
        raise AssertionError(boot)
    found = end_of(kept()["under_way"])
    print(f"the deployment that was cut off in its bake: {found['state']} {found['reason']}", flush=True)
    wanted = {"healthy": "r3", "failed": "r2", "rolled_back": "r2"}.get(found["state"])
    if served() != wanted:
        raise AssertionError(f"{served()} is served: {json.dumps(found, indent=1)}")
    os.sync()
    open("/mnt/passed", "w").close()


try:
    {1: first, 2: second, 3: third}[kept().get("life", 1)]()
except BaseException:
    traceback.print_exc()
    sys.exit(1)
