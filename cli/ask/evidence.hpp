// cli/ask/evidence.hpp: `settle gaps`, `settle verify` and `settle revisions`: what is missing, whether the
// sinks have what they acknowledged, and every value that was emitted.
#pragma once

#include <cstdint>
#include <iosfwd>
#include <string>

#include "engine/result.hpp"

namespace settle::cli {

struct EvidenceOptions {
  std::string server = "http://127.0.0.1:9009";
  std::string job{};   // id or store_path
  std::string from{};  // as parse_when takes it; "" : no bound
  std::string to{};
  std::string series{};  // revisions: "" : all
  std::uint64_t limit = 100;
  bool as_json = false;  // the answer as it came
};

/// Each returns the exit code: 0 done, 1 refused or unreachable (said on `err`).
[[nodiscard]] int list_gaps(const EvidenceOptions& options, std::ostream& out, std::ostream& err);
[[nodiscard]] int list_revisions(const EvidenceOptions& options, std::ostream& out, std::ostream& err);
/// 0 only when something was compared and nothing differs.
[[nodiscard]] int verify_job(const EvidenceOptions& options, std::ostream& out, std::ostream& err);

/// A table of one page of gaps, of revisions.
[[nodiscard]] engine::Result<std::string> format_gaps(const std::string& json);
[[nodiscard]] engine::Result<std::string> format_revisions(const std::string& json);
struct Verdict {
  std::string text;
  bool good = false;
};
[[nodiscard]] engine::Result<Verdict> format_report(const std::string& json);

}  // namespace settle::cli
