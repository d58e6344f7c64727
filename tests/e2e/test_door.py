"""The front door under attack and under kill -9: nobody is kept out, nothing that was answered 202 is lost, nothing is done twice."""
import collections
import contextlib
import http.client
import json
import os
import random
import resource
import socket
import sqlite3
import ssl
import subprocess
import threading
import time
import unittest

from machine import SHORT, TestCase, git, wait_for

ENDS = ("healthy", "failed", "rolled_back", "canceled", "superseded")


def signed_push(machine, commit):
    """One delivery from another address, on a connection of its own; status and seconds."""
    began = time.monotonic()
    try:
        status = machine.deliver("shop", None, commit, source="127.0.0.2")["status"]
    except OSError as problem:
        status = repr(problem)
    return status, time.monotonic() - began


class Slowloris(TestCase):
    """Two thousand connections that say little; signed deliveries from elsewhere are answered within a second."""

    def crowd(self, opening, number):
        clients = []
        for index in range(2000):
            client = socket.socket()
            client.bind((f"127.{number}.{index // 250}.{index % 250 + 1}", 0))
            client.settimeout(5)
            client.connect(("127.0.0.1", self.machine.http_port))
            with contextlib.suppress(OSError):
                client.sendall(opening.encode())
            client.setblocking(False)
            clients.append(client)
        return clients

    def test_deliveries_come_through(self):
        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        self.addCleanup(resource.setrlimit, resource.RLIMIT_NOFILE, (soft, hard))
        # The daemon must lift its own limit, which is low on most systems; what it starts has the low one.
        resource.setrlimit(resource.RLIMIT_NOFILE, (256, hard))
        self.live("r0")
        resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, 8192), hard))
        m = self.machine
        app = next(pid for pid, words in m.processes().items() if "app.py" in words and "belay-shim" not in words)
        self.assertEqual(self.open_files(app), 256)
        self.assertGreater(self.open_files(m.daemon.pid), 1024)
        m.cli("hold", "shop")
        head = "POST /hooks/shop HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nX-GitHub-Event: push\r\n"
        for number, opening in enumerate((head + "X-A: ", head + "Content-Length: 100000\r\n\r\n{", ""), 1):
            with self.subTest(opening=opening[-20:]):
                clients = self.crowd(opening, number)
                for round_number in range(15):
                    status, took = signed_push(m, f"{number:020d}{round_number:020d}")
                    self.assertEqual(status, 202)
                    self.assertLess(took, 1.0)
                    for client in clients[round_number::15]:
                        with contextlib.suppress(OSError):
                            client.send(b"x")
                for client in clients:
                    client.close()

    @staticmethod
    def open_files(pid):
        with open(f"/proc/{pid}/limits") as file:
            return int(next(line.split()[3] for line in file if line.startswith("Max open files")))


class Sender(threading.Thread):
    """A forge: delivers one after the other, and the same again until it is answered."""

    def __init__(self, machine, commits, secret):
        super().__init__(daemon=True)
        self.machine, self.commits, self.secret = machine, commits, secret
        self.accepted, self.repeated, self.problems = {}, 0, []

    def run(self):
        for number, commit in self.commits:
            for attempt in range(2000):
                try:
                    answer = self.machine.deliver("shop", None, commit, delivery=f"delivery-{number}")
                except OSError:
                    time.sleep(0.02)
                    continue
                if answer["status"] == 503:
                    time.sleep(0.02)
                    continue
                if answer["status"] == 202:
                    self.accepted[number] = (answer["delivery"], answer["deployment"], commit)
                elif answer["status"] == 200:
                    self.repeated += 1
                else:
                    self.problems.append(answer)
                break
            else:
                self.problems.append(f"delivery {number} was never answered")


class Kill(TestCase):
    """10,000 deliveries while the daemon is killed at random moments."""
    COUNT = int(os.environ.get("BELAY_DELIVERIES", "10000"))
    SENDERS = 8

    def history(self, count):
        """So many commits on main, in no time; returns their ids, the oldest first."""
        bare = self.repository.bare
        tip = git("rev-parse", "main", cwd=bare)
        lines = []
        for number in range(count):
            text = f"r{number + 1}\n"
            lines.append(f"commit refs/heads/later\nmark :{number + 1}\ncommitter Ada <ada@example.org> {1700000000 + number} +0000\n"
                         f"data 1\nx\n{'from ' + tip + chr(10) if number == 0 else ''}M 100644 inline RELEASE\ndata {len(text)}\n{text}\n")
        marks = os.path.join(self.folder, "marks")
        subprocess.run(["git", "fast-import", "--quiet", f"--export-marks={marks}"], cwd=bare, input="".join(lines).encode(), check=True)
        with open(marks) as file:
            ids = dict(line.split() for line in file)
        return [ids[f":{number + 1}"] for number in range(count)]

    def test_nothing_is_lost_and_nothing_is_done_twice(self):
        m, seed = self.machine, random.randrange(1 << 30)
        chance = random.Random(seed)
        tokens = os.path.join(self.folder, "tokens")
        open(tokens, "w").close()
        os.chmod(tokens, 0o666)
        build = f'\n[build]\nsandbox = "off"\nrun = "echo $BELAY_DEPLOYMENT >> {tokens}"\n'
        windows = SHORT.replace('bake = "1500ms"', 'bake = "600ms"').replace('min_healthy_time = "300ms"', 'min_healthy_time = "100ms"').replace(
            'timeout = "1s"', 'timeout = "250ms"')
        self.live("r0", text=build, windows=windows)
        commits = self.history(self.COUNT)
        git("update-ref", "refs/heads/main", commits[-1], cwd=self.repository.bare)
        numbered = list(enumerate(commits))
        senders = [Sender(m, numbered[start::self.SENDERS], None) for start in range(self.SENDERS)]
        for sender in senders:
            sender.start()
        def answered():
            return sum(len(sender.accepted) + sender.repeated for sender in senders)
        kills, began, due = 0, time.monotonic(), 0
        while any(sender.is_alive() for sender in senders):
            self.assertLess(time.monotonic() - began, 400, "the deliveries take too long")
            if answered() < due:
                time.sleep(chance.uniform(0, 0.02))
                continue
            due = answered() + chance.randrange(1, self.COUNT // 6)
            m.kill()
            kills += 1
            m.start()
        for sender in senders:
            sender.join()
            self.assertEqual(sender.problems, [])
        accepted = {}
        for sender in senders:
            accepted.update(sender.accepted)
        self.assertGreaterEqual(kills, 6)
        self.assertGreater(len(accepted), self.COUNT // 2)

        def idle():
            app = m.status("shop")
            return not app["queued"] and not app["deployment"]
        wait_for("the last deployment's end", idle, 90)
        m.stop()
        with contextlib.closing(sqlite3.connect(f"file:{m.state}/belay.db?mode=ro", uri=True)) as record:
            deliveries = {row[0]: row[1:] for row in record.execute("SELECT id, delivery_id, deployment, decision FROM deliveries")}
            deployments = {row[0]: row[1:] for row in record.execute('SELECT id, state, attempt, "commit", delivery FROM deployments')}
        said = f"seed {seed}, {kills} kills, {len(accepted)} accepted"
        for number, (delivery, deployment, commit) in accepted.items():
            row = deliveries.get(int(delivery[1:]))
            self.assertIsNotNone(row, f"{delivery} was answered 202 and is lost ({said})")
            self.assertEqual(row, (f"delivery-{number}", int(deployment[1:]), "queued"), said)
            self.assertEqual(deployments[int(deployment[1:])][2:], (commit, int(delivery[1:])), said)
        # Repeated ones were the same: one row for each delivery of the forge.
        self.assertEqual(len({row[0] for row in deliveries.values() if row[0].startswith("delivery-")}), self.COUNT)
        for identity, (state, attempt, commit, _) in deployments.items():
            self.assertIn(state, ENDS, f"d{identity} has no end ({said})")
        with open(tokens) as file:
            built = collections.Counter(line.strip() for line in file)
        for identity, times in built.items():
            attempts = deployments[int(identity[1:])][1]
            self.assertLessEqual(times, attempts, f"{identity} was built {times} times in {attempts} attempts ({said})")
        newest = max(deployments)
        self.assertEqual(deployments[newest][0], "healthy", said)
        self.assertEqual(deployments[newest][2], commits[-1], said)
        print(f"{said}, {sum(sender.repeated for sender in senders)} answered as duplicates, {len(built)} built", flush=True)


class Https(TestCase):
    def make_pair(self, name):
        path = os.path.join(self.folder, name)
        subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", path + ".key",
                        "-out", path + ".crt", "-days", "2", "-subj", f"/CN={name}", "-addext", "subjectAltName=DNS:localhost"],
                       check=True, capture_output=True)
        return path

    @staticmethod
    def der(path):
        with open(path) as file:
            return ssl.PEM_cert_to_DER_cert(file.read())

    def seen(self):
        """The certificate that a client from elsewhere is shown."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        with socket.create_connection(("127.0.0.1", self.machine.http_port), 5, source_address=("127.0.0.2", 0)) as plain:
            with context.wrap_socket(plain) as tls:
                tls.sendall(b"GET /healthz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
                answer = b""
                while piece := tls.recv(4096):
                    answer += piece
                self.assertIn(b" 200 OK", answer)
                return tls.getpeercert(True)

    def test_certificates_are_served_checked_and_renewed(self):
        m, first, second = self.machine, self.make_pair("first"), self.make_pair("second")
        with open(m.config) as file:
            text = file.read()
        with open(m.config, "w") as file:
            file.write(text.replace('group = ""\n', f'group = ""\npublic_url = "https://hooks.example.com"\n'
                                                    f'tls = {{ cert = "{first}.crt", key = "{first}.key" }}\n'))
        self.live("r0")
        self.assertEqual(m.cli("check").returncode, 0)
        before = self.seen()
        self.assertEqual(before, self.der(first + ".crt"))
        # The proxy forwards hooks to it all the same.
        connection = http.client.HTTPConnection("127.0.0.1", m.proxy_port, timeout=10)
        connection.request("GET", "/hooks/nothing", headers={"Host": "hooks.example.com"})
        self.assertEqual(connection.getresponse().status, 401)
        connection.close()
        # A key of another pair: said by the checker and by the daemon, and the old pair stays.
        os.replace(second + ".crt", first + ".crt")
        checked = m.cli("check", check=False)
        self.assertEqual(checked.returncode, 1)
        self.assertIn("does not fit the certificate", checked.stdout + checked.stderr)
        wait_for("the daemon to see it", lambda: self.seen() == before and "does not fit the certificate" in m.tail(), 20)
        os.replace(second + ".key", first + ".key")
        wait_for("the new pair", lambda: self.seen() == self.der(first + ".crt"), 20)
        self.assertNotEqual(self.seen(), before)
        self.assertEqual(m.cli("check").returncode, 0)
        self.assertEqual(m.json("reload")["ok"], True)


if __name__ == "__main__":
    unittest.main()
