// Control groups of a test's own, and nothing left of them afterwards.
#pragma once

#include "support/eventually.hpp"
#include "support/temp_directory.hpp"

#include <belay/sys/cgroups.hpp>

#include <gtest/gtest.h>

namespace belay::test {

class ControlGroups {
  public:
    ControlGroups() = default;
    ControlGroups(const ControlGroups&) = delete;
    ControlGroups& operator=(const ControlGroups&) = delete;
    ~ControlGroups() {
        for (const auto& [name, group] : groups_.existing("")) {
            group.kill();
            EXPECT_TRUE(eventually([&] { return group.remove().has_value(); })) << name;
        }
        groups_.close();
    }

    const sys::Cgroups& operator*() const { return groups_; }
    const sys::Cgroups* operator->() const { return &groups_; }

  private:
    TempDirectory owner_;
    sys::Cgroups groups_ = sys::Cgroups::open({owner_.path(), ""});
};

}  // namespace belay::test

// `what`: memory, cpu or processes.
#define NEEDS_LIMIT(groups, what)  \
    if (!(groups)->support().what) \
    GTEST_SKIP() << "needs control groups that bound " #what ": " << (groups)->support().why
