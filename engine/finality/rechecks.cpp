#include "engine/finality/rechecks.hpp"

#include <algorithm>
#include <utility>

#include "engine/finality/panel.hpp"

namespace settle::engine {

namespace {

constexpr int kFirst = 2;    // x watch
constexpr int kSecond = 10;  // x watch
constexpr int kLast = 20;    // x watch
// Of the buckets of 20 x watch so many are kept on average.
constexpr std::uint64_t kKept = 64;
constexpr std::uint64_t kOneIn = 16;

}  // namespace

Rechecks::Rechecks(Duration watch, Duration granularity) : watch_(watch), granularity_(granularity) {
  const auto reach = static_cast<std::uint64_t>(kLast * (watch / granularity + 1));
  one_in_ = std::max(kOneIn, reach / kKept);
}

bool Rechecks::takes(Time bucket) const {
  return panel_rank(0, bucket) % one_in_ == 0;
}

void Rechecks::add(Time bucket, std::vector<Recheck::Cell> cells) {
  if (!cells.empty())
    all_[bucket] = {.stage = Recheck::Stage::sealed, .logged = 0, .cells = std::move(cells)};
}

bool Rechecks::is_due(Time bucket, const Recheck& one, Time now) const {
  const Duration aged = age(bucket, now);
  if (aged > kLast * watch_) return false;
  return (one.stage == Recheck::Stage::sealed && aged >= kFirst * watch_) ||
         (one.stage == Recheck::Stage::once && aged >= kSecond * watch_);
}

std::optional<Time> Rechecks::due(Time now) const {
  for (const auto& [bucket, one] : all_) {
    if (is_due(bucket, one, now)) return bucket;
  }
  return std::nullopt;
}

void Rechecks::advance(Time bucket, Time now) {
  Recheck& one = all_.at(bucket);
  const bool late = age(bucket, now) >= kSecond * watch_;
  one.stage = one.stage == Recheck::Stage::sealed && !late ? Recheck::Stage::once : Recheck::Stage::done;
  if (one.stage == Recheck::Stage::done) one.cells.clear();
  one.logged = 0;
}

void Rechecks::clean(Time now) {
  std::erase_if(all_, [&](const auto& item) {
    const bool is_written = item.second.stage == Recheck::Stage::done && item.second.logged != 0;
    return is_written || age(item.first, now) > kLast * watch_;
  });
}

}  // namespace settle::engine
