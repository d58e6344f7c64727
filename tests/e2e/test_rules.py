"""What deploys and by which rule, that nothing is lost, and that `belay why` can tell."""
import json
import os
import time
import unittest

from machine import TestCase, git, wait_for

FILTER = 'paths = { include = ["**"], exclude = ["docs", "*.md"] }\n'


class Rules(TestCase):
    def why(self, what):
        return self.machine.cli("why", what).stdout

    def test_marks_and_paths_pass_commits_over_and_the_next_push_brings_them_along(self):
        m, r = self.machine, self.repository
        self.live("r1", text=FILTER)
        skipped = r.commit("r2", message="Try something\n\n[skip ci]")
        r.push()
        answer = m.deliver("shop", r, skipped)
        self.assertEqual(answer["status"], 202)
        end = m.wait_end(answer["deployment"])
        self.assertEqual((end["state"], end["rule"]), ("canceled", "skip_mark"), json.dumps(end, indent=1))
        self.assertEqual(m.served_release(), "r1")
        row = m.json("deliveries", "show", answer["delivery"])
        self.assertEqual((row["decision"], row["rule"], row["status_code"]), ("ignored", "skip_mark", 202))
        told = self.why(skipped[:10])
        self.assertIn("[skip ci]", told)
        self.assertIn(f"belay deploy shop --commit {skipped}", told)

        # Documents alone do not deploy, but what was skipped before them differs from live.
        git("reset", "-q", "--hard", "HEAD~1", cwd=r.work)
        r.push("-f", "origin", "main")
        documents = r.commit("r1", **{"docs/a.txt": "text", "README.md": "text"})
        r.push()
        answer = m.deliver("shop", r, documents)
        end = m.wait_end(answer["deployment"])
        self.assertEqual((end["state"], end["rule"]), ("canceled", "path_filter"), json.dumps(end, indent=1))
        self.assertIn("README.md", end["detail"])
        self.assertIn("nothing that `paths` names has changed", self.why(answer["deployment"]))
        third = m.deploy_push("shop", r, "r3", **{"docs/b.txt": "more"})
        self.assertEqual(third["state"], "healthy", json.dumps(third, indent=1))
        self.assertEqual(m.served_release(), "r3")

        # By hand no rule is asked.
        marked = r.commit("r4", message="[skip deploy] by hand")
        r.push()
        by_hand = m.json("deploy", "shop", "--commit", marked)
        self.assertEqual(m.wait_end(by_hand["deployment"])["state"], "healthy")
        self.assertEqual(m.served_release(), "r4")

    def test_a_skipped_push_does_not_take_an_ordinary_one_down_with_it(self):
        m, r = self.machine, self.repository
        self.live("r1")
        m.cli("hold", "shop")
        ordinary = r.commit("r2")
        r.push()
        first = m.deliver("shop", r, ordinary)
        skipped = r.commit("r2", message="[ci skip]", notes="x")
        r.push()
        second = m.deliver("shop", r, skipped)
        m.cli("resume", "shop")
        self.assertEqual(m.wait_end(second["deployment"])["state"], "healthy")
        self.assertEqual(m.deployment(first["deployment"])["rule"], "newer_push")
        self.assertEqual(m.served_release(), "r2")

    def test_polling_does_not_find_a_skipped_commit_again_and_again(self):
        m, r = self.machine, self.repository
        self.live("r1", text="# polled\n")
        path = os.path.join(self.folder, "etc/apps/shop.toml")
        with open(path) as file:
            text = file.read()
        with open(path, "w") as file:
            file.write(text.replace('poll = "off"', 'poll = "1s"'))
        m.cli("reload")
        skipped = r.commit("r2", message="[skip ci]")
        r.push()
        m.kill()
        m.start()
        found = m.wait_end(m.wait_deployment_of("shop", skipped)["id"])
        self.assertEqual((found["rule"], found["trigger"]), ("skip_mark", "poll"))

        def polled_since(before):
            return (m.status("shop")["poll"]["last_at"] or "") > before
        for _ in range(2):
            last = m.status("shop")["poll"]["last_at"]
            wait_for("another poll", lambda: polled_since(last))
        self.assertEqual(m.newest("shop")["id"], found["id"])
        self.assertEqual(m.status("shop")["poll"]["tip"], skipped)
        ordinary = r.commit("r3")
        r.push()
        self.assertEqual(m.wait_end(m.wait_deployment_of("shop", ordinary)["id"])["state"], "healthy")
        self.assertEqual(m.served_release(), "r3")

    def test_tags_go_forward_only_but_for_people(self):
        m, r = self.machine, self.repository
        first = r.commit("r1")
        git("tag", "v1.9", cwd=r.work)
        second = r.commit("r2")
        git("tag", "-a", "-m", "two", "v1.10", cwd=r.work)
        git("push", "-q", "origin", "main", "v1.9", cwd=r.work)
        m.app("shop", r.bare, 'tags = "v*"\n')
        m.start()
        self.assertEqual(m.first_deployment("shop")["ref"], "refs/tags/v1.9")
        git("push", "-q", "origin", "v1.10", cwd=r.work)
        newer = m.deliver("shop", r, second, ref="refs/tags/v1.10")
        self.assertEqual(m.wait_end(newer["deployment"])["state"], "healthy")
        self.assertEqual(m.served_release(), "r2")
        older = m.deliver("shop", r, first, ref="refs/tags/v1.9")
        self.assertEqual((older["status"], older["decision"]), (200, "ignored"))
        self.assertIn("v1.9 is older than v1.10", self.why(older["delivery"]))
        by_hand = m.json("deploy", "shop", "--ref", "v1.9")
        self.assertEqual(m.wait_end(by_hand["deployment"])["state"], "healthy")
        self.assertEqual(m.served_release(), "r1")

        # A tag that moved between delivery and fetch is what it is now.
        m.cli("hold", "shop")
        third, fourth = r.commit("r3"), r.commit("r4")
        git("tag", "v2", third, cwd=r.work)
        git("push", "-q", "origin", "v2", cwd=r.work)
        moved = m.deliver("shop", r, third, ref="refs/tags/v2")
        git("tag", "-f", "v2", fourth, cwd=r.work)
        git("push", "-q", "-f", "origin", "v2", cwd=r.work)
        m.cli("resume", "shop")
        end = m.wait_end(moved["deployment"])
        self.assertEqual((end["state"], end["rule"]), ("superseded", "tip_moved"), json.dumps(end, indent=1))
        self.assertEqual(m.wait_end(end["superseded_by"])["commit"], fourth)
        self.assertEqual(m.served_release(), "r4")


class NothingLost(TestCase):
    def test_an_old_capture_under_new_ids_never_leads_back(self):
        m, r = self.machine, self.repository
        first = self.live("r1")
        second = m.deploy_push("shop", r, "r2")
        self.assertEqual(second["state"], "healthy")
        self.assertEqual(m.deploy_push("shop", r, "r3")["state"], "healthy")
        for number in range(6):  # two captures in turn, as the same body twice in a row is a duplicate
            replay = m.deliver("shop", r, (first, second)[number % 2]["commit"], delivery=f"another-{number}")
            end = m.wait_end(replay["deployment"])
            self.assertEqual((end["state"], end["rule"]), ("superseded", "tip_moved"), json.dumps(end, indent=1))
            self.assertEqual(m.served_release(), "r3")
        self.assertIn("it is live", m.cli("why", replay["delivery"]).stdout)

    def test_a_force_push_between_delivery_and_fetch_deploys_what_the_branch_is_now(self):
        m, r = self.machine, self.repository
        self.live("r1")
        m.cli("hold", "shop")
        gone = r.commit("r2")
        r.push()
        answer = m.deliver("shop", r, gone)
        git("reset", "-q", "--hard", "HEAD~1", cwd=r.work)
        kept = r.commit("r3")
        r.push("-f", "origin", "main")
        git("reflog", "expire", "--expire=now", "--all", cwd=r.bare)
        git("gc", "-q", "--prune=now", cwd=r.bare)
        m.cli("resume", "shop")
        end = m.wait_end(answer["deployment"])
        self.assertEqual((end["state"], end["rule"]), ("superseded", "tip_moved"), json.dumps(end, indent=1))
        self.assertEqual(m.wait_end(end["superseded_by"])["commit"], kept)
        self.assertEqual(m.served_release(), "r3")

    def test_a_branch_that_goes_between_delivery_and_fetch_leaves_live_alone(self):
        m, r = self.machine, self.repository
        self.live("r1")
        m.cli("hold", "shop")
        lost = r.commit("r2")
        r.push()
        answer = m.deliver("shop", r, lost)
        git("push", "-q", "origin", "main:elsewhere", cwd=r.work)
        git("update-ref", "-d", "refs/heads/main", cwd=r.bare)
        m.cli("resume", "shop")
        end = m.wait_end(answer["deployment"])
        self.assertEqual((end["state"], end["reason"]), ("failed", "sha_unavailable"), json.dumps(end, indent=1))
        self.assertIn("no branch \"main\"", end["detail"])
        self.assertEqual(m.served_release(), "r1")

    def test_a_replay_deploys_again_and_names_what_it_repeats(self):
        m, r = self.machine, self.repository
        self.live("r1")
        commit = r.commit("r2", "unhealthy")
        r.push()
        first = m.deliver("shop", r, commit)
        self.assertEqual(m.wait_end(first["deployment"])["state"], "failed")
        replay = m.json("redeliver", first["delivery"])
        self.assertNotEqual(replay["deployment"], first["deployment"])
        m.wait_end(replay["deployment"])
        self.assertEqual(m.json("deliveries", "show", replay["delivery"])["replay_of"], first["delivery"])
        self.assertIn(f"{first['delivery']} was replayed by hand", m.cli("why", replay["delivery"]).stdout)


class Why(TestCase):
    def explain(self, what):
        return self.machine.json("why", what)

    def test_every_outcome_has_its_story_on_one_screen(self):
        m, r = self.machine, self.repository
        first = self.live("r1", text='[build]\nrun = "test ! -e break-build || { echo the compiler is unhappy; exit 3; }"\n')
        told = {}

        def deliveries():
            return m.json("deliveries", "shop")["items"]

        def newest_after(act, status):
            known = {row["id"] for row in deliveries()}
            due = 0.0

            def recorded():  # refusals are recorded a few a second at most, so it may take more than one
                nonlocal due
                if time.monotonic() >= due:
                    act()
                    due = time.monotonic() + 0.5
                return next((row for row in deliveries() if row["id"] not in known and row["status_code"] == status), None)
            return wait_for("the delivery's record", recorded)

        good = m.deploy_push("shop", r, "r2")
        told["live"] = (good["id"], "is live, as release")
        bad = m.deploy_push("shop", r, "r3", **{"break-build": "yes"})
        told["failed"] = (bad["commit"][:7], "the compiler is unhappy")
        os.remove(os.path.join(r.work, "break-build"))
        other = m.deliver("shop", r, first["commit"], ref="refs/heads/dev")
        told["other branch"] = (other["delivery"], "--ref refs/heads/dev")
        ping = m.deliver("shop", r, "", body=b'{"zen": "x", "hook_id": 1, "repository": {"full_name": "octo/shop"}}',
                         headers={"X-GitHub-Event": "ping"})
        told["ping"] = (ping["delivery"], "the hook works")
        wrong = newest_after(lambda: m.deliver("shop", r, first["commit"], secret="wrong"), 401)
        told["bad signature"] = (wrong["id"], "(answered 401)")
        broken = newest_after(lambda: m.deliver("shop", r, first["commit"], body=b"{not json"), 400)
        told["malformed"] = (broken["id"], "(answered 400)")
        commit = r.commit("r4")
        r.push()
        m.cli("hold", "shop", "-m", "a sale")
        held = m.deliver("shop", r, commit, delivery="once")
        told["held"] = (held["delivery"], "belay resume shop")
        again = newest_after(lambda: m.deliver("shop", r, commit, delivery="once"), 200)
        told["repetition"] = (again["id"], "the same as " + held["delivery"])
        for name, (what, phrase) in told.items():
            with self.subTest(name):
                text = m.cli("why", what).stdout
                self.assertIn(phrase, text)
                self.assertLessEqual(len(text.splitlines()), 40, text)
                self.assertEqual([line for line in text.splitlines() if line != line.rstrip()], [], text)
                story = self.explain(what)
                self.assertTrue(story["answer"] and story["steps"], story)
                for step in story["steps"]:
                    self.assertEqual(set(step), {"at", "kind", "subject", "state", "rule", "text", "lines"})
        failed = self.explain(bad["id"])
        kinds = [step["kind"] for step in failed["steps"]]
        self.assertEqual(kinds[:3] + kinds[-2:], ["delivery", "decision", "deployment", "end", "live"], kinds)
        build = next(step for step in failed["steps"] if step["subject"] == "build")
        self.assertEqual((build["state"], "exit code 3" in build["text"]), ("failed", True))
        self.assertIn(f"belay logs {bad['id']} --stage build has all of it", failed["next"])
        m.cli("resume", "shop")
        m.wait_end(held["deployment"])

    def test_what_is_not_in_the_record_is_answered_as_well(self):
        m = self.machine
        self.live("r1")
        story = self.explain("abcdef12")
        self.assertIn("names a commit abcdef12", story["answer"])
        self.assertIn("follows branch main", story["steps"][0]["text"])
        self.assertEqual(m.cli("why", "w999", check=False).returncode, 5)
        self.assertEqual(m.cli("why", "nonsense", check=False).returncode, 1)


if __name__ == "__main__":
    unittest.main(verbosity=2)
