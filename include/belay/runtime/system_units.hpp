// The services of this machine's systemd, over D-Bus, and their journal.
#pragma once

#include <belay/async/timers.hpp>
#include <belay/ports/units.hpp>

#include <boost/asio/any_io_executor.hpp>

#include <memory>
#include <string>

namespace belay::runtime {

struct SystemUnitsOptions {
    // Other than this machine's only in tests.
    std::string bus_address;
    std::string journal_directory;
};

std::unique_ptr<ports::Units> make_system_units(boost::asio::any_io_executor executor,
                                                async::Timers& timers,
                                                SystemUnitsOptions options = {});

}  // namespace belay::runtime
