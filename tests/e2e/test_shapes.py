"""Apps of other shapes: several processes and instances, a scheduler that must not run twice, Node, a monorepo, shared files."""
import json
import os
import shutil
import signal
import socket
import unittest

from machine import TestCase, free_ports, wait_for

NODE = r'''
const http = require("http"), fs = require("fs");
const release = fs.readFileSync("RELEASE", "utf8").trim();
const server = http.createServer((request, response) => {
  request.resume();
  response.setHeader("X-App-Release", release);
  response.end(request.url === "/healthz" ? "well" : release + " ok\n");
});
server.listen(+process.env.PORT, "127.0.0.1", () => console.log("node", release));
process.on("SIGTERM", () => { server.close(() => process.exit(0)); server.closeIdleConnections(); });
'''

CLOCK = r'''
import fcntl, os, signal, sys, time
signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
lock = open(os.path.join(os.environ["BELAY_SHARED"], "clock.lock"), "w")
try:
    fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
except OSError:
    open(os.path.join(os.environ["BELAY_SHARED"], "twice"), "w").close()
while True:
    time.sleep(60)
'''


HANDED = """server = Server(("127.0.0.1", port), Handler, bind_and_activate=False)
assert os.environ["LISTEN_FDS"] == "1" and os.environ["LISTEN_PID"] == str(os.getpid())
server.socket = socket.socket(fileno=3)
server.server_address = server.socket.getsockname()
assert server.server_address[1] == port
"""


class Shapes(TestCase):
    def test_processes_and_instances_switch_as_one_and_a_scheduler_never_runs_twice(self):
        m, r = self.machine, self.repository
        r.write("clock.py", CLOCK)
        r.write("worker.py", "import time\nprint('working', flush=True)\nwhile True: time.sleep(60)\n")
        self.live("r1", text='''
[service]
stop_timeout = "5s"
[service.web]
run = ["/usr/bin/python3", "app.py"]
instances = 2
[service.worker]
run = ["/usr/bin/python3", "worker.py"]
[service.clock]
run = ["/usr/bin/python3", "clock.py"]
overlap = false
''')
        def running(name):
            return [p for p in m.status("shop")["processes"] if p["process"] == name and p["state"] == "running"]
        self.assertEqual([len(running(n)) for n in ("web", "worker", "clock")], [2, 1, 1])
        with m.users(rate=80):
            record = m.deploy_push("shop", r, "r2")
            self.assertEqual(record["state"], "healthy", json.dumps(record, indent=1) + m.tail())
            wait_for("the old ones to end", lambda: len(m.status("shop")["processes"]) == 4)
            bad = m.deploy_push("shop", r, "r3", "dies 1")
            self.assertEqual(bad["state"], "rolled_back", json.dumps(bad, indent=1))
            wait_for("the old ones alone", lambda: len(m.status("shop")["processes"]) == 4)
        self.assertEqual({p["release"] for p in m.status("shop")["processes"]}, {record["release"]})
        self.assertEqual([len(running(n)) for n in ("web", "worker", "clock")], [2, 1, 1])
        self.assertFalse(os.path.exists(os.path.join(m.state, "shared/shop/twice")), "two schedulers ran at once")

    def test_an_address_that_the_configuration_drops_is_closed_and_one_that_it_adds_is_opened(self):
        m = self.machine
        self.live("r1")
        dropped, kept, added = m.proxy_port, *free_ports(2)

        def listen(*ports):
            with open(m.config) as file:
                lines = file.read().splitlines()
            addresses = ", ".join(f'"127.0.0.1:{port}"' for port in ports)
            at = lines.index("[proxy]") + 1
            lines[at] = f"listen = [{addresses}]"
            with open(m.config, "w") as file:
                file.write("\n".join(lines) + "\n")
            m.cli("reload")

        listen(dropped, kept)
        m.proxy_port = kept
        with m.users(rate=100):
            self.assertEqual(m.get(port=dropped)[1].split()[0], "r1")
            listen(kept, added)
            self.assertEqual(m.get(port=added)[1].split()[0], "r1")
            with self.assertRaises(ConnectionRefusedError):
                m.get(port=dropped)
            # A broken file says nothing of what is wanted.
            with open(m.config) as file:
                good = file.read()
            with open(m.config, "w") as file:
                file.write(good.replace("[proxy]\n", "[proxy]\nnonsense = 1\n").replace(f"127.0.0.1:{added}", "127.0.0.1:1"))
            m.cli("reload", check=False)
            self.assertEqual(m.get(port=added)[1].split()[0], "r1")
            with open(m.config, "w") as file:
                file.write(good)
            # A proxy that its shim starts anew has what is asked for, and no more.
            proxy = next(pid for pid, words in m.processes().items() if " proxy " in words and "belay-shim" not in words)
        os.kill(proxy, signal.SIGKILL)
        self.assertEqual(m.get(port=added, timeout=20)[1].split()[0], "r1")
        self.assertEqual(m.get(port=kept)[1].split()[0], "r1")
        with self.assertRaises(ConnectionRefusedError):
            m.get(port=dropped)

    def test_a_node_application_switches_without_a_lost_request(self):
        m, r = self.machine, self.repository
        node = shutil.which("node")
        self.assertTrue(node, "node is installed by scripts/bootstrap --test")
        r.write("server.js", NODE)
        self.live("r1", text=f'path = ["{os.path.dirname(node)}"]\n[service]\nrun = "exec node server.js"\nstop_timeout = "5s"\n')
        with m.users(rate=100) as users:
            for number in range(2, 6):
                self.assertEqual(m.deploy_push("shop", r, f"r{number}")["state"], "healthy")
        self.assertTrue({"r1", "r5"} <= set(users["releases"]))

    def test_an_app_that_is_handed_its_socket_is_never_refused(self):
        m, r = self.machine, self.repository
        with open(os.path.join(r.work, "app.py")) as file:
            app = file.read()
        bound = 'server = Server(("127.0.0.1", port), Handler)\n'
        self.assertIn(bound, app)
        r.write("app.py", "import socket\n" + app.replace(bound, HANDED))
        self.live("r1", text='[service]\nrun = ["/usr/bin/python3", "app.py"]\nsocket_activation = true\nstop_timeout = "5s"\n')
        with m.users(rate=80):
            self.assertEqual(m.deploy_push("shop", r, "r2")["state"], "healthy")
        bad = m.deploy_push("shop", r, "r3", "dies 1")
        self.assertEqual(bad["state"], "rolled_back", json.dumps(bad, indent=1))
        web = m.status("shop")["processes"][0]
        os.kill(int(m.get("/pid")[1]), signal.SIGKILL)
        for _ in range(20):  # nobody takes them yet
            socket.create_connection(("127.0.0.1", web["port"])).close()
        self.assertEqual(m.get()[1].split()[0], "r2")
        wait_for("its restart to be counted", lambda: m.status("shop")["processes"][0]["restarts"] > web["restarts"])

    def test_a_release_is_read_only_and_what_is_shared_lives_on(self):
        m, r = self.machine, self.repository
        r.write("storage/seed.txt", "seeded\n")
        with open(os.path.join(r.work, "app.py")) as file:
            app = file.read()
        r.write("app.py", app.replace(
            'print("serving', '''
try:
    open("new-file", "w").close()
    print("WROTE INTO THE RELEASE", flush=True)
except OSError: pass
open("tmp/scratch", "w").close()
open("storage/" + release, "w").close()
print("serving'''))
        self.live("r1", text='shared = ["storage"]\nwritable = ["tmp"]\n')
        self.assertEqual(m.deploy_push("shop", r, "r2")["state"], "healthy")
        shared = os.path.join(m.state, "shared/shop/storage")
        self.assertTrue({"seed.txt", "r1", "r2"} <= set(os.listdir(shared)), os.listdir(shared))
        self.assertNotIn("WROTE INTO", m.cli("logs", "shop").stdout)

    def test_the_environment_is_what_the_documentation_says_and_nothing_else(self):
        m, r = self.machine, self.repository
        self.live("r1", text='[env]\nCOLOUR = "blue"\n')
        seen = dict(line.split("=", 1) for line in m.get("/env")[1].splitlines())
        for name in ("LC_CTYPE", "PWD", "SHLVL", "OLDPWD", "_"):
            seen.pop(name, None)  # the interpreter's own doing
        self.assertEqual(set(seen), {"PATH", "HOME", "USER", "LANG", "TZ", "TMPDIR", "COLOUR", "PORT", "HOST", "BELAY_APP",
                                     "BELAY_DEPLOYMENT", "BELAY_RELEASE", "BELAY_COMMIT", "BELAY_REF", "BELAY_BRANCH", "BELAY_TAG",
                                     "BELAY_DESCRIBE", "BELAY_PROCESS", "BELAY_INSTANCE", "BELAY_PREVIOUS_COMMIT", "BELAY_SHARED"})
        self.assertEqual((seen["COLOUR"], seen["BELAY_APP"], seen["BELAY_BRANCH"]), ("blue", "shop", "main"))

    def test_each_app_has_users_of_its_own(self):
        if os.geteuid() != 0:
            # What can't be otherwise is said.
            self.live("r1")
            self.assertIn("not root: builds and apps run as this user", self.machine.tail(400))
            return
        m = self.machine
        self.live("r1")
        pid = int(m.get("/pid")[1])
        with open(f"/proc/{pid}/status") as file:
            uid = next(int(line.split()[1]) for line in file if line.startswith("Uid:"))
        self.assertGreaterEqual(uid, 52000)
        release = os.path.join(m.state, "releases/shop/1")
        self.assertEqual(os.stat(release).st_uid, 0)
        self.assertEqual(os.stat(release).st_mode & 0o222, 0)
        for closed in ("secrets", "run", "live", "proxy", "belay.db"):
            self.assertEqual(os.stat(os.path.join(m.state, closed)).st_mode & 0o077, 0, closed)


if __name__ == "__main__":
    unittest.main(verbosity=2)
