// bench/ddsketch_bench: merging DDSketches from their encodings, and asking them.
//
// Bounds to see beside: `array_add` adds as many doubles, `copy` moves as many bytes. The sketches are those
// of docs/sketches.md: lognormal values at 1 %, 427 bins.

#include <cmath>
#include <cstring>
#include <random>
#include <string>
#include <vector>

#include <benchmark/benchmark.h>

#include "engine/codec/asap_ddsketch.hpp"
#include "engine/codec/ddsketch_binary.hpp"
#include "engine/codec/ddsketch_proto.hpp"
#include "engine/codec/wire.hpp"
#include "engine/sketch/counts.hpp"
#include "engine/sketch/ddsketch.hpp"

namespace {

using settle::sketch::DDSketch;
using settle::sketch::Mapping;

DDSketch lognormal(std::size_t values, double sigma, std::uint64_t seed) {
  std::mt19937_64 random{seed};
  std::lognormal_distribution<double> draw{0, sigma};
  DDSketch sketch{Mapping::of_accuracy(0.01), 0};
  for (std::size_t i = 0; i < values; ++i) (void)sketch.add(draw(random));
  return sketch;
}

/// 10,000 values, about as many bins as sigma * 380.
DDSketch usual(double sigma = 1.12) {
  return lognormal(10'000, sigma, 1);
}

std::string map_encoded(const DDSketch& sketch) {
  settle::codec::WireWriter store;
  std::int64_t index = sketch.positive().range().low;
  for (const double count : sketch.positive().counts()) {
    if (count != 0) {
      settle::codec::WireWriter entry;
      entry.zigzag(1, index);
      entry.f64(2, count);
      store.bytes(1, entry.view());
    }
    ++index;
  }
  settle::codec::WireWriter mapping;
  mapping.f64(1, sketch.mapping()->gamma);
  settle::codec::WireWriter out;
  out.bytes(1, mapping.view());
  out.bytes(2, store.view());
  return std::move(out).take();
}

/// Time for each bin that the sketch spans, or for each that it holds.
void per_bin(benchmark::State& state, double bins) {
  state.counters["bins"] = bins;
  state.counters["per_bin"] =
      benchmark::Counter{bins, benchmark::Counter::kIsIterationInvariantRate | benchmark::Counter::kInvert};
}

template <class Merge>
void merge_into_full(benchmark::State& state, const std::string& blob, double bins, Merge merge) {
  DDSketch into;
  for (auto _ : state) {
    auto merged = merge(into, blob, settle::codec::Settings{});
    if (!merged) return state.SkipWithError(merged.error().detail.c_str());
    benchmark::ClobberMemory();
  }
  per_bin(state, bins);
  state.SetBytesProcessed(state.iterations() * static_cast<std::int64_t>(blob.size()));
}

double span(const DDSketch& sketch) {
  return static_cast<double>(sketch.positive().range().span());
}

void merge_packed(benchmark::State& state) {
  const DDSketch sketch = usual(static_cast<double>(state.range(0)) / 100);
  merge_into_full(state, *settle::codec::encode_ddsketch_proto(sketch), span(sketch),
                  settle::codec::merge_ddsketch_proto);
}
BENCHMARK(merge_packed)->Arg(112)->Arg(560);

/// What a blob costs besides its bins.
void merge_single(benchmark::State& state) {
  const DDSketch sketch = lognormal(1, 1, 1);
  merge_into_full(state, *settle::codec::encode_ddsketch_proto(sketch), 1,
                  settle::codec::merge_ddsketch_proto);
}
BENCHMARK(merge_single);

void merge_binary(benchmark::State& state) {
  const DDSketch sketch = usual(static_cast<double>(state.range(0)) / 100);
  merge_into_full(state, settle::codec::encode_ddsketch_binary(sketch), span(sketch),
                  settle::codec::merge_ddsketch_binary);
}
BENCHMARK(merge_binary)->Arg(112)->Arg(560);

void merge_map(benchmark::State& state) {
  const DDSketch sketch = usual(0.9);
  const std::string blob = map_encoded(sketch);
  double used = 0;
  for (const double count : sketch.positive().counts()) used += count != 0 ? 1 : 0;
  merge_into_full(state, blob, used, settle::codec::merge_ddsketch_proto);
}
BENCHMARK(merge_map);

void merge_varints(benchmark::State& state) {
  const DDSketch sketch = usual();
  merge_into_full(state, *settle::codec::encode_asap_ddsketch(sketch), span(sketch),
                  [](DDSketch& into, std::string_view blob, const settle::codec::Settings& settings) {
                    return settle::codec::merge_asap_ddsketch(into, blob, settings);
                  });
}
BENCHMARK(merge_varints);

void merge_sketches(benchmark::State& state) {
  const DDSketch sketch = usual();
  DDSketch into;
  for (auto _ : state) benchmark::DoNotOptimize(into.merge(sketch));
  per_bin(state, span(sketch));
}
BENCHMARK(merge_sketches);

void array_add(benchmark::State& state) {
  const auto size = static_cast<std::size_t>(state.range(0));
  std::vector<double> into(size);
  const std::vector<double> from(size, 1.5);
  for (auto _ : state) {
    settle::sketch::add_counts(into.data(), reinterpret_cast<const char*>(from.data()), size);
    benchmark::ClobberMemory();
  }
  per_bin(state, static_cast<double>(size));
}
BENCHMARK(array_add)->Arg(427)->Arg(2130);

void quantile(benchmark::State& state) {
  const DDSketch sketch = usual(static_cast<double>(state.range(0)) / 100);
  double q = 0.01;
  for (auto _ : state) {
    benchmark::DoNotOptimize(sketch.quantile(q));
    q = q > 0.98 ? 0.01 : q + 0.01;
  }
  per_bin(state, span(sketch));
}
BENCHMARK(quantile)->Arg(112)->Arg(560);

void add(benchmark::State& state) {
  std::mt19937_64 random{3};
  std::lognormal_distribution<double> draw{0, 1};
  std::vector<double> values(4096);
  for (double& value : values) value = draw(random);
  DDSketch sketch{Mapping::of_accuracy(0.01)};
  std::size_t at = 0;
  for (auto _ : state) benchmark::DoNotOptimize(sketch.add(values[at++ % values.size()]));
}
BENCHMARK(add);

void hash(benchmark::State& state) {
  const DDSketch sketch = usual();
  for (auto _ : state) benchmark::DoNotOptimize(canonical_hash(sketch));
}
BENCHMARK(hash);

/// 1,000 series of 60 cells, one p99 for each series. Argument 0: packed protobuf, 1: binary; the second is
/// how many values a cell holds.
void hour_of_series(benchmark::State& state) {
  constexpr std::size_t kSeries = 1000;
  constexpr std::size_t kCells = 60;
  std::vector<std::string> cells;
  std::size_t bytes = 0;
  for (std::size_t i = 0; i < kSeries * kCells; ++i) {
    // Fifty different cells, each copied: what counts is that the bytes are not in the cache already.
    if (i < 50) {
      const DDSketch sketch = lognormal(static_cast<std::size_t>(state.range(1)), 0.5, i);
      cells.push_back(state.range(0) == 0 ? *settle::codec::encode_ddsketch_proto(sketch)
                                          : settle::codec::encode_ddsketch_binary(sketch));
    } else {
      cells.push_back(cells[i % 50]);
    }
    bytes += cells.back().size();
  }
  const auto merge =
      state.range(0) == 0 ? settle::codec::merge_ddsketch_proto : settle::codec::merge_ddsketch_binary;
  DDSketch sketch;
  for (auto _ : state) {
    for (std::size_t series = 0; series < kSeries; ++series) {
      sketch.clear();
      for (std::size_t cell = 0; cell < kCells; ++cell) {
        (void)merge(sketch, cells[series * kCells + cell], settle::codec::Settings{});
      }
      benchmark::DoNotOptimize(sketch.quantile(0.99));
    }
  }
  state.counters["cell_bytes"] = static_cast<double>(bytes) / (kSeries * kCells);
}
BENCHMARK(hour_of_series)->ArgsProduct({{0, 1}, {60, 600}})->Unit(benchmark::kMillisecond);

/// One more step of a sliding window of 60 cells for 1,000 series: what came before was merged from the end
/// of the last block and from the beginning of this one, a new cell is added to the latter, and both are
/// merged to be asked.
void next_step(benchmark::State& state) {
  constexpr std::size_t kSeries = 1000;
  std::vector<DDSketch> suffixes;
  std::vector<DDSketch> prefixes;
  std::vector<std::string> cells;
  for (std::size_t i = 0; i < kSeries; ++i) {
    suffixes.push_back(lognormal(6000, 0.5, 3 * (i % 50)));
    prefixes.push_back(lognormal(6000, 0.5, 3 * (i % 50) + 1));
    cells.push_back(*settle::codec::encode_ddsketch_proto(lognormal(600, 0.5, 3 * (i % 50) + 2)));
  }
  DDSketch answer;
  for (auto _ : state) {
    for (std::size_t i = 0; i < kSeries; ++i) {
      (void)settle::codec::merge_ddsketch_proto(prefixes[i], cells[i], settle::codec::Settings{});
      answer = suffixes[i];  // into memory that it has
      (void)answer.merge(prefixes[i]);
      benchmark::DoNotOptimize(answer.quantile(0.99));
    }
  }
}
BENCHMARK(next_step)->Unit(benchmark::kMillisecond);

void copy(benchmark::State& state) {
  const auto size = static_cast<std::size_t>(state.range(0));
  const std::vector<char> from(size, 'x');
  std::vector<char> into(size);
  for (auto _ : state) {
    std::memcpy(into.data(), from.data(), size);
    benchmark::ClobberMemory();
  }
  state.SetBytesProcessed(state.iterations() * static_cast<std::int64_t>(size));
}
BENCHMARK(copy)->Arg(1 << 12)->Arg(1 << 28);

}  // namespace

BENCHMARK_MAIN();
