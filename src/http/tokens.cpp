// Routes about who may use the API, and what was done through it.
#include "handlers.hpp"
#include "json_shapes.hpp"
#include "params.hpp"

namespace belay::http {
namespace {

template <class T>
Json items_of(const std::vector<T>& values) {
    auto items = Json::array();
    for (const auto& value : values)
        items.push_back(shape(value));
    return items;
}

}  // namespace

Task<Response> get_tokens(Context& context, const Request&) {
    auto tokens = co_await context.access.tokens();
    if (!tokens) co_return problem(tokens.error());
    co_return json_response(list(items_of(*tokens)));
}

Task<Response> post_tokens(Context& context, const Request& request) {
    auto fields = Fields::parse(request, {"name", "role", "expires_in"});
    if (!fields) co_return problem(fields.error());
    Access::Wish wish;
    wish.name = fields->text("name");
    wish.by = request.caller.name;
    auto role = fields->text("role");
    auto expires_in = fields->text("expires_in");
    if (auto checked = fields->check(); !checked) co_return problem(checked.error());
    wish.role = domain::parse_role(role).value_or(Role::none);
    if (wish.role == Role::none)
        co_return problem(400, "invalid", R"(the field "role" is read, deploy or admin)");
    if (!expires_in.empty()) {
        auto lifetime = parse_duration(expires_in);
        if (!lifetime) co_return problem(prefixed(R"(the field "expires_in")", lifetime.error()));
        if (*lifetime == Millis{0})
            co_return problem(400, "invalid", R"(the field "expires_in" must not be zero)");
        wish.lifetime = *lifetime;
    }
    auto made = co_await context.access.create(std::move(wish));
    if (!made) co_return problem(made.error());
    auto answer = shape(made->token);
    answer["token"] = made->text.reveal();
    co_return json_response(answer, 201);
}

Task<Response> post_revoke(Context& context, const Request& request) {
    auto fields = Fields::parse(request, {});
    if (!fields) co_return problem(fields.error());
    auto revoked = co_await context.access.revoke(request.args[0]);
    if (!revoked) co_return problem(revoked.error());
    Json ok{{"ok", true}};
    co_return json_response(ok);
}

Task<Response> get_audit(Context& context, const Request& request) {
    auto page = page_of(request, Cursor::number);
    if (!page) co_return problem(page.error());
    if (!context.store)
        co_return problem(503, "unavailable",
                          "there is no audit, as the database can't be used: `belay status` says "
                          "why");
    auto entries = co_await context.store->audit(*page);
    if (!entries) co_return problem(entries.error());
    bool more = entries->size() == static_cast<std::size_t>(page->limit);
    co_return json_response(
        list(items_of(*entries), more ? Json(std::to_string(entries->back().id)) : Json()));
}

}  // namespace belay::http
