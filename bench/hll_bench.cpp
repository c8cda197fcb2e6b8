// bench/hll_bench: what merging and answering distinct counts costs, beside what the memory allows in the
// same run.
//
// Bounds of this kind of machine (Zen 4, one core): a byte maximum from the first cache is limited by loads
// and stores, 4,096 registers in about 55 ns; blobs that are not in a cache by the memory, which the copy of
// as many bytes measures.

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <string>
#include <string_view>
#include <vector>

#include <benchmark/benchmark.h>

#include "engine/codec/datasketches_hll.hpp"
#include "engine/sketch/hll.hpp"
#include "engine/sketch/registers.hpp"

namespace settle::bench {
namespace {

using codec::HllType;
using sketch::Hll;

Hll built(unsigned precision, std::int64_t from, std::int64_t count) {
  Hll hll = Hll::of_precision(precision);
  for (std::int64_t item = from; item < from + count; ++item) hll.add(item);
  return hll;
}

std::string blob_of(unsigned precision, std::int64_t from, std::int64_t count, HllType type) {
  return *codec::encode_datasketches_hll(built(precision, from, count), type);
}

/// Decode and merge of a whole blob, into what holds as many items.
void merge_blob(benchmark::State& state) {
  const auto precision = static_cast<unsigned>(state.range(0));
  const std::string blob = blob_of(precision, 0, 100'000, static_cast<HllType>(state.range(1)));
  Hll into = built(precision, 50'000, 100'000);
  for (auto _ : state) {
    if (!codec::merge_datasketches_hll(into, blob)) state.SkipWithError("not merged");
    benchmark::ClobberMemory();
  }
}
BENCHMARK(merge_blob)->ArgNames({"lgK", "type"})->Args({12, 0})->Args({12, 1})->Args({12, 2})->Args({14, 2});

void merge_set(benchmark::State& state) {
  const std::string blob = blob_of(12, 0, 200, HllType::smallest);
  Hll into = built(12, 50'000, 100'000);
  for (auto _ : state) {
    if (!codec::merge_datasketches_hll(into, blob)) state.SkipWithError("not merged");
    benchmark::ClobberMemory();
  }
}
BENCHMARK(merge_set);

/// A plain loop over the bytes, as the compiler makes it.
void plain_byte_maximum(benchmark::State& state) {
  std::vector<std::uint8_t> into(4096);
  const std::vector<std::uint8_t> from(4096, 3);
  for (auto _ : state) {
    sketch::plain_loops().raise(into.data(), from.data(), into.size());
    benchmark::ClobberMemory();
  }
}
BENCHMARK(plain_byte_maximum);

void answer(benchmark::State& state) {
  const Hll hll = built(static_cast<unsigned>(state.range(0)), 0, state.range(1));
  for (auto _ : state) benchmark::DoNotOptimize(hll.answer());
}
BENCHMARK(answer)
    ->ArgNames({"lgK", "n"})
    ->Args({12, 1000})
    ->Args({12, 100'000})
    ->Args({12, 10'000'000})
    ->Args({14, 100'000});

void content_hash(benchmark::State& state) {
  const Hll hll = built(12, 0, state.range(0));
  for (auto _ : state) benchmark::DoNotOptimize(canonical_hash(hll));
}
BENCHMARK(content_hash)->Arg(200)->Arg(100'000);

void add(benchmark::State& state) {
  Hll hll = built(12, 0, 1000);
  std::int64_t item = 0;
  for (auto _ : state) hll.add(item++);
}
BENCHMARK(add);

/// 100,000 blobs of HLL_8, 414 MB, that no cache holds.
class Cold : public benchmark::Fixture {
 public:
  static constexpr std::size_t kBlobs = 100'000;

  static const std::string& blobs() {
    static const std::string all = [] {
      std::vector<std::string> kinds;
      kinds.reserve(16);
      for (int kind = 0; kind < 16; ++kind)
        kinds.push_back(blob_of(12, std::int64_t{kind} * 10'000, 10'000, HllType::hll8));
      std::string bytes;
      bytes.reserve(kBlobs * kinds[0].size());
      for (std::size_t i = 0; i < kBlobs; ++i) bytes += kinds[i % kinds.size()];
      return bytes;
    }();
    return all;
  }
};

void report(benchmark::State& state) {
  state.SetBytesProcessed(state.iterations() * static_cast<std::int64_t>(Cold::blobs().size()));
}

BENCHMARK_F(Cold, Merge)(benchmark::State& state) {
  const std::string_view bytes = blobs();
  const std::size_t size = bytes.size() / kBlobs;
  for (auto _ : state) {
    Hll into;
    for (std::size_t at = 0; at < bytes.size(); at += size) {
      if (!codec::merge_datasketches_hll(into, bytes.substr(at, size))) state.SkipWithError("not merged");
    }
    benchmark::DoNotOptimize(into.answer());
  }
  report(state);
}

/// memcpy of each blob into one buffer that stays in the cache: every byte is read once, none is written to
/// memory.
BENCHMARK_F(Cold, Copy)(benchmark::State& state) {
  const std::string_view bytes = blobs();
  const std::size_t size = bytes.size() / kBlobs;
  std::vector<char> into(size);
  for (auto _ : state) {
    for (std::size_t at = 0; at < bytes.size(); at += size) {
      std::memcpy(into.data(), bytes.data() + at, size);
      benchmark::ClobberMemory();
    }
  }
  report(state);
}

/// memcpy into as much other memory: what is usually called copy bandwidth; bytes count once.
BENCHMARK_F(Cold, CopyToMemory)(benchmark::State& state) {
  const std::string_view bytes = blobs();
  std::vector<char> into(bytes.size(), 1);
  for (auto _ : state) {
    std::memcpy(into.data(), bytes.data(), bytes.size());
    benchmark::ClobberMemory();
  }
  report(state);
}

}  // namespace
}  // namespace settle::bench

BENCHMARK_MAIN();
