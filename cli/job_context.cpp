#include "cli/job_context.hpp"

#include <algorithm>
#include <string_view>

namespace settle::cli {
namespace {

constexpr const char* kBuiltin = "builtin";

template <class Named>
const Named* find_named(const std::vector<Named>& all, const std::string& name) {
  const auto it =
      std::find_if(all.begin(), all.end(), [&name](const Named& one) { return one.name == name; });
  return it == all.end() ? nullptr : &*it;
}

/// Scheme, host and port, without the path.
std::string_view origin_of(std::string_view url) {
  const std::size_t host = url.find("://");
  const std::size_t path = url.find('/', host == std::string_view::npos ? 0 : host + 3);
  return url.substr(0, path);
}

}  // namespace

engine::Result<engine::Liveness> ConfiguredContext::source(const std::string& name,
                                                           const engine::Selector& selector,
                                                           engine::Duration) const {
  const SourceConfig* found = find_named(config_.sources, name);
  if (found == nullptr) return engine::refused("there is no source \"" + name + "\" in the configuration");
  if (found->kind == SourceKind::prometheus && !found->queries.contains(selector.metric())) {
    return engine::refused("the source \"" + name + "\" has no query for the metric \"" + selector.metric() +
                           "\": add it under \"queries\"");
  }
  return found->liveness;
}

runner::JobContext::SinkFacts ConfiguredContext::sink(const std::string& name) const {
  const bool exists = name == kBuiltin || find_named(config_.sinks, name) != nullptr;
  return {.exists = exists, .overwrites = exists, .keeps_larger = false, .why_not = {}};
}

std::string ConfiguredContext::default_sink() const {
  for (const SinkConfig& sink : config_.sinks) {
    if (sink.is_default) return sink.name;
  }
  return config_.sinks.size() == 1 ? config_.sinks.front().name : kBuiltin;
}

std::vector<std::string> ConfiguredContext::source_names() const {
  std::vector<std::string> names;
  for (const SourceConfig& source : config_.sources) names.push_back(source.name);
  return names;
}

std::vector<std::string> ConfiguredContext::sink_names() const {
  std::vector<std::string> names;
  for (const SinkConfig& sink : config_.sinks) names.push_back(sink.name);
  if (find_named(config_.sinks, kBuiltin) == nullptr) names.emplace_back(kBuiltin);
  std::sort(names.begin(), names.end());
  return names;
}

bool ConfiguredContext::same_server(const std::string& source, const std::string& sink) const {
  const SourceConfig* from = find_named(config_.sources, source);
  const SinkConfig* to = find_named(config_.sinks, sink);
  return from != nullptr && to != nullptr && !from->endpoint.url.empty() &&
         origin_of(from->endpoint.url) == origin_of(to->endpoint.url);
}

std::vector<CheckedJob> check_jobs(const Config& config, const runner::JobContext& context,
                                   engine::Time source_now) {
  std::vector<CheckedJob> checked;
  for (const JobConfig& job : config.jobs) {
    auto spec = runner::parse_job(job.json, context, source_now);
    CheckedJob one;
    if (spec && !spec->unfit) {
      one.spec = *std::move(spec);
    } else {
      const runner::Refusal& refusal = spec ? *spec->unfit : spec.refusal();
      const auto field = job.fields.find(refusal.field);
      const Place place = field == job.fields.end() ? job.place : field->second;
      one.error =
          at(config.filename, place) + (refusal.field.empty() ? "" : refusal.field + ": ") + refusal.detail;
    }
    checked.push_back(std::move(one));
  }
  return checked;
}

}  // namespace settle::cli
