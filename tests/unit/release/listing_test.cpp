#include <gtest/gtest.h>

#include <release/listing.hpp>

namespace belay::release {
namespace {

TEST(Listing, ReadsBackWhatItWrote) {
    Listing listing;
    Entry entry;
    entry.kind = Kind::file;
    entry.mode = 04755;
    entry.size = 1ull << 40;
    entry.mtime_ns = -5;
    entry.ctime_ns = 1'700'000'000'123'456'789;
    entry.inode = ~0ull;
    entry.hashed = true;
    entry.digest = digest_of("x");
    entry.path = "a b\n\xff/c";
    listing.push_back(entry);
    entry = Entry{};
    entry.kind = Kind::scratch;
    entry.path = "tmp";
    listing.push_back(entry);
    auto back = decode_listing(encode(listing));
    ASSERT_TRUE(back) << back.error().message;
    EXPECT_EQ(*back, listing);
}

TEST(Listing, RefusesEveryTornFile) {
    Listing listing(1);
    listing[0].path = "name";
    auto text = encode(listing);
    for (std::size_t size = 0; size < text.size(); ++size) {
        auto back = decode_listing(text.substr(0, size));
        EXPECT_TRUE(!back || back->empty())
            << size;  // only the header: a digest guards against that
    }
}

TEST(Digest, IsSha256) {
    EXPECT_EQ(to_hex(digest_of("abc")),
              "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    EXPECT_EQ(parse_hex(to_hex(digest_of("abc"))), digest_of("abc"));
    EXPECT_FALSE(parse_hex("xyz"));
}

}  // namespace
}  // namespace belay::release
