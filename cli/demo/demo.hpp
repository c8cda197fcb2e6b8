// cli/demo/demo.hpp: `settle demo`: what scripts/demo needs beside a daemon and a server. Not for production.
#pragma once

#include <chrono>
#include <iosfwd>
#include <map>
#include <string>
#include <vector>

#include "cli/demo/demo_curve.hpp"
#include "engine/model/time.hpp"
#include "engine/model/value.hpp"
#include "engine/result.hpp"

namespace settle::cli {

struct DemoArguments {
  std::string recorded;    // folder of recorded fetches
  std::string trace_file;  // the arrivals made from it
  std::string server = "http://127.0.0.1:9009";
  std::string store_path;  // of the job
  std::string tsdb;        // URL of a VictoriaMetrics; "" : the builtin sink alone
  int wait_seconds = 55;   // real time
};

/// Makes the arrivals and says what is in them. Exit code.
[[nodiscard]] int make_demo_trace(const DemoArguments& arguments, std::ostream& out, std::ostream& err);
/// Waits until every minute is settled and acknowledged, then prints the table and the verdict. Exit code: 0
/// when every minute is exactly right and was pushed once.
[[nodiscard]] int report_demo(const DemoArguments& arguments, std::ostream& out, std::ostream& err);

/// One emitted sample, as the daemon's revisions tell it.
struct EmittedSample {
  engine::Time timestamp;
  engine::Value value;
  std::string reason;
  engine::Duration age{};
};
/// Of one page of GET /api/v1/revisions.
[[nodiscard]] engine::Result<std::vector<EmittedSample>> parse_revisions(const std::string& json);

/// Everything a timestamp holds in a raw export, duplicates included.
using Exported = std::multimap<engine::Time, engine::Value>;
[[nodiscard]] engine::Result<Exported> parse_export(const std::string& json_lines);

struct DemoOutcome {
  FinalCounts truth;
  FinalCounts first_seen;
  std::vector<EmittedSample> emitted;
  bool with_tsdb = false;
  Exported exported;
};
struct DemoVerdict {
  bool good = false;
  std::string text;  // table and verdict
};
[[nodiscard]] DemoVerdict judge_demo(const DemoOutcome& outcome);

}  // namespace settle::cli
