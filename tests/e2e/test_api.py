"""The API over the network: the same commands by HTTPS and a token, and answers that are what their description says."""
import http.client
import json
import os
import signal
import socket
import subprocess
import time
import unittest

try:
    import jsonschema
except ImportError:  # scripts/bootstrap --test installs it
    jsonschema = None

from machine import BELAY, TestCase, wait_for


def make_authority(folder, name, subject="localhost"):
    """An authority and a certificate of its own for `subject`; paths without their ends."""
    ca, leaf = os.path.join(folder, name + "-ca"), os.path.join(folder, name)
    def openssl(*arguments):
        subprocess.run(["openssl", *arguments], check=True, capture_output=True)
    key = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes")
    openssl("req", "-x509", *key, "-keyout", ca + ".key", "-out", ca + ".crt", "-subj", "/CN=Belay test authority", "-days", "2")
    openssl("req", *key, "-keyout", leaf + ".key", "-out", leaf + ".csr", "-subj", "/CN=" + subject)
    with open(leaf + ".ext", "w") as file:
        file.write(f"subjectAltName=DNS:{subject}\n")
    openssl("x509", "-req", "-in", leaf + ".csr", "-CA", ca + ".crt", "-CAkey", ca + ".key", "-CAcreateserial", "-days", "1",
            "-out", leaf + ".crt", "-extfile", leaf + ".ext")
    os.chmod(leaf + ".key", 0o600)
    return ca + ".crt", leaf


class Network(TestCase):
    """A daemon with TLS, and the command line with nothing but its address and a token."""

    def setUp(self):
        super().setUp()
        m = self.machine
        self.ca, leaf = make_authority(self.folder, "good")
        with open(m.config) as file:
            text = file.read()
        with open(m.config, "w") as file:
            file.write(text.replace("[server]\n", f'[server]\ntls = {{ cert = "{leaf}.crt", key = "{leaf}.key" }}\n', 1))
        self.url = f"https://localhost:{m.http_port}"

    def token(self, name, role, *more):
        return self.machine.cli("token", "create", name, "--role", role, *more).stdout.strip()

    def remote(self, *arguments, token=None, url=None, ca=None, check=True, stdin=None, **environment):
        """As on another machine: no socket, no configuration."""
        given = {"PATH": os.environ["PATH"], "HOME": "/nonexistent", "LANG": "C.UTF-8",
                 "BELAY_URL": self.url if url is None else url, "BELAY_CA": self.ca if ca is None else ca, **environment}
        if token:
            given["BELAY_TOKEN"] = token
        done = subprocess.run([BELAY, *arguments], env=given, capture_output=True, text=True, timeout=120, input=stdin)
        if check and done.returncode != 0:
            raise AssertionError(f"{arguments} ended with {done.returncode}:\n{done.stdout}{done.stderr}\n{self.machine.tail()}")
        if token:
            self.assertNotIn(token, done.stdout + done.stderr)
        return done

    def test_every_command_works_as_over_the_socket(self):
        m, r = self.machine, self.repository
        self.live("r1")
        admin, deploy, read = self.token("ops", "admin"), self.token("ci", "deploy", "--expires", "90d"), self.token("eyes", "read")

        # --- looking
        self.assertIn("shop", self.remote("status", token=read).stdout)
        self.assertEqual(json.loads(self.remote("status", "shop", "--json", token=read).stdout)["name"], "shop")
        first = json.loads(self.remote("history", "shop", "--json", token=read).stdout)["items"][0]["id"]
        self.assertIn("healthy", self.remote("show", first, token=read).stdout)
        for command in (["releases", "shop"], ["deliveries"], ["why", first], ["logs", first]):
            self.remote(*command, token=read)
        self.assertIn("serving release r1", self.remote("logs", "shop", token=read).stdout)

        # --- acting, and following it
        commit = r.commit("r2")
        r.push()
        done = self.remote("deploy", "shop", "--commit", commit, "--wait", token=deploy)
        self.assertIn("healthy", done.stdout)
        self.assertEqual(m.served_release(), "r2")
        record = json.loads(self.remote("deploy", "shop", "--commit", commit, "--force", "--wait", "--json", token=deploy).stdout)
        self.assertEqual((record["state"], record["note"]), ("healthy", "by token ci"))
        bad = r.commit("r3", "unhealthy")
        r.push()
        failed = self.remote("deploy", "shop", "--commit", bad, "--wait", token=deploy, check=False)
        self.assertEqual(failed.returncode, 1)
        self.assertIn("the last probe: status 500", failed.stdout)
        self.remote("hold", "shop", "-m", "freeze", token=deploy)
        self.assertIn("by token ci", self.remote("status", "shop", token=read).stdout)
        self.remote("resume", "shop", token=deploy)
        self.remote("restart", "shop", "--wait", token=deploy)

        # --- a command and its exit code, which comes in the trailer
        ran = self.remote("run", "shop", "--", "/bin/sh", "-c", "echo out; exit 7", token=admin, check=False)
        self.assertEqual((ran.returncode, ran.stdout), (7, "out\n"))
        self.remote("reload", token=admin)

        # --- exit codes
        self.assertEqual(self.remote("show", "d999", token=read, check=False).returncode, 5)
        self.assertEqual(self.remote("stop", "shop", token=read, check=False).returncode, 4)
        self.assertEqual(self.remote("run", "shop", "--", "true", token=deploy, check=False).returncode, 4)
        self.assertEqual(self.remote("audit", token=deploy, check=False).returncode, 4)
        none = self.remote("status", check=False)
        self.assertEqual(none.returncode, 4)
        self.assertIn("BELAY_TOKEN", none.stderr)
        self.assertEqual(self.remote("status", token=read[:-1] + ("a" if read[-1] != "a" else "b"), check=False).returncode, 4)
        self.assertEqual(self.remote("status", "--socket", "/x", "--url", self.url, token=read, check=False).returncode, 2)

        # --- the record of it all
        acts = json.loads(self.remote("audit", "-n", "100", "--json", token=admin).stdout)["items"]
        self.assertIn(("token ci", "deploy", "hold", "shop", 200), [(e["who"], e["role"], e["act"], e["target"], e["status_code"]) for e in acts])
        self.assertIn(("token eyes", "stop", 403), [(e["who"], e["act"], e["status_code"]) for e in acts])
        ran = next(e for e in acts if e["act"] == "run" and e["status_code"] == 200)
        self.assertEqual((ran["asked"], ran["outcome"], ran["origin"]), ({"argv": "/bin/sh"}, "exit code 7", "127.0.0.1"))
        for text in (json.dumps(acts), m.tail(100000), self.database()):
            for token in (admin, deploy, read):
                self.assertNotIn(token[6:], text)
        self.assertRegex(self.remote("audit", token=admin).stdout, r"token ci +deploy +127.0.0.1 +hold +shop")
        self.assertRegex(self.remote("token", "list", token=admin).stdout, r"ci +deploy .* 20\d\d-\d\d-\d\d ")

    def database(self):
        text = b""
        for name in ("belay.db", "belay.db-wal"):
            with open(os.path.join(self.machine.state, name), "rb") as file:
                text += file.read()
        return text.decode("latin-1")

    def test_a_stream_ends_with_its_token(self):
        self.live("r1")
        token = self.token("eyes", "read")
        environment = {"PATH": os.environ["PATH"], "BELAY_URL": self.url, "BELAY_CA": self.ca, "BELAY_TOKEN": token}
        follower = subprocess.Popen([BELAY, "logs", "shop", "-f"], env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        try:
            self.assertIn("serving release r1", follower.stdout.readline())
            with open(f"/proc/{follower.pid}/cmdline", "rb") as file:
                self.assertNotIn(token.encode(), file.read())
            began = time.monotonic()
            self.machine.cli("token", "revoke", "eyes")
            follower.wait(10)
            self.assertLess(time.monotonic() - began, 5)
        finally:
            follower.kill()
            follower.communicate()
        self.assertEqual(self.remote("status", token=token, check=False).returncode, 4)
        # Ctrl-C ends a follow with its own code.
        environment["BELAY_TOKEN"] = self.token("eyes", "read")
        follower = subprocess.Popen([BELAY, "logs", "shop", "-f"], env=environment, stdout=subprocess.PIPE, text=True)
        self.assertIn("serving", follower.stdout.readline())
        follower.send_signal(signal.SIGINT)
        follower.communicate(timeout=10)
        self.assertEqual(follower.returncode, 130)

    def test_only_the_server_that_its_certificate_names_hears_the_token(self):
        self.live("r1")
        token = self.token("ci", "deploy")
        # the system's authorities don't know it
        stranger = self.remote("status", token=token, ca="", check=False)
        self.assertEqual(stranger.returncode, 3)
        self.assertIn("is not trusted", stranger.stderr)
        self.assertIn("--ca", stranger.stderr)
        # under another name than the certificate's
        self.remote("status", token=token, url=self.url + "/")
        elsewhere = self.remote("status", token=token, url=f"https://127.0.0.1:{self.machine.http_port}", check=False)
        self.assertEqual(elsewhere.returncode, 3)
        self.assertIn("mismatch", elsewhere.stderr)
        # http:// to another machine sends nothing at all
        plain = self.remote("status", token=token, url="http://192.0.2.1:1", check=False)
        self.assertEqual(plain.returncode, 2)
        self.assertIn("https://", plain.stderr)
        self.assertEqual(self.remote("status", token=token, url="https://ann:secret@localhost", check=False).returncode, 2)
        self.assertEqual(self.remote("status", token="two words", check=False).returncode, 2)
        self.assertEqual(self.remote("status", token=token, ca="/nonexistent.pem", check=False).returncode, 2)
        nobody = self.remote("status", token=token, url="https://localhost:1", check=False)
        self.assertEqual(nobody.returncode, 3)
        self.assertIn("localhost:1", nobody.stderr)
        # a server that speaks no TLS
        with socket.socket() as listener:
            listener.bind(("127.0.0.1", 0))
            listener.listen()
            deaf = subprocess.Popen([BELAY, "status"], stderr=subprocess.PIPE, text=True, env={
                "PATH": os.environ["PATH"], "BELAY_URL": f"https://127.0.0.1:{listener.getsockname()[1]}", "BELAY_TOKEN": token})
            client, _ = listener.accept()
            self.assertNotIn(token.encode(), client.recv(4096))
            client.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")
            client.close()
            self.assertIn("no TLS with", deaf.communicate(timeout=20)[1])
            self.assertEqual(deaf.returncode, 3)

    def test_a_wait_rides_out_a_restart_of_the_daemon(self):
        m, r = self.machine, self.repository
        self.live("r1")
        token = self.token("ci", "deploy")
        r.commit("r2")
        r.push()
        environment = {"PATH": os.environ["PATH"], "BELAY_URL": self.url, "BELAY_CA": self.ca, "BELAY_TOKEN": token}
        waiting = subprocess.Popen([BELAY, "deploy", "shop", "--wait"], env=environment, stdout=subprocess.PIPE, text=True)
        self.assertIn("d2", waiting.stdout.readline())
        m.kill(signal.SIGKILL)
        m.start()
        output, _ = waiting.communicate(timeout=90)
        self.assertEqual(waiting.returncode, 0, output + m.tail())
        self.assertEqual(m.served_release(), "r2")


@unittest.skipUnless(jsonschema, "python3-jsonschema is missing")
class Description(TestCase):
    """Real answers are what GET /api/v1/openapi.json says, field by field."""

    def call(self, method, path, body=None, token=None):
        connection = http.client.HTTPConnection("127.0.0.1", self.machine.http_port, timeout=60)
        headers = {"Authorization": f"Bearer {token or self.admin}"}
        if body is not None:
            headers["Content-Type"] = "application/json"
        connection.request(method, path, None if body is None else json.dumps(body), headers)
        answer = connection.getresponse()
        text = answer.read().decode()
        connection.close()
        return answer, text

    def closed(self, schema):
        """As the test wants it: nothing may be sent that is not declared."""
        if isinstance(schema, list):
            return [self.closed(each) for each in schema]
        if not isinstance(schema, dict):
            return schema
        made = {key: self.closed(value) for key, value in schema.items()}
        if schema.get("type") == "object" and "properties" in schema:
            made.setdefault("unevaluatedProperties", False)
        return made

    def matches(self, value, schema):
        schema, components = self.closed(schema), self.closed(self.document["components"])
        jsonschema.Draft202012Validator({**schema, "components": components},
                                        format_checker=jsonschema.FormatChecker()).validate(value)

    def check(self, method, pattern, body=None, expect=200, token=None, **arguments):
        path = pattern
        for name, value in arguments.items():
            path = path.replace("{" + name + "}", value)
        if body is not None:
            declared = self.document["paths"][pattern]["post"]["requestBody"]["content"]["application/json"]["schema"]
            if expect != 400:
                self.matches(body, declared)
        answer, text = self.call(method, path, body, token)
        self.assertEqual(answer.status, expect, f"{method} {path}: {text}")
        operation = self.document["paths"][pattern.partition("?")[0]][method.lower()]
        response = operation["responses"].get(str(expect)) or operation["responses"]["default"]
        if "$ref" in response:
            response = self.document["components"]["responses"][response["$ref"].rpartition("/")[2]]
        kind = answer.headers.get_content_type()
        self.assertIn(kind, response["content"], f"{method} {path}")
        self.seen.add((method, pattern.partition("?")[0]))
        if kind.endswith("json"):
            value = json.loads(text)
            schema = response["content"][kind]["schema"]
            self.matches(value, schema)
            return value
        return text

    def test_answers_are_what_is_declared(self):
        m, r = self.machine, self.repository
        self.live("r1")
        self.admin = m.cli("token", "create", "ops", "--role", "admin").stdout.strip()
        reader = m.cli("token", "create", "eyes").stdout.strip()
        self.seen = set()
        self.document = json.loads(self.call("GET", "/api/v1/openapi.json")[1])
        for schema in self.document["components"]["schemas"].values():
            jsonschema.Draft202012Validator.check_schema(schema)

        failed = m.deploy_push("shop", r, "r2", "unhealthy")
        self.assertEqual(failed["state"], "failed")
        good = m.deploy_push("shop", r, "r3")
        delivery = m.json("deliveries", "shop")["items"][0]["id"]
        look = [("/healthz", {}), ("/readyz", {}), ("/metrics", {}), ("/api/v1/status", {}), ("/api/v1/apps", {}), ("/api/v1/apps/{app}", {"app": "shop"}),
                ("/api/v1/apps/{app}/deployments?limit=2", {"app": "shop"}), ("/api/v1/apps/{app}/releases", {"app": "shop"}),
                ("/api/v1/apps/{app}/logs", {"app": "shop"}), ("/api/v1/deployments/{id}", {"id": failed["id"]}),
                ("/api/v1/deployments/{id}", {"id": good["id"]}), ("/api/v1/deployments/{id}/logs", {"id": good["id"]}),
                ("/api/v1/deployments/{id}/logs/{stage}", {"id": good["id"], "stage": "fetch"}), ("/api/v1/deliveries", {}),
                ("/api/v1/deliveries/{id}", {"id": delivery}), ("/api/v1/why/{what}", {"what": delivery}), ("/api/v1/openapi.json", {}),
                ("/api/v1/tokens", {}), ("/api/v1/audit", {})]
        for pattern, arguments in look:
            self.check("GET", pattern, **arguments)

        # --- events, taken from the stream
        with http_stream(m.http_port, "/api/v1/events?after=0", self.admin) as lines:
            for _ in range(40):
                line = next(lines)
                if line.startswith("data: "):
                    self.matches(json.loads(line[6:]), self.document["components"]["schemas"]["Event"])
        self.seen.add(("GET", "/api/v1/events"))

        # --- acts
        shop = {"app": "shop"}
        self.check("POST", "/api/v1/apps/{app}/hold", {"why": "test"}, **shop)
        self.check("GET", "/api/v1/apps/{app}", **shop)
        self.check("POST", "/api/v1/apps/{app}/resume", {}, **shop)
        restarted = self.check("POST", "/api/v1/apps/{app}/restart", {}, 202, **shop)
        m.wait_end(restarted["deployment"])
        back = self.check("POST", "/api/v1/apps/{app}/rollback", {"hold": False}, 202, **shop)
        m.wait_end(back["deployment"])
        queued = self.check("POST", "/api/v1/apps/{app}/deploy", {"ref": "main", "force": True}, 202, **shop)
        self.check("POST", "/api/v1/deployments/{id}/cancel", {}, 202, id=queued["deployment"])
        m.wait_end(queued["deployment"])
        self.check("POST", "/api/v1/deployments/{id}/approve", {}, 404, id=queued["deployment"])
        self.check("POST", "/api/v1/deployments/{id}/reject", {"why": "no"}, 404, id=queued["deployment"])
        answer, text = self.call("POST", f"/api/v1/deliveries/{delivery}/redeliver", {})
        self.matches(json.loads(text), self.document["components"]["schemas"]["HookAnswer"])
        if json.loads(text)["deployment"]:
            m.wait_end(json.loads(text)["deployment"])
        self.check("POST", "/api/v1/apps/{app}/run", {"argv": ["/bin/true"]}, **shop)
        wait_for("the old release to be stopped", lambda: not m.status("shop")["deployment"])
        self.check("POST", "/api/v1/apps/{app}/stop", {}, **shop)
        started = self.check("POST", "/api/v1/apps/{app}/start", {}, 202, **shop)
        m.wait_end(started["deployment"])
        made = self.check("POST", "/api/v1/tokens", {"name": "ci", "role": "deploy", "expires_in": "1h"}, 201)
        self.assertTrue(made["token"].startswith("belay_"))
        self.check("GET", "/api/v1/tokens")
        self.check("POST", "/api/v1/tokens/{name}/revoke", {}, name="ci")
        with open(os.path.join(self.folder, "etc/apps/broken.toml"), "w") as file:
            file.write("brnch = 1\n")
        self.check("POST", "/api/v1/reload", {})

        # --- what goes wrong
        self.check("POST", "/api/v1/apps/{app}/deploy", {"reff": 1}, 400, **shop)
        self.check("GET", "/api/v1/apps/{app}", expect=404, app="nobody")
        self.check("GET", "/api/v1/apps/{app}/deployments?limit=0", expect=400, **shop)
        self.check("GET", "/api/v1/audit", expect=403, token=reader)
        self.check("GET", "/api/v1/apps", expect=401, token="belay_wrong")
        self.check("GET", "/api/v1/audit")
        self.check("POST", "/api/v1/gc", {"dry_run": True})
        # A token comes over the network, where no file of the daemon's machine is named.
        self.check("POST", "/api/v1/backup", {"file": "/tmp/backup.db"}, 403)
        self.check("POST", "/api/v1/restore", {"file": "/tmp/backup.db"}, 403)
        self.check("POST", "/api/v1/apps/{app}/remove", {"purge": True}, **shop)
        self.check("POST", "/api/v1/shutdown", {})
        self.machine.daemon.wait(30)

        declared = {(method.upper(), path) for path, item in self.document["paths"].items() for method in item}
        # A redelivery's status depends on what it leads to; hooks are asked by every other test.
        # Channels are tested where they have servers.
        self.assertEqual(declared - self.seen, {("POST", "/hooks/{app}"), ("GET", "/hooks/{app}"), ("POST", "/api/v1/deliveries/{id}/redeliver"),
                                                ("POST", "/api/v1/notify/{channel}/test")})


class http_stream:
    """Lines of an answer that does not end."""

    def __init__(self, port, path, token):
        self.connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
        self.connection.request("GET", path, headers={"Authorization": f"Bearer {token}"})

    def __enter__(self):
        self.answer = self.connection.getresponse()
        return (line.decode().rstrip("\n") for line in self.answer)

    def __exit__(self, *_):
        self.connection.close()


if __name__ == "__main__":
    unittest.main()
