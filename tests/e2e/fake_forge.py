"""The status APIs of the forges as they are documented, on loopback and strict: who does not authenticate, names another
repository, sends a field that there isn't, an unknown state or a text that is too long is refused as the forge would."""
import base64
import json
import re
import socket
import struct
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import urlsplit

TOKEN = "t0ken-of-the-forge"


class Refused(Exception):
    def __init__(self, status, body):
        super().__init__(status)
        self.status, self.body = status, body


def fields(body, required, optional, status=422):
    """What is sent is an object of these fields alone."""
    def refuse(message):
        raise Refused(status, {"message": message})
    if not isinstance(body, dict):
        refuse("Problems parsing JSON")
    for name in required:
        if name not in body:
            refuse(f'"{name}" wasn\'t supplied.')
    for name, value in body.items():
        kind = {**required, **optional}.get(name)
        if kind is None:
            refuse(f'"{name}" is not a permitted key.')
        if not isinstance(value, kind):
            refuse(f"For '{name}', {json.dumps(value)} is not a {kind}.")


def http_url(text):
    return re.match(r"https?://[^ ]+$", text) is not None


class Github:
    """POST /repos/O/R/statuses/SHA, POST /repos/O/R/deployments, POST .../deployments/ID/statuses"""
    prefix, project = "/api/v3", "acme/shop"

    def __init__(self, server):
        self.server, self.deployments, self.payloads = server, {}, {}

    def authenticate(self, headers):
        if headers["User-Agent"] is None:
            raise Refused(403, {"message": "Request forbidden by administrative rules."})
        if headers["Authorization"] != f"Bearer {TOKEN}":
            raise Refused(401, {"message": "Bad credentials"})
        if headers["Accept"] != "application/vnd.github+json" or headers["X-GitHub-Api-Version"] != "2022-11-28":
            raise Refused(415, {"message": "Must accept application/vnd.github+json"})

    def description(self, body):
        if len(body.get("description", "")) > 140:
            raise Refused(422, {"message": "Validation Failed",
                                "errors": [{"message": "description is too long (maximum is 140 characters)"}]})

    def get(self, path):
        match = re.fullmatch(f"{self.prefix}/repos/{self.project}/deployments\\?sha=([0-9a-f]{{40}})&environment=shop&per_page=30",
                             path)
        if not match:
            raise Refused(404, {"message": "Not Found"})
        return 200, [{"id": identity, "sha": commit, "environment": "shop", "payload": self.payloads[identity]}
                     for identity, commit in reversed(self.deployments.items()) if commit == match[1]]

    def post(self, path, body):
        base = f"{self.prefix}/repos/{self.project}"
        if match := re.fullmatch(base + "/statuses/([0-9a-f]{40})", path):
            commit = self.server.known(match[1], Refused(422, {"message": f"No commit found for SHA: {match[1]}"}))
            fields(body, {"state": str}, {"target_url": str, "description": str, "context": str})
            if body["state"] not in ("error", "failure", "pending", "success"):
                raise Refused(422, {"message": "Validation Failed", "errors": [{"field": "state"}]})
            self.description(body)
            if "target_url" in body and not http_url(body["target_url"]):
                raise Refused(422, {"message": "Validation Failed", "errors": [{"message": "target_url must use http(s) scheme"}]})
            self.server.record("status", commit, body["state"], body.get("context", "default"), body)
            return 201, {"id": 1, "state": body["state"]}
        if path == base + "/deployments":
            fields(body, {"ref": str}, {"task": str, "auto_merge": bool, "required_contexts": list, "payload": (dict, str),
                                        "environment": str, "description": str, "transient_environment": bool,
                                        "production_environment": bool})
            commit = self.server.known(body["ref"], Refused(422, {"message": f"No ref found for: {body['ref']}"}))
            if body.get("auto_merge", True):
                return 202, {"message": "Auto-merged main into topic branch on deployment."}
            if body.get("required_contexts") != []:
                raise Refused(409, {"message": "Conflict: Commit status checks failed"})
            self.description(body)
            identity = 1000 + len(self.deployments)
            self.deployments[identity], self.payloads[identity] = commit, body.get("payload", "")
            self.server.record("deployment", commit, "", body["environment"], body)
            return 201, {"id": identity, "sha": commit}
        if match := re.fullmatch(base + r"/deployments/(\d+)/statuses", path):
            if int(match[1]) not in self.deployments:
                raise Refused(404, {"message": "Not Found"})
            fields(body, {"state": str}, {"log_url": str, "target_url": str, "environment_url": str, "description": str,
                                          "environment": str, "auto_inactive": bool})
            if body["state"] not in ("error", "failure", "inactive", "in_progress", "queued", "pending", "success"):
                raise Refused(422, {"message": "Validation Failed", "errors": [{"field": "state"}]})
            self.description(body)
            self.server.record("deployment_status", self.deployments[int(match[1])], body["state"], match[1], body)
            return 201, {"id": 2, "state": body["state"]}
        raise Refused(404, {"message": "Not Found"})


class Gitlab:
    """POST /api/v4/projects/ID/statuses/SHA; a status can't go to the state that it has."""
    prefix, project = "/api/v4", "acme/shop"

    def __init__(self, server):
        self.server, self.states = server, {}

    def authenticate(self, headers):
        if headers["PRIVATE-TOKEN"] != TOKEN:
            raise Refused(401, {"message": "401 Unauthorized"})

    def post(self, path, body):
        match = re.fullmatch(self.prefix + "/projects/([^/]+)/statuses/([0-9a-f]{40})", path)
        if not match or match[1] != self.project.replace("/", "%2F"):
            raise Refused(404, {"message": "404 Project Not Found"})
        commit = self.server.known(match[2], Refused(404, {"message": "404 Commit Not Found"}))
        fields(body, {"state": str}, {"ref": str, "name": str, "context": str, "target_url": str, "description": str,
                                      "coverage": float, "pipeline_id": int}, 400)
        if body["state"] not in ("pending", "running", "success", "failed", "canceled", "skipped"):
            raise Refused(400, {"error": "state does not have a valid value"})
        for name in ("ref", "target_url", "description"):
            if len(body.get(name, "")) > 255:
                raise Refused(400, {"message": {name: ["is too long (maximum is 255 characters)"]}})
        key, state = (commit, body.get("name", "default")), body["state"]
        before = self.states.get(key)
        if before in ("pending", "running") and (state == before or state == "pending"):
            event = {"pending": "enqueue", "running": "run"}[state]
            raise Refused(400, {"message": {"state": [f"Cannot transition status via :{event} from :{before}"]}})
        self.states[key] = state
        self.server.record("status", commit, state, key[1], body)
        return 201, {"id": 1, "status": state}


class Gitea:
    """POST /api/v1/repos/O/R/statuses/SHA"""
    prefix, project = "/api/v1", "acme/shop"

    def __init__(self, server):
        self.server = server

    def authenticate(self, headers):
        if headers["Authorization"] != f"token {TOKEN}":
            raise Refused(401, {"message": "invalid username, password or token"})

    def post(self, path, body):
        match = re.fullmatch(f"{self.prefix}/repos/{self.project}/statuses/([0-9a-f]{{40}})", path)
        if not match:
            raise Refused(404, {"message": "The target couldn't be found."})
        commit = self.server.known(match[1], Refused(404, {"message": "GetCommit: object does not exist"}))
        fields(body, {"state": str}, {"target_url": str, "description": str, "context": str})
        if body["state"] not in ("pending", "success", "error", "failure", "warning"):
            raise Refused(422, {"message": "[State]: In"})
        self.server.record("status", commit, body["state"], body["context"], body)
        return 201, {"id": 1, "status": body["state"]}


class BitbucketCloud:
    """POST /2.0/repositories/W/R/commit/SHA/statuses/build; the same key overwrites."""
    prefix, project = "/2.0", "acme/shop"

    def __init__(self, server):
        self.server = server

    def authenticate(self, headers):
        if headers["Authorization"] != f"Bearer {TOKEN}":
            raise Refused(401, {"type": "error", "error": {"message": "Token is invalid or not supported for this endpoint."}})

    def bad(self, field, message):
        raise Refused(400, {"type": "error", "error": {"message": "Bad request", "fields": {field: [message]}}})

    def check(self, body, states):
        for name in ("key", "state", "url"):
            if not body.get(name):
                self.bad(name, "required key not provided")
        if body["state"] not in states:
            self.bad("state", "invalid")
        if len(body.get("name", "")) > 255:
            self.bad("name", "Ensure this value has at most 255 characters")
        if len(body["url"]) > 450 or not http_url(body["url"]):
            self.bad("url", "invalid")

    def post(self, path, body):
        match = re.fullmatch(f"{self.prefix}/repositories/{self.project}/commit/([0-9a-f]{{40}})/statuses/build", path)
        if not match:
            raise Refused(404, {"type": "error", "error": {"message": "Resource not found"}})
        commit = self.server.known(match[1], Refused(404, {"type": "error", "error": {"message": "Commit not found"}}))
        fields(body, {}, {"key": str, "state": str, "name": str, "url": str, "description": str, "refname": str}, 400)
        self.check(body, ("INPROGRESS", "SUCCESSFUL", "FAILED", "STOPPED"))
        if len(body["key"]) > 40:
            self.bad("key", "Ensure this value has at most 40 characters (it has %d)." % len(body["key"]))
        self.server.record("status", commit, body["state"], body["key"], body)
        return 201, {"key": body["key"]}


class BitbucketServer(BitbucketCloud):
    """POST /rest/api/latest/projects/K/repos/S/commits/SHA/builds: 204"""
    prefix, project = "/rest/api/latest", "acme/shop"

    def post(self, path, body):
        key, slug = self.project.split("/")
        match = re.fullmatch(f"{self.prefix}/projects/{key}/repos/{slug}/commits/([0-9a-f]{{40}})/builds", path)
        if not match:
            raise Refused(404, {"errors": [{"message": "Repository does not exist."}]})
        commit = self.server.known(match[1], Refused(404, {"errors": [{"message": "Commit does not exist."}]}))
        fields(body, {}, {"key": str, "state": str, "name": str, "url": str, "description": str, "ref": str, "buildNumber": str,
                          "duration": int, "parent": str, "testResults": dict}, 400)
        self.check(body, ("INPROGRESS", "SUCCESSFUL", "FAILED", "CANCELLED", "UNKNOWN"))
        if len(body["key"]) > 255 or not body.get("ref", "refs/").startswith("refs/"):
            raise Refused(400, {"errors": [{"message": "key or ref"}]})
        self.server.record("status", commit, body["state"], body["key"], body)
        return 204, None


class Azure:
    """POST /ORG/PROJECT/_apis/git/repositories/REPO/commits/SHA/statuses?api-version=7.1; strangers see a page to sign in."""
    prefix, project = "/acme/web", "shop"

    def __init__(self, server):
        self.server = server

    def authenticate(self, headers):
        expected = "Basic " + base64.b64encode(f":{TOKEN}".encode()).decode()
        if headers["Authorization"] != expected:
            raise Refused(203, "<html><title>Azure DevOps Services | Sign In</title></html>")

    def post(self, path, body):
        match = re.fullmatch(f"{self.prefix}/_apis/git/repositories/{self.project}/commits/([0-9a-f]{{40}})/statuses\\?api-version=7.1",
                             path)
        if not match:
            raise Refused(404, {"message": "TF401019: The Git repository does not exist."})
        commit = self.server.known(match[1], Refused(404, {"message": "TF401175: The commit cannot be found."}))
        fields(body, {"state": str, "context": dict}, {"description": str, "targetUrl": str}, 400)
        if body["state"] not in ("notSet", "pending", "succeeded", "failed", "error", "notApplicable", "partiallySucceeded"):
            raise Refused(400, {"message": "state"})
        fields(body["context"], {"name": str}, {"genre": str}, 400)
        self.server.record("status", commit, body["state"], f'{body["context"].get("genre")}/{body["context"]["name"]}', body)
        return 201, {"id": 1}


KINDS = {"github": Github, "gitlab": Gitlab, "gitea": Gitea, "forgejo": Gitea, "bitbucket-cloud": BitbucketCloud,
         "bitbucket-server": BitbucketServer, "azure-devops": Azure}


class FakeForge:
    """`trouble` is played before anything else, one entry a request: a status, (status, headers), "reset", "hang" or None."""

    def __init__(self, kind, port=0):
        self.told, self.seen, self.trouble, self.commits = [], [], [], None
        self.lock = threading.Lock()
        self.api = KINDS[kind](self)
        forge = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self):
                self.do_POST()

            def do_POST(self):
                body = self.rfile.read(int(self.headers["Content-Length"] or "0"))
                with forge.lock:
                    trouble = forge.trouble.pop(0) if forge.trouble else None
                    forge.seen.append((time.monotonic(), self.path, trouble))
                if trouble == "reset":
                    self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                    self.connection.close()
                    self.close_connection = True
                    return
                if trouble == "hang":
                    forge.released.wait(120)
                    self.close_connection = True
                    return
                if trouble is not None:
                    status, headers = trouble if isinstance(trouble, tuple) else (trouble, {})
                    return self.answer(status, {"message": "trouble"}, headers)
                try:
                    with forge.lock:
                        forge.api.authenticate(self.headers)
                        if self.command == "GET":
                            status, answer = forge.api.get(self.path)
                        elif self.headers["Content-Type"] != "application/json":
                            raise Refused(415, {"message": "Unsupported Media Type"})
                        else:
                            status, answer = forge.api.post(self.path, json.loads(body.decode("utf-8", "strict")))
                    self.answer(status, answer)
                except Refused as refused:
                    with forge.lock:
                        forge.refused.append((refused.status, refused.body, self.path, body.decode()))
                    self.answer(refused.status, refused.body)

            def answer(self, status, answer, headers=()):
                data = b"" if answer is None else answer.encode() if isinstance(answer, str) else json.dumps(answer).encode()
                self.send_response(status)
                self.send_header("Content-Length", str(len(data)))
                self.send_header("Content-Type", "application/json")
                for name, value in dict(headers).items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(data)

            def log_message(self, *_):
                pass

        self.refused, self.released = [], threading.Event()
        ThreadingHTTPServer.allow_reuse_address = True
        self.server = ThreadingHTTPServer(("127.0.0.1", port), Handler)
        self.server.daemon_threads = True
        self.port = self.server.server_address[1]
        self.url = f"http://127.0.0.1:{self.port}{self.api.prefix}"
        threading.Thread(target=self.server.serve_forever, args=(0.05,), daemon=True).start()

    def known(self, commit, refusal):
        if self.commits is not None and commit not in self.commits:
            raise refusal
        return commit

    def record(self, kind, commit, state, key, body):
        self.told.append({"kind": kind, "commit": commit, "state": state, "key": key, "body": body})

    def states(self, commit, kind="status"):
        """What was told of a commit, in order, repeats left out."""
        with self.lock:
            states = [each["state"] for each in self.told if each["commit"] == commit and each["kind"] == kind]
        return [state for i, state in enumerate(states) if i == 0 or states[i - 1] != state]

    def descriptions(self, commit):
        with self.lock:
            return [each["body"]["description"] for each in self.told if each["commit"] == commit and each["kind"] == "status"]

    def close(self):
        self.released.set()
        self.server.shutdown()
        self.server.server_close()
