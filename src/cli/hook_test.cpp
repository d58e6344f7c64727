// `belay hook test`: says what a delivery would meet on its way.
#include "context.hpp"
#include "handlers.hpp"
#include "hook_findings.hpp"
#include "json_access.hpp"

#include <belay/base/id.hpp>

#include <fmt/format.h>

namespace belay::cli {
namespace {

// The inbox's row of a ping, by the id that it bore.
Inbox look_up(Context& context, const std::string& app, const std::string& id) {
    Inbox inbox;
    auto body = context.get("/api/v1/deliveries?app=" + url_encoded(app) + "&limit=50");
    if (!body) return inbox;
    inbox.asked = true;
    auto json = parse_json(*body);
    if (id.empty() || !json.is_object() || !json.contains("items")) return inbox;
    for (const auto& item : json["items"]) {
        if (shown_of(item, "delivery_id") != id) continue;
        inbox.delivery = shown_of(item, "id");
        inbox.decision = shown_of(item, "decision");
        inbox.reason = shown_of(item, "reason");
    }
    return inbox;
}

Json json_of(const HookTest& test, const Findings& found) {
    auto hops = Json::object();
    for (const auto& [name, text] : found.hops)
        hops[name] = text;
    auto text_or_null = [](const std::string& text) { return text.empty() ? Json() : Json(text); };
    return Json{{"app", test.app},
                {"forge", test.forge},
                {"url", text_or_null(test.outside.url)},
                {"arrives", found.arrives},
                {"status", test.outside.status == 0 ? Json() : Json(test.outside.status)},
                {"hops", hops},
                {"verdict", found.verdict},
                {"cure", text_or_null(found.cure)}};
}

}  // namespace

int hook_test(Context& context) {
    auto app = context.args.positional("APP");
    if (auto name = check_app_name(app); !name) return context.usage(name.error().message);
    auto test = context.locals.hook_test(context.config(), app);
    if (!test) return context.fail(test.error());
    auto found = judge_hook(*test, look_up(context, app, test->id),
                            look_up(context, app, test->inside ? test->inside_id : ""));
    if (context.json()) {
        context.print_json(json_of(*test, found).dump());
        return found.arrives ? kDone : kFailed;
    }
    std::string text;
    if (!test->outside.url.empty())
        text = fmt::format("a ping {} to {}\n",
                           test->is_signed
                               ? "signed as by " + (test->forge == "auto" ? std::string("Standard "
                                                                                        "Webhooks")
                                                                          : test->forge)
                               : std::string("without a signature"),
                           test->outside.url);
    for (const auto& [name, what] : found.hops)
        text += fmt::format("  {:<9} {}\n", name, what);
    text += found.verdict + "\n";
    if (!found.cure.empty()) text += found.cure + "\n";
    context.done(text);
    return found.arrives ? kDone : kFailed;
}

}  // namespace belay::cli
