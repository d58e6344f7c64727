#include <belay/ports/tag_order.hpp>

#include <algorithm>
#include <vector>

namespace belay::ports {
namespace {

bool is_digit(char c) {
    return c >= '0' && c <= '9';
}

bool is_number(std::string_view text) {
    return !text.empty() && std::ranges::all_of(text, is_digit);
}

struct Version {
    std::vector<std::string_view> fields;  // digits only
    std::vector<std::string_view> pre_release;
    bool has_pre_release = false;
};

std::vector<std::string_view> split(std::string_view text) {
    std::vector<std::string_view> parts;
    while (true) {
        auto dot = text.find('.');
        parts.push_back(text.substr(0, dot));
        if (dot == std::string_view::npos) return parts;
        text.remove_prefix(dot + 1);
    }
}

// The fields begin at the first digit; what follows them, with or without "-", is the pre-release
// part.
Version parse(std::string_view tag) {
    Version version;
    auto start = std::ranges::find_if(tag, is_digit);
    if (start == tag.end()) return version;
    tag.remove_prefix(static_cast<std::size_t>(start - tag.begin()));
    tag = tag.substr(0, tag.find('+'));
    while (!tag.empty() && is_digit(tag.front())) {
        auto end = std::min(tag.find_first_not_of("0123456789"), tag.size());
        version.fields.push_back(tag.substr(0, end));
        tag.remove_prefix(end);
        if (tag.size() < 2 || tag.front() != '.' || !is_digit(tag[1])) break;
        tag.remove_prefix(1);
    }
    if (tag.empty()) return version;
    version.has_pre_release = true;
    if (tag.front() == '-' || tag.front() == '.' || tag.front() == '_') tag.remove_prefix(1);
    version.pre_release = split(tag);
    return version;
}

// Of any length, so by digits and not as machine integers.
std::weak_ordering compare_numbers(std::string_view left, std::string_view right) {
    auto trim = [](std::string_view text) {
        text.remove_prefix(std::min(text.find_first_not_of('0'), text.size()));
        return text;
    };
    left = trim(left);
    right = trim(right);
    if (left.size() != right.size()) return left.size() <=> right.size();
    return left <=> right;
}

std::weak_ordering compare_fields(const Version& left, const Version& right) {
    for (std::size_t i = 0; i < std::max(left.fields.size(), right.fields.size()); ++i) {
        auto a = i < left.fields.size() ? left.fields[i] : std::string_view("0");
        auto b = i < right.fields.size() ? right.fields[i] : std::string_view("0");
        if (auto order = compare_numbers(a, b); order != 0) return order;
    }
    return std::weak_ordering::equivalent;
}

std::weak_ordering compare_identifiers(std::string_view left, std::string_view right) {
    bool left_number = is_number(left);
    bool right_number = is_number(right);
    if (left_number && right_number) return compare_numbers(left, right);
    if (left_number != right_number) {
        return left_number ? std::weak_ordering::less : std::weak_ordering::greater;
    }
    // "rc9" before "rc10": the same word with a number behind it.
    auto left_digits = std::min(left.find_first_of("0123456789"), left.size());
    auto right_digits = std::min(right.find_first_of("0123456789"), right.size());
    auto left_tail = left.substr(left_digits);
    auto right_tail = right.substr(right_digits);
    if (left.substr(0, left_digits) == right.substr(0, right_digits) && is_number(left_tail) &&
        is_number(right_tail)) {
        return compare_numbers(left_tail, right_tail);
    }
    return left <=> right;
}

std::weak_ordering compare_pre_releases(const Version& left, const Version& right) {
    if (left.has_pre_release != right.has_pre_release) {
        return left.has_pre_release ? std::weak_ordering::less : std::weak_ordering::greater;
    }
    for (std::size_t i = 0; i < std::min(left.pre_release.size(), right.pre_release.size()); ++i) {
        auto order = compare_identifiers(left.pre_release[i], right.pre_release[i]);
        if (order != 0) return order;
    }
    return left.pre_release.size() <=> right.pre_release.size();
}

}  // namespace

std::weak_ordering compare_tags(std::string_view left, std::string_view right) {
    auto a = parse(left);
    auto b = parse(right);
    if (a.fields.empty() && b.fields.empty()) return left <=> right;
    if (a.fields.empty()) return std::weak_ordering::less;
    if (b.fields.empty()) return std::weak_ordering::greater;
    if (auto order = compare_fields(a, b); order != 0) return order;
    return compare_pre_releases(a, b);
}

}  // namespace belay::ports
