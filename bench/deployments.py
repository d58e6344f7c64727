#!/usr/bin/env python3
"""Many deployments in a row under load: overhead, lost requests, leaks; rollbacks to a warm release; what an idle machine costs.

bench/deployments.py [COUNT=200] [RATE=200]     (the release build, or what BELAY_EXECUTABLE and BELAY_SHIM name)
Prints figures, each with its bound where one is promised; exit 1 when one is over, a request failed or something leaked.
"""
import json
import os
import shutil
import statistics
import sys
import tempfile
import time
from datetime import datetime

ROOT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..")
os.environ.setdefault("BELAY_EXECUTABLE", os.path.abspath(os.path.join(ROOT, "build/release/src/app/belay")))
sys.path.insert(0, os.path.join(ROOT, "tests/e2e"))
from machine import BELAY, SHORT, Machine, Repository, wait_for  # noqa: E402
from witness import Witness, missing  # noqa: E402

COUNT = int(sys.argv[1]) if len(sys.argv) > 1 else 200
RATE = float(sys.argv[2]) if len(sys.argv) > 2 else 200
STABLE_MS = 200
WINDOWS = (SHORT.replace('bake = "1500ms"', 'bake = "600ms"').replace('min_healthy_time = "300ms"', f'min_healthy_time = "{STABLE_MS}ms"')
           .replace('timeout = "1s"', 'timeout = "250ms"').replace('live_interval = "500ms"\n', ""))
FILES = 500
OVERHEAD_RUNS, OVERHEAD_MS = 20, 100
WARM_RUNS, WARM_MS = 5, 50
IDLE_SECONDS, IDLE_WAKES = 30, 1.0
IDLE_KIB = {"daemon": 25 * 1024, "proxy": 25 * 1024, "shim": 1024}
STAGES = ("fetch", "build", "test", "release")


def resident(pid):
    with open(f"/proc/{pid}/status") as file:
        for line in file:
            if line.startswith("VmRSS"):
                return int(line.split()[1])
    return 0


def descriptors(pid):
    return len(os.listdir(f"/proc/{pid}/fd"))


def wakes(pid):
    """How often its threads were scheduled."""
    count = 0
    for thread in os.listdir(f"/proc/{pid}/task"):
        with open(f"/proc/{pid}/task/{thread}/status") as file:
            count += sum(int(line.split()[1]) for line in file if "ctxt_switches" in line)
    return count


def born(pid):
    """When the process was forked, seconds since 1970; to a clock tick."""
    with open(f"/proc/{pid}/stat") as file:
        ticks = int(file.read().rsplit(")", 1)[1].split()[19])
    with open("/proc/uptime") as file:
        boot = time.time() - float(file.read().split()[0])
    return boot + ticks / os.sysconf("SC_CLK_TCK")


def sync_times(folder):
    """What the disk takes to make 4 KiB durable, ms: Belay waits for it some twenty times a deployment."""
    took = []
    with open(os.path.join(folder, "sync"), "wb") as file:
        for _ in range(50):
            file.write(b"x" * 4096)
            file.flush()
            began = time.monotonic()
            os.fdatasync(file.fileno())
            took.append((time.monotonic() - began) * 1000)
    return {"median": round(statistics.median(took), 2), "max": round(max(took), 1)}


def proxy_pid(machine):
    return next(pid for pid, words in machine.processes().items() if " proxy " in words and "belay-shim" not in words)


def apps(machine):
    return sum("app.py" in words and "belay-shim" not in words for words in machine.processes().values())


def seconds(text):
    return datetime.fromisoformat(text.replace("Z", "+00:00")).timestamp()


def first_answer(events, release):
    with open(events) as file:
        return next((float(line.split()[0]) for line in file if line.split()[1] == release), None)


class Bench:
    def __init__(self, folder):
        self.machine = Machine(folder)
        os.mkdir(os.path.join(folder, "repo"))
        self.repository = Repository(os.path.join(folder, "repo"))
        for number in range(FILES - 3):  # with app.py, RELEASE and mode
            self.repository.write(f"lib/f{number}.txt", f"{number}\n" * 100)
        self.events = os.path.join(folder, "events")
        self.figures, self.problems = {"fdatasync_ms": sync_times(folder), "load": os.getloadavg()[0]}, []

    def go_live(self):
        self.repository.commit("r0")
        self.repository.push()
        self.machine.app("shop", self.repository.bare, windows=WINDOWS)
        self.machine.start()
        first = self.machine.first_deployment("shop")
        assert first["state"] == "healthy", first

    def deploy(self, release):
        record = self.machine.deploy_push("shop", self.repository, release)
        if record["state"] != "healthy":
            self.problems.append(f"{release} ended {record['state']}: {record['detail']}")
        return record

    def bounded(self, name, value, bound):
        """Notes a figure with its verdict."""
        self.figures[name] = {"value": value, "at_most": bound, "verdict": "ok" if value <= bound else "OVER"}
        if value > bound:
            self.problems.append(f"{name} is {value}, over {bound}")

    def overhead(self):
        """From the hook's 202 to the first answer by the new release, less what is the user's: the stages by their own wall times, the
        boot of the app (its fork to its first passed probe, by the kernel and itself) and the time it must be healthy."""
        outside, own = [], []
        with self.machine.users(rate=100, events=self.events):
            for number in range(OVERHEAD_RUNS):
                release = f"o{number}"
                commit = self.repository.commit(release)
                self.repository.push()
                answer = self.machine.deliver("shop", self.repository, commit)
                accepted = time.time()
                assert answer["status"] == 202, answer
                wait_for("the first answer", lambda: self.machine.served_release() == release)
                served = wait_for("its time", lambda: first_answer(self.events, release))
                boot = float(self.machine.get("/first-pass")[1]) - born(int(self.machine.get("/pid")[1]))
                record = self.machine.wait_end(answer["deployment"])
                stages = sum(seconds(stage["finished_at"]) - seconds(stage["started_at"]) for stage in record["stages"]
                             if stage["name"] in STAGES)
                outside.append((served - accepted - stages - boot) * 1000 - STABLE_MS)
                own.append(record["overhead_ms"])
        self.figures["overhead_ms_by_the_record"] = {"median": statistics.median(own), "max": max(own)}
        self.figures["overhead_ms_outside"] = {"median": round(statistics.median(outside), 1), "min": round(min(outside), 1),
                                               "max": round(max(outside), 1), "files": FILES, "runs": OVERHEAD_RUNS}
        self.bounded("overhead_ms_outside_median", round(statistics.median(outside), 1), OVERHEAD_MS)

    def many(self):
        machine, samples = self.machine, []
        with machine.users(rate=RATE, expect_failures=True) as users, Witness(machine.proxy_port, 25) as witness:
            for number in range(1, COUNT + 1):
                self.deploy(f"r{number}")
                if number in (max(1, COUNT // 10), COUNT):
                    wait_for("the old release to end", lambda: apps(machine) == 1)
                    daemon, proxy = machine.daemon.pid, proxy_pid(machine)
                    samples.append({"deployments": number, "daemon_kb": resident(daemon), "daemon_fds": descriptors(daemon),
                                    "proxy_kb": resident(proxy), "proxy_fds": descriptors(proxy),
                                    "processes": len([w for w in machine.processes().values() if "judge" not in w]),
                                    "run_directories": len(os.listdir(os.path.join(machine.state, "run")))})
        self.figures.update({"deployments": COUNT, "requests": users["sent"], "failed": users["failed"],
                             "failures": users["failures"][:5], "max_gap_ms": users["max_gap_ms"],
                             "witness": {"tool": "httperf", "failed": witness.failed, **witness.counts}, "samples": samples})
        if users["failed"]:
            self.problems.append(f"{users['failed']} requests failed")
        if witness.failed or witness.problem:
            self.problems.append(witness.problem or f"httperf saw {witness.failed} requests fail")
        early, late = samples[0], samples[-1]
        for what in ("daemon_fds", "proxy_fds", "processes", "run_directories"):
            if late[what] > early[what] + 4:
                self.problems.append(f"{what} grew from {early[what]} to {late[what]}")

    def warm(self):
        machine, took = self.machine, []
        machine.app("shop", self.repository.bare, windows=WINDOWS.replace('bake = "600ms"', 'bake = "30s"'))
        machine.cli("reload")
        for number in range(WARM_RUNS):
            commit = self.repository.commit(f"w{number}")
            self.repository.push()
            baking = machine.deliver("shop", self.repository, commit)["deployment"]
            machine.wait_state(baking, "baking")
            before = machine.served_release()
            began = time.monotonic()
            machine.cli("rollback", "shop", "--json")
            while machine.served_release() == before:
                pass
            took.append((time.monotonic() - began) * 1000)
            machine.wait_end(baking)
            machine.cli("resume", "shop")
            wait_for("the lane", lambda: not machine.status("shop")["deployment"] or
                     machine.deployment(machine.status("shop")["deployment"]["id"])["state"] == "healthy", 60)
        self.bounded("warm_rollback_ms_with_the_command_line", round(statistics.median(took), 1), WARM_MS)

    def idle(self):
        """Nobody comes, nothing is deployed; the live release is probed each ten seconds, as by default."""
        machine = self.machine
        wait_for("the old release to end", lambda: apps(machine) == 1)
        daemon, proxy = machine.daemon.pid, proxy_pid(machine)
        shims = [pid for pid, words in machine.processes().items() if "belay-shim" in words.split(" ")[0]]
        watched = {"daemon": [daemon], "proxy": [proxy], "shim": shims}
        before = {pid: wakes(pid) for pids in watched.values() for pid in pids}
        time.sleep(IDLE_SECONDS)  # that nothing happens can only be watched
        for name, pids in watched.items():
            self.bounded(f"idle_{name}_wakes_per_second", round(max(wakes(pid) - before[pid] for pid in pids) / IDLE_SECONDS, 2), IDLE_WAKES)
            self.bounded(f"idle_{name}_kib", max(resident(pid) for pid in pids), IDLE_KIB[name])

    def run(self):
        self.go_live()
        self.overhead()
        self.idle()
        self.many()
        self.warm()


def main():
    lacking = missing() or (None if os.path.exists(BELAY) else f"{BELAY} is missing: scripts/build release belay belay-shim builds it")
    if lacking:
        print(f"bench/deployments.py: {lacking}", file=sys.stderr)
        return 2
    folder = tempfile.mkdtemp(prefix="belay-bench-")
    bench = Bench(folder)
    try:
        bench.run()
        print(json.dumps(bench.figures, indent=1))
    finally:
        bench.machine.cli("shutdown", check=False)
        bench.machine.close()
        shutil.rmtree(folder, ignore_errors=True)
    for problem in bench.problems:
        print("PROBLEM:", problem)
    return 1 if bench.problems else 0


sys.exit(main())
