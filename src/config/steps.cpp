#include "config/steps.hpp"

#include <fmt/format.h>

namespace belay::config {
namespace {

using domain::AppConfig;
using domain::Step;

struct StepReader {
    std::string name;
    Keys<Step> keys;
    std::vector<Step> AppConfig::* member;

    void operator()(Reading& reading, const std::string& path, const Value& value,
                    AppConfig& app) const {
        bool one = value.is(Value::Kind::table);
        if (!one && !value.is_table_list() && !(value.is(Value::Kind::list) && value.items.empty()))
            return reading.error(value.place, path,
                                 fmt::format("wants a table [{0}], or several [[{0}]], not {1}",
                                             name, in_words(value)));
        std::vector<Step> steps;
        auto count = one ? 1 : value.items.size();
        for (std::size_t i = 0; i < count; ++i) {
            auto where = one ? path : fmt::format("{}[{}]", path, i + 1);
            read_one(reading, where, one ? value : value.items[i], steps);
        }
        app.*member = std::move(steps);
    }

    void read_one(Reading& reading, const std::string& where, const Value& value,
                  std::vector<Step>& steps) const {
        Step step;
        step.name = steps.empty() ? name : fmt::format("{}-{}", name, steps.size() + 1);
        reading.note(where, value.place);
        read_table(reading, where, value, step, keys);
        if (value.get("run") != nullptr) return steps.push_back(std::move(step));
        // [defaults.build] may well say how long a build may take without saying what it is
        if (value.place.source == Source::server) return;
        reading.error(value.place, joined(where, "run"), "is missing: the command of this step");
    }

    Value write(const AppConfig& app) const {
        std::vector<Value> items;
        for (const auto& step : app.*member)
            items.push_back(write_table(step, keys));
        return list(std::move(items));
    }
};

}  // namespace

Key<AppConfig> steps_key(std::string name, Keys<Step> keys, std::vector<Step> AppConfig::* member,
                         std::string about) {
    Key<AppConfig> made;
    made.info = {name, "table or tables", "", std::move(about), "", infos(keys), false};
    StepReader reader{std::move(name), std::move(keys), member};
    made.read = reader;
    made.write = [reader](const AppConfig& app) { return reader.write(app); };
    return made;
}

}  // namespace belay::config
