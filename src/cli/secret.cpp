#include "context.hpp"
#include "handlers.hpp"
#include "json_access.hpp"
#include "secrets_file.hpp"
#include "whole_file.hpp"

#include <fmt/format.h>

#include <filesystem>
#include <istream>
#include <iterator>
#include <sys/stat.h>
#include <termios.h>
#include <unistd.h>

namespace belay::cli {
namespace {

constexpr mode_t kSecretMode = 0600;
constexpr mode_t kFolderMode = 0700;

// No echo of what is typed while one lives.
class SilentTerminal {
  public:
    SilentTerminal() {
        known_ = ::tcgetattr(STDIN_FILENO, &before_) == 0;
        if (!known_) return;
        auto silent = before_;
        silent.c_lflag &= ~static_cast<tcflag_t>(ECHO);
        ::tcsetattr(STDIN_FILENO, TCSAFLUSH, &silent);
    }
    ~SilentTerminal() {
        if (known_) ::tcsetattr(STDIN_FILENO, TCSAFLUSH, &before_);
    }
    SilentTerminal(const SilentTerminal&) = delete;
    SilentTerminal& operator=(const SilentTerminal&) = delete;

  private:
    termios before_{};
    bool known_ = false;
};

// A line from a terminal, else all of standard input without its last line feed.
Secret read_value(Console& console, const std::string& name) {
    std::string value;
    if (console.in_is_terminal) {
        print(console.err, fmt::format("Value of {} (not shown): ", name));
        SilentTerminal silent;
        std::getline(console.in, value);
        print(console.err, "\n");
    } else {
        value.assign(std::istreambuf_iterator<char>(console.in), {});
        if (value.ends_with('\n')) value.pop_back();
        if (value.ends_with('\r')) value.pop_back();
    }
    return Secret(std::move(value));
}

// Empty where there is none yet.
Result<std::string> content_of(const std::string& path) {
    auto content = read_file(path);
    if (!content && content.error().code == Errc::not_found) return std::string{};
    return content;
}

Result<std::string> secrets_path(Context& context) {
    return context.locals.secrets_file(context.config(), context.args.positional("APP"));
}

Result<void> store(const std::string& path, const std::string& content) {
    auto folder = std::filesystem::path(path).parent_path();
    if (!folder.empty() && ::mkdir(folder.c_str(), kFolderMode) != 0 && errno != EEXIST)
        return errno_error(errno, "making " + folder.string());
    return replace_file(path, content, kSecretMode);
}

int stored(Context& context, const std::string& sentence) {
    auto app = context.args.positional("APP");
    return context.done(fmt::format("{} {}; the next release sees it: `belay deploy {}`\n",
                                    context.args.positional("NAME"), sentence, app));
}

}  // namespace

int secret_set(Context& context) {
    auto name = context.args.positional("NAME");
    if (!is_variable_name(name))
        return context.usage("NAME is letters, digits and _, not starting with a digit");
    if (name == "PORT" || name == "HOST" || name.starts_with("BELAY_"))
        return context.usage(name + " is set by Belay itself");
    auto path = secrets_path(context);
    if (!path) return context.fail(path.error());
    auto content = content_of(*path);
    if (!content) return context.fail(content.error());
    auto value = read_value(context.console, name);
    if (value.empty())
        return context.usage(
            "the value on standard input is empty; `secret rm` takes a secret away");
    auto changed = with_secret(*content, name, value);
    if (!changed) return context.fail(changed.error());
    if (auto done = store(*path, *changed); !done) return context.fail(done.error());
    return stored(context, "is set");
}

int secret_list(Context& context) {
    auto path = secrets_path(context);
    if (!path) return context.fail(path.error());
    auto content = content_of(*path);
    if (!content) return context.fail(content.error());
    auto names = secret_names(*content);
    if (context.json()) return context.print_json(Json{{"items", names}}.dump());
    std::string text;
    for (const auto& name : names)
        text += name + "\n";
    return context.done(text);
}

int secret_rm(Context& context) {
    auto path = secrets_path(context);
    if (!path) return context.fail(path.error());
    auto content = content_of(*path);
    if (!content) return context.fail(content.error());
    auto changed = without_secret(*content, context.args.positional("NAME"));
    if (!changed) return context.fail(prefixed(*path, changed.error()));
    if (auto done = store(*path, *changed); !done) return context.fail(done.error());
    return stored(context, "is gone");
}

}  // namespace belay::cli
