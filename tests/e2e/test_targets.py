"""What a release can be besides a server that Belay asks over HTTP: probed by a command or not at all; and an app whose processes
are not Belay's, where a command makes the release live in the place of the one before."""
import json
import os
import signal
import subprocess
import sys
import urllib.request

from machine import TestCase, free_ports, wait_for

WINDOWS = """
interval = "100ms"
live_interval = "300ms"
min_healthy_time = "%s"
timeout = "%s"
deadline = "5s"

[traffic]
drain = "500ms"
bake = "%s"
"""

# What an operator would write: asks the app over its port, with what the release's environment says.
CHECK = r'''
import os, sys, urllib.request
print("release", open("RELEASE").read().strip(), "as", os.getuid(), "with", os.environ["TOKEN"])
try:
    print(urllib.request.urlopen(f"http://127.0.0.1:{os.environ['PORT']}/healthz", timeout=1).read().decode())
except OSError as problem:
    sys.exit(f"no answer: {problem}")
'''

# Listens nowhere, as a bot or a queue's worker.
BOT = r'''
import os, sys, time
mode = open("mode").read().split()
print("bot", open("RELEASE").read().strip(), flush=True)
if mode[0] == "dies":
    time.sleep(float(mode[1]))
    sys.exit(7)
time.sleep(3600)
'''

NOTIFYING_BOT = r'''
import os, socket, time
mode = open("mode").read().split()
def say(text):
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sender:
        sender.sendto(text.encode(), os.environ["NOTIFY_SOCKET"])
if mode[0] != "ok":
    say("STATUS=reading the model")
    while mode[0] == "never" or not os.path.exists(os.environ["BELAY_SHARED"] + "/go"):
        time.sleep(0.05)
    say("READY=1")
time.sleep(3600)
'''


class Probes(TestCase):
    def exec_app(self):
        self.repository.write("check.py", CHECK)
        text = '[secrets]\nTOKEN = { file = "%s" }\n' % self.secret("TOKEN", "hunter2-hunter2")
        windows = '\n[health]\ntype = "exec"\nrun = ["/usr/bin/python3", "check.py"]\n' + WINDOWS % ("300ms", "1s", "3s")
        return text, windows

    def secret(self, name, value):
        path = os.path.join(self.folder, "etc/secrets", name)
        with open(path, "w") as file:
            file.write(value + "\n")
        os.chmod(path, 0o600)
        return path

    def health(self):
        return self.machine.status("shop")["live"]["health"]

    def test_a_command_of_the_apps_own_says_whether_a_release_is_healthy(self):
        m, r = self.machine, self.repository
        text, windows = self.exec_app()
        first = self.live("r1", text=text, windows=windows)
        passed = [probe for probe in first["probes"] if not probe["error"]]
        self.assertGreaterEqual(len(passed), 2)
        self.assertEqual(passed[-1]["target"], "exec: /usr/bin/python3 check.py")
        uid = os.stat(os.path.join(m.state, "home/shop/run")).st_uid
        self.assertEqual(passed[-1]["body"], f"release r1 as {uid} with *** well")
        if os.getuid() == 0:
            self.assertNotEqual(uid, 0)
        wait_for("the live watch", lambda: self.health() == "healthy")

        with self.subTest("one that is not healthy never goes live, and the record says why"), m.users(rate=30):
            bad = m.deploy_push("shop", r, "r2", "unhealthy")
            self.assertEqual((bad["state"], bad["reason"]), ("failed", "deadline"), json.dumps(bad, indent=1))
            self.assertEqual(bad["probes"][-1]["error"], "exited with code 1")
            self.assertIn("no answer: HTTP Error 500", bad["probes"][-1]["body"])
            self.assertNotIn("hunter2", json.dumps(bad))
            self.one_live_release("r1", 1)
        with self.subTest("one that falls ill in its bake is rolled back"), m.users(rate=30):
            bad = m.deploy_push("shop", r, "r3", "sick-after 2")
            self.assertEqual((bad["state"], bad["reason"]), ("rolled_back", "unhealthy"), json.dumps(bad, indent=1))
            self.one_live_release("r1", 1)
        with self.subTest("a daemon that dies while it verifies takes it up"), m.users(rate=30):
            m.stop()
            m.start(BELAY_FAILPOINT="after_save.verifying")
            commit = r.commit("r4")
            r.push()
            identity = m.deliver("shop", r, commit)["deployment"]
            self.assertEqual(m.daemon.wait(60), -9)
            m.start()
            record = m.wait_end(identity)
            self.assertEqual(record["state"], "healthy", json.dumps(record, indent=1))
            self.one_live_release("r4", record["release"])
        with self.subTest("what is live is watched, by the daemon that found it as well"):
            m.kill()
            m.start()
            wait_for("the live watch", lambda: self.health() == "healthy")
            ill = os.path.join(m.state, "shared/shop/ill")
            with open(ill, "w"):
                pass
            wait_for("it to be seen", lambda: self.health() == "unhealthy")
            os.remove(ill)
            wait_for("it to recover", lambda: self.health() == "healthy")
        self.assertEqual([words for words in m.processes().values() if "check.py" in words and "belay-shim" not in words][1:], [],
                         "checks pile up")

    def test_without_a_check_a_release_is_healthy_that_stays_up(self):
        m, r = self.machine, self.repository
        r.write("bot.py", BOT)
        text = '[service]\nrun = ["/usr/bin/python3", "bot.py"]\nstop_timeout = "2s"\n'
        self.live("r1", text=text, windows='\n[health]\ntype = "none"\n' + WINDOWS % ("1s", "1s", "2s"))

        def bots():
            return [pid for pid, words in m.processes().items() if "bot.py" in words and "belay-shim" not in words]
        self.assertEqual(len(bots()), 1)
        wait_for("the live watch", lambda: self.health() == "unverified")
        bad = m.deploy_push("shop", r, "r2", "dies 0.1")
        self.assertEqual((bad["state"], bad["reason"], bad["exit_code"]), ("failed", "exited", 7), json.dumps(bad, indent=1))
        bad = m.deploy_push("shop", r, "r3", "dies 1.5")
        self.assertEqual((bad["state"], bad["reason"], bad["exit_code"]), ("rolled_back", "exited", 7), json.dumps(bad, indent=1))
        self.assertEqual(m.status("shop")["live"]["release"], 1)
        m.kill()
        m.start()
        good = m.deploy_push("shop", r, "r4")
        self.assertEqual(good["state"], "healthy", json.dumps(good, indent=1))
        wait_for("the old one to end", lambda: len(bots()) == 1)


    def test_one_that_says_when_it_is_ready_is_waited_for(self):
        m, r = self.machine, self.repository
        r.write("bot.py", NOTIFYING_BOT)
        text = '[service]\nrun = ["/usr/bin/python3", "bot.py"]\nstop_timeout = "2s"\n'
        self.live("r1", text=text, windows='\n[health]\ntype = "none"\n' + WINDOWS % ("200ms", "1s", "500ms"))

        def waits(identity):
            errors = [probe["error"] for probe in m.json("show", identity)["probes"]]
            return errors[-3:] == ["web has not said READY=1 yet"] * 3

        commit = r.commit("r2", "when-told")
        r.push()
        identity = m.deliver("shop", r, commit)["deployment"]
        wait_for("the probes to say so", lambda: waits(identity))
        m.kill()
        m.start()
        before = len(m.json("show", identity)["probes"])
        wait_for("the next daemon's to say so", lambda: waits(identity) and len(m.json("show", identity)["probes"]) > before)
        self.assertEqual(m.status("shop")["live"]["release"], 1)
        with open(os.path.join(m.state, "shared/shop/go"), "w"):
            pass
        self.assertEqual(m.wait_end(identity)["state"], "healthy")
        bad = m.deploy_push("shop", r, "r3", "never")
        self.assertEqual((bad["state"], bad["reason"]), ("failed", "deadline"), json.dumps(bad, indent=1))
        self.assertIn("web has not said READY=1 yet", bad["detail"])
        self.assertEqual(m.status("shop")["live"]["release"], 2)
        wait_for("the sockets of what is gone to go", lambda: len(os.listdir(os.path.join(m.state, "notify"))) == 1)


# The operator's own server: Belay neither starts nor stops it. It serves what `current` was when it was last told to look.
SERVER = r'''
import http.server, os, sys, time
current = sys.argv[2]
loaded, mode, since = "nothing", ["ok"], 0
def load():
    global loaded, mode, since
    loaded, mode, since = open(current + "/RELEASE").read().strip(), open(current + "/mode").read().split(), time.monotonic()
class Handler(http.server.BaseHTTPRequestHandler):
    def answer(self, status, text):
        self.send_response(status)
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text.encode())
    def do_GET(self):
        if self.path == "/reload": load()
        if self.path == "/up":
            if mode[0] == "unhealthy": return self.answer(500, "not well")
            if mode[0] == "sick-after" and time.monotonic() - since > float(mode[1]): return self.answer(500, "fell ill")
        self.answer(200, loaded)
    def log_message(self, *args): pass
if os.path.exists(current): load()
class Server(http.server.ThreadingHTTPServer):
    def handle_error(self, *peer): pass  # a daemon that was killed reads no answer
Server(("127.0.0.1", int(sys.argv[1])), Handler).serve_forever()
'''

ACTIVATE = r'''
import os, sys, time, urllib.request
mode = open("mode").read().split()
print("making", os.environ["BELAY_RELEASE"], "live as", os.getuid(), "with", os.environ["TOKEN"], flush=True)
if mode[0] == "refuses": sys.exit(3)
if mode[0] == "lasts": time.sleep(float(mode[1]))
print("now", urllib.request.urlopen(os.environ["SERVER"] + "/reload", timeout=5).read().decode(), flush=True)
'''


class InPlace(TestCase):
    """A release takes the place of the one before, in a server that is the operator's."""

    def setUp(self):
        super().setUp()
        self.port = free_ports(1)[0]
        self.current = os.path.join(self.machine.state, "releases/shop/current")
        self.start_server("nothing")
        self.windows = f'\n[health]\nurl = "http://127.0.0.1:{self.port}/up"\n' + WINDOWS % ("300ms", "500ms", "900ms")

    def start_server(self, expected):
        self.server = subprocess.Popen([sys.executable, "-c", SERVER, str(self.port), self.current])
        self.addCleanup(self.server.wait)
        self.addCleanup(self.server.kill)
        wait_for("the operator's server", lambda: self.served(quiet=True) == expected)

    def served(self, quiet=False):
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/", timeout=5) as answer:
                return answer.read().decode()
        except OSError:
            if not quiet:
                raise
            return None

    def first(self, release, mode="ok"):
        self.repository.commit(release, mode)
        self.repository.push()
        self.machine.app("shop", self.repository.bare, self.text, self.windows)
        self.machine.start()
        return self.machine.first_deployment("shop")

    def is_live(self, release, number):
        """By three that agree: what users get, `current`, and the record."""
        m = self.machine
        self.assertEqual(self.served(), release)
        self.assertEqual(os.readlink(self.current), str(number))
        status = m.status("shop")
        self.assertEqual((status["live"]["release"], status["state"]), (number, "live"), json.dumps(status, indent=1))
        with open(os.path.join(m.state, "live/shop.json")) as file:
            written = json.load(file)
        self.assertEqual((written["live"]["number"], written["stable"]["number"]), (number, number))

    def killed_everywhere(self):
        self.pushes, self.stable = 0, ("r1", 1)
        self.assertEqual(self.first("r1")["state"], "healthy")
        for point in ("before_save.switching", "after_save.switching", "after_flip", self.ACTED, "after_save.verifying", "before_save.healthy"):
            with self.subTest(point):
                self.killed_at(point, "ok", "healthy")
        for point in ("after_save.rolling_back", "flipped_back", "before_save.rolled_back"):
            with self.subTest(point):
                self.killed_at(point, "sick-after 1", "rolled_back")

    def killed_at(self, point, mode, end):
        """The daemon is killed with -9 there; the next one brings the deployment to the end that it would have come to."""
        m, r = self.machine, self.repository
        before = self.served()
        m.stop()
        m.start(BELAY_FAILPOINT=point)
        self.pushes += 1
        name = f"p{self.pushes}"
        commit = r.commit(name, mode)
        r.push()
        identity = m.deliver("shop", r, commit)["deployment"]
        self.assertEqual(m.daemon.wait(60), -9, f"the daemon did not reach {point}:\n{m.tail()}")
        self.assertIn(self.served(), (before, name), "users are served while there is no daemon")
        m.start()
        record = m.wait_end(identity)
        self.assertEqual(record["state"], end, json.dumps(record, indent=1))
        self.assertEqual([s["name"] for s in record["stages"] if s["state"] == "running"], [])
        if end == "healthy":
            self.stable = (name, record["release"])
        self.is_live(*self.stable)


class Command(InPlace):
    ACTED = "command_run"

    def setUp(self):
        super().setUp()
        secret = os.path.join(self.folder, "etc/secrets/TOKEN")
        with open(secret, "w") as file:
            file.write("hunter2-hunter2\n")
        os.chmod(secret, 0o600)
        self.repository.write("activate.py", ACTIVATE)
        self.text = f'''[secrets]
TOKEN = {{ file = "{secret}" }}
[command]
run = ["/usr/bin/python3", "activate.py"]
env = {{ SERVER = "http://127.0.0.1:{self.port}" }}
'''

    def test_the_command_makes_a_release_live_and_the_one_before_when_it_is_bad(self):
        m, r = self.machine, self.repository
        first = self.first("r1")
        self.assertEqual(first["state"], "healthy", json.dumps(first, indent=1) + m.tail())
        self.is_live("r1", 1)

        good = m.deploy_push("shop", r, "r2")
        self.assertEqual(good["state"], "healthy", json.dumps(good, indent=1))
        self.assertEqual([s["name"] for s in good["stages"]][-4:], ["switch", "command", "verify", "bake"])
        self.is_live("r2", 2)
        log = m.cli("logs", good["id"], "--stage", "command").stdout
        uid = os.stat(os.path.join(m.state, "home/shop/run")).st_uid
        self.assertEqual(log.split("\n")[:2], [f"making 2 live as {uid} with ***", "now r2"])
        self.assertEqual([p["target"] for p in good["probes"]][-1], f"http://127.0.0.1:{self.port}/up")
        self.assertNotIn("standby", [x["state"] for x in m.json("releases", "shop")["items"]])

        for mode, reason, what in (("unhealthy", "deadline", "one that is not healthy"), ("refuses", "start_failed", "a command that fails"),
                                   ("sick-after 1", "unhealthy", "one that falls ill in its bake")):
            with self.subTest(what):
                bad = m.deploy_push("shop", r, "bad", mode)
                self.assertEqual((bad["state"], bad["reason"]), ("rolled_back", reason), json.dumps(bad, indent=1))
                self.assertEqual(bad["exit_code"], 3 if mode == "refuses" else None)
                ran = {s["name"]: s for s in bad["stages"]}
                self.assertEqual((ran["command"]["state"], ran["rollback"]["state"]), ("failed" if mode == "refuses" else "passed", "passed"))
                self.assertIn("now r2", m.cli("logs", bad["id"], "--stage", "rollback").stdout)
                self.is_live("r2", 2)

        with self.subTest("by hand"):
            m.cli("restart", "shop", "--wait")
            self.is_live("r2", 2)
            m.cli("rollback", "shop", "--no-hold", "--wait")
            self.is_live("r1", 1)
            refused = m.cli("stop", "shop", check=False)
            self.assertEqual(refused.returncode, 1)
            self.assertIn("is a [command]", refused.stderr)
            self.assertIn("--stage command", m.cli("logs", "shop", check=False).stderr)
        with self.subTest("a way back that fails, too, calls a person"):
            self.server.kill()
            self.server.wait()
            broken = m.deploy_push("shop", r, "r10")
            self.assertEqual((broken["state"], broken["reason"]), ("failed", "rollback_failed"), json.dumps(broken, indent=1))
            self.assertEqual(os.readlink(self.current), "1")
            self.assertTrue(m.status("shop")["hold"])

    def test_a_first_release_that_fails_leaves_no_current(self):
        m = self.machine
        first = self.first("r1", "unhealthy")
        self.assertEqual((first["state"], first["reason"]), ("failed", "deadline"), json.dumps(first, indent=1))
        self.assertFalse(os.path.lexists(self.current))
        self.assertEqual(m.status("shop")["state"], "none")
        good = m.deploy_push("shop", self.repository, "r2")
        self.assertEqual(good["state"], "healthy", json.dumps(good, indent=1))
        self.is_live("r2", 2)

    def test_killed_in_the_middle_it_comes_to_one_of_two_ends(self):
        m, r = self.machine, self.repository
        self.killed_everywhere()
        with self.subTest("while the command runs"):
            m.stop()
            m.start()
            commit = r.commit("last", "lasts 2")
            r.push()
            identity = m.deliver("shop", r, commit)["deployment"]
            wait_for("the command", lambda: any("activate.py" in words for words in m.processes().values()))
            m.kill()
            wait_for("the command to end with its daemon", lambda: not any("activate.py" in words for words in m.processes().values()), 10)
            m.start()
            record = m.wait_end(identity)
            self.assertEqual(record["state"], "healthy", json.dumps(record, indent=1))
            self.is_live("last", record["release"])
        with self.subTest("the machine starts again"):
            self.reboot()
            self.server.wait()
            self.start_server("last")
            m.start()
            self.is_live("last", record["release"])


class Unit(InPlace):
    """[unit], with as much of systemd as it asks for; tests/system has a real one."""
    ACTED = "unit_acted"

    def setUp(self):
        super().setUp()
        self.text = '[unit]\nname = "shop.service"\n'
        socket = os.path.join(self.make_folder("bus"), "socket")
        systemd = subprocess.Popen(["/usr/bin/python3", os.path.join(os.path.dirname(os.path.abspath(__file__)), "fake_systemd.py"), socket,
                                    "shop.service", f"http://127.0.0.1:{self.port}/reload"], stdout=subprocess.PIPE, text=True,
                                   start_new_session=True)
        self.addCleanup(systemd.stdout.close)
        self.addCleanup(systemd.wait)
        self.addCleanup(os.killpg, systemd.pid, signal.SIGKILL)
        self.assertEqual(systemd.stdout.readline(), "ready\n")
        self.machine.extra_environment["DBUS_SYSTEM_BUS_ADDRESS"] = f"unix:path={socket}"

    def test_pushes_restart_it_and_what_is_bad_is_brought_back(self):
        m, r = self.machine, self.repository
        first = self.first("r1")
        self.assertEqual(first["state"], "healthy", json.dumps(first, indent=1) + m.tail())
        self.is_live("r1", 1)
        good = m.deploy_push("shop", r, "r2")
        self.assertEqual(good["state"], "healthy", json.dumps(good, indent=1))
        self.assertEqual([s["name"] for s in good["stages"]][-4:], ["switch", "unit", "verify", "bake"])
        self.is_live("r2", 2)
        for mode, reason in (("unhealthy", "deadline"), ("sick-after 1", "unhealthy")):
            with self.subTest(mode):
                bad = m.deploy_push("shop", r, "bad", mode)
                self.assertEqual((bad["state"], bad["reason"]), ("rolled_back", reason), json.dumps(bad, indent=1))
                self.is_live("r2", 2)

    def test_killed_in_the_middle_it_comes_to_one_of_two_ends(self):
        self.killed_everywhere()


if __name__ == "__main__":
    import unittest
    unittest.main(verbosity=2)
