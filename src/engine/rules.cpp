#include "rules.hpp"

#include "matching.hpp"

#include <belay/base/glob.hpp>
#include <belay/domain/push.hpp>
#include <belay/ports/tag_order.hpp>

#include <fmt/format.h>

#include <algorithm>
#include <array>

namespace belay::engine {

using domain::Trigger;

std::optional<std::string> skip_mark(std::string_view message) {
    constexpr std::array<std::string_view, 3> kMarks{"[skip ci]", "[ci skip]", "[skip deploy]"};
    const auto text = lower(message);
    for (auto mark : kMarks)
        if (auto at = text.find(mark); at != text.npos)
            return std::string(message.substr(at, mark.size()));
    return std::nullopt;
}

bool filters_paths(const domain::AppConfig& app) {
    return !app.exclude_paths.empty() ||
           (!app.include_paths.empty() && app.include_paths != std::vector<std::string>{"**"});
}

bool concerns(const domain::AppConfig& app, const std::vector<std::string>& changed) {
    const PathPatterns include(app.include_paths);
    const PathPatterns exclude(app.exclude_paths);
    return std::any_of(changed.begin(), changed.end(), [&](const std::string& path) {
        return (app.include_paths.empty() || include.takes(path)) && !exclude.takes(path);
    });
}

std::string short_id(const std::string& commit) {
    return commit.substr(0, 7);
}

std::string some_of(const std::vector<std::string>& names, std::size_t shown) {
    std::string text;
    for (std::size_t i = 0; i < std::min(names.size(), shown); ++i)
        text += (i == 0 ? "" : ", ") + names[i];
    if (names.size() > shown) text += fmt::format(" and {} more", names.size() - shown);
    return text;
}

bool is_older_tag(std::string_view tag, std::string_view than) {
    return !tag.empty() && !than.empty() && ports::compare_tags(tag, than) < 0;
}

std::string tag_of(std::string_view ref) {
    auto parsed = domain::parse_ref(ref);
    return parsed && parsed->type == domain::RefType::tag ? parsed->name : std::string();
}

bool follows_rules(const domain::Deployment& deployment) {
    return !deployment.force && deployment.plan != domain::Plan::restart &&
           (is_automatic(deployment) || deployment.trigger == Trigger::redeliver);
}

bool is_automatic(const domain::Deployment& deployment) {
    return deployment.trigger == Trigger::push || deployment.trigger == Trigger::poll;
}

}  // namespace belay::engine
