"""The way from a forge to the daemon: what the proxy shows under public_url, and what `belay hook test` says of the way."""
import hashlib
import hmac
import http.client
import http.server
import json
import os
import re
import socket
import ssl
import subprocess
import threading
import unittest

from machine import TestCase, free_ports

SECRET = "s3cret-of-the-hook"
PING = b'{"zen": "x", "hook_id": 1}'


def signature(body):
    return "sha256=" + hmac.new(SECRET.encode(), body, hashlib.sha256).hexdigest()


class Front(TestCase):
    """An app that answers for its own host alone, so that nothing hides what the proxy does with public_url's."""

    def start(self, **server):
        self.repository.commit("r1")
        self.repository.push()
        self.machine.app("shop", self.repository.bare, windows="""
[health]
path = "/healthz"
interval = "100ms"
min_healthy_time = "300ms"
timeout = "1s"
[traffic]
hosts = ["shop.test"]
drain = "100ms"
bake = "1500ms"
""")
        self.set_server(**server)
        self.machine.start()
        self.machine.first_deployment("shop")

    def set_server(self, **server):
        """Writes keys of [server] anew; None takes one away."""
        with open(self.machine.config) as file:
            text = file.read()
        for key, value in server.items():
            text = re.sub(rf"(?m)^{key} = .*\n", "", text)
            if value is not None:
                text = text.replace("[server]\n", f'[server]\n{key} = "{value}"\n')
        with open(self.machine.config, "w") as file:
            file.write(text)

    def request(self, method, path, host="deploy.test", body=None, headers=()):
        connection = http.client.HTTPConnection("127.0.0.1", self.machine.proxy_port, timeout=10)
        connection.request(method, path, body, {"Host": host, **dict(headers)})
        answer = connection.getresponse()
        text = answer.read().decode()
        connection.close()
        return answer.status, text

    def deliver(self):
        return self.request("POST", "/hooks/shop", body=PING,
                            headers={"Content-Type": "application/json", "X-GitHub-Event": "ping", "X-GitHub-Delivery": "1",
                                     "X-Hub-Signature-256": signature(PING)})


class PublicUrl(Front):
    def test_the_proxy_shows_of_the_daemon_what_expose_says(self):
        m = self.machine
        self.start(public_url="http://deploy.test")
        status, text = self.deliver()
        self.assertEqual(status, 200, text)
        self.assertEqual(json.loads(text)["decision"], "ignored")
        # Nothing else of the daemon, however it is written; the proxy itself answers.
        for path in ("/", "/healthz", "/readyz", "/api/v1/apps", "/hooks/", "/hooks", "/hooks/shop/x", "/hooks/../healthz",
                     "/hooks/%2e%2e/healthz", "//hooks/shop/../../healthz"):
            status, text = self.request("GET", path)
            self.assertEqual(status, 404, f"{path}: {text}")
            self.assertIn("No app here answers to", text, path)
        self.assertEqual(self.request("GET", "/", "shop.test")[0], 200)

        self.set_server(expose="all")
        m.cli("reload")
        status, text = self.request("GET", "/healthz")
        self.assertEqual((status, json.loads(text)), (200, {"alive": True}))
        self.assertEqual(self.request("GET", "/api/v1/apps")[0], 401)
        self.assertEqual(self.deliver()[0], 200)
        self.assertEqual(self.request("GET", "/healthz", "shop.test")[1].strip(), "well", "the app's own")

        self.set_server(expose="none")
        m.cli("reload")
        for status, text in (self.deliver(), self.request("GET", "/healthz")):
            self.assertEqual(status, 404, text)
            self.assertIn("No app here answers to", text)

    def test_what_is_passed_on_says_who_asked(self):
        # In the daemon's place a server that shows what it was sent.
        m = self.machine
        seen = []

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self):
                body = self.rfile.read(int(self.headers["Content-Length"]))
                seen.append((self.path, {name.lower(): value for name, value in self.headers.items()}, body))
                self.send_response(200)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *_):
                pass

        self.start(public_url="http://deploy.test")
        m.stop()
        server = http.server.ThreadingHTTPServer(("127.0.0.1", m.http_port), Handler)
        threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
        self.addCleanup(server.server_close)
        self.addCleanup(server.shutdown)
        self.assertEqual(self.deliver()[0], 200)
        path, headers, body = seen[0]
        self.assertEqual((path, body), ("/hooks/shop", PING))
        self.assertEqual(headers["host"], "deploy.test")
        self.assertEqual(headers["x-forwarded-for"], "127.0.0.1")
        self.assertEqual(headers["x-forwarded-proto"], "http")
        self.assertEqual(headers["x-forwarded-host"], "deploy.test")
        self.assertEqual(headers["x-forwarded-port"], str(m.proxy_port))
        self.assertEqual(headers["x-hub-signature-256"], signature(PING))


class Stranger:
    """Something else at the public address: `handle` gets the handler after the body was read."""

    def __init__(self, handle, tls=None):
        class Handler(http.server.BaseHTTPRequestHandler):
            server_version = "nginx/1.22.1"
            sys_version = ""
            protocol_version = "HTTP/1.1"

            def do_POST(self):
                self.body = self.rfile.read(int(self.headers["Content-Length"]))
                handle(self)

            def answer(self, status, text="", **headers):
                data = text.encode()
                self.send_response(status)
                for name, value in headers.items():
                    self.send_header(name, value)
                self.send_header("Content-Length", str(len(data)))
                self.end_headers()
                self.wfile.write(data)

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        if tls:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(*tls)
            self.server.socket = context.wrap_socket(self.server.socket, server_side=True)
        self.port = self.server.server_address[1]
        threading.Thread(target=self.server.serve_forever, args=(0.05,), daemon=True).start()

    def close(self):
        self.server.shutdown()
        self.server.server_close()


class HookTest(Front):
    def stranger(self, handle, tls=None):
        server = Stranger(handle, tls)
        self.addCleanup(server.close)
        return server.port

    def ping(self, url, arrives=False):
        self.set_server(public_url=url)
        done = self.machine.cli("hook", "test", "shop", check=False)
        self.assertEqual(done.returncode, 0 if arrives else 1, done.stdout + done.stderr)
        return done.stdout

    def test_each_way_in_which_deliveries_arrive_or_do_not(self):
        m = self.machine
        self.start()
        self.set_server(public_url=f"http://localhost:{m.proxy_port}")
        m.cli("reload")

        text = self.ping(f"http://localhost:{m.proxy_port}", arrives=True)
        self.assertIn("signed as by Standard Webhooks", text)
        self.assertRegex(text, rf"name +localhost is 127\.0\.0\.1\n +connect +127\.0\.0\.1:{m.proxy_port}\n")
        self.assertRegex(text, r"answer +200 from this daemon after \d+ ms\n +inbox +w\d+ ignored")
        self.assertIn("Deliveries arrive.", text)
        recorded = m.json("deliveries", "shop")["items"][0]
        self.assertEqual((recorded["kind"], recorded["decision"]), ("ping", "ignored"))
        told = json.loads(m.cli("hook", "test", "shop", "--json").stdout)
        self.assertTrue(told["arrives"], told)

        # By the scheme of the app's forge.
        path = os.path.join(self.folder, "etc/apps/shop.toml")
        with open(path) as file:
            app = file.read()
        with open(path, "w") as file:
            file.write(app + '\n[webhook]\nforge = "github"\n')
        m.cli("reload")
        self.assertIn("signed as by github", self.ping(f"http://localhost:{m.proxy_port}", arrives=True))
        self.assertEqual(m.json("deliveries", "shop")["items"][0]["forge"], "github")

        text = self.ping(None)
        self.assertIn("names no public address", text)
        self.assertRegex(text, rf"directly +127\.0\.0\.1:{m.http_port} answers 200, recorded as w\d+")
        self.assertIn("[server] public_url", text)

        text = self.ping("http://no-such-name.invalid")
        self.assertIn("no-such-name.invalid leads nowhere", text)

        refused, = free_ports(1)
        text = self.ping(f"http://localhost:{refused}")
        self.assertIn(f"Nothing listens on port {refused} of localhost", text)
        self.assertIn(f"Belay's proxy listens on 127.0.0.1:{m.proxy_port}", text)

        text = self.ping(f"https://localhost:{m.proxy_port}")
        self.assertIn("speaks no TLS", text)

        folder = self.make_folder("tls")
        key, certificate = os.path.join(folder, "key"), os.path.join(folder, "cert")
        subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days",
                        "2", "-subj", "/CN=localhost", "-keyout", key, "-out", certificate], check=True, capture_output=True)
        text = self.ping(f"https://localhost:{self.stranger(lambda one: one.answer(200), (certificate, key))}")
        self.assertIn("Forges refuse the certificate", text)

        text = self.ping(f"http://localhost:{self.stranger(lambda one: one.answer(404, '<html>Not Found</html>'))}")
        self.assertIn("404 from another server (nginx/1.22.1)", text)
        self.assertRegex(text, r"inbox +nothing came in")
        self.assertIn(f"pass /hooks/ on to http://127.0.0.1:{m.http_port}", text)

        text = self.ping(f"http://localhost:{self.stranger(lambda one: one.answer(401, 'login'))}")
        self.assertIn("wants a login", text)

        text = self.ping(f"http://localhost:{self.stranger(lambda one: one.answer(301, Location='https://elsewhere.test/'))}")
        self.assertIn("redirected to https://elsewhere.test/", text)

        text = self.ping(f"http://localhost:{self.stranger(lambda one: one.answer(502, '<html>Bad Gateway</html>'))}")
        self.assertIn("does not reach the daemon", text)
        self.assertIn(f"The daemon answers at http://127.0.0.1:{m.http_port}", text)

        text = self.ping(f"http://localhost:{self.stranger(lambda one: one.answer(200, '<html>Welcome</html>'))}")
        self.assertIn("Another server takes the deliveries", text)

        def without_body(one):
            connection = http.client.HTTPConnection("127.0.0.1", m.http_port, timeout=10)
            headers = {name: value for name, value in one.headers.items() if name.lower() not in ("host", "content-length")}
            connection.request("POST", one.path, b"", headers)
            answer = connection.getresponse()
            one.answer(answer.status, answer.read().decode())
            connection.close()
        text = self.ping(f"http://localhost:{self.stranger(without_body)}")
        self.assertIn("The ping loses its signature on the way", text)

        def broken_off(one):
            one.close_connection = True
            one.connection.close()
        text = self.ping(f"http://localhost:{self.stranger(broken_off)}")
        self.assertIn("breaks it off", text)

        # The daemon knows another secret than the file: the app's file was changed and not reloaded.
        other = os.path.join(self.folder, "etc/secrets/other.hook")
        with open(other, "w") as file:
            file.write("another secret\n")
        os.chmod(other, 0o600)
        with open(path, "w") as file:
            file.write(app + f'\n[webhook]\nsecret = {{ file = "{other}" }}\n')
        text = self.ping(f"http://localhost:{m.proxy_port}")
        self.assertIn("refuses the ping's signature", text)
        self.assertIn("belay reload", text)
        with open(path, "w") as file:
            file.write(app)

        self.set_server(expose="none", public_url=f"http://localhost:{m.proxy_port}")
        m.cli("reload")
        text = self.ping(f"http://localhost:{m.proxy_port}")
        self.assertIn("Belay's proxy does not show the hooks there", text)
        self.assertIn('make it "hooks"', text)

    def test_a_server_that_never_answers_is_told_from_a_slow_daemon(self):
        self.start()
        silent = socket.socket()
        self.addCleanup(silent.close)
        silent.bind(("127.0.0.1", 0))
        silent.listen(16)
        text = self.ping(f"http://localhost:{silent.getsockname()[1]}")
        self.assertIn("takes the request and gives no answer", text)
        self.assertIn("so the server in front keeps the request", text)

    def test_what_it_needs_is_said(self):
        self.start()
        done = self.machine.cli("hook", "test", "nosuch", check=False)
        self.assertEqual(done.returncode, 5)
        self.assertIn('no app is called "nosuch"', done.stderr)
        os.remove(os.path.join(self.folder, "etc/secrets/shop.hook"))
        done = self.machine.cli("hook", "test", "shop", check=False)
        self.assertEqual(done.returncode, 1, done.stderr)
        self.assertIn("there is no webhook secret (secrets/shop.hook)", done.stderr)


class Init(Front):
    def test_init_says_what_to_enter_and_says_it_again(self):
        m = self.machine
        self.set_server(public_url="https://deploy.example.com")
        first = m.cli("init", "https://localhost:1/acme/site.git", "--name", "site", "--forge", "gitea")
        secret = os.path.join(self.folder, "etc/secrets/site.hook")
        with open(secret) as file:
            self.assertNotIn(file.read().strip(), first.stdout)
        self.assertEqual(os.stat(secret).st_mode & 0o777, 0o600)
        for line in ("https://localhost:1/acme/site/settings/hooks/gitea/new", "https://deploy.example.com/hooks/site",
                     "application/json", secret, "Push Events"):
            self.assertIn(line, first.stdout)
        with open(os.path.join(self.folder, "etc/apps/site.toml")) as file:
            self.assertIn('[webhook]\nforge = "gitea"', file.read())
        again = m.cli("init", "--name", "site", "--forge", "gitlab")
        self.assertIn("nothing was written", again.stdout)
        self.assertIn("https://localhost:1/acme/site/-/hooks", again.stdout)
        other = m.cli("init", "https://localhost:1/acme/other.git", "--name", "site", check=False)
        self.assertEqual(other.returncode, 1)
        self.assertIn("exists", other.stderr)
        wrong = m.cli("init", "https://localhost:1/acme/x.git", "--forge", "githup", check=False)
        self.assertEqual(wrong.returncode, 2)
        self.assertIn("--forge takes github, gitlab", wrong.stderr)

    def test_init_ships_the_host_keys_of_public_forges_and_leaves_a_file_of_ones_own_alone(self):
        m = self.machine
        place = os.path.join(self.folder, "etc/known_hosts")
        m.cli("init", "https://localhost:1/acme/site.git", "--name", "site")
        with open(place) as file:
            text = file.read()
        for host in ("github.com", "gitlab.com", "bitbucket.org", "codeberg.org", "git.sr.ht", "gitee.com"):
            self.assertIn(f"\n{host} ssh-ed25519 AAAA", text)
        # OpenSSH itself can read every line.
        done = subprocess.run(["ssh-keygen", "-l", "-f", place], capture_output=True, text=True)
        self.assertEqual((done.returncode, done.stdout.count("(ED25519)")), (0, 6), done.stderr)
        self.assertIn("SHA256:+DiY3wvvV6TuJJhbpZisF/zLDA0zPMSvHdkr4UvCOqU github.com", done.stdout)
        with open(place, "w") as file:
            file.write("mine\n")
        m.cli("init", "https://localhost:1/acme/other.git", "--name", "other")
        with open(place) as file:
            self.assertEqual(file.read(), "mine\n")

    def test_the_doctor_names_a_cure_for_each_finding(self):
        m = self.machine
        m.cli("init", "https://localhost:1/acme/site.git", "--name", "site")
        m.start()
        well = json.loads(m.cli("doctor", "--json", check=False).stdout)
        levels = {item["check"]: item["level"] for item in well["items"]}
        self.assertEqual({name: levels[name] for name in ("configuration", "daemon", "ports", "secrets", "host keys")},
                         dict.fromkeys(("configuration", "daemon", "ports", "secrets", "host keys"), "ok"), well)
        secret = os.path.join(self.folder, "etc/secrets/site.hook")
        os.chmod(secret, 0o644)
        os.remove(os.path.join(self.folder, "etc/known_hosts"))
        m.kill()
        ill = m.cli("doctor", check=False)
        self.assertEqual(ill.returncode, 1)
        self.assertIn("others can read " + secret, ill.stdout)
        self.assertIn("cure: chmod 0600 " + secret, ill.stdout)
        self.assertIn("no ssh server's key is known", ill.stdout)
        self.assertRegex(ill.stdout, "error    daemon .*\n +cure: ")

    def test_a_sourcehut_hook_is_checked_by_its_key_and_by_nothing_else(self):
        m = self.machine
        m.cli("init", "git@git.sr.ht.invalid:~ann/site", "--name", "site", "--forge", "sourcehut")
        with open(os.path.join(self.folder, "etc/secrets/site.hook")) as file:
            self.assertEqual(file.read().strip(), "uX7KWyyDNMaBma4aVbJ/cbUQpdjqczuCyK/HxzV/u+4=")
        # Everybody knows that key: no other forge's check may take it for a secret.
        with open(os.path.join(self.folder, "etc/apps/site.toml")) as file:
            self.assertIn('[webhook]\nforge = "sourcehut"', file.read())


if __name__ == "__main__":
    unittest.main(verbosity=2)
