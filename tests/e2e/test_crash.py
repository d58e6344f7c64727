"""The daemon is killed at every saved transition in turn, with users at the door; and everything at once, as by a power cut."""
import json
import os
import time
import unittest

from machine import STAGES, TestCase, wait_for

# Transitions at which the daemon dies, before and after they are saved, and the acts between them.
POINTS = [f"{side}_save.{state}" for state in
          ("queued", "fetching", "building", "testing", "sealing", "releasing", "starting", "verifying", "switching", "draining",
           "baking", "healthy") for side in ("before", "after")]
POINTS += ["candidate_forked", "candidate_started", "before_flip", "after_flip", "live_written", "promoted"]
ROLLBACK_POINTS = ["before_save.rolling_back", "after_save.rolling_back", "flipped_back", "before_save.rolled_back",
                   "after_save.rolled_back"]


class Crash(TestCase):
    def killed_at(self, point, mode, expected):
        m, r = self.machine, self.repository
        before = m.status("shop")["live"]["release"]
        name = f"r{int(time.time() * 1000) % 100000000}"
        m.stop()
        m.start(BELAY_FAILPOINT=point)
        commit = r.commit(name, mode)
        r.push()
        if point.endswith("_save.queued"):
            with self.subTest("the delivery is not acknowledged, or not lost"):
                try:
                    acknowledged = m.deliver("shop", r, commit)["status"] == 202
                except OSError:
                    acknowledged = False
        else:
            acknowledged = m.deliver("shop", r, commit)["status"] == 202
            self.assertTrue(acknowledged)
        m.daemon.wait(60)
        self.assertEqual(m.daemon.returncode, -9, f"the daemon did not reach {point}:\n{m.tail()}")
        m.daemon = None
        m.start()
        found = [d for d in m.json("history", "shop")["items"] if d["commit"] == commit]
        if not found:
            self.assertFalse(acknowledged, "a delivery that was answered 202 is lost")
            self.assertEqual(m.status("shop")["live"]["release"], before)
            return
        record = m.wait_end(found[0]["id"])
        self.assertIn(record["state"], expected, json.dumps(record, indent=1))
        if record["state"] == "healthy":
            self.one_live_release(name, record["release"])
        else:
            self.assertEqual(m.status("shop")["live"]["release"], before)

    def test_every_saved_transition_of_a_good_push(self):
        self.live("r0", text=STAGES)
        with self.machine.users(rate=60):
            for point in POINTS:
                with self.subTest(point):
                    self.killed_at(point, "ok", ("healthy",))

    def test_every_saved_transition_of_a_rollback(self):
        self.live("r0", text=STAGES)
        with self.machine.users(rate=60):
            for point in ROLLBACK_POINTS:
                with self.subTest(point):
                    self.killed_at(point, "dies 1", ("rolled_back",))
                    self.assertEqual(self.machine.served_release(), "r0")


class Reboot(TestCase):
    def test_the_stable_release_answers_before_the_hooks_do(self):
        m, r = self.machine, self.repository
        self.live("r1")
        self.assertEqual(m.deploy_push("shop", r, "r2")["state"], "healthy")
        self.reboot()
        m.start(wait=False)
        def hooks_open():
            try:
                return m.deliver("shop", r, "1" * 40, secret="wrong")["status"] == 401
            except OSError:
                return False
        def served():
            try:
                return m.served_release() == "r2"
            except OSError:
                return False
        seen = wait_for("the site", lambda: "hooks" if hooks_open() else "site" if served() else None)
        self.assertTrue(seen == "site" or served(), "the webhook port was open before the site answered")
        m.wait_ready()
        self.assertEqual(m.served_release(), "r2")

    def test_it_needs_no_database_no_configuration_and_no_git(self):
        m, r = self.machine, self.repository
        self.live("r1")
        self.reboot(without=("state/belay.db", "state/belay.db-wal", "state/belay.db-shm", "etc/apps/shop.toml", "repo"))
        m.start()
        self.assertEqual(m.served_release(), "r1")
        self.assertEqual(m.status("shop")["live"]["release"], 1)

    def test_a_reboot_in_the_bake_brings_back_what_was_proven_and_tries_again(self):
        m, r = self.machine, self.repository
        self.live("r1")
        commit = r.commit("r2")
        r.push()
        m.app("shop", r.bare, windows='''
[health]
path = "/healthz"
interval = "100ms"
min_healthy_time = "300ms"
timeout = "1s"
deadline = "8s"
[traffic]
drain = "1s"
bake = "5s"
''')
        m.cli("reload")
        baking = m.deliver("shop", r, commit)["deployment"]
        m.wait_state(baking, "baking")
        self.reboot()
        m.start()
        record = m.wait_end(baking)
        self.assertEqual(record["state"], "healthy", json.dumps(record, indent=1))
        self.assertEqual(m.served_release(), "r2")

    def test_a_broken_configuration_keeps_nothing_down(self):
        m, r = self.machine, self.repository
        self.live("r1")
        with open(m.config, "a") as file:
            file.write("\nthis is not toml\n")
        self.reboot()
        m.start(wait=False)
        def served():
            try:
                return m.served_release() == "r1"
            except OSError:
                return False
        wait_for("the site", served)
        wait_for("the daemon", lambda: m.cli("status", check=False, BELAY_CONFIG="/nonexistent").returncode == 0)
        self.assertIn("belay.toml", m.tail())


class Deaths(TestCase):
    def test_the_proxy_dies_and_nobody_notices(self):
        m = self.machine
        self.live("r1")
        with m.users(rate=60, expect_failures=True) as users:
            for _ in range(3):
                pid = next(p for p, w in m.processes().items() if " proxy " in w and "belay-shim" not in w)
                os.kill(pid, 9)
                wait_for("another proxy", lambda: any(" proxy " in w and "belay-shim" not in w and p != pid
                                                      for p, w in m.processes().items()), 10)
                wait_for("an answer", lambda: m.get()[0] == 200)
        # Connections that the dead proxy held are lost with it; none that was only queued.
        lost = ("kept-alive connection was closed", "IncompleteReadError", "ConnectionResetError")
        self.assertTrue(all(f["why"].startswith(lost) for f in users["failures"]), users)
        self.assertLess(users["max_gap_ms"], 1000)

    def test_the_live_app_crashes_and_comes_back(self):
        m = self.machine
        self.live("r1")
        pid = m.get("/pid")[1]
        try:
            m.get("/crash")
        except OSError:
            pass
        def back():
            try:
                status, body = m.get("/pid")
                return status == 200 and body != pid
            except OSError:
                return False
        wait_for("the app", back)
        wait_for("a record of it", lambda: "exited with code 3" in m.cli("status", "shop").stdout or
                 any("exited" in line for line in open(m.log)))

    def test_daemon_and_app_shim_die_and_the_app_goes_on(self):
        m, r = self.machine, self.repository
        self.live("r1")
        pid = m.get("/pid")[1]
        with m.users(rate=60):
            m.kill()
            with open(f"/proc/{pid}/stat") as file:
                shim = int(file.read().rsplit(")", 1)[1].split()[1])
            self.assertIn("belay-shim", m.processes()[shim])
            os.kill(shim, 9)
            m.start()
            self.assertEqual(m.get("/pid")[1], pid)
            self.assertEqual(m.deploy_push("shop", r, "r2")["state"], "healthy")
        wait_for("the old process to end", lambda: not os.path.exists(f"/proc/{pid}") or
                 open(f"/proc/{pid}/stat").read().rsplit(")", 1)[1].split()[0] == "Z")


if __name__ == "__main__":
    unittest.main(verbosity=2)
