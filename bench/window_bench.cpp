// What one more step of sliding windows costs: 1,000 series with windows of 60 one-minute DDSketch cells and
// their p99, from encoded cells. Expected: the suffixes of all series, some 120 MB, are in no cache, so each
// step reads two partials of 2 KB a series from memory, which takes about 0.5 ms; merges and the quantile
// come on top. Merged anew: 60 merges a series.

#include <chrono>
#include <cmath>
#include <cstdint>
#include <string>
#include <vector>

#include <benchmark/benchmark.h>

#include "engine/codec/ddsketch_proto.hpp"
#include "engine/query/sketch_merger.hpp"
#include "engine/query/window_merge.hpp"

namespace {

using namespace settle;

constexpr engine::Duration kMinute = std::chrono::minutes{1};
constexpr std::int64_t kBuckets = 60;
constexpr std::size_t kSeries = 1000;
constexpr std::size_t kDistinct = 64;  // blobs, used again and again

/// Lognormal latencies: about 100 bins.
std::vector<std::string> make_blobs() {
  std::vector<std::string> blobs;
  std::uint64_t state = 1;
  const auto uniform = [&] {
    state = state * 6364136223846793005U + 1442695040888963407U;
    return static_cast<double>(state >> 11) * 0x1p-53;
  };
  for (std::size_t i = 0; i < kDistinct; ++i) {
    sketch::DDSketch sketch{sketch::Mapping::of_accuracy(0.01)};
    for (int n = 0; n < 1000; ++n) {
      double sum = 0;
      for (int j = 0; j < 12; ++j) sum += uniform();
      (void)sketch.add(std::exp((sum - 6) * 0.5));
    }
    blobs.push_back(*codec::encode_ddsketch_proto(sketch));
  }
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

}  // namespace

BENCHMARK_MAIN();
