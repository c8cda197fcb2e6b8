#include "runner/verify/verify.hpp"

#include <algorithm>
#include <cmath>
#include <span>
#include <string_view>
#include <tuple>

namespace settle::runner {

using engine::Time;
using engine::Value;
using sinks::StoredSample;

namespace {

constexpr std::uint64_t kExactMax = 1ull << 53;
constexpr double kRelativeMax = 2e-12;
constexpr double kSmallest = 1e-290;  // smaller ones are stored as 0

using Place = std::pair<std::string_view, Time>;
Place place_of(const EmittedRow& row) {
  return {row.series.view(), row.timestamp};
}
Place place_of(const StoredSample& sample) {
  return {sample.series, sample.timestamp};
}

/// The run of equal places at the front, taken off.
template <class T>
std::span<T> take_run(std::span<T>& from) {
  std::size_t size = 1;
  while (size < from.size() && place_of(from[size]) == place_of(from[0])) ++size;
  const std::span<T> run = from.first(size);
  from = from.subspan(size);
  return run;
}

Mismatch mismatch(Mismatch::Kind kind, const VerifyOrder& order, Place at, const Value* acknowledged,
                  std::vector<Value> stored) {
  Mismatch one;
  one.kind = kind;
  one.sink = order.sink;
  one.series = std::string{at.first};
  one.timestamp = at.second;
  if (acknowledged != nullptr) one.acknowledged = *acknowledged;
  one.stored = std::move(stored);
  return one;
}

std::vector<Value> values_of(std::span<const StoredSample> stored) {
  std::vector<Value> values;
  for (const StoredSample& sample : stored) values.push_back(sample.value);
  return values;
}

/// What the sink has beside the newest value, which it has, and beside older revisions of it.
std::vector<Value> surplus_of(const VerifyOrder& order, std::span<const EmittedRow> emitted,
                              std::span<const StoredSample> stored) {
  std::vector<Value> surplus;
  bool newest_seen = false;
  for (const StoredSample& sample : stored) {
    const bool is_newest = is_kept_as(emitted.back().value, sample.value);
    const bool known = std::any_of(emitted.begin(), emitted.end(), [&sample](const EmittedRow& row) {
      return is_kept_as(row.value, sample.value);
    });
    if (!known || (order.keeps_duplicates && is_newest && newest_seen)) surplus.push_back(sample.value);
    newest_seen = newest_seen || is_newest;
  }
  return surplus;
}

void verify_place(const VerifyOrder& order, std::span<const EmittedRow> emitted,
                  std::span<const StoredSample> stored, Verified& out) {
  const auto is_stale = [](const EmittedRow& row) { return row.is_stale; };
  if (std::any_of(emitted.begin(), emitted.end(), is_stale)) return;
  const EmittedRow& newest = emitted.back();
  if (!newest.acknowledged) {
    out.waiting += 1;
    return;
  }
  out.compared += 1;
  const Place at = place_of(newest);
  if (stored.empty()) {
    out.mismatches.push_back(mismatch(Mismatch::Kind::missing, order, at, &newest.value, {}));
    return;
  }
  const auto is_there = [&newest](const StoredSample& one) { return is_kept_as(newest.value, one.value); };
  if (std::none_of(stored.begin(), stored.end(), is_there)) {
    out.mismatches.push_back(
        mismatch(Mismatch::Kind::different, order, at, &newest.value, values_of(stored)));
    return;
  }
  std::vector<Value> surplus = surplus_of(order, emitted, stored);
  if (!surplus.empty()) {
    out.mismatches.push_back(mismatch(Mismatch::Kind::extra, order, at, nullptr, std::move(surplus)));
  }
}

}  // namespace

bool is_kept_as(const Value& sent, const Value& stored) {
  if (sent == stored) return true;
  const double value = sent.as_double();
  const double kept = stored.as_double();
  if (std::isnan(value) || std::isnan(kept)) return std::isnan(value) && std::isnan(kept);
  if (value == kept) return true;
  if (!std::isfinite(value) || !std::isfinite(kept)) return false;
  if (sent.is_count() && sent.as_count() <= kExactMax) return false;
  return std::abs(value - kept) <= std::max(std::abs(value) * kRelativeMax, kSmallest);
}

Verified verify_rows(const VerifyOrder& order, std::vector<EmittedRow> emitted,
                     std::vector<StoredSample> stored) {
  std::sort(emitted.begin(), emitted.end(), [](const EmittedRow& a, const EmittedRow& b) {
    return std::tuple{place_of(a), a.sequence, a.revision} < std::tuple{place_of(b), b.sequence, b.revision};
  });
  std::sort(stored.begin(), stored.end(), [](const StoredSample& a, const StoredSample& b) {
    return std::tuple{place_of(a), a.value} < std::tuple{place_of(b), b.value};
  });
  Verified out;
  std::span<const EmittedRow> sent{emitted};
  std::span<const StoredSample> kept{stored};
  while (!sent.empty() || !kept.empty()) {
    const bool has_kept = !kept.empty() && (sent.empty() || place_of(kept[0]) <= place_of(sent[0]));
    const bool has_sent = !sent.empty() && (kept.empty() || place_of(sent[0]) <= place_of(kept[0]));
    const auto kept_here = has_kept ? take_run(kept) : std::span<const StoredSample>{};
    if (has_sent) {
      verify_place(order, take_run(sent), kept_here, out);
    } else if (kept_here[0].timestamp >= order.extra_from) {
      out.mismatches.push_back(
          mismatch(Mismatch::Kind::extra, order, place_of(kept_here[0]), nullptr, values_of(kept_here)));
    }
  }
  return out;
}

}  // namespace settle::runner
