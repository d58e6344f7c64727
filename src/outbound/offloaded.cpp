#include <belay/async/offload.hpp>
#include <belay/outbound/outbound.hpp>

namespace belay::outbound {

Task<Result<HttpAnswer>> exchange(boost::asio::thread_pool& pool, HttpRequest request,
                                  Limits limits) {
    auto work = [request = std::move(request), limits = std::move(limits)] {
        return exchange(request, limits);
    };
    co_return co_await async::offload(pool, std::move(work));
}

Task<Result<MailAnswer>> send_mail(boost::asio::thread_pool& pool, Mail mail, Limits limits) {
    auto work = [mail = std::move(mail), limits = std::move(limits)] {
        return send_mail(mail, limits);
    };
    co_return co_await async::offload(pool, std::move(work));
}

}  // namespace belay::outbound
