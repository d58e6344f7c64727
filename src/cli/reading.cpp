#include "context.hpp"
#include "handlers.hpp"
#include "json_access.hpp"
#include "render.hpp"

#include <belay/base/id.hpp>

#include <fmt/format.h>

#include <charconv>

namespace belay::cli {
namespace {

constexpr int kPage = 20;
constexpr int kPageMax = 1000;

std::string app_route(const std::string& app) {
    return "/api/v1/apps/" + url_encoded(app);
}

// "limit=20&before=42" of --limit and --before; `parse` makes an id of the latter.
template <class Parse>
Result<std::string> page_of(const Arguments& args, Parse parse) {
    int limit = kPage;
    if (auto given = args.value("limit"); !given.empty()) {
        auto [end, failure] = std::from_chars(given.data(), given.data() + given.size(), limit);
        if (failure != std::errc{} || end != given.data() + given.size() || limit < 1 ||
            limit > kPageMax)
            return Error{Errc::invalid, fmt::format("--limit is a number from 1 to {}", kPageMax)};
    }
    auto query = fmt::format("limit={}", limit);
    if (auto before = args.value("before"); !before.empty()) {
        auto id = parse(before);
        if (!id) return id.error();
        query += fmt::format("&before={}", id->value);
    }
    return query;
}

struct EntryId {
    std::int64_t value = 0;
};

Result<EntryId> parse_entry_id(std::string_view text) {
    EntryId id;
    auto [end, failure] = std::from_chars(text.data(), text.data() + text.size(), id.value);
    if (failure != std::errc{} || end != text.data() + text.size() || id.value < 1)
        return Error{Errc::invalid, "--before is an entry's number, as `belay audit` shows it"};
    return id;
}

int names_only(Context& context) {
    auto body = context.get("/api/v1/apps");
    if (!body) return context.fail(body.error());
    std::string text;
    auto apps = parse_json(*body);
    for (const auto& app : items_of(apps))
        text += shown_of(app, "name") + "\n";
    return context.done(text);
}

int status_of_one(Context& context, const std::string& app) {
    auto body = context.get(app_route(app));
    if (!body) return context.fail(body.error());
    if (context.json()) return context.print_json(*body);
    // Only for the line on the last failure: the answer above is worth showing without it.
    auto recent = context.get(app_route(app) + "/deployments?limit=20");
    return context.done(
        render_app(parse_json(*body), recent ? parse_json(*recent) : Json(), context.canvas()));
}

}  // namespace

int status(Context& context) {
    if (context.args.flag("names")) return names_only(context);
    if (auto app = context.args.positional("APP"); !app.empty()) return status_of_one(context, app);
    auto apps = context.get("/api/v1/apps");
    if (!apps) return context.fail(apps.error());
    if (context.json()) return context.print_json(*apps);
    auto server = context.get("/api/v1/status");
    return context.done(
        render_apps(parse_json(*apps), server ? parse_json(*server) : Json(), context.canvas()));
}

int history(Context& context) {
    auto page = page_of(context.args, parse_deployment_id);
    if (!page) return context.usage(page.error().message);
    return context.show(app_route(context.args.positional("APP")) + "/deployments?" + *page,
                        [&](const std::string& body) {
                            return render_deployments(parse_json(body), context.canvas());
                        });
}

int show(Context& context) {
    auto id = parse_deployment_id(context.args.positional("DEPLOYMENT"));
    if (!id) return context.usage(id.error().message);
    return context.show("/api/v1/deployments/" + to_string(*id), [&](const std::string& body) {
        return render_deployment(parse_json(body), context.canvas());
    });
}

int releases(Context& context) {
    return context.show(app_route(context.args.positional("APP")) + "/releases",
                        [&](const std::string& body) {
                            return render_releases(parse_json(body), context.canvas());
                        });
}

int deliveries(Context& context) {
    auto first = context.args.positional("APP|show");
    auto second = context.args.positional("ID");
    if (!second.empty()) {
        if (first != "show") return context.usage("two words are read as `deliveries show ID`");
        auto id = parse_delivery_id(second);
        if (!id) return context.usage(id.error().message);
        return context.show("/api/v1/deliveries/" + to_string(*id), [&](const std::string& body) {
            return render_delivery(parse_json(body), context.canvas());
        });
    }
    auto page = page_of(context.args, parse_delivery_id);
    if (!page) return context.usage(page.error().message);
    auto app = first.empty() ? "" : "&app=" + url_encoded(first);
    return context.show("/api/v1/deliveries?" + *page + app, [&](const std::string& body) {
        return render_deliveries(parse_json(body), context.canvas());
    });
}

int why(Context& context) {
    auto what = context.args.positional("COMMIT|DELIVERY|DEPLOYMENT");
    return context.show("/api/v1/why/" + url_encoded(what), [&](const std::string& body) {
        return render_why(parse_json(body), context.canvas());
    });
}

int audit(Context& context) {
    auto page = page_of(context.args, parse_entry_id);
    if (!page) return context.usage(page.error().message);
    return context.show("/api/v1/audit?" + *page, [&](const std::string& body) {
        return render_audit(parse_json(body), context.canvas());
    });
}

}  // namespace belay::cli
