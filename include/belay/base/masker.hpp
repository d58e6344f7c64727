// Keeps secrets out of what is stored or shown, in streams of any size.
#pragma once

#include <belay/base/secret.hpp>

#include <cstddef>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace belay {

// Replaces every appearance of the secrets by "***": the value itself, its lines of 6 or more
// characters, its base64 (standard and URL alphabet, also inside a longer encoded text) and its
// URL-encoded forms. Values of fewer than 4 characters are left, as masking every such letter would
// tell them rather than hide them. Appearances that overlap or touch become one "***". Holds back
// only what may still turn out to be the beginning of a secret. Any thread, one at a time.
class Masker {
  public:
    explicit Masker(const std::vector<Secret>& secrets);
    Masker(Masker&&) noexcept;
    Masker& operator=(Masker&&) noexcept;
    ~Masker();

    // Nothing to mask: feed() gives its input back.
    bool empty() const;
    // The longest appearance, in bytes: with so much context before a place, what follows is masked
    // rightly.
    std::size_t longest() const;

    // Takes bytes that stand before what is to be shown: they only make a secret known that began
    // in them.
    void prime(std::string_view before);
    // What can be shown by now, in order.
    std::string feed(std::string_view bytes);
    // Bytes held back by now, which may be the beginning of a secret.
    std::size_t held() const;
    // The rest; a new stream begins.
    std::string flush();

  private:
    class Automaton;
    struct Interval {
        std::size_t begin;
        std::size_t end;
    };

    void cover(std::size_t begin, std::size_t end);
    void settle(std::size_t until, std::string& out);
    void show(std::size_t begin, std::size_t end, std::string& out) const;
    void run(std::string_view bytes, std::string& out);

    std::unique_ptr<const Automaton> automaton_;
    // Positions count the stream's bytes from 0; held_ begins at settled_.
    std::size_t state_ = 0;
    std::size_t read_ = 0;
    std::size_t settled_ = 0;
    std::size_t masked_until_ = 0;  // a "***" for the bytes before it is out already
    std::size_t shown_from_ = 0;    // bytes before it are context
    std::string held_;
    std::vector<Interval> found_;  // within held_, ascending, apart from each other
};

}  // namespace belay
