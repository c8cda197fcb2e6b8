// Heavy hitters: merging blobs beside the plain loop that bounds it, in the same run. Rates are per second:
// cells of matrices, entries of frequent items.

#include <cstdint>
#include <cstring>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include <benchmark/benchmark.h>

#include "engine/codec/asap_matrix.hpp"
#include "engine/codec/datasketches_count_min.hpp"
#include "engine/codec/datasketches_frequent_items.hpp"
#include "engine/sketch/count_min.hpp"
#include "engine/sketch/frequent_items.hpp"

namespace {

using namespace settle;
using codec::Settings;

void append(std::string& out, std::uint64_t value, std::size_t bytes) {
  for (std::size_t i = 0; i < bytes; ++i) out.push_back(static_cast<char>(value >> (8 * i)));
}

/// A Count-Min sketch as DataSketches writes it.
std::string count_min_blob(std::uint32_t rows, std::uint32_t cols, bool doubles) {
  std::string blob{2, 1, 18, 0, 0, 0, 0, 0};
  append(blob, cols, 4);
  append(blob, rows, 1);
  append(blob, sketch::datasketches_seed_hash(9001), 2);
  append(blob, 0, 1);
  append(blob, 1000, 8);
  std::mt19937_64 random{1};
  for (std::size_t i = 0; i < std::size_t{rows} * cols; ++i) {
    const std::uint64_t count = random() % 1000;
    const double real = static_cast<double>(count) / 2;
    std::uint64_t bits = count;
    if (doubles) std::memcpy(&bits, &real, sizeof bits);
    append(blob, bits, 8);
  }
  return blob;
}

// The bound: cells of f64 added from memory as it lies in the blob, by what the compiler makes of the plain
// loop.
__attribute__((target("avx2"))) void add_plainly(double* cells, const char* from, std::size_t n) {
  for (std::size_t i = 0; i < n; ++i) {
    double cell = 0;
    std::memcpy(&cell, from + 8 * i, sizeof cell);
    cells[i] += cell;
  }
}
void plain_array_add(benchmark::State& state) {
  const auto n = static_cast<std::size_t>(state.range(0) * state.range(1));
  const std::string blob = count_min_blob(static_cast<std::uint32_t>(state.range(0)),
                                          static_cast<std::uint32_t>(state.range(1)), true);
  std::vector<double> into(n);
  for (auto unused : state) {
    add_plainly(into.data(), blob.data() + 24, n);
    benchmark::ClobberMemory();
  }
  state.SetItemsProcessed(state.iterations() * state.range(0) * state.range(1));
}

void merge_count_min(benchmark::State& state, bool doubles) {
  const std::string blob = count_min_blob(static_cast<std::uint32_t>(state.range(0)),
                                          static_cast<std::uint32_t>(state.range(1)), doubles);
  Settings settings;
  settings.element = doubles ? Settings::Element::f64 : Settings::Element::u64;
  sketch::CountMin into;
  for (auto unused : state) {
    if (!codec::merge_datasketches_count_min(into, blob, settings)) state.SkipWithError("refused");
    benchmark::ClobberMemory();
  }
  state.SetItemsProcessed(state.iterations() * state.range(0) * state.range(1));
}
void count_min_u64(benchmark::State& state) {
  merge_count_min(state, false);
}
void count_min_f64(benchmark::State& state) {
  merge_count_min(state, true);
}

// As ASAP's collector sends it: varints, and few cells that are not zero.
void count_min_asap(benchmark::State& state) {
  sketch::CountMin from{sketch::MatrixSketch::kDefaultShape};
  for (std::int64_t i = 0; i < state.range(0); ++i)
    from.add({"flow-" + std::to_string(i)}, 1 + static_cast<double>(i % 200));
  const std::string blob = codec::encode_asap_matrix(from);
  sketch::CountMin into;
  for (auto unused : state) {
    if (!codec::merge_asap_count_min(into, blob, 1)) state.SkipWithError("refused");
    benchmark::ClobberMemory();
  }
  state.SetItemsProcessed(state.iterations() * static_cast<std::int64_t>(from.matrix().shape().cells()));
}

std::string item_blob(std::int64_t items, bool integers) {
  sketch::FrequentItems from;
  for (std::int64_t i = 0; i < items; ++i) {
    const std::uint64_t number = static_cast<std::uint64_t>(i) * 7919;
    const std::string text = "item-" + std::to_string(number);
    const std::string_view bytes{reinterpret_cast<const char*>(&number), sizeof number};
    (void)from.add(integers ? sketch::Key{bytes, sketch::KeyKind::i64} : sketch::Key{text},
                   100.0 + static_cast<double>(i));
  }
  return codec::encode_datasketches_frequent_items(from);
}

void frequent_items(benchmark::State& state, bool integers) {
  const std::string blob = item_blob(state.range(0), integers);
  Settings settings;
  settings.item = integers ? Settings::Item::i64 : Settings::Item::text;
  sketch::FrequentItems into;
  for (auto unused : state) {
    if (!codec::merge_datasketches_frequent_items(into, blob, settings)) state.SkipWithError("refused");
  }
  state.SetItemsProcessed(state.iterations() * state.range(0));
}
void frequent_texts(benchmark::State& state) {
  frequent_items(state, false);
}
void frequent_integers(benchmark::State& state) {
  frequent_items(state, true);
}
/// Into a fresh accumulator: every item is new.
void frequent_texts_fresh(benchmark::State& state) {
  const std::string blob = item_blob(state.range(0), false);
  for (auto unused : state) {
    sketch::FrequentItems into;
    if (!codec::merge_datasketches_frequent_items(into, blob, {})) state.SkipWithError("refused");
  }
  state.SetItemsProcessed(state.iterations() * state.range(0));
}

void top_10_of_frequent_texts(benchmark::State& state) {
  sketch::FrequentItems into;
  (void)codec::merge_datasketches_frequent_items(into, item_blob(state.range(0), false), {});
  for (auto unused : state) benchmark::DoNotOptimize(into.top_k(10));
}

void count_min_add(benchmark::State& state) {
  sketch::CountMin into{sketch::MatrixSketch::kDefaultShape};
  std::vector<std::string> keys;
  keys.reserve(4096);
  std::mt19937_64 random{1};
  for (int i = 0; i < 4096; ++i) keys.push_back("item-" + std::to_string(random() % 64 * (random() % 64)));
  std::size_t next = 0;
  for (auto unused : state) into.add({keys[next++ % 4096]}, 1);
  state.SetItemsProcessed(state.iterations());
}

void matrices(benchmark::internal::Benchmark* bench) {
  bench->Args({5, 272})->Args({4, 2048})->Args({5, 27183});
}
void sizes(benchmark::internal::Benchmark* bench) {
  bench->Arg(187)->Arg(534)->Arg(2062);
}

BENCHMARK(plain_array_add)->Apply(matrices);
BENCHMARK(count_min_u64)->Apply(matrices);
BENCHMARK(count_min_f64)->Apply(matrices);
BENCHMARK(count_min_asap)->Arg(50)->Arg(5000);
BENCHMARK(frequent_texts)->Apply(sizes);
BENCHMARK(frequent_texts_fresh)->Apply(sizes);
BENCHMARK(frequent_integers)->Arg(728);
BENCHMARK(top_10_of_frequent_texts)->Apply(sizes);
BENCHMARK(count_min_add);

}  // namespace

BENCHMARK_MAIN();
