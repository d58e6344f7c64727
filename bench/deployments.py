#!/usr/bin/env python3
"""Many deployments in a row under load: lost requests, overhead, leaks; then rollbacks to a warm release.

bench/deployments.py [COUNT=200] [RATE=200]     (BELAY_EXECUTABLE and BELAY_SHIM name the build to be measured)
Prints figures; exit 1 when a request failed or something leaked.
"""
import json
import os
import shutil
import statistics
import sys
import tempfile
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../tests/e2e"))
from machine import SHORT, Machine, Repository, wait_for  # noqa: E402

COUNT = int(sys.argv[1]) if len(sys.argv) > 1 else 200
RATE = float(sys.argv[2]) if len(sys.argv) > 2 else 200
WINDOWS = (SHORT.replace('bake = "1500ms"', 'bake = "600ms"').replace('min_healthy_time = "300ms"', 'min_healthy_time = "200ms"')
           .replace('timeout = "1s"', 'timeout = "250ms"'))


def resident(pid):
    with open(f"/proc/{pid}/status") as file:
        for line in file:
            if line.startswith("VmRSS"):
                return int(line.split()[1])
    return 0


def descriptors(pid):
    return len(os.listdir(f"/proc/{pid}/fd"))


def proxy_pid(machine):
    return next(pid for pid, words in machine.processes().items() if " proxy " in words and "belay-shim" not in words)


def main():
    folder = tempfile.mkdtemp(prefix="belay-bench-")
    machine = Machine(folder)
    os.mkdir(os.path.join(folder, "repo"))
    repository = Repository(os.path.join(folder, "repo"))
    for number in range(200):
        repository.write(f"lib/f{number}.txt", f"{number}\n" * 100)
    problems = []
    try:
        repository.commit("r0")
        repository.push()
        machine.app("shop", repository.bare, windows=WINDOWS)
        machine.start()
        first = machine.first_deployment("shop")
        assert first["state"] == "healthy", first
        overheads, samples = [], []
        with machine.users(rate=RATE, expect_failures=True) as users:
            for number in range(1, COUNT + 1):
                record = machine.deploy_push("shop", repository, f"r{number}")
                if record["state"] != "healthy":
                    problems.append(f"r{number} ended {record['state']}: {record['detail']}")
                overheads.append(record["overhead_ms"])
                if number in (max(1, COUNT // 10), COUNT):
                    wait_for("the old release to end", lambda: sum("app.py" in w and "belay-shim" not in w
                                                                   for w in machine.processes().values()) == 1)
                    daemon, proxy = machine.daemon.pid, proxy_pid(machine)
                    samples.append({"deployments": number, "daemon_kb": resident(daemon), "daemon_fds": descriptors(daemon),
                                    "proxy_kb": resident(proxy), "proxy_fds": descriptors(proxy),
                                    "processes": len([w for w in machine.processes().values() if "judge" not in w]),
                                    "run_directories": len(os.listdir(os.path.join(machine.state, "run")))})
        warm = []
        machine.app("shop", repository.bare, windows=WINDOWS.replace('bake = "600ms"', 'bake = "30s"'))
        machine.cli("reload")
        for number in range(5):
            commit = repository.commit(f"w{number}")
            repository.push()
            baking = machine.deliver("shop", repository, commit)["deployment"]
            machine.wait_state(baking, "baking")
            before = machine.served_release()
            began = time.monotonic()
            machine.cli("rollback", "shop", "--json")
            while machine.served_release() == before:
                pass
            warm.append((time.monotonic() - began) * 1000)
            machine.wait_end(baking)
            machine.cli("resume", "shop")
            wait_for("the lane", lambda: not machine.status("shop")["deployment"] or
                     machine.deployment(machine.status("shop")["deployment"]["id"])["state"] == "healthy", 60)
        shims = [resident(pid) for pid, words in machine.processes().items() if "belay-shim" in words.split(" ")[0]]
        print(json.dumps({"deployments": COUNT, "requests": users["sent"], "failed": users["failed"], "failures": users["failures"][:5],
                          "overhead_ms": {"median": statistics.median(overheads), "max": max(overheads)},
                          "warm_rollback_ms_with_the_command_line": {"median": round(statistics.median(warm), 1)},
                          "samples": samples, "shim_kb": shims, "max_gap_ms": users["max_gap_ms"]}, indent=1))
        if users["failed"]:
            problems.append(f"{users['failed']} requests failed")
        early, late = samples[0], samples[-1]
        for what in ("daemon_fds", "proxy_fds", "processes", "run_directories"):
            if late[what] > early[what] + 4:
                problems.append(f"{what} grew from {early[what]} to {late[what]}")
    finally:
        machine.cli("shutdown", check=False)
        machine.close()
        shutil.rmtree(folder, ignore_errors=True)
    for problem in problems:
        print("PROBLEM:", problem)
    return 1 if problems else 0


sys.exit(main())
