"""`user = NAME`: builds and releases as users of the machine."""
import grp
import json
import os
import pwd
import unittest

from machine import TestCase, wait_for

BUILDER, RUNNER = "backup", "games"  # of every Debian, and nobody's here


def status_of(pid):
    with open(f"/proc/{pid}/status") as file:
        return dict(line.rstrip("\n").split(":\t", 1) for line in file if ":\t" in line)


@unittest.skipUnless(os.geteuid() == 0, "only root can become another user")
class Users(TestCase):
    NAMED = f"""
[build]
run = "id -un > who; echo $USER >> who; mkdir tmp"
user = "{BUILDER}"
[test]
run = "test -w . && grep -qx {BUILDER} who"
user = "{BUILDER}"
[release]
run = "id -un > $BELAY_SHARED/migrated; touch $HOME/there"
[service]
run = ["/usr/bin/python3", "app.py"]
user = "{RUNNER}"
"""

    def release(self, *path):
        return os.path.join(self.machine.state, "releases/shop", *path)

    def shared(self, *path):
        return os.path.join(self.machine.state, "shared/shop", *path)

    def test_steps_and_processes_are_the_users_that_the_file_names(self):
        m = self.machine
        self.live("r1", text='writable = ["tmp"]\n' + self.NAMED)
        runner = pwd.getpwnam(RUNNER)
        with open(self.release("1/who")) as file:
            self.assertEqual(file.read().split(), [BUILDER, BUILDER])
        with open(self.shared("migrated")) as file:
            self.assertEqual(file.read().split(), [RUNNER])
        said = status_of(m.get("/pid")[1])
        self.assertEqual(said["Uid"].split(), [str(runner.pw_uid)] * 4)
        self.assertEqual(said["Gid"].split(), [str(runner.pw_gid)] * 4)
        groups = [int(group) for group in said["Groups"].split()]
        for group in os.getgrouplist(RUNNER, runner.pw_gid):
            self.assertIn(group, groups + [runner.pw_gid])
        self.assertEqual(os.stat(self.release("1")).st_uid, 0)
        self.assertIn(os.stat(self.release("1")).st_gid, groups)
        self.assertEqual(os.stat(self.release("1/tmp")).st_uid, runner.pw_uid)
        self.assertEqual(os.stat(self.shared()).st_uid, runner.pw_uid)
        with open(self.release("1.json")) as file:
            self.assertEqual(json.load(file)["processes"][0]["uid"], runner.pw_uid)
        self.assertEqual(m.cli("run", "shop", "--", "sh", "-c", "id -un; echo $USER").stdout.split(), [RUNNER, RUNNER])
        # A daemon that knows nothing but the manifest starts it as the same user.
        self.reboot()
        m.start()
        wait_for("the app after a reboot", lambda: m.served_release() == "r1")
        self.assertEqual(status_of(m.get("/pid")[1])["Uid"].split()[0], str(runner.pw_uid))

    def test_a_release_of_another_user_takes_nothing_from_the_live_one(self):
        m, r = self.machine, self.repository
        self.live("r1")
        with open(self.shared("data"), "w") as file:
            file.write("rows")
        before = os.stat(self.shared()).st_uid
        m.app("shop", r.bare, f'[service]\nrun = ["/usr/bin/python3", "app.py"]\nuser = "{RUNNER}"\n')
        m.cli("reload")
        with m.users(rate=60):
            record = m.deploy_push("shop", r, "r2")
            self.assertEqual((record["state"], record["reason"]), ("failed", "config_invalid"), json.dumps(record, indent=1))
            self.assertEqual(os.stat(self.shared()).st_uid, before)
        cure = record["detail"].split(": ", 1)[1]
        self.assertTrue(cure.startswith("belay stop shop && chown -R "), cure)
        m.cli("stop", "shop")
        owner, path = cure.split("chown -R ")[1].split(", then")[0].split()
        self.assertEqual(path, self.shared())
        for place in (path, os.path.join(path, "data")):
            os.chown(place, *map(int, owner.split(":")))
        record = m.deploy_push("shop", r, "r3")
        self.assertEqual(record["state"], "healthy", json.dumps(record, indent=1) + m.tail())
        self.assertEqual(status_of(m.get("/pid")[1])["Uid"].split()[0], str(pwd.getpwnam(RUNNER).pw_uid))
        self.assertIn(grp.getgrgid(pwd.getpwnam(RUNNER).pw_gid).gr_gid, map(int, status_of(m.get("/pid")[1])["Gid"].split()))

    def test_a_user_that_is_not_there_is_said_with_its_place_and_its_cure(self):
        m = self.machine
        self.live("r1")
        m.app("shop", self.repository.bare, '[service]\nrun = ["/usr/bin/python3", "app.py"]\nuser = "nobody-of-this-name"\n')
        done = m.cli("check", check=False)
        self.assertEqual(done.returncode, 1)
        self.assertIn('service.user: there is no user "nobody-of-this-name" on this machine: useradd --system', done.stdout)
        m.cli("reload", check=False)
        self.assertEqual(m.served_release(), "r1")
