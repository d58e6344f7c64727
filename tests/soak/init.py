"""The machine's init, as the soak needs one: it starts the daemon again whenever it ends, and knows every process of this Belay."""
import contextlib
import os
import signal
import threading
import time


class Init:
    def __init__(self, machine, chance):
        self.machine, self.chance = machine, chance
        self.kills, self.starts = 0, 0
        self.problems = []  # what the daemon did by itself
        self.ordered = set()  # pids of daemons that were killed or asked to end
        self.lock = threading.Lock()
        self.ending = threading.Event()
        self.pause = 0.0
        self.thread = threading.Thread(target=self.keep_up, daemon=True)

    def start(self):
        self.machine.start()
        self.thread.start()

    def keep_up(self):
        while not self.ending.wait(0.02):
            daemon = self.machine.daemon
            if daemon is None or daemon.poll() is None:
                continue
            if daemon.pid not in self.ordered:
                self.problems.append(f"the daemon ended by itself with {daemon.returncode}:\n{self.machine.tail(20)}")
            if self.ending.wait(self.pause):
                return
            with self.lock:
                self.machine.start(wait=False)
                self.starts += 1

    def stop(self):
        self.ending.set()
        self.thread.join()

    def kill(self, number, again=None):
        """Ends the daemon; another comes within two seconds, and that one dies `again` so many seconds after its start."""
        with self.lock:
            daemon = self.machine.daemon
            self.pause = self.chance.choice([0.0, 0.0, 0.2, 1.0, 2.0])
            self.ordered.add(daemon.pid)
            daemon.send_signal(number)
            self.kills += 1
        said = f"{signal.Signals(number).name} to {daemon.pid}, the next after {self.pause} s"
        if again is None:
            return said
        end = time.monotonic() + 30
        while self.machine.daemon is daemon and time.monotonic() < end:
            time.sleep(0.005)
        time.sleep(again)
        return f"{said}; {self.kill(number)} after {again:.2f} s"

    # --- processes
    @staticmethod
    def stat(pid):
        """(state, parent), or None where there is no such process."""
        with contextlib.suppress(OSError), open(f"/proc/{pid}/stat") as file:
            state, parent = file.read().rsplit(")", 1)[1].split()[:2]
            return state, int(parent)
        return None

    @classmethod
    def parent(cls, pid):
        found = cls.stat(pid)
        return found[1] if found else None

    @staticmethod
    def words(pid):
        with contextlib.suppress(OSError), open(f"/proc/{pid}/cmdline", "rb") as file:
            return file.read().replace(b"\0", b" ").decode("latin-1")
        return ""

    def census(self, sites):
        """Pids by kind: daemon, proxy, stage, shim, other, and one kind for each site. By command line, working directory and parent."""
        state = self.machine.state
        found = {kind: [] for kind in ("daemon", "proxy", "stage", "shim", "other", *(site.name for site in sites))}
        daemon = self.machine.daemon.pid if self.machine.daemon else None
        for name in os.listdir("/proc"):
            pid = int(name) if name.isdigit() else None
            at = self.stat(pid) if pid else None
            if not at or at[0] == "Z":
                continue
            words = self.words(pid)
            where = ""
            with contextlib.suppress(OSError):
                where = os.readlink(f"/proc/{pid}/cwd")
            app = next((site.name for site in sites if where.startswith(f"{state}/releases/{site.name}/")), None)
            if words.startswith("belay-shim"):
                run = words.split()[2] if len(words.split()) > 2 else ""
                if any(run.startswith(site.name + ".") for site in sites) or (run == "proxy" and self.children_of(pid, f"{state}/proxy")):
                    found["shim"].append(pid)
            elif pid == daemon:
                found["daemon"].append(pid)
            elif f" proxy --directory {state}/" in words:
                found["proxy"].append(pid)
            elif app and "app.py" in words:
                found[app].append(pid)
            elif " stage " in words and (app or at[1] == daemon or state in words):
                found["stage"].append(pid)
            elif app or state in words or where.startswith(state):
                found["other"].append(pid)
        return found

    def children_of(self, pid, text):
        with contextlib.suppress(OSError), open(f"/proc/{pid}/task/{pid}/children") as file:
            return any(text in self.words(child) for child in file.read().split())
        return False

    def app_processes(self, site):
        return self.census([site])[site.name]

    def proxy(self):
        return next(iter(self.census([])["proxy"]), None)
