// Query parameters and JSON bodies, checked: what is not understood is refused by name.
#pragma once

#include "message.hpp"

#include <belay/ports/store.hpp>

#include <nlohmann/json.hpp>

#include <cstdint>
#include <initializer_list>
#include <string>
#include <string_view>
#include <vector>

namespace belay::http {

// What a list's cursor looks like.
enum class Cursor { deployment, delivery, number };
// `before` and `limit` (1 to 1000, else 50). Errc::invalid names which is wrong.
Result<ports::Page> page_of(const Request& request, Cursor cursor);
// A whole number of at least 0; absent: `otherwise`.
Result<std::int64_t> number_of(const Request& request, std::string_view name,
                               std::int64_t otherwise);
// "1", "true" and an empty value say yes, "0" and "false" and absence no.
Result<bool> flag_of(const Request& request, std::string_view name);

// A JSON object, or nothing at all. Reads remember the first thing that is wrong.
class Fields {
  public:
    // Errc::invalid also for names that are not in `known`.
    static Result<Fields> parse(const Request& request,
                                std::initializer_list<std::string_view> known);

    std::string text(std::string_view name);
    bool boolean(std::string_view name, bool otherwise);
    std::int64_t number(std::string_view name);  // at least 0; absent: 0
    std::vector<std::string> texts(std::string_view name);
    // The first complaint, or none.
    Result<void> check() const;

  private:
    const nlohmann::json* find(std::string_view name) const;
    void complain(std::string_view name, std::string_view type);

    nlohmann::json object_ = nlohmann::json::object();
    std::string wrong_;
};

}  // namespace belay::http
