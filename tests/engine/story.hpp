// tests/engine/story.hpp: short stories about one stream, told to the engine and to its naive model alike.
#pragma once

#include <map>
#include <string>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include "tests/support/engine_driver.hpp"

namespace settle::test {

using namespace std::chrono_literals;

using BothEngines = ::testing::Types<NaiveEngine, EngineDriver>;

/// Minute `n` of every story is the bucket [n, n + 1) minutes after this.
inline constexpr Time kMinuteZero = Time{Duration{1'782'482'400'000}};

/// Consecutive three, gauge, repush, watch and ttl ten minutes.
[[nodiscard]] inline engine::EngineOptions story_options() {
  engine::EngineOptions options;
  options.watch = 10min;
  options.ttl = 10min;
  return options;
}

template <class E>
class Story {
 public:
  explicit Story(engine::EngineOptions options = story_options()) : engine_(options, kMinuteZero) {}

  /// From now on the source's scope says this; a set value stays until it is set again or erased.
  void set(const std::string& series, int minute, Value value, const std::string& scope = "a") {
    source_[scope][{minute, series}] = value;
  }
  void set(const std::string& series, int minute, std::uint64_t n, const std::string& scope = "a") {
    set(series, minute, Value::count(n), scope);
  }
  void erase(const std::string& series, int minute, const std::string& scope = "a") {
    source_[scope].erase({minute, series});
  }
  /// Makes the scope known, with nothing to say yet.
  void add_scope(const std::string& scope) { (void)source_[scope]; }

  /// Every scope answers completely for [minute zero, now); the frontier is `now`.
  std::string poll(Duration now) { return ingest(now, now, source_); }
  /// The frontier stays where it is told to be.
  std::string poll_frozen(Duration now, Duration frontier) { return ingest(now, frontier, source_); }
  /// Only this scope answers.
  std::string poll_scope(Duration now, const std::string& scope) {
    return ingest(now, now, {{scope, source_[scope]}});
  }
  /// Polls `count` times, every 20 s from `from` on, and joins what came out.
  std::string polls(Duration from, int count) {
    std::string all;
    for (int i = 0; i < count; ++i) all += poll(from + 20s * i);
    return all;
  }
  std::string poll_parts(Duration now, const std::vector<HistoryPart>& parts) {
    return text(engine_.ingest(make_answer(parts), kMinuteZero + now));
  }
  std::string expire(Duration now) { return text(engine_.expire(kMinuteZero + now)); }
  std::string flush(Duration now) { return text(engine_.flush(kMinuteZero + now)); }
  std::vector<NaiveGap> release(int minute) { return engine_.release(kMinuteZero + 1min * minute); }
  void restart() { reload(engine_); }

  [[nodiscard]] E& engine() { return engine_; }
  [[nodiscard]] engine::EngineStats stats() const { return engine_.stats(); }
  [[nodiscard]] int live_from() const { return static_cast<int>((engine_.live_from() - kMinuteZero) / 1min); }
  /// The one cell of `series` in `minute`; asserts that it is there.
  [[nodiscard]] NaiveCellView cell(const std::string& series, int minute) const {
    for (const auto& cell : engine_.cells()) {
      if (cell.series == series && cell.bucket == kMinuteZero + 1min * minute) return cell;
    }
    ADD_FAILURE() << "no cell of " << series << " in minute " << minute;
    return {};
  }

 private:
  using Rows = std::map<std::pair<int, std::string>, Value>;

  std::string ingest(Duration now, Duration frontier, const std::map<std::string, Rows>& scopes) {
    std::vector<HistoryPart> parts;
    for (const auto& [scope, rows] : scopes) {
      HistoryPart& part = parts.emplace_back();
      part.scope = scope;
      part.covered = {kMinuteZero, engine::ceil_to(kMinuteZero + now, 1min)};
      part.frontier = kMinuteZero + frontier;
      for (const auto& [key, value] : rows) {
        if (1min * key.first >= now) continue;
        part.rows.push_back({key.second, kMinuteZero + 1min * key.first, value});
      }
    }
    return poll_parts(now, parts);
  }

  /// `m@0=5 r1 settled; ` for each sample.
  static std::string text(const std::vector<NaiveSample>& samples) {
    std::string out;
    for (const auto& sample : samples) {
      out += sample.series + "@" + std::to_string((sample.bucket - kMinuteZero) / 1min) + "=" +
             engine::format_value(sample.value) + " r" + std::to_string(sample.revision) + " " +
             std::string{engine::reason_text(sample.reason)} + "; ";
    }
    return out;
  }

  E engine_;
  std::map<std::string, Rows> source_;
};

}  // namespace settle::test
