"""What chance does to a site, and to the processes of Belay. An act returns the line that the report's log gets."""
import contextlib
import json
import os
import signal
import subprocess
import time

from sites import KINDS

PUSHES = {"good": 7, "slow": 2, "bad build": 1, "bad test": 1, "unhealthy": 1, "flaps": 1, "dies": 2, "falls ill": 1, "500s": 1}


class Refused(Exception):
    """A command ended in a way that no document promises."""


class Acts:
    def __init__(self, machine, sites, chance, init):
        self.machine, self.sites, self.chance, self.init = machine, sites, chance, init
        self.proxy_deaths = []  # times
        self.counts = {}
        self.peaceful = {self.push: 8, self.burst: 1, self.rollback: 2, self.cancel: 2, self.hold: 1, self.resume: 1, self.redeliver: 1,
                         self.replay: 1, self.restart: 1, self.deploy: 1, self.reload: 2, self.broken_file: 1, self.read: 2, self.backup: 1}
        self.violent = {self.kill_daemon: 4, self.kill_daemon_at_its_start: 1, self.restart_daemon: 2, self.kill_proxy: 2,
                        self.kill_daemon_and_proxy: 1, self.kill_shim: 1, self.clean_up: 1}

    def one(self, rough):
        table = {**self.peaceful, **self.violent} if rough else self.peaceful
        act = self.chance.choices(list(table), list(table.values()))[0]
        name = act.__name__.replace("_", " ")
        self.counts[name] = self.counts.get(name, 0) + 1
        return f"{name}: {act(self.chance.choice(self.sites))}"

    def command(self, *words, may=(0, 1, 3, 5)):
        """(exit code, its output). 3: there is no daemon now, which chance saw to."""
        try:
            done = self.machine.cli(*words, check=False, timeout=90)
        except subprocess.TimeoutExpired:
            raise Refused(f"belay {' '.join(words)} did not end within 90 s") from None
        said = done.stdout + done.stderr
        if done.returncode not in may or "internal" in said:
            raise Refused(f"belay {' '.join(words)} ended with {done.returncode}: {said}")
        return done.returncode, said

    def ordered(self, site, what, *words):
        """A command that makes a deployment, which is owed then."""
        code, said = self.command(*words, "--json")
        if code == 0:
            identity = json.loads(said)["deployment"]
            site.owed[identity] = what
            return f"{site.name} {identity}"
        return f"{site.name} exit {code}: {said.strip()[:100]}"

    # --- pushes and people
    def push(self, site):
        kind = self.chance.choices(list(PUSHES), list(PUSHES.values()))[0]
        commit = site.push(kind)
        answer = site.deliver(commit)
        return f"{site.name_of[commit]} ({kind}) {answer['status']} {answer.get('deployment')}"

    def burst(self, site):
        return "; ".join(self.push(site) for _ in range(self.chance.randint(2, 5)))

    def rollback(self, site):
        return self.ordered(site, "a rollback", "rollback", site.name, *self.chance.choice([("--no-hold",), ()]))

    def cancel(self, site):
        if not site.owed:
            return "nothing to cancel"
        identity = self.chance.choice(list(site.owed)[-3:])
        return f"{identity} exit {self.command('cancel', identity)[0]}"

    def hold(self, site):
        return f"{site.name} exit {self.command('hold', site.name, '-m', 'by chance')[0]}"

    def resume(self, site):
        return f"{site.name} exit {self.command('resume', site.name)[0]}"

    def redeliver(self, site):
        if not site.deliveries:
            return "nothing to redeliver"
        identity = self.chance.choice(site.deliveries[-20:])[0]
        code, said = self.command("redeliver", identity, "--json")
        if code == 0 and json.loads(said).get("decision") == "queued":
            site.owed[json.loads(said)["deployment"]] = f"the redelivery of {identity}"
        return f"{identity} exit {code}"

    def replay(self, site):
        if not site.deliveries:
            return "nothing to replay"
        _, commit, delivery = self.chance.choice(site.deliveries[-20:])
        answer = site.deliver(commit, delivery)
        if answer["status"] != 200:
            raise Refused(f"a delivery that was answered before was answered {answer} again")
        return f"{site.name_of[commit]} {answer.get('decision')}"

    def restart(self, site):
        return self.ordered(site, "a restart", "restart", site.name)

    def deploy(self, site):
        return self.ordered(site, "a deployment by hand", "deploy", site.name, *self.chance.choice([("--force",), ()]))

    # --- the configuration
    def reload(self, site):
        what = self.chance.choice(["nothing", "the environment", "the bake"])
        if what == "the environment":
            site.configure(variable=site.variable + 1)
        elif what == "the bake":
            site.configure(bake=self.chance.choice(["2500ms", "3s", "4s"]))
        code, said = self.command("reload")
        if code == 1:
            raise Refused(f"a valid configuration was refused: {said}")
        return f"{site.name} {what} changed, exit {code}"

    def broken_file(self, site):
        site.configure(broken=True)
        code, said = self.command("reload")
        site.configure()
        if code == 0 or (code == 1 and f"{site.name}.toml" not in said):
            raise Refused(f"a broken file was answered with exit {code}: {said}")
        return f"{site.name} exit {code}, then {self.command('reload')[0]}"

    # --- onlookers
    def read(self, site):
        words = self.chance.choice([("status",), ("status", site.name), ("history", site.name, "-n", "200"), ("releases", site.name),
                                    ("deliveries", site.name), ("logs", site.name), ("gc", "--dry-run"), ("audit",)])
        return f"{' '.join(words)} exit {self.command(*words)[0]}"

    def backup(self, _):
        path = os.path.join(self.machine.folder, "backup.db")
        code, said = self.command("backup", path)
        with contextlib.suppress(OSError):
            os.remove(path)
        return f"exit {code} {said.strip()[:100] if code else ''}"

    def clean_up(self, _):
        return f"exit {self.command('gc')[0]}"

    # --- deaths
    def kill_daemon(self, _):
        return self.init.kill(signal.SIGKILL)

    def restart_daemon(self, _):
        return self.init.kill(signal.SIGTERM)

    def kill_daemon_at_its_start(self, _):
        return self.init.kill(signal.SIGKILL, again=self.chance.uniform(0.02, 0.6))

    def kill_proxy(self, _):
        pid = self.init.proxy()
        if pid is None:
            return "there is none"
        self.proxy_deaths.append(time.time())
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
        return f"{pid}"

    def kill_daemon_and_proxy(self, site):
        return f"{self.kill_daemon(site)}, proxy {self.kill_proxy(site)}"

    def kill_shim(self, site):
        """Of one of the app's processes; the process goes on."""
        shims = [self.init.parent(pid) for pid in self.init.app_processes(site)]
        shims = [pid for pid in shims if pid and "belay-shim" in self.init.words(pid)]
        if not shims:
            return "there is none"
        pid = self.chance.choice(shims)
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
        return f"{site.name} {pid}"


assert set(PUSHES) == set(KINDS)
