#include "chunked.hpp"

#include <algorithm>
#include <cstring>

namespace belay::proxy {
namespace {

int hex_digit(char c) {
    if (c >= '0' && c <= '9') return c - '0';
    if (c >= 'a' && c <= 'f') return c - 'a' + 10;
    if (c >= 'A' && c <= 'F') return c - 'A' + 10;
    return -1;
}

bool is_text(char c) {
    auto byte = static_cast<unsigned char>(c);
    return byte == '\t' || (byte >= 0x20 && byte != 0x7f);
}

}  // namespace

ChunkScanner::Progress ChunkScanner::scan(char* bytes, std::size_t size) {
    Progress progress;
    while (progress.consumed < size && state_ != State::done) {
        if (state_ == State::data) {
            auto run =
                static_cast<std::size_t>(std::min<std::uint64_t>(left_, size - progress.consumed));
            if (progress.kept != progress.consumed)
                std::memmove(bytes + progress.kept, bytes + progress.consumed, run);
            progress.kept += run;
            progress.consumed += run;
            left_ -= run;
            if (left_ == 0) state_ = State::data_cr;
            continue;
        }
        bool keep = !strip_;
        auto c = bytes[progress.consumed++];
        if (!step(c, keep)) {
            progress.bad = true;
            return progress;
        }
        if (keep) bytes[progress.kept++] = c;
    }
    progress.done = state_ == State::done;
    return progress;
}

bool ChunkScanner::end_size_line() {
    line_bytes_ = 0;
    if (left_ > 0) {
        state_ = State::data;
    } else {
        state_ = State::line;
    }
    return true;
}

// One byte of framing; false: it must not stand here.
bool ChunkScanner::step(char c, bool& keep) {
    switch (state_) {
        case State::size_first:
            left_ = 0;
            digits_ = 0;
            [[fallthrough]];
        case State::size:
            if (auto digit = hex_digit(c); digit >= 0) {
                if (++digits_ > 15) return false;
                left_ = left_ * 16 + static_cast<std::uint64_t>(digit);
                state_ = State::size;
                return true;
            }
            if (digits_ == 0) return false;
            if (c == '\r') return state_ = State::size_end, true;
            if (c == ';') return state_ = State::extension, true;
            return false;
        case State::extension:
            if (c == '\r') return state_ = State::size_end, true;
            return is_text(c) && ++line_bytes_ <= kLineMax;
        case State::size_end:
            return c == '\n' && end_size_line();
        case State::data_cr:
            state_ = State::data_lf;
            return c == '\r';
        case State::data_lf:
            state_ = State::size_first;
            return c == '\n';
        case State::line:
            if (c == '\r') return state_ = State::last_end, true;
            keep = false;
            state_ = State::trailer;
            return is_text(c) && c != ' ' && c != '\t';
        case State::trailer:
            keep = false;
            if (c == '\r') return state_ = State::line_end, true;
            return is_text(c) && ++line_bytes_ <= kLineMax;
        case State::line_end:
            keep = false;
            state_ = State::line;
            return c == '\n';
        case State::last_end:
            state_ = State::done;
            return c == '\n';
        case State::data:
        case State::done:
            break;
    }
    return false;
}

}  // namespace belay::proxy
