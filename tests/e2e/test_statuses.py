"""Commit statuses back to the forge: what each forge hears of a push, and that trouble there loses nothing and holds nobody up."""
import json
import os
import signal
import socket
import subprocess
import time
import unittest

from fake_forge import TOKEN, FakeForge
from machine import TestCase, free_ports, wait_for

STAGES = '''
[build]
run = "cp RELEASE built"
[test]
run = "test -s built && test ! -e break-test"
'''
PENDING = {"github": "pending", "gitlab": "running", "gitea": "pending", "forgejo": "pending", "bitbucket-cloud": "INPROGRESS",
           "bitbucket-server": "INPROGRESS", "azure-devops": "pending"}
SUCCESS = {"github": "success", "gitlab": "success", "gitea": "success", "forgejo": "success", "bitbucket-cloud": "SUCCESSFUL",
           "bitbucket-server": "SUCCESSFUL", "azure-devops": "succeeded"}
FAILURE = {"github": "failure", "gitlab": "failed", "gitea": "failure", "forgejo": "failure", "bitbucket-cloud": "FAILED",
           "bitbucket-server": "FAILED", "azure-devops": "failed"}


class Statuses(TestCase):
    def forge(self, kind, port=0):
        forge = FakeForge(kind, port)
        self.addCleanup(forge.close)
        return forge

    def start_app(self, forge, kind, token=TOKEN, start=True):
        """The repository at a path as that forge has it, and an app that reports to it."""
        root = self.make_folder("served")
        path = "acme/web/_git/shop" if kind == "azure-devops" else "acme/shop.git"
        os.makedirs(os.path.dirname(os.path.join(root, path)))
        os.symlink(self.repository.bare, os.path.join(root, path))
        self.git_port, = free_ports(1)
        server = subprocess.Popen(["git", "daemon", "--export-all", "--reuseaddr", "--listen=127.0.0.1", f"--port={self.git_port}",
                                   f"--base-path={root}", root, os.path.dirname(self.repository.bare)],
                                  stderr=subprocess.DEVNULL, start_new_session=True,
                                  env={"PATH": os.environ["PATH"], "HOME": self.folder, "GIT_CONFIG_COUNT": "1",
                                       "GIT_CONFIG_KEY_0": "safe.directory", "GIT_CONFIG_VALUE_0": "*"})

        def end():
            os.killpg(server.pid, signal.SIGKILL)
            server.wait()
        self.addCleanup(end)

        def listens():
            with socket.socket() as probe:
                return probe.connect_ex(("127.0.0.1", self.git_port)) == 0
        wait_for("git daemon", listens)
        secret = os.path.join(self.folder, "etc/secrets/status")
        with open(secret, "w") as file:
            file.write(token + "\n")
        os.chmod(secret, 0o600)
        self.repository.commit("r1")
        self.repository.push()
        text = STAGES + f'''
[status]
token = {{ file = "{secret}" }}
url = "{forge.url}"
'''
        self.machine.app("shop", f"git://127.0.0.1:{self.git_port}/{path}", text + f'[webhook]\nforge = "{kind}"\n')
        if start:
            self.machine.start()
            self.assertEqual(self.machine.first_deployment("shop")["state"], "healthy", self.machine.tail())

    def push(self, release, mode="ok", wait=True, **files):
        """A push that polling would find; the delivery itself is no part of this test."""
        commit = self.repository.commit(release, mode, **files)
        self.repository.push()
        answer = self.machine.json("deploy", "shop", "--commit", commit)
        return commit, self.machine.wait_end(answer["deployment"]) if wait else answer["deployment"]

    def hears(self, forge, commit, state, deadline=30, kind="status"):
        def heard():
            states = forge.states(commit, kind)
            return states and states[-1] == state
        try:
            wait_for(f"{state} of {commit[:7]}", heard, deadline)
        except AssertionError as problem:
            raise AssertionError(f"{problem}\n{json.dumps(forge.told[-5:], indent=1)}\nrefused {forge.refused}\nseen {forge.seen}"
                                 f"\n{self.machine.tail()}") from None


def story(kind):
    def test(self):
        forge = self.forge(kind)
        self.start_app(forge, kind)
        with self.machine.users(rate=20):
            good, end = self.push("r2")
            self.assertEqual(end["state"], "healthy", json.dumps(end, indent=1))
            self.hears(forge, good, SUCCESS[kind])
            self.assertEqual([s for s in forge.states(good) if s != "pending" or kind != "gitlab"], [PENDING[kind], SUCCESS[kind]])
            broken, end = self.push("r3", **{"break-test": "x"})
            self.assertEqual(end["reason"], "test_failed")
            self.hears(forge, broken, FAILURE[kind])
            os.remove(os.path.join(self.repository.work, "break-test"))
            sick, end = self.push("r4", "dies 1")
            self.assertEqual(end["state"], "rolled_back", json.dumps(end, indent=1))
            self.hears(forge, sick, FAILURE[kind])
        # Whatever the forge refused, it refused for a good reason: there must be none, but GitLab's for a state that it has.
        refused = [each for each in forge.refused if "Cannot transition status" not in json.dumps(each[1])]
        self.assertEqual(refused, [])
        self.assertTrue(all(each["key"] in ("belay/shop", "shop") or each["kind"] == "deployment_status" for each in forge.told))
        self.assertNotIn(TOKEN, self.machine.tail(100_000))
        if kind == "github":
            for commit, last in ((good, "success"), (broken, "failure"), (sick, "failure")):
                self.assertEqual(len([1 for each in forge.told if each["kind"] == "deployment" and each["commit"] == commit]), 1)
                self.hears(forge, commit, last, kind="deployment_status")
            self.assertEqual([s for s in forge.states(good, "deployment_status") if s != "queued"], ["in_progress", "success"])
        words = forge.descriptions(broken)
        self.assertTrue(any("the tests failed, exit code 1" in each for each in words), words)
    return test


class Forges(Statuses):
    test_github = story("github")
    test_gitlab = story("gitlab")
    test_gitea = story("gitea")
    test_bitbucket_cloud = story("bitbucket-cloud")
    test_bitbucket_data_center = story("bitbucket-server")
    test_azure_devops = story("azure-devops")


class Trouble(Statuses):
    def test_a_forge_that_stumbles_hears_it_in_the_end_and_holds_nobody_up(self):
        forge = self.forge("gitea")
        self.start_app(forge, "gitea")
        for trouble in ([503, 500], [(429, {"Retry-After": "1"})], ["reset", "reset"], [408]):
            before = len(forge.seen)
            forge.trouble.extend(trouble)
            began = time.monotonic()
            commit, end = self.push(f"r-{before}")
            self.assertEqual(end["state"], "healthy")
            self.assertLess(time.monotonic() - began, 20)
            self.hears(forge, commit, "success", 60)
            if isinstance(trouble[0], tuple):
                times = [at for at, _, _ in forge.seen[before:]]
                self.assertGreaterEqual(times[1] - times[0], 1.0, "the forge asked for a second")

    def test_a_forge_that_hangs_holds_nobody_up(self):
        forge = self.forge("gitea")
        self.start_app(forge, "gitea")
        forge.trouble.append("hang")
        began = time.monotonic()
        commit, end = self.push("r2")
        self.assertEqual(end["state"], "healthy")
        self.assertLess(time.monotonic() - began, 20)
        forge.released.set()
        self.hears(forge, commit, "success", 90)

    def test_what_a_forge_refuses_is_given_up_with_the_reason_and_the_next_is_told(self):
        forge = self.forge("gitea")
        self.start_app(forge, "gitea", token="a wrong one")
        commit, end = self.push("r2")
        self.assertEqual(end["state"], "healthy")
        def problem():
            return [line for line in self.machine.cli("status").stdout.splitlines() if "[status] token" in line]
        self.assertTrue(wait_for("the daemon to say so", problem, 30))
        self.assertNotIn("a wrong one", self.machine.tail(100_000))
        with open(os.path.join(self.folder, "etc/secrets/status"), "w") as file:
            file.write(TOKEN + "\n")
        for status in (404, 422):
            forge.trouble.extend([status])
        commit, _ = self.push("r3")
        self.hears(forge, commit, "success", 60)
        wait_for("the complaint to be over", lambda: not problem(), 30)

    def test_a_status_survives_the_daemons_death(self):
        port, = free_ports(1)
        forge = self.forge("gitea", port)
        self.start_app(forge, "gitea")
        forge.close()
        commit, end = self.push("r2")
        self.assertEqual(end["state"], "healthy")
        self.machine.kill()
        self.machine.start()
        again = self.forge("gitea", port)
        self.hears(again, commit, "success", 90)
        self.assertEqual(again.states(commit), ["success"], "what was pending meanwhile is old news")

    def test_a_newer_state_takes_the_place_of_what_was_not_sent(self):
        forge = self.forge("gitea")
        self.start_app(forge, "gitea")
        before = len(forge.seen)
        forge.trouble.extend([(503, {"Retry-After": "4"})])
        commit, end = self.push("r2")
        self.hears(forge, commit, "success", 60)
        self.assertLessEqual(len(forge.seen) - before, 4, forge.seen)


class Unsigned(Statuses):
    def test_a_commit_that_only_an_unsigned_body_named_is_never_told(self):
        forge = self.forge("gitlab")
        self.start_app(forge, "gitlab")
        made_up = "0123456789" * 4
        # As whoever has the secret could say of any commit: the body is covered by nothing.
        answer = self.machine.deliver("shop", self.repository, made_up, secret=None, body=json.dumps(
            {"object_kind": "push", "event_name": "push", "ref": "refs/heads/main", "before": "0" * 40, "after": made_up,
             "checkout_sha": made_up, "project": {"path_with_namespace": "acme/shop"}, "commits": []}).encode(),
            headers={"X-Gitlab-Event": "Push Hook", "X-Gitlab-Token": "s3cret-of-the-hook"})
        self.assertEqual(answer["status"], 202, answer)
        self.machine.wait_end(answer["deployment"])
        commit, _ = self.push("r2")
        self.hears(forge, commit, "success")
        self.assertEqual(forge.states(made_up), [])
        self.assertNotIn(made_up, json.dumps([each for each in forge.seen]))


if __name__ == "__main__":
    unittest.main(verbosity=2)
