// bench/engine_bench: what one observation costs the engine, beside the naive model and the memory it
// touches.
//
// 20,000 series of two labels x 10 open buckets, observed every 30 s for 120 ticks; values grow for the first
// three minutes of a bucket; threshold 3. CPU time of this process, so that a busy machine disturbs little;
// every figure is the median of three runs.

#include <algorithm>
#include <array>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <functional>
#include <random>
#include <string>
#include <vector>

#include "engine/model/series.hpp"
#include "engine/stabilizer/engine.hpp"
#include "tests/support/naive_engine.hpp"

namespace settle::bench {
namespace {

using engine::Answer;
using engine::Duration;
using engine::Time;
using engine::Value;
using std::chrono::minutes;
using std::chrono::seconds;

constexpr Duration kStep = minutes{1};
constexpr Duration kPoll = seconds{30};
constexpr int kBuckets = 10;
constexpr Time kStart = engine::from_epoch_ms(1'782'000'000'000);

double cpu_seconds() {
  timespec at{};
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &at);
  return static_cast<double>(at.tv_sec) + static_cast<double>(at.tv_nsec) * 1e-9;
}

std::vector<std::string> make_series(int count) {
  std::vector<std::string> out;
  out.reserve(static_cast<std::size_t>(count));
  for (int one = 0; one < count; ++one) {
    out.push_back(engine::series_text({{"__name__", "edge_requests_total"},
                                       {"status", std::to_string(200 + one % 50)},
                                       {"zone", "zone-" + std::to_string(one / 50)}}));
  }
  std::sort(out.begin(), out.end());
  return out;
}

enum class Order { series, bucket, shuffled };
enum class Values { growing, changing };  // for three minutes; at every poll

engine::EngineOptions make_options() {
  engine::EngineOptions options;
  options.granularity = kStep;
  options.finality = engine::Consecutive{3};
  options.watch = minutes{8};  // a bucket leaves when it is no longer observed
  options.ttl = minutes{8};
  return options;
}

/// The answer at `now`: the newest ten buckets, of which the last has not ended.
Answer make_answer(const std::vector<std::string>& series, Time now, Order order, Values values) {
  const Time newest = engine::floor_to(now, kStep);
  const auto value = [&](std::size_t one, Time bucket) {
    const Duration limit = values == Values::growing ? Duration{minutes{3}} : Duration{minutes{60}};
    const Duration grown = std::min<Duration>(now - bucket, limit);
    return Value::count(1000 + one + static_cast<std::uint64_t>(grown.count()) / 100);
  };
  engine::ScopeAnswer scope{.scope = "all",
                            .covered = {newest - (kBuckets - 1) * kStep, newest + kStep},
                            .completeness = engine::Completeness::complete,
                            .frontier = now,
                            .rows = {}};
  scope.rows.reserve(series.size() * kBuckets);
  const auto add = [&](std::size_t one, int bucket) {
    const Time start = scope.covered.from + bucket * kStep;
    scope.rows.push_back({series[one], start, value(one, start)});
  };
  if (order == Order::series) {
    for (std::size_t one = 0; one < series.size(); ++one) {
      for (int bucket = 0; bucket < kBuckets; ++bucket) add(one, bucket);
    }
  } else {
    for (int bucket = 0; bucket < kBuckets; ++bucket) {
      for (std::size_t one = 0; one < series.size(); ++one) add(one, bucket);
    }
  }
  if (order == Order::shuffled) {
    std::mt19937 random{7};
    std::shuffle(scope.rows.begin(), scope.rows.end(), random);
  }
  Answer answer;
  answer.scopes.push_back(std::move(scope));
  return answer;
}

struct Cost {
  double ingest = 0;  // ns per observation
  double expire = 0;
  double drain = 0;
  double bytes_per_cell = 0;  // of records, per changed cell
  std::size_t samples = 0;
};

/// The first `warm` ticks, which make the cells, are not measured.
Cost run_engine(const std::vector<std::string>& series, Order order, Values values, int ticks, int warm) {
  engine::Engine engine{make_options(), engine::floor_to(kStart, kStep) - (kBuckets - 1) * kStep};
  Cost cost;
  double rows = 0;
  double record_bytes = 0;
  double record_cells = 0;
  for (int tick = 0; tick < ticks; ++tick) {
    const Time now = kStart + tick * kPoll;
    const Answer answer = make_answer(series, now, order, values);
    const double start = cpu_seconds();
    const auto settled = engine.ingest(answer, now);
    const double ingested = cpu_seconds();
    const auto expired = engine.expire(now);
    const double closed = cpu_seconds();
    const auto changes = engine.drain_changes();
    const double drained = cpu_seconds();
    if (tick < warm) continue;
    cost.samples += settled.size() + expired.size();
    cost.ingest += ingested - start;
    cost.expire += closed - ingested;
    cost.drain += drained - closed;
    rows += static_cast<double>(answer.scopes[0].rows.size());
    record_bytes += static_cast<double>(changes.record.size());
    record_cells += static_cast<double>(changes.cells);
  }
  cost.ingest *= 1e9 / rows;
  cost.expire *= 1e9 / rows;
  cost.drain *= 1e9 / rows;
  cost.bytes_per_cell = record_bytes / std::max(record_cells, 1.0);
  return cost;
}

double run_naive(const std::vector<std::string>& series, int ticks, int warm) {
  test::NaiveEngine naive{make_options(), engine::floor_to(kStart, kStep) - (kBuckets - 1) * kStep};
  double spent = 0;
  double rows = 0;
  for (int tick = 0; tick < ticks; ++tick) {
    const Time now = kStart + tick * kPoll;
    const Answer answer = make_answer(series, now, Order::series, Values::growing);
    const double start = cpu_seconds();
    (void)naive.ingest(answer, now);
    if (tick < warm) continue;
    spent += cpu_seconds() - start;
    rows += static_cast<double>(answer.scopes[0].rows.size());
  }
  return spent * 1e9 / rows;
}

Cost median_of_three(const std::function<Cost()>& run) {
  std::array<Cost, 3> costs{run(), run(), run()};
  std::sort(costs.begin(), costs.end(),
            [](const Cost& a, const Cost& b) { return a.ingest + a.expire < b.ingest + b.expire; });
  return costs[1];
}

/// Bytes per nanosecond of reading memory that no cache holds.
double read_bandwidth() {
  std::vector<std::uint64_t> memory(std::size_t{1} << 25, 1);  // 256 MiB
  double best = 0;
  std::uint64_t sum = 0;
  for (int run = 0; run < 3; ++run) {
    const double start = cpu_seconds();
    for (const std::uint64_t word : memory) sum += word;
    const double spent = cpu_seconds() - start;
    best = std::max(best, static_cast<double>(memory.size() * 8) / (spent * 1e9));
  }
  if (sum == 0) std::puts("");
  return best;
}

void report_memory() {
  const auto series = make_series(100'000);
  engine::Engine engine{make_options(), engine::floor_to(kStart, kStep) - (kBuckets - 1) * kStep};
  const auto observe = [&](Time now) {
    (void)engine.ingest(make_answer(series, now, Order::series, Values::growing), now);
    (void)engine.drain_changes();
  };
  observe(kStart);
  observe(kStart + kPoll);
  const auto cells = static_cast<double>(engine.open_cells());
  std::printf("\nmemory at %.0f open cells (100,000 series x 10 buckets)\n", cells);
  std::printf("  per open cell              %7.1f bytes\n",
              static_cast<double>(engine.memory_bytes()) / cells);
  std::printf("  series table, per series   %7.1f bytes\n",
              static_cast<double>(engine.series_memory_bytes()) / static_cast<double>(engine.series_count()));
}

}  // namespace

int main_of_bench(bool with_naive) {
  const auto series = make_series(20'000);
  struct Case {
    const char* name;
    Order order;
    Values values;
  };
  const std::array cases{Case{"series order", Order::series, Values::growing},
                         Case{"bucket order", Order::bucket, Values::growing},
                         Case{"shuffled", Order::shuffled, Values::growing},
                         Case{"every value changed", Order::series, Values::changing}};
  std::printf("%-22s %10s %10s %10s %14s %10s\n", "ns per observation", "ingest", "expire", "drain",
              "bytes/changed", "samples");
  double slower_order = 0;
  for (const Case& one : cases) {
    const Cost cost = median_of_three([&] { return run_engine(series, one.order, one.values, 120, 0); });
    std::printf("%-22s %10.1f %10.1f %10.1f %14.1f %10zu\n", one.name, cost.ingest, cost.expire, cost.drain,
                cost.bytes_per_cell, cost.samples);
    if (one.values == Values::growing && one.order != Order::shuffled) {
      slower_order = std::max(slower_order, cost.ingest + cost.expire);
    }
  }
  if (with_naive) {
    const double naive = run_naive(series, 8, 2);
    std::printf("%-22s %10.1f   ingest only, 6 ticks after 2 that make the cells\n", "naive model", naive);
    std::printf("ratio to the slower of series and bucket order (ingest and expire): %.0fx\n",
                naive / slower_order);
  }
  // What a row in bucket order reads or writes where no cache holds it: the row, the label text twice (the
  // answer's and ours), slot, view, index and cell.
  const double touched =
      static_cast<double>(sizeof(engine::Observation) + 2 * series[0].size() + 8 + 16 + 4 + 48);
  const double bandwidth = read_bandwidth();
  std::printf("\nmemory bound: %.0f bytes touched per observation / %.1f bytes per ns = %.1f ns\n", touched,
              bandwidth, touched / bandwidth);
  report_memory();
  return 0;
}

}  // namespace settle::bench

int main(int count, char** arguments) {
  const bool with_naive = count < 2 || std::string(arguments[1]) != "--no-naive";
  return settle::bench::main_of_bench(with_naive);
}
