// cli/ask/backfill.hpp: `settle backfill`: past ranges of a job, over the REST API of a running daemon.
#pragma once

#include <cstdint>
#include <iosfwd>
#include <optional>
#include <string>

#include "engine/result.hpp"

namespace settle::cli {

struct BackfillOptions {
  std::string server = "http://127.0.0.1:9009";
  std::string job{};    // id or store_path
  std::string id{};     // of the backfill
  std::string start{};  // as parse_when takes it
  std::string end{};    // "" : now
  std::string chunk{};  // "" : the daemon's choice
  std::optional<double> rate{};
  bool force = false;
  bool watch = false;    // add: until it ends
  bool as_json = false;  // the answer as it came
};

/// Each returns the exit code: 0 done, 1 refused or unreachable (said on `err`).
[[nodiscard]] int add_backfill(const BackfillOptions& options, std::ostream& out, std::ostream& err);
[[nodiscard]] int list_backfills(const BackfillOptions& options, std::ostream& out, std::ostream& err);
[[nodiscard]] int show_backfill(const BackfillOptions& options, std::ostream& out, std::ostream& err);
/// Until it ends: 0 only when it is done, 130 when the user stops looking, else 1.
[[nodiscard]] int watch_backfill(const BackfillOptions& options, std::ostream& out, std::ostream& err);
/// `verb`: pause, resume or cancel.
[[nodiscard]] int steer_backfill(const BackfillOptions& options, const std::string& verb, std::ostream& out,
                                 std::ostream& err);

/// What an answer says of one backfill.
struct BackfillView {
  std::string id{};
  std::string job_id{};
  std::string state{};
  std::string start{};
  std::string end{};
  std::string end_effective{};
  std::string chunk{};
  std::uint64_t total = 0;
  std::uint64_t done = 0;
  std::uint64_t impossible = 0;
  std::uint64_t samples = 0;
  std::uint64_t held_back = 0;
  std::uint64_t errors = 0;
  std::string last_error{};
  std::optional<double> samples_per_second{};
  std::optional<std::uint64_t> eta_seconds{};
};
[[nodiscard]] engine::Result<BackfillView> read_backfill(const std::string& json);
/// The table of `list`, of one page.
[[nodiscard]] engine::Result<std::string> format_backfills(const std::string& json);

}  // namespace settle::cli
