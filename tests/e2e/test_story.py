"""The main job: a push goes live; a bad one does not; the last healthy release keeps serving."""
import json
import os
import time
import unittest

from machine import SHORT, TestCase, wait_for

STAGES = '''
[build]
run = "mkdir -p out && cp RELEASE out/built && test ! -e break-build"
[test]
run = "test -s out/built && test ! -e break-test"
'''


class Story(TestCase):
    def test_each_kind_of_bad_release_leaves_the_healthy_one_live(self):
        m, r = self.machine, self.repository
        self.live("r1", text=STAGES)
        with m.users(rate=100) as users:
            good = m.deploy_push("shop", r, "r2")
            self.assertEqual(good["state"], "healthy", json.dumps(good, indent=1))
            self.assertEqual(m.served_release(), "r2")

            tested = m.deploy_push("shop", r, "r3", **{"break-test": "yes"})
            self.assertEqual((tested["state"], tested["reason"], tested["stage"]), ("failed", "test_failed", "testing"))
            self.assertEqual(tested["exit_code"], 1)
            self.assertEqual(tested["blame"], "user")
            self.assertEqual(m.served_release(), "r2")
            os.remove(os.path.join(r.work, "break-test"))

            sick = m.deploy_push("shop", r, "r4", "unhealthy")
            self.assertEqual((sick["state"], sick["stage"]), ("failed", "verifying"), json.dumps(sick, indent=1))
            self.assertIn("500", json.dumps(sick["probes"]))
            self.assertEqual(m.served_release(), "r2")

            dying = m.deploy_push("shop", r, "r5", "dies 1")
            self.assertEqual((dying["state"], dying["reason"]), ("rolled_back", "exited"), json.dumps(dying, indent=1))
            self.assertEqual(dying["exit_code"], 7)
            self.assertEqual(m.served_release(), "r2")

            again = m.deploy_push("shop", r, "r6")
            self.assertEqual(again["state"], "healthy")
            self.assertEqual(m.served_release(), "r6")
        self.assertGreater(users["ok"], 200)
        self.assertTrue({"r2", "r6"} <= set(users["releases"]))

    def test_errors_to_users_roll_back_though_the_health_check_passes(self):
        m, r = self.machine, self.repository
        self.live("r1", windows=SHORT.replace('bake = "1500ms"', 'bake = "10s"\nrollback_on = { error_ratio = "5%", '
                                                                 'baseline = 3.0, min_requests = 20 }'))
        with m.users(rate=100) as users:
            bad = m.deploy_push("shop", r, "r2", "errors")
            self.assertEqual((bad["state"], bad["reason"]), ("rolled_back", "error_ratio"), json.dumps(bad, indent=1))
            self.assertEqual(m.served_release(), "r1")
        self.assertGreaterEqual(users["app_errors"], 20)
        self.assertLess(users["app_errors"], 400, "users got errors for longer than the bake needs to notice")

    def test_a_release_that_falls_ill_in_its_bake_is_rolled_back(self):
        m, r = self.machine, self.repository
        self.live("r1", windows=SHORT.replace('bake = "1500ms"', 'bake = "6s"'))
        with m.users(rate=50):
            bad = m.deploy_push("shop", r, "r2", "sick-after 2")
            self.assertEqual((bad["state"], bad["reason"]), ("rolled_back", "unhealthy"), json.dumps(bad, indent=1))
            self.assertEqual(m.served_release(), "r1")

    def test_a_first_release_that_is_bad_gets_no_traffic(self):
        m, r = self.machine, self.repository
        r.commit("r1", "unhealthy")
        r.push()
        m.app("shop", r.bare)
        m.start()
        first = m.first_deployment("shop")
        self.assertEqual(first["state"], "failed")
        self.assertEqual(m.status("shop")["state"], "none")
        self.assertNotEqual(m.get()[0], 200)
        self.assertEqual([p for p in m.processes().values() if "app.py" in p], [])

    def test_an_app_that_listens_elsewhere_is_told_so(self):
        m, r = self.machine, self.repository
        self.live("r1", windows=SHORT.replace('deadline = "8s"', 'deadline = "2s"'))
        lost = m.deploy_push("shop", r, "r2", "elsewhere")
        self.assertEqual(lost["state"], "failed")
        self.assertIn("make it use $PORT", lost["detail"])
        self.assertEqual(m.served_release(), "r1")


class People(TestCase):
    def test_rollback_goes_back_at_once_during_the_bake_and_cold_afterwards(self):
        m, r = self.machine, self.repository
        self.live("r1", windows=SHORT.replace('bake = "1500ms"', 'bake = "20s"'))
        with m.users(rate=50):
            commit = r.commit("r2")
            r.push()
            baking = m.deliver("shop", r, commit)["deployment"]
            m.wait_state(baking, "baking")
            began = time.monotonic()
            back = m.json("rollback", "shop")
            wait_for("the old release", lambda: m.served_release() == "r1", 5)
            self.assertLess(time.monotonic() - began, 2.0)
            self.assertEqual(m.wait_end(baking)["state"], "rolled_back")
            self.assertEqual(m.deployment(baking)["reason"], "canceled")
            self.assertEqual(m.wait_end(back["deployment"])["state"], "healthy")
            self.assertIsNotNone(m.status("shop")["hold"], "a manual rollback sets a hold")

    def test_rollback_after_the_bake_starts_and_verifies_the_old_release_first(self):
        m, r = self.machine, self.repository
        self.live("r1")
        self.assertEqual(m.deploy_push("shop", r, "r2")["state"], "healthy")
        with m.users(rate=50):
            back = m.json("rollback", "shop")
            self.assertEqual(m.wait_end(back["deployment"])["state"], "healthy")
            self.assertEqual(m.served_release(), "r1")
        held = m.deliver("shop", r, r.commit("r3"))
        r.push()
        self.assertEqual(held["status"], 202)
        self.assertEqual(m.deployment(held["deployment"])["state"], "queued")
        m.cli("resume", "shop")
        self.assertEqual(m.wait_end(held["deployment"])["state"], "healthy")
        self.assertEqual(m.served_release(), "r3")

    def test_cancel_kills_a_build_with_its_whole_tree(self):
        m, r = self.machine, self.repository
        self.live("r1")
        m.app("shop", r.bare, '[build]\nrun = "setsid sh -c \'setsid sleep 600 & sleep 600\' & sleep 600"\n')
        m.cli("reload")
        commit = r.commit("r2")
        r.push()
        slow = m.deliver("shop", r, commit)["deployment"]
        m.wait_state(slow, "building")
        wait_for("the build", lambda: sum("sleep 600" in p for p in m.processes().values()) >= 2)
        m.cli("cancel", slow)
        self.assertEqual(m.wait_end(slow)["state"], "canceled")
        self.assertEqual([p for p in m.processes().values() if "sleep" in p], [])
        self.assertEqual(m.served_release(), "r1")

    def test_restart_stop_start_and_remove(self):
        m, r = self.machine, self.repository
        self.live("r1")
        pid = m.get("/pid")[1]
        with m.users(rate=50):
            self.assertEqual(m.wait_end(m.json("restart", "shop")["deployment"])["state"], "healthy")
        self.assertNotEqual(m.get("/pid")[1], pid)
        m.cli("stop", "shop")
        self.assertEqual(m.status("shop")["state"], "stopped")
        self.assertEqual(m.get()[0], 503)
        m.kill()
        m.start()
        self.assertEqual(m.status("shop")["state"], "stopped", "a stopped app stays stopped over a restart")
        self.assertEqual(m.wait_end(m.json("start", "shop")["deployment"])["state"], "healthy")
        self.assertEqual(m.served_release(), "r1")
        m.cli("remove", "shop", "--purge", "--yes")
        self.assertEqual([p for p in m.processes().values() if "app.py" in p], [])
        self.assertEqual(m.cli("status", "shop", check=False).returncode, 5)


class Pushes(TestCase):
    def test_the_newest_push_wins_and_the_rest_are_superseded(self):
        m, r = self.machine, self.repository
        self.live("r1", text='[build]\nrun = "sleep 0.5"\n')
        commits, answers = [], []
        for number in range(2, 12):
            commits.append(r.commit(f"r{number}"))
            r.push()
            answers.append(m.deliver("shop", r, commits[-1]))
        self.assertTrue(all(a["status"] == 202 for a in answers))
        states = [m.wait_end(a["deployment"], 120)["state"] for a in answers]
        self.assertEqual(states[-1], "healthy", states)
        self.assertGreaterEqual(states.count("superseded"), 6, states)
        self.assertEqual(m.served_release(), "r11")

    def test_what_is_not_for_the_app_is_answered_and_recorded(self):
        m, r = self.machine, self.repository
        first = self.live("r1")
        commit = first["commit"]
        other = m.deliver("shop", r, commit, ref="refs/heads/feature")
        self.assertEqual((other["status"], other["decision"]), (200, "ignored"))
        self.assertIn("feature", other["reason"])
        gone = m.deliver("shop", r, "0" * 40)
        self.assertEqual((gone["status"], gone["decision"]), (200, "ignored"))
        unsigned = m.deliver("shop", r, commit, secret=None)
        wrong = m.deliver("shop", r, commit, secret="wrong")
        unknown = m.deliver("nobody", r, commit)
        self.assertEqual({unsigned["status"], wrong["status"], unknown["status"]}, {401})
        self.assertEqual({k: v for k, v in wrong.items()}, {k: v for k, v in unknown.items()})
        self.assertEqual(m.deliver("shop", r, commit, body=b"{not json")["status"], 400)
        again = m.deliver("shop", r, commit)
        self.assertEqual((again["status"], again["decision"]), (200, "duplicate"))
        self.assertEqual(m.status("shop")["live"]["release"], first["release"])

    def test_a_commit_that_does_not_exist_fails_with_its_own_reason(self):
        m, r = self.machine, self.repository
        self.live("r1")
        answer = m.deliver("shop", r, "1" * 40)
        lost = m.wait_end(answer["deployment"])
        self.assertEqual((lost["state"], lost["reason"]), ("failed", "sha_unavailable"))
        self.assertEqual(m.served_release(), "r1")

    def test_a_replayed_old_push_is_superseded_by_the_tip(self):
        m, r = self.machine, self.repository
        first = self.live("r1")
        self.assertEqual(m.deploy_push("shop", r, "r2")["state"], "healthy")
        replay = m.deliver("shop", r, first["commit"])
        self.assertEqual(m.wait_end(replay["deployment"])["state"], "superseded")
        self.assertEqual(m.served_release(), "r2")

    def test_polling_finds_the_push_that_no_delivery_told_of(self):
        m, r = self.machine, self.repository
        self.live("r1")
        path = m.app("shop", r.bare)
        with open(path) as file:
            text = file.read()
        with open(path, "w") as file:
            file.write(text.replace('poll = "off"', 'poll = "1s"'))
        commit = r.commit("r2")
        r.push()
        m.kill()
        m.start()
        found = m.wait_deployment_of("shop", commit)
        self.assertEqual(m.wait_end(found["id"])["state"], "healthy")
        self.assertEqual(m.deployment(found["id"])["trigger"], "poll")

    def test_a_local_hook_delivers_every_push(self):
        m, r = self.machine, self.repository
        self.live("r1")
        m.cli("hook", "install", "shop", r.bare)
        commit = r.commit("r2")
        told = r.push()
        self.assertIn("belay: shop", told)
        found = m.wait_deployment_of("shop", commit)
        self.assertEqual(m.wait_end(found["id"])["state"], "healthy")
        self.assertEqual(m.served_release(), "r2")
        why = m.cli("why", commit[:8]).stdout
        self.assertIn("healthy", why)
        self.assertIn("queued", why)


if __name__ == "__main__":
    unittest.main(verbosity=2)
