#include "nonce.hpp"

#include "fd.hpp"

#include <fcntl.h>
#include <unistd.h>

namespace belay::proxy {
namespace {

constexpr std::size_t kNonceMax = 256;
constexpr std::size_t kNonceMin = 16;  // a shorter one could be guessed

bool equal_in_constant_time(std::string_view a, std::string_view b) {
    if (a.size() != b.size()) return false;
    unsigned char difference = 0;
    for (std::size_t i = 0; i < a.size(); ++i)
        difference = static_cast<unsigned char>(difference | (a[i] ^ b[i]));
    return difference == 0;
}

}  // namespace

void Nonce::read() {
    value_.clear();
    Fd file(::open(path_.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK));
    if (!file) return;
    char text[kNonceMax];
    auto bytes = ::read(file.get(), text, sizeof text);
    if (bytes <= 0) return;
    value_.assign(text, static_cast<std::size_t>(bytes));
    while (!value_.empty() &&
           (value_.back() == '\n' || value_.back() == '\r' || value_.back() == ' '))
        value_.pop_back();
}

bool Nonce::matches(std::string_view given, std::int64_t now_us) {
    if (read_at_us_ < 0 || now_us - read_at_us_ > 1'000'000) {
        read();
        read_at_us_ = now_us;
    }
    return value_.size() >= kNonceMin && equal_in_constant_time(given, value_);
}

}  // namespace belay::proxy
