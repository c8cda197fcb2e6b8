#include "cli/config/check_config.hpp"

#include <cstddef>
#include <filesystem>
#include <system_error>
#include <utility>

#include "cli/config/config.hpp"
#include "cli/job_context.hpp"
#include "runner/jobs/registry_draft.hpp"

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

/// Why the registry would refuse the job at start, in the words of a file. `holder` is the job that is in the
/// way.
std::string describe(const runner::Refusal& refusal, const runner::JobSpec& spec, const JobConfig& holder) {
  const std::string line = std::to_string(holder.place.line);
  if (refusal.field == "store_path") {
    return "store_path: \"" + spec.store_path + "\" is already the path of the job on line " + line;
  }
  return "record: the job on line " + line + " may write series of \"" + spec.record +
         "\" to the same sink; give another record, or labels that tell them apart";
}

/// What the registry would say, were the jobs registered one after another.
void check_together(const Config& config, const std::vector<CheckedJob>& jobs,
                    std::vector<std::string>& errors) {
  runner::RegistryState state;
  std::size_t number = 0;  // of the job that is added; streams get ids as well, and those refuse nothing
  for (; number < jobs.size(); ++number) {
    if (!jobs[number].spec) continue;
    const runner::JobSpec& spec = *jobs[number].spec;
    const runner::RegistryDraft::Edge edge{
        .wall_now = {}, .job_grace = {}, .make_id = [&number] { return std::to_string(number); }};
    runner::RegistryDraft draft(state, edge);
    const auto added = draft.add(config.tenant, spec, runner::Origin::config, false);
    if (added && added->how == runner::Added::How::created) {
      std::move(draft).apply(state);
      continue;
    }
    const runner::Refusal refusal =
        added ? runner::Refusal{.field = "store_path", .detail = {}, .job_id = added->job.id}
              : added.refusal();
    const JobConfig& job = config.jobs[number];
    auto field = job.fields.find(refusal.field);
    if (field == job.fields.end())
      field = job.fields.find("query");  // names the output where record does not
    errors.push_back(at(config.filename, field == job.fields.end() ? job.place : field->second) +
                     describe(refusal, spec, config.jobs[std::stoul(refusal.job_id)]));
  }
}

void check_files(const Config& config, std::vector<std::string>& errors) {
  for (const SourceConfig& source : config.sources) {
    std::error_code ignored;
    if (source.file.empty() || std::filesystem::exists(source.file, ignored)) continue;
    errors.push_back(at(config.filename, source.file_at.place) + "file: there is no " + source.file);
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
  check_files(*config, report.errors);
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
  check_together(*config, jobs, report.errors);
  if (config->jobs.empty() && config->sources.empty()) {
    report.warnings.push_back(at(filename, {}) + "no sources: no job can be registered");
  }
  report.summary = plural(config->sources.size(), "source") + ", " + plural(config->sinks.size(), "sink") +
                   ", " + plural(config->jobs.size(), "job") + "; listens on " + config->listen +
                   ", keeps its data in " + config->data_dir;
  return report;
}

}  // namespace settle::cli
