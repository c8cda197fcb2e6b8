#include "sinks/row_order.hpp"

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
  if (has_any(answer, {"out of bounds", "too old sample", "sample-timestamp-too-old"})) {
    return TooOld::out_of_bounds;
  }
  return TooOld::no;
}

void RowOrder::note_taken(const std::vector<Row>& rows) {
  for (const Row& row : rows) {
    if (bound_ && row.timestamp <= *bound_) bound_.reset();  // its window has grown since
    note_newest(row, row.timestamp);
  }
}

void RowOrder::note_newest(const Row& row, engine::Time timestamp) {
  const std::uint64_t hash = hash_of(row);
  const auto found = newest_.find(hash);
  if (found != newest_.end()) {
    found->second = std::max(found->second, timestamp);
  } else if (newest_.size() < kSeriesMax) {
    newest_.emplace(hash, timestamp);
  }
}

void RowOrder::note_refused(const std::vector<Row>& rows, TooOld why) {
  last_ = why;
  if (why == TooOld::out_of_order && rows.size() == 1) {
    note_newest(rows.front(), rows.front().timestamp + engine::Duration{1});  // so it has a newer one
  }
  if (why != TooOld::out_of_bounds || rows.empty()) return;
  // Which row it was is known only of the oldest: were that taken, all would be.
  const Row& oldest = *std::min_element(rows.begin(), rows.end(), [](const Row& one, const Row& other) {
    return one.timestamp < other.timestamp;
  });
  bound_ = std::max(bound_.value_or(oldest.timestamp), oldest.timestamp);
}

bool RowOrder::is_behind(const Row& row) const {
  if (last_ == TooOld::out_of_bounds) return bound_ && row.timestamp <= *bound_;
  if (last_ != TooOld::out_of_order) return false;
  const auto found = newest_.find(hash_of(row));
  return found != newest_.end() && row.timestamp < found->second;
}

}  // namespace settle::sinks
