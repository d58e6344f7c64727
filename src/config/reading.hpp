// Collects, while a tree is read into the domain's structs, what is wrong and where each key was
// given.
#pragma once

#include "config/value.hpp"

#include <belay/ports/config_source.hpp>

#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace belay::config {

// Whose grammar is read: an app's ([defaults] too) or belay.toml's.
enum class File { app, server };

class Reading {
  public:
    // The files that Source::app and Source::server stand for.
    Reading(File file, std::string app_file, std::string server_file)
        : file_(file), app_file_(std::move(app_file)), server_file_(std::move(server_file)) {}

    File file() const { return file_; }

    // A message begins with the key's path: "build.timeout: ...". An empty path: of the file as a
    // whole.
    void error(Place place, std::string_view path, std::string_view message);
    void warning(Place place, std::string_view path, std::string_view message);
    // At the place where the key was given, else where its nearest parent stands, else at the top
    // of the app's file.
    void error_at(std::string_view path, std::string_view message) {
        error(place_of(path), path, message);
    }
    void warning_at(std::string_view path, std::string_view message) {
        warning(place_of(path), path, message);
    }

    void note(const std::string& path, Place place) { places_.insert_or_assign(path, place); }
    // None: the key has its built-in default.
    std::optional<Place> given(std::string_view path) const;
    Place place_of(std::string_view path) const;

    const std::string& file_of(Source source) const {
        return source == Source::server ? server_file_ : app_file_;
    }
    bool ok() const { return errors_ == 0; }
    int errors() const { return errors_; }
    // Sorted by place.
    std::vector<ports::Complaint> take();

  private:
    void add(Place place, std::string_view path, std::string_view message, bool is_warning);

    File file_;
    std::string app_file_;
    std::string server_file_;
    std::vector<ports::Complaint> complaints_;
    std::map<std::string, Place, std::less<>> places_;
    int errors_ = 0;
};

// "build" + "timeout" is "build.timeout"; "" + "repo" is "repo".
std::string joined(std::string_view path, std::string_view key);

}  // namespace belay::config
