"""The daemon dies at places that chance chooses, twice a deployment; and the machine in every state of one (docs/reliability.md).

BELAY_FAULT_SEEDS=FIRST-LAST runs other seeds than the few of every run; a seed that finds something is added to KEPT."""
import http.client
import json
import os
import random
import time
import unittest

from machine import STAGES, TestCase, wait_for

ENDS = ("healthy", "failed", "rolled_back", "canceled", "superseded")
KEPT = (972,)  # seeds that found something once
# What each push comes to, if nobody is disturbed.
MODES = {"ok": ("healthy",), "unhealthy": ("failed",), "dies 1": ("rolled_back", "failed")}  # failed: where it died before it was switched to


def seeds():
    chosen = os.environ.get("BELAY_FAULT_SEEDS")
    if not chosen:
        return [*KEPT, *range(1, 7)]
    first, last = chosen.split("-")
    return range(int(first), int(last) + 1)


class CrashCase(TestCase):
    def left_behind(self, release):
        """What is on disk or in the record and belongs to nothing that lives."""
        m = self.machine
        releases = os.path.join(m.state, "releases/shop")

        def leftovers():
            runs = {name for name in os.listdir(os.path.join(m.state, "run")) if name.startswith("shop.")}
            names = set(os.listdir(releases))
            half = {name for name in names if name.isdigit() and name + ".json" not in names}
            stages = [words for words in m.processes().values() if " stage " in words]
            return sorted(run for run in runs if run.split(".")[1] != str(release)) + sorted(half) + stages
        try:
            wait_for("all to be tidied up", lambda: not leftovers(), 15)
        except AssertionError:
            self.fail(f"left behind: {leftovers()}\n{m.tail()}")


class Explorer(CrashCase):
    deaths = 0

    def until_dead_or_settled(self, identity):
        m = self.machine

        def over():
            if m.daemon.poll() is not None:
                self.deaths += 1
                return "dead"
            if identity is None or m.cli("status", "--json", check=False).returncode != 0:
                return None
            found = m.cli("show", identity, "--json", check=False)
            return "settled" if found.returncode == 0 and json.loads(found.stdout)["state"] in ENDS else None
        return wait_for(f"{identity} to end or the daemon to die", over, 60)

    def one_push(self, seed):
        m, r = self.machine, self.repository
        chance = random.Random(seed)
        mode = chance.choice(["ok", "ok", "dies 1", "unhealthy"])
        first, second = chance.randint(1, 36), chance.randint(1, 20)
        what = f"seed {seed}: {mode}, dies at passing {first}, then at {second}"
        before, number = m.served_release(), m.status("shop")["live"]["release"]
        m.kill()
        m.start(wait=False, BELAY_FAILPOINT=f"*:{first}")
        wait_for("the daemon", lambda: m.daemon.poll() is not None or m.cli("status", "--json", check=False).returncode == 0)
        name = f"s{seed}"
        commit = r.commit(name, mode)
        r.push()
        identity, acknowledged = None, False
        try:
            answer = m.deliver("shop", r, commit)
            acknowledged, identity = answer["status"] == 202, answer.get("deployment")
        except (OSError, http.client.HTTPException):
            pass
        if identity:
            self.until_dead_or_settled(identity)
        m.kill()
        m.start(wait=False, BELAY_FAILPOINT=f"*:{second}")
        if identity:
            self.until_dead_or_settled(identity)
        m.kill()
        m.start()
        found = [d for d in m.json("history", "shop")["items"] if d["commit"] == commit]
        if not found:
            self.assertFalse(acknowledged, f"{what}: a delivery that was answered 202 is lost")
            return self.one_live_release(before, number)
        record = m.wait_end(found[0]["id"])
        self.assertIn(record["state"], MODES[mode] + (("failed",) if record["reason"] == "interrupted" else ()),
                      what + "\n" + json.dumps(record, indent=1))
        if record["state"] == "healthy":
            before, number = name, record["release"]
        self.one_live_release(before, number)
        self.left_behind(number)
        self.assertEqual([s["name"] for s in record["stages"] if s["state"] == "running"], [], what)

    def test_fault08_to_14_random_deaths_twice_a_deployment(self):
        self.live("s0", text=STAGES)
        chosen = list(seeds())
        with self.machine.users(rate=60):
            for seed in chosen:
                with self.subTest(f"seed {seed}"):
                    self.one_push(seed)
        self.assertGreaterEqual(self.deaths, len(chosen), "the daemon hardly ever died")


class Reboots(CrashCase):
    STATES = ("queued", "fetching", "building", "testing", "sealing", "releasing", "starting", "verifying", "switching", "draining",
              "baking")

    def rebooted_in(self, state, mode="ok"):
        """The record of a push whose machine lost power just after it had come to `state`."""
        m, r = self.machine, self.repository
        m.stop()
        m.start(BELAY_FAILPOINT=f"after_save.{state}")
        name = f"{state}{int(time.time() * 1000) % 1000000}"
        commit = r.commit(name, mode)
        r.push()
        try:
            m.deliver("shop", r, commit)
        except OSError:
            self.assertEqual(state, "queued")
        self.assertEqual(m.daemon.wait(60), -9)
        stable = self.stable
        self.reboot()
        m.start(wait=False)

        def serves():
            try:
                return m.served_release() in (stable, name)
            except OSError:
                return False
        wait_for("the site", serves)
        m.wait_ready()
        record = m.wait_end(m.wait_deployment_of("shop", commit)["id"])
        if record["state"] == "healthy":
            self.stable = name
        self.one_live_release(self.stable, m.status("shop")["live"]["release"])
        self.left_behind(m.status("shop")["live"]["release"])
        return record

    def test_fault20_a_reboot_in_each_state_brings_the_stable_release_back_and_ends_the_attempt(self):
        self.live("r0", text=STAGES)
        self.stable = "r0"
        for state in self.STATES:
            with self.subTest(state):
                self.assertEqual(self.rebooted_in(state)["state"], "healthy")
        with self.subTest("rolling_back"):
            self.assertEqual(self.rebooted_in("rolling_back", "dies 1")["state"], "rolled_back")

    def test_fault07_a_release_command_that_was_cut_off_is_not_run_again(self):
        m = self.machine
        self.live("r0", text=STAGES.replace("idempotent = true\n", "").replace('run = "true"', 'run = "echo ran >> $BELAY_SHARED/ran"'))
        self.stable = "r0"
        with self.subTest("killed"):
            with m.users(rate=60):
                m.stop()
                m.start(BELAY_FAILPOINT="after_save.releasing")
                commit = self.repository.commit("r1")
                self.repository.push()
                identity = m.deliver("shop", self.repository, commit)["deployment"]
                self.assertEqual(m.daemon.wait(60), -9)
                m.start()
                record = m.wait_end(identity)
                self.assertEqual((record["state"], record["reason"]), ("failed", "interrupted"), json.dumps(record, indent=1))
            self.one_live_release("r0", 1)
        with self.subTest("rebooted"):
            record = self.rebooted_in("releasing")
            self.assertEqual((record["state"], record["reason"]), ("failed", "interrupted"), json.dumps(record, indent=1))
        with open(os.path.join(m.state, "shared/shop/ran")) as file:
            self.assertEqual(file.read().split(), ["ran"], "of the first deployment alone")


if __name__ == "__main__":
    unittest.main(verbosity=2)
