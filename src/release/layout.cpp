#include "layout.hpp"

namespace belay::release {

std::string Layout::directory(const std::string& app, ReleaseNumber number) const {
    return releases(app) + "/" + std::to_string(number);
}

std::string Layout::manifest(const std::string& app, ReleaseNumber number) const {
    return directory(app, number) + ".json";
}

std::string Layout::listing(const std::string& app, ReleaseNumber number) const {
    return directory(app, number) + ".files";
}

std::string Layout::mark(const std::string& app, ReleaseNumber number) const {
    return directory(app, number) + ".mark";
}

std::string Layout::secrets(const std::string& app, ReleaseNumber number) const {
    return secrets(app) + "/" + std::to_string(number);
}

std::string Layout::environment(const std::string& app, ReleaseNumber number,
                                const std::string& process) const {
    return secrets(app, number) + "/" + process + ".env";
}

}  // namespace belay::release
