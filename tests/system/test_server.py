"""From an empty Debian to purge, as docs/operations.md tells it: the package, a real systemd, a repository over http and over ssh."""
import hashlib
import hmac
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
import unittest

HERE = os.path.dirname(os.path.abspath(__file__))
SOURCE = os.path.join(HERE, "../..")
sys.path.insert(0, os.path.join(HERE, "../e2e"))
from container import Container  # noqa: E402
from machine import Repository, SHORT, wait_for  # noqa: E402

ARCHIVE = os.environ["BELAY_SYSTEM_ROOT"]
OLD = os.environ["BELAY_OLD_PACKAGE"]
NEW = os.environ["BELAY_NEW_PACKAGE"]  # the same of a later version
ENDS = ("healthy", "failed", "rolled_back", "canceled", "superseded")


class OnServer(unittest.TestCase):
    """A booted Debian, and what is done on it and around it."""
    archive = ARCHIVE
    traffic = ""  # what the next app's file says of it
    service = ""  # and in [service]

    def setUp(self):
        self.folder = tempfile.mkdtemp(prefix="belay-system-")
        self.addCleanup(shutil.rmtree, self.folder, ignore_errors=True)
        self.box = Container(self.archive, self.folder)
        self.addCleanup(self.box.close)
        os.makedirs(os.path.join(self.folder, "forge"))
        self.repository = Repository(os.path.join(self.folder, "forge"))
        self.box.boot()

    # --- the world outside: a git server in the container's network
    def serve_http(self):
        server = subprocess.Popen([*self.box.network(), sys.executable, os.path.join(HERE, "../support/git_http_server.py"),
                                   os.path.dirname(self.repository.bare), "", "", ""], stdout=subprocess.PIPE, text=True,
                                  env=dict(os.environ, GIT_CONFIG_COUNT="1", GIT_CONFIG_KEY_0="safe.directory", GIT_CONFIG_VALUE_0="*"))
        self.addCleanup(server.stdout.close)
        self.addCleanup(server.wait)
        self.addCleanup(server.kill)
        return f"http://127.0.0.1:{int(server.stdout.readline())}/shop.git"

    def users(self, rate=50, *options):
        judge = subprocess.Popen([*self.box.network(), sys.executable, os.path.join(HERE, "../e2e/judge.py"), "80", str(rate), *options],
                                 stdout=subprocess.PIPE, text=True)
        judge.stdout.readline()
        self.addCleanup(judge.stdout.close)
        self.addCleanup(judge.wait)
        self.addCleanup(judge.kill)
        return judge

    def verdict(self, judge):
        judge.terminate()
        output, _ = judge.communicate(timeout=60)
        return json.loads(output.strip().splitlines()[-1])

    def assert_none_failed(self, judge, what):
        verdict = self.verdict(judge)
        print(f"{what}: {verdict['sent']} requests, {verdict['failed']} failed, longest gap {verdict['max_gap_ms']} ms", flush=True)
        self.assertEqual(verdict["failed"], 0, json.dumps(verdict, indent=1) + self.box.log())

    # --- the server
    def belay(self, *arguments, **keywords):
        return self.box.run("belay", *arguments, **keywords)

    def json(self, *arguments):
        return json.loads(self.belay(*arguments, "--json").stdout)

    def wait_end(self, identity, deadline=120):
        def ended():
            record = self.json("show", identity)
            return record if record["state"] in ENDS else None
        return wait_for(f"the end of {identity}", ended, deadline)

    def newest(self, app="shop"):
        items = self.json("history", app)["items"]
        return items[0] if items else None

    def push(self, release, mode="ok", **files):
        return self.wait_end(self.deliver(release, mode, **files))

    def deliver(self, release, mode="ok", **files):
        """Pushes with git, and tells the server as GitHub would, through the proxy."""
        commit = self.repository.commit(release, mode, **files)
        self.repository.push()
        return self.tell("shop", release, commit)

    def tell(self, app, release, commit):
        body = json.dumps({"ref": "refs/heads/main", "before": "0" * 40, "after": commit, "head_commit": {"id": commit, "message": release},
                           "repository": {"full_name": f"octo/{app}"}})
        with open(self.box.root + f"/etc/belay/secrets/{app}.hook") as file:
            secret = file.read().strip()
        signature = hmac.new(secret.encode(), body.encode(), hashlib.sha256).hexdigest()
        answer = subprocess.run([*self.box.network(), "curl", "-sS", "-H", "Host: deploy.test", "-H", "Content-Type: application/json",
                                 "-H", "X-GitHub-Event: push", "-H", f"X-GitHub-Delivery: {commit}", "-H",
                                 f"X-Hub-Signature-256: sha256={signature}", "--data-binary", "@-", f"http://127.0.0.1/hooks/{app}"],
                                input=body, capture_output=True, text=True, check=True)
        queued = json.loads(answer.stdout)
        self.assertEqual(queued.get("decision"), "queued", answer.stdout + self.box.log())
        return queued["deployment"]

    def served(self):
        done = self.box.run("curl", "-sS", "-m", "5", "http://127.0.0.1/", check=False)
        return done.stdout.split()[0] if done.returncode == 0 and done.stdout else f"curl {done.returncode}"

    def pids(self, words):
        return self.box.run("pgrep", "-f", words, check=False).stdout.split()

    def group(self, pid):
        """Of version 2; the machine around the container may have others."""
        lines = self.box.run("cat", f"/proc/{pid}/cgroup").stdout.splitlines()
        return next(line[3:] for line in lines if line.startswith("0::"))

    def assert_in_groups(self, pids):
        """They live below the unit that is never started anew, each in a group of its run; the daemon does not."""
        for pid in pids:
            self.assertRegex(self.group(pid), r"^/system\.slice/belay-groups\.service/belay-[0-9a-f]{8}/run-")
        self.assertEqual(self.group(self.unit("belay", "MainPID")), "/system.slice/belay.service")

    def app_file(self, url):
        return f"""repo = "{url}"
poll = "off"
[test]
run = "test ! -e broken && if test -e slow; then sleep 4; fi"
[service]
run = ["/usr/bin/python3", "app.py"]
stop_timeout = "5s"
{self.service}{SHORT}"""

    def install(self, package, *options):
        self.box.copy_in(package, "/root/" + os.path.basename(package))
        return self.box.run("apt-get", "install", "-y", *options, "/root/" + os.path.basename(package),
                            DEBIAN_FRONTEND="noninteractive")

    def unit(self, name, field):
        return self.box.run("systemctl", "show", "-p", field, "--value", name).stdout.strip()

    def wait_daemon(self):
        wait_for("the daemon to answer", lambda: self.belay("status", check=False).returncode == 0)

    def documented(self, section):
        """The commands of a section of docs/operations.md, as a reader types them."""
        with open(os.path.join(SOURCE, "docs/operations.md")) as file:
            block = file.read().split(f"\n## {section}\n", 1)[1].split("```sh\n", 1)[1].split("```", 1)[0]
        return [line.split("#", 1)[0].strip() for line in block.splitlines()]

    def edit(self, path):
        """What a person would do in an editor."""
        if path.startswith("/etc/belay/apps/"):
            self.assertIn(f'repo = "{self.url}"', " ".join(self.box.run("cat", path).stdout.split()))
            return self.box.write(path, self.app_file(self.url) + self.traffic)
        text = self.box.run("cat", path).stdout
        for old, new in (('allow   = ["https", "ssh", "git"]', 'allow   = ["https", "ssh", "git", "http"]'),
                         ('#= public_url = "https://deploy.example.com"', 'public_url = "http://deploy.test"'),
                         ('disk_reserve = "1GiB"', 'disk_reserve = "16MiB"')):
            self.assertIn(old, text)
            text = text.replace(old, new)
        self.box.write(path, text)

    def type(self, command):
        words = command.split()
        if words[0] == "editor":
            return self.edit(words[1])
        words = [self.url if word.startswith(("https://", "ssh://")) else word for word in words]
        if words[0] == "ssh-keyscan":
            words = ["sh", "-c", " ".join(words).replace("git.example.com", "127.0.0.1")]
        return self.box.run(*words, DEBIAN_FRONTEND="noninteractive")

    def set_up(self):
        """The documents' way, literally; only names are others."""
        box = self.box
        install = self.documented("Install")
        self.assertRegex(install[0], r"^apt install \./belay_[0-9.]+_amd64\.deb$")
        said = self.install(OLD)
        self.assertNotIn("W: ", said.stderr)
        for command in install[1:]:
            self.type(command)
        for unit in ("belay.service", "belay-groups.service", "belay-proxy.service", "belay-proxy.socket"):
            self.assertEqual(self.unit(unit, "ActiveState"), "active", unit + box.log())
        self.assertEqual(box.run("systemctl", "is-enabled", "belay").stdout.strip(), "enabled")
        self.assertEqual(box.run("stat", "-c", "%a %U", "/etc/belay/secrets").stdout.strip(), "700 root")
        self.assertIn("\ngithub.com ssh-ed25519 ", box.run("cat", "/etc/belay/known_hosts").stdout)
        self.assertIn('listen          = [":80"]', box.run("cat", "/etc/belay/belay.toml").stdout)
        self.first_deployment()

    def first_deployment(self):
        self.url = self.serve_http()
        self.repository.commit("r1")
        self.repository.push()
        for command in self.documented("First deployment"):
            self.type(command)
        first = self.wait_end(wait_for("the first deployment", self.newest)["id"])
        self.assertEqual(first["state"], "healthy", json.dumps(first, indent=1) + self.box.log())
        self.assertEqual(self.served(), "r1")


class Server(OnServer):
    def test_from_an_empty_machine_to_purge(self):
        box = self.box
        self.set_up()

        judge = self.users()
        self.assertEqual(self.push("r2")["state"], "healthy")
        broken = self.push("r3", broken="x")
        self.assertEqual((broken["state"], broken["reason"]), ("failed", "test_failed"))
        os.remove(os.path.join(self.repository.work, "broken"))
        self.assertEqual(self.push("r4", "unhealthy")["state"], "failed")
        self.assertEqual(self.push("r5", "dies 1")["state"], "rolled_back")
        self.belay("resume", "shop", check=False)
        self.assertEqual(self.served(), "r2")

        apps = self.pids("python3 app.py")
        self.assertTrue(apps)
        self.assert_in_groups(apps)
        box.run("systemctl", "restart", "belay")
        self.assertEqual(self.pids("python3 app.py"), apps)
        self.assertNotEqual(box.run("systemctl", "stop", "belay-groups", check=False).returncode, 0)
        self.assertEqual(self.pids("python3 app.py"), apps)
        self.assert_in_groups(apps)
        box.run("kill", "-KILL", self.unit("belay", "MainPID"))
        self.wait_daemon()
        self.assertEqual(self.pids("python3 app.py"), apps)
        self.assert_none_failed(judge, "pushes, restart, kill of the daemon")

        proxy = self.unit("belay-proxy", "MainPID")
        judge = self.users(200)
        under_way = self.deliver("r6", slow="x")
        wait_for("its test", lambda: self.json("show", under_way)["state"] == "testing")
        self.install(NEW)
        self.wait_daemon()
        self.assertEqual(self.pids("python3 app.py"), apps)
        self.assertIn(self.json("show", under_way)["state"], ("queued", "fetching", "building", "testing"))
        wait_for("another proxy", lambda: self.unit("belay-proxy", "MainPID") not in (proxy, "0"))
        self.assertEqual(box.run("readlink", f"/proc/{self.unit('belay-proxy', 'MainPID')}/exe").stdout.strip(), "/usr/bin/belay")
        self.assertEqual(self.wait_end(under_way)["state"], "healthy")
        self.assertEqual(self.served(), "r6")
        os.remove(os.path.join(self.repository.work, "slow"))
        doctor = self.belay("doctor", check=False)
        self.assertEqual(doctor.returncode, 0, doctor.stdout)
        apps = self.pids("python3 app.py")
        self.install(OLD, "--allow-downgrades")
        self.wait_daemon()
        self.assertEqual(self.pids("python3 app.py"), apps)
        self.assertEqual(self.push("r7")["state"], "healthy")
        self.assert_none_failed(judge, "upgrade, push, downgrade, push")
        wait_for("the replaced proxies to end", lambda: len(self.pids("^/usr/bin/belay proxy")) == 1, 60)

        shutil.move(self.repository.bare, self.repository.bare + ".gone")
        apps = self.pids("python3 app.py")
        began = time.monotonic()
        box.reboot()
        wait_for("the release after the reboot", lambda: self.served() == "r7", 60)
        print(f"{time.monotonic() - began:.1f} s from `systemctl reboot` to the first answer", flush=True)
        box.wait_running()
        self.assertNotEqual(self.pids("python3 app.py"), apps)

        self.belay("shutdown")
        for unit in ("belay.service", "belay-proxy.service", "belay-proxy.socket"):
            wait_for(f"{unit} to be down", lambda name=unit: self.unit(name, "ActiveState") == "inactive", 30)
        self.assertEqual(self.pids("belay|app.py"), [])
        box.run("systemctl", "start", "belay")
        wait_for("the release after a shutdown", lambda: self.served() == "r7", 30)

        box.run("apt-get", "remove", "-y", "belay", DEBIAN_FRONTEND="noninteractive")
        self.assertEqual(self.served(), "r7")
        self.install(OLD)
        self.wait_daemon()
        self.assertEqual(self.json("status")["items"][0]["live"]["release"] > 0, True)
        box.run("apt-get", "purge", "-y", "belay", DEBIAN_FRONTEND="noninteractive")
        self.assertEqual(self.pids("belay|app.py"), [])
        self.assertTrue(self.served().startswith("curl 7"))
        for path in ("/etc/belay", "/var/lib/belay", "/usr/bin/belay"):
            self.assertFalse(os.path.exists(self.box.root + path), path)

    def test_the_runtimes_keep_their_contract_under_a_real_systemd(self):
        """tests/integration/runtime, where the half of it that needs systemd as PID 1 is skipped on a machine without."""
        build = os.path.realpath(os.path.join(SOURCE, "build/dev"))
        test = os.path.join(build, "tests/integration/runtime/integration_runtime")
        for program in (test, os.path.join(os.path.dirname(test), "belay_runtime_driver"),
                        os.path.join(build, "tests/integration/sys/belay_test_program"), os.path.join(build, "src/shim/belay-shim")):
            os.makedirs(self.box.root + os.path.dirname(program), exist_ok=True)
            shutil.copy(program, self.box.root + program)
        # Control groups are tried where they can be made, outside of this container.
        done = self.box.run(test, "--gtest_brief=1", "--gtest_filter=-GroupsTest.*", check=False, timeout=300)
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        self.assertGreater(int(re.search(r"PASSED  \] (\d+) test", done.stdout).group(1)), 50, done.stdout)
        self.assertIn("SKIPPED ] 2 tests.", done.stdout, "what says how it is without systemd, and nothing else")
        # With a systemd that gets only idle time some programs end before it has seen them begin.
        self.box.run("chrt", "--idle", "--pid", "0", "1")
        try:
            done = self.box.run(test, "--gtest_brief=1", "--gtest_repeat=150", "--gtest_filter=*WhatHasNoPolicyStaysDown/systemd", check=False, timeout=300)
        finally:
            self.box.run("chrt", "--other", "--pid", "0", "1")
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)

    def units(self, app="shop"):
        """What runs of the app as units of systemd."""
        listed = self.box.run("systemctl", "list-units", "--plain", "--no-legend", "--state=active", f"belay-{app}.*.service").stdout
        return [line.split()[0] for line in listed.splitlines()]

    def wait_for_one_process(self):
        """What is being stopped is neither live nor an active unit any more, and may still have its process."""
        wait_for("the processes of all others to end", lambda: len(self.pids("python3 app.py")) == 1, 30)

    def boots(self, app="shop"):
        path = self.box.root + f"/etc/systemd/system/belay-{app}.target"
        if not os.path.exists(path):
            return []
        with open(path) as file:
            return [line.strip().removeprefix("Wants=") for line in file if line.startswith("Wants=")]

    def break_belay(self):
        """From its next start on."""
        self.box.write("/etc/systemd/system/belay.service.d/broken.conf", "[Service]\nExecStart=\nExecStart=/bin/false\n")

    def mend_belay(self):
        shutil.rmtree(self.box.root + "/etc/systemd/system/belay.service.d")
        self.box.run("systemctl", "daemon-reload")
        self.box.run("systemctl", "restart", "belay")
        self.wait_daemon()

    def test_an_app_that_systemd_keeps(self):
        box = self.box
        self.service = 'runtime = "systemd"\nlimits = { memory = "256MiB", cpu = 1.5, processes = 100 }\n'
        self.set_up()
        first, = self.units()
        self.assertEqual(first, "belay-shop.1.web.1.1.service")
        for name, value in (("MemoryMax", str(256 << 20)), ("CPUQuotaPerSecUSec", "1.500000s"), ("TasksMax", "100"), ("Restart", "always"),
                            ("NoNewPrivileges", "yes"), ("Slice", "belay-apps.slice")):
            self.assertEqual(self.unit(first, name), value, name)
        self.assertEqual(self.boots(), [first])
        app, = self.pids("python3 app.py")
        self.assertNotEqual(box.run("stat", "-c", "%u", f"/proc/{app}").stdout.strip(), "0")

        judge = self.users()
        self.assertEqual(self.push("r2")["state"], "healthy")
        live, = self.units()
        self.assertEqual(self.boots(), [live])
        broken = self.push("r3", broken="x")
        self.assertEqual((broken["state"], broken["reason"]), ("failed", "test_failed"))
        os.remove(os.path.join(self.repository.work, "broken"))
        self.assertEqual(self.push("r4", "unhealthy")["state"], "failed")
        dies = self.push("r5", "dies 1")
        self.assertEqual((dies["state"], dies["reason"]), ("rolled_back", "exited"), json.dumps(dies, indent=1))
        self.belay("resume", "shop", check=False)
        self.assertEqual(self.served(), "r2")
        self.assertEqual(self.units(), [live], "nothing is left of those that failed")

        apps = self.pids("python3 app.py")
        box.run("systemctl", "restart", "belay")
        self.assertEqual(self.pids("python3 app.py"), apps)
        box.run("kill", "-KILL", self.unit("belay", "MainPID"))
        self.wait_daemon()
        box.run("systemctl", "restart", "dbus")
        self.assertEqual(self.pids("python3 app.py"), apps)
        self.assertEqual(self.push("r6")["state"], "healthy")
        rollback = self.belay("rollback", "shop", "--wait", "--no-hold", check=False)
        self.assertEqual(rollback.returncode, 0, rollback.stdout + rollback.stderr + box.log())
        self.assertEqual(self.served(), "r2")
        self.assert_none_failed(judge, "pushes, kill of the daemon, rollback with units of systemd")
        live, = self.units()
        self.assertEqual(self.boots(), [live])

        # Its end is systemd's to see to, and is told by the daemon.
        box.run("kill", "-KILL", self.unit(live, "MainPID"))
        wait_for("another process", lambda: self.unit(live, "NRestarts") == "1" and self.served() == "r2", 30)
        wait_for("the daemon's word on it", lambda: "killed by KILL" in box.log(), 30)

        # A machine whose Belay does not come up.
        self.break_belay()
        box.reboot()
        box.wait_running()
        wait_for("the release without a daemon", lambda: self.served() == "r2", 60)
        self.assertNotEqual(self.belay("status", check=False).returncode, 0)
        self.assertEqual(self.units(), [live])
        apps = self.pids("python3 app.py")
        self.assertEqual(len(apps), 1)
        judge = self.users()
        self.mend_belay()
        self.assertEqual(self.pids("python3 app.py"), apps, "it is taken over, not started again")
        self.assertEqual(self.units(), [live])
        self.assertEqual(self.push("r7")["state"], "healthy")
        self.assert_none_failed(judge, "a daemon that comes after its app")
        self.wait_for_one_process()

        # A boot as it should be.
        box.reboot()
        box.wait_running()
        self.wait_daemon()
        wait_for("the release after a boot", lambda: self.served() == "r7", 60)
        self.wait_for_one_process()
        self.assertEqual(self.boots(), self.units())

        # The machine goes down in a bake, and no Belay comes up. The proxy was told of the new release, but what is proven answers.
        box.write("/etc/belay/apps/shop.toml", re.sub(r'\nbake = "\w+"', '\nbake = "15s"', self.app_file(self.url) + self.traffic))
        self.belay("reload")
        watched = self.deliver("r8")
        wait_for("its bake", lambda: self.json("show", watched)["state"] == "baking")
        self.assertEqual(self.served(), "r8")
        self.break_belay()
        box.reboot()
        box.wait_running()
        wait_for("the proven release without a daemon", lambda: self.served() == "r7", 60)
        self.assertNotEqual(self.belay("status", check=False).returncode, 0)
        judge = self.users()
        self.mend_belay()
        self.assertEqual(self.wait_end(watched)["state"], "healthy")
        self.assert_none_failed(judge, "a daemon that comes after a reboot in a bake")
        self.assertEqual(self.served(), "r8")
        self.wait_for_one_process()

        # Back to shims, and to nothing at all.
        judge = self.users()
        self.service = ""
        self.edit("/etc/belay/apps/shop.toml")
        self.belay("reload")
        moved = self.belay("deploy", "shop", "--wait", check=False)
        self.assertEqual(moved.returncode, 0, moved.stdout + moved.stderr)
        self.assert_none_failed(judge, "from systemd to shims")
        self.assertEqual((self.units(), self.boots()), ([], []))
        self.wait_for_one_process()
        self.service = 'runtime = "systemd"\n'
        self.edit("/etc/belay/apps/shop.toml")
        self.belay("reload")
        self.assertEqual(self.belay("deploy", "shop", "--wait", check=False).returncode, 0)
        self.assertEqual(self.boots(), self.units())
        wait_for("the end of the release before", lambda: self.belay("stop", "shop", check=False).returncode == 0)
        self.assertEqual((self.units(), self.boots()), ([], []))
        self.belay("start", "shop", "--wait", check=False)
        wait_for("the app again", lambda: self.served() == "r8", 60)
        box.run("apt-get", "purge", "-y", "belay", DEBIAN_FRONTEND="noninteractive")
        self.assertEqual(self.pids("belay|app.py"), [])
        self.assertEqual(box.run("sh", "-c", "find /etc/systemd -name 'belay*'").stdout, "")

    def test_a_daemon_may_die_at_any_step_of_a_units_life(self):
        box = self.box
        self.service = 'runtime = "systemd"\n'
        self.set_up()
        # One with failpoints, which meets each once: what aims it is gone with the process that it hit.
        box.copy_in(os.path.join(SOURCE, "build/dev/src/app/belay"), "/usr/bin/belay.aimed")
        box.run("mv", "/usr/bin/belay.aimed", "/usr/bin/belay")
        box.write("/etc/systemd/system/belay.service.d/aimed.conf",
                  "[Service]\nEnvironmentFile=-/run/belay-failpoint\nExecStopPost=/bin/rm -f /run/belay-failpoint\n")
        box.run("systemctl", "daemon-reload")
        judge = self.users()
        for number, point in enumerate(("candidate_forked", "unit_started", "candidate_started", "before_flip", "after_flip", "live_written",
                                        "unit_policy_written", "promoted", "unit_boot_written", "unit_stopped"), 2):
            with self.subTest(point):
                box.run("systemctl", "stop", "belay")
                box.run("sh", "-c", f"echo BELAY_FAILPOINT={point} >/run/belay-failpoint")
                box.run("systemctl", "start", "belay")
                self.wait_daemon()
                identity = self.deliver(f"r{number}")
                wait_for(f"a death at {point}", lambda: int(self.unit("belay", "NRestarts")) > 0, 60)
                self.wait_daemon()
                end = self.wait_end(identity)
                self.assertEqual(end["state"], "healthy", json.dumps(end, indent=1) + box.log())
                self.assertEqual(self.served(), f"r{number}")
                wait_for("the end of all others", lambda: len(self.units()) == 1 and self.boots() == self.units(), 30)
                self.wait_for_one_process()
                self.assertEqual(self.unit(self.units()[0], "Restart"), "always")
                self.assertEqual(len(os.listdir(box.root + "/var/lib/belay/units")), 1)
        self.assert_none_failed(judge, "10 deaths of the daemon in the life of a unit")

    def serve_ssh(self):
        """The same repository again, at a git server that is reached by ssh alone."""
        box = self.box
        box.run("useradd", "--create-home", "git")
        shutil.copytree(self.repository.bare, box.root + "/srv/git/blog.git")
        box.run("chown", "-R", "git:", "/srv/git")
        box.run("systemctl", "start", "ssh")
        return "ssh://git@127.0.0.1/srv/git/blog.git"

    def test_a_private_repository_over_ssh(self):
        box = self.box
        self.set_up()
        self.url = self.serve_ssh()
        self.traffic = 'listen = ["127.0.0.1:3100"]\n'
        served = lambda: box.run("curl", "-sS", "-m", "5", "http://127.0.0.1:3100/", check=False).stdout.split()[:1]
        for command in self.documented("A private repository over ssh"):
            done = self.type(command)
            if command.startswith("belay init"):
                keys = set(re.findall(r"ssh-ed25519 \S+", done.stdout))
                self.assertEqual(len(keys), 1, done.stdout)
                box.write("/home/git/.ssh/authorized_keys", f"restrict {keys.pop()}\n")
                box.run("chown", "-R", "git:", "/home/git/.ssh")
        first = self.wait_end(wait_for("the first deployment", lambda: self.newest("blog"))["id"])
        self.assertEqual(first["state"], "healthy", json.dumps(first, indent=1) + box.log())
        self.assertEqual(served(), ["r1"])
        commit = self.repository.commit("r2")
        box.run("chown", "-R", "root:", "/srv/git")  # git works on nobody else's repositories
        subprocess.run(["git", "-C", self.repository.work, "push", "-q", box.root + "/srv/git/blog.git", "HEAD:main"], check=True)
        box.run("chown", "-R", "git:", "/srv/git")
        second = self.wait_end(self.tell("blog", "r2", commit))
        self.assertEqual(second["state"], "healthy", json.dumps(second, indent=1) + box.log())
        self.assertEqual(served(), ["r2"])
        self.assertEqual(self.served(), "r1")

    def test_a_killed_proxy_leaves_clients_in_the_queue_of_systemd(self):
        """Also those of listeners that the daemon opened later. Lost is what was in flight in it, nothing else, and of that
        what no client may send again."""
        box = self.box
        self.set_up()
        with open(box.root + "/etc/belay/apps/shop.toml", "a") as file:
            file.write('listen = ["127.0.0.1:3000"]\n')
        box.run("systemctl", "reload", "belay")
        own = ("curl", "-sS", "-m", "5", "http://127.0.0.1:3000/")
        wait_for("the app's own port", lambda: box.run(*own, check=False).stdout.startswith("r1"))
        judge, kills = self.users(50, "--reconnect", "--repeat"), []
        for _ in range(5):
            proxy = self.unit("belay-proxy", "MainPID")
            kills.append(time.time())
            box.run("kill", "-KILL", proxy)
            wait_for("another proxy", lambda: self.unit("belay-proxy", "MainPID") not in (proxy, "0"))
            self.assertTrue(box.run(*own).stdout.startswith("r1"))
            self.assertEqual(self.served(), "r1")
        verdict = self.verdict(judge)
        print(f"5 proxies killed: {verdict['sent']} requests, {verdict['repeated']} repeated, {verdict['failed']} failed: {json.dumps(verdict.get('failures'))[:600]}", flush=True)
        # What began before a kill, and was cut off by it.
        self.assertLessEqual(verdict["failed"], len(verdict["failures"]), "more than can be looked at")
        for one in verdict["failures"]:
            self.assertTrue(one["kind"].startswith("POST"), one)
            self.assertTrue(one["why"].startswith(("ConnectionResetError", "IncompleteReadError")), one)
            self.assertTrue(any(kill - 1 < one["at"] < kill + 0.1 < one["at"] + one["took_ms"] / 1000 + 0.3 for kill in kills), (one, kills))

    def test_proxies_that_follow_one_another_lose_no_request(self):
        self.set_up()
        judge = self.users(300)
        for _ in range(20):
            proxy = self.unit("belay-proxy", "MainPID")
            self.box.run("systemctl", "reload", "belay-proxy")
            wait_for("another proxy", lambda before=proxy: self.unit("belay-proxy", "MainPID") not in (before, "0"))
        self.assert_none_failed(judge, "20 proxies that follow one another")
        self.assertEqual(self.push("r2")["state"], "healthy")
        self.assertEqual(self.served(), "r2")

    def test_a_daemon_that_stands_still_is_restarted_and_nothing_live_with_it(self):
        self.set_up()
        self.box.write("/etc/systemd/system/belay.service.d/soon.conf", "[Service]\nWatchdogSec=2\nTimeoutAbortSec=1\n")
        self.box.run("systemctl", "daemon-reload")
        self.box.run("systemctl", "restart", "belay")
        apps, judge = self.pids("python3 app.py"), self.users()
        daemon = self.unit("belay", "MainPID")
        self.box.run("kill", "-STOP", daemon)
        wait_for("another daemon", lambda: self.unit("belay", "MainPID") not in (daemon, "0"), 30)
        self.wait_daemon()
        self.assertEqual(self.unit("belay", "NRestarts"), "1")
        self.assertEqual(self.pids("python3 app.py"), apps)
        self.assert_none_failed(judge, "a daemon that stood still")

    def test_hardening(self):
        self.install(OLD)
        for unit, most in (("belay-proxy.service", 3.0), ("belay.service", 6.2)):
            said = self.box.run("systemd-analyze", "security", "--no-pager", unit).stdout
            overall = [line for line in said.splitlines() if "Overall exposure level" in line][0]
            print(overall, flush=True)
            self.assertLessEqual(float(overall.split(":")[1].split()[0]), most, said)

    def test_a_web_server_that_was_here_first_keeps_port_80(self):
        box = self.box
        box.write("/etc/systemd/system/other.service", "[Service]\nExecStart=/usr/bin/python3 -m http.server 80\n")
        box.run("systemctl", "start", "other")
        wait_for("the other server", lambda: box.run("curl", "-s", "http://127.0.0.1/", check=False).returncode == 0)
        said = self.install(OLD)
        self.assertIn("port 80 is held by python3", said.stdout + said.stderr)
        self.assertIn("listen          = []", box.run("cat", "/etc/belay/belay.toml").stdout)
        self.assertEqual(box.run("systemctl", "is-active", "belay").stdout.strip(), "active")


if __name__ == "__main__":
    unittest.main(verbosity=2)
