// `stage_worker stage fetch|export|tips|diff`: what `belay stage …` does, for tests that need an
// executable.
#include <belay/git/worker.hpp>

#include <cstdio>
#include <string_view>

int main(int argc, char** argv) {
    if (argc != 3 || std::string_view(argv[1]) != "stage") return 2;
    auto code = belay::git::run_operation(argv[2]);
    if (!code) std::fprintf(stderr, "no such operation: %s\n", argv[2]);
    return code.value_or(2);
}
