#include <belay/base/error.hpp>

#include <cerrno>
#include <system_error>

namespace belay {

std::string_view to_string(Errc code) {
    switch (code) {
        case Errc::invalid:
            return "invalid";
        case Errc::unauthorized:
            return "unauthorized";
        case Errc::forbidden:
            return "forbidden";
        case Errc::not_found:
            return "not_found";
        case Errc::conflict:
            return "conflict";
        case Errc::limit:
            return "limit";
        case Errc::timeout:
            return "timeout";
        case Errc::canceled:
            return "canceled";
        case Errc::unavailable:
            return "unavailable";
        case Errc::disk_full:
            return "disk_full";
        case Errc::internal:
            return "internal";
    }
    return "internal";
}

void throw_exception_from_error(const Error& error, const boost::source_location&) {
    throw ErrorException(error);
}

namespace {

Errc code_of(int error_number) {
    switch (error_number) {
        case ENOENT:
        case ENOTDIR:
            return Errc::not_found;
        case EACCES:
        case EPERM:
        case EROFS:
            return Errc::forbidden;
        case EEXIST:
        case EADDRINUSE:
        case ENOTEMPTY:
            return Errc::conflict;
        case ENOSPC:
        case EDQUOT:
            return Errc::disk_full;
        case EMFILE:
        case ENFILE:
        case ENOMEM:
        case EAGAIN:
            return Errc::limit;
        case ETIMEDOUT:
            return Errc::timeout;
        case ECONNREFUSED:
        case ECONNRESET:
        case EPIPE:
        case EHOSTUNREACH:
        case ENETUNREACH:
            return Errc::unavailable;
        default:
            return Errc::internal;
    }
}

}  // namespace

Error errno_error(int error_number, std::string_view what) {
    return Error{code_of(error_number),
                 std::string(what) + ": " + std::generic_category().message(error_number)};
}

Error prefixed(std::string_view what, Error error) {
    error.message.insert(0, std::string(what) + ": ");
    return error;
}

}  // namespace belay
