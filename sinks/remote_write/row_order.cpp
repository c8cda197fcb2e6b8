#include "sinks/remote_write/row_order.hpp"

#include <algorithm>
#include <functional>
#include <initializer_list>

namespace settle::sinks {

namespace {

constexpr std::size_t kSeriesMax =
    1'000'000;  // some 40 MB; rows of series beyond it are told apart by bisecting

std::uint64_t hash_of(const Row& row) {
  return std::hash<std::string_view>{}(row.series.view());
}

bool has_any(std::string_view text, std::initializer_list<std::string_view> words) {
  return std::any_of(words.begin(), words.end(),
                     [text](std::string_view one) { return text.find(one) != text.npos; });
}

}  // namespace

TooOld too_old(std::string_view answer) {
  if (has_any(answer, {"out of order sample", "sample-out-of-order"})) return TooOld::out_of_order;
  if (has_any(answer, {"out of bounds"})) return TooOld::out_of_bounds;
  if (has_any(answer, {"too old sample", "sample-timestamp-too-old"})) return TooOld::too_old;
  return TooOld::no;
}

void RowOrder::note_taken(const std::vector<Row>& rows) {
  for (const Row& row : rows) {
    // What it takes now it would not have refused: its window has grown, or it has forgotten what it had.
    if (lateness(row) == Lateness::refused) forget();
    note_newest(row, row.timestamp);
  }
}

void RowOrder::note_newest(const Row& row, engine::Time timestamp) {
  if (newest_.size() >= kSeriesMax) newest_.clear();
  const auto [at, is_new] = newest_.emplace(hash_of(row), timestamp);
  if (!is_new) at->second = std::max(at->second, timestamp);
}

void RowOrder::note_refused(const std::vector<Row>& rows, TooOld why) {
  if (why != last_) bound_.reset();
  last_ = why;
  if (why == TooOld::no || rows.empty()) return;
  // A row that is refused by itself is behind something, and so are older ones of its series.
  if (rows.size() == 1) note_newest(rows.front(), rows.front().timestamp + engine::Duration{1});
  // Which row it was is not known, but none is older than the oldest.
  const Row& oldest = *std::min_element(rows.begin(), rows.end(), [](const Row& one, const Row& other) {
    return one.timestamp < other.timestamp;
  });
  bound_ = std::max(bound_.value_or(oldest.timestamp), oldest.timestamp);
}

bool RowOrder::is_behind(const Row& row) const {
  const auto found = newest_.find(hash_of(row));
  return found != newest_.end() && row.timestamp < found->second;
}

Lateness RowOrder::lateness(const Row& row) const {
  const bool is_old = bound_ && row.timestamp <= *bound_;
  const bool behind = is_behind(row);
  bool refused = false;
  switch (last_) {
    case TooOld::no:
      break;
    case TooOld::out_of_order:
      refused = behind;
      break;
    case TooOld::out_of_bounds:
      refused = behind || is_old;
      break;
    case TooOld::too_old:
      refused = behind && is_old;
      break;
  }
  if (refused) return Lateness::refused;
  return behind ? Lateness::behind : Lateness::none;
}

}  // namespace settle::sinks
