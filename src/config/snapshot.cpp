// The one place that sees json.
#include "config/snapshot.hpp"

#include "config/reading.hpp"
#include "config/tables.hpp"

#include <fmt/format.h>
#include <nlohmann/json.hpp>
#include <openssl/evp.h>

#include <array>

namespace belay::config {
namespace {

using nlohmann::json;

constexpr int kDepthMax = 64;

json to_json(const Value& value) {
    switch (value.kind) {
        case Value::Kind::none:
            return nullptr;
        case Value::Kind::text:
        case Value::Kind::time:
            return value.text;
        case Value::Kind::boolean:
            return value.boolean;
        case Value::Kind::integer:
            return value.integer;
        case Value::Kind::real:
            return value.real;
        case Value::Kind::list: {
            auto result = json::array();
            for (const auto& item : value.items)
                result.push_back(to_json(item));
            return result;
        }
        case Value::Kind::table:
            break;
    }
    auto result = json::object();
    for (const auto& member : value.members)
        result[member.key] = to_json(member.value);
    return result;
}

Value from_json(const json& content, int depth);

Value container_from_json(const json& content, int depth) {
    if (depth >= kDepthMax) return none();
    if (content.is_array()) {
        std::vector<Value> items;
        for (const auto& item : content)
            items.push_back(from_json(item, depth + 1));
        return list(std::move(items));
    }
    auto result = table();
    for (const auto& [key, item] : content.items())
        if (!item.is_null()) result.set(key, {Source::snapshot, 0, 0}, from_json(item, depth + 1));
    return result;
}

Value from_json(const json& content, int depth) {
    Value value;
    if (content.is_string())
        value = text(content.get<std::string>());
    else if (content.is_boolean())
        value = boolean(content.get<bool>());
    else if (content.is_number_integer())
        value = integer(content.get<std::int64_t>());
    else if (content.is_number())
        value = real(content.get<double>());
    else if (content.is_structured())
        value = container_from_json(content, depth);
    value.place = {Source::snapshot, 0, 0};
    return value;
}

domain::Target target_of(const Value& root) {
    if (root.get("command") != nullptr) return domain::Target::command;
    if (root.get("unit") != nullptr) return domain::Target::unit;
    if (root.get("static") != nullptr) return domain::Target::static_files;
    return domain::Target::service;
}

std::string taken(Value& root, std::string_view key) {
    const auto* value = root.get(key);
    auto content = value == nullptr ? std::string() : value->text;
    root.erase(key);
    return content;
}

}  // namespace

Value tree_of(const domain::AppConfig& app) {
    auto root = write_table(app, app_keys());
    if (app.target != domain::Target::service) root.erase("service");
    if (app.target != domain::Target::command) root.erase("command");
    if (app.target != domain::Target::unit) root.erase("unit");
    if (app.target != domain::Target::static_files) root.erase("static");
    return root;
}

std::string encode(const domain::AppConfig& app) {
    auto root = tree_of(app);
    root.set("name", {}, text(app.name));
    root.set("file", {}, text(app.file));
    return to_json(root).dump(-1, ' ', false, json::error_handler_t::replace);
}

Result<domain::AppConfig> decode(const std::string& content) {
    auto parsed = json::parse(content, nullptr, false);
    if (!parsed.is_object())
        return Error{Errc::invalid, "the stored configuration is no JSON object"};
    auto root = from_json(parsed, 0);
    domain::AppConfig app;
    app.name = taken(root, "name");
    app.file = taken(root, "file");
    Reading reading(File::app, "", "");
    read_table(reading, "", root, app, app_keys());
    app.target = target_of(root);
    if (reading.ok()) return app;
    for (const auto& complaint : reading.take())
        if (!complaint.warning)
            return Error{Errc::invalid, "the stored configuration: " + complaint.message};
    return Error{Errc::internal, "the stored configuration can't be read"};
}

std::string sha256_hex(const std::string& content) {
    std::array<unsigned char, EVP_MAX_MD_SIZE> digest{};
    unsigned int length = 0;
    EVP_Digest(content.data(), content.size(), digest.data(), &length, EVP_sha256(), nullptr);
    std::string hex;
    for (unsigned int i = 0; i < length; ++i)
        hex += fmt::format("{:02x}", digest[i]);
    return hex;
}

}  // namespace belay::config
