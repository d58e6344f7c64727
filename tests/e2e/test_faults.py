"""Rows of the fault table (docs/reliability.md) that need the whole Belay, each with users at the door where an app is live."""
import concurrent.futures
import contextlib
import http.client
import http.server
import json
import os
import random
import resource
import signal
import socket
import sqlite3
import subprocess
import threading
import time
import unittest
from datetime import datetime

from machine import APP, BELAY, SHORT, TestCase, wait_for

# What a client may see of a proxy that is killed: connections that it held. None that was only queued.
LOST_WITH_THE_PROXY = ("kept-alive connection was closed", "IncompleteReadError", "ConnectionResetError")


def windows(**changes):
    """The tests' short windows with some of them changed: windows(bake="5s")."""
    text = SHORT
    for name, value in changes.items():
        lines = [line for line in text.splitlines() if line.startswith(f"{name} = ")]
        text = text.replace(lines[0], f'{name} = "{value}"')
    return text


def at(text):
    return datetime.fromisoformat(text.replace("Z", "+00:00")).timestamp()


def alive(pid):
    try:
        with open(f"/proc/{pid}/stat") as file:
            return file.read().rsplit(")", 1)[1].split()[0] != "Z"
    except OSError:
        return False


@contextlib.contextmanager
def control_group(controller):
    """A cgroup (v1) of our own below `controller`; skips where there is none."""
    path = f"/sys/fs/cgroup/{controller}/belay-test-{os.getpid()}"
    try:
        os.mkdir(path)
    except OSError as problem:
        raise unittest.SkipTest(f"needs cgroup v1 {controller}: {problem}") from None
    try:
        yield path
    finally:
        def gone():
            with contextlib.suppress(OSError):
                with open(f"{path}/cgroup.procs") as file:
                    for pid in file.read().split():
                        write(os.path.join(os.path.dirname(path), "cgroup.procs"), pid)
                os.rmdir(path)
            return not os.path.exists(path)
        wait_for("the cgroup to be empty", gone)


def write(path, text):
    with open(path, "w") as file:
        file.write(text)


class Faults(TestCase):
    def needs_limit(self, name):
        """Skips where this machine's control groups can't bound it; `belay doctor` knows."""
        found = self.machine.cli("doctor", "--json", check=False).stdout
        for one in json.loads(found)["items"]:
            if one["check"] == "limits" and one["level"] != "ok" and name in one["text"].split(":")[0]:
                self.skipTest(one["text"])

    def push(self, release, mode="ok", **files):
        """Pushes and delivers; the deployment's id."""
        commit = self.repository.commit(release, mode, **files)
        self.repository.push()
        answer = self.machine.deliver("shop", self.repository, commit)
        self.assertEqual(answer["status"], 202, answer)
        return answer["deployment"]

    def ended(self, identity, state, reason=None):
        record = self.machine.wait_end(identity)
        self.assertEqual(record["state"], state, json.dumps(record, indent=1) + self.machine.tail())
        if reason:
            self.assertEqual(record["reason"], reason, json.dumps(record, indent=1))
        return record

    def proxy(self):
        return next((p for p, w in self.machine.processes().items() if " proxy " in w and "belay-shim" not in w), None)

    def kill_proxy(self):
        old = self.proxy()
        os.kill(old, signal.SIGKILL)
        wait_for("another proxy", lambda: self.proxy() not in (None, old), 10)

    def version(self):
        """Of the running daemon."""
        with open(self.machine.log) as file:
            said = [line for line in file if " belay is starting " in line][-1]
        return said.split(" version=")[1].split()[0].encode()

    def wait_log(self, text):
        def said():
            with open(self.machine.log) as file:
                return text in file.read()
        wait_for(f"the log to say {text!r}", said)

    def shared(self, name):
        return os.path.join(self.machine.state, "shared/shop", name)


class DaemonFaults(Faults):
    def test_fault09_a_candidate_is_adopted_and_its_window_begins_anew(self):
        m = self.machine
        self.live("r1", windows=windows(min_healthy_time="3s"))
        with m.users(rate=60):
            second = self.push("r2")
            m.wait_state(second, "verifying")
            candidate = wait_for("the candidate", lambda: [p for p in self.app_processes() if str(p) != m.get("/pid")[1]])[0]
            m.kill()
            killed = time.time()
            m.start()
            record = self.ended(second, "healthy")
            self.assertEqual(m.get("/pid")[1], str(candidate), "it was started again")
            self.assertGreaterEqual(at(record["switched_at"]) - killed, 3.0, "its window did not begin anew")
        self.one_live_release("r2", record["release"])

    def test_fault12_a_drain_goes_on_and_the_old_release_ends(self):
        m = self.machine
        self.live("r1", windows=windows(drain="8s", bake="10s"))
        old = int(m.get("/pid")[1])
        with m.users(rate=60):
            with socket.create_connection(("127.0.0.1", m.proxy_port)) as slow:
                slow.sendall(b"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 10\r\n\r\nhalf ")
                second = self.push("r2")
                m.wait_state(second, "draining")
                m.kill()
                m.start()
                m.wait_state(second, "draining", "baking")
                slow.sendall(b"whole")
                slow.settimeout(10)
                answer = http.client.HTTPResponse(slow)
                answer.begin()
                self.assertEqual((answer.status, answer.read().strip()), (200, b"r1 ok"))
            record = self.ended(second, "healthy")
        wait_for("the old release to end", lambda: not alive(old))
        self.one_live_release("r2", record["release"])

    def test_fault13_after_a_death_in_the_bake_the_way_back_is_still_open(self):
        m = self.machine
        self.live("r1", windows=windows(bake="10s"))
        old = m.get("/pid")[1]
        with m.users(rate=60):
            second = self.push("r2", "sick-after 6")
            m.wait_state(second, "baking")
            m.kill()
            m.start()
            self.ended(second, "rolled_back", "unhealthy")
            self.assertEqual(m.get("/pid")[1], old, "the old release did not stay warm")
        self.one_live_release("r1", 1)

    def test_fault13_a_death_in_the_bake_with_no_daemon_costs_no_request(self):
        m = self.machine
        self.live("r1", windows=windows(bake="8s"))
        old = m.get("/pid")[1]
        with m.users(rate=60):
            second = self.push("r2", "dies 4")
            m.wait_state(second, "baking")
            m.kill()
            new = int(m.get("/pid")[1])
            self.assertNotEqual(str(new), old)
            # Its shim starts it again, and it dies again; between the two nothing of it listens.
            wait_for("the release before to answer", lambda: m.get("/pid")[1] == old)
            self.assertFalse(alive(new))
            wait_for("the new release to be there again", lambda: m.get("/pid")[1] not in (old, str(new)))
            wait_for("the release before to answer again", lambda: m.get("/pid")[1] == old)
            m.start()
            self.ended(second, "rolled_back", "exited")
        self.one_live_release("r1", 1)

    def paused(self, seconds):
        """The daemon does not run for so long."""
        self.machine.daemon.send_signal(signal.SIGSTOP)
        begun = time.monotonic()
        wait_for("the pause to be over", lambda: time.monotonic() - begun > seconds)
        resumed = time.time() - 0.001  # the record's times are whole milliseconds
        self.machine.daemon.send_signal(signal.SIGCONT)
        return resumed

    def test_fault15_a_daemon_that_was_stopped_fails_nothing_for_it(self):
        m = self.machine
        self.live("r1", windows=windows(min_healthy_time="2s", deadline="6s", bake="4s"))
        with m.users(rate=60):
            second = self.push("r2")
            m.wait_state(second, "verifying")
            resumed = self.paused(8)  # beyond the deadline
            record = self.ended(second, "healthy")
            self.assertGreaterEqual(at(record["switched_at"]) - resumed, 1.9, "judged without looking again")
            third = self.push("r3")
            m.wait_state(third, "baking")
            resumed = self.paused(6)  # beyond the bake
            record = self.ended(third, "healthy")
            self.assertTrue([p for p in record["probes"] if p["error"] is None and at(p["at"]) >= resumed], "judged without looking")
        self.one_live_release("r3", record["release"])

    def test_fault17_an_older_binary_leaves_a_newer_record_and_the_apps_alone(self):
        m, r = self.machine, self.repository
        self.live("r1")
        pid = m.get("/pid")[1]
        database = os.path.join(m.state, "belay.db")

        def schema(version=None):
            with contextlib.closing(sqlite3.connect(database)) as record:
                if version:
                    record.execute(f"PRAGMA user_version = {version}")
                return record.execute("PRAGMA user_version").fetchone()[0]
        with m.users(rate=60):
            m.kill()
            known = schema()
            schema(known + 1000)
            m.start()
            self.assertEqual(m.deliver("shop", r, r.commit("r2"))["status"], 503)
            self.assertEqual(m.get("/pid")[1], pid)
            self.assertIn(f"has schema {known + 1000}", m.cli("status").stdout)
            m.kill()
            self.assertEqual(schema(), known + 1000)
            schema(known)
            m.start()
            self.assertEqual(m.deploy_push("shop", r, "r3")["state"], "healthy")

    def test_fault18_a_daemon_that_dies_at_its_start_takes_nothing_along(self):
        m, r = self.machine, self.repository
        self.live("r1")
        pid, proxy = m.get("/pid")[1], self.proxy()
        with m.users(rate=60):
            m.kill()
            for _ in range(3):
                broken = subprocess.run([BELAY, "serve"], env=m.environment(), capture_output=True, timeout=60, preexec_fn=lambda:
                                        resource.setrlimit(resource.RLIMIT_AS, (24 << 20, 24 << 20)))
                self.assertNotEqual(broken.returncode, 0)
            self.assertEqual((m.get("/pid")[1], self.proxy()), (pid, proxy))
            m.start()
            self.assertEqual((m.get("/pid")[1], self.proxy()), (pid, proxy))
            self.assertEqual(m.deploy_push("shop", r, "r2")["state"], "healthy")

    def test_fault31_without_processes_to_be_had_a_push_fails_and_the_next_works(self):
        m = self.machine
        self.live("r1")
        with control_group("pids") as group, m.users(rate=60):
            write(f"{group}/cgroup.procs", str(m.daemon.pid))
            with open(f"{group}/pids.current") as file:
                write(f"{group}/pids.max", file.read())
            second = self.push("r2")
            record = self.ended(second, "failed")
            self.assertIn("Resource temporarily unavailable", record["detail"])
            self.assertEqual((record["reason"], record["blame"]), ("fetch_failed", "machine"))
            self.assertEqual(m.served_release(), "r1")
            write(f"{group}/pids.max", "max")
            third = self.ended(self.push("r3"), "healthy")
        self.one_live_release("r3", third["release"])


    def test_fault16_a_build_that_an_upgrade_cuts_off_is_done_by_the_new_binary(self):
        m = self.machine
        self.live("r1", text='[build]\nrun = "if [ -e slowly ]; then sh slowly; fi"\n')
        version = self.version()
        other = version[:-1] + (b"8" if version[-1:] != b"8" else b"9")
        upgraded = os.path.join(self.folder, "bin/belay")
        os.mkdir(os.path.dirname(upgraded), 0o755)
        with open(BELAY, "rb") as old, open(upgraded, "wb") as new:
            new.write(old.read().replace(version + b"\0", other + b"\0"))
        os.chmod(upgraded, 0o755)
        gate, begun = (os.path.join(self.make_folder(name), "it") for name in ("gate", "begun"))
        os.chmod(os.path.dirname(begun), 0o777)
        with m.users(rate=60):
            second = self.push("r2", slowly=f"echo begun >> {begun}\nwhile [ ! -e {gate} ]; do sleep 0.05; done\n")
            wait_for("the build", lambda: os.path.exists(begun))
            m.stop()
            m.start(binary=upgraded)
            self.assertEqual(self.version(), other)
            wait_for("the build to begin anew", lambda: open(begun).read().count("begun") == 2)
            open(gate, "w").close()
            record = self.ended(second, "healthy")
            m.stop()
            m.start()  # and the one before goes on with what that one left
            self.assertEqual(self.version(), version)
            third = self.ended(self.push("r3", slowly="true\n"), "healthy")
        self.assertEqual(record["release"], 2)
        self.one_live_release("r3", third["release"])

    def test_fault27_a_daemon_that_gets_no_more_memory_harms_no_user_and_works_again(self):
        m = self.machine
        self.live("r1")
        pid = m.daemon.pid
        with m.users(rate=60):
            with open(f"/proc/{pid}/statm") as file:
                size = int(file.read().split()[0]) * resource.getpagesize()
            resource.prlimit(pid, resource.RLIMIT_AS, (size, resource.RLIM_INFINITY))
            body = b'{"padding": "' + b"x" * (7 << 20) + b'"}'
            for _ in range(8):
                with contextlib.suppress(OSError, http.client.HTTPException):
                    self.assertNotIn(m.deliver("shop", self.repository, "", body=body)["status"], (200, 202))
            if m.daemon.poll() is None:
                resource.prlimit(pid, resource.RLIMIT_AS, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
            else:  # whoever watches over it starts it again
                m.kill()
                m.start()
            record = self.ended(self.push("r2"), "healthy")
        self.one_live_release("r2", record["release"])

    def test_fault30_without_descriptors_nothing_spins_and_all_is_well_when_they_are_back(self):
        m = self.machine
        self.live("r1")
        pid = m.daemon.pid
        refusal = "a connection can't be accepted"

        def refusals():
            with open(m.log) as file:
                return file.read().count(refusal)
        with m.users(rate=60), contextlib.ExitStack() as waiting:
            limits = resource.prlimit(pid, resource.RLIMIT_NOFILE)
            resource.prlimit(pid, resource.RLIMIT_NOFILE, (len(os.listdir(f"/proc/{pid}/fd")), limits[1]))
            for _ in range(8):
                waiting.enter_context(socket.create_connection(("127.0.0.1", m.http_port)))
            self.wait_log(refusal)
            began = time.monotonic()
            wait_for("two seconds", lambda: time.monotonic() - began > 2)
            self.assertLess(refusals(), 60, "it spins")
            self.assertIsNone(m.daemon.poll())
            resource.prlimit(pid, resource.RLIMIT_NOFILE, limits)
            record = self.ended(self.push("r2"), "healthy")
        self.one_live_release("r2", record["release"])


class DataPlaneFaults(Faults):
    def test_fault22_the_proxy_is_killed_while_there_is_no_daemon(self):
        m, r = self.machine, self.repository
        self.live("r1")
        self.assertEqual(m.deploy_push("shop", r, "r2")["state"], "healthy")
        m.kill()
        with m.users(rate=100, expect_failures=True) as users:
            for _ in range(3):
                self.kill_proxy()
                wait_for("an answer", lambda: m.served_release() == "r2")
        self.assertTrue(all(f["why"].startswith(LOST_WITH_THE_PROXY) for f in users["failures"]), users)
        self.assertLess(users["max_gap_ms"], 1000)
        self.assertEqual(set(users["releases"]), {"r2"})
        m.start()
        with m.users(rate=60):
            self.assertEqual(m.deploy_push("shop", r, "r3")["state"], "healthy")

    def test_fault23_the_shim_is_killed_and_the_apps_end_is_still_noticed(self):
        m, r = self.machine, self.repository
        self.live("r1")
        pid = int(m.get("/pid")[1])
        with open(f"/proc/{pid}/stat") as file:
            shim = int(file.read().rsplit(")", 1)[1].split()[1])
        self.assertIn("belay-shim", m.processes()[shim])
        with m.users(rate=60):
            os.kill(shim, signal.SIGKILL)
            wait_for("the shim to end", lambda: not alive(shim))
            self.assertEqual(m.get("/pid")[1], str(pid))
            self.assertEqual(m.deploy_push("shop", r, "r2", "unhealthy")["state"], "failed")
            self.assertEqual(m.get("/pid")[1], str(pid))
        os.kill(pid, signal.SIGKILL)

        def back():
            with contextlib.suppress(OSError):
                status, body = m.get("/pid")
                return status == 200 and body != str(pid)
        wait_for("the app to come back", back)
        self.one_live_release("r1", 1)

    def test_fault70_torn_routes_give_way_to_the_generation_before(self):
        m, r = self.machine, self.repository
        self.live("r1")
        self.assertEqual(m.deploy_push("shop", r, "r2")["state"], "healthy")
        path = os.path.join(m.state, "proxy/routes.json")
        with m.users(rate=60, expect_failures=True) as users:
            for size in (0, os.path.getsize(path) // 2):
                os.truncate(path, size)
                self.kill_proxy()
                wait_for("an answer", lambda: m.served_release() == "r2", 10)
        self.assertTrue(all(f["why"].startswith(LOST_WITH_THE_PROXY) for f in users["failures"]), users)
        self.assertLess(users["max_gap_ms"], 2000)


class CandidateFaults(Faults):
    def test_fault40_a_port_that_is_taken_is_not_given_to_a_candidate(self):
        m = self.machine
        self.live("r1")
        with open(m.config) as file:
            first, last = next(line for line in file if line.startswith("ports")).split('"')[1].split("-")

        def ports():
            return [p["port"] for p in m.status("shop")["processes"]]
        with contextlib.ExitStack() as strangers, m.users(rate=60):
            def taken(port):
                stranger = strangers.enter_context(socket.socket())
                stranger.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                try:
                    stranger.bind(("127.0.0.1", port))
                    stranger.listen()
                except OSError:
                    return None
                return stranger
            old = ports()[0]
            others = [s for s in (taken(port) for port in range(int(first), int(last) + 1) if port != old) if s]
            port = others[-1].getsockname()[1]
            others[-1].close()
            second = self.ended(self.push("r2"), "healthy")
            self.assertEqual(ports(), [port])
            wait_for("the old release's port", lambda: taken(old))
            third = self.ended(self.push("r3"), "failed", "port_in_use")
            self.assertEqual(third["blame"], "machine", third)
        self.one_live_release("r2", second["release"])

    def test_fault41_what_somebody_else_answers_on_the_port_is_not_believed(self):
        m, r = self.machine, self.repository
        self.live("r1")

        class Stale(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                self.send_response(200)
                self.send_header("Content-Length", "5")
                self.end_headers()
                self.wfile.write(b"stale")

            def log_message(self, *args):
                pass
        with m.users(rate=60):
            second = self.push("r2", **{"app.py": 'import os, time\nopen(os.environ["BELAY_SHARED"] + "/port", "w").write('
                                                  'os.environ["PORT"] + "\\n")\ntime.sleep(600)\n'})
            def told():
                with contextlib.suppress(OSError):
                    with open(self.shared("port")) as file:
                        return file.read().strip()
            port = wait_for("the candidate's port", told)
            with http.server.HTTPServer(("127.0.0.1", int(port)), Stale) as stale:
                threading.Thread(target=stale.serve_forever, daemon=True).start()
                record = self.ended(second, "failed", "not_owner")
                stale.shutdown()
        self.assertIn(port, record["detail"])
        self.one_live_release("r1", 1)

    def test_fault42_health_that_flaps_does_not_go_live(self):
        m = self.machine
        self.live("r1")
        with m.users(rate=60):
            record = self.ended(self.push("r2", "flaps"), "failed", "flapping")
        self.assertIsNone(record["switched_at"])
        self.one_live_release("r1", 1)

    def test_fault43_one_that_dies_young_is_caught_by_its_window(self):
        m = self.machine
        self.live("r1", windows=windows(min_healthy_time="2s"))
        with m.users(rate=60):
            record = self.ended(self.push("r2", "dies 1"), "failed", "exited")
        self.assertIsNone(record["switched_at"])
        self.one_live_release("r1", 1)


class BuildFaults(Faults):
    def test_fault46_and_47_a_silent_and_a_chattering_build_harm_nobody(self):
        m = self.machine
        self.live("r1")
        m.app("shop", self.repository.bare, '[build]\nrun = "sh hang"\ntimeout = "4s"\nsilence = "1s"\n')
        m.cli("reload")
        with m.users(rate=60):
            self.ended(self.push("r2", hang="setsid sleep 600 & sleep 600\n"), "failed", "build_silent")
            self.assertEqual([w for w in m.processes().values() if "sleep 600" in w], [])
            loud = self.ended(self.push("r3", hang="exec yes\n"), "failed", "build_timeout")
        size = sum(os.path.getsize(os.path.join(place, name)) for place, _, names in
                   os.walk(os.path.join(m.state, "logs/shop", loud["id"])) for name in names)
        self.assertGreater(size, 1 << 10)
        self.assertLess(size, 64 << 20)
        self.one_live_release("r1", 1)


    @unittest.skipUnless(os.geteuid() == 0, "a build has a user of its own only where Belay is root")
    def test_fault48_a_build_that_forks_on_and_on_is_bounded_and_ended(self):
        m = self.machine
        self.live("r1", text='[build]\nrun = "if [ -e forks ]; then sh forks; fi"\ntimeout = "20s"\n[build.limits]\nprocesses = 40\n')
        with m.users(rate=60):
            # As many as a machine bears, where nothing stops it.
            bomb = "n=0\nwhile [ $n -lt 300 ]; do sleep 600 & n=$((n + 1)); done\nwait\n"
            record = self.ended(self.push("r2", forks=bomb), "failed", "build_failed")
            if any(group.startswith("/sys/fs/cgroup/pids/") for group in m.groups()):
                self.assertIn("it was refused more processes than limits.processes = 40", record["detail"])
            self.assertEqual([w for w in m.processes().values() if "sleep 600" in w], [])
            with open(os.path.join(m.state, "logs/shop", record["id"], "build.log")) as log:
                self.assertIn("fork", log.read())
            record = self.ended(self.push("r3", forks="true\n"), "healthy")
        self.one_live_release("r3", record["release"])

    def test_fault28_a_build_over_its_memory_is_said_to_lack_it_and_nobody_else_notices(self):
        m = self.machine
        self.needs_limit("memory")
        self.live("r1", text='[build]\nrun = "if [ -e eats ]; then python3 eats || exit 2; fi"\nlimits = { memory = "64MiB" }\n')
        app = m.get("/pid")[1]
        with m.users(rate=60):
            record = self.ended(self.push("r2", eats="b = bytearray(256 << 20)\n"), "failed", "build_oom")
            self.assertEqual(record["detail"],
                             "build: out of memory: the kernel killed it (exit code 2; limits.memory is 64MiB)")
            build = next(stage for stage in record["stages"] if stage["name"] == "build")
            self.assertLess(48 << 20, build["peak_memory"])
            self.assertLess(build["peak_memory"], 66 << 20)
            self.assertEqual(m.get("/pid")[1], app)
            record = self.ended(self.push("r3", eats="b = bytearray(8 << 20)\n"), "healthy")
        self.assertEqual([group for group in m.groups() if "/stage-" in group], [])
        self.one_live_release("r3", record["release"])

    def test_a_build_over_its_share_of_the_cpus_waits_for_its_turn(self):
        m = self.machine
        self.needs_limit("cpu")
        self.live("r1", text='[build]\nrun = "while [ -e busy ]; do :; done"\nlimits = { cpu = 0.1 }\n')
        under_way = self.push("r2", busy="x")

        def throttled():
            for group in m.groups():
                with contextlib.suppress(OSError):
                    with open(f"{group}/cpu.stat") as file:
                        counts = dict(line.split() for line in file)
                    if "/stage-" in group and int(counts.get("nr_throttled", 0)) > 5:
                        return True
            return False
        wait_for("the build to be held back", throttled)
        m.cli("cancel", under_way)
        self.ended(under_way, "canceled")
        self.one_live_release("r1", 1)


class EndFaults(Faults):
    EATS = APP.replace('if self.path == "/crash"', 'if self.path == "/eat": bytearray(256 << 20)\n        if self.path == "/crash"')
    LIMITED = '[service]\nrun = ["/usr/bin/python3", "app.py"]\nlimits = { memory = "96MiB" }\n'

    def test_fault29_an_app_over_its_memory_is_started_again_and_not_rolled_back(self):
        m, r = self.machine, self.repository
        self.needs_limit("memory")
        r.write("app.py", self.EATS)
        self.live("r1", text=self.LIMITED)
        m.kill()  # the limit is the run's, whichever daemon looks after it
        m.start()
        pid = int(m.get("/pid")[1])
        with contextlib.suppress(OSError, http.client.HTTPException):
            m.get("/eat")
        wait_for("the kernel to kill it", lambda: not alive(pid))
        wait_for("the app to be back", lambda: m.served_release() == "r1")
        self.wait_log("web of shop killed by KILL: out of memory, at its limit of 96MiB")
        self.assertEqual(m.newest("shop")["state"], "healthy")
        self.one_live_release("r1", 1)

    def test_fault29_a_release_over_its_memory_in_its_bake_is_rolled_back_for_it(self):
        m = self.machine
        self.needs_limit("memory")
        self.live("r1", text=self.LIMITED, windows=windows(bake="4s"))
        # Nobody at the door: what it is answering when the kernel kills it is torn, whoever deploys it.
        hungry = APP.replace("server.serve_forever", 'if mode[0] == "eats": threading.Timer(2, lambda: bytearray(256 << 20)).start()\n'
                             "server.serve_forever")
        second = self.push("r2", "eats", **{"app.py": hungry})
        record = self.ended(second, "rolled_back", "oom")
        self.assertIn("out of memory, at its limit of 96MiB", record["detail"])
        self.assertEqual(record["signal"], 9)
        self.one_live_release("r1", 1)

    def test_fault49_an_app_that_puts_itself_in_the_background_is_followed(self):
        m, r = self.machine, self.repository
        background = 'import os\nif os.fork(): os._exit(0)\nos.setsid()\nif os.fork(): os._exit(0)\n' + APP
        r.write("app.py", background)
        self.live("r1")
        daemonised = int(m.get("/pid")[1])
        with m.users(rate=60):
            record = m.deploy_push("shop", r, "r2", **{"app.py": background})
            self.assertEqual(record["state"], "healthy", json.dumps(record, indent=1))
        wait_for("the old one to end", lambda: not alive(daemonised))
        self.one_live_release("r2", record["release"])

    def test_fault50_and_52_an_app_that_ignores_term_ends_with_all_that_it_left(self):
        m, r = self.machine, self.repository
        deaf = '''import os, signal, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
''' + APP.replace("signal.signal(signal.SIGTERM, leave)", '''
if os.fork() == 0:
    os.setsid()
    if os.fork(): os._exit(0)
    while True: time.sleep(60)  # holds the listener
''')
        r.write("app.py", deaf)
        self.live("r1", text='[service]\nrun = ["/usr/bin/python3", "app.py"]\nstop_timeout = "1s"\n')
        old = self.app_processes()
        self.assertEqual(len(old), 2)
        port = next(p["port"] for p in m.status("shop")["processes"])
        with m.users(rate=60):
            record = m.deploy_push("shop", r, "r2", **{"app.py": APP})
            self.assertEqual(record["state"], "healthy", json.dumps(record, indent=1))
            wait_for("the old ones to end", lambda: not any(alive(p) for p in old), 10)
        with self.assertRaises(ConnectionRefusedError):
            socket.create_connection(("127.0.0.1", port))
        self.one_live_release("r2", record["release"])

    def test_fault51_an_old_release_that_cannot_be_killed_keeps_nothing_up(self):
        m, r = self.machine, self.repository
        self.live("r1", text='[service]\nrun = ["/usr/bin/python3", "app.py"]\nstop_timeout = "1s"\n')
        stuck = int(m.get("/pid")[1])
        with control_group("freezer") as group:
            try:
                with m.users(rate=60):
                    second = self.push("r2")
                    m.wait_state(second, "baking")
                    write(f"{group}/cgroup.procs", str(stuck))
                    write(f"{group}/freezer.state", "FROZEN")
                    self.ended(second, "healthy")
                    third = self.ended(self.push("r3"), "healthy")
                    wait_for("a word about it", lambda: "could not be stopped" in m.tail(400))
                    self.assertTrue(alive(stuck))
            finally:
                write(f"{group}/freezer.state", "THAWED")
            wait_for("its end, now that it can", lambda: not alive(stuck), 10)
        self.one_live_release("r3", third["release"])


class RollbackFaults(Faults):
    def test_fault65_where_the_way_back_is_broken_too_what_answers_stays(self):
        m = self.machine
        self.live("r1", windows=windows(bake="20s"))
        with m.users(rate=60) as users:
            second = self.push("r2")
            m.wait_state(second, "baking")
            write(self.shared("ill"), "")
            record = self.ended(second, "failed", "rollback_failed")
            self.assertIn("does not answer either", record["detail"])
            self.assertEqual(m.served_release(), "r2")
            self.assertIsNotNone(m.status("shop")["hold"])
            self.assertEqual(m.status("shop")["state"], "degraded")
        self.assertEqual(list(users["releases"]), ["r1", "r2"], "it went back and forth")
        os.remove(self.shared("ill"))

    def test_fault67_people_who_act_at_once_leave_one_release_live(self):
        m, r = self.machine, self.repository
        self.live("r1", windows=windows(bake="3s"))
        seed = int(os.environ.get("BELAY_FAULT_SEED", "67"))
        chance = random.Random(seed)
        with m.users(rate=60):
            for number in range(2, 5):
                identity = self.push(f"r{number}")
                m.wait_state(identity, "draining", "baking")
                acts = [("rollback", "shop", "--no-hold"), ("cancel", identity), ("restart", "shop"), ("rollback", "shop", "--no-hold"),
                        ("deploy", "shop", "--force"), ("cancel", identity)]
                chance.shuffle(acts)
                with concurrent.futures.ThreadPoolExecutor(len(acts)) as people:
                    done = list(people.map(lambda act: m.cli(*act, check=False), acts))
                self.assertTrue(any(one.returncode == 0 for one in done), [one.stderr for one in done])
                m.wait_end(identity)
            def settled():
                return all(d["state"] in ("healthy", "failed", "rolled_back", "canceled", "superseded")
                           for d in m.json("history", "shop")["items"])
            wait_for("all of them to end", settled, 90)
            release = m.served_release()
        self.one_live_release(release, m.status("shop")["live"]["release"])
        self.assertIn(release, ("r1", "r2", "r3", "r4"), f"seed {seed}")


class PushFaults(Faults):
    def test_fault56_of_a_hundred_pushes_at_once_the_tip_goes_live(self):
        m, r = self.machine, self.repository
        self.live("r1")
        commits = [r.commit(f"r{number}") for number in range(2, 102)]
        r.push()
        random.Random(56).shuffle(commits)
        with m.users(rate=60):
            with concurrent.futures.ThreadPoolExecutor(10) as forges:
                answers = list(forges.map(lambda commit: m.deliver("shop", r, commit), commits))
            self.assertEqual({a["status"] for a in answers}, {202})
            records = [m.wait_end(a["deployment"], 120) for a in answers]
            states = [record["state"] for record in records]
            wait_for("the tip", lambda: m.served_release() == "r101", 60)
        self.assertEqual(set(states) - {"superseded", "healthy"}, set(), states)
        self.assertGreaterEqual(states.count("superseded"), 95)
        self.assertLessEqual(states.count("healthy"), 4, "what was superseded was built all the same")
        begun = [record["id"] for record in records if record["started_at"]]
        self.assertLess(len(begun), 60, "what was superseded was begun all the same")
        self.one_live_release("r101", m.status("shop")["live"]["release"])

    def test_fault58_and_59_a_file_edited_meanwhile_counts_from_the_next_deployment(self):
        m = self.machine
        first = '[env]\nCOLOUR = "blue"\n'
        slow = f'[build]\nrun = "until test -e {self.folder}/go; do sleep 0.05; done"\n'
        self.live("r1", text=first)
        path = m.app("shop", self.repository.bare, first + slow)
        m.cli("reload")
        with m.users(rate=60):
            m.cli("hold", "shop")
            second = self.push("r2")
            with open(path) as file:
                good = file.read()
            write(path, good.replace('"blue"', '"red"').replace(slow, ""))
            m.cli("reload")
            m.cli("resume", "shop")
            m.wait_state(second, "building")
            write(path, good + "\nnonsense = = 1\n")
            broken = m.cli("reload", check=False)
            self.assertIn("shop.toml:", broken.stdout + broken.stderr)
            self.assertNotEqual(broken.returncode, 0)
            self.assertIn("COLOUR=blue", m.get("/env")[1].splitlines())
            write(f"{self.folder}/go", "")
            self.ended(second, "healthy")
            self.assertIn("COLOUR=blue", m.get("/env")[1].splitlines(), "what was queued then is what counts")
            self.ended(self.push("r3"), "healthy")
            self.assertIn("COLOUR=red", m.get("/env")[1].splitlines(), "the last valid file counts")


if __name__ == "__main__":
    unittest.main(verbosity=2)
