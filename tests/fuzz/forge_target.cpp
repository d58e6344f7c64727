// One forge's parser: whatever comes, it is a refusal with a reason or a push that holds what
// domain/push.hpp promises.
#include "request_text.hpp"

#include <belay/forge/forge.hpp>

#include <cstdlib>

extern const char* const kFuzzedForge;

namespace {

using belay::domain::Change;
using belay::domain::Push;

void expect(bool holds) {
    if (!holds) std::abort();
}

void expect_id(const std::optional<std::string>& id) {
    expect(!id || (belay::is_commit_id(*id) && !belay::is_zero_id(*id)));
}

void expect_sound(const Change& change) {
    auto name = belay::domain::parse_ref(change.ref);
    expect(name && name->name == change.name && name->type == change.ref_type);
    expect_id(change.before);
    expect_id(change.after);
    expect_id(change.commit);
    if (change.deleted) expect(!change.after && !change.commit && !change.created);
    if (change.created) expect(!change.before && change.after);
    if (change.after) expect(change.commit.has_value());
}

void expect_sound(const Push& push) {
    expect(push.changes.size() <= 1000);
    for (const auto& change : push.changes)
        expect_sound(change);
    expect(push.event.size() <= 200 && push.delivery_id.size() <= 128);
    if (push.repository) {
        const auto& named = *push.repository;
        expect(named.full_name.size() + named.clone_http.size() + named.web_url.size() < 32'768);
    }
    expect(push.head_message.size() <= 200 && push.head_message.find('\n') == std::string::npos);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    auto request = belay::test::read_request(data, size);
    auto push = belay::forge::table().find(kFuzzedForge, request)->parse(request);
    if (push)
        expect_sound(*push);
    else
        expect(push.error().code == belay::Errc::invalid && !push.error().message.empty());
    return 0;
}
