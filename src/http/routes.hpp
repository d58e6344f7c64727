// The routes, each with the role it needs. What is not here does not exist.
#pragma once

#include "access.hpp"
#include "message.hpp"
#include "stream.hpp"

#include <belay/async/task_group.hpp>
#include <belay/async/timers.hpp>
#include <belay/engine/api.hpp>
#include <belay/http/server.hpp>

#include <boost/asio/thread_pool.hpp>

#include <span>
#include <string_view>

namespace belay::http {

// What handlers work with; lives as long as the server.
struct Context {
    engine::Api& api;
    async::Timers& timers;
    boost::asio::thread_pool& pool;
    const Options& options;
    Access& access;
    ports::Store* store;  // null: the database can't be used
};

using Handler = Task<Response> (*)(Context& context, const Request& request);
// Answers by the stream, or returns a Response without having begun it.
using StreamHandler = Task<std::optional<Response>> (*)(Context& context, const Request& request,
                                                        Stream& stream);

struct Route {
    std::string_view method;   // GET answers HEAD too
    std::string_view pattern;  // "{x}" stands for one segment, which becomes an argument
    Role needs = Role::none;
    Handler handler = nullptr;
    StreamHandler stream = nullptr;
    bool hook = false;  // the hook endpoint, which reads its body itself

    // Of acts: what the audit calls it, and which of its body's fields are recorded, parted by
    // spaces; what is not named here is recorded nowhere.
    std::string_view act{};
    std::string_view told{};
    // Under an Idempotency-Key; false: the answer holds a secret or is a stream.
    bool keeps_answer = true;
};

std::span<const Route> routes();

// The route, with its arguments put into the request; or the refusal: 401 for what needs a token,
// 403 where the caller's role does not suffice, then 404, then 405 with Allow. OPTIONS is answered
// with Allow alone.
struct Match {
    const Route* route = nullptr;
    const Route* denied = nullptr;  // the one that the caller may not use
    Response refusal;
};
Match match(Request& request);

}  // namespace belay::http
