// docs/configuration.md and the example files say what the table of keys says. BELAY_UPDATE_DOCS=1
// writes the tables.
#include "config/reference.hpp"
#include "config/tables.hpp"
#include "reading.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <fstream>

namespace belay::config {
namespace {

const std::string kSource = BELAY_SOURCE_DIR;
const std::string kPage = kSource + "/docs/configuration.md";

void hold(const std::string& name, const std::vector<KeyInfo>& keys) {
    auto begin_mark = "<!-- keys of " + name + ": made from the table in src/config -->\n";
    std::string end_mark = "<!-- end of keys -->";
    auto page = file_content(kPage);
    auto begin = page.find(begin_mark);
    ASSERT_NE(begin, page.npos) << "docs/configuration.md has lost its mark for " << name;
    begin += begin_mark.size();
    auto end = page.find(end_mark, begin);
    ASSERT_NE(end, page.npos);
    auto wanted = "\n" + key_reference(keys) + "\n";
    if (std::getenv("BELAY_UPDATE_DOCS") != nullptr)
        std::ofstream(kPage) << page.replace(begin, end - begin, wanted);
    EXPECT_EQ(file_content(kPage).substr(begin, wanted.size()), wanted)
        << "run unit_config with BELAY_UPDATE_DOCS=1 to write docs/configuration.md anew";
}

TEST(Documentation, ListsTheKeysOfBelayToml) {
    hold("belay.toml", server_key_infos());
}
TEST(Documentation, ListsTheKeysOfAnAppsFile) {
    hold("an app's file", app_key_infos());
}

// "traffic.rollback_on.baseline" is there as a key `baseline` or in an inline table.
void expect_every_key(const std::string& text, const std::vector<KeyInfo>& keys) {
    for (const auto& path : key_paths(keys)) {
        auto name = path.substr(path.rfind('.') == path.npos ? 0 : path.rfind('.') + 1);
        EXPECT_NE(text.find(name), text.npos) << path;
    }
}

std::vector<std::string> errors_of(const std::vector<ports::Complaint>& complaints) {
    std::vector<std::string> errors;
    for (const auto& each : complaints)
        if (!each.warning) errors.push_back(each.to_string());
    return errors;
}

// The examples as they are, and with every line that is commented out put into force.
std::string uncommented(const std::string& text) {
    std::string result;
    std::size_t at = 0;
    while (at < text.size()) {
        auto end = std::min(text.find('\n', at), text.size());
        auto line = text.substr(at, end - at);
        if (line.starts_with("#= ")) line = line.substr(3);
        result += line + "\n";
        at = end + 1;
    }
    return result;
}

TEST(Examples, OfBelayTomlIsValidAndWhole) {
    auto text = file_content(kSource + "/config/belay.toml");
    EXPECT_THAT(lines_of(server_of(text).complaints), ::testing::IsEmpty());
    EXPECT_EQ(server_of(text).config, domain::ServerConfig{}) << "the example says the defaults";
    EXPECT_THAT(errors_of(server_of(uncommented(text)).complaints), ::testing::IsEmpty());
    expect_every_key(text, server_key_infos());
}

TEST(Examples, OfAnAppIsValidAndWhole) {
    auto text = file_content(kSource + "/config/apps/example.toml");
    EXPECT_THAT(lines_of(app_of(text).complaints), ::testing::IsEmpty());
    auto server = server_of("[notify.ops]\ntype = \"slack\"\n");
    EXPECT_THAT(errors_of(app_of(uncommented(text), server).complaints), ::testing::IsEmpty());
    expect_every_key(text, app_key_infos());
}

}  // namespace
}  // namespace belay::config
