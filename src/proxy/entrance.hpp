// Where clients come in: an address that is listened on, shared with the connections that came in
// there.
#pragma once

#include <belay/base/address.hpp>

namespace belay::proxy {

struct Entrance {
    Endpoint address;
    bool closing = false;  // nobody asks for it any more: an answer is the last on its connection
};

}  // namespace belay::proxy
