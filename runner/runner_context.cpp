#include <algorithm>

#include "runner/runner_impl.hpp"

namespace settle::runner {

namespace {

std::string joined(const std::vector<std::string>& names) {
  std::string text;
  for (const std::string& name : names) {
    text += (text.empty() ? "" : ", ") + name;
  }
  return text.empty() ? "none" : text;
}

}  // namespace

engine::Result<engine::Liveness> Runner::Impl::source(const std::string& name,
                                                      const engine::Selector& selector,
                                                      engine::Duration granularity) const {
  const auto found = sources.find(name);
  if (found == sources.end()) {
    return engine::refused("no source is called " + name + "; configured: " + joined(source_names()));
  }
  if (engine::Result<void> accepted = found->second.fetcher->accepts(selector, granularity); !accepted) {
    return accepted.error();
  }
  return found->second.fetcher->liveness();
}

JobContext::SinkFacts Runner::Impl::sink(const std::string& name) const {
  const auto found = sinks.find(name);
  if (found == sinks.end()) {
    return {};
  }
  const PumpStatus status = found->second.pump->status();
  const sinks::Capabilities can = status.health && status.health->reachable
                                      ? status.health->capabilities
                                      : found->second.sink->capabilities();
  SinkFacts facts{.exists = true,
                  .overwrites = false,
                  .keeps_larger = false,
                  .why_not = {},
                  .out_of_order_window = can.out_of_order_window,
                  .overwrite_known = can.overwrite_known,
                  .window_known = can.window_known};
  facts.overwrites =
      can.overwrite == sinks::Overwrite::last_wins || can.overwrite == sinks::Overwrite::append_log;
  facts.keeps_larger = can.overwrite == sinks::Overwrite::max_wins;
  if (!facts.overwrites) {
    facts.why_not =
        facts.keeps_larger
            ? "sink " + name + " keeps the larger of two values, so a correction downwards is lost"
            : "sink " + name + " keeps both values of one timestamp";
  }
  return facts;
}

std::string Runner::Impl::default_sink() const {
  std::string only;
  std::size_t configured = 0;
  for (const auto& [name, part] : sinks) {
    if (part.is_default) {
      return name;
    }
    if (name != "builtin") {
      only = name;
      configured += 1;
    }
  }
  return configured == 1 ? only : "builtin";
}

std::vector<std::string> Runner::Impl::source_names() const {
  std::vector<std::string> names;
  for (const auto& [name, part] : sources) {
    names.push_back(name);
  }
  return names;
}

std::vector<std::string> Runner::Impl::sink_names() const {
  std::vector<std::string> names;
  for (const auto& [name, part] : sinks) {
    names.push_back(name);
  }
  return names;
}

bool Runner::Impl::same_server(const std::string& source, const std::string& sink) const {
  const auto from = sources.find(source);
  const auto to = sinks.find(sink);
  return from != sources.end() && to != sinks.end() && !from->second.server.empty() &&
         from->second.server == to->second.server;
}

}  // namespace settle::runner
