// runner/family.hpp: a metric and its rows, made at the scrape.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include <prometheus/metric_family.h>

namespace settle::runner {

using LabelPairs = std::vector<std::pair<std::string, std::string>>;

class Family {
 public:
  /// Of gauges or counters.
  Family(std::string name, std::string help, prometheus::MetricType type = prometheus::MetricType::Gauge) {
    family_.name = std::move(name);
    family_.help = std::move(help);
    family_.type = type;
  }
  void add(double value, const LabelPairs& labels = {}) {
    prometheus::ClientMetric metric;
    for (const auto& [name, text] : labels) {
      metric.label.push_back({name, text});
    }
    metric.gauge.value = value;
    metric.counter.value = value;
    family_.metric.push_back(std::move(metric));
  }
  prometheus::MetricFamily take() && { return std::move(family_); }

 private:
  prometheus::MetricFamily family_;
};

}  // namespace settle::runner
