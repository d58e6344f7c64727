// POST /hooks/{app}: from the bytes to the engine.
#pragma once

#include "body_reader.hpp"
#include "body_store.hpp"
#include "message.hpp"
#include "refusals.hpp"

#include <belay/engine/api.hpp>
#include <belay/ports/forge.hpp>

#include <boost/asio/thread_pool.hpp>

namespace belay::http {

// Loop thread only.
class HookEndpoint {
  public:
    HookEndpoint(engine::Api& api, const ports::Forges& forges, Refusals& refusals,
                 boost::asio::thread_pool& pool, const Options& options);

    Task<Response> deliver(Request& request, BodyReader& reader);
    std::size_t bodies_in_memory() const { return budget_.used(); }

  private:
    struct Delivery;
    Task<Result<void>> receive(Delivery& delivery, BodyReader& reader);
    Task<Result<domain::Push>> read(Delivery& delivery);
    Task<Response> accept(Delivery& delivery);
    Response refuse(const Delivery& delivery, int status, Error error);

    engine::Api& api_;
    const ports::Forges& forges_;
    Refusals& refusals_;
    boost::asio::thread_pool& pool_;
    const Options& options_;
    MemoryBudget budget_;
    // Of apps that don't exist: signatures are judged against it, which takes as long as against a
    // real one.
    std::vector<Secret> nobodys_;
};

}  // namespace belay::http
