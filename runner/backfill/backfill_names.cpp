#include "runner/backfill/backfill_names.hpp"

#include <algorithm>
#include <unordered_set>

#include <xxhash.h>

#include "runner/store/keys.hpp"

namespace settle::runner {

namespace {

constexpr std::size_t kStampBytes = 8;
constexpr std::uint64_t kNumberMask = 0xffff'ffffu;  // few bytes in a block; the rest is probing
// The time of use is written again after so long: far below what the ledger is kept for.
constexpr std::chrono::hours kRefresh{1};

std::uint64_t stamp_of(engine::Time wall) {
  return static_cast<std::uint64_t>(std::max<std::int64_t>(engine::epoch_ms(wall), 0));
}

}  // namespace

std::string backfill_stream_id(std::string_view stream_id) {
  return std::string{stream_id} + "#b";
}

std::vector<engine::SeriesNumber> number_series(const ReadTransaction& read, std::string_view tenant,
                                                std::string_view backfill_stream,
                                                const std::vector<std::string>& texts, engine::Time wall_now,
                                                WriteBatch& batch) {
  std::vector<engine::SeriesNumber> numbers;
  numbers.reserve(texts.size());
  std::unordered_set<engine::SeriesNumber> taken;  // by this call
  const std::uint64_t now = stamp_of(wall_now);
  const std::uint64_t old = now - std::min(now, stamp_of(engine::Time{kRefresh}));
  for (const std::string& text : texts) {
    engine::SeriesNumber number = XXH3_64bits(text.data(), text.size()) & kNumberMask;
    for (;; ++number) {
      if (taken.contains(number)) {
        continue;
      }
      std::string key = series_key(tenant, backfill_stream, number);
      const auto held = read.get(Table::retired_series, key);
      const bool mine = held && held->size() >= kStampBytes && held->substr(kStampBytes) == text;
      if (held && !mine) {
        continue;
      }
      if (!held || read_u64(held->substr(0, kStampBytes)) <= old) {
        batch.put(Table::retired_series, std::move(key), key_u64(now) + text);
      }
      break;
    }
    taken.insert(number);
    numbers.push_back(number);
  }
  return numbers;
}

}  // namespace settle::runner
