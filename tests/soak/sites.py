"""What the soak runs: two apps on one machine, the pushes made to each, and what the daemon owes for them."""
import contextlib
import http.client
import json
import os
import subprocess
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../e2e"))
from machine import APP, HERE, Repository  # noqa: E402

ENDS = ("healthy", "failed", "rolled_back", "canceled", "superseded")
PASSED = "cp RELEASE built\n"

# What is pushed: the app's mode, its build, its test, and what such a push may come to when nobody interferes.
KINDS = {
    "good": ("ok", PASSED, "true\n", {("healthy", None)}),
    "slow": ("ok", "sleep 2\n" + PASSED, "sleep 1\n", {("healthy", None)}),
    "bad build": ("ok", "echo no compiler; exit 2\n", "true\n", {("failed", "build_failed")}),
    "bad test": ("ok", PASSED, "echo 1 of 3 failed; exit 1\n", {("failed", "test_failed")}),
    "unhealthy": ("unhealthy", PASSED, "true\n", {("failed", "unhealthy"), ("failed", "deadline")}),
    "flaps": ("flaps", PASSED, "true\n", {("failed", "flapping"), ("failed", "unhealthy"), ("failed", "deadline")}),
    "dies": ("dies 1", PASSED, "true\n", {("rolled_back", "exited"), ("rolled_back", "unhealthy"), ("rolled_back", "flapping"),
                                          ("failed", "exited"), ("failed", "unhealthy"), ("failed", "flapping"),
                                          ("failed", "start_failed")}),  # it died while there was no daemon
    "falls ill": ("sick-after 1", PASSED, "true\n", {("rolled_back", "unhealthy"), ("rolled_back", "flapping"), ("failed", "unhealthy"),
                                                     ("failed", "flapping")}),
    "500s": ("errors", PASSED, "true\n", {("rolled_back", "error_ratio")}),
}
NEVER_HEALTHY = {kind for kind, (_, _, _, ends) in KINDS.items() if ("healthy", None) not in ends}

STAGES = '''
[build]
run = "sh build.sh"
[test]
run = "sh test.sh"
[release]
run = "true"
idempotent = true
'''
# Small budgets, so that what is kept is seen to be bounded.
WINDOWS = '''
[health]
path = "/healthz"
interval = "100ms"
live_interval = "500ms"
min_healthy_time = "300ms"
timeout = "2s"
deadline = "20s"

[traffic]
hosts = [{hosts}]
drain = "1s"
bake = "{bake}"
rollback_on = {{ error_ratio = "5%", baseline = 3.0, min_requests = 20 }}

[keep]
releases = 2
logs = "5m"
disk = "64MiB"
'''


class Site:
    """One app with its repository. What it was told, and what of that has not ended yet."""

    def __init__(self, machine, name, host):
        self.machine, self.name, self.host = machine, name, host
        folder = os.path.join(machine.folder, "repo-" + name)
        os.makedirs(folder)
        self.repository = Repository(folder)
        self.pushes = {}      # release name -> (kind, commit)
        self.kind_of = {}     # commit -> kind
        self.name_of = {}     # commit -> release name
        self.owed = {}        # deployment -> what for; until its end was seen
        self.ended = {}       # deployment -> (state, reason)
        self.deliveries = []  # (id of the inbox, commit, the forge's own id)
        self.count = 0
        self.variable, self.bake = 0, "2500ms"
        self.configure()

    def configure(self, variable=None, bake=None, broken=False):
        self.variable = self.variable if variable is None else variable
        self.bake = bake or self.bake
        hosts = f'"{self.host}"' if self.host != "localhost" else ""
        text = STAGES + f'\n[env]\nVARIABLE = "{self.variable}"\n' + ("\nnonsense = = 1\n" if broken else "")
        self.machine.app(self.name, self.repository.bare, text, WINDOWS.format(hosts=hosts, bake=self.bake))

    def push(self, kind):
        """Commits and pushes; the commit."""
        mode, build, test, _ = KINDS[kind]
        self.count += 1
        name = f"{self.name}.{self.count}"
        commit = self.repository.commit(name, mode, **{"build.sh": build, "test.sh": test, "app.py": APP})
        self.repository.push()
        self.pushes[name] = (kind, commit)
        self.kind_of[commit], self.name_of[commit] = kind, name
        return commit

    def deliver(self, commit, delivery=None, patience=40.0):
        """As a forge that tries again, under the same id, until it is answered. The answer."""
        delivery = delivery or f"{commit[:12]}-{time.time_ns()}"
        end = time.monotonic() + patience
        while True:
            with contextlib.suppress(OSError, http.client.HTTPException):
                answer = self.machine.deliver(self.name, self.repository, commit, delivery=delivery)
                if answer["status"] not in (502, 503, 504):
                    break
            if time.monotonic() > end:
                raise AssertionError(f"no answer to a delivery for {patience:g} s")
            time.sleep(0.2)
        if answer["status"] == 202:
            self.owed[answer["deployment"]] = f"the delivery of {self.name_of.get(commit, commit[:7])}"
        if answer.get("delivery"):
            self.deliveries.append((answer["delivery"], commit, delivery))
        return answer


class Client:
    """The open-loop client of tests/e2e/judge.py at one address, its failures as they come in."""

    def __init__(self, port, rate, host, record, max_time):
        self.record, self.read = record, 0
        open(record, "w").close()
        self.process = subprocess.Popen([sys.executable, os.path.join(HERE, "judge.py"), str(port), str(rate), "--host", host,
                                         "--limit", "1000000", "--max-time", str(max_time), "--record", record],
                                        stdout=subprocess.PIPE, text=True)
        self.process.stdout.readline()

    def news(self):
        """What was recorded since the last call."""
        with open(self.record) as file:
            file.seek(self.read)
            text = file.read()
        whole = text[:text.rfind("\n") + 1]
        self.read += len(whole.encode())
        return [json.loads(line) for line in whole.splitlines()]

    def verdict(self):
        self.process.terminate()
        output, _ = self.process.communicate(timeout=30)
        return json.loads(output.strip().splitlines()[-1])
