// From a built and tested directory to a release: the steps of spec/decisions.md 24, in their
// order.
#pragma once

#include "layout.hpp"
#include "listing.hpp"
#include "ownership.hpp"
#include "tree.hpp"

#include <belay/ports/releases.hpp>

#include <functional>
#include <optional>
#include <string>
#include <string_view>

namespace belay::release {

using SealResult = boost::system::result<domain::Manifest, ports::SealFailure>;

// Called with each step's name before it: what tests stop it by.
using StepHook = std::function<void(std::string_view step)>;

// Blocks. Every stage child is dead by now; nothing it left behind is followed or trusted. Once per
// object.
class Sealing {
  public:
    Sealing(const Layout& layout, ports::SealJob job, StepHook hook = nullptr);

    SealResult run();

  private:
    Result<void> open();
    Result<void> read_mark();
    Result<void> undo_tests();
    Result<bool> is_same(const Entry& before, Entry& now);
    Result<void> drop_unshipped();
    Result<void> refuse_specials() const;
    Result<void> link_shared();
    Result<void> link_one(Tree& shared, const std::string& name);
    Result<void> seed(Tree& shared, const std::string& name);
    Result<void> make_shared(Tree& shared, const std::string& name);
    Result<void> make_writable();
    Result<void> protect();
    Result<void> protect_file(Tree& tree, Entry& entry) const;
    Result<void> protect_directories();
    Result<void> write_environments();
    Result<void> write_list();
    Result<void> sync();
    Result<void> write_manifest();

    bool is_scratch(std::string_view path) const;
    void take_known_hashes();

    const Layout& layout_;
    ports::SealJob job_;
    StepHook hook_;
    Ownership ownership_;
    std::optional<Tree> tree_;
    Listing listing_;
    Listing mark_;
    Digest list_digest_{};
    bool artifact_changed_ = false;
};

// "a, b, c and 4 more"
std::string join_some(const std::vector<std::string>& names, std::size_t most = 10);

}  // namespace belay::release
