#!/usr/bin/env python3
"""Runs the libFuzzer targets of build/fuzz, two at a time: tests/fuzz/run.py SECONDS [NAME...]

Seeds are the collected deliveries (and the inputs kept in regressions/NAME). What a run adds to the corpus stays in
build/fuzz/corpus/NAME for the next. A finding is printed with the file that holds it: mend it, and keep the file under
tests/fuzz/regressions/NAME.
"""
import json
import os
import pathlib
import subprocess
import sys
import tempfile
import urllib.parse
from concurrent.futures import ThreadPoolExecutor

ROOT = pathlib.Path(__file__).resolve().parents[2]
BUILD = ROOT / "build" / "fuzz"
DATA = ROOT / "tests" / "data" / "webhooks"


def request_text(meta, body, encoding):
    """One delivery in the form that request_text.hpp reads."""
    method, target, headers = "POST", "/hooks/app", dict(meta["headers"])
    if encoding == "form":
        headers["Content-Type"] = "application/x-www-form-urlencoded"
        body = b"payload=" + urllib.parse.quote_plus(body).encode()
    if encoding == "get":
        method, target, body = "GET", "/hooks/app?payload=" + urllib.parse.quote_plus(body), b""
    # Shapes of signatures, so that the fuzzer finds what lies behind them.
    headers |= {
        "X-Hub-Signature-256": "sha256=" + "0" * 64,
        "X-Gitlab-Token": "token",
        "Authorization": "Basic dXNlcjpzZWNyZXQ=",
        "webhook-signature": "v1," + "A" * 43 + "= v1a," + "A" * 86 + "==",
        "webhook-timestamp": "1700000000",
    }
    lines = [f"{method} {target}"] + [f"{name}: {value}" for name, value in headers.items()]
    return "\n".join(lines).encode() + b"\n\n" + body


def seeds_of(name):
    """The directories that a target starts from; only those of hooks have a data set."""
    folder = BUILD / "seeds" / name
    folder.mkdir(parents=True, exist_ok=True)
    forge = name.removeprefix("forge_") if name.startswith("forge_") else "*"
    if name.startswith("forge_") or name == "signature":
        for path in DATA.glob(f"{forge}/*.meta.json"):
            meta = json.loads(path.read_text())
            body = (path.parent / meta["body"]["file"]).read_bytes()
            for encoding in meta["encodings"]:
                text = request_text(meta, body, encoding)
                (folder / f"{path.parent.name}-{meta['name']}-{encoding}").write_bytes(text)
    kept = ROOT / "tests" / "fuzz" / "regressions" / name
    return [folder] + ([kept] if kept.is_dir() else [])


def run(name, seconds):
    corpus = BUILD / "corpus" / name
    findings = BUILD / "findings" / name
    for folder in (corpus, findings):
        folder.mkdir(parents=True, exist_ok=True)
    command = [BUILD / "tests" / "fuzz" / f"fuzz_{name}", f"-max_total_time={seconds}", "-max_len=65536", "-timeout=30",
               "-rss_limit_mb=1024", "-malloc_limit_mb=64", "-print_final_stats=1", f"-artifact_prefix={findings}/"]
    with tempfile.TemporaryDirectory(prefix="belay-fuzz-") as place:
        result = subprocess.run([*command, corpus, *seeds_of(name)], env=os.environ | {"TMPDIR": place},
                                stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    log = result.stdout.decode(errors="replace")
    stats = dict(line[6:].split(":", 1) for line in log.splitlines() if line.startswith("stat::"))
    print(f"{name}: {'ok' if result.returncode == 0 else 'FOUND SOMETHING'},"
          f" {stats.get('number_of_executed_units', '?').strip()} inputs,"
          f" {stats.get('peak_rss_mb', '?').strip()} MiB at most", flush=True)
    if result.returncode != 0:
        print(log[-6000:], flush=True)
    return result.returncode == 0


def main():
    seconds = int(sys.argv[1])
    built = sorted(path.name.removeprefix("fuzz_") for path in (BUILD / "tests" / "fuzz").glob("fuzz_*") if path.is_file())
    names = sys.argv[2:] or built
    if unknown := set(names) - set(built):
        sys.exit(f"no such fuzz targets: {', '.join(sorted(unknown))}")
    with ThreadPoolExecutor(2) as pool:
        results = list(pool.map(lambda name: run(name, seconds), names))
    sys.exit(0 if results and all(results) else 1)


main()
