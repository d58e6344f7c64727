"""A Debian with a real systemd as PID 1, booted under systemd-nspawn in a network namespace of its own."""
import contextlib
import os
import shutil
import signal
import subprocess
import sys
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "../e2e"))
from machine import wait_for  # noqa: E402


class Container:
    def __init__(self, archive, folder):
        self.name = f"belay-test-{os.getpid()}"
        self.root = os.path.join(folder, "root")
        self.console = os.path.join(folder, "console.log")
        os.makedirs(self.root)
        subprocess.run(["tar", "-C", self.root, "-xf", archive, "--exclude=./dev/*"], check=True)
        with open(os.path.join(self.root, "etc/hostname"), "w") as file:
            file.write("server\n")
        self.outer = None

    def boot(self):
        with open(self.console, "ab") as console:
            self.outer = subprocess.Popen([os.path.join(HERE, "boot"), self.root, self.name], stdin=subprocess.DEVNULL,
                                          stdout=console, stderr=subprocess.STDOUT, start_new_session=True)
        self.wait_running()

    def children(self, pid):
        with contextlib.suppress(OSError):
            with open(f"/proc/{pid}/task/{pid}/children") as file:
                return [int(word) for word in file.read().split()]
        return []

    def leader(self):
        """The container's PID 1 as this machine sees it."""
        waiting = [self.outer.pid]
        while waiting:
            pid = waiting.pop()
            with contextlib.suppress(OSError):
                with open(f"/proc/{pid}/comm") as file:
                    if file.read().strip() == "systemd":
                        return pid
            waiting += self.children(pid)
        return None

    def wait_running(self, deadline=90):
        def running():
            if self.outer.poll() is not None:
                raise AssertionError(f"the container ended with {self.outer.returncode}:\n{self.console_tail()}")
            return self.leader() and self.run("systemctl", "is-system-running", check=False).stdout.strip() in ("running", "degraded")
        wait_for("the container's systemd", running, deadline)

    def console_tail(self):
        with open(self.console, errors="replace") as file:
            return "".join(file.readlines()[-40:])

    def enter(self):
        leader = self.leader()
        if not leader:
            raise AssertionError("the container does not run:\n" + self.console_tail())
        return ["nsenter", "-t", str(leader), "-m", "-u", "-i", "-n", "-p", "-C", "-r", "-w"]

    def run(self, *command, check=True, stdin=None, timeout=120, **environment):
        words = [f"{name}={value}" for name, value in environment.items()]
        try:
            enter = self.enter()
        except AssertionError:
            if check:
                raise
            return subprocess.CompletedProcess(command, 255, "", "not running")
        done = subprocess.run([*enter, "/usr/bin/env", "-i", "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "HOME=/root", "LANG=C.UTF-8",
                               *words, *command], capture_output=True, text=True, input=stdin, timeout=timeout)
        if check and done.returncode != 0:
            raise AssertionError(f"{' '.join(command)} ended with {done.returncode}:\n{done.stdout}{done.stderr}\n{self.log()}")
        return done

    def network(self):
        """The words that start a program of this machine in the container's network, which outlives its reboots."""
        return ["nsenter", f"--net=/proc/{self.outer.pid}/ns/net"]

    def log(self, lines=60):
        return self.run("journalctl", "-u", "belay", "-n", str(lines), "--no-pager", "-o", "cat", check=False).stdout

    def copy_in(self, source, place):
        shutil.copy(source, self.root + place)

    def write(self, place, text, mode=0o644):
        path = self.root + place
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "w") as file:
            file.write(text)
        os.chmod(path, mode)

    def reboot(self):
        before = self.leader()
        self.run("systemctl", "reboot", check=False)
        wait_for("the reboot", lambda: self.leader() not in (before, None), 90)

    def close(self):
        if self.outer and self.outer.poll() is None:
            self.run("systemctl", "poweroff", check=False)
            try:
                self.outer.wait(30)
            except subprocess.TimeoutExpired:
                os.killpg(self.outer.pid, signal.SIGKILL)
                self.outer.wait()
        for hierarchy in ("systemd", "unified"):
            for folder, _, _ in os.walk(f"/sys/fs/cgroup/{hierarchy}/{self.name}", topdown=False):
                with contextlib.suppress(OSError):
                    os.rmdir(folder)


def main():
    """container.py ARCHIVE: whether it can be booted here."""
    with tempfile.TemporaryDirectory(prefix="belay-system-") as folder:
        box = Container(sys.argv[1], folder)
        try:
            box.boot()
        finally:
            box.close()


if __name__ == "__main__":
    main()
