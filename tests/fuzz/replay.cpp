// A fuzz target as a plain test: gives it each file of the named directories, and nothing at all.
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size);

namespace {

void give(const std::string& input) {
    LLVMFuzzerTestOneInput(reinterpret_cast<const std::uint8_t*>(input.data()), input.size());
}

}  // namespace

int main(int argc, char** argv) {
    give("");
    int count = 0;
    for (int i = 1; i < argc; ++i) {
        if (!std::filesystem::is_directory(argv[i])) continue;  // nothing was kept yet
        for (const auto& entry : std::filesystem::directory_iterator(argv[i])) {
            std::ifstream file(entry.path(), std::ios::binary);
            std::printf("%s\n", entry.path().c_str());
            std::fflush(stdout);  // names the input that ends the process
            give(std::string(std::istreambuf_iterator<char>(file), {}));
            ++count;
        }
    }
    std::printf("%d inputs\n", count);
    return 0;
}
