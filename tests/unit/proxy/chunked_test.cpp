#include "proxy/chunked.hpp"

#include <gtest/gtest.h>

#include <string>

namespace belay::proxy {
namespace {

struct Outcome {
    std::string kept;
    std::size_t consumed = 0;
    bool done = false;
    bool bad = false;
};

// The same bytes in pieces of one size must always give the same.
Outcome scan(const std::string& input, bool strip, std::size_t piece) {
    ChunkScanner scanner(strip);
    Outcome outcome;
    for (std::size_t at = 0; at < input.size() && !outcome.done && !outcome.bad; at += piece) {
        auto part = input.substr(at, piece);
        auto progress = scanner.scan(part.data(), part.size());
        outcome.kept += part.substr(0, progress.kept);
        outcome.consumed += progress.consumed;
        outcome.done = progress.done;
        outcome.bad = progress.bad;
    }
    return outcome;
}

TEST(Chunked, FindsTheEndHoweverTheBytesCome) {
    const std::string body =
        "5\r\nhello\r\n1a;name=\"v\"\r\nabcdefghijklmnopqrstuvwxyz\r\n0\r\nX: y\r\nZ: w\r\n\r\n";
    for (std::size_t piece = 1; piece <= body.size() + 9; ++piece) {
        auto raw = scan(body + "GET / HT", false, piece);
        EXPECT_TRUE(raw.done) << piece;
        EXPECT_EQ(raw.consumed, body.size()) << piece;
        EXPECT_EQ(raw.kept,
                  "5\r\nhello\r\n1a;name=\"v\"\r\nabcdefghijklmnopqrstuvwxyz\r\n0\r\n\r\n")
            << piece;
        EXPECT_EQ(scan(body, true, piece).kept, "helloabcdefghijklmnopqrstuvwxyz") << piece;
    }
}

TEST(Chunked, RefusesWhatIsNotExactlyTheCoding) {
    for (const std::string bad :
         {"\r\n", "g\r\n", " 5\r\nhello\r\n", "5 \r\nhello\r\n", "5\nhello\n", "5\r\nhelloX\r\n",
          "5\r\nhello\n", "5\r\rhello", "-1\r\n", "0x5\r\nhello\r\n", "5;a\x01\r\n", "5;a\nb\r\n",
          "1234567890abcdef\r\n", "0\r\nX: y\n\r\n", "0\r\n folded\r\n\r\n", "0\r\n\rX", ";\r\n"})
        EXPECT_TRUE(scan(bad, false, 1).bad) << bad;
    EXPECT_TRUE(scan("1;" + std::string(5'000, 'a'), false, 100).bad) << "an endless extension";
    EXPECT_TRUE(scan("0\r\n" + std::string(5'000, 'a'), false, 100).bad) << "endless trailers";
}

}  // namespace
}  // namespace belay::proxy
