// What a user reads of a wrong file: text in, exact complaints out.
#include "reading.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace belay::config {
namespace {

using ::testing::ElementsAre;
using ::testing::ElementsAreArray;

struct Case {
    std::string text;
    std::vector<std::string> complaints;
};

// An app that is fine, on lines 1 to 3.
const std::string kApp =
    "repo = \"https://github.com/acme/shop.git\"\n[service]\nrun = \"bin/web\"\n";

class AppMessages : public ::testing::TestWithParam<Case> {};
class ServerMessages : public ::testing::TestWithParam<Case> {};

TEST_P(AppMessages, SayPlaceAndCure) {
    auto file = app_of(GetParam().text);
    EXPECT_THAT(lines_of(file.complaints), ElementsAreArray(GetParam().complaints))
        << GetParam().text;
    EXPECT_EQ(file.config.has_value(), !has_errors(file.complaints));
}

TEST_P(ServerMessages, SayPlaceAndCure) {
    auto server = server_of(GetParam().text);
    EXPECT_THAT(lines_of(server.complaints), ElementsAreArray(GetParam().complaints))
        << GetParam().text;
    EXPECT_EQ(server.ok, !has_errors(server.complaints));
}

const std::vector<Case> kUnknownKeys{
    {kApp, {}},
    {kApp + "[notify]\napproval = \"manual\"\n",
     {"shop.toml:5:1: notify.approval: \"approval\" belongs to the top of the file, but stands "
      "below [notify], line 4"}},
    {kApp + "[env]\nshared = [\"storage\"]\n",
     {"shop.toml:5:1: env.shared: \"shared\" belongs to the top of the file, but stands below "
      "[env], line 4"}},
    {kApp + "[health]\npath = \"/up\"\n[health.traffic]\nbake = \"1m\"\n",
     {"shop.toml:6:9: health.traffic: \"traffic\" belongs to the top of the file, but stands below "
      "[health], line 4"}},
    {kApp + "[service.health]\npath = \"/up\"\n",
     {"shop.toml:4:10: service.health: \"health\" belongs to the top of the file, but stands below "
      "[service], line 2"}},
    {kApp + "[env]\npoll = \"off\"\n",
     {"shop.toml:5:8: warning: env.poll: is a variable here; if the key poll is meant, it belongs "
      "to the top of the file, above "
      "[env]"}},
    {kApp + "[helth]\n", {"shop.toml:4:2: helth: unknown key; did you mean \"health\"?"}},
    {"pol = \"5m\"\n" + kApp, {"shop.toml:1:1: pol: unknown key; did you mean \"poll\"?"}},
    {"interval = \"1s\"\n" + kApp,
     {"shop.toml:1:1: interval: unknown key; \"interval\" belongs in [health]"}},
    {"proxy = 1\n" + kApp, {"shop.toml:1:1: proxy: unknown key; [proxy] belongs in belay.toml"}},
    {kApp + "[health]\nintervall = \"1s\"\n",
     {"shop.toml:5:1: health.intervall: unknown key; did you mean \"interval\"?"}},
    {kApp + "[health]\nmin-healthy-time = \"1s\"\n",
     {"shop.toml:5:1: health.min-healthy-time: unknown key; did you mean \"min_healthy_time\"?"}},
    {kApp + "[keep]\nquux = 1\n",
     {"shop.toml:5:1: keep.quux: unknown key; [keep] has releases, logs, disk"}},
    {kApp + "[[build]]\nrun = \"a\"\n[[build]]\nrun = \"b\"\ntimout = \"1m\"\n",
     {"shop.toml:8:1: build[2].timout: unknown key; did you mean \"timeout\"?"}},
    {kApp + "[traffic.rollback_on]\nbase_line = 2\n",
     {"shop.toml:5:1: traffic.rollback_on.base_line: unknown key; did you mean \"baseline\"?"}},
};

const std::vector<Case> kTypes{
    {"branch = 5\n" + kApp,
     {"shop.toml:1:10: branch: wants a branch such as \"main\", not the number 5"}},
    {"poll = 30\n" + kApp,
     {"shop.toml:1:8: poll: wants a duration or \"off\" such as \"5m\", not the number 30"}},
    {"poll = false\n" + kApp, {"shop.toml:1:8: poll: is switched off by \"off\", not by false"}},
    {"poll = \"5\"\n" + kApp,
     {"shop.toml:1:8: poll: \"5\" is no duration: its unit is missing; write \"30s\", \"5m\" or "
      "\"1h30m\""}},
    {"submodules = \"true\"\n" + kApp,
     {"shop.toml:1:14: submodules: must be \"auto\", true or false (booleans without quotes)"}},
    {"approval = \"manuel\"\n" + kApp,
     {"shop.toml:1:12: approval: must be \"manual\" or \"none\", not \"manuel\"; did you mean "
      "\"manual\"?"}},
    {"shared = \"storage\"\n" + kApp,
     {"shop.toml:1:10: shared: wants an array of paths such as [\"storage\"], not a string"}},
    {"shared = [\"storage\", 5, \"../x\"]\n" + kApp,
     {"shop.toml:1:22: shared: wants strings such as [\"storage\"], not the number 5",
      "shop.toml:1:25: shared: \"../x\" has a \"..\", which would lead out of the app"}},
    {kApp + "instances = \"2\"\n",
     {"shop.toml:4:13: service.instances: wants a whole number such as 1, not a string"}},
    {kApp + "instances = 0\n", {"shop.toml:4:13: service.instances: must be 1 to 256, not 0"}},
    {kApp + "overlap = \"false\"\n",
     {"shop.toml:4:11: service.overlap: is a boolean: write false, without quotes"}},
    {kApp + "stop_signal = \"KIL\"\n",
     {"shop.toml:4:15: service.stop_signal: must be one of TERM, INT, QUIT, HUP, USR1, USR2, WINCH "
      "and KILL"}},
    {kApp + "user = \"root\"\n",
     {"shop.toml:4:8: service.user: root never runs pushed code; write \"auto\" or another user's "
      "name"}},
    {kApp + "[keep]\ndisk = \"10 gigs\"\nlogs = 2026-11-22\n",
     {"shop.toml:5:8: keep.disk: \"10 gigs\" is no size; write \"512MiB\" or \"1GiB\"",
      "shop.toml:6:8: keep.logs: wants a duration such as \"30d\", not the date or time "
      "2026-11-22"}},
    {kApp + "[health]\nexpect_status = \"200-299,999\"\n",
     {"shop.toml:5:17: health.expect_status: \"200-299,999\" are no statuses between 100 and 599; "
      "write \"200-299,304\""}},
    {kApp + "[health]\nexpect_status = [200, \"x\"]\n",
     {"shop.toml:5:23: health.expect_status: \"x\" are no statuses between 100 and 599; write "
      "\"200-299,304\""}},
    {kApp + "[traffic.rollback_on]\nerror_ratio = 0.05\n",
     {"shop.toml:5:15: traffic.rollback_on.error_ratio: wants a percentage such as \"5%\", not the "
      "number 0.05"}},
    {kApp + "[traffic.rollback_on]\nerror_ratio = \"500%\"\nbaseline = 0.5\n",
     {"shop.toml:5:15: traffic.rollback_on.error_ratio: \"500%\" is no percentage above 0 and up "
      "to 100; write \"5%\"",
      "shop.toml:6:12: traffic.rollback_on.baseline: must be at least 1, not 0.5"}},
    {kApp + "[traffic.canary]\nsteps = [\"50%\", \"5%\"]\n",
     {"shop.toml:5:17: traffic.canary.steps: each step must be larger than the one before"}},
    {kApp + "[env]\nA = [\"x\"]\n1B = \"x\"\nBELAY_X = \"1\"\nPORT = 3000\n",
     {"shop.toml:5:5: env.A: wants a string, a number or a boolean, not an array",
      "shop.toml:6:1: env.1B: is no name for a variable; they have letters, digits and _ and begin "
      "with no digit",
      "shop.toml:7:1: env.BELAY_X: is set by Belay itself, for each process; leave it out",
      "shop.toml:8:1: env.PORT: is set by Belay itself, for each process; leave it out"}},
    {"env = \"x\"\n" + kApp,
     {"shop.toml:1:7: env: wants a table of variables such as { RAILS_ENV = \"production\" }, not "
      "a string"}},
    {"health = 5\n" + kApp, {"shop.toml:1:10: health: wants a table, [health], not the number 5"}},
    {kApp + "[[keep]]\nreleases = 3\n",
     {"shop.toml:4:1: keep: is given once, as [keep], not as [[keep]]"}},
    {"build = \"make\"\n" + kApp,
     {"shop.toml:1:9: build: wants a table [build], or several [[build]], not a string"}},
};

const std::vector<Case> kCommands{
    {kApp + "[build]\nrun = [\"npm ci && npm run build\"]\n",
     {"shop.toml:5:8: build.run: the first part of an array is the program alone, but \"npm ci && "
      "npm run build\" is a whole "
      "command line: write it as a string, run = \"npm ci && npm run build\", or split it into its "
      "words"}},
    {kApp + "[build]\nrun = []\n",
     {"shop.toml:5:7: build.run: is empty; write a command such as \"npm ci && npm run build\""}},
    {kApp + "[build]\nrun = \" \"\n",
     {"shop.toml:5:7: build.run: is empty; write a command such as \"npm ci && npm run build\""}},
    {kApp + "[build]\nrun = [\"make\", 5]\n",
     {"shop.toml:5:16: build.run: each part of a command is a string, not the number 5"}},
    {kApp + "[build]\ntimeout = \"5m\"\n",
     {"shop.toml:4:1: build.run: is missing: the command of this step"}},
    {kApp + "[release]\ntimeout = \"5m\"\n",
     {"shop.toml:4:1: release.run: is missing: the command of the release"}},
    {kApp + "[service.worker]\nrun = \"bin/worker\"\n",
     {"shop.toml:3:7: service.run: stands beside [service.worker], line 4; with several processes "
      "each has its own: put this one "
      "into [service.web]"}},
    {"repo = \"https://a.example/b\"\n[service.env]\nrun = \"bin/env\"\n[service.web]\nrun = "
     "\"x\"\n",
     {"shop.toml:2:1: service.env: \"env\" is a key of [service], so no process can be called so; "
      "call it env-worker, say"}},
    {"repo = \"https://a.example/b\"\n[service.run]\nrun = \"bin/env\"\n[service.web]\nrun = "
     "\"x\"\n",
     {"shop.toml:2:1: service.run: \"run\" is a key of [service], so no process can be called so; "
      "call it run-worker, say"}},
    {kApp + "[service.run]\nrun = \"bin/env\"\n",
     {"shop.toml:4:1: service.run: is a key with a value already, line 3; a process needs a name "
      "that no key of [service] has"}},
    {"repo = \"https://a.example/b\"\n[service.Web]\nrun = \"x\"\n",
     {"shop.toml:2:10: service.Web: is no name for a process; they have a-z, 0-9 and -, begin with "
      "a letter, and at most 32 "
      "characters"}},
    {"repo = \"https://a.example/b\"\n[service.web]\ninstances = 2\n",
     {"shop.toml:2:1: service.web.run: is missing: the command that starts this process"}},
    {"repo = \"https://a.example/b\"\n[service]\n",
     {"shop.toml:2:1: service.run: is missing: the command that starts the app, or [service.web] "
      "and others"}},
    {"repo = \"https://a.example/b\"\n",
     {"shop.toml: says nothing about what to run: one of [service], [command], [unit] and [static] "
      "is needed"}},
    {"[service]\nrun = \"x\"\n",
     {"shop.toml: repo: is missing: the repository's address, such as repo = "
      "\"git@github.com:acme/shop.git\""}},
    {kApp + "[build]\nrun = \"x\"\nsecrets = [\"NPM_TOKN\"]\n[secrets]\nNPM_TOKEN = { credential = "
            "\"npm\" }\n",
     {"shop.toml:6:11: build.secrets: NPM_TOKN is no secret of this app; did you mean NPM_TOKEN?",
      "shop.toml:8:13: warning: secrets.NPM_TOKEN: the credential npm is not there, as the service "
      "has none: give it to the "
      "service: LoadCredential=npm:/path/to/file"}},
    {kApp + "[build]\nrun = \"x\"\nsecrets = [\"NPM_TOKEN\"]\n",
     {"shop.toml:6:11: build.secrets: NPM_TOKEN is no secret of this app: `belay secret set shop "
      "NPM_TOKEN`"}},
    {kApp + "[build]\nrun = \"x\"\nsilence = \"2h\"\n",
     {"shop.toml:6:11: warning: build.silence: is longer than build.timeout (30m), which ends the "
      "step before"}},
};

const std::vector<Case> kSyntax{
    {kApp + "[build]\nrun = \"x\"\nenv = { A = 1,\n  B = 2 }\n",
     {"shop.toml:6:15: build.env: a line break inside { }: in TOML, all of { } stands on one line; "
      "join the lines, or write it as a "
      "table of its own, [build.env]"}},
    {kApp + "[build]\nrun = \"x\"\n[[build]]\nrun = \"y\"\n",
     {"shop.toml:6:1: build: [[build]] stands beside [build], line 4: write all steps as "
      "[[build]], or one as [build]"}},
    {kApp + "[[test]]\nrun = \"x\"\n[test]\nrun = \"y\"\n",
     {"shop.toml:6:1: test: [test] stands beside [[test]], line 4: write all steps as [[test]], or "
      "one as [test]"}},
    {kApp + "[health]\n[health]\n",
     {"shop.toml:5:1: health: stands on line 4 already: put both into one [health]"}},
    {kApp + "run = \"y\"\n",
     {"shop.toml:4:7: service.run: stands on line 3 already; keep one of them"}},
    {"branch = main\n", {"shop.toml:1:10: branch: a string needs quotes: branch = \"...\""}},
    {"branch: main\n", {"shop.toml:1:7: keys and values have \"=\" between them, not \":\""}},
    {"branch = \"main\nrepo = \"x\"\n",
     {"shop.toml:1:15: branch: the quote that ends the string is missing on this line; a string of "
      "several lines stands in \"\"\""}},
    {"branch = 'main\n",
     {"shop.toml:1:15: branch: the quote that ends the string is missing on this line; a string of "
      "several lines stands in \"\"\""}},
    {"path = [\"C:\\x\"]\n",
     {"shop.toml:1:13: path: a backslash begins an escape in \"...\"; write the string in '...' to "
      "have it as it is"}},
    {"poll = 5m\n", {"shop.toml:1:9: poll: needs quotes: \"5m\""}},
    {"[keep]\ndisk = 512MiB\n", {"shop.toml:2:11: keep.disk: needs quotes: \"512MiB\""}},
    {"poll = off\n",
     {"shop.toml:1:8: poll: write \"off\" in quotes, or false where a boolean is wanted"}},
    {"[build]\nnetwork = no\n",
     {"shop.toml:2:12: build.network: booleans are true and false; write false"}},
    {"[build]\nnetwork = True # always\n",
     {"shop.toml:2:11: build.network: booleans are true and false; write true"}},
    {"[build]\nrun =\n", {"shop.toml:2:6: build.run: the value behind \"=\" is missing"}},
    {"[build]\nrun = \"npm ci\" && \"x\"\n",
     {"shop.toml:2:16: build.run: something stands behind the end of the value; a string with "
      "quotes in it stands in '...'"}},
    {"[build]\nenv = { A = 1, }\n",
     {"shop.toml:2:16: build.env: a comma before } has nothing behind it; take it away"}},
    {"shared = [\"a\" \"b\"]\n",
     {"shop.toml:1:15: in an array, values stand between [ and ] with commas between them; one is "
      "missing here or on the line "
      "above"}},
    {"[build\nrun = \"x\"\n",
     {"shop.toml:1:7: a table's head reads [name], that of one of several steps [[name]]; this one "
      "does not"}},
    {"npm ci\n", {"shop.toml:1:5: expected KEY = VALUE or [TABLE]"}},
};

const std::vector<Case> kRepositories{
    {"repo = \"https://bob:s3cr3t@github.com/a/b\"\n[service]\nrun = \"x\"\n",
     {"shop.toml:1:8: repo: has a password or token in it, which would end up in logs: write the "
      "address without it, and "
      "[credentials] token = { file = \"...\" }"}},
    {"repo = \"ext::sh -c x\"\n[service]\nrun = \"x\"\n",
     {"shop.toml:1:8: repo: has a space or control character"}},
    {"repo = \"--upload-pack=x\"\n[service]\nrun = \"x\"\n",
     {"shop.toml:1:8: repo: an address can't begin with \"-\""}},
    {"repo = \"ssh://-oProxyCommand=x/y\"\n[service]\nrun = \"x\"\n",
     {"shop.toml:1:8: repo: a host can't begin with \"-\""}},
    {"repo = \"svn://a/b\"\n[service]\nrun = \"x\"\n",
     {"shop.toml:1:8: repo: \"svn://\" is none of https, ssh, git, http and file"}},
    {"repo = \"github.com/acme/shop\"\n[service]\nrun = \"x\"\n",
     {"shop.toml:1:8: repo: names no scheme; write \"https://github.com/acme/shop\" or "
      "\"git@HOST:PATH\""}},
    {"repo = \"http://a.example/b\"\n[service]\nrun = \"x\"\n",
     {"shop.toml:1:8: repo: http is not allowed here: add \"http\" to [git] allow in belay.toml"}},
    {"repo = \"/srv/git/shop.git\"\n[service]\nrun = \"x\"\n",
     {"shop.toml:1:8: repo: file is not allowed here: add \"file\" to [git] allow in belay.toml"}},
    {"repo = \"git@github.com:acme/shop.git\"\n[service]\nrun = \"x\"\n",
     {"shop.toml:1:8: warning: repo: is reached by ssh, but there is no deploy key "
      "secrets/shop.key: `belay init` makes one"}},
    {"branch = \"refs/heads/main\"\n" + kApp,
     {"shop.toml:1:10: branch: is written without \"refs/heads/\": \"main\""}},
    {"branch = \"-x\"\n" + kApp,
     {"shop.toml:1:10: branch: is no name that git allows for a branch"}},
    {"branch = \"\"\n" + kApp,
     {"shop.toml:1:10: branch: is empty, and tags is not given: nothing would be followed"}},
    {"tags = \"v *\"\n" + kApp,
     {"shop.toml:1:8: tags: is no pattern of tag names; write one like \"v*\""}},
    {"poll = \"off\"\n" + kApp,
     {"shop.toml:1:8: poll: is off, and there is no webhook secret (secrets/shop.hook): no push "
      "would be noticed; `belay init` makes "
      "one"}},
    {"shared = [\"a\", \"a/b\"]\nwritable = [\"a\"]\n" + kApp,
     {"shop.toml:1:10: shared: \"a/b\" lies within \"a\" of shared",
      "shop.toml:1:10: shared: \"a/b\" lies within \"a\" of writable",
      "shop.toml:2:12: writable: \"a\" lies within \"a\" of shared"}},
    {"directory = \"/srv\"\n" + kApp,
     {"shop.toml:1:13: directory: \"/srv\" is absolute; paths here are relative to the app's "
      "directory"}},
    {"path = [\"bin\"]\n" + kApp, {"shop.toml:1:9: path: \"bin\" must be an absolute path"}},
};

const std::vector<Case> kHealthAndTraffic{
    {kApp + "[traffic]\nbake = \"2s\"\n",
     {"shop.toml:5:8: traffic.bake: a bake of 2s is too short to see a failure: 3 failures 1s "
      "apart and a timeout of 5s need 8s; make "
      "traffic.bake at least \"8s\", or the others smaller"}},
    {kApp + "[health]\ninterval = \"1m\"\n",
     {"shop.toml:5:12: health.interval: a bake of 2m is too short to see a failure: 3 failures 1m "
      "apart and a timeout of 5s need 3m5s; "
      "make traffic.bake at least \"3m5s\", or the others smaller"}},
    {kApp + "[traffic]\nbake = \"8s\"\n", {}},
    {kApp + "[health]\ninterval = \"0s\"\n",
     {"shop.toml:5:12: health.interval: must be at least \"1ms\", not \"0s\""}},
    {kApp + "[health]\ndeadline = \"10s\"\n",
     {"shop.toml:5:12: health.deadline: no release could become healthy: health.deadline (10s) "
      "must be longer than min_healthy_time "
      "(10s)"}},
    {kApp + "[health]\nhealthy = 400\n",
     {"shop.toml:5:11: health.healthy: no release could become healthy: health.deadline (5m) must "
      "be longer than the passes in a row "
      "take (6m39s)"}},
    {kApp + "[health]\ntype = \"http\"\n",
     {"shop.toml:5:8: health.type: http needs a path, such as path = \"/healthz\""}},
    {kApp + "[health]\ntype = \"tcp\"\npath = \"/up\"\n",
     {"shop.toml:6:8: health.path: is of type http, but health.type is \"tcp\""}},
    {kApp + "[health]\npath = \"up\"\n",
     {"shop.toml:5:8: health.path: must begin with a slash: \"/up\""}},
    {kApp + "[health]\npath = \"/up\"\nurl = \"http://127.0.0.1:9000/up\"\n",
     {"shop.toml:6:7: health.url: stands beside health.path, line 5; a check asks one of them"}},
    {kApp + "[health]\nurl = \"http://169.254.169.254/latest\"\n",
     {"shop.toml:5:7: health.url: points at a link-local or metadata address, which is never "
      "asked"}},
    {kApp + "[health]\nurl = \"tcp://127.0.0.1:9000\"\n", {}},
    {kApp + "[health]\nurl = \"tcp://127.0.0.1\"\n",
     {"shop.toml:5:7: health.url: names a host and a port alone, as in \"tcp://127.0.0.1:9000\""}},
    {kApp + "[health]\ntype = \"http\"\nurl = \"tcp://127.0.0.1:9000\"\n",
     {"shop.toml:5:8: health.type: http needs a path, such as path = \"/healthz\"",
      "shop.toml:6:7: health.url: is of type tcp, but health.type is \"http\""}},
    {kApp + "[health]\nrun = \"bin/check\"\n",
     {"shop.toml:5:7: health.run: is of type exec; write type = \"exec\" beside it, or take it "
      "away"}},
    {kApp + "[health]\ntype = \"exec\"\n",
     {"shop.toml:5:8: health.type: exec needs a command: run = \"bin/check\""}},
    {kApp + "[health]\ntype = \"exec\"\nrun = \"bin/check\"\n", {}},
    {kApp + "[health]\ntype = \"none\"\n", {}},
    {"repo = \"https://a.example/b\"\n[service.bot]\nrun = \"bin/bot\"\n[health]\ntype = "
     "\"exec\"\nrun = \"bin/check\"\n",
     {"shop.toml:6:7: health.run: no process is called web, so nothing gets traffic; [service.web] "
      "is missing (there is [service.bot])"}},
    {kApp + "[traffic]\nhosts = [\"https://a.example\", \"a.example:80\", \"*.a.example\", "
            "\"-a.example\", \"ok.example\"]\n",
     {"shop.toml:5:10: traffic.hosts: \"https://a.example\" is written without the scheme: "
      "\"a.example\"",
      "shop.toml:5:31: traffic.hosts: \"a.example:80\" is written without a port",
      "shop.toml:5:47: traffic.hosts: \"*.a.example\": wildcards are not known; name each host, or "
      "none to answer where no other app "
      "does",
      "shop.toml:5:62: traffic.hosts: \"-a.example\" is no host name; write one like "
      "\"shop.example.com\""}},
    {kApp + "[traffic]\nlisten = [\"3000\", \"localhost:3000\", \"127.0.0.1:0\", \"::1:80\", "
            "\"127.0.0.1:20000\"]\n",
     {"shop.toml:5:11: traffic.listen: \"3000\": write \":3000\" for all addresses or "
      "\"127.0.0.1:3000\" for this machine alone",
      "shop.toml:5:19: traffic.listen: \"localhost:3000\": write \"127.0.0.1:3000\"",
      "shop.toml:5:37: traffic.listen: \"0\" is no port; ports are 1 to 65535",
      "shop.toml:5:52: traffic.listen: an IPv6 address stands in brackets: \"[::1]:3000\""}},
    {kApp + "[traffic]\nlisten = [\"127.0.0.1:20000\"]\n",
     {"shop.toml:5:10: warning: traffic.listen: port 20000 lies within [limits] ports "
      "(20000-29999), which releases get; take "
      "another"}},
    {"repo = \"https://a.example/b\"\n[service.worker]\nrun = \"x\"\n[traffic]\nhosts = "
     "[\"a.example\"]\n",
     {"shop.toml:5:9: traffic.hosts: no process is called web, so nothing gets traffic; "
      "[service.web] is missing (there is "
      "[service.worker])"}},
};

const std::vector<Case> kLater{
    {"approval = \"manual\"\npipeline = \"repository\"\n" + kApp,
     {"shop.toml:2:12: warning: pipeline: not in effect yet: build, test and all else are taken "
      "from this file"}},
    {"approval = \"none\"\npipeline = \"server\"\n" + kApp, {}},
    {kApp + "limits = { memory = \"1GiB\" }\nsocket_activation = true\nruntime = \"process\"\n",
     {}},
    {kApp + "[build]\nrun = \"x\"\ncache = [\"~/.npm\"]\nsandbox = \"auto\"\nnetwork = false\n",
     {"shop.toml:6:9: warning: build.cache: not in effect yet: nothing but the build's HOME is "
      "kept between builds",
      "shop.toml:7:11: warning: build.sandbox: not in effect yet: steps run without a sandbox, as "
      "a user of the app's own",
      "shop.toml:8:11: warning: build.network: not in effect yet: steps always have the network"}},
    {kApp + "[build]\nrun = \"x\"\ncache = []\nsandbox = \"off\"\nnetwork = true\n", {}},
    {kApp + "[traffic]\nhttps = \"redirect\"\nstrategy = \"canary\"\n",
     {"shop.toml:5:9: warning: traffic.https: not in effect yet: plain HTTP is served as it is",
      "shop.toml:6:12: warning: traffic.strategy: not in effect yet: all requests move at once"}},
    {kApp + "[webhook]\nforge = \"gitlab\"\n", {}},
    {"repo = \"https://a.example/b\"\n[static]\nroot = \"dist\"\n",
     {"shop.toml:2:1: warning: static: not in effect yet: apps with [static] come with a later "
      "version; this one is not deployed "
      "until then"}},
};

const std::vector<Case> kTargets{
    {kApp + "overlap = false\n",
     {"shop.toml:4:11: warning: service.overlap: a gap at each switch: the old web stops before "
      "the new web starts"}},
    {"repo = \"https://a.example/b\"\n[unit]\nname = \"shop.service\"\n",
     {"shop.toml:2:1: warning: unit: a gap at each switch: the unit is restarted; action = "
      "\"reload\" where it can",
      "shop.toml:2:1: unit: needs a health check of its own: [health] url = "
      "\"http://127.0.0.1:9000/up\" or type = \"exec\", or type = \"none\": it is healthy that "
      "stays active"}},
    {"repo = \"https://a.example/b\"\n[unit]\nname = \"shop.service\"\naction = "
     "\"reload\"\n[health]\ntype = \"none\"\n",
     {}},
    {"repo = \"https://a.example/b\"\n[unit]\naction = \"reload\"\n[health]\nurl = "
     "\"tcp://127.0.0.1:9000\"\n",
     {"shop.toml:2:1: unit.name: is missing: the systemd unit, such as \"shop.service\""}},
    {"repo = \"https://a.example/b\"\n[unit]\nname = \"shop\"\naction = \"reload\"\n[health]\npath "
     "= \"/up\"\n[traffic]\nlisten = [\":80\"]\n",
     {"shop.toml:3:8: unit.name: \"shop\" names no kind of unit: write \"shop.service\"",
      "shop.toml:6:8: health.path: a [unit] has no port of Belay's; write the whole address: url "
      "= \"http://127.0.0.1:9000/up\"",
      "shop.toml:8:10: traffic.listen: the traffic of a [unit] does not come through Belay's "
      "proxy: whoever serves `current` listens for it"}},
    {"repo = \"https://a.example/b\"\n[unit]\nname = \"shop.socket\"\naction = "
     "\"reload\"\n[health]\ntype = \"none\"\n",
     {"shop.toml:3:8: unit.name: \"shop.socket\" is no service: its name ends in .service"}},
    {"repo = \"https://a.example/b\"\n[unit]\nname = \"belay.service\"\naction = "
     "\"reload\"\n[health]\ntype = \"none\"\n",
     {"shop.toml:3:8: unit.name: \"belay.service\" is Belay itself, which does not deploy "
      "itself"}},
    {"repo = \"https://a.example/b\"\n[command]\nrun = \"make install\"\n[health]\nurl = "
     "\"http://127.0.0.1:9000/up\"\n",
     {"shop.toml:2:1: warning: command: a gap at each switch is up to the command; nothing runs "
      "beside the old release, so neither a "
      "way back without restart nor zero failed requests can be promised"}},
    {"repo = \"https://a.example/b\"\n[command]\nrun = \"make install\"\nuser = "
     "\"ops\"\n[health]\npath = \"/up\"\n[traffic]\nhosts = [\"a.example\"]\n",
     {"shop.toml:2:1: warning: command: a gap at each switch is up to the command; nothing runs "
      "beside the old release, so neither a "
      "way back without restart nor zero failed requests can be promised",
      "shop.toml:6:8: health.path: a [command] has no port of Belay's; write the whole address: "
      "url "
      "= \"http://127.0.0.1:9000/up\"",
      "shop.toml:8:9: traffic.hosts: the traffic of a [command] does not come through Belay's "
      "proxy: whoever serves `current` listens for it"}},
    {"repo = \"https://a.example/b\"\n[command]\nrun = \"make install\"\n[health]\ntype = "
     "\"none\"\n",
     {"shop.toml:2:1: warning: command: a gap at each switch is up to the command; nothing runs "
      "beside the old release, so neither a "
      "way back without restart nor zero failed requests can be promised",
      "shop.toml:2:1: command: needs a health check of its own: [health] url = "
      "\"http://127.0.0.1:9000/up\" or type = \"exec\""}},
    {kApp + "[static]\nroot = \"dist\"\n",
     {"shop.toml:4:1: warning: static: not in effect yet: apps with [static] come with a later "
      "version; this one is not deployed "
      "until then",
      "shop.toml:4:1: static: [static] stands beside [service], line 2; an app has one of them"}},
};

const std::vector<Case> kSecrets{
    {kApp + "[secrets]\nA = { fil = \"/x\" }\nB = { file = \"x\" }\nC = 5\nD = {}\n",
     {"shop.toml:5:7: secrets.A: \"fil\" is no way to a secret: a secret is { file = \"/path\" }, "
      "{ env = \"NAME\" }, { credential = "
      "\"name\" } or, last, the value itself",
      "shop.toml:6:14: secrets.B: \"x\" must be an absolute path",
      "shop.toml:7:5: secrets.C: is the number 5; a secret is { file = \"/path\" }, { env = "
      "\"NAME\" }, { credential = \"name\" } or, "
      "last, the value itself",
      "shop.toml:8:5: secrets.D: is a table; a secret is { file = \"/path\" }, { env = \"NAME\" }, "
      "{ credential = \"name\" } or, last, "
      "the value itself"}},
    {kApp + "[env]\nA = \"x\"\n[secrets]\nA = { env = \"B\" }\n",
     {"shop.toml:5:5: env.A: stands in [secrets] too, line 7; keep one",
      "shop.toml:7:5: warning: secrets.A: the variable B is not set where Belay runs: set it in "
      "the service (Environment=, "
      "EnvironmentFile=)"}},
    {kApp + "[secrets]\nA = { file = \"/nowhere/a\" }\n",
     {"shop.toml:5:5: secrets.A: /nowhere/a does not exist; `install -m 600 -o root /dev/null "
      "/nowhere/a` makes an empty one to write "
      "it into"}},
    {kApp + "[notify]\nfailed = [\"ops\"]\nfaild = [\"ops\"]\n",
     {"shop.toml:5:10: notify.failed: there is no channel \"ops\"; belay.toml would name it: "
      "[notify.ops]",
      "shop.toml:6:1: notify.faild: unknown key; did you mean \"failed\"?"}},
};

const std::vector<Case> kServer{
    {"", {}},
    {"[server]\nlistn = \"x\"\n",
     {"belay.toml:2:1: server.listn: unknown key; did you mean \"listen\"?"}},
    {"[build]\nrun = \"x\"\n",
     {"belay.toml:1:2: build: unknown key; \"build\" belongs in [defaults]"}},
    {"[server]\nlisten = \"8080\"\npublic_url = \"deploy.example.com\"\nsocket = \"belay.sock\"\n",
     {"belay.toml:2:10: server.listen: \"8080\": write \":8080\" for all addresses or "
      "\"127.0.0.1:8080\" for this machine alone",
      "belay.toml:3:14: server.public_url: must begin with \"https://\" or \"http://\"",
      "belay.toml:4:10: server.socket: \"belay.sock\" must be an absolute path"}},
    {"[server]\nlisten = \":8080\"\n",
     {"belay.toml:2:10: warning: server.listen: is open to other machines without TLS: no token is "
      "taken over it, as others could read it. Set [server] tls, or listen on 127.0.0.1 behind a "
      "proxy that speaks HTTPS"}},
    {"[proxy]\nlisten = [\":80\", \"0.0.0.0:80\"]\n",
     {"belay.toml:2:10: proxy.listen: \"0.0.0.0:80\" can't be bound beside \":80\" of "
      "proxy.listen"}},
    {"[server]\nlisten = \"127.0.0.1:80\"\n",
     {"belay.toml:2:10: server.listen: \"127.0.0.1:80\" can't be bound beside \":80\" of "
      "proxy.listen"}},
    {"[git]\nallow = [\"https\", \"svn\"]\n",
     {"belay.toml:2:19: git.allow: must be \"https\", \"ssh\", \"git\", \"http\" or \"file\", not "
      "\"svn\""}},
    {"[limits]\nuids = \"5-1\"\nports = \"20000\"\n",
     {"belay.toml:2:8: limits.uids: must lie within 1000-2147483646, the smaller number first, not "
      "\"5-1\"",
      "belay.toml:3:9: limits.ports: \"20000\" is no range; write \"20000-29999\""}},
    {"[limits]\nuids = \"5000-5001\"\n",
     {"belay.toml:2:8: limits.uids: is too small for one app, which needs three"}},
    {"[notify.ops]\ntype = \"slak\"\n[notify]\nfailed = [\"ops\"]\n",
     {"belay.toml:2:8: notify.ops.type: must be \"slack\", \"discord\", \"teams\", \"matrix\", "
      "\"ntfy\", \"webhook\", \"email\" or "
      "\"exec\", not \"slak\"; did you mean \"slack\"?",
      "belay.toml:4:1: notify.failed: wants a table [notify.failed], which makes a channel; what "
      "is sent to it stands in [notify] of "
      "an app's file, or in [defaults.notify]"}},
    {"[notify.ops]\ntype = \"slack\"\nrom = \"!a:b\"\n",
     {"belay.toml:1:1: notify.ops.url: is missing; a channel of type slack needs url = { file = "
      "\"/etc/belay/secrets/slack\" }",
      "belay.toml:3:1: notify.ops.rom: unknown key; did you mean \"room\"?"}},
    {"[notify.ops]\ntype = \"exec\"\nrun = \"true\"\nroom = \"!a:b\"\nca = \"/x\"\n",
     {"belay.toml:4:8: notify.ops.room: is of no use to a channel of type exec (it is for matrix)",
      "belay.toml:5:6: notify.ops.ca: is of no use to a channel of type exec (it is for those that "
      "speak TLS)"}},
    {"[notify.ops]\ntype = \"matrix\"\nhomeserver = \"https://m.example.com/x\"\nroom = "
     "\"#ops:example.com\"\ntoken = { env = \"PATH\" }\n",
     {"belay.toml:3:14: notify.ops.homeserver: names scheme and host alone, as in "
      "\"https://deploy.example.com\"",
      "belay.toml:4:8: notify.ops.room: \"#ops:example.com\" is an alias; write the room's "
      "internal "
      "id, which begins with ! (Element: Room settings, Advanced)",
      "belay.toml:5:9: warning: notify.ops.token: the variable PATH is not set where Belay runs: "
      "set "
      "it in the service (Environment=, EnvironmentFile=)"}},
    {"[notify.ops]\ntype = \"email\"\nserver = \"mail.example.com:x\"\nfrom = \"Ops "
     "<ops@example.com>\"\nto = [\"ops@example.com\"]\nusername = \"ops\"\nsecurity = \"none\"\n",
     {"belay.toml:3:10: notify.ops.server: \"mail.example.com:x\" wants a port after the colon, as "
      "in \"mail.example.com:587\"",
      "belay.toml:4:8: notify.ops.from: \"Ops <ops@example.com>\" is no mail address; write it "
      "alone, as in \"ops@example.com\"",
      "belay.toml:6:12: notify.ops.username: needs a password too",
      "belay.toml:7:12: notify.ops.security: is \"none\", which would show the password to the "
      "network; take \"starttls\" or \"tls\""}},
    {"[server]\ntls = { cert = \"/x\" }\nbadges = true\n[metrics]\nenabled = true\n",
     {"belay.toml:2:7: server.tls: has cert without key",
      "belay.toml:3:10: warning: server.badges: not in effect yet: there are no badges"}},
    {"[defaults]\npol = \"5m\"\n[defaults.build]\ntimeout = 5\n",
     {"belay.toml:2:1: pol: unknown key; did you mean \"poll\"?",
      "belay.toml:4:11: build.timeout: wants a duration such as \"30m\", not the number 5"}},
    {"[defaults]\napproval = \"manual\"\n", {}},
};

INSTANTIATE_TEST_SUITE_P(UnknownKeys, AppMessages, ::testing::ValuesIn(kUnknownKeys));
INSTANTIATE_TEST_SUITE_P(Types, AppMessages, ::testing::ValuesIn(kTypes));
INSTANTIATE_TEST_SUITE_P(Commands, AppMessages, ::testing::ValuesIn(kCommands));
INSTANTIATE_TEST_SUITE_P(Syntax, AppMessages, ::testing::ValuesIn(kSyntax));
INSTANTIATE_TEST_SUITE_P(Repositories, AppMessages, ::testing::ValuesIn(kRepositories));
INSTANTIATE_TEST_SUITE_P(HealthAndTraffic, AppMessages, ::testing::ValuesIn(kHealthAndTraffic));
INSTANTIATE_TEST_SUITE_P(Later, AppMessages, ::testing::ValuesIn(kLater));
INSTANTIATE_TEST_SUITE_P(Targets, AppMessages, ::testing::ValuesIn(kTargets));
INSTANTIATE_TEST_SUITE_P(Secrets, AppMessages, ::testing::ValuesIn(kSecrets));
INSTANTIATE_TEST_SUITE_P(Server, ServerMessages, ::testing::ValuesIn(kServer));

TEST(Runtime, SystemdIsRefusedWhereItCannotBe) {
    const auto text = kApp + "runtime = \"systemd\"\n";
    auto said = [&](bool booted, const Surroundings& who) {
        auto there = who;
        there.systemd = booted;
        return lines_of(app_of(text, server_of("", there), "shop", there).complaints);
    };
    EXPECT_THAT(said(true, root_user()), ElementsAre());
    EXPECT_THAT(said(false, root_user()),
                ElementsAre("shop.toml:4:11: service.runtime: needs systemd as PID 1, which this "
                            "machine does not have: use \"process\""));
    EXPECT_THAT(said(true, plain_user()),
                ElementsAre("shop.toml:4:11: service.runtime: needs Belay to run as root: use "
                            "\"process\""));
    auto booted = root_user();
    booted.systemd = true;
    auto both = app_of(text + "socket_activation = true\n", server_of("", booted), "shop", booted);
    EXPECT_FALSE(both.config);
    EXPECT_THAT(lines_of(both.complaints),
                ::testing::Contains("shop.toml:5:21: service.socket_activation: a unit of systemd "
                                    "gets no sockets of Belay's: use runtime = \"process\", or "
                                    "have the app listen on PORT"));
}

TEST(AppName, ComesFromTheFile) {
    auto file = app_of(kApp, server_of(), "d42");
    EXPECT_THAT(lines_of(file.complaints),
                ElementsAre("d42.toml: app name \"d42\" looks like the id of a deployment or a "
                            "delivery; it is the file's name without "
                            ".toml: rename the file"));
    EXPECT_FALSE(file.config);
}

TEST(Defaults, AreJudgedOnceAndNotForEveryApp) {
    auto server = server_of("[defaults]\nhealth.interval = \"1m\"\napproval = \"manual\"\n");
    EXPECT_TRUE(server.ok);
    auto file = app_of(kApp + "[traffic]\nbake = \"1m\"\n", server);
    EXPECT_THAT(
        lines_of(file.complaints),
        ElementsAre("shop.toml:5:8: traffic.bake: a bake of 1m is too short to see a failure: 3 "
                    "failures 1m apart and a timeout "
                    "of 5s need 3m5s; make traffic.bake at least \"3m5s\", or the others smaller"));
    // where the app itself says nothing wrong, its own message names the place in belay.toml
    EXPECT_THAT(lines_of(app_of(kApp, server).complaints),
                ElementsAre("shop.toml: health.interval: a bake of 2m is too short to see a "
                            "failure: 3 failures 1m apart and a timeout "
                            "of 5s need 3m5s; make traffic.bake at least \"3m5s\", or the others "
                            "smaller (said in [defaults], "
                            "/nowhere/belay.toml:2)"));
}

const std::vector<Case> kUsers{
    {kApp + "user = \"shop\"\n[build]\nrun = \"x\"\nuser = \"builder\"\n", {}},
    {kApp + "user = \"nobody-such\"\n",
     {"shop.toml:4:8: service.user: there is no user \"nobody-such\" on this machine: useradd "
      "--system nobody-such, or write \"auto\" for one of the app's own"}},
    {kApp + "[build]\nrun = \"x\"\nuser = \"toor\"\n",
     {"shop.toml:6:8: build.user: \"toor\" has uid 0, and root never runs pushed code; write "
      "\"auto\" or another user's name"}},
    {kApp + "user = \"belay-proxy\"\n",
     {"shop.toml:4:8: service.user: \"belay-proxy\" is who Belay's own proxy runs as; write "
      "\"auto\" or another user's name"}},
    {kApp + "user = \"within\"\n",
     {"shop.toml:4:8: service.user: \"within\" has uid 52004, which lies in [limits] uids = "
      "\"52000-59999\" of belay.toml: those Belay gives to apps by itself"}},
    {kApp + "[build]\nrun = \"x\"\nuser = \"builder\"\n[test]\nrun = \"x\"\n",
     {"shop.toml:7:1: test.user: is \"auto\" and build.user \"builder\", but all steps work in one "
      "directory: name the same user in all of them"}},
    {"repo = \"https://a.example/b\"\n[service.web]\nrun = \"x\"\nuser = "
     "\"shop\"\n[service.worker]\n"
     "run = \"y\"\n",
     {"shop.toml:5:1: service.worker.user: is \"auto\" and service.web.user \"shop\", but all "
      "processes share the app's shared and writable directories: name the same user in all of "
      "them"}},
    {kApp + "user = \"shop\"\n[build]\nrun = \"x\"\nuser = \"shop\"\n",
     {"shop.toml:7:8: warning: build.user: is who the release runs as, too: what a build executes "
      "can read the live release's secrets"}},
};

INSTANTIATE_TEST_SUITE_P(Users, AppMessages, ::testing::ValuesIn(kUsers));

TEST(Users, AreNoneButBelaysOwnWhereItIsNotRoot) {
    EXPECT_THAT(
        lines_of(
            app_of(kApp + "user = \"shop\"\n", server_of("", plain_user()), "shop", plain_user())
                .complaints),
        ElementsAre(
            "shop.toml:4:8: service.user: belay runs as alice and can't become \"shop\": run "
            "it as root, or write \"auto\""));
    EXPECT_TRUE(
        app_of(kApp + "user = \"alice\"\n", server_of("", plain_user()), "shop", plain_user())
            .config);
}

TEST(Limits, AreSaidToHaveNoEffectWhereTheMachineHasNone) {
    auto who = root_user();
    who.lacking_limits = {"memory", "cpu"};
    who.why_lacking = "there are no groups; make some";
    auto said = [&](const std::string& text) {
        return lines_of(app_of(kApp + text, server_of(), "shop", who).complaints);
    };
    EXPECT_THAT(said("limits = { memory = \"1GiB\", processes = 9 }\n"),
                ElementsAre("shop.toml:4:21: warning: service.limits.memory: has no effect on this "
                            "machine: there are no groups; make some"));
    EXPECT_THAT(
        said("[build]\nrun = \"x\"\nlimits.cpu = 1\n"),
        ElementsAre("shop.toml:6:14: warning: build.limits.cpu: has no effect on this machine: "
                    "there are no groups; make some"));
    EXPECT_THAT(said("[build]\nrun = \"x\"\n"), ::testing::IsEmpty())
        << "its defaults are nobody's wish";
}

TEST(Messages, NeverShowWhatMayBeASecret) {
    for (const auto* text :
         {"[credentials]\ntoken = hunter2hunter2\n", "[credentials]\ntoken = \"hunter2hunter2\n",
          "[secrets]\nhunter2hunter2\n", "[secrets]\nA = [\"hunter2hunter2\"]\n",
          "[secrets]\nA = { value = \"hunter2hunter2\" }\n",
          "repo = \"https://hunter2hunter2@github.com/a/b\"\n",
          "repo = \"https://a:hunter2hunter2@github.com/a/b\"\n",
          "repo = \"a:hunter2hunter2@github.com/a/b\"\n", "repo = \"https://a:hunter2hunter2/b\"\n",
          "[credentials]\ntoken = \"hunter2hunter2\" x\n",
          "[[credentials]]\ntoken = \"hunter2hunter2\"\n"})
        for (const auto& line : lines_of(app_of(text).complaints))
            EXPECT_EQ(line.find("hunter2"), line.npos) << line;
}

}  // namespace
}  // namespace belay::config
