"""The tarball on another distribution: a Debian that is newer, has none of the libraries, and another systemd."""
import os
import subprocess
import sys
import unittest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import test_server  # noqa: E402
from machine import wait_for  # noqa: E402

TARBALL = os.environ["BELAY_TARBALL"]
NEWER = os.environ["BELAY_NEWER_TARBALL"]  # the same of a later version


class Tarball(test_server.OnServer):
    archive = os.environ["BELAY_OTHER_ROOT"]

    def unpack(self, tarball):
        subprocess.run(["tar", "-C", self.box.root + "/srv", "-xf", tarball], check=True)
        return "/srv/" + os.path.basename(tarball).removesuffix(".tar.gz")

    def install_tarball(self, tarball, *options):
        return self.box.run(self.unpack(tarball) + "/install.sh", *options)

    def test_from_installation_to_removal(self):
        box = self.box
        self.assertEqual(box.run("sh", "-c", "ls /usr/lib/x86_64-linux-gnu | grep -E 'libgit2|libfmt|libspdlog'", check=False).stdout, "")
        said = self.install_tarball(TARBALL)
        self.assertIn("Belay is installed and active", said.stdout, said.stderr)
        self.assertNotIn("install.sh: ", said.stderr, "nothing is missing")
        for unit in ("belay.service", "belay-proxy.service", "belay-proxy.socket"):
            self.assertEqual(self.unit(unit, "ActiveState"), "active", unit + box.log())
        self.assertIn("/usr/local/bin/belay", box.run("systemctl", "cat", "belay", "belay-proxy").stdout)

        self.first_deployment()
        self.assertEqual(self.push("r2", "unhealthy")["state"], "failed")

        apps, judge = self.pids("python3 app.py"), self.users(100)
        proxy = self.unit("belay-proxy", "MainPID")
        box.write("/usr/local/lib/belay/libold.so.1", "left by the older version")
        with open(box.root + "/usr/local/share/belay/installed", "a") as file:
            file.write("/usr/local/lib/belay/libold.so.1\n")
        self.install_tarball(NEWER)
        self.wait_daemon()
        wait_for("another proxy", lambda: self.unit("belay-proxy", "MainPID") not in (proxy, "0"))
        self.assertEqual(self.pids("python3 app.py"), apps)
        self.assertFalse(os.path.exists(box.root + "/usr/local/lib/belay/libold.so.1"))
        self.assertEqual(self.push("r3")["state"], "healthy")
        self.assert_none_failed(judge, "upgrade by the tarball, push")

        box.reboot()
        wait_for("the release after the reboot", lambda: self.served() == "r3", 60)
        box.wait_running()
        apps = self.pids("python3 app.py")
        self.box.run(self.unpack(NEWER) + "/install.sh", "--remove")
        self.assertEqual(self.pids("python3 app.py"), apps, "what is live runs on")
        self.assertEqual(self.served(), "r3")
        self.assertEqual(box.run("sh", "-c", "find / -xdev -name '*belay*' ! -path '/srv/*' ! -path '/var/lib/belay*' ! -path '/etc/belay*' "
                                 "! -path '/proc/*' ! -path '/run/*' ! -path '/sys/*' ! -path '/var/log/*' ! -path '/tmp/*' ! -path '/var/tmp/*'").stdout, "")

    def test_what_it_says_where_it_can_not_be_installed(self):
        folder = self.unpack(TARBALL)
        refused = self.box.run(folder + "/install.sh", "--prefx", "/opt", check=False)
        self.assertEqual((refused.returncode, refused.stderr), (1, 'install.sh: no such option "--prefx"; --help lists them\n'))
        refused = self.box.run("setpriv", "--reuid=65534", "--clear-groups", "sh", folder + "/install.sh", check=False)
        self.assertIn("needs root", refused.stderr)
        # Of a C library that is older than what it was made with.
        self.box.write("/usr/local/bin/getconf", "#!/bin/sh\necho glibc 2.28\n", 0o755)
        refused = self.box.run(folder + "/install.sh", check=False)
        self.assertRegex(refused.stderr, r"needs glibc 2\.\d+ or newer, and here is 2\.28")
        refused = self.box.run(folder + "/install.sh", "--remove", check=False)
        self.assertIn("there is no Belay under /usr/local", refused.stderr)
        self.assertFalse(os.path.exists(self.box.root + "/etc/belay"), "nothing was done")


if __name__ == "__main__":
    unittest.main(verbosity=2)
