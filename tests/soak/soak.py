#!/usr/bin/env python3
"""scripts/soak: chance at work on two apps for as long as it is told, with users at the door; then a verdict with figures.

Rough periods (a third of the time) also kill the daemon, the proxy and shims; calm ones leave them alone, so that what grows by and by is seen.
Twice a minute all is left to end, and then everything must be as it should: one live release that was healthy, every 202 with its end, nothing left over."""
import argparse
import collections
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from acts import Acts, Refused
from init import Init
from rules import allowed
from sites import NEVER_HEALTHY, Client, Site
from machine import APP, BELAY, Machine, free_ports, wait_for
from watch import LONG_ENOUGH, Watch, boundedness, disk_growth, flatness

ROUND = 25.0     # seconds of acts, before all is left to end
CYCLE = 1800.0   # of a rough and a calm period, at most
NEVER_SERVED = {"bad build", "bad test", "unhealthy", "flaps"}


def seconds(text):
    units = {"s": 1, "m": 60, "h": 3600}
    if text[-1:] not in units or not text[:-1].isdigit():
        raise argparse.ArgumentTypeError(f'"{text}" is no duration: 10m, 1h')
    return int(text[:-1]) * units[text[-1]]


class Soak:
    def __init__(self, options):
        self.options = options
        self.chance = random.Random(options.seed)
        self.folder = tempfile.mkdtemp(prefix="belay-soak-")
        self.machine = Machine(self.folder)
        tag = f"{os.getpid()}"  # in the names of the runs, so that shims of other Belays are not taken for ours
        self.sites = [Site(self.machine, f"shop-{tag}", "localhost"), Site(self.machine, f"blog-{tag}", "blog.localhost")]
        self.init = Init(self.machine, random.Random(options.seed + 1))
        self.acts = Acts(self.machine, self.sites, self.chance, self.init)
        self.watch = Watch(self.machine, self.sites, self.init)
        self.wrong = []
        self.control_failures = []
        self.excused = collections.Counter()
        self.failed = 0
        self.rounds = 0
        self.log = open(options.log or os.path.join(self.folder, "soak.log"), "a", buffering=1)

    def say(self, text, also=True):
        line = f"{time.strftime('%H:%M:%S', time.gmtime())} {text}"
        self.log.write(line + "\n")
        if also:
            print(line, flush=True)

    def complain(self, lines):
        for line in lines:
            self.wrong.append(line)
            self.say(f"VIOLATION {line}")
        if lines and self.options.stop:
            raise KeyboardInterrupt

    # --- the machine
    def set_up(self):
        for site in self.sites:
            site.push("good")
        self.init.start()
        for site in self.sites:
            first = self.machine.first_deployment(site.name)
            if first["state"] != "healthy":
                raise AssertionError(f"the first release did not go live: {json.dumps(first, indent=1)}")
            site.ended[first["id"]] = ("healthy", None)
        self.start_clients()

    def start_clients(self):
        options = self.options
        # The same app, asked by the same client with nothing of Belay between them: where it is late, it is the machine.
        place = os.path.join(self.folder, "control")
        os.makedirs(place + "/shared")
        for name, text in (("app.py", APP), ("RELEASE", "control\n")):
            with open(os.path.join(place, name), "w") as file:
                file.write(text)
        port = free_ports(1)[0]
        self.control_app = subprocess.Popen([sys.executable, "app.py"], cwd=place, stdout=subprocess.DEVNULL,
                                            env=dict(os.environ, PORT=str(port), BELAY_SHARED=place + "/shared"))
        wait_for("the control app", lambda: self.answers(port))
        self.control = Client(port, 10, "localhost", os.path.join(self.folder, "control.record"), options.max_time / 2)
        self.clients = [Client(self.machine.proxy_port, options.rate, site.host, os.path.join(self.folder, site.name + ".record"),
                               options.max_time) for site in self.sites]

    def answers(self, port):
        try:
            return self.machine.get(port=port)[0] == 200
        except OSError:
            return False

    # --- what users met
    def look_at_clients(self):
        self.control_failures += [news for news in self.control.news() if news["type"] == "failure"]
        lines = []
        for site, client in zip(self.sites, self.clients):
            for news in client.news():
                if news["type"] == "answers":
                    kind = site.pushes.get(news["release"], ("unknown",))[0]
                    if kind in NEVER_SERVED or kind == "unknown":
                        lines.append(f"a user of {site.name} was answered by {news['release']}, which is {kind}")
                    continue
                self.failed += 1
                rule = allowed(news, self.acts.proxy_deaths, self.control_failures)
                self.say(f"failed request at {site.name}: {json.dumps(news)}: {rule or 'no rule allows it'}", also=False)
                if rule:
                    self.excused[rule] += 1
                else:
                    lines.append(f"a failed request at {site.name}: {json.dumps(news)}")
        return lines

    # --- one round
    def round(self, rough, until):
        end = min(time.monotonic() + ROUND, until)
        while time.monotonic() < end:
            try:
                self.say(self.acts.one(rough), also=False)
            except (Refused, AssertionError) as problem:
                self.complain([str(problem)])
            time.sleep(min(self.chance.expovariate(1 / 0.9), 4))
        self.settle()
        self.rounds += 1

    def settle(self):
        for site in self.sites:
            self.watch_command("resume", site.name)
        try:
            for site in self.sites:
                self.complain(self.watch.ends(site))
            # What ended may still be tidied up.
            last = []

            def settled():
                last[:] = [line for site in self.sites for line in self.watch.settled(site)] + self.watch.leaks()
                return not last
            try:
                wait_for("all to be tidied up", settled, 30)
            except AssertionError:
                self.complain(last)
        except (AssertionError, subprocess.TimeoutExpired) as problem:
            self.complain([str(problem)])
        time.sleep(0.2)  # so that what failed in this moment has been written down
        self.complain(self.look_at_clients())
        self.complain(self.init.problems)
        self.init.problems = []
        row = self.watch.sample()
        self.say(f"settled: daemon {row['daemon']['rss_kib']} KiB, {row['daemon']['descriptors']} descriptors; proxy {row['proxy']['rss_kib']} KiB, "
                 f"{row['proxy']['descriptors']}; disk {sum(part['bytes'] for part in row['disk'].values()) >> 10} KiB; "
                 f"{sum(len(site.ended) for site in self.sites)} deployments, {self.failed} failed requests, {len(self.wrong)} violations",
                 also=self.rounds % 4 == 0)

    def watch_command(self, *words, patience=40.0):
        """A command that must be done in the end, whatever was killed before it."""
        end = time.monotonic() + patience
        while True:
            code, said = self.acts.command(*words)
            if code != 3 or time.monotonic() > end:
                if code == 3:
                    self.complain([f"no daemon for {patience:g} s: {said}"])
                return
            time.sleep(0.1)

    # --- all of it
    def run(self):
        options = self.options
        cycle = min(options.duration, CYCLE)
        began = time.monotonic()
        until = began + options.duration
        while time.monotonic() < until:
            rough = (time.monotonic() - began) % cycle < cycle / 3
            self.before_round()
            self.round(rough, until)

    def before_round(self):
        pass

    def finish(self):
        """Ends everything; what may not be left over is complained of."""
        self.watch_command("gc")
        self.complain(boundedness(self.machine, self.sites))
        results = [client.verdict() for client in self.clients]
        self.control.verdict()
        self.control_app.terminate()
        self.control_app.wait()
        time.sleep(0.1)
        self.complain(self.look_at_clients())
        for site, result in zip(self.sites, results):
            self.complain([f"users of {site.name} got {count} errors of {release}, which is {site.pushes.get(release, ('unknown',))[0]}"
                           for release, count in result["app_errors_of"].items() if site.pushes.get(release, ("unknown",))[0] != "500s"])
        self.init.stop()
        self.watch_command("shutdown")
        try:
            self.machine.daemon.wait(30)
            wait_for("everything to end", lambda: not any(self.init.census(self.sites).values()), 30)
        except (AssertionError, subprocess.TimeoutExpired):
            self.complain([f"after belay shutdown there is {pid}: {self.init.words(pid)}" for pids in self.init.census(self.sites).values()
                           for pid in pids])
        return results

    def verdict(self, results, took):
        figures = {"seed": self.options.seed, "seconds": round(took), "rounds": self.rounds, "acts": self.acts.counts,
                   "daemon_kills": self.init.kills, "proxy_kills": len(self.acts.proxy_deaths),
                   "deployments": {}, "requests": {}, "failed_requests": self.failed, "allowed": dict(self.excused)}
        ends = collections.Counter()
        for site in self.sites:
            ends.update(f"{state}({reason})" if reason else state for state, reason in site.ended.values())
        figures["deployments"] = dict(ends.most_common())
        for name in ("sent", "ok", "app_errors", "failed"):
            figures["requests"][name] = sum(result[name] for result in results)
        figures["requests"]["longest_gap_ms"] = max(result["max_gap_ms"] for result in results)
        figures["requests"]["late_without_belay"] = len(self.control_failures)
        for kind in ("daemon", "proxy"):
            figures[kind], wrong = flatness(self.watch.samples, kind)
            self.complain(wrong)
        figures["disk"], wrong = disk_growth(self.watch.samples)
        self.complain(wrong)
        figures["violations"] = self.wrong
        return figures

    def close(self):
        self.init.ending.set()
        for client in [*getattr(self, "clients", []), *([self.control] if hasattr(self, "control") else [])]:
            client.process.kill()
            client.process.wait()
        if hasattr(self, "control_app"):
            self.control_app.kill()
            self.control_app.wait()
        self.machine.close()
        for pids in self.init.census(self.sites).values():
            for pid in pids:
                os.kill(pid, 9)


def tell(figures):
    lines = [f"{figures['rounds']} rounds in {figures['seconds']} s with seed {figures['seed']}; the daemon died {figures['daemon_kills']} times, "
             f"the proxy {figures['proxy_kills']} times",
             "acts: " + ", ".join(f"{count} {name}" for name, count in sorted(figures["acts"].items(), key=lambda item: -item[1])),
             "deployments: " + ", ".join(f"{count} {end}" for end, count in figures["deployments"].items()),
             f"requests: {figures['requests']['sent']} sent, {figures['requests']['ok']} answered by a release, "
             f"{figures['requests']['app_errors']} by a bad release's own 500, {figures['failed_requests']} failed; longest gap "
             f"{figures['requests']['longest_gap_ms']} ms; late without Belay between: {figures['requests']['late_without_belay']}"]
    lines += [f"  allowed: {count}, as {rule}" for rule, count in figures["allowed"].items()]
    for kind in ("daemon", "proxy"):
        row = figures[kind]
        lines.append(f"{kind}, of {row['life_s']} s its longest life: {row['rss_kib_first_third']:.0f} KiB in the first third, "
                     f"{row['rss_kib_last_third']:.0f} in the last, {row['rss_kib_per_hour']:+d} an hour; descriptors {row['descriptors'][0]} to "
                     f"{row['descriptors'][1]}, {row['descriptors_per_hour']:+g} an hour")
    lines += [f"disk, {name}: {row['first']} bytes at first, at most {row['most']}, {row['last']} at last, {row['bytes_per_hour']:+d} an hour"
              for name, row in figures["disk"].items()]
    if figures["seconds"] < LONG_ENOUGH:
        lines.append(f"(whether the disk stays flat is judged from {LONG_ENOUGH / 60:.0f} minutes on)")
    print("\n".join(lines))
    for line in figures["violations"]:
        print("VIOLATION", line)
    print("PASSED" if not figures["violations"] else f"FAILED: {len(figures['violations'])} violations")


def main(kind=Soak):
    parser = argparse.ArgumentParser(prog="scripts/soak", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("duration", type=seconds, nargs="?", default="10m", help="10m (the default), 1h; at least 3m")
    parser.add_argument("--seed", type=int, default=int.from_bytes(os.urandom(3), "big"))
    parser.add_argument("--rate", type=float, default=30, help="requests a second to each of the two apps (30)")
    parser.add_argument("--max-time", type=float, default=1.0, help="seconds after which a request counts as failed (1)")
    parser.add_argument("--log", help="file for all that was done; else it goes with the rest")
    parser.add_argument("--report", help="file for the verdict as JSON")
    parser.add_argument("--stop", action="store_true", help="stop at the first violation, and keep everything")
    parser.add_argument("--keep", action="store_true", help="keep the machine's files")
    options = parser.parse_args()
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    soak = kind(options)
    print(f"seed {options.seed}, for {options.duration} s, {BELAY}, in {soak.folder}", flush=True)
    began = time.monotonic()
    try:
        try:
            soak.set_up()
            soak.run()
            results = soak.finish()
        except KeyboardInterrupt:
            print("stopped")
            return 130
        figures = soak.verdict(results, time.monotonic() - began)
    finally:
        soak.close()
        if not options.keep and not soak.wrong and sys.exc_info()[0] is None:
            shutil.rmtree(soak.folder, ignore_errors=True)
        else:
            print("kept", soak.folder)
    tell(figures)
    if options.report:
        with open(options.report, "w") as file:
            json.dump({**figures, "samples": soak.watch.samples}, file, indent=1)
    return 1 if figures["violations"] else 0


assert NEVER_SERVED <= NEVER_HEALTHY
if __name__ == "__main__":
    sys.exit(main())
