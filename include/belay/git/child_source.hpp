// ports::Source by children `belay stage …` under the shim.
#pragma once

#include <belay/ports/source.hpp>

#include <boost/asio/any_io_executor.hpp>

#include <filesystem>
#include <memory>

namespace belay::git {

struct ChildSourceOptions {
    std::filesystem::path belay;  // the executable that dispatches `stage fetch|export|tips|diff`
    std::filesystem::path shim;
};

// Loop thread only.
std::unique_ptr<ports::Source> make_child_source(boost::asio::any_io_executor executor,
                                                 ChildSourceOptions options);

}  // namespace belay::git
