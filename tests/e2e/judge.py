#!/usr/bin/env python3
"""An open-loop client that shares no code with Belay: it sends at a fixed rate whatever comes back, never retries unless told to, and calls a
request failed when it is refused, reset, takes over a second, has another status or body than the application's own, or when
a kept-alive connection is closed under it. An error that the application itself answered (it says so in X-App-Release) is its own and
counted apart.

judge.py PORT RATE [--host NAME] [--path PATH] [--limit SECONDS] [--max-time S] [--events FILE] [--record FILE] [--reconnect] [--repeat]
Runs until SIGTERM (or --limit), then prints one JSON object.
"""
import argparse
import asyncio
import collections
import json
import signal
import sys
import time

parser = argparse.ArgumentParser()
parser.add_argument("port", type=int)
parser.add_argument("rate", type=float)
parser.add_argument("--host", default="localhost")
parser.add_argument("--path", default="/")
parser.add_argument("--limit", type=float, default=600)
parser.add_argument("--max-time", type=float, default=1.0)
parser.add_argument("--events", help="file to which the first answer of each release is appended, with its time")
parser.add_argument("--reconnect", action="store_true",
                    help="a kept-alive connection that was closed while it rested is made anew, as all clients do (RFC 9112 section 9.3.1)")
parser.add_argument("--repeat", action="store_true",
                    help="a GET whose connection breaks is sent once more, on a new one, as all clients may (RFC 9110 section 9.2.2) and browsers do")
parser.add_argument("--record", help="file to which every failure, and every change of the release that answers, is appended as a line of JSON")
args = parser.parse_args()

KINDS = ("GET-new", "GET-kept", "POST-new", "POST-kept")
failures, releases, app_errors_of = [], {}, {}
answering = None
sent = ok = app_errors = repeated = 0
max_gap, last_ok = 0.0, None
stop = asyncio.Event()
idle = {"GET-kept": collections.deque(), "POST-kept": collections.deque()}


def record(**what):
    if args.record:
        with open(args.record, "a") as file:
            file.write(json.dumps(what) + "\n")


def fail(kind, why, began, opened=None):
    """`opened`: when its connection was asked for, which a kept one was before the request."""
    failures.append({"kind": kind, "why": why, "at": round(began, 3), "took_ms": round((time.time() - began) * 1000),
                     "opened": round(opened or began, 3)})
    record(type="failure", **failures[-1])


async def read_answer(reader):
    head = await reader.readuntil(b"\r\n\r\n")
    lines = head.decode("latin-1").split("\r\n")
    status = int(lines[0].split()[1])
    headers = {}
    for line in lines[1:]:
        name, _, value = line.partition(":")
        headers[name.lower()] = value.strip()
    if headers.get("transfer-encoding", "").lower() == "chunked":
        body = b""
        while True:
            size = int((await reader.readline()).split(b";")[0], 16)
            chunk = await reader.readexactly(size + 2)
            body += chunk[:-2]
            if size == 0:
                break
    else:
        body = await reader.readexactly(int(headers.get("content-length", "0")))
    return status, headers, body


async def one(kind, again=False):
    global ok, max_gap, last_ok, app_errors, answering, repeated
    began = opened = time.time()
    kept = kind.endswith("kept")
    method = kind.split("-")[0]
    payload = b"x" * 200 if method == "POST" else b""
    connection = None
    try:
        async with asyncio.timeout(args.max_time):
            if kept and idle[kind] and not again:
                # The one that rested longest: none rests until its server may close it (Belay's proxy: 75 s).
                connection = idle[kind].popleft()
                while args.reconnect and connection and connection[0].at_eof():
                    connection = idle[kind].popleft() if idle[kind] else None
                if connection:
                    opened = connection[3]
                    if connection[0].at_eof():
                        return fail(kind, f"kept-alive connection was closed while idle, within {began - connection[2]:.1f} s", began, opened)
            if connection is None:
                connection = await asyncio.open_connection("127.0.0.1", args.port)
            reader, writer = connection[:2]
            request = f"{method} {args.path} HTTP/1.1\r\nHost: {args.host}\r\n"
            if payload:
                request += f"Content-Length: {len(payload)}\r\n"
            if not kept:
                request += "Connection: close\r\n"
            writer.write(request.encode() + b"\r\n" + payload)
            status, headers, body = await read_answer(reader)
    except TimeoutError:
        return fail(kind, "no answer in time", began, opened)
    except (OSError, asyncio.IncompleteReadError, ValueError, IndexError) as problem:
        if args.repeat and method == "GET" and not again:
            repeated += 1
            return await one(kind, again=True)
        return fail(kind, f"{type(problem).__name__}: {problem}", began, opened)
    if status != 200 and "x-app-release" in headers:
        app_errors += 1
        own = headers["x-app-release"]
        app_errors_of[own] = app_errors_of.get(own, 0) + 1
    elif status != 200:
        fail(kind, f"status {status}: {body[:80].decode('latin-1')!r}", began, opened)
    else:
        ok += 1
        now = time.time()
        if last_ok:
            max_gap = max(max_gap, now - last_ok)
        last_ok = now
        release = body.split()[0].decode("latin-1") if body.split() else ""
        if release != answering:
            answering = release
            record(type="answers", at=round(now, 3), asked=round(began, 3), release=release)
        if release not in releases:
            releases[release] = {"first": now, "count": 0}
            if args.events:
                with open(args.events, "a") as events:
                    events.write(f"{now} {release}\n")
        releases[release]["last"] = now
        releases[release]["count"] += 1
    if kept and headers.get("connection", "").lower() != "close":
        idle[kind].append((reader, writer, time.time(), opened))
    else:
        writer.close()


async def main():
    global sent
    loop = asyncio.get_running_loop()
    loop.add_signal_handler(signal.SIGTERM, stop.set)
    loop.add_signal_handler(signal.SIGINT, stop.set)
    print("ready", flush=True)
    began, tasks = time.monotonic(), set()
    while not stop.is_set() and time.monotonic() - began < args.limit:
        due = began + sent / args.rate
        pause = due - time.monotonic()
        if pause > 0:
            try:
                await asyncio.wait_for(stop.wait(), pause)
                break
            except TimeoutError:
                pass
        task = asyncio.create_task(one(KINDS[sent % len(KINDS)]))
        tasks.add(task)
        task.add_done_callback(tasks.discard)
        sent += 1
    if tasks:
        await asyncio.wait(tasks)
    print(json.dumps({"sent": sent, "ok": ok, "app_errors": app_errors, "app_errors_of": app_errors_of, "repeated": repeated, "failed": len(failures), "failures": failures[:20], "releases": releases,
                      "max_gap_ms": round(max_gap * 1000, 1)}))


asyncio.run(main())
sys.exit(0)
