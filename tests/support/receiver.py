"""Other people's servers for tests: an HTTP(S) server or a mail server on 127.0.0.1.

    receiver.py http LOG SCRIPT            plain HTTP
    receiver.py https LOG SCRIPT CERT KEY
    receiver.py smtp LOG SCRIPT CERT KEY   STARTTLS, then login as ops with "pass word"
    receiver.py smtp-plain LOG SCRIPT      neither

Prints its port. Every request is one line of JSON in LOG, written before it is answered. SCRIPT is a JSON list of what to do
with each, the last one repeated: {"status": 200, "headers": {}, "body": ""}, {"cut": true} (closed without an answer),
{"slow": seconds} (then answered), {"endless": true} (a body without end). Of mail {"status": 451} and the like answer RCPT,
{"data": 554} the message itself.
"""
import asyncio
import http.server
import json
import socket
import ssl
import sys
import threading
import time

kind, log, script = sys.argv[1], sys.argv[2], json.loads(sys.argv[3])
certificate, key = (sys.argv[4:6] + ["", ""])[:2]
lock = threading.Lock()
count = 0


def note(record):
    global count
    with lock:
        action = script[min(count, len(script) - 1)]
        count += 1
        with open(log, "a", encoding="utf-8") as file:
            file.write(json.dumps(record) + "\n")
        return action


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def handle_any(self):
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        action = note({
            "method": self.command, "path": self.path, "at": time.time(),
            "headers": {name.lower(): value for name, value in self.headers.items()},
            "body": body.decode("utf-8", "surrogateescape"),
        })
        if action.get("cut"):
            self.connection.shutdown(socket.SHUT_RDWR)
            self.close_connection = True
            return
        if "slow" in action:
            time.sleep(action["slow"])
        self.send_response(action.get("status", 200))
        for name, value in action.get("headers", {}).items():
            self.send_header(name, value)
        answer = action.get("body", "ok").encode()
        if action.get("endless"):
            self.send_header("Connection", "close")
            self.end_headers()
            self.close_connection = True
            try:
                while True:
                    self.wfile.write(b"x" * 65536)
            except OSError:
                return
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = handle_any


class Server(http.server.ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, *_):
        pass


def serve_http():
    server = Server(("127.0.0.1", 0), Handler)
    if kind == "https":
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate, key)
        server.socket = context.wrap_socket(server.socket, server_side=True)
    print(server.server_address[1], flush=True)
    server.serve_forever()


def serve_mail():
    from aiosmtpd.smtp import SMTP, AuthResult, LoginPassword

    action = {}

    class Inbox:
        async def handle_RCPT(self, server, session, envelope, address, options):
            nonlocal action
            if not envelope.rcpt_tos:
                action = note({"rcpt": address})
            if "status" in action:
                return f"{action['status']} not {address} today"
            if "slow" in action:
                await asyncio.sleep(action["slow"])
            envelope.rcpt_tos.append(address)
            return "250 OK"

        async def handle_DATA(self, server, session, envelope):
            record = {
                "from": envelope.mail_from, "to": envelope.rcpt_tos, "message": envelope.content.decode("utf-8", "surrogateescape"),
                "tls": session.ssl is not None, "login": session.authenticated,
            }
            with open(log, "a", encoding="utf-8") as file:
                file.write(json.dumps(record) + "\n")
            if "data" in action:
                return f"{action['data']} no"
            return "250 taken"

    def authenticate(server, session, envelope, mechanism, data):
        right = isinstance(data, LoginPassword) and (data.login, data.password) == (b"ops", b"pass word")
        return AuthResult(success=right, handled=False)

    async def main():
        options = {}
        if kind == "smtp":
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(certificate, key)
            options = dict(tls_context=context, require_starttls=True, auth_required=True, authenticator=authenticate)
        loop = asyncio.get_running_loop()
        server = await loop.create_server(lambda: SMTP(Inbox(), hostname="mail.test", loop=loop, **options), "127.0.0.1", 0)
        print(server.sockets[0].getsockname()[1], flush=True)
        await server.serve_forever()

    asyncio.run(main())


if kind.startswith("http"):
    serve_http()
else:
    serve_mail()
