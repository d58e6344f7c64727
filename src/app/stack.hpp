// What kind of application a folder holds, by the files that its tools need (`belay init`).
#pragma once

#include <belay/config/app_file.hpp>

#include <functional>
#include <string>

namespace belay::app {

// `read` gives a file's text by its path relative to the folder, empty where there is none. Fills
// build, test, services and stack.
void detect_stack(config::AppFileDraft& draft,
                  const std::function<std::string(const std::string&)>& read);

}  // namespace belay::app
