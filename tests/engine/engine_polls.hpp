// tests/engine/engine_polls.hpp: answers for engine tests, minute by minute.
#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "engine/stabilizer/engine.hpp"

namespace settle::test {

using namespace std::chrono_literals;

inline constexpr engine::Time kNoon = engine::Time{std::chrono::milliseconds{1'782'475'200'000}};

struct PolledRow {
  const char* series;
  int minute;  // after noon
  double value;
};

/// One scope's complete answer for [noon, noon + minutes).
[[nodiscard]] inline engine::ScopeAnswer make_scope(const std::vector<PolledRow>& rows, int minutes,
                                                    std::optional<engine::Time> frontier,
                                                    std::string name = "all") {
  engine::ScopeAnswer scope{.scope = std::move(name),
                            .covered = {kNoon, kNoon + 1min * minutes},
                            .completeness = engine::Completeness::complete,
                            .frontier = frontier,
                            .rows = {}};
  for (const PolledRow& row : rows) {
    scope.rows.push_back({row.series, kNoon + 1min * row.minute, engine::Value::number(row.value)});
  }
  return scope;
}

/// What `engine` says to an answer taken `after` noon whose frontier is that instant.
inline std::vector<engine::Sample> poll(engine::Engine& engine, engine::Duration after,
                                        const std::vector<PolledRow>& rows, int minutes = 10) {
  engine::Answer answer;
  answer.scopes.push_back(make_scope(rows, minutes, kNoon + after));
  return engine.ingest(answer, kNoon + after);
}

[[nodiscard]] inline engine::EngineOptions test_options() {
  engine::EngineOptions options;
  options.watch = 10min;
  options.ttl = 10min;
  return options;
}

/// What the store keeps of an engine, and an engine made of nothing else.
struct SavedEngine {
  std::vector<engine::NewSeries> series;
  std::vector<std::string> records;

  void save(engine::Engine& from) {
    engine::Changes changes = from.drain_changes();
    for (auto& one : changes.series_added) series.push_back(std::move(one));
    for (const engine::SeriesNumber number : changes.series_retired) {
      std::erase_if(series, [&](const engine::NewSeries& one) { return one.number == number; });
    }
    records.push_back(std::move(changes.record));
  }
  [[nodiscard]] engine::Result<engine::Engine> load(const engine::EngineOptions& options,
                                                    const engine::BlobOf& blob_of = {}) const {
    const std::vector<std::string_view> views(records.begin(), records.end());
    return engine::Engine::load(options, series, views, blob_of);
  }
};

}  // namespace settle::test
