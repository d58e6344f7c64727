// POST /hooks/{app}: from the bytes to the engine.
#pragma once

#include "body_reader.hpp"
#include "body_store.hpp"
#include "limits.hpp"
#include "message.hpp"
#include "refusals.hpp"

#include <belay/engine/api.hpp>
#include <belay/ports/forge.hpp>

#include <boost/asio/thread_pool.hpp>

namespace belay::http {

// Loop thread only.
class HookEndpoint {
  public:
    HookEndpoint(engine::Api& api, const ports::Forges& forges, Refusals& refusals, Limits& limits,
                 boost::asio::thread_pool& pool, const Options& options);

    Task<Response> deliver(Request& request, BodyReader& reader);
    std::size_t bodies_in_memory() const { return budget_.used(); }

  private:
    struct Delivery;
    struct Understood;
    struct Parse;
    Task<Result<void>> receive(Delivery& delivery, BodyReader& reader);
    Task<Result<Understood>> read(Delivery& delivery);
    Task<Response> accept(Delivery& delivery);
    Response refuse(const Delivery& delivery, int status, Error error);

    engine::Api& api_;
    const ports::Forges& forges_;
    Refusals& refusals_;
    Limits& limits_;
    boost::asio::thread_pool& pool_;
    const Options& options_;
    MemoryBudget budget_;
    // Signatures are judged against as many secrets as the app with the most of them has, so that
    // the time tells neither whether there is such an app nor whether its secret is being changed.
    std::vector<Secret> padded(std::vector<Secret> secrets);
    std::size_t most_secrets_ = 1;
    Secret nobodys_;
};

}  // namespace belay::http
