#include "masker_forms.hpp"

#include <belay/base/masker.hpp>

#include <algorithm>
#include <array>
#include <cstdint>
#include <map>
#include <queue>

namespace belay {

// Aho-Corasick over all forms. Edges are sparse: nearly every state has one child, and a private
// key makes many states.
class Masker::Automaton {
  public:
    explicit Automaton(const std::vector<std::string>& words);

    static constexpr std::uint32_t kRoot = 0;

    std::uint32_t next(std::uint32_t state, unsigned char byte) const {
        while (true) {
            if (state == kRoot) return from_root_[byte];
            if (auto child = child_of(state, byte)) return child;
            state = states_[state].fail;
        }
    }
    // First place at or after `at` where a form may begin; bytes.size() where there is none.
    std::size_t skip(std::string_view bytes, std::size_t at) const {
        while (at < bytes.size() && from_root_[static_cast<unsigned char>(bytes[at])] == kRoot)
            ++at;
        return at;
    }
    std::size_t depth(std::uint32_t state) const { return states_[state].depth; }
    // Length of the longest form that ends here; 0: none does.
    std::size_t match(std::uint32_t state) const { return states_[state].match; }
    std::size_t longest() const { return longest_; }

  private:
    struct State {
        std::uint32_t fail = kRoot;
        std::uint32_t depth = 0;
        std::uint32_t match = 0;
        std::uint32_t first_edge = 0;
        std::uint32_t edges = 0;
    };
    struct Edge {
        unsigned char byte;
        std::uint32_t to;
    };

    std::uint32_t child_of(std::uint32_t state, unsigned char byte) const {
        const auto& from = states_[state];
        for (auto i = from.first_edge; i < from.first_edge + from.edges; ++i)
            if (edges_[i].byte == byte) return edges_[i].to;
        return kRoot;  // the root is nobody's child
    }
    void link();

    std::vector<State> states_;
    std::vector<Edge> edges_;
    std::array<std::uint32_t, 256> from_root_{};
    std::size_t longest_ = 0;
};

Masker::Automaton::Automaton(const std::vector<std::string>& words) : states_(1) {
    std::vector<std::map<unsigned char, std::uint32_t>> children(1);
    for (const auto& word : words) {
        std::uint32_t state = kRoot;
        for (char c : word) {
            auto fresh = static_cast<std::uint32_t>(states_.size());
            auto [place, added] = children[state].try_emplace(static_cast<unsigned char>(c), fresh);
            auto target = place->second;  // before the vector may move
            if (added) {
                State child;
                child.depth = states_[state].depth + 1;
                states_.push_back(child);
                children.emplace_back();
            }
            state = target;
        }
        states_[state].match = states_[state].depth;
        longest_ = std::max(longest_, word.size());
    }
    for (std::size_t state = 0; state < states_.size(); ++state) {
        states_[state].first_edge = static_cast<std::uint32_t>(edges_.size());
        states_[state].edges = static_cast<std::uint32_t>(children[state].size());
        for (auto [byte, to] : children[state])
            edges_.push_back({byte, to});
    }
    for (auto [byte, to] : children[kRoot])
        from_root_[byte] = to;
    link();
}

// Breadth first, so that a state's shorter suffixes are known before it.
void Masker::Automaton::link() {
    std::queue<std::uint32_t> waiting;
    for (auto child : from_root_)
        if (child != kRoot) waiting.push(child);
    while (!waiting.empty()) {
        auto state = waiting.front();
        waiting.pop();
        auto& self = states_[state];
        self.match = std::max(self.match, states_[self.fail].match);
        for (auto i = self.first_edge; i < self.first_edge + self.edges; ++i) {
            states_[edges_[i].to].fail = next(self.fail, edges_[i].byte);
            waiting.push(edges_[i].to);
        }
    }
}

Masker::Masker(const std::vector<Secret>& secrets) {
    auto words = masked_forms(secrets);
    if (!words.empty()) automaton_ = std::make_unique<const Automaton>(words);
}
Masker::Masker(Masker&&) noexcept = default;
Masker& Masker::operator=(Masker&&) noexcept = default;
Masker::~Masker() = default;

bool Masker::empty() const {
    return !automaton_;
}
std::size_t Masker::longest() const {
    return automaton_ ? automaton_->longest() : 0;
}
std::size_t Masker::held() const {
    return held_.size();
}

void Masker::prime(std::string_view before) {
    if (!automaton_) return;
    shown_from_ = read_ + before.size();
    std::string nothing;
    run(before, nothing);
}

std::string Masker::feed(std::string_view bytes) {
    if (!automaton_) return std::string(bytes);
    std::string out;
    out.reserve(held_.size() + bytes.size());
    run(bytes, out);
    return out;
}

std::string Masker::flush() {
    std::string out;
    settle(read_, out);
    state_ = Automaton::kRoot;
    read_ = settled_ = masked_until_ = shown_from_ = 0;
    return out;
}

void Masker::run(std::string_view bytes, std::string& out) {
    auto start = read_;
    held_.append(bytes);
    auto state = static_cast<std::uint32_t>(state_);
    for (std::size_t i = 0; i < bytes.size(); ++i) {
        if (state == Automaton::kRoot) {
            i = automaton_->skip(bytes, i);
            if (i == bytes.size()) break;
        }
        state = automaton_->next(state, static_cast<unsigned char>(bytes[i]));
        if (auto length = automaton_->match(state)) cover(start + i + 1 - length, start + i + 1);
    }
    state_ = state;
    read_ = start + bytes.size();
    settle(read_ - automaton_->depth(state), out);
}

// Ends come in ascending order, begins need not.
void Masker::cover(std::size_t begin, std::size_t end) {
    while (!found_.empty() && found_.back().end >= begin) {
        begin = std::min(begin, found_.back().begin);
        found_.pop_back();
    }
    found_.push_back({begin, end});
}

// No form that is yet to be found begins before `until`.
void Masker::settle(std::size_t until, std::string& out) {
    auto at = settled_;
    std::size_t used = 0;
    for (; used < found_.size() && found_[used].begin < until; ++used) {
        auto [begin, end] = found_[used];
        show(std::max(at, masked_until_), begin, out);
        if (end > shown_from_ && (begin > masked_until_ || masked_until_ <= shown_from_))
            out += "***";
        masked_until_ = end;
        at = end;
    }
    found_.erase(found_.begin(), found_.begin() + static_cast<std::ptrdiff_t>(used));
    show(std::max(at, masked_until_), until, out);
    held_.erase(0, until - settled_);
    settled_ = until;
}

void Masker::show(std::size_t begin, std::size_t end, std::string& out) const {
    begin = std::max(begin, shown_from_);
    if (begin < end) out.append(held_, begin - settled_, end - begin);
}

}  // namespace belay
