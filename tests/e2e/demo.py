#!/usr/bin/env python3
"""scripts/demo: the main job told as a story, with real users at the door all the while."""
import os
import shutil
import sys
import tempfile
import time

from machine import BELAY, HERE, Machine, Repository, wait_for

KEEP = "--keep" in sys.argv
EXAMPLE = os.path.join(HERE, "../../examples/hello")

APP = '''branch = "main"

[build]
run = "python3 build.py"
[test]
run = "python3 -m unittest -q test_hello"

[service]
run = ["/usr/bin/python3", "server.py"]
stop_timeout = "5s"
'''
# Short windows, so that the story takes a minute; the defaults watch for longer.
WINDOWS = '''
[health]
path = "/healthz"
interval = "200ms"
min_healthy_time = "1s"
timeout = "1s"
deadline = "6s"

[traffic]
drain = "2s"
bake = "4s"
rollback_on = { error_ratio = "5%", baseline = 3.0, min_requests = 20 }
'''

WELL = open(os.path.join(EXAMPLE, "faults.py")).read()
STORY = [
    ("a good commit", {}, "healthy"),
    ("one whose test fails", {"index.template.html": "nothing of what was asked for\n"}, "failed"),
    ("one whose health check fails", {"faults.py": WELL.replace('return 200, "well"', 'return 500, "no database"')}, "failed"),
    ("one that dies while it is watched",
     {"faults.py": WELL.replace('    """Called once, before the first request."""',
                                "    import os, threading\n    threading.Timer(3, lambda: os._exit(9)).start()")}, "rolled_back"),
    ("one that answers 500 to its users, but is well by its own account",
     {"faults.py": WELL.replace("return 200, html", 'return 500, "sorry"')}, "rolled_back"),
    ("a good one again", {}, "healthy"),
]


def say(text):
    print(text, flush=True)


def main():
    folder = tempfile.mkdtemp(prefix="belay-demo-")
    machine = Machine(folder)
    os.mkdir(os.path.join(folder, "repo"))
    repository = Repository(os.path.join(folder, "repo"))
    os.remove(os.path.join(repository.work, "app.py"))
    shutil.copytree(EXAMPLE, repository.work, dirs_exist_ok=True, ignore=shutil.ignore_patterns("__pycache__"))
    begin = time.monotonic()
    clean = {name: open(os.path.join(EXAMPLE, name)).read() for name in ("index.template.html", "faults.py")}
    wrong = []
    try:
        repository.commit("v0")
        repository.push()
        machine.app("hello", repository.bare, APP, WINDOWS)
        machine.start()
        first = machine.first_deployment("hello")
        if first["state"] != "healthy":
            raise AssertionError(f"the first release did not go live: {first}")
        machine.cli("hook", "install", "hello", repository.bare)
        say(f"belay serves {repository.bare}\nthe site is http://127.0.0.1:{machine.proxy_port}, and v0 is live\n")
        live = "v0"
        with machine.users(rate=100, expect_failures=True) as users:
            for number, (what, files, expected) in enumerate(STORY, 1):
                name = f"v{number}"
                commit = repository.commit(name, **{**clean, **files})
                pushed = time.monotonic()
                repository.push()
                record = machine.wait_deployment_of("hello", commit)
                record = machine.wait_end(record["id"])
                took = time.monotonic() - pushed
                if record["state"] == "healthy":
                    live = name
                answers = machine.served_release()
                reason = f" ({record['reason']}: {record['detail'].splitlines()[0]})" if record["reason"] else ""
                say(f"{name}  {what}\n    {record['id']} {record['state']} after {took:.1f} s{reason}\n    the site answers: {answers}")
                if record["state"] != expected:
                    wrong.append(f"{name} ended {record['state']}, expected {expected}")
                if answers != live:
                    wrong.append(f"after {name} the site answered {answers}, expected {live}")
        say(f"\n{users['sent']} requests in {time.monotonic() - begin:.0f} s at 100/s, new and kept-alive connections, GET and POST:"
            f"\n  answered by a release  {users['ok'] + users['app_errors']}"
            f"\n    of them 500 by the bad release itself, until its users' errors took it out: {users['app_errors']}"
            f"\n  failed                 {users['failed']}   (longest gap between answers {users['max_gap_ms']:.0f} ms)")
        if users["failed"]:
            wrong.append(f"{users['failed']} requests failed: {users['failures'][:3]}")
        if KEEP:
            say(f"\nit runs on: http://127.0.0.1:{machine.proxy_port}\n  BELAY_CONFIG={machine.config} BELAY_SOCKET={machine.socket} "
                f"{BELAY} status hello\n  push from {repository.work}; end it all with the same variables and `belay shutdown`")
    except AssertionError as problem:
        wrong.append(str(problem))
    finally:
        if not KEEP or wrong:
            if machine.daemon and machine.daemon.poll() is None:
                machine.cli("shutdown", check=False)
                wait_for("everything to end", lambda: not machine.processes(), 20)
            machine.close()
            shutil.rmtree(folder, ignore_errors=True)
    for problem in wrong:
        say(f"WRONG: {problem}")
    return 1 if wrong else 0


sys.exit(main())
