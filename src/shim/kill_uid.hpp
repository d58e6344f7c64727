// Ends whatever runs as one uid, in whatever session it hides.
#pragma once

namespace belay::shim {

// belay-shim kill-uid UID FIRST LAST. Exit codes: 0 done, 64 refused, 77 not permitted.
int kill_uid(int argc, char** argv);

}  // namespace belay::shim
