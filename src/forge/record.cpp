#include "record.hpp"

#include "hook_body.hpp"

namespace belay::forge {
namespace {

// No name, address or first line is longer; the bytes of messages behind it are of no use.
constexpr std::size_t kLongestText = 4096;

void cut(std::string& text) {
    if (text.size() <= kLongestText) return;
    auto end = kLongestText;
    while (end > 0 && (static_cast<unsigned char>(text[end]) & 0xc0u) == 0x80u)
        --end;  // between code points
    text.resize(end);
    text.shrink_to_fit();
}

}  // namespace

void Values::set(std::string_view path, FieldValue value) {
    if (auto* text = std::get_if<std::string>(&value)) cut(*text);
    values_.insert_or_assign(std::string(path), std::move(value));
}

std::optional<std::string> Values::text(std::string_view path) const {
    auto place = values_.find(path);
    if (place == values_.end()) return std::nullopt;
    return std::get<std::string>(place->second);
}

std::optional<bool> Values::boolean(std::string_view path) const {
    auto place = values_.find(path);
    if (place == values_.end()) return std::nullopt;
    return std::get<bool>(place->second);
}

std::string Values::text_or_empty(std::string_view path) const {
    return text(path).value_or(std::string());
}

std::string Values::first_text(std::initializer_list<std::string_view> paths) const {
    for (auto path : paths)
        if (auto found = text(path); found && !found->empty()) return *found;
    return {};
}

const std::vector<Values>& Record::list(std::string_view name) const {
    static const std::vector<Values> none;
    auto place = lists.find(name);
    return place == lists.end() ? none : place->second;
}

Result<void> Record::check_length(std::string_view name) const {
    if (list(name).size() > kMostElements)
        return Error{Errc::invalid, "more than 1000 changes in one delivery"};
    return {};
}

Result<Record> read_record(std::string_view json, const std::vector<Field>& fields) {
    Record record;
    FieldSink sink = [&record](std::string_view path, FieldValue value) {
        constexpr std::string_view kElement = "[]";
        auto mark = path.find(kElement);
        if (mark == path.npos) return record.values.set(path, std::move(value));
        auto place = record.lists.find(path.substr(0, mark));
        if (place == record.lists.end())
            place = record.lists.emplace(path.substr(0, mark), std::vector<Values>()).first;
        auto& elements = place->second;
        path.remove_prefix(mark + kElement.size());
        // One too many tells that there are too many.
        if (path.empty()) {
            if (elements.size() <= kMostElements) elements.emplace_back();
        } else {
            elements.back().set(path.substr(1), std::move(value));
        }
    };
    auto wrong = read_fields(json, fields, sink);
    if (!wrong) return wrong.error();
    record.wrong = std::move(*wrong);
    return record;
}

Result<Record> read_record_of(const ports::HookRequest& request, const std::vector<Field>& fields,
                              bool get) {
    HookBody body;
    if (auto read = read_body(request, body, get); !read) return read.error();
    return read_record(body.json, fields);
}

}  // namespace belay::forge
