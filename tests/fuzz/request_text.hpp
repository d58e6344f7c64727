// A hook's request as a fuzz input: "METHOD TARGET\n", "Name: value\n" for each header, "\n", the
// body; as tests/fuzz/run.py writes the seeds.
#pragma once

#include <belay/ports/forge.hpp>

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace belay::test {

// The body is viewed, not copied.
inline ports::HookRequest read_request(const std::uint8_t* data, std::size_t size) {
    std::string_view text(reinterpret_cast<const char*>(data), size);
    auto line = [&text] {
        auto end = std::min(text.find('\n'), text.size());
        auto found = text.substr(0, end);
        text.remove_prefix(std::min(end + 1, text.size()));
        return found;
    };
    ports::HookRequest request;
    auto first = line();
    auto space = std::min(first.find(' '), first.size());
    request.method = first.substr(0, space);
    request.target = first.substr(std::min(space + 1, first.size()));
    for (auto header = line(); !header.empty(); header = line()) {
        auto colon = std::min(header.find(": "), header.size());
        request.headers.emplace_back(header.substr(0, colon),
                                     header.substr(std::min(colon + 2, header.size())));
    }
    request.body = text;
    request.received_at = TimePoint(Seconds(1'700'000'000));
    return request;
}

}  // namespace belay::test
