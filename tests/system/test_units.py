"""Apps whose processes are a systemd unit of the operator's, which Belay restarts or reloads and watches: with a real systemd, polkit and journal."""
import json
import os
import subprocess

import test_server
from machine import wait_for

# A service as operators have them: tells systemd when it serves, reads its files again at HUP. The release's file `mode` says how it is.
SERVER = r'''
import http.server, os, signal, socket, sys, threading, time
def tell(text):
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as notify:
        notify.sendto(text.encode(), os.environ["NOTIFY_SOCKET"].replace("@", "\0", 1))
current = os.path.dirname(os.path.abspath(sys.argv[0]))
link = os.path.join(os.path.dirname(current), "current") if os.path.basename(current) != "current" else current
def load(*signal):
    global release, mode
    release, mode = open(link + "/RELEASE").read().strip(), open(link + "/mode").read().split()
    print(release, "is here with hunter2-hunter2", flush=True)
load()
signal.signal(signal.SIGHUP, load)
class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        ill = self.path == "/up" and mode[0] == "unhealthy"
        if not self.path == "/up": print("asked for", self.path, flush=True)
        text = release.encode()
        self.send_response(500 if ill else 200)
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)
    def log_message(self, *args): pass
if mode[0] == "refuses": sys.exit(3)
if mode[0] == "slow": time.sleep(float(mode[1]))
http.server.ThreadingHTTPServer.allow_reuse_address = True
server = http.server.ThreadingHTTPServer(("127.0.0.1", int(os.environ["PORT"])), Handler)
threading.Thread(target=server.serve_forever, daemon=True).start()
tell("READY=1")
if mode[0] == "dies":
    time.sleep(float(mode[1]))
    print("out of cheese", flush=True)
    os._exit(4)
while True: signal.pause()
'''

UNIT = """[Unit]
Description=The operator's own
[Service]
Type=notify
NotifyAccess=all
User=%s
Environment=PORT=%d
WorkingDirectory=%s
ExecStart=/usr/bin/python3 server.py
ExecReload=/bin/kill -HUP $MAINPID
Restart=always
[Install]
WantedBy=multi-user.target
"""

APP = """repo = "%s"
poll = "off"
[secrets]
TOKEN = { file = "%s" }
[unit]
name = "%s"
action = "%s"
[health]
url = "http://127.0.0.1:%d/up"
interval = "200ms"
live_interval = "500ms"
min_healthy_time = "1200ms"
timeout = "1s"
deadline = "10s"
[traffic]
drain = "1s"
bake = "3s"
"""


class Units(test_server.OnServer):
    port = 9000
    current = "/var/lib/belay/releases/shop/current"

    def write_app(self, action="restart", unit="store.service"):
        self.box.write("/etc/belay/apps/shop.toml", APP % (self.url, "/etc/belay/secrets/TOKEN", unit, action, self.port))

    def set_up_unit(self):
        """The operator's service is there, but nothing that it could run."""
        box = self.box
        self.install(test_server.OLD)
        self.edit("/etc/belay/belay.toml")
        box.run("systemctl", "restart", "belay")
        box.run("useradd", "--system", "keeper")
        box.write("/usr/lib/systemd/system/store.service", UNIT % ("keeper", self.port, self.current))
        box.run("systemctl", "enable", "store.service")
        box.write("/etc/belay/secrets/shop.hook", "a" * 40 + "\n", 0o600)
        box.write("/etc/belay/secrets/TOKEN", "hunter2-hunter2\n", 0o600)
        self.url = self.serve_http()
        self.repository.write("server.py", SERVER)
        self.repository.commit("r1")
        self.repository.push()
        self.write_app()

    def let_in(self):
        """docs/operations.md: the group that may read the app's releases."""
        group = self.box.run("stat", "-c", "%g", "/var/lib/belay/releases/shop").stdout.strip()
        self.box.run("groupadd", "--gid", group, "belay-shop")
        self.box.write("/etc/systemd/system/store.service.d/belay.conf", "[Service]\nSupplementaryGroups=belay-shop\n")
        self.box.run("systemctl", "daemon-reload")
        return group

    def set_up_live(self):
        self.set_up_unit()
        self.belay("reload")
        first = self.wait_end(wait_for("the first deployment", lambda: self.newest())["id"])
        group = self.let_in()
        self.assertEqual((first["state"], first["exit_code"]), ("failed", 200), json.dumps(first, indent=1))
        self.assertIn(f"groupadd --gid {group} belay-shop, and SupplementaryGroups=belay-shop in store.service", first["detail"])
        self.assertFalse(os.path.lexists(self.box.root + self.current))
        again = self.wait_end(self.json("deploy", "shop", "--force")["deployment"])
        self.assertEqual(again["state"], "healthy", json.dumps(again, indent=1) + self.box.log())
        self.is_live("r1")

    def served(self):
        done = self.box.run("curl", "-sS", "-m", "5", f"http://127.0.0.1:{self.port}/", check=False)
        return done.stdout.strip() if done.returncode == 0 else f"curl {done.returncode}"

    def is_live(self, release):
        """By three that agree: what users get, `current`, and the record."""
        self.assertEqual(self.served(), release, self.box.log())
        number = os.readlink(self.box.root + self.current)
        with open(self.box.root + os.path.join(os.path.dirname(self.current), number, "RELEASE")) as file:
            self.assertEqual(file.read().strip(), release)
        status = self.json("status", "shop")
        self.assertEqual((str(status["live"]["release"]), status["state"]), (number, "live"), json.dumps(status, indent=1))
        self.assertEqual(self.unit("store", "ActiveState"), "active")

    def deliver(self, release, mode="ok", **files):
        commit = self.repository.commit(release, mode, **files)
        self.repository.push()
        return self.tell("shop", release, commit)

    def reaches(self, identity, state):
        return wait_for(f"{identity} to be {state}", lambda: self.json("show", identity)["state"] == state)

    def kill_daemon(self):
        self.box.run("kill", "-KILL", self.unit("belay", "MainPID"))

    def test_pushes_restart_it_and_what_is_bad_is_brought_back(self):
        box = self.box
        self.set_up_live()
        good = self.push("r2")
        self.assertEqual(good["state"], "healthy", json.dumps(good, indent=1))
        self.assertEqual([s["name"] for s in good["stages"]][-4:], ["switch", "unit", "verify", "bake"])
        self.is_live("r2")
        cases = (("unhealthy", "deadline", "verifying", None), ("refuses", "start_failed", "switching", 3), ("dies 2.5", "exited", "baking", 4),
                 ("dies 0.2", "exited", "verifying", 4))
        for mode, reason, stage, code in cases:
            with self.subTest(mode):
                bad = self.push("bad", mode)
                self.assertEqual((bad["state"], bad["reason"], bad["stage"], bad["exit_code"]), ("rolled_back", reason, stage, code),
                                 json.dumps(bad, indent=1))
                if mode.startswith("dies"):
                    self.assertIn("out of cheese", json.dumps(bad["log_tail"]))
                self.assertNotIn("hunter2", json.dumps(bad))
                self.is_live("r2")
        with self.subTest("what the operator does meanwhile is no fault of the release"):
            under_way = self.deliver("r3")
            self.reaches(under_way, "baking")
            box.run("systemctl", "restart", "store")
            self.assertEqual(self.wait_end(under_way)["state"], "healthy")
            self.is_live("r3")
            under_way = self.deliver("r4")
            self.reaches(under_way, "baking")
            box.run("systemctl", "stop", "store")
            stopped = self.wait_end(under_way)
            self.assertEqual((stopped["state"], stopped["reason"]), ("rolled_back", "exited"), json.dumps(stopped, indent=1))
            self.is_live("r3")
        with self.subTest("by hand"):
            self.belay("restart", "shop", "--wait")
            self.is_live("r3")
            self.belay("rollback", "shop", "--no-hold", "--wait")
            self.is_live("r2")
            refused = self.belay("stop", "shop", check=False)
            self.assertEqual(refused.returncode, 1)
            self.assertIn("systemctl stop store.service", refused.stderr)
        with self.subTest("one that can't be acted on is not touched"):
            box.run("systemctl", "mask", "store.service")
            said = self.belay("check").stdout
            self.assertIn("shop.toml: warning: ", said)
            self.assertIn("is masked", said)
            self.assertEqual(self.belay("doctor", check=False).returncode, 1)
            masked = self.push("r5")
            self.assertEqual((masked["state"], masked["reason"], masked["stage"]), ("failed", "config_invalid", "fetching"), json.dumps(masked, indent=1))
            self.assertEqual(self.served(), "r2")
            box.run("systemctl", "unmask", "store.service")
            self.assertEqual(self.belay("doctor", check=False).returncode, 0, self.belay("doctor", check=False).stdout)
        with self.subTest("the machine starts again"):
            box.reboot()
            box.wait_running()
            self.wait_daemon()
            wait_for("the service", lambda: self.served() == "r2", 30)
            self.assertEqual(self.push("r6")["state"], "healthy")
            self.is_live("r6")

    def test_it_is_reloaded_without_another_process(self):
        self.set_up_live()
        self.write_app("reload")
        self.belay("reload")
        process = self.unit("store", "MainPID")
        self.assertEqual(self.push("r2")["state"], "healthy")
        self.is_live("r2")
        bad = self.push("r3", "unhealthy")
        self.assertEqual((bad["state"], bad["reason"]), ("rolled_back", "deadline"), json.dumps(bad, indent=1))
        self.is_live("r2")
        self.assertEqual(self.unit("store", "MainPID"), process)
        with self.subTest("one that does not run is started"):
            self.box.run("systemctl", "stop", "store")
            self.assertEqual(self.push("r4")["state"], "healthy")
            self.is_live("r4")

    def test_a_daemon_that_is_killed_in_the_middle_takes_it_up(self):
        self.set_up_live()
        self.assertEqual(self.push("r2", "slow 2")["state"], "healthy")
        for state, mode, end in (("switching", "slow 2", "healthy"), ("verifying", "ok", "healthy"), ("baking", "ok", "healthy"),
                                 ("rolling_back", "unhealthy", "rolled_back")):
            with self.subTest(state):
                before = self.served()
                # The way back has to last, too.
                release = f"r-{state}"
                if state == "rolling_back":
                    self.assertEqual(self.push("r-before", "slow 2")["state"], "healthy")
                    before = "r-before"
                under_way = self.deliver(release, mode)
                self.reaches(under_way, state)
                self.kill_daemon()
                self.wait_daemon()
                record = self.wait_end(under_way)
                self.assertEqual(record["state"], end, json.dumps(record, indent=1) + self.box.log())
                self.assertEqual([s["name"] for s in record["stages"] if s["state"] == "running"], [])
                self.is_live(release if end == "healthy" else before)

    def test_its_log_is_its_journal(self):
        self.set_up_live()
        self.assertEqual(self.push("r2")["state"], "healthy")
        self.served()
        wait_for("its line", lambda: "asked for /" in self.belay("logs", "shop").stdout)
        text = self.belay("logs", "shop").stdout
        self.assertIn("r2 is here with ***\n", text)
        self.assertNotIn("hunter2", text)
        self.assertNotIn("r1 is here", text)
        self.assertIn("Started ", text)  # what systemd says of it
        now = self.box.run("date", "-u", "+%Y-%m-%dT%H:%M:%SZ").stdout.strip()
        follower = subprocess.Popen([*self.box.enter(), "belay", "logs", "shop", "-f"], stdout=subprocess.PIPE, text=True)
        self.addCleanup(follower.stdout.close)
        self.addCleanup(follower.wait)
        self.addCleanup(follower.kill)

        def comes(words):
            while words not in (line := follower.stdout.readline()):
                self.assertNotEqual(line, "", "the follower ended")
        comes("r2 is here with ***")
        self.box.run("curl", "-sS", "-m", "5", f"http://127.0.0.1:{self.port}/once")
        comes("asked for /once")
        since = self.belay("logs", "shop", "--since", now).stdout
        self.assertIn("asked for /once", since)
        self.assertNotIn("r2 is here", since)
        self.assertNotEqual(self.belay("logs", "shop", "--process", "web", check=False).returncode, 0)

    def test_a_daemon_that_is_not_root_is_let_at_one_unit(self):
        """belay unit allow: a rule of polkit for one user and one unit."""
        box, self.current = self.box, "/home/ada/state/releases/shop/current"
        self.install(test_server.OLD)
        box.run("systemctl", "disable", "--now", "belay", "belay-proxy.socket", "belay-proxy.service")
        box.run("useradd", "--create-home", "--groups", "systemd-journal", "ada")
        box.run("useradd", "--create-home", "eve")
        box.write("/etc/systemd/system/store.service", UNIT % ("ada", self.port, self.current))
        box.write("/etc/systemd/system/other.service", "[Service]\nExecStart=/bin/sleep infinity\n")
        box.run("systemctl", "daemon-reload")
        box.run("systemctl", "start", "other")
        self.url = self.serve_http()
        self.repository.write("server.py", SERVER)
        self.repository.commit("r1")
        self.repository.push()
        config = "/home/ada/etc/belay.toml"
        box.write(config, '[paths]\nstate = "/home/ada/state"\n[server]\nlisten = "127.0.0.1:8090"\nsocket = "/home/ada/belay.sock"\n'
                  '[git]\nallow = ["http"]\n[limits]\ndisk_reserve = "16MiB"\n[proxy]\nlisten = []\n')
        box.write("/home/ada/etc/secrets/TOKEN", "hunter2-hunter2\n", 0o600)
        box.write("/home/ada/etc/secrets/shop.hook", "a" * 40 + "\n", 0o600)
        box.write("/home/ada/etc/apps/shop.toml", APP % (self.url, "/home/ada/etc/secrets/TOKEN", "store.service", "restart", self.port))
        box.run("chmod", "700", "/home/ada/etc/secrets")
        box.run("chown", "-R", "ada:", "/home/ada")
        box.run("systemd-run", "--unit=adas-belay", "--uid=ada", "--property=KillMode=process", "belay", "serve", "--config", config)

        def ada(*words, check=True):
            return box.run("runuser", "-u", "ada", "--", "belay", *words, "--config", config, check=check)

        def ended():
            done = ada("history", "shop", "--json", check=False)
            items = json.loads(done.stdout)["items"] if done.returncode == 0 else []
            return items[0] if items and items[0]["state"] in test_server.ENDS else None

        def may(user, unit):
            return box.run("runuser", "-u", user, "--", "busctl", "call", "org.freedesktop.systemd1", "/org/freedesktop/systemd1",
                           "org.freedesktop.systemd1.Manager", "RestartUnit", "ss", unit, "replace", check=False).returncode == 0

        first = wait_for("the first deployment", ended, 60)
        self.assertEqual((first["state"], first["reason"]), ("failed", "start_failed"), json.dumps(first, indent=1))
        cure = first["detail"].split("as root, ")[1]
        self.assertEqual(cure, "belay unit allow store.service --user ada")
        self.assertIn(f"cure: {cure}", self.belay("doctor", "--config", config, check=False).stdout)
        self.assertEqual(ada("unit", "allow", "store.service", check=False).returncode, 4)

        # The daemon's user is known without its name, too.
        self.assertIn("from now on", self.belay("unit", "allow", "store.service", "--config", config).stdout)
        self.assertIn("already", self.box.run(*cure.split()).stdout)
        wait_for("polkit to read its rules", lambda: may("ada", "store.service"))
        again = json.loads(ada("deploy", "shop", "--force", "--json", "--wait", check=False).stdout)
        self.assertEqual(again["state"], "healthy", json.dumps(again, indent=1))
        self.assertEqual(self.served(), "r1")
        log = ada("logs", "shop", check=False)
        self.assertIn("r1 is here with ***", log.stdout + log.stderr)

        self.assertFalse(may("ada", "other.service"), "one unit")
        self.assertFalse(may("eve", "store.service"), "one user")
        self.belay("unit", "deny", "store.service")
        wait_for("polkit to read its rules", lambda: not may("ada", "store.service"))
        commit = self.repository.commit("r2")
        self.repository.push()
        refused = json.loads(ada("deploy", "shop", "--commit", commit, "--json", "--wait", check=False).stdout)
        self.assertEqual((refused["state"], refused["reason"], refused["stage"]), ("failed", "config_invalid", "sealing"), json.dumps(refused, indent=1))
        self.assertEqual(self.served(), "r1")  # nothing was touched


if __name__ == "__main__":
    import unittest
    unittest.main(verbosity=2)
