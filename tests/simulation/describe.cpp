// What a scenario is, in words (tests/simulation/scenario.hpp).
#include "tests/simulation/scenario.hpp"

namespace settle::simulation {

using engine::Duration;

namespace {

std::string in_words(Duration duration) {
  if (duration == Duration::zero()) return "0s";
  if (duration < Duration::zero()) return "-" + engine::format_duration(-duration);
  return engine::format_duration(duration);
}

std::string fault_name(SourceFault::Kind kind) {
  switch (kind) {
    case SourceFault::Kind::unreachable:
      return "is unreachable";
    case SourceFault::Kind::scope_fails:
      return "fails for";
    case SourceFault::Kind::truncated:
      return "truncates";
    case SourceFault::Kind::old_fails:
      return "fails to read what is old of";
    case SourceFault::Kind::late:
      return "answers late";
    case SourceFault::Kind::repeats:
      return "repeats old answers";
  }
  return {};
}

std::vector<std::string> source_lines(const SourceSpec& source) {
  std::vector<std::string> lines;
  lines.push_back(source.name + ": first values " + in_words(source.first_from) + " to " +
                  in_words(source.first_after) + " after a bucket's end, " +
                  std::to_string(source.revisions_max) + " revisions up to " + in_words(source.last_after) +
                  (source.has_frontier ? ", reports a frontier" : "") +
                  (source.batch > Duration::zero() ? ", publishes every " + in_words(source.batch) : "") +
                  (source.keeps ? ", keeps " + in_words(*source.keeps) : ""));
  for (const SeriesSpec& one : source.series) {
    lines.push_back("  " + one.text + " from " + engine::format_time(one.life.from) + " to " +
                    engine::format_time(one.life.to) + ", present " + std::to_string(one.present) +
                    " %, vanishes " + std::to_string(one.vanishes) + " %");
  }
  for (const SourceFault& one : source.faults) {
    lines.push_back("  " + fault_name(one.kind) + " " + one.scope + " from " +
                    engine::format_time(one.when.from) + " to " + engine::format_time(one.when.to) + " (" +
                    in_words(one.delay) + ")");
  }
  for (const engine::TimeRange& one : source.stalls) {
    lines.push_back("  stalls from " + engine::format_time(one.from) + " to " + engine::format_time(one.to));
  }
  return lines;
}

}  // namespace

std::vector<std::string> describe(const Scenario& scenario) {
  std::vector<std::string> lines;
  lines.push_back("seed " + std::to_string(scenario.seed) + ": busy for " + in_words(scenario.busy) +
                  ", then calm for " + in_words(scenario.calm));
  for (const SourceSpec& source : scenario.sources) {
    for (std::string& line : source_lines(source)) lines.push_back(std::move(line));
  }
  for (const ServerSpec& one : scenario.servers) {
    lines.push_back(one.name + ": overwrite " + std::string{sinks::overwrite_text(one.overwrite)} +
                    (one.durable ? ", durable" : ", loses the last seconds when killed") + ", busy " +
                    std::to_string(one.busy) + " %, cut " + std::to_string(one.cut) + " %, hangs " +
                    std::to_string(one.hangs) + " %, delayed " + std::to_string(one.delayed) + " %");
  }
  for (const JobPlan& one : scenario.jobs) lines.push_back(one.json);
  for (const Happening& one : scenario.happenings) {
    lines.push_back("after " + in_words(one.at) + ": " + describe(one, scenario));
  }
  return lines;
}

std::string describe(const Happening& happening, const Scenario& scenario) {
  using Kind = Happening::Kind;
  const std::string length = in_words(happening.length);
  switch (happening.kind) {
    case Kind::crash: {
      constexpr const char* kMoments[] = {" more steps", " commits, before the next",
                                          " commits, after the next"};
      return "the daemon dies in " + std::to_string(happening.steps) +
             kMoments[static_cast<std::size_t>(happening.moment)] + ", for " + length;
    }
    case Kind::restart:
      return "the daemon is stopped for " + length;
    case Kind::sleep:
      return "the machine sleeps for " + length;
    case Kind::skew:
      return "the machine's clock is off by " + length;
    case Kind::slow_pool:
      return "the pool stands still for " + length;
    case Kind::slow_disk:
      return "the disk stands still for " + length;
    case Kind::full_disk:
      return "the disk is full for " + length;
    case Kind::kill_server:
      return scenario.servers[happening.which].name + " is killed for " + length;
    case Kind::lose_overwrite:
      return scenario.servers[happening.which].name +
             (happening.length > Duration::zero() ? " keeps both values for " + length : " overwrites again");
    case Kind::post:
      return "post " + scenario.jobs[happening.which].path;
    case Kind::remove:
      return (happening.steps > 0 ? "flush and remove " : "remove ") + scenario.jobs[happening.which].path;
    case Kind::replace:
      return "replace by " + scenario.jobs[happening.which].json;
    case Kind::backfill:
      return std::string{happening.steps > 0 ? "forced backfill" : "backfill"} + " of the last " + length +
             " for " + scenario.jobs[happening.which].path;
    case Kind::pause:
      return "pause the backfills of " + scenario.jobs[happening.which].path;
    case Kind::resume:
      return "resume the backfills of " + scenario.jobs[happening.which].path;
    case Kind::drop_source:
      return scenario.sources[happening.which].name +
             (happening.length > Duration::zero() ? " leaves the configuration for " + length : " is back");
  }
  return {};
}

}  // namespace settle::simulation
