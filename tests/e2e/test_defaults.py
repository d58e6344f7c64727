"""One push under the windows that a user gets who sets none: they must hold, and nothing else may be needed."""
import time
from datetime import datetime

from machine import TestCase, wait_for

STABLE = 10.0  # seconds: health.min_healthy_time
BAKE = 120.0   # seconds: traffic.bake


def seconds(text):
    return datetime.fromisoformat(text.replace("Z", "+00:00")).timestamp()


class Defaults(TestCase):
    def test_a_release_is_healthy_only_after_the_windows_and_the_one_before_stays_until_then(self):
        m, r = self.machine, self.repository
        self.live("r1")
        with open(f"{self.folder}/etc/apps/shop.toml", "w") as file:
            file.write(f'repo = "{r.bare}"\n[service]\nrun = ["/usr/bin/python3", "app.py"]\n')
        m.cli("reload")

        def apps():
            return sum("app.py" in words and "belay-shim" not in words for words in m.processes().values())

        with m.users(rate=20):
            commit = r.commit("r2")
            r.push()
            sent = time.time()
            answer = m.deliver("shop", r, commit)
            self.assertEqual(answer["status"], 202, answer)
            wait_for("users to get the new release", lambda: m.served_release() == "r2", 60)
            served = time.time()
            self.assertGreaterEqual(served - sent, STABLE, "it was switched to before it was stable")
            states = {}

            def ended():
                record = m.deployment(answer["deployment"])
                states.setdefault(record["state"], time.time())
                if record["state"] not in ("switching", "draining", "baking"):
                    return record
                self.assertEqual(apps(), 2, "the release before must stay warm through the bake")
                return None
            record = wait_for("the end of the bake", ended, BAKE + 60)
            self.assertEqual(record["state"], "healthy", record)
            self.assertIn("baking", states)
            self.assertGreaterEqual(states["healthy"] - served, BAKE - 1, "healthy before its bake was over")
            wait_for("the old release to end", lambda: apps() == 1)

        passed = [probe for probe in record["probes"] if probe["error"] is None]
        self.assertTrue(passed, record["probes"])
        self.assertGreaterEqual(seconds(record["switched_at"]) - seconds(record["started_at"]), STABLE)
        self.assertGreaterEqual(seconds(record["finished_at"]) - seconds(record["switched_at"]), BAKE)
        self.assertLess(seconds(record["finished_at"]) - seconds(record["switched_at"]), BAKE + 20)
        self.assertEqual(m.served_release(), "r2")
