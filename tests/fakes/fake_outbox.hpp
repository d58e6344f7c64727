// ports::Outbox that keeps what it was given to write, and sends nothing.
#pragma once

#include <belay/ports/outbox.hpp>

#include <string>
#include <utility>
#include <vector>

namespace belay::test {

class FakeOutbox : public ports::Outbox {
  public:
    struct Told {
        domain::Alert alert;
        std::string channel;
    };
    // In the order in which batches were made ready; one that could not be committed is made ready
    // again.
    std::vector<Told> told;
    std::vector<ports::StatusReport> reports;
    int wakes = 0;

    // "failed>ops live>ops"
    std::string summary() const {
        std::string all;
        for (const auto& one : told)
            all += (all.empty() ? "" : " ") + std::string(to_string(one.alert.event)) + ">" +
                   one.channel;
        return all;
    }

    ports::Outgoing alert(const domain::Alert& alert, const std::string& channel) override {
        told.push_back({alert, channel});
        ports::Outgoing row;
        row.destination = channel;
        row.app = alert.app;
        row.key = alert.app + "/" + std::string(to_string(alert.event)) + "/" +
                  to_string(alert.deployment);
        row.created_at = row.next_at = alert.at;
        return row;
    }
    ports::Outgoing status(const ports::StatusReport& report) override {
        ports::Outgoing row;
        row.kind = ports::OutgoingKind::status;
        row.destination = row.app = report.app;
        row.payload = report.description;
        reports.push_back(report);
        return row;
    }
    void wake() override { ++wakes; }
    Task<Result<std::string>> test(std::string channel) override { co_return "tested " + channel; }
    std::vector<std::string> problems() override { return {"alerts don't go out"}; }
};

}  // namespace belay::test
