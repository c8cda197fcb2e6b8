// tests/support/fake_context.hpp: a configuration with two sources and five sinks, for what checks requests.
#pragma once

#include <string>
#include <vector>

#include "runner/jobs/job.hpp"

namespace settle::test {

class FakeContext : public runner::JobContext {
 public:
  std::string default_sink_name = "builtin";
  std::size_t series_limit = 1000;

  [[nodiscard]] engine::Result<engine::Liveness> source(const std::string& name,
                                                        const engine::Selector& selector,
                                                        engine::Duration /*granularity*/) const override {
    if (selector.metric() == "never")
      return engine::refused("source \"" + name + "\" has no metric \"never\"");
    return engine::Liveness::frontier;
  }
  [[nodiscard]] SinkFacts sink(const std::string& name) const override {
    if (name == "tsdb") return {.exists = true, .why_not = "it keeps both values"};
    if (name == "larger") return {.exists = true, .keeps_larger = true, .why_not = "it keeps the larger"};
    if (name == "ordered") return {.exists = true, .why_not = "", .out_of_order_window = engine::Duration{}};
    if (name == "patient") {
      return {
          .exists = true, .why_not = "", .out_of_order_window = engine::Duration{std::chrono::minutes{30}}};
    }
    const bool known = name == "builtin" || name == "log" || name == "here";
    return {.exists = known, .overwrites = known, .why_not = ""};
  }
  [[nodiscard]] std::string default_sink() const override { return default_sink_name; }
  [[nodiscard]] std::vector<std::string> source_names() const override { return {"edge", "trace"}; }
  [[nodiscard]] std::vector<std::string> sink_names() const override {
    return {"builtin", "here", "larger", "log", "tsdb"};
  }
  [[nodiscard]] bool same_server(const std::string& source, const std::string& sink) const override {
    return source == "edge" && sink == "here";
  }
  [[nodiscard]] std::size_t series_max() const override { return series_limit; }
  [[nodiscard]] std::size_t open_cells_max() const override { return 5000; }
};

}  // namespace settle::test
