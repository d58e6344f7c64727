// Every route with what each caller gets, held against the table in src/http and its description.
#include "http/routes.hpp"

#include "http/guard.hpp"
#include "http_fixture.hpp"

#include <nlohmann/json.hpp>

#include <set>

namespace belay::test {
namespace {

using http::Role;
using nlohmann::json;

// Who changes or adds a route does so here too: nothing is open that is not written down twice.
const std::map<std::pair<std::string, std::string>, Role> kRoles{
    {{"POST", "/hooks/{app}"}, Role::none},
    {{"GET", "/hooks/{app}"}, Role::none},
    {{"GET", "/healthz"}, Role::none},
    {{"GET", "/readyz"}, Role::none},
    {{"GET", "/metrics"}, Role::read},
    {{"GET", "/api/v1/status"}, Role::read},
    {{"GET", "/api/v1/apps"}, Role::read},
    {{"GET", "/api/v1/apps/{app}"}, Role::read},
    {{"GET", "/api/v1/apps/{app}/deployments"}, Role::read},
    {{"GET", "/api/v1/apps/{app}/releases"}, Role::read},
    {{"GET", "/api/v1/apps/{app}/logs"}, Role::read},
    {{"GET", "/api/v1/deployments/{id}"}, Role::read},
    {{"GET", "/api/v1/deployments/{id}/logs"}, Role::read},
    {{"GET", "/api/v1/deployments/{id}/logs/{stage}"}, Role::read},
    {{"GET", "/api/v1/deliveries"}, Role::read},
    {{"GET", "/api/v1/deliveries/{id}"}, Role::read},
    {{"GET", "/api/v1/events"}, Role::read},
    {{"GET", "/api/v1/why/{what}"}, Role::read},
    {{"GET", "/api/v1/openapi.json"}, Role::read},
    {{"POST", "/api/v1/apps/{app}/deploy"}, Role::deploy},
    {{"POST", "/api/v1/apps/{app}/rollback"}, Role::deploy},
    {{"POST", "/api/v1/apps/{app}/hold"}, Role::deploy},
    {{"POST", "/api/v1/apps/{app}/resume"}, Role::deploy},
    {{"POST", "/api/v1/apps/{app}/restart"}, Role::deploy},
    {{"POST", "/api/v1/apps/{app}/stop"}, Role::deploy},
    {{"POST", "/api/v1/apps/{app}/start"}, Role::deploy},
    {{"POST", "/api/v1/deployments/{id}/cancel"}, Role::deploy},
    {{"POST", "/api/v1/deployments/{id}/approve"}, Role::deploy},
    {{"POST", "/api/v1/deployments/{id}/reject"}, Role::deploy},
    {{"POST", "/api/v1/deliveries/{id}/redeliver"}, Role::deploy},
    {{"POST", "/api/v1/apps/{app}/remove"}, Role::admin},
    {{"POST", "/api/v1/apps/{app}/run"}, Role::admin},
    {{"POST", "/api/v1/reload"}, Role::admin},
    {{"POST", "/api/v1/backup"}, Role::admin},
    {{"POST", "/api/v1/restore"}, Role::admin},
    {{"POST", "/api/v1/gc"}, Role::admin},
    {{"POST", "/api/v1/notify/{channel}/test"}, Role::admin},
    {{"POST", "/api/v1/shutdown"}, Role::admin},
    {{"GET", "/api/v1/tokens"}, Role::admin},
    {{"POST", "/api/v1/tokens"}, Role::admin},
    {{"POST", "/api/v1/tokens/{name}/revoke"}, Role::admin},
    {{"GET", "/api/v1/audit"}, Role::admin},
};

std::string filled(std::string_view pattern) {
    std::string path(pattern);
    for (const auto& [name, value] : {std::pair{"{app}", "shop"},
                                      {"{stage}", "build"},
                                      {"{what}", "d12"},
                                      {"{name}", "x"},
                                      {"{channel}", "ops"}})
        if (auto at = path.find(name); at != path.npos) path.replace(at, std::strlen(name), value);
    if (auto at = path.find("{id}"); at != path.npos)
        path.replace(at, 4, path.find("deliveries") != path.npos ? "w3" : "d12");
    return path;
}

class Routes : public HttpTest {
  protected:
    Routes() {
        api_.deployment_views[12].deployment.id = DeploymentId{12};
        api_.deployment_views[12].deployment.app = "shop";
        domain::Delivery delivery;
        delivery.id = DeliveryId{3};
        api_.inbox.push_back(delivery);
        api_.logs["shop"] = {};
        api_.logs["d12/"] = {};
        api_.logs["d12/build"] = {};
    }
    void make_tokens() {
        for (const char* role : {"read", "deploy", "admin"}) {
            auto answer = post("/api/v1/tokens", json{{"name", role}, {"role", role}}.dump());
            tokens_[*domain::parse_role(role)] =
                "Authorization: Bearer " + json::parse(answer.body).value("token", "") + "\r\n";
        }
    }
    // The status alone, as some answers don't end. From an address of its own each time, so that
    // limits on strangers don't answer instead.
    int status(const std::string& method, const std::string& path, const std::string& headers) {
        int fd = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        auto source = loopback(0);
        source.sin_addr.s_addr = htonl(INADDR_LOOPBACK + ++addresses_);
        EXPECT_EQ(::bind(fd, reinterpret_cast<sockaddr*>(&source), sizeof source), 0);
        auto server = loopback(port_);
        EXPECT_EQ(::connect(fd, reinterpret_cast<sockaddr*>(&server), sizeof server), 0);
        Client client(fd);
        client.send(request(method, path, headers));
        return std::atoi(client.until("\r\n\r\n").substr(9).c_str());
    }

    std::map<Role, std::string> tokens_;
    std::uint32_t addresses_ = 0;
};

TEST_F(Routes, AreThoseThatAreWrittenDown) {
    std::map<std::pair<std::string, std::string>, Role> table;
    for (const auto& route : http::routes()) {
        table.emplace(std::pair(route.method, route.pattern), route.needs);
        EXPECT_NE(route.handler != nullptr, route.stream != nullptr || route.hook) << route.pattern;
        // What changes something has a name in the audit, what only looks has none.
        EXPECT_EQ(!route.act.empty(), route.method == "POST" && !route.hook) << route.pattern;
        if (route.method == "POST" && !route.hook) {
            EXPECT_GE(route.needs, Role::deploy) << route.pattern;
        }
    }
    EXPECT_EQ(table, kRoles);
    EXPECT_EQ(table.size(), http::routes().size());
}

TEST_F(Routes, AnswerEachCallerByRole) {
    start();
    make_tokens();
    for (const auto& [route, needs] : kRoles) {
        const auto& [method, pattern] = route;
        auto path = filled(pattern);
        auto named = method + " " + pattern;
        if (needs == Role::none) {
            // Of hooks a POST is told of its content type, a GET that it is not signed.
            auto expected = pattern != "/hooks/{app}" ? 200 : method == "GET" ? 401 : 415;
            EXPECT_EQ(status(method, path, ""), expected) << named;
            continue;
        }
        EXPECT_EQ(status(method, path, ""), 401) << named;
        EXPECT_EQ(status(method, path, "Authorization: Bearer belay_wrong\r\n"), 401) << named;
        EXPECT_EQ(status(method, path, "Authorization: Basic YTpi\r\n"), 401) << named;
        for (auto role : {Role::read, Role::deploy, Role::admin}) {
            auto found = status(method, path, tokens_[role]);
            auto told = named + " as " + std::string(to_string(role));
            if (role < needs) EXPECT_EQ(found, 403) << told;
            // What lies behind may still say that a body is missing, or that there is no such
            // token.
            else if (pattern == "/api/v1/backup" || pattern == "/api/v1/restore")
                EXPECT_EQ(found, 403) << told << ": over the socket only";
            else
                EXPECT_TRUE(found / 100 == 2 || found == 400 || found == 404) << told << found;
        }
    }
    // Nothing is told of what there is to those who may not look.
    EXPECT_EQ(status("GET", "/api/v1/no-such-route", ""), 401);
    EXPECT_EQ(status("PUT", "/api/v1/apps", ""), 401);
    EXPECT_EQ(status("GET", "/api", ""), 401);
    EXPECT_EQ(status("GET", "/api/v1/no-such-route", tokens_[Role::read]), 404);
}

TEST(Match, OpensEachRouteToItsRoleAndThoseAbove) {
    for (const auto& [named, needs] : kRoles)
        for (auto role : {Role::none, Role::read, Role::deploy, Role::admin}) {
            http::Request request;
            request.raw.method = named.first;
            request.peer.local = true;
            request.caller.role = role;
            request.target = *http::parse_target(filled(named.second));
            auto found = http::match(request);
            EXPECT_EQ(found.route != nullptr, role >= needs) << named.second << to_string(role);
            if (!found.route) {
                EXPECT_EQ(found.refusal.status, 403);
            }
        }
}

TEST_F(Routes, ChangeNothingByLooking) {
    start();
    make_tokens();
    auto admin = tokens_[Role::admin];
    status("GET", "/api/v1/status", admin);
    eventually([&] { return disk_->tokens.rbegin()->second.last_used_at != TimePoint{}; });
    auto commits = on_loop([&] { return store_->commits(); });
    for (const auto& [named, needs] : kRoles) {
        auto path = filled(named.second);
        for (const char* method : {"GET", "HEAD", "OPTIONS", "PUT", "DELETE", "PATCH", "TRACE"})
            EXPECT_LT(status(method, path, admin), 500) << method << path;
    }
    EXPECT_TRUE(on_loop([&] { return api_.asked.empty() && api_.submitted.empty(); }));
    EXPECT_EQ(on_loop([&] { return store_->commits(); }), commits);
}

TEST_F(Routes, AnswerHeadAsGetWithoutABody) {
    start();
    make_tokens();
    auto admin = tokens_[Role::admin];
    for (const auto& route : http::routes()) {
        if (route.method != "GET") continue;
        auto path = filled(route.pattern);
        auto client = tcp();
        client.send(request("HEAD", path, admin + "Connection: close\r\n"));
        auto head = read_answer(client, true);
        EXPECT_EQ(client.until_closed(), "") << path;
        if (route.stream) {
            EXPECT_EQ(head.status, 405) << path;
            EXPECT_EQ(head.headers["allow"], "GET, OPTIONS");
            continue;
        }
        auto whole = ask(tcp(), request("GET", path, admin));
        EXPECT_EQ(head.status, whole.status) << path;
        EXPECT_EQ(head.headers["content-length"], whole.headers["content-length"]) << path;
    }
}

TEST_F(Routes, SayWhatTheyAllow) {
    start();
    make_tokens();
    auto admin = tokens_[Role::admin];
    auto allow = [&](const std::string& method, const std::string& path, int status) {
        auto answer = ask(tcp(), request(method, path, admin));
        EXPECT_EQ(answer.status, status) << method << path;
        return answer.headers["allow"];
    };
    EXPECT_EQ(allow("OPTIONS", "/api/v1/tokens", 200), "GET, HEAD, POST, OPTIONS");
    EXPECT_EQ(allow("OPTIONS", "/api/v1/apps/shop/stop", 200), "POST, OPTIONS");
    EXPECT_EQ(allow("OPTIONS", "/healthz", 200), "GET, HEAD, OPTIONS");
    EXPECT_EQ(allow("DELETE", "/api/v1/apps", 405), "GET, HEAD, OPTIONS");
    EXPECT_EQ(allow("POST", "/api/v1/events", 405), "GET, OPTIONS");
    EXPECT_EQ(ask(tcp(), request("OPTIONS", "/api/v1/apps")).status, 401);
    EXPECT_EQ(ask(tcp(), request("OPTIONS", "/nothing")).status, 404);
}

TEST_F(Routes, NameTheBadParameter) {
    start();
    const std::map<std::string, std::string> bad{
        {"/api/v1/apps/shop/deployments?limit=0", "limit"},
        {"/api/v1/apps/shop/deployments?limit=1001", "limit"},
        {"/api/v1/apps/shop/deployments?limit=ten", "limit"},
        {"/api/v1/apps/shop/deployments?limit=-1", "limit"},
        {"/api/v1/apps/shop/deployments?limit=99999999999999999999", "limit"},
        {"/api/v1/apps/shop/deployments?before=x", "before"},
        {"/api/v1/apps/shop/deployments?before=w7", "before"},
        {"/api/v1/apps/shop/deployments?before=d", "before"},
        {"/api/v1/deliveries?before=d7", "before"},
        {"/api/v1/deliveries?before=0", "before"},
        {"/api/v1/deliveries?limit=1.5", "limit"},
        {"/api/v1/audit?before=d7", "before"},
        {"/api/v1/apps/shop/logs?from=x", "from"},
        {"/api/v1/apps/shop/logs?follow=maybe", "follow"},
        {"/api/v1/apps/shop/logs?since=yesterday", "since"},
        {"/api/v1/deployments/d12/logs/build?from=-5", "from"},
        {"/api/v1/events?after=x", "after"},
        {"/api/v1/events?deployment=x", "deployment"},
    };
    for (const auto& [target, name] : bad) {
        auto answer = get(target);
        EXPECT_EQ(answer.status, 400) << target;
        EXPECT_NE(answer.body.find("the parameter \\\"" + name + "\\\""), std::string::npos)
            << target << answer.body;
    }
    EXPECT_NE(get("/api/v1/events", "Last-Event-ID: x\r\n").body.find("Last-Event-ID"),
              std::string::npos);
    for (const char* good :
         {"/api/v1/apps/shop/deployments?before=d7&limit=1", "/api/v1/deliveries?before=w7",
          "/api/v1/deliveries?before=7&limit=1000", "/api/v1/audit?before=7"})
        EXPECT_EQ(get(good).status, 200) << good;
}

class Description : public Routes {
  protected:
    json read() {
        start();
        auto answer = get("/api/v1/openapi.json");
        EXPECT_EQ(answer.status, 200);
        return json::parse(answer.body);
    }
    static const json& followed(const json& document, const json& value) {
        if (!value.contains("$ref")) return value;
        auto pointer = value["$ref"].get<std::string>().substr(1);
        return document.at(json::json_pointer(pointer));
    }
};

TEST_F(Description, KnowsEveryRouteAndNoOther) {
    auto document = read();
    EXPECT_EQ(document["openapi"], "3.1.0");
    EXPECT_EQ(document["info"]["version"], BELAY_VERSION);
    std::map<std::pair<std::string, std::string>, Role> described;
    std::set<std::string> operations;
    for (const auto& [path, item] : document["paths"].items())
        for (const auto& [method, operation] : item.items()) {
            std::string upper = method == "get" ? "GET" : method == "post" ? "POST" : method;
            auto role = domain::parse_role(operation.value("x-belay-role", ""));
            ASSERT_TRUE(role) << path;
            described[{upper, path}] = *role;
            EXPECT_TRUE(operations.insert(operation["operationId"]).second) << path;
            // Whoever needs no role needs no token, and the other way round.
            EXPECT_EQ(operation.contains("security"), *role == Role::none) << path;
        }
    EXPECT_EQ(described, kRoles);
}

TEST_F(Description, DeclaresEachPartOfAPathAndEveryReference) {
    auto document = read();
    for (const auto& [path, item] : document["paths"].items())
        for (const auto& [method, operation] : item.items()) {
            std::set<std::string> in_path, declared;
            for (auto at = path.find('{'); at != path.npos; at = path.find('{', at + 1))
                in_path.insert(path.substr(at + 1, path.find('}', at) - at - 1));
            for (const auto& each : operation.value("parameters", json::array())) {
                const auto& parameter = followed(document, each);
                if (parameter["in"] == "path") declared.insert(parameter["name"]);
            }
            EXPECT_EQ(in_path, declared) << method << path;
            for (const auto& [status, response] : operation["responses"].items())
                EXPECT_TRUE(followed(document, response).contains("description")) << path << status;
        }
    std::function<void(const json&)> walk = [&](const json& value) {
        if (value.is_object() && value.contains("$ref")) {
            EXPECT_NO_THROW(followed(document, value)) << value;
        }
        if (value.is_structured())
            for (const auto& each : value)
                walk(each);
    };
    walk(document);
}

// What a route takes in its body is refused by name where it is not known, so the declared fields
// can be asked for.
TEST_F(Description, DeclaresTheFieldsThatAreTaken) {
    auto document = read();
    for (const auto& route : http::routes()) {
        if (route.act.empty()) continue;
        std::string pattern(route.pattern);
        const auto& operation = document["paths"][pattern]["post"];
        const auto& schema = operation["requestBody"]["content"]["application/json"]["schema"];
        ASSERT_TRUE(schema.contains("properties")) << pattern;
        EXPECT_EQ(schema["additionalProperties"], false) << pattern;
        for (const auto& [field, type] : schema["properties"].items()) {
            // null is "not given" for each known field.
            auto answer = post(filled(pattern), json{{field, nullptr}}.dump());
            EXPECT_EQ(answer.body.find("is not known here"), std::string::npos)
                << pattern << field << answer.body;
        }
        auto told = std::string(route.told);
        for (auto name = told.substr(0, told.find(' ')); !name.empty();
             name = told.substr(0, told.find(' '))) {
            told.erase(0, name.size() + 1);
            EXPECT_TRUE(schema["properties"].contains(name.substr(0, name.find('[')))) << name;
        }
        EXPECT_NE(post(filled(pattern), R"({"surely_not":1})").body.find("is not known here"),
                  std::string::npos)
            << pattern;
    }
}

}  // namespace
}  // namespace belay::test
