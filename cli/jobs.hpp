// cli/jobs.hpp: `settle jobs`: the REST job API from the command line.
#pragma once

#include <iosfwd>
#include <string>

#include "engine/result.hpp"

namespace settle::cli {

struct JobsOptions {
  std::string server = "http://127.0.0.1:9009";
  bool as_json = false;     // list: the answer as it came
  std::string body_file{};  // add: a JSON object; "-" reads standard input
  bool replace = false;     // add
  std::string job_id{};     // rm: id or store_path
  bool flush = false;       // rm: what is open goes out first, as it is
};

/// Each returns the exit code: 0 done, 1 refused or unreachable, 2 no file to read (said on `err`).
[[nodiscard]] int list_jobs(const JobsOptions& options, std::ostream& out, std::ostream& err);
[[nodiscard]] int add_job(const JobsOptions& options, std::istream& in, std::ostream& out, std::ostream& err);
[[nodiscard]] int remove_job(const JobsOptions& options, std::ostream& out, std::ostream& err);

/// The table of `list`, of one page of GET /api/v1/precompute/jobs.
struct JobsPage {
  std::string rows;
  std::string next;  // "" : the last page
};
[[nodiscard]] engine::Result<JobsPage> format_jobs(const std::string& json);

}  // namespace settle::cli
