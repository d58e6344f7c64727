"""A second judge of lost requests, beside tests/e2e/judge.py: httperf(1), which opens connections at a fixed rate whatever comes back,
shares no code with Belay or its tests, and counts refused, reset and late ones by itself."""
import re
import shutil
import subprocess
import threading

SEGMENT = 10  # seconds of one run of it; the next begins at once


def missing():
    """What must be installed first, or None."""
    return None if shutil.which("httperf") else "httperf is missing: scripts/bootstrap --bench installs it"


class Witness:
    """Watches a port from `with` to its end; `counts` and `failed` hold the verdict then."""

    def __init__(self, port, rate, late=1.0):
        self.command = ["httperf", "--server=127.0.0.1", f"--port={port}", "--server-name=localhost", "--uri=/", f"--rate={rate}",
                        f"--num-conns={rate * SEGMENT}", "--num-calls=2", f"--timeout={late}"]
        self.counts = {}
        self.stopping = threading.Event()
        self.problem = None
        self.thread = threading.Thread(target=self.watch)

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.stopping.set()
        self.thread.join()

    def watch(self):
        while not self.stopping.is_set():
            done = subprocess.run(self.command, capture_output=True, text=True)
            if done.returncode != 0 or "Errors: total" not in done.stdout:
                self.problem = f"httperf ended with {done.returncode}: {done.stderr.strip()}"
                return
            self.add(done.stdout)

    def add(self, report):
        numbers = re.search(r"^Total: connections (\d+) requests (\d+) replies (\d+)", report, re.M)
        for name, value in zip(("connections", "requests", "replies"), numbers.groups()):
            self.counts[name] = self.counts.get(name, 0) + int(value)
        for line in re.findall(r"^(?:Reply status:|Errors:) (.*)$", report, re.M):
            for name, value in re.findall(r"([a-z0-9-]+)[= ](\d+)", line):
                self.counts[name] = self.counts.get(name, 0) + int(value)

    @property
    def failed(self):
        """Requests and connections that were not answered with a 2xx in time."""
        return self.counts.get("total", 0) + sum(self.counts.get(kind, 0) for kind in ("1xx", "3xx", "4xx", "5xx"))
