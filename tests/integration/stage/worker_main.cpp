// Stands in for the `belay` executable: `stage run` and nothing else.
#include <belay/stage/worker.hpp>

#include <string_view>

int main(int argc, char** argv) {
    if (argc != 3 || std::string_view(argv[1]) != "stage") return 2;
    return belay::stage::run_operation(argv[2]).value_or(2);
}
