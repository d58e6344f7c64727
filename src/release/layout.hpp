// Where everything lies below the state directory (spec/interfaces.md §6).
#pragma once

#include <belay/base/id.hpp>

#include <string>

namespace belay::release {

class Layout {
  public:
    explicit Layout(std::string state_dir) : state_(std::move(state_dir)) {}

    const std::string& state() const { return state_; }
    std::string releases(const std::string& app) const { return state_ + "/releases/" + app; }
    std::string directory(const std::string& app, ReleaseNumber number) const;
    std::string manifest(const std::string& app, ReleaseNumber number) const;
    std::string listing(const std::string& app, ReleaseNumber number) const;
    // The listing taken before the tests, or by a copy: only until the seal.
    std::string mark(const std::string& app, ReleaseNumber number) const;
    std::string secrets(const std::string& app) const { return state_ + "/secrets/" + app; }
    std::string secrets(const std::string& app, ReleaseNumber number) const;
    std::string environment(const std::string& app, ReleaseNumber number,
                            const std::string& process) const;
    std::string shared(const std::string& app) const { return state_ + "/shared/" + app; }
    std::string home(const std::string& app) const { return state_ + "/home/" + app; }
    std::string live() const { return state_ + "/live"; }
    std::string live(const std::string& app) const { return live() + "/" + app + ".json"; }

  private:
    std::string state_;
};

}  // namespace belay::release
