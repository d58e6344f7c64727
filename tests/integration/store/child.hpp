// Runs store_child and reads what it prints.
#pragma once

#include <csignal>
#include <cstdio>
#include <spawn.h>
#include <stdexcept>
#include <string>
#include <sys/wait.h>
#include <unistd.h>
#include <vector>

namespace belay::test {

class Child {
  public:
    explicit Child(std::vector<std::string> arguments) {
        int ends[2];
        if (::pipe(ends) != 0) throw std::runtime_error("pipe");
        posix_spawn_file_actions_t actions;
        ::posix_spawn_file_actions_init(&actions);
        ::posix_spawn_file_actions_adddup2(&actions, ends[1], STDOUT_FILENO);
        ::posix_spawn_file_actions_addclose(&actions, ends[0]);
        ::posix_spawn_file_actions_addclose(&actions, ends[1]);
        arguments.insert(arguments.begin(), BELAY_STORE_CHILD);
        std::vector<char*> argv;
        for (auto& argument : arguments)
            argv.push_back(argument.data());
        argv.push_back(nullptr);
        auto failure =
            ::posix_spawn(&pid_, BELAY_STORE_CHILD, &actions, nullptr, argv.data(), environ);
        ::posix_spawn_file_actions_destroy(&actions);
        ::close(ends[1]);
        output_ = ::fdopen(ends[0], "r");
        if (failure) throw std::runtime_error("posix_spawn");
    }
    Child(const Child&) = delete;
    Child& operator=(const Child&) = delete;
    ~Child() {
        kill();
        std::fclose(output_);
    }

    // The next line without its end; empty at the end of the output.
    std::string line() {
        std::string text;
        for (int c = std::fgetc(output_); c != EOF; c = std::fgetc(output_)) {
            if (c == '\n') return text;
            text += static_cast<char>(c);
        }
        return {};  // what is cut off was not reported
    }

    // With SIGKILL; what it has printed can still be read.
    void kill() {
        if (pid_ == 0) return;
        ::kill(pid_, SIGKILL);
        ::waitpid(pid_, nullptr, 0);
        pid_ = 0;
    }

  private:
    pid_t pid_ = 0;
    std::FILE* output_ = nullptr;
};

}  // namespace belay::test
