"""git http-backend behind http.server. Arguments: root, token ("" = open), certificate, key ("" = plain http).

Prints its port, then serves. /redirect/X answers 301 to /X, /offsite/PORT/X 301 to another port, /later/PORT/X
the same once the token was given, /forbidden/X 403,
/broken/X 500. GET /_seen lists the Authorization
headers that came.
"""
import base64
import http.server
import os
import ssl
import subprocess
import sys

root, token, certificate, key = sys.argv[1:5]
seen = []


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def answer(self, status, headers=(), body=b""):
        self.send_response(status)
        for name, value in headers:
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def body(self):
        if self.headers.get("Transfer-Encoding", "").lower() == "chunked":
            out = b""
            while size := int(self.rfile.readline().split(b";")[0], 16):
                out += self.rfile.read(size)
                self.rfile.readline()
            self.rfile.readline()
            return out
        return self.rfile.read(int(self.headers.get("Content-Length", 0)))

    def handle_any(self):
        body = self.body()
        path, _, query = self.path.partition("?")
        suffix = "?" + query if query else ""
        if path == "/_seen":
            return self.answer(200, body="\n".join(seen).encode())
        authorization = self.headers.get("Authorization")
        if authorization:
            seen.append(authorization)
        if path.startswith("/redirect/"):
            return self.answer(301, [("Location", path[len("/redirect"):] + suffix)])
        if path.startswith("/offsite/"):
            port, _, rest = path[len("/offsite/"):].partition("/")
            return self.answer(301, [("Location", f"http://127.0.0.1:{port}/{rest}{suffix}")])
        if path.startswith("/forbidden/"):
            return self.answer(403)
        if path.startswith("/broken/"):
            return self.answer(500)
        if token and authorization != "Basic " + base64.b64encode(f"git:{token}".encode()).decode():
            return self.answer(401, [("WWW-Authenticate", 'Basic realm="git"')])
        if path.startswith("/later/"):
            port, _, rest = path[len("/later/"):].partition("/")
            return self.answer(301, [("Location", f"http://127.0.0.1:{port}/{rest}{suffix}")])
        environment = dict(
            os.environ, GIT_PROJECT_ROOT=root, GIT_HTTP_EXPORT_ALL="1", PATH_INFO=path, QUERY_STRING=query,
            REQUEST_METHOD=self.command, REMOTE_ADDR="127.0.0.1", CONTENT_TYPE=self.headers.get("Content-Type", ""),
            HTTP_CONTENT_ENCODING=self.headers.get("Content-Encoding", ""), CONTENT_LENGTH=str(len(body)))
        done = subprocess.run(["git", "http-backend"], input=body, stdout=subprocess.PIPE, env=environment)
        head, _, content = done.stdout.partition(b"\r\n\r\n")
        headers = [tuple(line.split(": ", 1)) for line in head.decode().split("\r\n") if ": " in line]
        status = next((int(value[:3]) for name, value in headers if name == "Status"), 200)
        self.answer(status, [pair for pair in headers if pair[0] != "Status"], content)

    do_GET = do_POST = handle_any


server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
if certificate:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    server.socket = context.wrap_socket(server.socket, server_side=True)
print(server.server_address[1], flush=True)
server.serve_forever()
