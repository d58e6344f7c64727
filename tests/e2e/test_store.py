"""The record and the disk in trouble, with users at the door: damage, loss, restores, and file systems that are full or read-only.

Each test's last line says whose removal makes it fail: Row | test | line of defence.
"""
import ctypes
import fcntl
import glob
import json
import os
import shutil
import sqlite3
import struct
import subprocess
import sys
import unittest

from machine import BELAY, TestCase, wait_for

libc = ctypes.CDLL(None, use_errno=True)
MNT_DETACH = 2


class Record(TestCase):
    """Machines whose database gets into trouble."""

    def setUp(self):
        super().setUp()
        self.database = os.path.join(self.machine.state, "belay.db")

    def backups(self):
        return sorted(glob.glob(os.path.join(self.machine.state, "backups/belay-*.db")))

    def wait_backup(self):
        return wait_for("an automatic backup", self.backups, 20)[-1]

    def damage(self):
        for name in (self.database, self.database + "-wal"):
            if os.path.exists(name):
                size = os.path.getsize(name)
                with open(name, "r+b") as file:
                    file.seek(4096)
                    file.write(os.urandom(max(0, size - 4096)))

    def answers(self):
        return self.machine.cli("status", "--json", check=False).returncode == 0

    def wait_log(self, text, count=1, deadline=30):
        def said():
            with open(self.machine.log) as file:
                return file.read().count(text) >= count
        try:
            wait_for(f"the log to say {text!r}", said, deadline)
        except AssertionError as problem:
            raise AssertionError(f"{problem}\n{self.machine.tail()}") from None

    def library(self, source):
        """One that is loaded before the daemon's, and stands between it and the disk."""
        with open(BELAY, "rb") as file:
            if b"__asan_init" in file.read():
                self.skipTest("a preloaded library and AddressSanitizer exclude each other")
        program, library = (os.path.join(self.folder, name) for name in ("between.c", "between.so"))
        with open(program, "w") as file:
            file.write(source)
        try:
            subprocess.run(["cc", "-shared", "-fPIC", "-o", library, program, "-ldl"], check=True, capture_output=True)
        except (OSError, subprocess.CalledProcessError) as problem:
            self.skipTest(f"no C compiler to make it with: {problem}")
        return library

    def begins_again(self, why):
        """The same process is there again, and ready."""
        m = self.machine
        self.wait_log("belay begins again")
        self.wait_log(why)
        pid = m.daemon.pid
        def up():
            with open(m.log) as file:
                text = file.read()
            return text.rfind("belay is ready") > text.rfind("belay begins again") and self.answers()
        wait_for("the daemon to be ready again", up, 30)
        self.assertIsNone(m.daemon.poll(), "the process that the supervisor knows has ended")
        self.assertEqual(m.daemon.pid, pid)


class Damage(Record):
    def test_Fault34_a_damaged_database_is_replaced_by_the_last_backup_and_the_app_never_stops(self):
        """Row 34 | test_store.Damage | open_or_recover() in src/store/recovery.cpp: the branch of Fault::damaged."""
        m, r = self.machine, self.repository
        self.live("r1")
        self.wait_backup()
        m.cli("token", "create", "ci")
        self.assertEqual(m.deploy_push("shop", r, "r2")["state"], "healthy")
        with m.users(rate=60):
            m.stop()
            self.damage()
            m.start()
            self.wait_log("the database was replaced")
            status = m.status("shop")
            # The backup knows release 1 only: what is live is known from the manifest and from what runs.
            self.assertEqual(status["live"]["release"], 2, status)
            self.assertIsNone(status["hold"])
            self.assertEqual(m.served_release(), "r2")
            self.assertTrue(glob.glob(self.database + ".aside-*Z"), "the damaged file is kept")
            commit = r.commit("r3")
            r.push()
            answer = m.deliver("shop", r, commit)
            self.assertEqual(answer["status"], 202)
            # No number is given out twice, as what was given out since the backup is not known.
            self.assertGreater(int(answer["deployment"][1:]), 1000)
            record = m.wait_end(answer["deployment"])
            self.assertEqual(record["state"], "healthy", json.dumps(record, indent=1))
            self.assertGreater(record["release"], 1000)
        self.assertEqual(m.served_release(), "r3")
        releases = {item["number"]: item["state"] for item in m.json("releases", "shop")["items"]}
        self.assertIn(2, releases)
        self.assertEqual(list(releases.values()).count("live"), 1, releases)

    def test_Fault34_what_was_rolled_back_since_the_backup_is_not_deployed_over_it(self):
        """Row 34 | test_store.Damage | EngineCore::take_in_lost_releases() in src/engine/boot.cpp: the hold."""
        m, r = self.machine, self.repository
        self.live("r1")
        self.wait_backup()
        self.assertEqual(m.deploy_push("shop", r, "r2")["state"], "healthy")
        m.cli("rollback", "shop", "--wait")
        self.assertEqual(m.served_release(), "r1")
        with m.users(rate=60):
            m.kill()  # so that most of the record is in the log
            self.damage()
            m.start()
            status = m.status("shop")
            self.assertEqual(status["live"]["release"], 1, status)
            self.assertIn("release 2", status["hold"]["why"])
            self.assertEqual(m.served_release(), "r1")

    def test_Fault34_without_a_backup_the_app_is_served_webhooks_are_put_off_and_a_restore_mends_it(self):
        """Row 34 | test_store.Damage | Writer/Journal::unavailable(): 503 in HookEndpoint::accept(), src/http/hook_endpoint.cpp."""
        m, r = self.machine, self.repository
        self.live("r1")
        saved = os.path.join(self.folder, "saved.db")
        m.cli("backup", saved)
        with m.users(rate=60):
            m.stop()
            self.damage()
            shutil.rmtree(os.path.join(m.state, "backups"))
            m.start()
            self.wait_log("is damaged")
            self.assertEqual(m.served_release(), "r1")
            commit = r.commit("r2")
            r.push()
            self.assertEqual(m.deliver("shop", r, commit)["status"], 503)
            m.cli("restore", saved)
            self.begins_again("takes the database's place")
            answer = m.deliver("shop", r, commit)
            self.assertEqual(answer["status"], 202, answer)
            self.assertEqual(m.wait_end(answer["deployment"])["state"], "healthy")
        self.assertEqual(m.served_release(), "r2")


class Loss(Record):
    def test_Fault35_a_database_that_is_removed_while_it_is_in_use_is_written_again(self):
        """Row 35 | test_store.Loss | DatabaseCare::look() in src/app/database_care.cpp: the comparison of place(); rescue()."""
        m, r = self.machine, self.repository
        self.live("r1")
        self.assertEqual(m.deploy_push("shop", r, "r2")["state"], "healthy")
        with m.users(rate=60):
            os.remove(self.database)
            self.begins_again("was removed or replaced")
            self.assertTrue(os.path.exists(self.database))
            self.assertEqual([item["state"] for item in m.json("history", "shop")["items"]], ["healthy", "healthy"])
            answer = m.deploy_push("shop", r, "r3")
            self.assertEqual(answer["id"], "d3", "nothing was lost, so numbers go on")
            self.assertEqual(answer["state"], "healthy")
            m.stop()
            m.start()
            self.assertEqual(len(m.json("history", "shop")["items"]), 3)

    def test_Fault36_a_second_daemon_is_refused_and_changes_nothing(self):
        """Row 36 | test_store.Loss | InstanceLock::take() in src/sys/instance_lock.cpp."""
        m, r = self.machine, self.repository
        self.live("r1")
        with m.users(rate=60):
            second = subprocess.run([BELAY, "serve"], env=m.environment(), capture_output=True, text=True, timeout=30)
            self.assertNotEqual(second.returncode, 0)
            self.assertIn("in use by another belay", second.stderr)
            self.assertEqual(m.deploy_push("shop", r, "r2")["state"], "healthy")

    def test_Fault06_a_newer_schema_is_left_alone_the_apps_run_on_and_a_backup_is_the_way_back(self):
        """Row 6 | test_store.Loss | check_version() in src/store/migrations.cpp."""
        m, r = self.machine, self.repository
        self.live("r1")
        saved = os.path.join(self.folder, "before-upgrade.db")
        m.cli("backup", saved)
        m.stop()
        with sqlite3.connect(self.database) as database:
            database.execute("PRAGMA user_version = 99")
            database.execute("UPDATE meta SET value = '9.9.9' WHERE name = 'belay'")
        database.close()
        with open(self.database, "rb") as file:
            content = file.read()
        with m.users(rate=60):
            m.start()
            self.assertEqual(m.served_release(), "r1")
            said = m.tail()
            self.assertIn("install belay >= 9.9.9", said)
            self.assertIn("belay restore FILE", said)
            self.assertEqual(m.deliver("shop", r, r.commit("r2"))["status"], 503)
            with open(self.database, "rb") as file:
                self.assertEqual(file.read(), content)
            m.cli("restore", saved)
            self.begins_again("takes the database's place")
            r.push()
            self.assertEqual(m.deploy_push("shop", r, "r3")["state"], "healthy")


class Backup(Record):
    def test_a_backup_of_a_running_daemon_is_restored_into_a_running_daemon(self):
        m, r = self.machine, self.repository
        self.live("r1")
        saved = os.path.join(self.folder, "saved.db")
        self.assertEqual(m.deploy_push("shop", r, "r2")["state"], "healthy")
        m.cli("backup", saved)
        self.assertEqual(os.stat(saved).st_mode & 0o777, 0o600)
        again = m.cli("backup", saved, check=False)
        self.assertEqual(again.returncode, 1)
        self.assertIn("exists already", again.stderr)
        self.assertEqual(m.deploy_push("shop", r, "r3")["state"], "healthy")
        with open(saved, "rb") as file:
            content = file.read()
        with m.users(rate=60):
            m.cli("restore", saved)
            self.begins_again("takes the database's place")
            self.assertEqual(m.status("shop")["live"]["release"], 3, "what is live is what runs")
            self.assertEqual(m.served_release(), "r3")
            self.assertEqual(len(m.json("history", "shop")["items"]), 2)
            self.assertEqual(m.deploy_push("shop", r, "r4")["state"], "healthy")
        with open(saved, "rb") as file:
            self.assertEqual(file.read(), content, "the backup stays as it is")

    def test_what_is_no_backup_is_refused_and_nothing_begins_again(self):
        m = self.machine
        self.live("r1")
        for name, content in (("text", b"hello" * 1000), ("empty", b"")):
            path = os.path.join(self.folder, name)
            with open(path, "wb") as file:
                file.write(content)
            refused = m.cli("restore", path, check=False)
            self.assertEqual(refused.returncode, 1, refused)
            self.assertIn(path, refused.stderr)
        self.assertEqual(m.cli("restore", os.path.join(self.folder, "none"), check=False).returncode, 5)
        self.assertNotIn("begins again", m.tail(1000))

    def test_Fault64_gc_says_what_it_would_remove_removes_that_and_the_way_back_stays(self):
        """Row 64 | test_store.Backup, unit/engine/retention_test | unneeded_releases() in src/engine/retention.cpp: `way_back` and `needed`."""
        m, r = self.machine, self.repository
        self.live("r1", text="[keep]\nreleases = 1\n")
        for number in (2, 3, 4):
            self.assertEqual(m.deploy_push("shop", r, f"r{number}")["state"], "healthy")
        would = m.json("gc", "--dry-run")
        self.assertEqual([item["release"] for item in would["items"]], [1, 2])
        on_disk = lambda: sorted(n for n in os.listdir(os.path.join(m.state, "releases/shop")) if n.isdigit())
        self.assertEqual(on_disk(), ["1", "2", "3", "4"])
        with m.users(rate=60):
            self.assertIn("keep.releases = 1", m.cli("gc").stdout)
            self.assertEqual(on_disk(), ["3", "4"])
            self.assertEqual(m.json("gc")["items"], [])
            m.cli("rollback", "shop", "--wait")
            self.assertEqual(m.served_release(), "r3")


class Files(Record):
    """Files of releases and of the configuration that are gone or changed."""

    def test_Fault63_a_secrets_file_that_is_gone_at_boot_keeps_nothing_down(self):
        """Row 63 | test_store.Files | Fleet::start() reads secrets/APP/NUMBER (src/release/environment_file.cpp), not [secrets]."""
        m = self.machine
        path = os.path.join(self.folder, "etc/secrets/shop.env")
        with open(path, "w") as file:
            file.write("API_TOKEN=of-the-release\n")
        os.chmod(path, 0o600)
        self.live("r1")
        self.assertIn("API_TOKEN=of-the-release", m.get("/env")[1])
        m.daemon.kill()
        m.kill_everything()
        m.daemon.wait()
        m.daemon = None
        shutil.rmtree(os.path.join(m.state, "run"))
        os.remove(path)
        m.start()
        self.assertEqual(m.served_release(), "r1")
        self.assertIn("API_TOKEN=of-the-release", m.get("/env")[1])

    def rollback_is_refused(self, number):
        m = self.machine
        answer = m.cli("rollback", "shop", "--wait", check=False)
        self.assertEqual(answer.returncode, 1, answer)
        record = m.newest("shop")
        self.assertEqual(record["state"], "failed", json.dumps(record, indent=1))
        self.assertIn(record["reason"], ("artifact_changed", "start_failed"))
        self.assertEqual(m.served_release(), "r2")
        self.assertEqual(m.status("shop")["live"]["release"], number)

    def test_Fault38_a_release_with_a_cut_file_is_not_started(self):
        """Row 38 | test_store.Files | Deployer::start() in src/engine/deployer_verify.cpp: releases.verify()."""
        m, r = self.machine, self.repository
        self.live("r1")
        second = m.deploy_push("shop", r, "r2")
        path = os.path.join(m.state, "releases/shop/1/app.py")
        with m.users(rate=60):
            os.chmod(path, 0o644)
            os.truncate(path, os.path.getsize(path) // 2)
            self.rollback_is_refused(second["release"])

    def remove_release(self, number):
        gone = os.path.join(self.machine.state, f"releases/shop/{number}")
        subprocess.run(["chmod", "-R", "u+w", gone], check=True)  # who isn't root can't delete in what is sealed
        shutil.rmtree(gone)

    def test_Fault39_a_release_whose_directory_is_gone_is_not_started(self):
        """Row 39 | test_store.Files | Deployer::start() in src/engine/deployer_verify.cpp: releases.verify()."""
        m, r = self.machine, self.repository
        self.live("r1")
        second = m.deploy_push("shop", r, "r2")
        with m.users(rate=60):
            self.remove_release(1)
            self.rollback_is_refused(second["release"])


    def test_Fault39_at_a_boot_the_healthy_release_before_a_damaged_one_serves(self):
        """Row 39 | test_store.Files | EngineCore::boot_app() in src/engine/boot.cpp: releases.verify(); boot_older()."""
        m, r = self.machine, self.repository
        self.live("r1")
        self.assertEqual(m.deploy_push("shop", r, "r2")["state"], "healthy")
        m.daemon.kill()
        m.kill_everything()
        m.daemon.wait()
        m.daemon = None
        shutil.rmtree(os.path.join(m.state, "run"))
        self.remove_release(2)
        m.start()
        self.assertEqual(m.served_release(), "r1")
        status = m.status("shop")
        self.assertEqual(status["live"]["release"], 1, status)
        self.wait_log("the release that should serve is damaged")
        with m.users(rate=60):
            self.assertEqual(m.deploy_push("shop", r, "r3")["state"], "healthy")
        self.assertEqual(m.served_release(), "r3")


# fdatasync(2) that fails with EIO for the database's log while a file says so.
FAILING_SYNC = r'''
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
static int fails(int fd) {
    const char* order = getenv("FAIL_SYNC");
    char link[64], path[4096];
    if (!order || access(order, F_OK) != 0) return 0;
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t size = readlink(link, path, sizeof path - 1);
    if (size < 0) return 0;
    path[size] = 0;
    return strstr(path, "belay.db-wal") != NULL;
}
#define WRAP(name) int name(int fd) { static int (*real)(int); if (!real) real = (int (*)(int))dlsym(RTLD_NEXT, #name); \
    if (fails(fd)) { errno = EIO; return -1; } return real(fd); }
WRAP(fdatasync)
WRAP(fsync)
'''


class Sync(Record):
    def test_Fault61_after_a_failed_sync_nothing_more_is_written_until_a_fresh_look(self):
        """Row 61 | test_store.Sync | Writer::give_up() in src/store/writer.cpp; DatabaseCare::look(): begin_again_at_pace()."""
        library, order = self.library(FAILING_SYNC), os.path.join(self.folder, "fail")
        m, r = self.machine, self.repository
        m.extra_environment = {"LD_PRELOAD": library, "FAIL_SYNC": order}
        self.live("r1")
        with m.users(rate=60):
            commit = r.commit("r2")
            r.push()
            open(order, "w").close()
            self.assertEqual(m.deliver("shop", r, commit)["status"], 503)
            os.remove(order)
            self.begins_again("I/O error")
            answer = m.deliver("shop", r, commit)
            self.assertIn(answer["status"], (200, 202), answer)
            record = m.wait_end(m.wait_deployment_of("shop", commit)["id"])
            self.assertEqual(record["state"], "healthy", json.dumps(record, indent=1))
        self.assertEqual(m.served_release(), "r2")


# A disk that takes nothing, as open(2) and write(2) tell it, below a directory while a file says so.
READ_ONLY = r'''
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#define NEXT(name) ((__typeof__(&name))dlsym(RTLD_NEXT, #name))
static int ordered(void) { const char* order = getenv("READ_ONLY_ORDER"); return order && access(order, F_OK) == 0; }
static int below(const char* path) { const char* state = getenv("READ_ONLY_BELOW"); return strncmp(path, state, strlen(state)) == 0; }
static int lies(int directory, const char* path) {
    char link[64], whole[8192];
    if (!ordered()) return 0;
    if (path && path[0] == '/') return below(path);
    if (directory == AT_FDCWD) return 0;
    snprintf(link, sizeof link, "/proc/self/fd/%d", directory);
    ssize_t size = readlink(link, whole, sizeof whole - 1);
    if (size < 0) return 0;
    whole[size] = 0;
    return below(whole);
}
#define REFUSE(condition) if (condition) { errno = EROFS; return -1; }
#define WRITES(flags) ((flags) & (O_WRONLY | O_RDWR | O_CREAT | O_TRUNC))
#define MODE mode_t mode = 0; if (flags & (O_CREAT | O_TMPFILE)) { va_list more; va_start(more, flags); mode = va_arg(more, mode_t); va_end(more); }
int open(const char* path, int flags, ...) { MODE REFUSE(WRITES(flags) && lies(AT_FDCWD, path)) return NEXT(open)(path, flags, mode); }
int open64(const char* path, int flags, ...) { MODE REFUSE(WRITES(flags) && lies(AT_FDCWD, path)) return NEXT(open64)(path, flags, mode); }
int openat(int at, const char* path, int flags, ...) { MODE REFUSE(WRITES(flags) && lies(at, path)) return NEXT(openat)(at, path, flags, mode); }
int openat64(int at, const char* path, int flags, ...) { MODE REFUSE(WRITES(flags) && lies(at, path)) return NEXT(openat64)(at, path, flags, mode); }
ssize_t write(int fd, const void* data, size_t size) { REFUSE(lies(fd, 0)) return NEXT(write)(fd, data, size); }
ssize_t pwrite(int fd, const void* data, size_t size, off_t at) { REFUSE(lies(fd, 0)) return NEXT(pwrite)(fd, data, size, at); }
ssize_t pwrite64(int fd, const void* data, size_t size, off64_t at) { REFUSE(lies(fd, 0)) return NEXT(pwrite64)(fd, data, size, at); }
int mkdir(const char* path, mode_t mode) { REFUSE(lies(AT_FDCWD, path)) return NEXT(mkdir)(path, mode); }
int mkdirat(int at, const char* path, mode_t mode) { REFUSE(lies(at, path)) return NEXT(mkdirat)(at, path, mode); }
int rename(const char* from, const char* to) { REFUSE(lies(AT_FDCWD, to)) return NEXT(rename)(from, to); }
int unlink(const char* path) { REFUSE(lies(AT_FDCWD, path)) return NEXT(unlink)(path); }
int access(const char* path, int mode);
'''


class ReadOnly(Record):
    def test_Fault60_pushes_go_live_again_by_themselves_when_the_disk_can_be_written_again(self):
        """Row 60 | test_store.ReadOnly | Writer::give_up() in src/store/writer.cpp: distrusted()."""
        m, r = self.machine, self.repository
        library, order = self.library(READ_ONLY), os.path.join(self.folder, "read-only")
        m.extra_environment = {"LD_PRELOAD": library, "READ_ONLY_ORDER": order, "READ_ONLY_BELOW": m.state + "/"}
        self.live("r1")
        with m.users(rate=60):
            commit = r.commit("r2")
            r.push()
            open(order, "w").close()
            for _ in range(3):
                self.assertEqual(m.deliver("shop", r, commit)["status"], 503)
            self.assertEqual(m.status("shop")["live"]["release"], 1)

            # A start meanwhile says what is wrong, and ends: there is nothing that it could keep up.
            m.stop()
            m.start(wait=False)
            self.assertEqual(m.daemon.wait(30), 1)
            m.daemon = None
            self.assertIn("Read-only file system", m.tail(3))
            self.assertIn(m.state, m.tail(3))
            os.remove(order)
            m.start()

            open(order, "w").close()
            self.assertEqual(m.deliver("shop", r, commit)["status"], 503)
            os.remove(order)
            answer = wait_for("a delivery to be taken", lambda: (lambda a: a if a["status"] in (200, 202) else None)(m.deliver("shop", r, commit)))
            record = m.wait_end(answer["deployment"] or m.wait_deployment_of("shop", commit)["id"])
            self.assertEqual(record["state"], "healthy", json.dumps(record, indent=1))
        self.assertEqual(m.served_release(), "r2")


class Rights(Record):
    """Root may write whatever the mode says, so that root runs these as somebody else."""
    NOBODY = 65534

    def setUp(self):
        if os.geteuid() != 0:
            super().setUp()

    def test_Fault62_without_the_right_to_write_nothing_new_begins_the_path_is_named_and_the_app_is_served(self):
        """Row 62 | test_store.Rights | make_state_directories() in src/app/serve.cpp: access(2); errno_error() names the path."""
        if os.geteuid() == 0:
            somebody = ["setpriv", f"--reuid={self.NOBODY}", f"--regid={self.NOBODY}", "--clear-groups"]
            if subprocess.run([*somebody, "test", "-x", BELAY, "-a", "-x", sys.executable, "-a", "-r", os.path.abspath(__file__)]).returncode:
                self.skipTest("somebody else can't read what is to be tested")
            environment = dict(os.environ, HOME="/nonexistent", PYTHONDONTWRITEBYTECODE="1")
            environment.pop("BELAY_TEST_DIR", None)
            done = subprocess.run([*somebody, sys.executable, "-m", "unittest", self.id()], capture_output=True, text=True, timeout=280,
                                  env=environment)
            self.assertEqual(done.returncode, 0, done.stderr)
            return
        m, r = self.machine, self.repository
        self.live("r1")
        releases = os.path.join(m.state, "releases/shop")
        with m.users(rate=60):
            mode = os.stat(releases).st_mode & 0o7777
            os.chmod(releases, 0o500)
            record = m.deploy_push("shop", r, "r2")
            self.assertEqual(record["state"], "failed")
            self.assertIn(releases, record["detail"])
            os.chmod(releases, mode)
            self.assertEqual(m.deploy_push("shop", r, "r3")["state"], "healthy")

            m.stop()
            mode = os.stat(m.state).st_mode & 0o7777
            os.chmod(m.state, 0o500)
            m.start(wait=False)
            self.assertEqual(m.daemon.wait(30), 1)
            m.daemon = None
            self.assertIn(m.state, m.tail(3))
            self.assertEqual(m.served_release(), "r3")
            os.chmod(m.state, mode)
            m.start()
            self.assertEqual(m.deploy_push("shop", r, "r4")["state"], "healthy")


@unittest.skipUnless(os.geteuid() == 0, "mounting file systems needs root")
class PowerCut(Record):
    """The state lies on an ext4 of its own, which forgets all at once what was not synced."""
    SHUTDOWN = 0x8004587D  # EXT4_IOC_SHUTDOWN of linux/ext4.h
    NO_LOG_FLUSH = 2

    def setUp(self):
        super().setUp()
        self.image = os.path.join(self.folder, "state.img")
        os.makedirs(self.machine.state)
        if not shutil.which("mkfs.ext4") or subprocess.run(["mkfs.ext4", "-q", self.image, "192m"], capture_output=True).returncode or \
                not self.mount():
            self.skipTest("no loop device for a disk that loses its power")
        os.chmod(self.machine.state, 0o711)

    def take_down(self):
        self.machine.close()  # first, as it knows its processes by where their files lie
        subprocess.run(["umount", "-l", self.machine.state], capture_output=True)
        super().take_down()

    def mount(self):
        # Nothing is written back by chance within the test, only by whoever asks for it.
        return subprocess.run(["mount", "-o", "loop,commit=300", self.image, self.machine.state], capture_output=True).returncode == 0

    def power_cut(self):
        m = self.machine
        root = os.open(m.state, os.O_RDONLY)
        try:
            fcntl.ioctl(root, self.SHUTDOWN, struct.pack("I", self.NO_LOG_FLUSH))
        finally:
            os.close(root)
        m.daemon.kill()
        m.kill_everything()
        m.daemon.wait()
        m.daemon = None
        wait_for("the file system to be free", lambda: subprocess.run(["umount", m.state], capture_output=True).returncode == 0)
        self.assertTrue(self.mount())
        shutil.rmtree(os.path.join(m.state, "run"), ignore_errors=True)
        m.start()

    def test_Fault21_a_power_cut_takes_nothing_that_was_accepted_and_nothing_that_is_live(self):
        """Row 21 | test_store.PowerCut | prepare() in src/store/database.cpp: synchronous = FULL; Sealing::sync() in src/release/sealing.cpp."""
        m, r = self.machine, self.repository
        self.live("r1")
        self.assertEqual(m.deploy_push("shop", r, "r2")["state"], "healthy")
        self.power_cut()
        self.assertEqual(m.served_release(), "r2")
        self.assertEqual(m.status("shop")["live"]["release"], 2)
        releases = {item["number"]: item["state"] for item in m.json("releases", "shop")["items"]}
        self.assertEqual(releases[2], "live", releases)

        commit = r.commit("r3")
        r.push()
        answer = m.deliver("shop", r, commit)
        self.assertEqual(answer["status"], 202)
        self.power_cut()
        self.assertEqual(m.served_release(), "r2")
        record = m.wait_end(answer["deployment"])
        self.assertEqual((record["commit"], record["state"]), (commit, "healthy"), json.dumps(record, indent=1))
        self.one_live_release("r3", 3)


@unittest.skipUnless(os.geteuid() == 0, "mounting file systems needs root")
class Disk(Record):
    """The state lies on a small file system of its own."""

    def setUp(self):
        super().setUp()
        # More than the record's own reserve, which is given back when the disk is full.
        with open(self.machine.config) as file:
            text = file.read()
        with open(self.machine.config, "w") as file:
            file.write(text.replace('disk_reserve = "1MiB"', 'disk_reserve = "16MiB"'))

    def deploy_push(self, release):
        """As the forge comes again after a 503."""
        m, r = self.machine, self.repository
        commit = self.push(release)
        answer = wait_for("a delivery to be taken", lambda: (lambda a: a if a["status"] == 202 else None)(m.deliver("shop", r, commit)), 60)
        return m.wait_end(answer["deployment"])

    def mount(self, options):
        state = self.machine.state
        os.makedirs(state)
        if libc.mount(b"tmpfs", state.encode(), b"tmpfs", 0, options.encode()) != 0:
            self.skipTest(f"tmpfs can't be mounted here: {os.strerror(ctypes.get_errno())}")
        os.chmod(state, 0o711)
        self.addCleanup(lambda: libc.umount2(state.encode(), MNT_DETACH))

    def fill(self):
        path = os.path.join(self.machine.state, "filler")
        with open(path, "wb", buffering=0) as file:
            try:
                while True:
                    file.write(b"f" * 4096)
            except OSError:
                return path

    def push(self, release, **files):
        commit = self.repository.commit(release, **files)
        self.repository.push()
        return commit

    def test_Fault24_a_build_that_fills_the_disk_fails_as_disk_full_and_the_next_has_room_again(self):
        """Row 24 | test_store.Disk | Deployer::run_stage() in deployer_build.cpp: kNothingLeft; Deployer::make_room()."""
        m, r = self.machine, self.repository
        self.mount("size=96m")
        self.live("r1", text='[build]\nrun = "if [ -s big ]; then head -c 200M /dev/zero > filled; fi"\n')
        with m.users(rate=60):
            record = m.deploy_push("shop", r, "r2", big="yes")
            self.assertEqual((record["state"], record["reason"]), ("failed", "disk_full"), json.dumps(record, indent=1))
            self.assertEqual(record["blame"], "machine")
            self.assertEqual(m.served_release(), "r1")
            record = m.deploy_push("shop", r, "r3", big="")
            self.assertEqual(record["state"], "healthy", json.dumps(record, indent=1))
        self.assertEqual(m.served_release(), "r3")

    def test_Fault24_with_no_room_at_all_attempts_fail_and_all_is_well_when_it_returns(self):
        """Row 24 | test_store.Disk | Deployer::fetch_and_export() in deployer_build.cpp: check_free(); Writer::commit(): the reserve."""
        m, r = self.machine, self.repository
        self.mount("size=96m")
        self.live("r1")
        with m.users(rate=60):
            filler = self.fill()
            commit = self.push("r2")
            answer = m.deliver("shop", r, commit)
            self.assertEqual(answer["status"], 202, "the room that is kept for the record takes it")
            record = m.wait_end(answer["deployment"])
            self.assertEqual((record["state"], record["reason"]), ("failed", "disk_full"), json.dumps(record, indent=1))
            self.assertEqual(m.served_release(), "r1")
            m.kill()
            m.start()
            self.assertEqual(m.status("shop")["live"]["release"], 1)
            os.remove(filler)
            record = self.deploy_push("r3")
            self.assertEqual(record["state"], "healthy", json.dumps(record, indent=1))
        self.assertEqual(m.served_release(), "r3")

    def test_Fault26_with_no_inodes_left_attempts_fail_and_all_is_well_when_they_return(self):
        """Row 26 | test_store.Disk | DiskReleases::check_free() in src/release/releases.cpp: f_favail."""
        m, r = self.machine, self.repository
        self.mount("size=96m,nr_inodes=2000")
        self.live("r1")
        crowd = os.path.join(m.state, "crowd")
        with m.users(rate=60):
            os.mkdir(crowd)
            try:
                for number in range(3000):
                    open(os.path.join(crowd, str(number)), "w").close()
            except OSError:
                pass
            commit = self.push("r2")
            answer = m.deliver("shop", r, commit)
            self.assertEqual(answer["status"], 202, answer)
            record = m.wait_end(answer["deployment"])
            self.assertEqual((record["state"], record["reason"]), ("failed", "disk_full"), json.dumps(record, indent=1))
            shutil.rmtree(crowd)
            record = self.deploy_push("r3")
            self.assertEqual(record["state"], "healthy", json.dumps(record, indent=1))

    def test_Fault60_on_a_disk_that_became_read_only_nothing_is_deployed_and_all_is_shown(self):
        """Row 60 | test_store.Disk | HookEndpoint::accept() in src/http/hook_endpoint.cpp: Errc::forbidden and internal are 503."""
        m, r = self.machine, self.repository
        image = os.path.join(self.folder, "state.img")
        os.makedirs(m.state)
        if not shutil.which("mkfs.ext4") or subprocess.run(["mkfs.ext4", "-q", image, "128m"], capture_output=True).returncode or \
                subprocess.run(["mount", "-o", "loop,errors=remount-ro", image, m.state], capture_output=True).returncode:
            self.skipTest("no loop device for a disk that becomes read-only")
        self.addCleanup(lambda: subprocess.run(["umount", "-l", m.state], capture_output=True))
        with open("/proc/self/mounts") as file:
            device = next(line.split()[0] for line in file if line.split()[1] == m.state)
        os.chmod(m.state, 0o711)
        self.live("r1")
        with m.users(rate=60):
            # As after an error of the disk: the kernel takes no more writes, also of files that are open.
            with open(f"/sys/fs/ext4/{os.path.basename(device)}/trigger_fs_error", "w") as file:
                file.write("1")
            commit = self.push("r2")
            for _ in range(3):
                self.assertEqual(m.deliver("shop", r, commit)["status"], 503)
            self.assertEqual(m.status("shop")["live"]["release"], 1)
            self.assertNotEqual(m.cli("deploy", "shop", check=False).returncode, 0)
            self.assertEqual(m.status("shop")["live"]["release"], 1)
            self.assertIsNone(m.daemon.poll())
            self.assertEqual(m.served_release(), "r1")


if __name__ == "__main__":
    unittest.main()
