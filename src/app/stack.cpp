#include "stack.hpp"

#include <nlohmann/json.hpp>

#include <sstream>

namespace belay::app {
namespace {

using Read = std::function<std::string(const std::string&)>;

void node(config::AppFileDraft& draft, const std::string& package, const Read& read) {
    draft.stack = "Node.js (package.json)";
    auto json = nlohmann::json::parse(package, nullptr, false);
    auto script = [&](const char* name) {
        return json.is_object() && json.contains("scripts") && json["scripts"].is_object() &&
               json["scripts"].contains(name);
    };
    const bool yarn = !read("yarn.lock").empty();
    const bool pnpm = !read("pnpm-lock.yaml").empty();
    const std::string tool = pnpm ? "pnpm" : yarn ? "yarn" : "npm";
    const bool lock = !read("package-lock.json").empty();
    std::string install = pnpm   ? "pnpm install --frozen-lockfile"
                          : yarn ? "yarn install --frozen-lockfile"
                          : lock ? "npm ci"
                                 : "npm install";
    draft.build = {install};
    if (script("build")) draft.build.push_back(tool + " run build");
    if (script("test")) draft.test = {tool + " test"};
    if (script("start")) {
        draft.services.emplace_back("web", tool + " start");
        return;
    }
    std::string main = json.is_object() && json.contains("main") && json["main"].is_string()
                           ? json["main"].get<std::string>()
                           : "server.js";
    draft.services.emplace_back("web", "node " + main);
}

// "web: command" lines; a release line is the release command.
void procfile(config::AppFileDraft& draft, const std::string& text) {
    std::istringstream lines(text);
    for (std::string line; std::getline(lines, line);) {
        auto colon = line.find(':');
        if (colon == line.npos || line.starts_with('#')) continue;
        auto command = line.substr(colon + 1);
        command.erase(0, command.find_first_not_of(" \t"));
        auto name = line.substr(0, colon);
        if (name == "release")
            draft.release = command;
        else
            draft.services.emplace_back(name, command);
    }
}

}  // namespace

void detect_stack(config::AppFileDraft& draft, const Read& read) {
    auto has = [&](const char* file) { return !read(file).empty(); };
    if (auto package = read("package.json"); !package.empty()) {
        node(draft, package, read);
    } else if (has("go.mod")) {
        draft.stack = "Go (go.mod)";
        draft.build = {"go build -o app ."};
        draft.test = {"go test ./..."};
        draft.services = {{"web", "./app"}};
    } else if (has("Cargo.toml")) {
        draft.stack = "Rust (Cargo.toml)";
        draft.build = {"cargo build --release --locked"};
        draft.test = {"cargo test --release --locked"};
        draft.services = {{"web", "./target/release/app"}};
        draft.notes.push_back("name your binary in [service] run");
    } else if (has("pyproject.toml") || has("requirements.txt")) {
        const bool requirements = has("requirements.txt");
        draft.stack = requirements ? "Python (requirements.txt)" : "Python (pyproject.toml)";
        draft.build = {"python3 -m venv .venv", requirements
                                                    ? ".venv/bin/pip install -r requirements.txt"
                                                    : ".venv/bin/pip install ."};
        if (has("manage.py")) {
            draft.test = {".venv/bin/python manage.py test"};
            draft.services = {
                {"web", ".venv/bin/python manage.py runserver 127.0.0.1:$PORT --noreload"}};
            draft.notes.push_back("use a production server such as gunicorn in [service] run");
        } else {
            draft.services = {{"web", ".venv/bin/python app.py"}};
        }
    } else if (has("Gemfile")) {
        draft.stack = "Ruby (Gemfile)";
        draft.build = {"bundle config set --local path vendor/bundle", "bundle install"};
        draft.services = {{"web", has("config.ru") ? "bundle exec rackup -o 127.0.0.1 -p $PORT"
                                                   : "bundle exec ruby app.rb"}};
    } else if (has("CMakeLists.txt")) {
        draft.stack = "C or C++ (CMakeLists.txt)";
        draft.build = {"cmake -B build -DCMAKE_BUILD_TYPE=Release", "cmake --build build"};
        draft.test = {"ctest --test-dir build --output-on-failure"};
        draft.services = {{"web", "./build/app"}};
        draft.notes.push_back("name your binary in [service] run");
    } else if (has("index.html")) {
        draft.stack = "static files (index.html)";
        draft.services = {{"web", "python3 -m http.server --bind 127.0.0.1 $PORT"}};
    }
    // What the author wrote down outranks what can be guessed.
    if (auto text = read("Procfile"); !text.empty()) {
        draft.services.clear();
        procfile(draft, text);
        draft.stack += draft.stack.empty() ? "Procfile" : " and Procfile";
    }
    if (draft.services.empty()) {
        draft.services = {{"web", "./start"}};
        draft.notes.push_back("nothing told how to start it: set [service] run");
    }
}

}  // namespace belay::app
