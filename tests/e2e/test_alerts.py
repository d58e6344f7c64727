"""Alerts out of the real daemon, into services as strict as their documentation."""
import json
import os
import subprocess
import sys
import unittest

from chat_servers import MATRIX_TOKEN, NTFY_TOKEN, WEBHOOK_SECRET, ChatServers
from machine import TestCase, git, wait_for

EVENTS = ("failed", "rolled_back", "unhealthy", "recovered", "degraded", "live", "awaiting_approval", "config_invalid", "disk_low")
HOSTILE = "Fix <!channel> @everyone [click](http://evil.example) `</pre>`"


def notify(*channels):
    listed = json.dumps(list(channels))
    return "[notify]\n" + "".join(f"{event} = {listed}\n" for event in EVENTS)


class Alerts(TestCase):
    def setUp(self):
        super().setUp()
        self.chat = ChatServers()
        self.addCleanup(self.chat.close)
        base = f"http://127.0.0.1:{self.chat.port}"
        self.told = os.path.join(self.folder, "told")
        with open(self.machine.config, "a") as file:
            file.write(f'''
[notify.slack]
type = "slack"
url = "{base}/slack"
[notify.discord]
type = "discord"
url = "{base}/discord"
[notify.teams]
type = "teams"
url = "{base}/teams"
[notify.matrix]
type = "matrix"
homeserver = "{base}"
room = "!room:example.org"
token = "{MATRIX_TOKEN}"
[notify.ntfy]
type = "ntfy"
url = "{base}/ntfy"
topic = "alerts"
token = "{NTFY_TOKEN}"
[notify.ops]
type = "webhook"
url = "{base}/webhook"
secret = "{WEBHOOK_SECRET}"
[notify.command]
type = "exec"
run = "cat >> {self.told}"
''')
        os.chmod(self.machine.config, 0o600)

    def wait_event(self, event, **fields):
        def found():
            for told in self.chat.events():
                if told["event"] == event and all(told[name] == value for name, value in fields.items()):
                    return told
            return None
        try:
            return wait_for(f"the alert {event}", found, 40)
        except AssertionError as problem:
            raise AssertionError(f"{problem}; told: {[t['title'] for t in self.chat.events()]}; refused: {self.chat.refused}\n"
                                 f"{self.machine.tail()}") from None

    def test_a_failing_push_is_told_everywhere_and_no_commit_message_does_harm(self):
        m, r = self.machine, self.repository
        everywhere = ("slack", "discord", "teams", "matrix", "ntfy", "ops", "command")
        self.live("r1", text=notify(*everywhere) + '[test]\nrun = "cat RELEASE; grep -q r1 RELEASE"\n')
        self.wait_event("live", release=1)
        r.write("RELEASE", "r2\n")
        git("commit", "-q", "-am", HOSTILE, cwd=r.work)
        commit = git("rev-parse", "HEAD", cwd=r.work)
        r.push()
        record = m.wait_end(m.deliver("shop", r, commit)["deployment"])
        self.assertEqual(record["reason"], "test_failed")
        told = self.wait_event("failed")
        self.assertEqual((told["app"], told["deployment"], told["commit"], told["stage"], told["reason"], told["exit_code"]),
                         ("shop", record["id"], commit, "testing", "test_failed", 1))
        self.assertIn("Ada", told["author"])
        self.assertEqual(told["message"], HOSTILE)
        self.assertEqual(told["log_tail"][-1], "r2")
        self.assertEqual(told["command"], f"belay show {record['id']}")
        self.assertEqual(told["serving"], 1)
        for service in ("slack", "discord", "teams", "matrix", "ntfy"):
            wait_for(f"{service} to be told twice", lambda s=service: len(self.chat.taken[s]) == 2, 20)
        self.assertEqual(self.chat.refused, [])
        wait_for("the command", lambda: os.path.exists(self.told) and len(open(self.told).readlines()) == 2)
        for service in everywhere:
            self.assertIn("answered 20" if service != "command" else "exited with 0", m.cli("notify", "test", service).stdout)
        missing = m.cli("notify", "test", "pager", check=False)
        self.assertEqual(missing.returncode, 5, missing.stderr)

    def test_a_service_that_falls_ill_and_recovers_is_told_of_both(self):
        m = self.machine
        # The mark is read by the app itself, so nothing but its health changes.
        mark = os.path.join(self.folder, "sick")
        app = self.repository.work + "/app.py"
        with open(app) as file:
            text = file.read()
        text = text.replace('if self.path == "/healthz":',
                                        f'if self.path == "/healthz" and os.path.exists("{mark}"): return self.answer(500, "ill")\n'
                                        '        if self.path == "/healthz":')
        self.repository.write("app.py", text)
        self.live("r1", text=notify("ops"))
        open(mark, "w").close()
        told = self.wait_event("unhealthy")
        self.assertIn("500", told["detail"])
        self.assertEqual(told["command"], "belay logs shop")
        self.assertIn("serving release r1", "\n".join(told["log_tail"]))
        os.remove(mark)
        self.wait_event("recovered")
        self.assertEqual(m.served_release(), "r1")

    def test_a_rollback_a_gate_a_broken_file_and_a_full_disk_are_told(self):
        m, r = self.machine, self.repository
        self.live("r1", text=notify("ops"))
        record = m.deploy_push("shop", r, "r2", "dies 1")
        if record["state"] == "rolled_back":
            self.assertEqual(self.wait_event("rolled_back")["deployment"], record["id"])
        else:
            self.wait_event("failed")
        m.app("shop", r.bare, 'approval = "manual"\n' + notify("ops"))
        m.cli("reload")
        commit = r.commit("r3")
        r.push()
        waiting = m.deliver("shop", r, commit)["deployment"]
        m.wait_state(waiting, "awaiting_approval")
        self.assertIn(f"belay approve {waiting}", self.wait_event("awaiting_approval")["command"])
        m.cli("reject", waiting)
        path = m.app("shop", r.bare, 'brnch = "main"\n')
        m.cli("reload", check=False)
        self.assertIn("brnch", self.wait_event("config_invalid", app="shop")["detail"])
        m.app("shop", r.bare, notify("ops"))
        with open(m.config) as file:
            text = file.read()
        with open(m.config, "w") as file:
            file.write(text.replace('disk_reserve = "1MiB"', 'disk_reserve = "900TiB"'))
        m.stop()
        m.start()
        self.assertIn("disk_reserve", self.wait_event("disk_low", app="")["detail"])
        self.assertTrue(path)

    def test_nothing_is_lost_where_the_service_is_down_and_the_daemon_killed(self):
        m, r = self.machine, self.repository
        self.live("r1", text=notify("ops") + '[test]\nrun = "grep -q r1 RELEASE"\n')
        self.wait_event("live")
        self.chat.script["webhook"] = [(503, "down", {})] * 3
        self.assertEqual(m.deploy_push("shop", r, "r2")["state"], "failed")
        wait_for("the first attempt", lambda: len(self.chat.script["webhook"]) < 3)
        m.kill()
        self.chat.script["webhook"] = []
        m.start()
        told = self.wait_event("failed")
        self.assertEqual(told["reason"], "test_failed")
        self.assertEqual(len(self.chat.events()), 2)

    def test_killed_around_the_sending_it_arrives_at_least_once_under_one_id(self):
        m, r = self.machine, self.repository
        self.live("r1", text=notify("ops") + '[test]\nrun = "grep -q r1 RELEASE"\n')
        self.wait_event("live")
        for point, expected in (("outbox.before_send", 1), ("outbox.after_send", 2)):
            before = len(self.chat.taken["webhook"])
            m.stop()
            m.start(BELAY_FAILPOINT=point)
            commit = r.commit(f"r-{point}")
            # Another reason each time, as repeats are counted and not sent.
            if point == "outbox.after_send":
                m.app("shop", r.bare, notify("ops") + '[build]\nrun = "false"\n')
                m.cli("reload")
            r.push()
            m.deliver("shop", r, commit)
            wait_for("its death", lambda: m.daemon.poll() is not None, 40)
            m.daemon = None
            m.start()
            wait_for("the alert", lambda n=before + expected: len(self.chat.taken["webhook"]) >= n, 40)
            self.assertEqual(len({request["headers"]["webhook-id"] for request in self.chat.taken["webhook"][before:]}), 1)
            self.assertEqual(len(self.chat.taken["webhook"]) - before, expected)

    def test_a_channel_that_keeps_failing_shows_in_status(self):
        m = self.machine
        self.chat.script["webhook"] = [(500, "out of order", {})] * 50
        self.live("r1", text=notify("ops"))
        wait_for("the problem", lambda: "sending alerts to ops has failed 3 times" in m.cli("status").stdout, 60)
        self.assertIn("answered 500: out of order", m.cli("status").stdout)
        self.assertEqual(m.served_release(), "r1")


if __name__ == "__main__":
    unittest.main()
