"""/metrics of the real daemon, read as Prometheus' own client library reads it."""
import http.client
import json
import os
import re
import signal
import socket
import time

from prometheus_client.parser import text_string_to_metric_families

from machine import HERE, TestCase, wait_for


class OverSocket(http.client.HTTPConnection):
    def __init__(self, path):
        super().__init__("belay")
        self.path = path

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(20)
        self.sock.connect(self.path)


class Scrape:
    """One answer: `value("name", label="x")` is the sum of the samples that have those labels."""

    def __init__(self, text):
        self.families = list(text_string_to_metric_families(text))
        self.samples = [sample for family in self.families for sample in family.samples]

    def find(self, name, **labels):
        return [s for s in self.samples if s.name == name and all(s.labels.get(k) == v for k, v in labels.items())]

    def value(self, name, **labels):
        found = self.find(name, **labels)
        if not found:
            raise AssertionError(f"no sample {name} {labels}")
        return sum(sample.value for sample in found)


class Metrics(TestCase):
    server = '\n[notify.ops]\ntype = "webhook"\nurl = "http://127.0.0.1:1/"\nsecret = "whsec_c2VjcmV0LXNlY3JldC1zZWNyZXQtc2VjcmV0"\n'

    def setUp(self):
        super().setUp()
        os.chmod(self.machine.config, 0o600)

    def ask(self, path):
        connection = OverSocket(self.machine.socket)
        connection.request("GET", path)
        answer = connection.getresponse()
        text = answer.read().decode()
        connection.close()
        self.assertEqual(answer.status, 200, text)
        return answer, text

    def scrape(self):
        answer, text = self.ask("/metrics")
        self.assertEqual(answer.headers["Content-Type"], "text/plain; version=0.0.4; charset=utf-8")
        return Scrape(text)

    def until(self, what, condition, deadline=20):
        def holds():
            now = self.scrape()
            return now if condition(now) else None
        return wait_for(what, holds, deadline)

    def test_what_was_deployed_refused_and_rolled_back_can_be_read_back(self):
        m, r = self.machine, self.repository
        text = '[notify]\nfailed = ["ops"]\n[test]\nrun = "! grep -q broken RELEASE"\n'
        self.live("r1", text=text)
        begun = self.scrape()
        self.assertEqual(begun.value("belay_deployments_total", app="shop", outcome="healthy"), 1)
        self.assertEqual(begun.value("belay_deployments_total", app="shop", outcome="failed"), 0)
        self.assertEqual(begun.value("belay_app_live_release", app="shop"), 1)

        self.assertEqual(m.deploy_push("shop", r, "r2")["state"], "healthy")
        self.assertEqual(m.deploy_push("shop", r, "broken")["reason"], "test_failed")
        for _ in range(30):
            self.assertEqual(m.served_release(), "r2")
        self.assertEqual(m.get("/crash")[0], 502)
        wait_for("r2 to be back", lambda: m.served_release() == "r2", 20)
        commit = r.commit("r4")
        r.push()
        fourth = m.deliver("shop", r, commit)["deployment"]
        m.wait_state(fourth, "draining", "baking")
        os.kill(int(m.get("/pid")[1]), signal.SIGKILL)
        self.assertEqual(m.wait_end(fourth)["state"], "rolled_back")
        self.assertEqual(m.deliver("shop", r, commit, secret="wrong")["status"], 401)
        self.assertEqual(m.deliver("shop", r, commit, ref="refs/heads/other")["status"], 200)
        m.cli("hold", "shop", "-m", "enough")
        ill = m.state + "/shared/shop/ill"
        open(ill, "w").close()
        self.until("an unhealthy app", lambda s: s.value("belay_app_healthy", app="shop") == 0)
        os.remove(ill)
        self.until("a healthy app", lambda s: s.value("belay_app_healthy", app="shop") == 1)

        now = self.until("the refusal in the record",
                         lambda s: s.value("belay_deliveries_total", app="shop", decision="rejected") == 1)
        for outcome, count in (("healthy", 2), ("failed", 1), ("rolled_back", 1), ("canceled", 0), ("superseded", 0)):
            self.assertEqual(now.value("belay_deployments_total", app="shop", outcome=outcome), count, outcome)
        self.assertEqual(now.value("belay_deployment_failures_total", reason="test_failed", blame="user"), 1)
        self.assertEqual(now.value("belay_deployment_failures_total", blame="belay"), 0)
        self.assertEqual(now.value("belay_deliveries_total", app="shop", decision="queued"), 3)
        self.assertEqual(now.value("belay_deliveries_total", app="shop", decision="ignored"), 1)
        self.assertEqual(now.value("belay_hook_refusals_total", reason="not_signed"), 1)
        self.assertEqual(now.value("belay_stage_duration_seconds_count", app="shop", stage="test"), 4)
        self.assertEqual(now.value("belay_stage_duration_seconds_count", app="shop", stage="bake"), 3)
        self.assertEqual(now.value("belay_deployment_lead_time_seconds_count", app="shop"), 2)
        self.assertGreater(now.value("belay_probes_total", app="shop", result="passed"), 5)
        self.assertGreater(now.value("belay_probes_total", app="shop", result="failed"), 2)
        self.assertGreaterEqual(now.value("belay_app_process_restarts_total", app="shop", process="web"), 1)
        self.assertEqual(now.value("belay_app_live_release", app="shop"), 2)
        self.assertEqual(now.value("belay_app_state", app="shop", state="live"), 1)
        self.assertEqual(now.value("belay_app_healthy", app="shop"), 1)
        self.assertEqual(now.value("belay_app_held", app="shop"), 1)
        self.assertLess(abs(time.time() - now.value("belay_app_hold_timestamp_seconds", app="shop")), 60)
        # By whom users were answered, of each release.
        self.assertGreaterEqual(now.value("belay_proxy_requests_total", app="shop", release="2", by="app", code="2xx"), 31)
        self.assertGreaterEqual(now.value("belay_proxy_requests_total", app="shop", release="2", by="proxy"), 1)
        self.assertGreaterEqual(now.value("belay_proxy_upstream_errors_total", app="shop", release="2", kind="connect"), 1)
        self.assertGreaterEqual(now.value("belay_proxy_request_duration_seconds_count", app="shop", release="2"), 31)
        # The failed deployment is to be told where nobody listens.
        stuck = self.until("an alert that is not taken", lambda s: s.value("belay_outbox_failures_total", destination="ops") > 0)
        self.assertEqual(stuck.value("belay_outbox_messages", kind="alert", destination="ops"), 1)
        self.assertLess(abs(time.time() - stuck.value("belay_outbox_oldest_timestamp_seconds", destination="ops")), 120)
        # The machine's own.
        self.assertGreater(now.value("belay_database_commit_duration_seconds_count"), 10)
        self.assertEqual(now.value("belay_database_commit_failures_total"), 0)
        self.assertEqual(now.value("belay_database_size_bytes"), os.path.getsize(m.state + "/belay.db"))
        space = os.statvfs(m.state)
        self.assertEqual(now.value("belay_disk_size_bytes"), space.f_blocks * space.f_frsize)
        self.assertEqual(now.value("belay_disk_reserve_bytes"), 1 << 20)
        self.assertEqual(now.value("belay_build_info"), 1)
        with open(f"/proc/{m.daemon.pid}/statm") as file:
            resident = int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")
        self.assertLess(abs(now.value("process_resident_memory_bytes") - resident), 8 << 20)
        self.assertGreater(now.value("process_open_fds"), 5)
        self.every_name_is_listed(now)

    def every_name_is_listed(self, scrape):
        with open(os.path.join(HERE, "../../docs/metrics.md")) as file:
            listed = set(re.findall(r"^\| `(\w+)` \|", file.read(), re.M))
        # The parser takes "_total" from the names of counters.
        told = {family.name + ("_total" if family.type == "counter" else "") for family in scrape.families}
        self.assertEqual(told, listed)

    def test_the_proxys_counters_outlive_the_daemon_and_no_sample_its_thing(self):
        m = self.machine
        self.live("r1")
        for _ in range(20):
            m.get("/")
        before = self.scrape()
        served = before.value("belay_proxy_requests_total", app="shop", release="1", code="2xx")
        self.assertGreaterEqual(served, 20)
        m.kill(signal.SIGKILL)
        m.get("/")
        m.start()
        after = self.until("the proxy's figures", lambda s: s.find("belay_proxy_requests_total", app="shop"))
        self.assertGreaterEqual(after.value("belay_proxy_requests_total", app="shop", release="1", code="2xx"), served + 1)
        self.assertEqual(after.value("belay_proxy_start_timestamp_seconds"), before.value("belay_proxy_start_timestamp_seconds"))
        self.assertGreater(after.value("process_start_time_seconds"), before.value("process_start_time_seconds"))
        self.assertEqual(after.value("belay_deployments_total", app="shop", outcome="healthy"), 0)

        m.cli("stop", "shop")
        down = self.until("the app to be stopped", lambda s: s.value("belay_app_state", app="shop", state="stopped") == 1)
        self.assertEqual(down.value("belay_app_processes", app="shop"), 0)
        os.remove(os.path.join(m.folder, "etc/apps/shop.toml"))
        m.cli("reload")
        self.assertEqual(self.scrape().value("belay_app_orphaned", app="shop"), 1)
        m.cli("remove", "shop", "--yes")
        self.assertEqual([s for s in self.scrape().samples if s.labels.get("app") == "shop"], [])

    def test_a_proxy_that_stands_still_costs_a_second_and_strangers_read_nothing(self):
        m = self.machine
        self.live("r1")
        proxy = json.loads(self.ask("/api/v1/status")[1])["proxy_pid"]
        os.kill(proxy, signal.SIGSTOP)
        try:
            began = time.monotonic()
            held = self.scrape()
            self.assertLess(time.monotonic() - began, 5)
            self.assertEqual(held.find("belay_proxy_connections"), [])
            self.assertEqual(held.value("belay_app_live_release", app="shop"), 1)
        finally:
            os.kill(proxy, signal.SIGCONT)
        self.until("the proxy to tell again", lambda s: s.find("belay_proxy_connections"))
        stranger = http.client.HTTPConnection("127.0.0.1", m.http_port, timeout=20)
        stranger.request("GET", "/metrics")
        answer = stranger.getresponse()
        self.assertEqual((answer.status, b"shop" in answer.read()), (401, False))
        token = m.cli("token", "create", "prometheus", "--role", "read").stdout.strip()
        stranger.request("GET", "/metrics", headers={"Authorization": "Bearer " + token})
        answer = stranger.getresponse()
        self.assertEqual((answer.status, b"shop" in answer.read()), (200, True))
        with open(m.config, "a") as file:
            file.write("\n[metrics]\nenabled = false\n")
        m.cli("reload")
        stranger.request("GET", "/metrics", headers={"Authorization": "Bearer " + token})
        self.assertEqual(stranger.getresponse().status, 404)
        stranger.close()
