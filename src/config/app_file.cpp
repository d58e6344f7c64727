#include "config/value.hpp"

#include <belay/config/app_file.hpp>

#include <fmt/format.h>

namespace belay::config {
namespace {

std::string quoted(const std::string& content) {
    return spell(text(content));
}

std::string quoted_list(const std::vector<std::string>& contents) {
    std::vector<Value> items;
    for (const auto& each : contents)
        items.push_back(text(each));
    return spell(list(std::move(items)));
}

// A line break would end the comment.
std::string one_line(std::string content) {
    for (char& c : content)
        if (static_cast<unsigned char>(c) < 0x20) c = ' ';
    return content;
}

std::string head(const AppFileDraft& draft) {
    auto result = fmt::format(
        "# {}: what Belay deploys, and how. Every key with its default: docs/configuration.md; "
        "`belay check`\n"
        "# says what is wrong with this file, `belay reload` puts it into force.\n",
        draft.name);
    if (!draft.stack.empty()) result += fmt::format("# Found: {}.\n", one_line(draft.stack));
    for (const auto& note : draft.notes)
        result += fmt::format("# {}\n", one_line(note));
    return result;
}

std::string repository(const AppFileDraft& draft) {
    return fmt::format(
        "\nrepo   = {}\nbranch = {}\n"
        "# tags      = \"v*\"        # newest version, instead of or beside branch\n"
        "# directory = \"apps/web\"  # the part of a monorepo that is this app\n"
        "# shared    = [\"storage\"] # directories that live across releases\n"
        "# writable  = [\"tmp\"]     # scratch; all else of a release is read-only to the app\n",
        quoted(draft.repo), quoted(draft.branch));
}

std::string steps(const std::string& name, const std::vector<std::string>& commands,
                  const std::string& example) {
    if (commands.empty()) return fmt::format("\n# [{}]\n# run = {}\n", name, quoted(example));
    auto table = commands.size() == 1 ? "[" + name + "]" : "[[" + name + "]]";
    std::string result;
    for (const auto& command : commands)
        result += fmt::format("\n{}\nrun = {}\n", table, quoted(command));
    return result;
}

std::string release(const AppFileDraft& draft) {
    static constexpr std::string_view kAbout =
        "# once per deployment, before the new release starts: migrations and the like";
    if (draft.release.empty())
        return fmt::format("\n{}\n# [release]\n# run = \"npm run migrate\"\n", kAbout);
    return fmt::format("\n{}\n[release]\nrun = {}\n", kAbout, quoted(draft.release));
}

std::string target(const AppFileDraft& draft) {
    if (!draft.static_root.empty())
        return fmt::format("\n[static]\nroot = {}\n", quoted(draft.static_root));
    if (draft.services.empty())
        return "\n# needed: the command that starts the app and listens on $PORT\n[service]\n# run "
               "= \"bin/server\"\n";
    if (draft.services.size() == 1 && draft.services[0].first == "web")
        return fmt::format(
            "\n# gets PORT in its environment, and must listen on it\n[service]\nrun = {}\n",
            quoted(draft.services[0].second));
    std::string result;
    for (const auto& [name, command] : draft.services)
        result += fmt::format(
            "\n{}[service.{}]\nrun = {}\n",
            name == "web" ? "# gets PORT in its environment, and must listen on it\n" : "", name,
            quoted(command));
    return result;
}

// Where it is left out, deliveries are told apart by their headers.
std::string webhook(const AppFileDraft& draft) {
    if (draft.forge.empty()) return "";
    return fmt::format("\n[webhook]\nforge = {}\n", quoted(draft.forge));
}

std::string health(const AppFileDraft& draft) {
    if (!draft.static_root.empty()) return "";
    if (draft.health_path.empty())
        return "\n# without a path, a release counts as healthy when its port answers: a weak "
               "check\n[health]\n# path = \"/healthz\"\n";
    return fmt::format("\n[health]\npath = {}\n", quoted(draft.health_path));
}

std::string traffic(const AppFileDraft& draft) {
    std::string result = "\n[traffic]\n";
    result +=
        draft.hosts.empty()
            ? fmt::format(
                  "# hosts  = [\"{}.example.com\"]  # none: it answers where no other app does\n",
                  draft.name)
            : fmt::format("hosts = {}\n", quoted_list(draft.hosts));
    result += draft.listen.empty()
                  ? "# listen = [\"127.0.0.1:3000\"]   # a port of its own, behind your nginx\n"
                  : fmt::format("listen = {}\n", quoted_list(draft.listen));
    return result;
}

}  // namespace

std::string write_app_file(const AppFileDraft& draft) {
    auto name = draft.name;
    return head(draft) + repository(draft) +
           "\n[env]\n# for the release's processes; build and test name their own\n# LOG_LEVEL = "
           "\"info\"\n" +
           fmt::format(
               "\n[secrets]\n# besides those of `belay secret set {} NAME`\n# API_KEY = {{ file = "
               "\"/etc/belay/secrets/{}.api-key\" }}\n",
               name, name) +
           webhook(draft) + steps("build", draft.build, "make") +
           steps("test", draft.test, "make test") + release(draft) + target(draft) + health(draft) +
           traffic(draft);
}

}  // namespace belay::config
