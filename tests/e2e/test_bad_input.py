"""Bad input and a bad machine: each has a message of its own, and the live release is never touched."""
import json
import os
import socket
import subprocess
import unittest

from machine import BELAY, TestCase, wait_for


class BadInput(TestCase):
    def setUp(self):
        super().setUp()
        self.number = 1

    def failing(self, text, reason, words):
        """A push under an app file with `text` ends with the reason and the words, and r1 stays live."""
        m, r = self.machine, self.repository
        m.app("shop", r.bare, text)
        m.cli("reload")
        self.number += 1
        record = m.deploy_push("shop", r, f"r{self.number}")
        self.assertEqual((record["state"], record["reason"]), ("failed", reason), json.dumps(record, indent=1))
        self.assertIn(words, record["detail"])
        self.assertEqual(m.served_release(), "r1")
        return record

    def test_stages_that_go_wrong_each_in_their_own_way(self):
        m = self.machine
        self.live("r1")
        with m.users(rate=40):
            record = self.failing('[build]\nrun = ["no-such-command-here"]\n', "build_failed", "no-such-command-here")
            self.assertEqual(record["exit_code"], 127)
            self.failing('[build]\nrun = "yes"\ntimeout = "1s"\n', "build_timeout", "1s")
            self.failing('[test]\nrun = "sleep 600"\nsilence = "1s"\n', "test_silent", "1s")
            record = self.failing('[test]\nrun = "echo all wrong; kill -SEGV $$"\n', "test_failed", "")
            self.assertEqual(record["signal"], 11)
            self.assertIn("all wrong", "\n".join(record["log_tail"]))
            self.failing('[release]\nrun = "exit 3"\n', "release_failed", "3")
        self.assertEqual([w for w in m.processes().values() if w.startswith(("yes", "sleep"))], [])

    def test_a_disk_below_its_reserve_takes_no_new_release(self):
        m, r = self.machine, self.repository
        self.live("r1")
        with open(m.config) as file:
            text = file.read()
        with open(m.config, "w") as file:
            file.write(text.replace('disk_reserve = "1MiB"', 'disk_reserve = "900TiB"'))
        m.cli("reload")
        record = m.deploy_push("shop", r, "r2")
        self.assertEqual((record["reason"], record["blame"]), ("disk_full", "machine"), json.dumps(record, indent=1))
        self.assertEqual(m.served_release(), "r1")

    def test_a_broken_app_file_leaves_the_last_valid_one_in_force(self):
        m, r = self.machine, self.repository
        self.live("r1")
        path = m.app("shop", r.bare, 'brnch = "main"\n')
        told = m.cli("reload", check=False)
        self.assertEqual(told.returncode, 1)
        self.assertIn("branch", told.stdout + told.stderr)
        self.assertIn(f"{path}:3:1", told.stdout + told.stderr)
        self.assertIn("brnch", m.status("shop")["config_error"])
        self.assertEqual(m.deploy_push("shop", r, "r2")["state"], "healthy")
        m.kill()
        m.start()
        self.assertEqual(m.served_release(), "r2")
        self.assertIn("brnch", m.status("shop")["config_error"])

    def test_a_file_that_disappears_orphans_its_app_and_ends_nothing(self):
        m, r = self.machine, self.repository
        self.live("r1")
        os.remove(os.path.join(self.folder, "etc/apps/shop.toml"))
        m.cli("reload")
        self.assertEqual(m.served_release(), "r1")
        self.assertIn("orphan", json.dumps(m.status("shop")))

    def test_a_machine_that_cannot_be_served_on_is_named(self):
        m = self.machine
        with socket.socket() as taken:
            taken.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            taken.bind(("127.0.0.1", m.http_port))
            taken.listen()
            m.start(wait=False)
            self.assertEqual(m.daemon.wait(30), 1)
            self.assertIn(f"127.0.0.1:{m.http_port} is in use", m.tail())
        m.kill_everything()
        with open(m.config) as file:
            text = file.read()
        with open(m.config, "w") as file:
            file.write(text.replace(m.state, "/proc/belay-state"))
        done = subprocess.run([BELAY, "serve"], env=m.environment(), capture_output=True, text=True, timeout=30)
        self.assertEqual(done.returncode, 1)
        self.assertIn("/proc/belay-state", done.stderr)

    def test_a_second_daemon_on_the_same_state_is_refused(self):
        m = self.machine
        self.live("r1")
        done = subprocess.run([BELAY, "serve"], env=m.environment(), capture_output=True, text=True, timeout=30)
        self.assertEqual(done.returncode, 1)
        self.assertIn(f"pid {m.daemon.pid}", done.stderr)
        self.assertEqual(m.served_release(), "r1")


if __name__ == "__main__":
    unittest.main(verbosity=2)
