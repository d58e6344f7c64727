#include "params.hpp"

#include <algorithm>
#include <charconv>

namespace belay::http {
namespace {

constexpr int kPageDefault = 50;
constexpr int kPageMost = 1000;

}  // namespace

Result<std::int64_t> number_of(const Request& request, std::string_view name,
                               std::int64_t otherwise) {
    auto text = request.target.param(name);
    if (text.empty()) return otherwise;
    std::int64_t value = 0;
    auto [end, failure] = std::from_chars(text.data(), text.data() + text.size(), value);
    if (failure != std::errc{} || end != text.data() + text.size() || value < 0)
        return Error{Errc::invalid,
                     "the parameter \"" + std::string(name) + "\" must be a whole number"};
    return value;
}

Result<bool> flag_of(const Request& request, std::string_view name) {
    for (const auto& [key, value] : request.target.query) {
        if (key != name) continue;
        if (value.empty() || value == "1" || value == "true") return true;
        if (value == "0" || value == "false") return false;
        return Error{Errc::invalid, "the parameter \"" + std::string(name) + "\" is 1 or 0"};
    }
    return false;
}

Result<ports::Page> page_of(const Request& request, Cursor cursor) {
    ports::Page page;
    auto limit = number_of(request, "limit", kPageDefault);
    if (!limit) return limit.error();
    if (*limit < 1 || *limit > kPageMost)
        return Error{Errc::invalid, "the parameter \"limit\" must be from 1 to 1000"};
    page.limit = static_cast<int>(*limit);
    auto before = request.target.param("before");
    if (before.empty()) return page;
    // Ids are taken with their letter and without.
    const char letter = cursor == Cursor::deployment ? 'd'
                        : cursor == Cursor::delivery ? 'w'
                                                     : '\0';
    auto digits = letter != '\0' && before.front() == letter ? before.substr(1) : before;
    auto [end, failure] =
        std::from_chars(digits.data(), digits.data() + digits.size(), page.before);
    if (digits.empty() || failure != std::errc{} || end != digits.data() + digits.size() ||
        page.before < 1)
        return Error{Errc::invalid, "the parameter \"before\" must be an id, as `next` gives it"};
    return page;
}

Result<Fields> Fields::parse(const Request& request,
                             std::initializer_list<std::string_view> known) {
    Fields fields;
    auto body = request.raw.body;
    if (body.find_first_not_of(" \t\r\n") == body.npos) return fields;
    fields.object_ = nlohmann::json::parse(body, nullptr, false);
    if (!fields.object_.is_object()) return Error{Errc::invalid, "the body must be a JSON object"};
    for (const auto& [name, value] : fields.object_.items())
        if (std::find(known.begin(), known.end(), name) == known.end())
            return Error{Errc::invalid, "the field \"" + name + "\" is not known here"};
    return fields;
}

const nlohmann::json* Fields::find(std::string_view name) const {
    auto place = object_.find(name);
    return place == object_.end() || place->is_null() ? nullptr : &*place;
}

void Fields::complain(std::string_view name, std::string_view type) {
    if (wrong_.empty())
        wrong_ = "the field \"" + std::string(name) + "\" must be " + std::string(type);
}

std::string Fields::text(std::string_view name) {
    const auto* value = find(name);
    if (!value) return {};
    if (value->is_string()) return value->get<std::string>();
    complain(name, "a string");
    return {};
}

bool Fields::boolean(std::string_view name, bool otherwise) {
    const auto* value = find(name);
    if (!value) return otherwise;
    if (value->is_boolean()) return value->get<bool>();
    complain(name, "true or false");
    return otherwise;
}

std::int64_t Fields::number(std::string_view name) {
    const auto* value = find(name);
    if (!value) return 0;
    if (value->is_number_unsigned() && value->get<std::uint64_t>() <= INT64_MAX)
        return value->get<std::int64_t>();
    complain(name, "a whole number");
    return 0;
}

std::vector<std::string> Fields::texts(std::string_view name) {
    std::vector<std::string> found;
    const auto* value = find(name);
    if (!value) return found;
    if (!value->is_array()) complain(name, "a list of strings");
    for (const auto& each : *value)
        if (each.is_string())
            found.push_back(each.get<std::string>());
        else
            complain(name, "a list of strings");
    return found;
}

Result<void> Fields::check() const {
    if (wrong_.empty()) return {};
    return Error{Errc::invalid, wrong_};
}

}  // namespace belay::http
