// What the status APIs have in common: texts within limits, addresses, authentication, answers.
#pragma once

#include <belay/forge/place.hpp>
#include <belay/forge/status.hpp>

#include <nlohmann/json.hpp>

#include <cstddef>
#include <string>
#include <string_view>

namespace belay::forge {

using Json = nlohmann::ordered_json;

// At most `limit` characters (code points), the last one "…" where something was cut; control
// characters are spaces, and what is no UTF-8 is U+FFFD.
std::string cut(std::string_view text, std::size_t limit);
// The least of all forges' limits, GitHub's (zalando/zappr#378).
inline constexpr std::size_t kDescription = 140;

// "belay/APP"; where that is over 40 characters (Bitbucket Cloud's limit, buildbot/buildbot#7049),
// its beginning is followed by a hash.
std::string status_key(std::string_view app);

// "%2F" and the like; unreserved characters stay (RFC 3986), and so does what a repository's
// address has encoded already.
std::string url_encoded(std::string_view text);
// Each segment for itself: "~ann/shop" stays a path.
std::string path_encoded(std::string_view path);

// "refs/heads/main" -> "main"
std::string short_ref(std::string_view ref);

// The address, where it is no longer than the limit, else the other one.
std::string within(const std::string& url, std::size_t limit, const std::string& otherwise = {});

// The forge's page of the commit.
std::string commit_page(const Place& place, std::string_view commit);

// What the forges' words stand for. `error`: not the commit's fault. `canceled`: superseded and
// rejected too.
enum class Outcome { queued, running, healthy, failed, rolled_back, error, canceled };
Outcome outcome_of(const ports::StatusReport& report);

HttpRequest post(std::string url, const Json& body, const Secret& token);
void add_bearer(HttpRequest& request, const Secret& token);
void add_basic(HttpRequest& request, std::string_view credentials);
// A token with a colon in it is "user:password".
void add_bearer_or_basic(HttpRequest& request, const Secret& token);

// 2xx: done. 408, 425, 429, 5xx and GitHub's 403 for a spent rate limit: retry. All else: give up,
// with the cure as far as it is known.
ports::Verdict judge_status(const HttpAnswer& answer, TimePoint now);

// An API of one request a report.
class SingleStatus : public ports::StatusForge {
  public:
    Step next(const ports::StatusReport& report, const Secret& token,
              const std::vector<HttpAnswer>& answers, TimePoint now) const final;

  protected:
    virtual HttpRequest request(const ports::StatusReport& report, const Place& place,
                                const Secret& token) const = 0;
    virtual ports::Verdict verdict(const HttpAnswer& answer, TimePoint now) const {
        return judge_status(answer, now);
    }
};

const ports::StatusForge& github_status();
const ports::StatusForge& gitlab_status();
const ports::StatusForge& gitea_status();
const ports::StatusForge& forgejo_status();
const ports::StatusForge& bitbucket_cloud_status();
const ports::StatusForge& bitbucket_server_status();
const ports::StatusForge& azure_status();

}  // namespace belay::forge
