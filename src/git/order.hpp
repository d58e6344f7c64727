// A job and its result as they travel between the daemon and `belay stage …`: JSON in one piece.
#pragma once

#include "failure.hpp"
#include "known_hosts.hpp"

#include <belay/ports/source.hpp>

#include <string>
#include <string_view>
#include <vector>

namespace belay::git {

// What the daemon read for the child, who may not be allowed to.
struct Material {
    std::string key;
    std::vector<KnownHostsFile> known_hosts;
    std::string ca;
};

struct FetchOrder {
    ports::FetchJob job;
    Material material;
    bool fresh_mirror = false;  // the last export found it damaged
};

struct TipsOrder {
    ports::TipsJob job;
    Material material;
};

std::string encode(const FetchOrder& order);
std::string encode(const TipsOrder& order);
std::string encode(const ports::ExportJob& job);
std::string encode(const ports::ChangesJob& job);

// Errc::invalid: not what encode() made.
Result<FetchOrder> decode_fetch_order(std::string_view text);
Result<TipsOrder> decode_tips_order(std::string_view text);
Result<ports::ExportJob> decode_export_job(std::string_view text);
Result<ports::ChangesJob> decode_changes_job(std::string_view text);

std::string encode_result(const Outcome<ports::Fetched>& outcome);
std::string encode_result(const Outcome<ports::Exported>& outcome);
std::string encode_result(const Outcome<std::vector<ports::Tip>>& outcome);
std::string encode_result(const Outcome<ports::Changes>& outcome);
std::string encode_failure(const Failure& failure);

// A text that is no result becomes SourceReason::internal.
Outcome<ports::Fetched> decode_fetched(std::string_view text);
Outcome<ports::Exported> decode_exported(std::string_view text);
Outcome<std::vector<ports::Tip>> decode_tips(std::string_view text);
Outcome<ports::Changes> decode_changes(std::string_view text);

}  // namespace belay::git
