"""Services that take alerts, on 127.0.0.1, as strict as their documentation: whoever sends them something else gets their error.

One HTTP server speaks for all by the path; each checks method, headers, body and limits and keeps what it took.
"""
import base64
import hashlib
import hmac
import http.server
import json
import re
import threading
import time

WEBHOOK_KEY = bytes(range(32))
WEBHOOK_SECRET = "whsec_" + base64.b64encode(WEBHOOK_KEY).decode()
MATRIX_TOKEN = "syt_token"
NTFY_TOKEN = "tk_token"


class Refused(Exception):
    def __init__(self, status, text):
        super().__init__(text)
        self.status = status


def need(condition, status, text):
    if not condition:
        raise Refused(status, text)


def only(mapping, allowed, what):
    need(isinstance(mapping, dict), 400, f"{what} is no object")
    need(set(mapping) <= set(allowed), 400, f"{what} has unknown {sorted(set(mapping) - set(allowed))}")


def slack(request, body):
    # docs.slack.dev: sending messages using incoming webhooks; reference/block-kit/blocks
    only(body, ("text", "blocks", "unfurl_links", "unfurl_media"), "payload")
    need(isinstance(body.get("text"), str) and body["text"], 400, "no_text")
    need(1 <= len(body["blocks"]) <= 50, 400, "invalid_blocks")
    for block in body["blocks"]:
        only(block, ("type", "text", "fields", "block_id"), "block")
        text = block["text"]
        if block["type"] == "header":
            only(text, ("type", "text", "emoji"), "header")
            need(text["type"] == "plain_text" and 1 <= len(text["text"]) <= 150, 400, "invalid_blocks")
        else:
            need(block["type"] == "section", 400, "invalid_blocks")
            only(text, ("type", "text", "verbatim"), "section")
            need(text["type"] == "mrkdwn" and 1 <= len(text["text"]) <= 3000, 400, "invalid_blocks")
            for found in re.findall(r"<[^>]*>", text["text"]):
                need(re.fullmatch(r"<https?://[^|<>]+\|Details>", found), 400, f"a pusher's markup: {found}")
    return 200, "ok", {}


def discord(request, body):
    # discord.com/developers: webhook resource, execute webhook; embed limits
    only(body, ("username", "content", "embeds", "allowed_mentions"), "payload")
    need(body["allowed_mentions"] == {"parse": []}, 400, "mentions are possible")
    need(1 <= len(body["embeds"]) <= 10, 400, "embeds")
    total = 0
    for embed in body["embeds"]:
        only(embed, ("title", "description", "url", "color", "timestamp", "fields"), "embed")
        need(len(embed["title"]) <= 256 and 1 <= len(embed["description"]) <= 4096, 400, "embed too long")
        need(0 <= embed["color"] <= 0xffffff, 400, "color")
        need(re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", embed["timestamp"]), 400, "timestamp")
        total += len(embed["title"]) + len(embed["description"])
    need(total <= 6000, 400, "embeds too long")
    return 204, "", {}


def teams(request, body):
    # learn.microsoft.com: incoming webhooks with Workflows; adaptivecards.io/explorer
    need(request["length"] <= 28 * 1024, 413, "too large")
    only(body, ("type", "attachments"), "payload")
    need(body["type"] == "message" and len(body["attachments"]) == 1, 400, "not a message with a card")
    attachment = body["attachments"][0]
    need(attachment["contentType"] == "application/vnd.microsoft.card.adaptive", 400, "contentType")
    card = attachment["content"]
    only(card, ("$schema", "type", "version", "body", "actions", "msteams"), "card")
    need(card["type"] == "AdaptiveCard" and card["version"] in ("1.2", "1.3", "1.4", "1.5"), 400, "card")
    for block in card["body"]:
        need(block["type"] == "RichTextBlock", 400, "an element that reads Markdown")
        for run in block["inlines"]:
            only(run, ("type", "text", "weight", "size", "color", "fontType"), "run")
            need(run["type"] == "TextRun" and run["text"], 400, "run")
    for action in card.get("actions", []):
        need(action["type"] == "Action.OpenUrl" and action["url"].startswith("http"), 400, "action")
    return 202, "", {}


def matrix(request, body):
    # spec.matrix.org client-server API: PUT rooms/{roomId}/send/{eventType}/{txnId}
    need(request["method"] == "PUT", 405, '{"errcode": "M_UNRECOGNIZED"}')
    need(request["headers"].get("authorization") == f"Bearer {MATRIX_TOKEN}", 401, '{"errcode": "M_UNKNOWN_TOKEN"}')
    need(re.fullmatch(r"/_matrix/client/v3/rooms/%21room%3Aexample\.org/send/m\.room\.message/[A-Za-z0-9_.~-]{1,64}", request["path"]),
         404, '{"errcode": "M_NOT_FOUND"}')
    only(body, ("msgtype", "body", "format", "formatted_body", "m.mentions"), "event")
    need(body["msgtype"] in ("m.text", "m.notice") and body["body"], 400, '{"errcode": "M_BAD_JSON"}')
    need(body["m.mentions"] == {}, 400, "mentions are possible")
    need(body.get("format", "org.matrix.custom.html") == "org.matrix.custom.html", 400, "format")
    need(request["length"] <= 65000, 413, '{"errcode": "M_TOO_LARGE"}')
    return 200, '{"event_id": "$1"}', {"Content-Type": "application/json"}


def ntfy(request, body):
    # docs.ntfy.sh/publish/#publish-as-json
    need(request["headers"].get("authorization") == f"Bearer {NTFY_TOKEN}", 401, '{"code": 40101}')
    only(body, ("topic", "title", "message", "priority", "tags", "click", "markdown"), "message")
    need(re.fullmatch(r"[-_A-Za-z0-9]{1,64}", body["topic"]), 400, "topic")
    need(1 <= len(body["message"].encode()) <= 4096, 400, "message")
    need(body["priority"] in (1, 2, 3, 4, 5) and all(isinstance(tag, str) for tag in body["tags"]), 400, "priority or tags")
    return 200, '{"id": "x"}', {}


def webhook(request, body):
    # github.com/standard-webhooks: spec/standard-webhooks.md
    headers = request["headers"]
    identity, stamp = headers["webhook-id"], headers["webhook-timestamp"]
    need("." not in identity and abs(time.time() - int(stamp)) < 300, 400, "id or timestamp")
    signed = f"{identity}.{stamp}.".encode() + request["raw"]
    right = "v1," + base64.b64encode(hmac.new(WEBHOOK_KEY, signed, hashlib.sha256).digest()).decode()
    need(right in headers["webhook-signature"].split(" "), 401, "bad signature")
    only(body, ("type", "timestamp", "data"), "body")
    need(re.fullmatch(r"belay\.[a-z_]+", body["type"]), 400, "type")
    return 200, "", {}


SERVICES = {"/slack": slack, "/discord": discord, "/teams": teams, "/_matrix": matrix, "/ntfy": ntfy, "/webhook": webhook}


class ChatServers:
    """`taken[service]` lists what each took, `refused` what was not; `script[service]` overrides its next answers."""

    def __init__(self):
        self.taken = {name.strip("/_"): [] for name in SERVICES}
        self.refused = []
        self.script = {name: [] for name in self.taken}
        self.lock = threading.Lock()
        outer = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def log_message(self, *_):
                pass

            def answer_any(self):
                raw = self.rfile.read(int(self.headers.get("Content-Length") or 0))
                status, text, headers = outer.answer(self.command, self.path, self.headers, raw)
                data = text.encode()
                self.send_response(status)
                for name, value in headers.items():
                    self.send_header(name, value)
                if status != 204:
                    self.send_header("Content-Length", str(len(data)))
                self.end_headers()
                if status != 204:
                    self.wfile.write(data)

            do_GET = do_POST = do_PUT = answer_any

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.port = self.server.server_address[1]
        threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()

    def answer(self, method, path, headers, raw):
        root = next((name for name in SERVICES if path.startswith(name)), None)
        if root is None:
            return 404, "nothing is here", {}
        service = root.strip("/_")
        request = {"method": method, "path": path, "headers": {n.lower(): v for n, v in headers.items()}, "raw": raw,
                   "length": len(raw), "at": time.time()}
        with self.lock:
            try:
                if service != "matrix":
                    need(method == "POST", 405, "POST it")
                need(request["headers"].get("content-type", "").startswith("application/json"), 415, "not JSON")
                request["body"] = json.loads(raw.decode("utf-8", "strict"))
                result = SERVICES[root](request, request["body"])
            except Refused as refusal:
                self.refused.append((service, str(refusal), raw))
                return refusal.status, str(refusal), {}
            except (KeyError, ValueError, TypeError) as problem:
                self.refused.append((service, repr(problem), raw))
                return 400, repr(problem), {}
            if self.script[service]:
                return self.script[service].pop(0)
            self.taken[service].append(request)
            return result

    def events(self, service="webhook"):
        return [request["body"]["data"] for request in self.taken[service]]

    def close(self):
        self.server.shutdown()
        self.server.server_close()
