// `stage_worker stage fetch|export|tips|diff`: what `belay stage …` does, for tests that need an
// executable.
#include <belay/git/worker.hpp>

#include <cstdio>
#include <string_view>

// What libgit2 1.5 and libssh2 never give back; under ASan it would be told at every exit.
extern "C" const char* __lsan_default_suppressions() {
    return "leak:libgit2\nleak:libpcre2\nleak:libssh2\n";
}

int main(int argc, char** argv) {
    if (argc != 3 || std::string_view(argv[1]) != "stage") return 2;
    auto code = belay::git::run_operation(argv[2]);
    if (!code) std::fprintf(stderr, "no such operation: %s\n", argv[2]);
    return code.value_or(2);
}
