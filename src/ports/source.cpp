#include <belay/ports/source.hpp>

namespace belay::ports {

std::string_view to_string(SourceReason reason) {
    switch (reason) {
        case SourceReason::fetch_failed:
            return "fetch_failed";
        case SourceReason::fetch_timeout:
            return "fetch_timeout";
        case SourceReason::auth_failed:
            return "auth_failed";
        case SourceReason::host_key_mismatch:
            return "host_key_mismatch";
        case SourceReason::sha_unavailable:
            return "sha_unavailable";
        case SourceReason::tree_refused:
            return "tree_refused";
        case SourceReason::config_invalid:
            return "config_invalid";
        case SourceReason::disk_full:
            return "disk_full";
        case SourceReason::canceled:
            return "canceled";
        case SourceReason::internal:
            return "internal";
        case SourceReason::sha256_repository_unsupported:
            return "sha256_repository_unsupported";
    }
    return "internal";
}

void throw_exception_from_error(const SourceError& error, const boost::source_location&) {
    throw ErrorException(Error{Errc::internal, error.message});
}

}  // namespace belay::ports
