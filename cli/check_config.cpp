#include "cli/check_config.hpp"

#include <map>
#include <utility>

#include "cli/config.hpp"
#include "cli/job_context.hpp"

namespace settle::cli {
namespace {

std::vector<std::string> split_lines(const std::string& text) {
  std::vector<std::string> lines;
  std::size_t from = 0;
  for (std::size_t end = text.find('\n'); end != std::string::npos; end = text.find('\n', from)) {
    lines.push_back(text.substr(from, end - from));
    from = end + 1;
  }
  lines.push_back(text.substr(from));
  return lines;
}

std::string plural(std::size_t n, const std::string& noun) {
  return std::to_string(n) + " " + noun + (n == 1 ? "" : "s");
}

/// Or to what may be one.
bool goes_to_victoriametrics(const Config& config, const runner::JobSpec& spec) {
  for (const SinkConfig& sink : config.sinks) {
    if (sink.kind != SinkKind::victoriametrics && sink.kind != SinkKind::remote_write) continue;
    for (const std::string& name : spec.sinks) {
      if (name == sink.name) return true;
    }
  }
  return false;
}

/// store_path belongs to one job; the registry would refuse the second one at start.
void check_paths(const Config& config, const std::vector<CheckedJob>& jobs,
                 std::vector<std::string>& errors) {
  std::map<std::string, std::size_t> holders;
  for (std::size_t i = 0; i < jobs.size(); ++i) {
    if (!jobs[i].spec) continue;
    const auto [holder, is_new] = holders.emplace(jobs[i].spec->store_path, i);
    if (is_new) continue;
    const JobConfig& job = config.jobs[i];
    const auto field = job.fields.find("store_path");
    errors.push_back(at(config.filename, field == job.fields.end() ? job.place : field->second) +
                     "store_path: \"" + holder->first + "\" is already the path of the job on line " +
                     std::to_string(config.jobs[holder->second].place.line));
  }
}

}  // namespace

ConfigReport check_config(const std::string& text, const std::string& filename, engine::Time now) {
  ConfigReport report;
  const auto config = parse_config(text, filename);
  if (!config) {
    report.errors = split_lines(config.error().detail);
    return report;
  }
  report.warnings = config->warnings;
  const ConfiguredContext context(*config);
  const std::vector<CheckedJob> jobs = check_jobs(*config, context, engine::Time::min());
  for (std::size_t i = 0; i < jobs.size(); ++i) {
    if (!jobs[i].spec) {
      report.errors.push_back(jobs[i].error);
      continue;
    }
    // The daemon starts with such a job, and shows it as expired.
    if (jobs[i].spec->valid_until && *jobs[i].spec->valid_until <= now) {
      report.warnings.push_back(at(filename, config->jobs[i].fields.at("valid_until")) +
                                "valid_until is past: the job polls nothing new");
    }
    if (config->jobs[i].fields.contains("corrections") &&
        jobs[i].spec->engine.corrections == engine::Corrections::repush &&
        goes_to_victoriametrics(*config, *jobs[i].spec)) {
      report.warnings.push_back(
          at(filename, config->jobs[i].fields.at("corrections")) +
          "corrections: repush needs VictoriaMetrics 1.86 or later with deduplication on; "
          "the daemon asks the server at start and refuses the job otherwise");
    }
  }
  check_paths(*config, jobs, report.errors);
  if (config->jobs.empty() && config->sources.empty()) {
    report.warnings.push_back(at(filename, {}) + "no sources: no job can be registered");
  }
  report.summary = plural(config->sources.size(), "source") + ", " + plural(config->sinks.size(), "sink") +
                   ", " + plural(config->jobs.size(), "job") + "; listens on " + config->listen +
                   ", keeps its data in " + config->data_dir;
  return report;
}

}  // namespace settle::cli
