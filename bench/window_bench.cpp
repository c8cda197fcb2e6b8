// What windows cost: 1,000 series with windows of 60 one-minute DDSketch cells and their p99, from encoded
// cells; once as WindowMerge does it, once as a view answers it. And what gathering costs.

#include <chrono>
#include <cmath>
#include <cstdint>
#include <string>
#include <vector>

#include <benchmark/benchmark.h>

#include "engine/codec/cell/frame.hpp"
#include "engine/codec/ddsketch_proto.hpp"
#include "engine/promql/parser.hpp"
#include "engine/query/final_cells.hpp"
#include "engine/query/gather.hpp"
#include "engine/query/sketch_merger.hpp"
#include "engine/query/view.hpp"
#include "engine/query/window_merge.hpp"

namespace {

using namespace settle;

constexpr engine::Duration kMinute = std::chrono::minutes{1};
constexpr std::int64_t kBuckets = 60;
constexpr std::size_t kSeries = 1000;
constexpr std::size_t kDistinct = 64;  // blobs, used again and again

/// Of lognormal latencies: about 100 bins.
std::vector<sketch::DDSketch> make_sketches(std::size_t count) {
  std::vector<sketch::DDSketch> sketches;
  std::uint64_t state = 1;
  const auto uniform = [&] {
    state = state * 6364136223846793005U + 1442695040888963407U;
    return static_cast<double>(state >> 11) * 0x1p-53;
  };
  for (std::size_t i = 0; i < count; ++i) {
    sketch::DDSketch& sketch = sketches.emplace_back(sketch::Mapping::of_accuracy(0.01));
    for (int n = 0; n < 1000; ++n) {
      double sum = 0;
      for (int j = 0; j < 12; ++j) sum += uniform();
      (void)sketch.add(std::exp((sum - 6) * 0.5));
    }
  }
  return sketches;
}

std::vector<std::string> make_blobs() {
  std::vector<std::string> blobs;
  for (const auto& sketch : make_sketches(kDistinct)) blobs.push_back(*codec::encode_ddsketch_proto(sketch));
  return blobs;
}

const std::string* blob_at(const std::vector<std::string>& blobs, std::size_t series, engine::Time start) {
  const auto bucket = static_cast<std::size_t>(start.time_since_epoch() / kMinute);
  return &blobs[(series * 7 + bucket) % kDistinct];
}

const query::BlobMerger kMerger{.settings = {.format = codec::Format::ddsketch_proto}};

/// `inside`: without the steps that enter a block, where all series build their suffixes at once.
void step_of_windows(benchmark::State& state, bool inside) {
  const auto blobs = make_blobs();
  std::vector<query::WindowMerge<query::BlobMerger>> windows(kSeries, {kMinute, kBuckets});
  sketch::Accumulator out;
  engine::Time end{kMinute * kBuckets * 10};
  double sum = 0;
  for (auto _ : state) {
    end += kMinute;
    const bool enters = engine::floor_to(end - kMinute, kMinute * kBuckets) == end - kMinute;
    if (inside && enters) state.PauseTiming();
    for (std::size_t series = 0; series < kSeries; ++series) {
      const auto merged = windows[series].merge(
          end, [&](engine::Time start) { return blob_at(blobs, series, start); }, kMerger, out);
      if (!merged) return state.SkipWithError("refused");
      sum += std::get<sketch::DDSketch>(out).quantile(0.99).value;
    }
    if (inside && enters) state.ResumeTiming();
  }
  benchmark::DoNotOptimize(sum);
}
BENCHMARK_CAPTURE(step_of_windows, all, false)->Unit(benchmark::kMillisecond)->Iterations(240);
BENCHMARK_CAPTURE(step_of_windows, inside_a_block, true)->Unit(benchmark::kMillisecond)->Iterations(240);

void step_merged_anew(benchmark::State& state) {
  const auto blobs = make_blobs();
  sketch::Accumulator out;
  engine::Time end{kMinute * kBuckets * 10};
  double sum = 0;
  for (auto _ : state) {
    end += kMinute;
    for (std::size_t series = 0; series < kSeries; ++series) {
      if (auto* const held = std::get_if<sketch::DDSketch>(&out)) held->clear();
      for (std::int64_t i = kBuckets; i > 0; --i) {
        if (!kMerger.add(out, *blob_at(blobs, series, end - kMinute * i))) {
          return state.SkipWithError("refused");
        }
      }
      sum += std::get<sketch::DDSketch>(out).quantile(0.99).value;
    }
  }
  benchmark::DoNotOptimize(sum);
}
BENCHMARK(step_merged_anew)->Unit(benchmark::kMillisecond)->Iterations(60);

/// The cells of all series; each has bytes of its own, as those of a feed do.
struct Feed {
  Feed() {
    for (const auto& sketch : make_sketches(kDistinct)) frames.push_back(codec::encode_cell(sketch));
    for (std::size_t i = 0; i < kSeries; ++i) {
      series.push_back("latency_seconds{instance=\"host-" + std::to_string(i) + "\",job=\"api\"}");
    }
    while (next < kBuckets * 10) step();
  }
  void step() {
    const engine::Time start{kMinute * next};
    for (std::size_t i = 0; i < kSeries; ++i) {
      cells.put(series[i], start,
                engine::Blob{std::string{frames[(i * 7 + static_cast<std::size_t>(next)) % kDistinct]}});
    }
    cells.cover({start, start + kMinute});
    cells.forget_before(start - kMinute * kBuckets);
    ++next;
  }
  [[nodiscard]] engine::TimeRange newest() const {
    return {engine::Time{kMinute * (next - 1)}, engine::Time{kMinute * next}};
  }

  std::vector<std::string> frames;
  std::vector<std::string> series;
  query::FinalCells cells{kMinute};
  std::int64_t next = 0;
};

query::ViewSpec p99() {
  query::ViewSpec spec;
  spec.query = *engine::parse_job_query("quantile_over_time(0.99, latency_seconds[1h])");
  spec.feed.granularity = kMinute;
  return spec;
}

/// One hour, by a view that knows nothing yet.
void view_anew(benchmark::State& state) {
  Feed feed;
  double sum = 0;
  for (auto _ : state) {
    // At the end of a block, where all of it is a prefix, or in the middle of one.
    while (feed.next % kBuckets != state.range(0)) feed.step();
    query::View view{p99()};
    for (const auto& row : view.rows(feed.cells, feed.newest()).rows) sum += row.value;
  }
  benchmark::DoNotOptimize(sum);
}
BENCHMARK(view_anew)->Arg(0)->Arg(30)->Unit(benchmark::kMillisecond)->Iterations(20);

/// `inside`: as above.
void step_of_view(benchmark::State& state, bool inside) {
  Feed feed;
  query::View view{p99()};
  double sum = 0;
  for (auto _ : state) {
    state.PauseTiming();
    feed.step();
    if (inside && feed.next % kBuckets == 1) {
      (void)view.rows(feed.cells, feed.newest());
      feed.step();
    }
    state.ResumeTiming();
    for (const auto& row : view.rows(feed.cells, feed.newest()).rows) sum += row.value;
  }
  benchmark::DoNotOptimize(sum);
}
BENCHMARK_CAPTURE(step_of_view, all, false)->Unit(benchmark::kMillisecond)->Iterations(240);
BENCHMARK_CAPTURE(step_of_view, inside_a_block, true)->Unit(benchmark::kMillisecond)->Iterations(240);

/// The cells that a step merges, decoded and nothing else: 60 of each series.
void decode_cells(benchmark::State& state) {
  Feed feed;
  for (auto _ : state) {
    for (query::SeriesId id = 0; id < kSeries; ++id) {
      sketch::Accumulator out;
      for (std::int64_t i = 0; i < kBuckets; ++i) {
        if (!codec::merge_cell(out,
                               feed.cells.cell(id, engine::Time{kMinute * (feed.next - 1 - i)})->bytes())) {
          return state.SkipWithError("refused");
        }
      }
      benchmark::DoNotOptimize(out);
    }
  }
}
BENCHMARK(decode_cells)->Unit(benchmark::kMillisecond)->Iterations(20);

/// 30 buckets of 1,000 series; by bucket, as range queries of some sources come, or by series.
void gather_rows(benchmark::State& state, query::SketchType type, bool by_series) {
  engine::Answer answer;
  auto& scope = answer.scopes.emplace_back();
  constexpr std::size_t kWatched = 30;
  for (std::size_t i = 0; i < kSeries * kWatched; ++i) {
    const std::size_t series = by_series ? i / kWatched : i % kSeries;
    const auto bucket = static_cast<std::int64_t>(by_series ? i % kWatched : i / kSeries);
    scope.rows.push_back({.series = answer.texts.keep("latency_seconds{instance=\"host-" +
                                                      std::to_string(series) + "\",job=\"api\"}"),
                          .bucket = engine::Time{kMinute * bucket},
                          .value = engine::Value::number(static_cast<double>(i) * 0.37)});
  }
  query::CellSpec spec{.type = type, .item = {}, .building = {}};
  if (type == query::SketchType::countminsketch) spec.item = "instance";
  for (auto _ : state) benchmark::DoNotOptimize(query::gather(answer, spec, kMinute));
  state.counters["ns_per_row"] =
      benchmark::Counter(static_cast<double>(scope.rows.size()) * 1e-9,
                         benchmark::Counter::kIsIterationInvariantRate | benchmark::Counter::kInvert);
}
BENCHMARK_CAPTURE(gather_rows, stats_by_series, query::SketchType::stats, true)
    ->Unit(benchmark::kMillisecond);
BENCHMARK_CAPTURE(gather_rows, stats_by_bucket, query::SketchType::stats, false)
    ->Unit(benchmark::kMillisecond);
BENCHMARK_CAPTURE(gather_rows, ddsketch, query::SketchType::ddsketch, true)->Unit(benchmark::kMillisecond);
BENCHMARK_CAPTURE(gather_rows, hll, query::SketchType::hll, true)->Unit(benchmark::kMillisecond);
BENCHMARK_CAPTURE(gather_rows, count_min, query::SketchType::countminsketch, false)
    ->Unit(benchmark::kMillisecond);

}  // namespace

BENCHMARK_MAIN();
