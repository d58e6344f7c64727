// The data plane as a process of its own: DIRECTORY [OPTION=MILLISECONDS]...; or as its predecessor
// starts it: proxy --directory DIRECTORY ...
#include <belay/proxy/run.hpp>

#include <cstdlib>
#include <map>
#include <string>

int main(int argc, char** argv) {
    belay::proxy::ProxyOptions options;
    if (argc < 2) return 2;
    options.directory = argv[1];
    if (options.directory == "proxy" && argc > 3) {
        options.directory = argv[3];
        return belay::proxy::run(options);
    }
    std::map<std::string, belay::Millis*> known = {{"header", &options.header_timeout},
                                                   {"keep_alive", &options.keep_alive_timeout},
                                                   {"connect", &options.connect_timeout},
                                                   {"body", &options.body_timeout},
                                                   {"stop", &options.stop_timeout}};
    for (int i = 2; i < argc; ++i) {
        std::string argument = argv[i];
        auto equals = argument.find('=');
        auto at = known.find(argument.substr(0, equals));
        if (equals == std::string::npos || at == known.end()) return 2;
        *at->second = belay::Millis{std::atoi(argument.c_str() + equals + 1)};
    }
    return belay::proxy::run(options);
}
