// Every shape of the API (spec/interfaces.md §4): what is not known is null, never left out.
#pragma once

#include "message.hpp"

#include <belay/engine/api.hpp>

#include <nlohmann/json.hpp>

#include <string>
#include <vector>

namespace belay::http {

using Json = nlohmann::ordered_json;

Json shape(const engine::AppView& app);
// As in lists and within an app: `stages`, `probes` and `log_tail` are null, as they are not read.
Json shape(const domain::Deployment& deployment);
Json shape(const engine::DeploymentView& view);
Json shape(const domain::Release& release);
Json shape(const domain::Delivery& delivery);
Json shape(const domain::EventRecord& event);
Json shape(const engine::Explanation& explanation);
Json shape(const engine::HookAnswer& answer);
Json shape(const engine::Accepted& accepted);
Json shape(const engine::ReloadReport& report);
Json shape(const engine::ServerStatus& status);
Json shape(const domain::Token& token);
Json shape(const domain::AuditEntry& entry);

// Text that is no UTF-8 is mended by U+FFFD.
std::string to_text(const Json& json);
Response json_response(const Json& json, int status = 200);
// {"items": [...], "next": cursor or null}
Json list(Json items, Json next = nullptr);

}  // namespace belay::http
