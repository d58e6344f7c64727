// config/prometheus-rules.yml asks for what there is.
#include "sample.hpp"

#include <gtest/gtest.h>

#include <cstdlib>
#include <fstream>

namespace belay::metrics {
namespace {

const std::string kRules = std::string(BELAY_SOURCE_DIR) + "/config/prometheus-rules.yml";

// The expressions, each on one line; those that are folded over several begin with "|".
std::vector<std::string> expressions() {
    std::vector<std::string> found;
    std::ifstream file(kRules);
    std::string deeper;
    for (std::string line; std::getline(file, line);) {
        const auto text = line.substr(std::min(line.find_first_not_of(' '), line.size()));
        if (!deeper.empty() && line.starts_with(deeper)) {
            found.back() += " " + text;
            continue;
        }
        deeper.clear();
        if (!text.starts_with("expr: ")) continue;
        found.push_back(text.substr(6));
        if (found.back() != "|") continue;
        found.back().clear();
        deeper = std::string(line.size() - text.size() + 2, ' ');
    }
    return found;
}

TEST(Rules, AskForMetricsThatThereAre) {
    const auto known = test::families(exposition(test::facts()));
    const auto asked = expressions();
    ASSERT_GE(asked.size(), 20u);
    std::set<std::string> used;
    for (const auto& expression : asked) {
        const std::regex name("\\b((?:belay|process)_[a-z0-9_]+)(\\{[^}]*\\})?");
        for (std::sregex_iterator at(expression.begin(), expression.end(), name), end; at != end;
             ++at) {
            auto family =
                std::regex_replace((*at)[1].str(), std::regex("_(bucket|sum|count)$"), "");
            ASSERT_TRUE(known.contains(family)) << family << " in " << expression;
            used.insert(family);
            const auto selector = (*at)[2].str();
            const std::regex label("([a-z_]+)(=~|!~|!=|=)\"([^\"]*)\"");
            for (std::sregex_iterator in(selector.begin(), selector.end(), label); in != end; ++in)
                EXPECT_TRUE((*in)[1] == "job" || known.at(family).labels.contains((*in)[1]))
                    << (*in)[1] << " in " << expression;
        }
        const std::regex grouped("\\b(?:by|on) \\(([^)]*)\\)");
        for (std::sregex_iterator at(expression.begin(), expression.end(), grouped), end; at != end;
             ++at)
            EXPECT_TRUE((*at)[1] == "instance" || (*at)[1] == "instance, app") << expression;
    }
    EXPECT_TRUE(used.contains("belay_app_healthy"));
    EXPECT_TRUE(used.contains("belay_proxy_requests_total")) << "a folded expression was read";
}

// A value that no sample ever has would make an alert that never comes.
TEST(Rules, SelectValuesThatThereAre) {
    const auto text = exposition(test::facts());
    for (const auto& expression : expressions()) {
        const std::regex selected("([a-z_]+)(=|=~)\"([^\"]*)\"");
        for (std::sregex_iterator at(expression.begin(), expression.end(), selected), end;
             at != end; ++at) {
            if ((*at)[1] == "job") continue;
            std::istringstream values((*at)[3].str());
            for (std::string value; std::getline(values, value, '|');)
                // The states of a deployment under way are samples only while one is in them.
                EXPECT_TRUE(text.find((*at)[1].str() + "=\"" + value + "\"") != text.npos ||
                            domain::parse_state(value))
                    << value << " in " << expression;
        }
    }
}

// Prometheus' own judge, where the machine has it (package prometheus).
TEST(Rules, PassPrometheusOwnCheck) {
    if (std::system("command -v promtool >/dev/null") != 0) GTEST_SKIP() << "there is no promtool";
    EXPECT_EQ(std::system(("promtool check rules '" + kRules + "' >/dev/null").c_str()), 0);
}

}  // namespace
}  // namespace belay::metrics
