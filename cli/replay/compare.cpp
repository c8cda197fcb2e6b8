#include "cli/replay/compare.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <future>
#include <thread>
#include <utility>

#include "cli/text_table.hpp"

namespace settle::cli {
namespace {

/// Every `stride`-th policy from `first` on.
struct Part {
  std::vector<engine::Finality> policies;
  std::vector<std::size_t> places;
};

std::vector<Part> split(const std::vector<engine::Finality>& policies) {
  const std::size_t cores = std::max(1u, std::thread::hardware_concurrency());
  std::vector<Part> parts(std::min(cores, policies.size()));
  for (std::size_t i = 0; i < policies.size(); ++i) {
    parts[i % parts.size()].policies.push_back(policies[i]);
    parts[i % parts.size()].places.push_back(i);
  }
  return parts;
}

double tolerance_of(const engine::Finality& policy) {
  const auto* learned = std::get_if<engine::Learned>(&policy);
  return learned == nullptr ? 0 : learned->tolerance;
}

std::string fixed_digits(double number, int digits) {
  std::array<char, 64> text{};
  const auto end =
      std::to_chars(text.data(), text.data() + text.size(), number, std::chars_format::fixed, digits);
  return {text.data(), end.ptr};
}

std::string seconds_text(engine::Duration age) {
  return engine::format_duration(std::chrono::round<std::chrono::seconds>(age));
}

}  // namespace

engine::Result<std::vector<engine::Finality>> parse_contenders(std::string_view text) {
  std::vector<engine::Finality> policies;
  const std::size_t colon = text.find(':');
  const std::string kind(text.substr(0, colon == std::string_view::npos ? text.size() : colon + 1));
  if (kind != "consecutive:" && kind != "fixed:") {
    const auto one = engine::parse_finality(text);
    if (!one) return one.error();
    policies.push_back(*one);
    return policies;
  }
  std::string_view rest = text.substr(kind.size());
  for (;;) {
    const std::size_t comma = rest.find(',');
    const auto one = engine::parse_finality(kind + std::string(rest.substr(0, comma)));
    if (!one) return one.error();
    policies.push_back(*one);
    if (comma == std::string_view::npos) return policies;
    rest.remove_prefix(comma + 1);
  }
}

engine::Result<Comparison> compare(const fetchers::TraceHistory& history, ReplayOptions options,
                                   const std::vector<engine::Finality>& policies) {
  if (options.off_by == 0) {
    for (const engine::Finality& policy : policies) {
      options.off_by = std::max(options.off_by, tolerance_of(policy));
    }
  }
  Comparison comparison;
  comparison.off_by = options.off_by;
  for (const engine::Finality& policy : policies) comparison.contenders.push_back({policy, {}});
  const std::vector<Part> parts = split(policies);
  std::vector<std::future<engine::Result<std::vector<ReplayFigures>>>> running;
  running.reserve(parts.size());
  for (const Part& part : parts) {
    running.push_back(std::async(std::launch::async, [&history, &options, &part] {
      return replay_policies(history, options, part.policies);
    }));
  }
  for (auto& one : running) one.wait();  // all use what this function owns
  for (std::size_t i = 0; i < parts.size(); ++i) {
    const auto figures = running[i].get();
    if (!figures) return figures.error();
    for (std::size_t k = 0; k < parts[i].places.size(); ++k) {
      comparison.contenders[parts[i].places[k]].figures = (*figures)[k];
    }
  }
  return comparison;
}

double share_of(std::uint64_t part, std::uint64_t all) {
  return all == 0 ? 0 : static_cast<double>(part) / static_cast<double>(all);
}

std::string percent_text(double share) {
  const double percent = 100 * share;
  if (percent == 0) return "0";
  if (percent < 0.01) return "<0.01";
  return fixed_digits(percent, percent < 1 ? 2 : percent < 10 ? 1 : 0);
}

std::string format_comparison(const Comparison& comparison) {
  std::vector<std::string> columns{"policy",       "mean age", "p99 age",     "windows", "wrong", "wrong %",
                                   "mean error %", "polls",    "corrections", "by ttl",  "frozen"};
  const bool with_off = comparison.off_by > 0;
  if (with_off) {
    columns.insert(columns.begin() + 6, "off by > " + percent_text(comparison.off_by) + " %, in %");
  }
  TextTable table(columns);
  for (const Contender& one : comparison.contenders) {
    const ReplayFigures& f = one.figures;
    std::vector<std::string> row{engine::format_finality(one.policy),
                                 seconds_text(f.mean_age),
                                 seconds_text(f.p99_age),
                                 std::to_string(f.windows),
                                 std::to_string(f.wrong_at_first),
                                 percent_text(share_of(f.wrong_at_first, f.windows)),
                                 percent_text(f.mean_error),
                                 std::to_string(f.polls),
                                 std::to_string(f.corrections),
                                 std::to_string(f.forced),
                                 std::to_string(f.frozen)};
    if (with_off) row.insert(row.begin() + 6, percent_text(share_of(f.off_at_first, f.windows)));
    table.add(std::move(row));
  }
  return table.text();
}

}  // namespace settle::cli
