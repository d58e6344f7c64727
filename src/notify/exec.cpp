// A command of the administrator's own: the alert as JSON on its standard input.
#include "channel.hpp"

namespace belay::notify {

Result<Sending> write_exec(const Settings& settings, const Letter& letter) {
    const auto& command = settings.channel.run;
    CommandRun run;
    run.argv = command.shell.empty() ? command.argv
                                     : std::vector<std::string>{"/bin/sh", "-euc", command.shell};
    const auto& alert = letter.news.alert;
    run.env = {{"PATH", "/usr/local/bin:/usr/bin:/bin"},
               {"LANG", "C.UTF-8"},
               {"BELAY_ALERT_ID", letter.id},
               {"BELAY_EVENT", letter.news.test ? "test" : std::string(to_string(alert.event))},
               {"BELAY_APP", alert.app}};
    run.input = event_json(letter) + "\n";
    return run;
}

}  // namespace belay::notify
