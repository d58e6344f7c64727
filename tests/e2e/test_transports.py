"""The demo's story with the repository served over every transport that people use."""
import json
import os
import pwd
import shutil
import subprocess
import sys
import time
import unittest

from machine import HERE, TestCase, free_ports, wait_for

STAGES = '''
[build]
run = "cp RELEASE built"
[test]
run = "test -s built && test ! -e break-test"
'''


class Transports(TestCase):
    def serve(self, command, port=None, **environment):
        server = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=open(os.path.join(self.folder, "server.log"), "a"), text=True,
                                  env={"PATH": os.environ["PATH"], "HOME": self.folder, "GIT_CONFIG_COUNT": "1",
                                       "GIT_CONFIG_KEY_0": "safe.directory", "GIT_CONFIG_VALUE_0": "*", **environment})
        def end():
            # git daemon answers in children of its own
            subprocess.run(["pkill", "-KILL", "-P", str(server.pid)], check=False)
            server.kill()
            server.wait()
            server.stdout.close()
        self.addCleanup(end)
        if port:
            import socket
            def listens():
                with socket.socket() as probe:
                    return probe.connect_ex(("127.0.0.1", port)) == 0
            wait_for(f"a server on {port}", listens)
        return server

    def story(self, url):
        m, r = self.machine, self.repository
        r.commit("r1")
        r.push()
        m.app("shop", url, STAGES)
        m.start()
        first = m.first_deployment("shop")
        self.assertEqual(first["state"], "healthy", json.dumps(first, indent=1) + m.tail())
        with m.users(rate=50):
            for name, mode, files, end in (("r2", "ok", {}, "healthy"), ("r3", "ok", {"break-test": "x"}, "failed"),
                                           ("r4", "unhealthy", {}, "failed"), ("r5", "dies 1", {}, "rolled_back"),
                                           ("r6", "ok", {}, "healthy")):
                if name == "r4":
                    os.remove(os.path.join(r.work, "break-test"))
                record = m.deploy_push("shop", r, name, mode, **files)
                self.assertEqual(record["state"], end, json.dumps(record, indent=1))
                self.assertEqual(m.served_release(), name if end == "healthy" else "r2")

    def test_git_protocol(self):
        port, = free_ports(1)
        root = os.path.dirname(self.repository.bare)
        self.serve(["git", "daemon", "--export-all", "--reuseaddr", "--listen=127.0.0.1", f"--port={port}", f"--base-path={root}",
                    root], port)
        self.story(f"git://127.0.0.1:{port}/shop.git")

    def test_smart_http(self):
        server = self.serve([sys.executable, os.path.join(HERE, "../support/git_http_server.py"),
                             os.path.dirname(self.repository.bare), "", "", ""])
        port = int(server.stdout.readline())
        self.story(f"http://127.0.0.1:{port}/shop.git")

    def test_ssh(self):
        sshd = shutil.which("sshd", path="/usr/sbin:/usr/bin")
        self.assertTrue(sshd, "openssh-server is installed by scripts/bootstrap --test")
        port, = free_ports(1)
        folder = self.make_folder("sshd")
        os.chmod(folder, 0o700)
        for name in ("host", "deploy"):
            subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", os.path.join(folder, name)], check=True)
        user = pwd.getpwuid(os.geteuid()).pw_name
        with open(os.path.join(folder, "config"), "w") as file:
            file.write(f'''ListenAddress 127.0.0.1
Port {port}
HostKey {folder}/host
AuthorizedKeysFile {folder}/deploy.pub
PidFile none
StrictModes no
UsePAM no
PermitRootLogin yes
SetEnv GIT_CONFIG_COUNT=1 GIT_CONFIG_KEY_0=safe.directory GIT_CONFIG_VALUE_0=*
''')
        if os.geteuid() == 0:
            os.makedirs("/run/sshd", exist_ok=True)  # where it leaves its rights; who has none needs it not
        self.serve([sshd, "-D", "-e", "-f", os.path.join(folder, "config")], port)
        host_key = open(os.path.join(folder, "host.pub")).read().split()
        with open(os.path.join(self.folder, "etc/known_hosts"), "w") as file:
            file.write(f"[127.0.0.1]:{port} {host_key[0]} {host_key[1]}\n")
        shutil.copy(os.path.join(folder, "deploy"), os.path.join(self.folder, "etc/secrets/shop.key"))
        os.chmod(os.path.join(self.folder, "etc/secrets/shop.key"), 0o600)
        self.story(f"ssh://{user}@127.0.0.1:{port}{self.repository.bare}")

    def test_a_stalled_server_ends_in_its_own_reason_and_hurts_nobody(self):
        import socket
        m, r = self.machine, self.repository
        with open(m.config) as file:
            text = file.read()
        with open(m.config, "w") as file:
            file.write(text.replace("[git]\n", '[git]\ntimeout = "2s"\n'))
        self.live("r1", text=STAGES)
        silent = socket.socket()
        self.addCleanup(silent.close)
        silent.bind(("127.0.0.1", 0))
        silent.listen(16)
        m.app("shop", f"git://127.0.0.1:{silent.getsockname()[1]}/shop.git", STAGES)
        m.cli("reload")
        answer = m.deliver("shop", r, r.commit("r2"))
        began = time.monotonic()
        record = m.wait_end(answer["deployment"], 60)
        self.assertEqual((record["state"], record["reason"]), ("failed", "fetch_timeout"), json.dumps(record, indent=1))
        self.assertLess(time.monotonic() - began, 40)
        self.assertEqual(m.served_release(), "r1")


if __name__ == "__main__":
    unittest.main(verbosity=2)
