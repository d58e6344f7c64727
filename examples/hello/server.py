"""A small web application: one page, one health check. It serves what the build step made."""
import http.server
import os
import signal
import socketserver
import threading

import faults

PAGE = open("public/index.html").read()
RELEASE = open("RELEASE").read().strip()


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        if self.path == "/healthz":
            return self.answer(*faults.health())
        self.answer(*faults.page(PAGE))

    def do_POST(self):
        self.rfile.read(int(self.headers.get("Content-Length", "0")))
        self.answer(*faults.page(PAGE))

    def answer(self, status, text):
        body = text.encode()
        self.send_response(status)
        self.send_header("Content-Type", "text/html; charset=utf-8")
        self.send_header("Content-Length", str(len(body)))
        self.send_header("X-App-Release", RELEASE)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *arguments):
        pass


class Server(socketserver.ThreadingMixIn, http.server.HTTPServer):
    daemon_threads = True
    request_queue_size = 256


if __name__ == "__main__":
    server = Server(("127.0.0.1", int(os.environ["PORT"])), Handler)
    signal.signal(signal.SIGTERM, lambda *_: threading.Thread(target=server.shutdown, daemon=True).start())
    faults.start()
    print(f"hello {RELEASE} listens on {os.environ['PORT']}", flush=True)
    server.serve_forever(poll_interval=0.05)
