"""What must hold whenever nothing is under way, and what must not grow."""
import contextlib
import json
import os
import statistics
import time

from machine import BELAY
from sites import ENDS, KINDS, NEVER_HEALTHY


def status_field(pid, field):
    with contextlib.suppress(OSError), open(f"/proc/{pid}/status") as file:
        for line in file:
            if line.startswith(field + ":"):
                return int(line.split()[1])
    return 0


def allocated(folder):
    """(bytes on disk, files) below a directory."""
    total = count = 0
    for place, folders, names in os.walk(folder):
        for name in names + folders:
            with contextlib.suppress(OSError):
                total += os.lstat(os.path.join(place, name)).st_blocks * 512
                count += 1
    return total, count


def listeners(first, last):
    """Ports of the range that somebody listens on."""
    found = []
    for table in ("/proc/net/tcp", "/proc/net/tcp6"):
        with contextlib.suppress(OSError), open(table) as file:
            for line in list(file)[1:]:
                words = line.split()
                port = int(words[1].rsplit(":", 1)[1], 16)
                if words[3] == "0A" and first <= port <= last:
                    found.append(port)
    return sorted(found)


class Watch:
    """Asks the machine from outside: the site, the processes, the record, the disk."""

    def __init__(self, machine, sites, init):
        self.machine, self.sites, self.init = machine, sites, init
        self.samples = []
        self.began = time.monotonic()
        with open(machine.config) as file:
            first, last = next(line for line in file if line.startswith("ports")).split('"')[1].split("-")
        self.ports = int(first), int(last)

    def ask(self, *words, patience=40.0):
        """The JSON answer of a command, also where the daemon has just been killed."""
        end = time.monotonic() + patience
        while True:
            done = self.machine.cli(*words, "--json", check=False, timeout=60)
            if done.returncode == 0:
                return json.loads(done.stdout)
            if done.returncode != 3 or time.monotonic() > end:
                raise AssertionError(f"{BELAY} {' '.join(words)} ended with {done.returncode}: {done.stdout}{done.stderr}")
            time.sleep(0.1)

    def ends(self, site, patience=150.0):
        """Waits until nothing of the site is under way, and takes down how each deployment ended. What is wrong, as lines."""
        wrong = []
        end = time.monotonic() + patience
        while True:
            listed = {item["id"]: item for item in self.ask("history", site.name, "-n", "300")["items"]}
            open_ones = [identity for identity, item in listed.items() if item["state"] not in ENDS]
            missing = [identity for identity in site.owed if identity not in listed]
            if not open_ones and not missing:
                break
            if time.monotonic() > end:
                for identity in open_ones + missing:
                    wrong.append(f"{identity} ({site.owed.get(identity, 'not ours')}) has no end after {patience:g} s: "
                                 f"{listed[identity]['state'] if identity in listed else 'it is not in the history'}")
                    site.owed.pop(identity, None)
                break
            time.sleep(0.2)
        for identity, item in listed.items():
            if identity in site.ended or item["state"] not in ENDS:
                continue
            site.ended[identity] = (item["state"], item["reason"])
            wrong += self.judge_end(site, item)
            site.owed.pop(identity, None)
        return wrong

    def judge_end(self, site, item):
        kind = site.kind_of.get(item["commit"], "good")
        end = (item["state"], item["reason"])
        told = f"{item['id']} ({item['trigger']}, {kind}, {site.name_of.get(item['commit'])}) ended {end[0]}({end[1]}): {item['detail']}"
        if end[0] == "healthy":
            return [told] if kind in NEVER_HEALTHY and item["trigger"] != "config" else []
        if end[0] in ("superseded", "canceled") or end == ("rolled_back", "canceled"):
            return []
        if end == ("failed", "rejected") and kind in NEVER_HEALTHY and item["trigger"] in ("manual", "redeliver", "push"):
            return []  # a commit that went bad before
        if end == ("failed", "interrupted"):
            return [] if self.init.kills else [told]
        if end in KINDS[kind][3]:
            return []
        return [told]

    def settled(self, site):
        """Holds exactly one live release that was healthy? By three that agree: what users get, what runs, and the record. A line each."""
        wrong = []
        status = self.ask("status", site.name)
        if status["hold"]:
            wrong.append(f"{site.name} is on hold: {status['hold']}")
        if status["state"] != "live" or not status["live"]:
            return [*wrong, f"{site.name} is {status['state']}, live: {status['live']}"]
        number = status["live"]["release"]
        row = next((row for row in self.ask("releases", site.name)["items"] if row["number"] == number), None)
        if row is None or row["healthy_since"] is None or row["state"] != "live":
            wrong.append(f"{site.name} {number} is live and its row says: {row}")
        live = [other["number"] for other in self.ask("releases", site.name)["items"] if other["state"] == "live"]
        if live != [number]:
            wrong.append(f"{site.name}: the record has {live} for live")
        served = self.machine.served_release(site.host)
        with contextlib.suppress(OSError), open(f"{self.machine.state}/releases/{site.name}/{number}/RELEASE") as file:
            told = file.read().strip()
            if served != told:
                wrong.append(f"{site.name} answers {served}, and {number}, which is live, is {told}")
        if site.name_of.get(status["live"]["commit"]) != served:
            wrong.append(f"{site.name} answers {served}, and the live commit is {status['live']['commit']}")
        kind = site.pushes.get(served, ("unknown",))[0]
        if kind in NEVER_HEALTHY:
            wrong.append(f"{site.name} answers {served}, which is {kind}")
        with contextlib.suppress(FileNotFoundError), open(f"{self.machine.state}/live/{site.name}.json") as file:
            boots = json.load(file)
            for name in ("stable", "live"):
                if str(number) not in json.dumps(boots.get(name)):
                    wrong.append(f"live/{site.name}.json names for {name}: {json.dumps(boots.get(name))[:200]}, live is {number}")
        return wrong

    def leaks(self):
        """What runs, listens or lies about and belongs to nothing that lives; a line each."""
        found = self.init.census(self.sites)
        wrong = []
        for kind, least, most in [("daemon", 1, 1), ("proxy", 1, 1), ("stage", 0, 0), ("other", 0, 0), ("shim", 0, 1 + len(self.sites)),
                                  *((site.name, 1, 1) for site in self.sites)]:
            if not least <= len(found[kind]) <= most:
                wrong.append(f"{len(found[kind])} processes of {kind}: {[(pid, self.init.words(pid)) for pid in found[kind]]}")
        open_ports = listeners(*self.ports)
        if len(open_ports) != len(self.sites):
            wrong.append(f"listeners on {open_ports}, of {len(self.sites)} apps")
        for site in self.sites:
            live = self.ask("status", site.name)["live"]
            number = str(live["release"]) if live else ""
            runs = [name for name in os.listdir(f"{self.machine.state}/run") if name.startswith(site.name + ".")]
            if [run for run in runs if run.split(".")[1] != number] or len(runs) != 1:
                wrong.append(f"run directories {runs}, live is {number}")
        return wrong

    def sample(self):
        """A row of figures, to be taken when nothing is under way."""
        found = self.init.census(self.sites)
        row = {"at": round(time.monotonic() - self.began, 1)}
        for kind in ("daemon", "proxy"):
            pid = found[kind][0] if found[kind] else 0
            row[kind] = {"pid": pid, "rss_kib": status_field(pid, "VmRSS"), "threads": status_field(pid, "Threads"), "descriptors": 0}
            with contextlib.suppress(OSError):
                row[kind]["descriptors"] = len(os.listdir(f"/proc/{pid}/fd"))
        row["shims"] = {"count": len(found["shim"]), "rss_kib": sum(status_field(pid, "VmRSS") for pid in found["shim"])}
        row["disk"] = {}
        for name in os.listdir(self.machine.state):
            path = os.path.join(self.machine.state, name)
            size, files = allocated(path) if os.path.isdir(path) else (os.lstat(path).st_blocks * 512, 1)
            row["disk"][name] = {"bytes": size, "files": files}
        self.samples.append(row)
        return row


# --- flat or not
QUIET_TIME = 60.0           # of a process: until it has warmed up
GROWTH = 1536               # KiB that the memory of one process may grow by, in all of its life after that
DESCRIPTORS = 6             # between the lowest and the highest settled sample of one process
BOUNDED = ("releases", "run", "logs", "secrets", "live", "proxy", "home", "shared", "cache", "belay.db")
WRITE_AHEAD_LOG = 9 << 20   # 8 MiB are kept of it (docs/record.md), and one commit
BACKUPS = 12                # copies of the database, one an hour, that the daemon keeps (docs/record.md)


def slope(points):
    """Per hour, by least squares, of (seconds, value)."""
    if len(points) < 3:
        return 0.0
    return statistics.linear_regression([at for at, _ in points], [value for _, value in points]).slope * 3600


def lives(samples, kind):
    """The samples of each process of a kind, longest life first."""
    by_pid = {}
    for row in samples:
        by_pid.setdefault(row[kind]["pid"], []).append(row)
    return sorted(by_pid.values(), key=lambda rows: rows[0]["at"] - rows[-1]["at"])


def thirds(values):
    size = max(1, len(values) // 3)
    return values[:size], values[-size:]


def flatness(samples, kind):
    """(figures, what is wrong) of the daemon or the proxy over its longest life."""
    rows = lives(samples, kind)[0]
    warm = [row for row in rows if row["at"] - rows[0]["at"] >= QUIET_TIME] or rows
    memory = [row[kind]["rss_kib"] for row in warm]
    first, last = (statistics.median(part) for part in thirds(memory))
    handles = [row[kind]["descriptors"] for row in warm]
    life = rows[-1]["at"] - rows[0]["at"]
    figures = {"life_s": round(life), "samples": len(warm), "rss_kib_first_third": first, "rss_kib_last_third": last, "rss_kib_most": max(memory),
               "rss_kib_per_hour": round(slope([(row["at"], row[kind]["rss_kib"]) for row in warm])),
               "descriptors": [min(handles), max(handles)],
               "descriptors_per_hour": round(slope([(row["at"], row[kind]["descriptors"]) for row in warm]), 1)}
    wrong = []
    if len(warm) >= 6 and last - first > GROWTH:
        wrong.append(f"the {kind}'s memory grew from {first:.0f} to {last:.0f} KiB within {life:.0f} s")
    if len(warm) >= 6 and max(thirds(handles)[1]) - max(thirds(handles)[0]) > DESCRIPTORS:
        wrong.append(f"the {kind}'s descriptors grew from {thirds(handles)[0]} to {thirds(handles)[1]}")
    return figures, wrong


# Of a run that is long enough for what goes by time to have gone several times.
LONG_ENOUGH = 45 * 60.0


def disk_growth(samples):
    """(figures by part, what is wrong): the highest of the last third against that of the middle third."""
    figures, wrong = {}, []
    size = len(samples) // 3
    for name in sorted({name for row in samples for name in row["disk"]}):
        values = [row["disk"].get(name, {"bytes": 0})["bytes"] for row in samples]
        points = list(zip((row["at"] for row in samples), values))
        figures[name] = {"first": values[0], "most": max(values), "last": values[-1], "bytes_per_hour": round(slope(points[len(points) // 3:]))}
        if name == "belay.db-wal" and max(values) > WRITE_AHEAD_LOG:
            wrong.append(f"{name} on disk had {max(values)} bytes")
        if name not in BOUNDED or size < 3 or samples[-1]["at"] < LONG_ENOUGH:
            continue
        middle, end = max(values[size:2 * size]), max(values[2 * size:])
        if end > 1.3 * middle + (1 << 20):
            wrong.append(f"{name} on disk grew from {middle} to {end} bytes between the middle and the last third")
    return figures, wrong


def boundedness(machine, sites):
    """After a clean-up: what is kept is what [keep] allows."""
    wrong = []
    for site in sites:
        names = set(os.listdir(f"{machine.state}/releases/{site.name}"))
        kept = [name for name in names if name.isdigit()]
        half = sorted(name for name in kept if name + ".json" not in names)
        if half:
            wrong.append(f"what attempts of {site.name} left unsealed stays: {half}")
        # Two healthy ones, the live one's way back, two failed ones to look at.
        if len(kept) > 6:
            wrong.append(f"{len(kept)} releases of {site.name} are kept: {sorted(map(int, kept))}")
    backups = [name for name in os.listdir(f"{machine.state}/backups") if name.startswith("belay-")]
    if len(backups) > BACKUPS:
        wrong.append(f"{len(backups)} backups are kept: {sorted(backups)}")
    return wrong
